"""The lesion families a recipe may name: one line here adds one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel

from medsynth.core.errors import RecipeError, expected
from medsynth.lesions.brain.aneurysm import FAMILY as ANEURYSM
from medsynth.lesions.brain.epidural import FAMILY as EPIDURAL
from medsynth.lesions.brain.glioma import FAMILY as GLIOMA
from medsynth.lesions.brain.hydrocephalus import FAMILY as HYDROCEPHALUS
from medsynth.lesions.brain.intraventricular import FAMILY as INTRAVENTRICULAR
from medsynth.lesions.brain.metastasis import FAMILY as BRAIN_METASTASIS
from medsynth.lesions.brain.multiple_sclerosis import FAMILY as MS_PLAQUE
from medsynth.lesions.brain.parenchymal import FAMILY as INTRAPARENCHYMAL
from medsynth.lesions.brain.stroke import FAMILY as STROKE
from medsynth.lesions.brain.subarachnoid import FAMILY as SUBARACHNOID
from medsynth.lesions.brain.subdural import FAMILY as SUBDURAL
from medsynth.lesions.family import Family
from medsynth.lesions.lung_nodule import FAMILY as LUNG_NODULE
from medsynth.scene.structure import Lesion, Scene

FAMILIES: dict[str, Family] = {one.kind: one for one in (
    LUNG_NODULE,
    BRAIN_METASTASIS,
    INTRAPARENCHYMAL,
    SUBDURAL,
    EPIDURAL,
    SUBARACHNOID,
    INTRAVENTRICULAR,
    GLIOMA,
    MS_PLAQUE,
    STROKE,
    ANEURYSM,
    HYDROCEPHALUS,
)}


def family(kind: str) -> Family:
    """Return the family called `kind`."""
    if kind not in FAMILIES:
        raise RecipeError(expected("kind of a lesion", kind, f"one of {sorted(FAMILIES)}"))
    return FAMILIES[kind]


def sample_entries(entries: Sequence[BaseModel], scene: Scene, *, rng: np.random.Generator
                   ) -> list[list[dict[str, Any]]]:
    """Draw the lesions of every recipe entry, given as its family's options; none overlaps another."""
    found: list[list[dict[str, Any]]] = []
    for options, stream in zip(entries, rng.spawn(len(entries)), strict=True):
        kind = next((name for name, known in FAMILIES.items() if type(options) is known.options), "")
        taken = tuple(spec for specs in found for spec in specs)
        found.append(list(family(kind).sample_specs(options, scene, rng=stream, taken=taken)))
    return found


def sample_lesions(entries: Sequence[BaseModel], scene: Scene, *, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Draw the lesions of every recipe entry as one list."""
    return [spec for specs in sample_entries(entries, scene, rng=rng) for spec in specs]


def build_lesions(specs: Sequence[Mapping[str, Any]], scene: Scene) -> tuple[Lesion, ...]:
    """Build the lesions 1, 2, ... of these specs."""
    return tuple(family(str(spec.get("kind"))).insert(spec, scene, number)
                 for number, spec in enumerate(specs, start=1))
