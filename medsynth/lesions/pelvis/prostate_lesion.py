"""Prostate lesions by zone: cancer, dark on T2 with a low ADC, and the nodule of hyperplasia that mimics it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.lesions.abdomen.focal import FocalSpec
from medsynth.lesions.distributions import Distribution, LogNormal, Options, Poisson, Uniform, choose
from medsynth.lesions.family import Family, Site, checked_spec
from medsynth.lesions.form import blob, random_axes, random_quaternion, turn_of
from medsynth.lesions.host import Host, host, labels_of, point
from medsynth.lesions.matter import lesion_part
from medsynth.lesions.placement import keeps_apart, taken_balls
from medsynth.scene.structure import Code, Layer, Lesion, Measured, Paint, Scene, Structure, Texture

Type = Literal["cancer", "bph_nodule"]
Zone = Literal["peripheral", "transition", "central"]
CANCER, NODULE = Code("399068003", "Malignant tumor of prostate"), Code("4147007", "Mass")
PROSTATE, STEP_MM = ("prostate*",), 1.0
SITES = 80
FLAT: Mapping[str, tuple[float, float, float]] = {  # semi-axes along x, y, z: lenses under the capsule, lentils within
    "peripheral": (1.25, 0.72, 1.1), "transition": (1.25, 0.8, 1.0), "central": (1.1, 0.85, 1.05)}
SUSPICIOUS_FROM = 0.6  # conspicuity from which on a reader scores 4 or 5 (unverified)
SIZE_MM = 15.0  # PI-RADS 5 from here on
CAPSULE_MM = 0.8
TYPES: dict[Type, float] = {"cancer": 0.8, "bph_nodule": 0.2}
ZONES: dict[Zone, float] = {"peripheral": 0.7, "transition": 0.25, "central": 0.05}  # unverified: 70-75 % PZ


class ProstateLesionOptions(Options):
    """Prostate lesions of one recipe entry.

    Attributes
    ----------
    count : how many.
    types : weights of cancer and bph_nodule.
    zones : weights of peripheral, transition, central, for cancer; nodules of hyperplasia lie in the transition zone.
    diameter_mm : of the sphere of the same volume.
    conspicuity : 1 is dense cancer (ADC about 0.85 um2/ms); less is mixed with healthy glands.
    """

    count: Distribution = Poisson(mean=1.5, low=1, high=5)
    types: dict[Type, float] = TYPES
    zones: dict[Zone, float] = ZONES
    diameter_mm: Distribution = LogNormal(median=11, sigma=0.4, low=5, high=40)  # unverified
    conspicuity: Distribution = Uniform(low=0.45, high=1.0)


class ProstateLesionSpec(FocalSpec):
    """One prostate lesion in plain numbers."""

    kind: Literal["prostate_lesion"] = "prostate_lesion"
    type: Type
    zone: Zone
    conspicuity: float = Field(gt=0, le=1)
    glandular: bool


def sample_specs(options: ProstateLesionOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the prostate lesions of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place, or the person has no prostate.
    """
    specs: list[dict[str, Any]] = []
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        kind: Type = choose(options.types, rng=stream)
        zone: Zone = choose(options.zones, rng=stream) if kind == "cancer" else "transition"
        wanted = float(options.diameter_mm.sample(rng=stream))
        numbers: dict[str, Any] = {"conspicuity": options.conspicuity.sample(rng=stream),
                                   "glandular": bool(stream.uniform() < 0.5)}
        axes = random_axes(0.08, rng=stream)
        turn = random_quaternion(rng=stream) if kind == "bph_nodule" else (1.0, 0.0, 0.0, 0.0)
        if kind == "cancer":
            flat = np.asarray(axes) * FLAT[zone]
            axes = point(flat / np.cbrt(np.prod(flat)))
        where = _zone(scene, zone)
        # A zone has room for a sphere of a third of its volume at most.
        diameter = min(wanted, float((2 / np.pi * 1000 * where.volume_ml) ** (1 / 3)))
        centre, reach = _place(where, diameter, taken_balls(*taken, *specs), rng=stream)
        specs.append(ProstateLesionSpec(type=kind, zone=zone, diameter_mm=round(diameter, 3), axes=axes,
                                        quaternion=turn,
                                        centre_mm=point(centre), reach_mm=round(reach, 3), host="prostate",
                                        shape_seed=int(stream.integers(2**53)), **numbers).model_dump(mode="json"))
    return specs


def _zone(scene: Scene, zone: Zone) -> Host:
    return host(scene, f"prostate_{zone}_zone", step_mm=STEP_MM)


