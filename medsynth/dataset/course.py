"""What happens to lesions between the visits of one person: growth, response, new ones, ageing blood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from medsynth.core.errors import MedsynthError, PlacementError
from medsynth.core.seed import Seed
from medsynth.dataset.parts import Bounded, Part
from medsynth.lesions.families import family
from medsynth.scene.structure import Lesion, Scene

Response = Literal["complete", "partial", "stable", "progressive"]

# Change of diameters that RECIST 1.1 calls by these names, with some room to the limits of -30 % and +20 %
# (doi:10.1016/j.ejca.2008.10.026).
RESPONSE_FACTORS: Mapping[str, tuple[float, float]] = {
    "complete": (0.0, 0.0), "partial": (0.3, 0.62), "stable": (0.8, 1.12), "progressive": (1.35, 1.9)}
LINEAR = ("diameter_mm", "reach_mm", "short_axis_mm", "long_axis_mm")  # keys of specs that grow with the diameter
VOLUMES = ("volume_ml",)
AGES = ("age_days",)
SMALLEST_MM = 0.5  # a lesion below this diameter is gone
TRIES = 8


class CoursePart(Part):
    """How the lesions of one entry change with the days after the first visit.

    Attributes
    ----------
    doubling_days : days in which the volume doubles; negative: in which it halves.
    response : by the last visit, as RECIST 1.1 calls it, instead of `doubling_days`.
    appears_day : before this day there is no lesion: a new one.
    """

    doubling_days: Bounded | None = None
    response: Response | None = None
    appears_day: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _one_rule(self) -> CoursePart:
        if self.doubling_days is not None and self.response is not None:
            raise ValueError("doubling_days and response: at most one must be given")
        if self.doubling_days is not None and self.doubling_days.min <= 0 <= self.doubling_days.max:
            raise ValueError(f"doubling_days must not span 0, got {self.doubling_days.min:g} to "
                             f"{self.doubling_days.max:g}")
        return self


def diameter_factor(course: CoursePart | None, day: float, last_day: float, *, seed: Seed) -> float:
    """Return the diameter on a day over that on the first one (or on the day it appears); 0 where there is none.

    Parameters
    ----------
    seed : of the lesion: its own rate is drawn once.
    """
    if course is None:
        return 1.0
    if day < course.appears_day:
        return 0.0
    since = day - course.appears_day
    share = float(seed.child("course").rng().uniform())
    if course.response is not None:
        low, high = RESPONSE_FACTORS[course.response]
        end = low + share * (high - low)
        span = last_day - course.appears_day
        if span <= 0 or since <= 0:
            return 1.0
        return float(max(1 + (end - 1) * since / span, 0.0))
    if course.doubling_days is None:
        return 1.0
    days = course.doubling_days.min + share * (course.doubling_days.max - course.doubling_days.min)
    return float(2 ** (since / days / 3))


def changed_spec(spec: Mapping[str, Any], factor: float, day: float) -> dict[str, Any] | None:
    """Return a lesion's spec with its diameter times `factor`, `day` days older; None where it is gone."""
    size = spec.get("diameter_mm", SMALLEST_MM / max(factor, 1e-9))
    if factor <= 0 or float(size) * factor < SMALLEST_MM:
        return None
    found = dict(spec)
    for key in LINEAR:
        if key in found:
            found[key] = float(found[key]) * factor
    for key in VOLUMES:
        if key in found:
            found[key] = float(found[key]) * factor**3
    for key in AGES:
        if key in found:
            found[key] = float(found[key]) + day
    return found


def lesions_on(specs: Sequence[Mapping[str, Any]], courses: Sequence[CoursePart | None], scene: Scene, day: float,
               last_day: float, *, seed: Seed) -> tuple[Lesion, ...]:
    """Build the lesions of one visit; a lesion has the same number at every visit.

    Raises
    ------
    PlacementError
        If one has outgrown its place.
    """
    found = []
    for number, (spec, course) in enumerate(zip(specs, courses, strict=True), start=1):
        factor = diameter_factor(course, day, last_day, seed=seed.child(number))
        own = changed_spec(spec, factor, day)
        if own is None:
            continue
        try:
            found.append(family(str(spec["kind"])).insert(own, scene, number))
        except MedsynthError as error:
            raise PlacementError(f"lesion {number} ({spec['kind']}) does not fit on day {day:g}: {error}") from error
    return tuple(found)


def recist(sums_mm: Mapping[str, float], baseline: str, *, new: Mapping[str, bool]) -> dict[str, Any]:
    """Return the RECIST 1.1 category of each visit from its sum of target diameters (JSON values).

    Parameters
    ----------
    sums_mm : by acquisition, in order of the days; targets are the same lesions throughout.
    new : whether a visit shows a lesion that the first did not.

    Examples
    --------
    >>> recist({"first": 40.0, "later": 26.0}, "first", new={"later": False})["later"]["category"]
    'PR'
    """
    start = nadir = sums_mm[baseline]
    found: dict[str, Any] = {}
    for name, total in sums_mm.items():
        if name == baseline:
            found[name] = {"sum_mm": round(total, 3), "category": "baseline"}
            continue
        if new.get(name) or (total >= 1.2 * nadir and total - nadir >= 5 and nadir > 0):
            category = "PD"
        elif total == 0 and start > 0:
            category = "CR"
        elif start > 0 and total <= 0.7 * start:
            category = "PR"
        else:
            category = "SD"
        found[name] = {"sum_mm": round(total, 3), "category": category}
        nadir = min(nadir, total)
    return found


def response_truth(lesions: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Return what RECIST 1.1 says of a series of visits, from the measured lesions of each (JSON values).

    Targets are the up to five largest lesions of the first visit of at least 10 mm, at most two of one organ.

    Parameters
    ----------
    lesions : by acquisition, in order of the days, as `annotations.json` holds them.
    """
    names = list(lesions)
    first = sorted((one for one in lesions[names[0]] if one["diameters_mm"]["long_axis"] >= 10),
                   key=lambda one: -one["diameters_mm"]["long_axis"])
    targets: list[int] = []
    organs: dict[str, int] = {}
    for one in first:
        organ = str(one["host"]["name"])
        if len(targets) < 5 and organs.get(organ, 0) < 2:
            targets.append(int(one["id"]))
            organs[organ] = organs.get(organ, 0) + 1
    known = {int(one["id"]) for one in lesions[names[0]]}
    sums = {name: float(np.sum([one["diameters_mm"]["long_axis"] for one in found if int(one["id"]) in targets]))
            for name, found in lesions.items()}
    new = {name: any(int(one["id"]) not in known for one in found) for name, found in lesions.items()}
    return {"targets": targets, "visits": recist(sums, names[0], new=new)}
