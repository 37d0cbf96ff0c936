"""Voxel solids with partial volume for the radiography tests, and the chords of rays in them."""

import numpy as np

from medsynth.core.grid import Grid
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Code, Structure

CODE = Code("0", "test")
WATER = Structure("water", 1, "water", CODE)


def voxels(grid, inside, structures=(WATER,), label=1, sub=4):
    """Voxels of what `inside(points) -> bool` tells, its share counted at sub^3 points."""
    share = np.zeros(grid.shape_kji)
    places = np.stack(np.meshgrid(*map(np.arange, grid.shape_kji), indexing="ij"), axis=-1)
    offsets = (np.arange(sub) + 0.5) / sub - 0.5
    for k in offsets:
        for j in offsets:
            for i in offsets:
                share += inside(grid.world_mm(places + (k, j, i)))
    share /= sub**3
    most = share >= 0.5
    return Phantom(grid, np.where(most, label, 0).astype(np.uint16), np.where(most, 0, label).astype(np.uint16),
                   np.rint(255 * np.minimum(share, 1 - share)).astype(np.uint8), np.zeros(grid.shape_kji, np.int16),
                   structures)


def ellipsoid(grid, radii_mm, centre_mm=(0.0, 0.0, 0.0), **kwargs):
    """Voxels of an ellipsoid."""
    return voxels(grid, lambda p: (((p - centre_mm) / radii_mm) ** 2).sum(axis=-1) < 1, **kwargs)


def slab(size_mm, spacing_mm=(5.0, 5.0, 5.0), structures=(WATER,), label=1):
    """Voxels (x, y, z size) that are all full, centred on the origin: the phantom ends where the slab does."""
    shape = tuple(max(1, round(s / d)) for s, d in zip(size_mm[::-1], spacing_mm, strict=True))
    grid = Grid.centred(shape, spacing_mm)
    return Phantom(grid, np.full(shape, label, np.uint16), np.zeros(shape, np.uint16), np.zeros(shape, np.uint8),
                   np.zeros(shape, np.int16), structures)


def ellipsoid_chords_cm(geometry, radii_mm, centre_mm=(0.0, 0.0, 0.0)):
    """Length of every pixel's ray in an ellipsoid."""
    row, column = np.meshgrid(*map(np.arange, geometry.shape_ji), indexing="ij")
    ray = geometry.rays(row, column) / radii_mm
    start = (np.array(geometry.source_mm) - centre_mm) / radii_mm
    a, b, c = (ray**2).sum(axis=-1), ray @ start, start @ start - 1
    return np.sqrt(np.maximum(b**2 - a * c, 0)) * 2 / a / 10
