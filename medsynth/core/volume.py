"""An array with its place in the world, resampling and reorienting."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.errors import GeometryError, expected
from medsynth.core.grid import Grid, orientation


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels on a grid.

    Attributes
    ----------
    array : (k, j, i), C-contiguous.
    grid : where they are.
    quantity : what a value means, e.g. `"HU"`, `"label"`, `"fraction"`.
    """

    array: NDArray[Any]
    grid: Grid
    quantity: str

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape_kji:
            raise GeometryError(expected("array.shape", self.array.shape, f"the grid's shape {self.grid.shape_kji}"))


def resample(volume: Volume, grid: Grid, *, order: int = 1, outside: float = 0.0) -> Volume:
    """Return `volume` sampled at the voxel centres of `grid`.

    Parameters
    ----------
    order : 0 nearest neighbour (labels), 1 linear, 3 cubic B-spline.
    outside : value beyond the outermost voxel faces (nearest) or centres (linear, cubic).
    """
    matrix = np.linalg.inv(volume.grid.steps_mm) @ grid.steps_mm
    offset = volume.grid.index_kji(grid.origin_mm)
    array = volume.array if order == 0 else volume.array.astype(np.float64, copy=False)
    mode = "grid-constant" if order == 0 else "constant"
    sampled = ndimage.affine_transform(array, matrix, offset, grid.shape_kji, order=order, mode=mode, cval=outside)
    return Volume(sampled.astype(volume.array.dtype, copy=False), grid, volume.quantity)


def reorient(volume: Volume, letters: str) -> Volume:
    """Return the same voxels with axes k, j, i flipped and swapped to lie closest to `letters`, e.g. `"SPL"`.

    No value is interpolated: an oblique volume stays oblique.
    """
    target = np.asarray(orientation(letters))
    closeness = target.T @ np.asarray(volume.grid.direction)  # [wanted axis, present axis]
    order = [int(np.argmax(np.abs(row))) for row in closeness]
    if sorted(order) != [0, 1, 2]:
        raise GeometryError(f"direction {volume.grid.direction} lies equally close to two patient axes")
    array, origin = volume.array.transpose(order), np.asarray(volume.grid.origin_mm)
    direction = np.asarray(volume.grid.direction)[:, order]
    spacing = tuple(volume.grid.spacing_mm[a] for a in order)
    for axis, present in enumerate(order):
        if closeness[axis, present] < 0:
            origin = origin + direction[:, axis] * spacing[axis] * (array.shape[axis] - 1)
            direction[:, axis] *= -1
            array = np.flip(array, axis)
    grid = replace(volume.grid, shape_kji=array.shape, spacing_mm=spacing, origin_mm=tuple(origin.tolist()),
                   direction=tuple(tuple(row) for row in direction.tolist()))
    return Volume(np.ascontiguousarray(array), grid, volume.quantity)
