"""Epidural haematoma: a lens between skull and dura that its bone's sutures hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.lesions.brain.blood import HIGHEST_HU, MEAN_HU, VOLUME_ML, blood_part, faded_hu, stage_of
from medsynth.lesions.brain.cranium import midline_shift_mm, side_of, structure_at
from medsynth.lesions.brain.extra_axial import Patch, below_bone, bone_at, clot, pole, push_inwards, seat
from medsynth.lesions.brain.subdural import covered
from medsynth.lesions.distributions import Distribution, Options, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import point
from medsynth.lesions.placement import Ball, keeps_apart, one_by_one
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene

EPIDURAL = Code("1386000", "Intracranial hemorrhage")  # no narrower concept is certain

Bone = Literal["temporal", "parietal", "frontal", "occipital"]
BONE_SHARES: dict[Bone, float] = {"temporal": 0.55, "parietal": 0.25, "frontal": 0.13, "occipital": 0.07}  # unverified
SITES = 200
FITS = 4  # seats tried below each bone
HEIGHT_MM = (10.23, 19.09)  # extent up and down: a ln(ml) + b (fitted to BHSD by InSilicoICH)
LENGTH_RATIO = (0.9, 1.4)  # unverified
LENS = 0.9
TIPS = 1.15  # its edge runs out thinner than a voxel
BONE_MM = 0.25  # the bone is drawn so much farther in than the field of the inner table
FATTEST = 0.65  # of the height: thicker ones are refused (unverified)
FLAT = 0.34  # a seat where the lens is flatter than that is taken at once (unverified)
SPARED = ("superior_sagittal_sinus",)


class EpiduralOptions(Options):
    """Epidural haematomas of one recipe entry.

    Attributes
    ----------
    count : how many.
    volume_ml : of each.
    fresh_hu : mean CT number at 120 kVp while fresh.
    age_days : since the bleed.
    bones : weights of the bone it lies under.
    sides : weights.
    """

    count: Distribution = Field(default=1, validate_default=True)
    volume_ml: Distribution = VOLUME_ML["epidural"]
    fresh_hu: Distribution = MEAN_HU["epidural"]
    age_days: Distribution = Uniform(low=0.1, high=2.0)
    bones: dict[Bone, float] = Field(default=BONE_SHARES)
    sides: dict[Literal["left", "right"], float] = Field(default={"left": 1.0, "right": 1.0})


class EpiduralSpec(Options):
    """One epidural haematoma in plain numbers."""

    kind: Literal["epidural_haemorrhage"] = "epidural_haemorrhage"
    volume_ml: float = Field(gt=0, le=300)
    centre_mm: Vector
    reach_mm: float
    host: str
    bone: str
    seat_mm: Vector
    half_mm: tuple[float, float]
    age_days: float = Field(ge=0)
    hu: float = Field(ge=-10, le=HIGHEST_HU)
    shape_seed: int = Field(ge=0)


def sample_specs(options: EpiduralOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the haematomas of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def _sample_one(options: EpiduralOptions, scene: Scene, taken: Sequence[Ball], *, rng: np.random.Generator
                ) -> EpiduralSpec:
    volume, fresh, age = (float(one.sample(rng=rng)) for one in (options.volume_ml, options.fresh_hu, options.age_days))
    height = TIPS * float(np.clip(HEIGHT_MM[0] * np.log(volume) + HEIGHT_MM[1], 12, 75))
    length, seed = height * float(rng.uniform(*LENGTH_RATIO)), int(rng.integers(2**53))
    side, weights = choose(dict(options.sides), rng=rng), {b: w for b, w in options.bones.items() if w > 0}
    bones: list[Bone] = []
    while weights:  # the bone drawn, then the others: a small bone holds no large lens
        bones.append(choose(weights, rng=rng))
        del weights[bones[-1]]
    seats = [at for bone in bones for at in _seats(scene, bone, side, 0.42 * height, rng=rng)]
    best: tuple[float, EpiduralSpec] | None = None
    for at in seats:
        inwards = (pole(scene) - at) / np.linalg.norm(pole(scene) - at)
        centre, reach = at + 0.15 * height * inwards, 0.5 * height
        if not keeps_apart(centre, reach, taken):
            continue
        one = EpiduralSpec(
            volume_ml=round(volume, 4), centre_mm=point(centre), reach_mm=round(reach, 3),
            host=structure_at(scene, point(at + 12 * inwards), "cerebral_cortex_*", "cerebellar_cortex_*"),
            bone=bone_at(scene, at), seat_mm=point(at), half_mm=(length / 2, height / 2), age_days=age,
            hu=round(faded_hu(fresh, age), 3), shape_seed=seed)
        try:
            _, thickest = clot(scene, _patch(one), 1000 * volume)
        except PlacementError:
            continue
        if thickest <= max(FLAT * height, 6.0):
            return one
        if best is None or thickest < best[0]:
            best = thickest, one
    if best is not None and best[0] <= FATTEST * height:
        return best[1]  # a large one under a small bone
    raise PlacementError(f"lesions.epidural_haemorrhage found no place for one of volume_ml {volume:.1f} below the "
                         f"{side} {' or '.join(bones)} bone")


def _seats(scene: Scene, bone: str, side: str, clearance_mm: float, *, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the seats below a bone that lie farthest from its sutures, among random ones."""
    sign = 1.0 if side == "left" else -1.0
    found: list[tuple[float, np.ndarray]] = []
    for _ in range(SITES):
        ray = rng.standard_normal(3)
        ray[0] = sign * abs(ray[0])
        ray /= np.linalg.norm(ray)
        if ray[2] < -0.55 or abs(ray[0]) < 0.25:
            continue
        at = seat(scene, ray)
        name = bone_at(scene, at)
        if name.startswith(bone):
            room = -float(below_bone(scene, name).distance_mm(at[None])[0])
            found.append((min(room, clearance_mm), at))
    found.sort(key=lambda one: -one[0])
    return [at for _, at in found[:FITS]]


def _patch(one: EpiduralSpec) -> Patch:
    return Patch(one.seat_mm, one.half_mm, BONE_MM, LENS, one.bone, 0.06, one.shape_seed)


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build haematoma `number` from its spec alone."""
    one = checked_spec(EpiduralSpec, spec, number)
    patch = _patch(one)
    shape, thickest = clot(scene, patch, 1000 * one.volume_ml)
    blood = blood_part(number, EPIDURAL, one.age_days, one.hu)
    pushes = (push_inwards(scene, patch, thickest),) if thickest > 1.0 else ()
    return Lesion(number, one.kind, EPIDURAL, (blood,), (Paint(shape, (Layer(blood.label),), covered(scene, *SPARED)),),
                  one.host, {
        "type": "epidural", "side": side_of(scene, one.seat_mm), "bone": one.bone, "stage": stage_of(one.age_days),
        "age_days": round(one.age_days, 3), "thickness_mm": round(thickest, 2),
        "midline_shift_mm": round(abs(midline_shift_mm(scene, pushes)), 2)}, one.model_dump(mode="json"),
        pushes=pushes)


FAMILY = Family("epidural_haemorrhage", "Epidural haematoma: a lens held by sutures, mass effect", EpiduralOptions,
                sample_specs, insert, ("head",))
