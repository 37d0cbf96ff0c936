"""Bone marrow oedema of the knee: water in fatty marrow below the joint surface, as after a bruise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field

from medsynth.core.errors import PlacementError
from medsynth.core.seed import Seed
from medsynth.lesions.distributions import Distribution, Fixed, LogNormal, Options, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.form import blob, random_axes, random_quaternion, turn_of
from medsynth.lesions.host import host, point
from medsynth.lesions.joint.side import laterality, outwards
from medsynth.lesions.matter import lesion_part
from medsynth.lesions.placement import Ball, keeps_apart
from medsynth.lesions.weights import Weight, some_weight
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Texture

Site = Literal["medial_femoral_condyle", "lateral_femoral_condyle", "medial_tibial_plateau", "lateral_tibial_plateau",
               "patella"]

OEDEMA = Code("52988006", "Lesion")
SITES = 80  # places tried
DEPTH_MM = (0.0, 7.0)  # below the cortex
FROM_JOINT_MM = 22.0  # above or below the joint line, at most
TRABECULAE = 0.14  # volume of bone in marrow near the joint, as this body has it
RIM, RIM_SHARE = 0.30, 0.45  # width of the faded rim, of the radius, and its water, of the middle's (unverified)
SIDE_MM = 8.0  # from the midline, at least


class MarrowOedemaOptions(Options):
    """Bone marrow oedema of one recipe entry.

    Attributes
    ----------
    count : how many.
    volume_ml : of each (unverified).
    sites : relative weights; the lateral side is that of pivot-shift injuries (unverified).
    water_share : of the marrow's volume that is free water; the rest is cellular marrow with a third of fat.
    """

    count: Distribution = Fixed(value=1)
    volume_ml: Distribution = LogNormal(median=3, sigma=0.6, low=0.3, high=15)
    sites: Annotated[dict[Site, Weight], AfterValidator(some_weight)] = Field(default={
        "medial_femoral_condyle": 0.2, "lateral_femoral_condyle": 0.32, "medial_tibial_plateau": 0.16,
        "lateral_tibial_plateau": 0.27, "patella": 0.05})
    water_share: Distribution = Uniform(low=0.15, high=0.3)


class MarrowOedemaSpec(Options):
    """One oedema in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["bone_marrow_oedema"] = "bone_marrow_oedema"
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)
    site: Site
    volume_ml: float = Field(gt=0, le=60)
    water_share: float = Field(gt=0, le=0.8)
    axes: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    shape_seed: int = Field(ge=0)


def sample_specs(options: MarrowOedemaOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the oedemas of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    specs: list[dict[str, Any]] = []
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        balls = [Ball(tuple(other["centre_mm"]), float(other["reach_mm"])) for other in (*taken, *specs)
                 if other["kind"] == "bone_marrow_oedema"]  # it lies below what else is broken
        specs.append(_sample_one(options, scene, balls, rng=stream).model_dump(mode="json"))
    return specs


def _sample_one(options: MarrowOedemaOptions, scene: Scene, taken: Sequence[Ball], *,
                rng: np.random.Generator) -> MarrowOedemaSpec:
    site, volume = choose(options.sites, rng=rng), float(options.volume_ml.sample(rng=rng))
    form: dict[str, Any] = {"site": site, "volume_ml": round(volume, 4), "axes": random_axes(0.2, rng=rng),
                            "quaternion": random_quaternion(rng=rng),
                            "water_share": float(options.water_share.sample(rng=rng)),
                            "shape_seed": int(rng.integers(2**53))}
    reach = 1.3 * (3000 * volume / (4 * np.pi)) ** (1 / 3)
    marrow = host(scene, f"{_bone(site)}_*")
    centre_of = np.asarray(scene.landmarks["joint_centre"])
    for centre in marrow.points(SITES * 4, rng=rng, depth_mm=DEPTH_MM):
        outer = outwards(scene) * (centre[0] - centre_of[0])
        on_side = site == "patella" or outer * (1 if site.startswith("lateral") else -1) > SIDE_MM
        if on_side and (site == "patella" or abs(centre[2] - centre_of[2]) < FROM_JOINT_MM) \
                and keeps_apart(centre, reach, taken):
            return MarrowOedemaSpec(centre_mm=point(centre), reach_mm=round(reach, 3), **form)
    raise PlacementError(f"lesions.bone_marrow_oedema found no place for one of volume_ml {volume:.2f} in {site}")


def _bone(site: str) -> str:
    return "patella" if site == "patella" else "femur" if "femoral" in site else "tibia"


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(MarrowOedemaSpec, spec, number)
    bone = _bone(one.site)
    marrow = host(scene, f"{bone}_*")
    body = blob(one.centre_mm, 1000 * one.volume_ml, axes=one.axes, turn=turn_of(one.quaternion), lobulation=0.5,
                roughness=0.12, fraying=0.12, seed=Seed(one.shape_seed).child("body"), host=marrow.shape, cut=True)
    # Fat gives way to cells and water; the border is half fat.
    rim, core = (lesion_part(number, part, base, OEDEMA, whole=part == "change", enhancement="marrow", mixture=mixture,
                             texture=Texture(octaves=((9.0, 0.02), (3.0, 0.05), (1.6, 0.04))))
                 for part, base, mixture in (
                     ("change", "yellow_marrow", (("red_marrow", 0.4), *_wet(RIM_SHARE * one.water_share))),
                     ("oedema", "red_marrow", _wet(one.water_share))))
    inset = RIM * body.radius_mm
    paint = Paint(body, (Layer(rim.label), Layer(core.label, inset)), marrow.labels)
    attributes = {"bone": bone, "site": one.site, "laterality": laterality(scene), "pattern": "subchondral"}
    return Lesion(number, one.kind, OEDEMA, (rim, core), (paint,), bone, attributes, one.model_dump(mode="json"))


def _wet(share: float) -> tuple[tuple[str, float], ...]:
    return ("synovial_fluid", round(share, 6)), ("cortical_bone", TRABECULAE)


FAMILY = Family("bone_marrow_oedema", "Bone marrow oedema of the knee", MarrowOedemaOptions, sample_specs, insert,
                ("knee",))
