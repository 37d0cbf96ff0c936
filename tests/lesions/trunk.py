"""Lesions of the trunk as the tests look at them: drawn, built from their written specs, and painted."""

from __future__ import annotations

import json

import numpy as np

from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.lesions.families import build_lesions, family, sample_lesions
from medsynth.scene.extent import lesion_bounds_mm
from medsynth.scene.rasterize import rasterize, with_lesions


def drawn(scene, kind, *, seed=1, **options):
    """Draw the specs of one entry and return them as a file gives them back."""
    entry = family(kind).options(**options)
    return json.loads(json.dumps(sample_lesions([entry], scene, rng=Seed(seed).child(kind).rng())))


def grown(scene, kind, *, seed=1, **options):
    """Draw and build the lesions of one entry."""
    specs = drawn(scene, kind, seed=seed, **options)
    return specs, build_lesions(specs, scene)


def painted(scene, lesion, nodes=40):
    """Voxelise a lesion's box: (ill, anatomy beside it, healthy)."""
    low, high = (np.asarray(end) for end in lesion_bounds_mm(lesion))
    step = max(float((high - low).max()) / nodes, 0.1)
    healthy = rasterize(scene, Grid.covering(low - 1, high + 1, (step,) * 3))
    ill, anatomy = with_lesions(healthy, scene, [lesion])
    return ill, anatomy, healthy


def parts_ml(lesion, ill):
    """Volume of each part by the last word of its name."""
    cell = ill.grid.voxel_volume_mm3 / 1000
    return {s.name: float(ill.occupancy(s.label).sum(dtype=float)) * cell for s in lesion.structures}


def names_below(ill, anatomy, lesion):
    """Names of the anatomy that a lesion took the place of, where it fills voxels wholly."""
    own = [s.label for s in lesion.structures]
    there = ill.occupancy(*own) > 0.98
    names = {s.label: s.name for s in anatomy.structures}
    return {names[int(label)] for label in np.unique(anatomy.labels[there & (anatomy.fraction == 0)])}


def by_part(lesion):
    """Structures of a lesion by part; the whole one by the empty word."""
    return {s.name.removeprefix(f"lesion_{lesion.number}").removeprefix("_"): s for s in lesion.structures}
