"""Intraventricular haemorrhage: blood settles in the ventricles to a level square to gravity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.lesions.brain.blood import HIGHEST_HU, MEAN_HU, VOLUME_ML, blood_part, faded_hu, stage_of
from medsynth.lesions.brain.gravity import Posture, down
from medsynth.lesions.distributions import Distribution, Fixed, Options, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import host, point
from medsynth.lesions.levels import level_of
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene
from medsynth.shapes.blend import Intersection, Offset
from medsynth.shapes.primitives import HalfSpace

INTRAVENTRICULAR = Code("23276006", "Ventricular hemorrhage")

CHAMBERS = ("lateral_ventricle_left", "lateral_ventricle_right", "third_ventricle", "fourth_ventricle")
FULLEST = 0.9  # share of a chamber that blood may fill
DRAWS = 60  # of volume and shares, until the person's ventricles hold them
CAST_FROM_ML, CAST_CHANCE = 3.0, 0.5  # blood reaches the third and fourth ventricle (unverified)
REACH_MM = 5.0
CELL_MM = 1.25  # of the chambers' maps: a level is a plane, and coarse cells would blur it
FREE_MM = 3.0  # the painted shape reaches this far beyond the chamber, whose own border counts
GRAEB = {"lateral": (0.05, 0.5, 0.85), "narrow": (0.85,)}


class IntraventricularOptions(Options):
    """Intraventricular haemorrhages of one recipe entry; at most one a person.

    Attributes
    ----------
    count : how many, 0 or 1.
    volume_ml : of the blood.
    fresh_hu : mean CT number at 120 kVp while fresh.
    age_days : since the bleed.
    sides : weights of the lateral ventricles that it lies in.
    posture : the patient's, since the blood settled.
    """

    count: Distribution = Field(default=1, validate_default=True)
    volume_ml: Distribution = VOLUME_ML["intraventricular"]
    fresh_hu: Distribution = MEAN_HU["intraventricular"]
    age_days: Distribution = Uniform(low=0.1, high=2.0)
    sides: dict[Literal["left", "right", "both"], float] = Field(default={"left": 0.2, "right": 0.2,
                                                                                "both": 0.6})
    posture: Posture = "supine"


class IntraventricularSpec(Options):
    """One intraventricular haemorrhage in plain numbers."""

    kind: Literal["intraventricular_haemorrhage"] = "intraventricular_haemorrhage"
    chambers_ml: dict[str, float]
    volume_ml: float = Field(gt=0, le=150)
    centre_mm: Vector
    reach_mm: float
    host: str
    age_days: float = Field(ge=0)
    hu: float = Field(ge=-10, le=HIGHEST_HU)
    posture: Posture


def sample_specs(options: IntraventricularOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the haemorrhage of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If this person's ventricles do not hold it, or hold one already.
    """
    count = int(options.count.sample(rng=rng))
    if count + sum(other["kind"] == "intraventricular_haemorrhage" for other in taken) > 1:
        raise PlacementError(f"lesions.intraventricular_haemorrhage found no place for {count}: one case "
                             "has one at most")
    return [_sample_one(options, scene, rng=rng).model_dump(mode="json") for _ in range(count)]


def _sample_one(options: IntraventricularOptions, scene: Scene, *, rng: np.random.Generator) -> IntraventricularSpec:
    fresh, age = float(options.fresh_hu.sample(rng=rng)), float(options.age_days.sample(rng=rng))
    room = {name: host(scene, name, step_mm=CELL_MM).volume_ml for name in CHAMBERS}
    for _ in range(1 if isinstance(options.volume_ml, Fixed) else DRAWS):
        volume = float(options.volume_ml.sample(rng=rng))
        for _ in range(4):
            shares = _shares(choose(dict(options.sides), rng=rng), volume, room, rng)
            if all(volume * share <= FULLEST * room[name] for name, share in shares.items()):
                parts = {name: round(volume * share, 4) for name, share in shares.items()}
                first = max(parts, key=lambda name: parts[name])
                axis = np.asarray(down(options.posture))
                heights, points, weight = _cells(scene, first, axis)
                level = level_of(heights, weight, parts[first] / room[first], CELL_MM)
                return IntraventricularSpec(
                    chambers_ml=parts, volume_ml=round(sum(parts.values()), 4), reach_mm=REACH_MM, host=first,
                    centre_mm=point(points[heights > level - 1].mean(axis=0)), age_days=age,
                    hu=round(faded_hu(fresh, age), 3), posture=options.posture)
    raise PlacementError(f"lesions.intraventricular_haemorrhage found no place for volume_ml {volume:.1f}: the "
                         f"ventricles hold {FULLEST * sum(room.values()):.1f} at most")


