"""Abdominal aortic aneurysm: a fusiform bulge below the renal arteries, with thrombus and a calcified wall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import GeometryError, PlacementError
from medsynth.core.seed import Seed
from medsynth.lesions.abdomen.aorta import Beyond, Bulge, aorta, one_aorta
from medsynth.lesions.abdomen.focal import organ
from medsynth.lesions.distributions import Distribution, Fixed, Options, Trait, Uniform
from medsynth.lesions.effect import mass_effect
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.star_body import Grains
from medsynth.scene.structure import Code, Layer, Lesion, Measured, Paint, Push, Scene, Structure, Texture

ANEURYSM = Code("233985008", "Abdominal aortic aneurysm")
SOFT = ("abdominal_fat", "abdominal_aorta*", "arterial_plaque", "inferior_vena_cava", "small_bowel*", "duodenum*",
        "colon*",
        "pancreas*", "*mesenteric*", "abdominal_lymph_nodes", "ureter_*", "renal_vein_*")  # what it may replace
WALL_MM = 1.6
ANTERIOR = 0.75  # share of the growth that goes forward: the spine stands behind (unverified)


class AorticAneurysmOptions(Options):
    """Aneurysms of the abdominal aorta of one recipe entry: one at most in a body.

    Attributes
    ----------
    count : 0 or 1.
    diameter_mm : largest outer diameter across the vessel.
    length : of the bulge over its diameter.
    thrombus : probability, and share of the bulge's added radius that clot fills.
    calcified : probability, and how much of the wall holds flecks of calcium.
    """

    count: Distribution = Fixed(value=1)
    diameter_mm: Distribution = Uniform(low=32, high=75)  # 30 mm defines it
    length: Distribution = Uniform(low=1.2, high=1.9)  # unverified
    thrombus: Trait = Trait(probability=0.75, low=0.3, high=0.95)  # unverified
    calcified: Trait = Trait(probability=0.8, low=0.2, high=1.0)  # unverified


class AorticAneurysmSpec(Options):
    """One aneurysm in plain numbers; it follows the aorta of its scene."""

    kind: Literal["aortic_aneurysm"] = "aortic_aneurysm"
    outer_diameter_mm: float = Field(gt=0, le=150)
    length_mm: float = Field(gt=0)
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)
    thrombus: float = Field(ge=0, le=1)
    thrombus_angle_rad: float
    calcified: float = Field(ge=0, le=1)
    shape_seed: int = Field(ge=0)


def sample_specs(options: AorticAneurysmOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the aneurysm of one recipe entry as a spec of JSON values.

    Raises
    ------
    PlacementError
        If more than one is asked for, or it is no wider than the aorta or too long for it.
    """
    count = int(options.count.sample(rng=rng))
    one_aorta("aortic_aneurysm", count, taken)
    if count == 0:
        return []
    line = aorta(scene)
    diameter = float(options.diameter_mm.sample(rng=rng))
    low, high = _span(scene)
    # A long one takes all there is between renal arteries and bifurcation.
    length = min(options.length.sample(rng=rng) * diameter, 0.96 * (high - low))
    middle = float(rng.uniform(low + length / 2, high - length / 2))
    x, y, radius = (float(v) for v in line.at(middle))
    if diameter < 2 * radius + 4:
        raise PlacementError(f"lesions.aortic_aneurysm of diameter_mm {diameter:.1f} is no wider than this "
                             f"person's aorta ({2 * radius:.1f})")
    return [AorticAneurysmSpec(
        outer_diameter_mm=round(diameter, 3), length_mm=length, centre_mm=(x, y, middle), reach_mm=diameter / 2 + 4,
        thrombus=options.thrombus.sample(rng=rng), thrombus_angle_rad=float(rng.uniform(-2.2, 2.2)),
        calcified=options.calcified.sample(rng=rng), shape_seed=int(rng.integers(2**53))).model_dump(mode="json")]


