"""Subdural haematoma: a crescent along one hemisphere, across sutures but not across the falx; fresh, old or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.lesions.brain.blood import HIGHEST_HU, LEAST_HU, MEAN_HU, VOLUME_ML, blood_part, faded_hu, stage_of
from medsynth.lesions.brain.cranium import midline, midline_shift_mm, structure_at
from medsynth.lesions.brain.extra_axial import Patch, clot, pole, push_inwards, seat
from medsynth.lesions.brain.gravity import Posture, down
from medsynth.lesions.distributions import Distribution, Options, Trait, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import labels_of, point
from medsynth.lesions.levels import level_at
from medsynth.scene.structure import BACKGROUND, Code, Layer, Lesion, Paint, Push, Scene, Structure
from medsynth.shapes.blend import Intersection, Offset
from medsynth.shapes.primitives import HalfSpace

SUBDURAL = Code("35486000", "Subdural intracranial hemorrhage")

DURA_MM = 1.0  # from the field of the inner table to below the dura: both are drawn a quarter of a mm farther in
THINNEST_MM = 3.5  # in its thickest place (unverified): what readers see
SITES = 40
HEIGHT_MM = (10.38, 24.48)  # extent up and down: a ln(ml) + b (fitted to BHSD by InSilicoICH)
LENGTH_RATIO = (1.5, 2.2)  # front to back over up and down (unverified)
CRESCENT = 0.45
TIPS = 1.25  # the patch runs out thinner than a voxel beyond the extent that was measured
LEVEL_SHARE, LEVEL_STEP_HU = (0.4, 0.75), (18.0, 30.0)  # of the volume that is plasma, and how much less dense it is
SPARED = ("falx", "tentorium", "superior_sagittal_sinus", "transverse_sinus_*", "sigmoid_sinus_*")
REACH_MM = 12.0  # a sheet, no ball: other lesions keep away from its thickest place only
PUSHES_FROM_MM = 1.0


class SubduralOptions(Options):
    """Subdural haematomas of one recipe entry.

    Attributes
    ----------
    count : how many.
    volume_ml : of each.
    fresh_hu : mean CT number at 120 kVp while fresh.
    age_days : since the bleed; from the second day on it fades by 1.5 HU a day.
    level : old blood that bled again: plasma over settled cells.
    sides : weights.
    posture : the patient's, since the level formed.
    """

    count: Distribution = Field(default=1, validate_default=True)
    volume_ml: Distribution = VOLUME_ML["subdural"]
    fresh_hu: Distribution = MEAN_HU["subdural"]
    age_days: Distribution = Uniform(low=0.2, high=2.0)
    level: Trait = Trait(probability=0.1, low=0.4, high=1.0)
    sides: dict[Literal["left", "right"], float] = Field(default={"left": 1.0, "right": 1.0})
    posture: Posture = "supine"


class SubduralSpec(Options):
    """One subdural haematoma in plain numbers."""

    kind: Literal["subdural_haemorrhage"] = "subdural_haemorrhage"
    volume_ml: float = Field(gt=0, le=300)
    centre_mm: Vector
    reach_mm: float
    host: str
    seat_mm: Vector
    half_mm: tuple[float, float]
    age_days: float = Field(ge=0)
    hu: float = Field(ge=-10, le=HIGHEST_HU)
    plasma_share: float = Field(ge=0, lt=1)
    plasma_step_hu: float = Field(ge=0)
    posture: Posture
    shape_seed: int = Field(ge=0)


def sample_specs(options: SubduralOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the haematomas of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    specs: list[dict[str, Any]] = []
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        specs.append(_sample_one(options, scene, [*taken, *specs], rng=stream).model_dump(mode="json"))
    return specs


def _sample_one(options: SubduralOptions, scene: Scene, taken: Sequence[Mapping[str, Any]], *,
                rng: np.random.Generator) -> SubduralSpec:
    volume, fresh, age = (float(one.sample(rng=rng)) for one in (options.volume_ml, options.fresh_hu, options.age_days))
    level = options.level.sample(rng=rng)
    share, step = float(rng.uniform(*LEVEL_SHARE)), float(level * rng.uniform(*LEVEL_STEP_HU))
    height = TIPS * float(np.clip(HEIGHT_MM[0] * np.log(volume) + HEIGHT_MM[1], 12, 90))
    length = min(height * float(rng.uniform(*LENGTH_RATIO)), 170.0)
    side, seed = choose(dict(options.sides), rng=rng), int(rng.integers(2**53))
    used = {_side_word(scene, other["centre_mm"]) for other in taken
            if other["kind"] == "subdural_haemorrhage"}
    for _ in range(SITES):
        azimuth, rise = np.radians(rng.uniform(-32, 32)), np.radians(rng.uniform(8, 40))
        here = side if side not in used else {"left": "right", "right": "left"}[side]
        if here in used:
            break
        sign = 1.0 if here == "left" else -1.0
        ray = np.array([sign * np.cos(rise) * np.cos(azimuth), np.cos(rise) * np.sin(azimuth), np.sin(rise)])
        at = seat(scene, ray)
        inwards = (pole(scene) - at) / np.linalg.norm(pole(scene) - at)
        one = SubduralSpec(
            volume_ml=round(volume, 4), centre_mm=point(at + 4 * inwards), reach_mm=REACH_MM,
            host=structure_at(scene, point(at + 12 * inwards), "cerebral_cortex_*"), seat_mm=point(at),
            half_mm=(length / 2, height / 2), age_days=age, hu=round(faded_hu(fresh, age), 3),
            plasma_share=share if level > 0 else 0.0, plasma_step_hu=step, posture=options.posture, shape_seed=seed)
        try:
            _, thickest = clot(scene, _patch(one), 1000 * volume)
        except PlacementError:
            height, length = min(1.12 * height, 110.0), min(1.12 * length, 175.0)
            continue
        if thickest >= min(THINNEST_MM, 0.12 * height):
            return one
        height, length = 0.8 * height, 0.8 * length
    raise PlacementError(f"lesions.subdural_haemorrhage found no place for one of volume_ml {volume:.1f} on the "
                         f"{side} side")


def _side_word(scene: Scene, centre_mm: Sequence[float]) -> str:
    return "left" if midline(scene).left_mm(np.asarray(centre_mm)) > 0 else "right"


def _patch(one: SubduralSpec) -> Patch:
    return Patch(one.seat_mm, one.half_mm, DURA_MM, CRESCENT, "", 0.11, one.shape_seed)


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build haematoma `number` from its spec alone."""
    one = checked_spec(SubduralSpec, spec, number)
    patch = _patch(one)
    shape, thickest = clot(scene, patch, 1000 * one.volume_ml)
    over = covered(scene, *SPARED)
    cells, plasma = _matter(one, number)
    paints = [Paint(shape, (Layer(cells.label),), over)]
    made: tuple[Structure, ...] = (cells,)
    if plasma is not None:
        axis = down(one.posture)
        level = level_at(shape, axis, 1 - one.plasma_share)
        above = HalfSpace(point(level * np.asarray(axis)), axis)
        upper = Intersection(Offset(shape, 2.0), above)
        paints.append(Paint(upper, (Layer(plasma.label),), (cells.label,), lattice_mm=1.0))
        made = (cells, plasma)
    pushes = _pushes(scene, patch, thickest)
    return Lesion(number, one.kind, SUBDURAL, made, tuple(paints), one.host, {
        "type": kind_of(one.age_days, plasma is not None), "side": _side_word(scene, one.seat_mm),
        "stage": stage_of(one.age_days), "age_days": round(one.age_days, 3), "thickness_mm": round(thickest, 2),
        "midline_shift_mm": round(abs(midline_shift_mm(scene, pushes)), 2),
        "fluid_level": plasma is not None}, one.model_dump(mode="json"), pushes=pushes)