def _place(where: Host, diameter: float, taken: Sequence[Any], *, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    reach = 0.55 * diameter
    deep = min(0.3 * diameter, 0.6 * float(where.depth_mm.max()))
    for at in where.points(SITES, rng=rng, depth_mm=(deep, np.inf)):
        if keeps_apart(at, reach, taken):
            return at, reach
    raise PlacementError(f"lesions.prostate_lesion found no place in {where.names[0]} for one of "
                         f"diameter_mm {diameter:.1f}")


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone.

    Raises
    ------
    PlacementError
        If the zone has no room for it there.
    """
    one = checked_spec(ProstateLesionSpec, spec, number)
    where = _zone(scene, one.zone)
    body = blob(one.centre_mm, one.volume_mm3, axes=one.axes, turn=turn_of(one.quaternion), seed=one.part("body"),
                lobulation=0.15 if one.type == "cancer" else 0.05, roughness=0.07 if one.type == "cancer" else 0.02,
                fraying=0.04 if one.type == "cancer" else 0.0, host=where.shape, cut=True)
    made = _structures(one, number)
    layers = [Layer(made["solid"].label)]
    if "capsule" in made:
        layers = [Layer(made["capsule"].label), Layer(made["solid"].label, CAPSULE_MM)]
    attributes = {"type": one.type, "mimic": one.type == "bph_nodule", "zone": one.zone,
                  **sector(scene, one.zone, one.centre_mm)}
    code = CANCER if one.type == "cancer" else NODULE
    paint = Paint(body, tuple(layers), labels_of(scene, f"prostate_{one.zone}_zone"), lattice_mm=0.5)
    return Lesion(number, one.kind, code, tuple(made.values()), (paint,), "prostate", attributes,
                  one.model_dump(mode="json"), classify=lambda measured: _pi_rads(one, measured))


def _structures(one: ProstateLesionSpec, number: int) -> dict[str, Structure]:
    if one.type == "cancer":
        healthy = round(1 - one.conspicuity, 4)
        return {"solid": lesion_part(number, "solid", "prostate_cancer", CANCER, whole=True,
                                     enhancement="prostate_cancer",
                                     mixture=(("prostate", healthy),) if healthy > 0 else (),
                                     texture=Texture(octaves=((4.0, 0.004),)))}
    tissue = "prostate" if one.glandular else "fibrous_tumour"
    extra = (("cyst_fluid" if one.glandular else "prostate", 0.35),)
    return {"solid": lesion_part(number, "solid", tissue, NODULE, whole=True, enhancement="prostate", mixture=extra,
                                 texture=Texture(octaves=((3.0, 0.02),))),
            "capsule": lesion_part(number, "capsule", "fibrous_tumour", NODULE)}


def sector(scene: Scene, zone: Zone, centre_mm: Sequence[float]) -> dict[str, str]:
    """Return level, side and PI-RADS v2.1 sector of a point, from the gland's own extent."""
    gland = host(scene, *PROSTATE, step_mm=STEP_MM)
    at = gland.grid.world_mm(np.argwhere(gland.share >= 0.5).astype(float))
    low, high = np.percentile(at, 1, axis=0), np.percentile(at, 99, axis=0)
    x, y, z = (np.asarray(centre_mm) - (low + high) / 2) / ((high - low) / 2)
    level = "base" if z > 1 / 3 else "apex" if z < -1 / 3 else "mid"
    if zone == "peripheral":  # x is LPS: the patient's left is positive
        part = "PZa" if y < -0.1 else "PZpm" if abs(x) < 0.4 else "PZpl"
    else:
        part = "CZ" if zone == "central" else "TZa" if y < 0 else "TZp"
    side = "left" if x > 0 else "right"
    return {"level": level, "side": side, "sector": f"{side} {level} {part}"}


def _pi_rads(one: ProstateLesionSpec, measured: Measured) -> dict[str, Any]:
    size = measured.long_axis_mm
    if one.type == "bph_nodule":  # a nodule with a whole capsule
        score = 1 if one.glandular else 2
    elif one.conspicuity < SUSPICIOUS_FROM:
        score = 3
    else:
        score = 5 if size >= SIZE_MM else 4
    return {"pi_rads": score}


FAMILY = Family("prostate_lesion", "Prostate cancer by zone, and nodules of hyperplasia", ProstateLesionOptions,
                sample_specs, insert, ("pelvis", "torso"),
                Site("prostate_peripheral_zone", "prostate"))
