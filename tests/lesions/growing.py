"""What tests of lesion families ask: specs, lesions rebuilt from JSON, and what their voxels are."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np

from medsynth.annotate.shape_truth import fine_phantom
from medsynth.core.seed import Seed
from medsynth.lesions.families import family
from medsynth.scene.lesion_parts import part_labels
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Lesion, Scene


def specs(scene: Scene, kind: str, name: str, **options: Any) -> list[dict[str, Any]]:
    """Draw the lesions of one recipe entry."""
    one = family(kind)
    found = one.sample_specs(one.options.model_validate(options), scene, rng=Seed(3).child("lesion-test", name).rng())
    return json.loads(json.dumps(list(found)))


def grown(scene: Scene, kind: str, name: str, **options: Any) -> Lesion:
    """Draw one lesion and build it."""
    return family(kind).insert(specs(scene, kind, name, **options)[0], scene, 1)


@cache
def fine(lesion: Lesion, scene: Scene) -> Phantom:
    """Return the lesion in its body on a fine grid of its own."""
    return fine_phantom(lesion, scene)


def filled(lesion: Lesion, scene: Scene, *parts: str) -> np.ndarray:
    """Return how much of each voxel of `fine` the lesion, or some of its parts, fills."""
    labels = part_labels(fine(lesion, scene).structures, lesion.number)
    return fine(lesion, scene).occupancy(*(labels[part] for part in parts or labels))


def volume_ml(lesion: Lesion, scene: Scene, *parts: str) -> float:
    """Measure a lesion, or some of its parts."""
    voxel = fine(lesion, scene).grid.voxel_volume_mm3
    return float(filled(lesion, scene, *parts).sum(dtype=np.float64)) * voxel / 1000


def ball_ml(diameter_mm: float) -> float:
    """Return the volume of a ball."""
    return np.pi / 6 * diameter_mm**3 / 1000


def covers_only(lesion: Lesion, scene: Scene, healthy: Phantom, allowed: set[int]) -> bool:
    """Tell whether the lesion lies in voxels that held some of the allowed labels before."""
    inside = filled(lesion, scene) > 0.02
    return bool((healthy.occupancy(*allowed)[inside] > 0).all())
