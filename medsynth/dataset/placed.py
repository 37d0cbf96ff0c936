"""The lesions of a case: drawn, turned to the difficulty asked for, and as they are at every visit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from medsynth.core.errors import PlacementError
from medsynth.core.seed import Seed
from medsynth.dataset.course import TRIES, lesions_on
from medsynth.dataset.difficulty import dialled
from medsynth.dataset.recipe import Recipe
from medsynth.lesions.families import sample_entries
from medsynth.scene.structure import Lesion, Scene


@dataclass(frozen=True, eq=False)
class Placed:
    """The lesions of a case.

    Attributes
    ----------
    specs : as drawn and turned, those of the first day.
    lesions : acquisition name -> the lesions of its day; a lesion keeps its number.
    protocols : acquisition name -> protocol, its dose turned where a difficulty asks for it.
    told : what specs alone do not tell: difficulties and courses (JSON values).
    """

    specs: list[dict[str, Any]]
    lesions: Mapping[str, tuple[Lesion, ...]]
    protocols: Mapping[str, BaseModel]
    told: Mapping[str, Any]

    @property
    def every(self) -> tuple[Lesion, ...]:
        """Each lesion once, as it is at the first visit that it is there."""
        found: dict[int, Lesion] = {}
        for lesions in self.lesions.values():
            for lesion in lesions:
                found.setdefault(lesion.number, lesion)
        return tuple(found[number] for number in sorted(found))


def placed(recipe: Recipe, scene: Scene, seed: Seed) -> Placed:
    """Draw the lesions of a case; where some outgrow their places at a later visit, all are drawn anew.

    Raises
    ------
    PlacementError
        If a lesion finds no place, or no setting gives the difficulty asked for.
    """
    last: PlacementError | None = None
    for attempt in range(TRIES if recipe.visits else 1):
        try:
            return _placed(recipe, scene, seed, seed.child("lesions", *([attempt] if attempt else [])))
        except PlacementError as error:
            last = error
    raise last if last is not None else PlacementError("no place for the lesions")


def _placed(recipe: Recipe, scene: Scene, seed: Seed, stream: Seed) -> Placed:
    entries = sample_entries([part.options for part in recipe.lesions], scene, rng=stream.rng())
    owners = [part for part, specs in zip(recipe.lesions, entries, strict=True) for _ in specs]
    turned = dialled([spec for specs in entries for spec in specs], [part.difficulty for part in owners], scene,
                     recipe.acquisitions, seed=seed)
    days = {name: recipe.visits.get(name, 0.0) for name in recipe.acquisitions}
    last_day = max(days.values())
    by_day = {day: lesions_on(turned.specs, [part.course for part in owners], scene, day, last_day,
                              seed=seed.child("courses")) for day in sorted(set(days.values()))}
    told: dict[str, Any] = {}
    if turned.told:
        told["difficulty"] = turned.told
    if recipe.visits:
        told["visits"] = days
    return Placed(turned.specs, {name: by_day[day] for name, day in days.items()}, turned.protocols, told)