def _span(scene: Scene) -> tuple[float, float]:
    """Return the heights between the bifurcation and the renal arteries."""
    line = aorta(scene)
    bottom = scene.landmarks.get("aortic_bifurcation", (0.0, 0.0, float(line.z_mm[0])))[2] + 4
    renal = [float(tubes.starts_mm[0, 2]) for name, tubes in scene.vessels.items()
             if name.startswith("renal_artery") and len(tubes.starts_mm)]
    return bottom, (min(renal) if renal else float(line.z_mm[-1])) - 6


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(AorticAneurysmSpec, spec, number)
    sac, lumen = _shapes(one, scene)
    made: dict[str, Structure] = {
        "wall": lesion_part(number, "wall", "vessel_wall", ANEURYSM, whole=True, enhancement="muscle"),
        "blood": lesion_part(number, "blood", "blood", ANEURYSM, enhancement="aorta")}
    inner = "blood"
    if one.thrombus > 0:
        made["clot"] = lesion_part(number, "clot", "clot", ANEURYSM, mixture=mixture_for_hu("clot", 38.0),
                                   texture=Texture(octaves=((6.0, 0.01),)))
        inner = "clot"
    over = organ(scene, *SOFT).labels
    wall, within = made["wall"].label, made[inner].label
    paints = [Paint(sac, (Layer(wall), Layer(within, WALL_MM)), over, lattice_mm=1.0)]
    if inner == "clot":
        paints.append(Paint(lumen, (Layer(made["blood"].label),), (within,), lattice_mm=1.0))
    if one.calcified > 0:
        made["calcification"] = lesion_part(number, "calcification", "calcification", ANEURYSM)
        paints.append(Paint(_flecks(one, sac), (Layer(made["calcification"].label),), (wall, within), lattice_mm=0.6))
    return Lesion(number, one.kind, ANEURYSM, tuple(made.values()), tuple(paints), "abdominal_aorta",
                  {"shape": "fusiform", "level": "infrarenal", "thrombus": one.thrombus > 0,
                   "calcified": one.calcified > 0, "outer_diameter_mm": round(one.outer_diameter_mm, 1)},
                  one.model_dump(mode="json"), pushes=_pushes(one, scene, sac), classify=_repair)


def _shapes(one: AorticAneurysmSpec, scene: Scene) -> tuple[Bulge, Bulge]:
    """Return the sac and what flows in it."""
    line = aorta(scene)
    z = np.linspace(one.centre_mm[2] - one.length_mm / 2, one.centre_mm[2] + one.length_mm / 2, 61)
    x, y, radius = line.at(z)
    swell = np.square(np.cos(np.pi * (z - one.centre_mm[2]) / one.length_mm)) ** 0.8
    rng = Seed(one.shape_seed).child("sac").rng()
    lean = float(rng.uniform(-0.3, 0.5))  # to the left, mostly
    own = float(line.at(one.centre_mm[2])[2])
    grown = one.outer_diameter_mm / 2 - own
    outer = radius + (one.outer_diameter_mm / 2 - radius) * swell
    sac = Bulge(z, x + lean * grown * swell, y - ANTERIOR * grown * swell, outer)
    share = one.thrombus * swell
    flow = np.maximum(outer - WALL_MM - share * (outer - WALL_MM - 0.85 * radius), 0.5 * radius)
    free = np.maximum(outer - WALL_MM - flow, 0) * 0.8
    lumen = Bulge(z, sac.x_mm + free * np.sin(one.thrombus_angle_rad),
                  sac.y_mm + free * np.cos(one.thrombus_angle_rad), flow)
    return sac, lumen


def _flecks(one: AorticAneurysmSpec, sac: Bulge) -> Grains:
    rng = Seed(one.shape_seed).child("calcium").rng()
    count = int(4 + 30 * one.calcified)
    at = rng.uniform(0.08, 0.92, count) * (len(sac.z_mm) - 1)
    z, x, y, r = (np.interp(at, np.arange(len(sac.z_mm)), v) for v in (sac.z_mm, sac.x_mm, sac.y_mm, sac.radius_mm))
    angle = rng.uniform(0, 2 * np.pi, count)
    # Plates: neighbours along the wall.
    turns = np.concatenate([angle, angle + 2.2 / r, angle - 2.2 / r])
    r3, x3, y3, z3 = (np.tile(v, 3) for v in (r - 0.8, x, y, z))
    centres = np.stack([x3 + r3 * np.cos(turns), y3 + r3 * np.sin(turns), z3], axis=1)
    return Grains(centres, np.full(len(centres), 1.1))


def _pushes(one: AorticAneurysmSpec, scene: Scene, sac: Bulge) -> tuple[Push, ...]:
    """Return what the sac pushes aside; the spine stays."""
    grown = one.outer_diameter_mm / 2 - float(aorta(scene).at(one.centre_mm[2])[2])
    middle = (float(sac.x_mm[30]), float(sac.y_mm[30]), one.centre_mm[2])
    try:
        return (mass_effect(middle, 1.1 * one.outer_diameter_mm, 0.55 * grown, about=sac,
                            within=Beyond(scene.fields["spine"], 150.0), fade_mm=15.0),)
    except GeometryError:
        return ()


def _repair(measured: Measured) -> dict[str, Any]:
    # Across the vessel, the sac's short axis in a slice; repair from 55 mm (SVS 2018; unverified).
    across = measured.short_axis_mm
    word = "ectatic" if across < 30 else "small" if across < 45 else "medium" if across < 55 else "large"
    return {"size_class": word, "repair_threshold": across >= 55}


FAMILY = Family("aortic_aneurysm", "Abdominal aortic aneurysm with thrombus and calcified wall", AorticAneurysmOptions,
                sample_specs, insert, ("abdomen", "torso"))