def _shares(side: str, volume: float, room: Mapping[str, float], rng: np.random.Generator) -> dict[str, float]:
    """Return the share of the blood in each chamber, adding up to 1."""
    shares: dict[str, float] = {}
    if volume > CAST_FROM_ML and rng.uniform() < CAST_CHANCE:
        for name in ("third_ventricle", "fourth_ventricle"):
            shares[name] = float(rng.uniform(0.3, FULLEST)) * room[name] / volume
    rest = 1 - sum(shares.values())
    if rest < 0.2:
        shares, rest = {}, 1.0
    left = {"left": 1.0, "right": 0.0}.get(side, float(rng.uniform(0.2, 0.8)))
    for name, share in (("lateral_ventricle_left", left), ("lateral_ventricle_right", 1 - left)):
        if share > 0:
            shares[name] = rest * share
    return shares


def _cells(scene: Scene, name: str, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return height along gravity, LPS position and share of every voxel of a chamber."""
    one = host(scene, name, step_mm=CELL_MM)
    at = np.argwhere(one.share > 0)
    points = one.grid.world_mm(at.astype(float))
    return points @ axis, points, one.share[tuple(at.T)].astype(float)


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build haemorrhage `number` from its spec alone."""
    one = checked_spec(IntraventricularSpec, spec, number)
    blood = blood_part(number, INTRAVENTRICULAR, one.age_days, one.hu)
    axis, paints, full = np.asarray(down(one.posture)), [], {}
    for name, volume in sorted(one.chambers_ml.items()):
        chamber = host(scene, name, step_mm=CELL_MM)
        heights, _, weight = _cells(scene, name, axis)
        full[name] = volume / chamber.volume_ml
        level = level_of(heights, weight, min(full[name], 1.0), chamber.grid.spacing_mm[0])
        below = HalfSpace(point(level * axis), point(-axis))
        paints.append(Paint(Intersection(Offset(chamber.shape, FREE_MM), below), (Layer(blood.label),),
                            chamber.labels, lattice_mm=1.0))
    return Lesion(number, one.kind, INTRAVENTRICULAR, (blood,), tuple(paints), one.host, {
        "type": "cast" if max(full.values()) > GRAEB["lateral"][2] else "level", "stage": stage_of(one.age_days),
        "age_days": round(one.age_days, 3), "posture": one.posture, "graeb": graeb(full),
        "lateral": " and ".join(n.split("_")[2] for n in sorted(full) if n.startswith("lateral")) or "none",
        "third": "third_ventricle" in full, "fourth": "fourth_ventricle" in full}, one.model_dump(mode="json"))


def graeb(full: Mapping[str, float]) -> int:
    """Return the Graeb score of the shares to which chambers are filled (expansion is not told apart).

    References
    ----------
    Graeb 1982 doi:10.1148/radiology.143.1.6977795, recalled.

    Examples
    --------
    >>> graeb({"lateral_ventricle_left": 0.3, "third_ventricle": 0.5})
    3
    """
    score = 0
    for name, share in full.items():
        if name.startswith("lateral"):
            score += 1 + sum(share > limit for limit in GRAEB["lateral"][:2])
        else:
            score += 1 + (share > GRAEB["narrow"][0])
    return score


FAMILY = Family("intraventricular_haemorrhage", "Intraventricular haemorrhage that settles by the patient's posture",
                IntraventricularOptions, sample_specs, insert, ("head",))
