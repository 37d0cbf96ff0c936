"""The lesion families a recipe may name: one line here adds one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medsynth.core.errors import RecipeError, expected
from medsynth.lesions import lung_nodule
from medsynth.lesions.distributions import Options
from medsynth.lesions.lung_nodule_options import LungNoduleOptions, LungNoduleSpec
from medsynth.lesions.placement import Ball
from medsynth.scene.structure import Lesion, Scene


@dataclass(frozen=True, slots=True)
class Family:
    """A lesion family: its options, its spec, and the two halves SAMPLE and BUILD."""

    description: str
    options: type[Options]
    spec: type[Options]
    sample_specs: Callable[..., Sequence[Any]]
    insert: Callable[..., Lesion]
    ball: Callable[[Any], Ball]


FAMILIES: dict[str, Family] = {
    "lung_nodule": Family("lung nodules: solid, part-solid, ground glass", LungNoduleOptions, LungNoduleSpec,
                          lung_nodule.sample_specs, lung_nodule.insert, lung_nodule.ball),
}


def family(name: str) -> Family:
    """Return the family called `name`."""
    if name not in FAMILIES:
        raise RecipeError(expected("family of a lesion", name, f"one of {sorted(FAMILIES)}"))
    return FAMILIES[name]


def sample_lesions(entries: Sequence[Options], scene: Scene, *, rng: np.random.Generator) -> list[Mapping[str, Any]]:
    """Draw the lesions of every recipe entry (each an options object) as specs of JSON values, none overlapping."""
    specs: list[Any] = []
    taken: list[Ball] = []
    for entry, stream in zip(entries, rng.spawn(len(entries)), strict=True):
        kind = family(entry.family)  # type: ignore[attr-defined]
        drawn = kind.sample_specs(entry, scene, rng=stream, taken=taken)
        taken += [kind.ball(spec) for spec in drawn]
        specs += drawn
    return [spec.model_dump(mode="json") for spec in specs]


def build_lesions(specs: Sequence[Mapping[str, Any]], scene: Scene) -> tuple[Lesion, ...]:
    """Build the lesions 1, 2, ... of these specs."""
    return tuple(family(str(spec.get("family"))).insert(spec, scene, number)
                 for number, spec in enumerate(specs, start=1))
