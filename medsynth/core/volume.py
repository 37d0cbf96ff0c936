"""An array with its place in the world, resampling and reorienting."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.errors import GeometryError, expected
from medsynth.core.grid import Grid, as_direction, orientation


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels on a grid.

    Attributes
    ----------
    array : (k, j, i), C-contiguous, bool, integer or floating.
    grid : where they are.
    quantity : what a value means, e.g. `"HU"`, `"label"`, `"fraction"`.
    """

    array: NDArray[Any]
    grid: Grid
    quantity: str

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape_kji:
            raise GeometryError(expected("array.shape", self.array.shape, f"the grid's shape {self.grid.shape_kji}"))


def resample(volume: Volume, grid: Grid, *, order: Literal[0, 1, 3] = 1, outside: float = 0.0) -> Volume:
    """Return `volume` sampled at the voxel centres of `grid`; no low-pass filter comes before a coarser grid.

    The edge follows ITK: a voxel reaches half a spacing around its centre. Between the outermost centres and the
    outermost faces the edge continues (constant for nearest and linear, mirrored for cubic); beyond the faces a
    point gets `outside`. Integer arrays get the nearest integer of their type (ITK cuts the decimals off instead,
    which shifts CT numbers by half a unit).

    Parameters
    ----------
    order : 0 nearest neighbour (labels; a point half-way between two centres takes the higher index), 1 linear,
        3 interpolating cubic B-spline.
    outside : value beyond the outermost voxel faces.

    Returns
    -------
    Volume
        On `grid`, with the dtype and quantity of `volume`.
    """
    if order not in (0, 1, 3):
        raise GeometryError(expected("order", order, "0, 1 or 3"))
    matrix = np.linalg.inv(volume.grid.steps_mm) @ grid.steps_mm
    offset = volume.grid.index_kji(grid.origin_mm)
    dtype = volume.array.dtype
    source = volume.array if order == 0 and dtype != np.bool_ else volume.array.astype(np.float64)
    sampled: NDArray[Any] = np.empty(grid.shape_kji, source.dtype)
    if order == 0:
        offset = offset + 1e-9  # a tie goes up, whatever the rounding of the matrix product
    mode: Literal["mirror", "nearest"] = "mirror" if order == 3 else "nearest"
    ndimage.affine_transform(source, matrix, offset, grid.shape_kji, output=sampled, order=order, mode=mode)
    sampled = _as_dtype(sampled, dtype)
    blank = _as_dtype(np.asarray(outside, np.float64), dtype)
    for k, plane in enumerate(sampled):
        plane[_beyond_faces(matrix, offset, volume.grid.shape_kji, k, plane.shape)] = blank
    return Volume(sampled, grid, volume.quantity)


def _beyond_faces(matrix: NDArray[np.float64], offset: NDArray[np.float64], shape_kji: tuple[int, int, int], k: int,
                  plane_shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Tell for row and column of slice k whether its index in the source, matrix @ kji + offset, leaves the voxels."""
    row, column = np.arange(plane_shape[0])[:, None], np.arange(plane_shape[1])[None, :]
    beyond = np.zeros(plane_shape, bool)
    for axis, count in enumerate(shape_kji):
        # A face counts as inside although the matrix product may miss it by a rounding error.
        index = matrix[axis, 0] * k + matrix[axis, 1] * row + matrix[axis, 2] * column + offset[axis]
        beyond |= (index < -0.5 - 1e-9) | (index > count - 0.5 + 1e-9)
    return beyond


def _as_dtype(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype == np.bool_:
        return values >= 0.5
    if np.issubdtype(dtype, np.integer) and not np.issubdtype(values.dtype, np.integer):
        limits = np.iinfo(dtype)
        return np.clip(np.floor(values + 0.5), limits.min, limits.max).astype(dtype)
    return values.astype(dtype, copy=False)


def reorient(volume: Volume, letters: str) -> Volume:
    """Return the same voxels with axes k, j, i flipped and swapped to lie closest to `letters`, e.g. `"SPL"`.

    No value is interpolated: an oblique volume stays oblique. Axes are matched closest pair first, as in ITK.
    """
    target = np.asarray(orientation(letters))
    closeness = target.T @ np.asarray(volume.grid.direction)  # [wanted axis, present axis]
    order = _closest_pairs(np.abs(closeness))
    array, origin = volume.array.transpose(order), np.asarray(volume.grid.origin_mm)
    direction = np.asarray(volume.grid.direction)[:, order]
    spacing = tuple(volume.grid.spacing_mm[a] for a in order)
    for axis, present in enumerate(order):
        if closeness[axis, present] < 0:
            origin = origin + direction[:, axis] * spacing[axis] * (array.shape[axis] - 1)
            direction[:, axis] *= -1
            array = np.flip(array, axis)
    k, j, i = spacing
    grid = replace(volume.grid, shape_kji=array.shape, spacing_mm=(k, j, i), origin_mm=tuple(origin.tolist()),
                   direction=as_direction(direction))
    return Volume(np.ascontiguousarray(array), grid, volume.quantity)


def _closest_pairs(closeness: NDArray[np.float64]) -> list[int]:
    """Return for each row of a 3 x 3 matrix its column, the largest element first, each column once."""
    left, order = closeness.copy(), [0, 0, 0]
    for _ in range(3):
        row, column = divmod(int(np.argmax(left)), 3)
        order[row] = column
        left[row, :] = left[:, column] = -1
    return order