def _pushes(scene: Scene, patch: Patch, thickest: float) -> tuple[Push, ...]:
    return (push_inwards(scene, patch, thickest),) if thickest > PUSHES_FROM_MM else ()


def _matter(one: SubduralSpec, number: int) -> tuple[Structure, Structure | None]:
    """Return the blood, and the plasma above it where there is a level; together they have the mean number asked."""
    if not one.plasma_share:
        return blood_part(number, SUBDURAL, one.age_days, one.hu), None
    lighter = min(one.plasma_step_hu * (1 - one.plasma_share), one.hu - LEAST_HU + 2)
    dense = one.hu + lighter * one.plasma_share / (1 - one.plasma_share)
    return (blood_part(number, SUBDURAL, one.age_days, dense),
            blood_part(number, SUBDURAL, one.age_days, one.hu - lighter, part="fluid", whole=False))


def kind_of(age_days: float, level: bool) -> str:
    """Return acute (to 3 days), subacute (to 3 weeks), chronic, or mixed: the usual words."""
    if level:
        return "mixed"
    return "acute" if age_days < 3 else "subacute" if age_days < 21 else "chronic"


def covered(scene: Scene, *spared: str) -> tuple[int, ...]:
    """Return the labels that blood within the skull may cover: all but bone, sutures and what is named."""
    bones = {s.label for s in scene.structures if s.tissue in ("cortical_bone", "red_marrow") or s.name == "sutures"}
    kept = bones | set(labels_of(scene, *spared)) if spared else bones
    return tuple(s.label for s in scene.structures if s.label not in kept and s.label != BACKGROUND)


FAMILY = Family("subdural_haemorrhage", "Subdural haematoma: crescent, mass effect, fresh to old, fluid level",
                SubduralOptions, sample_specs, insert, ("head",))

__all__ = ["FAMILY", "SubduralOptions", "SubduralSpec", "covered", "insert", "kind_of", "sample_specs"]
