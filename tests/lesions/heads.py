"""What the tests of lesions of the brain share: a built head, lesions of a family, and their truth."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np

from medsynth.annotate.shape_truth import fine_phantom
from medsynth.core.seed import Seed
from medsynth.lesions.families import family
from medsynth.scene.lesion_parts import part_labels
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Lesion, Scene
from tests.phantoms.head_people import built

BESIDE = ("oedema",)  # parts that a volume asked for leaves out


def scene_of() -> Scene:
    return built("woman").scene


@lru_cache(maxsize=32)
def grown(kind: str, seed: int, options: str) -> Lesion:
    """Return the first lesion of a family; options as JSON, so that tests share it."""
    one = family(kind)
    specs = one.sample_specs(one.options.model_validate_json(options), scene_of(), rng=Seed(seed).rng())
    return one.insert(json.loads(json.dumps(specs[0])), scene_of(), 1)


@lru_cache(maxsize=16)
def truth(kind: str, seed: int, options: str) -> Phantom:
    return fine_phantom(grown(kind, seed, options), scene_of())


def volumes_ml(phantom: Phantom) -> dict[str, float]:
    return {part: float(phantom.occupancy(label).sum(dtype=float)) * phantom.grid.voxel_volume_mm3 / 1000
            for part, label in part_labels(phantom.structures, 1).items()}


def filled_mm(phantom: Phantom, *parts: str) -> np.ndarray:
    """Return where (n, 3) parts of the lesion fill more than half a voxel; every part without names."""
    labels = part_labels(phantom.structures, 1)
    fraction = phantom.occupancy(*(label for part, label in labels.items() if not parts or part in parts))
    return phantom.grid.world_mm(np.argwhere(fraction > 0.5).astype(float))
