"""Where the voxels are: shape, spacing, origin and direction in patient LPS millimetres."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.core.errors import GeometryError, expected

Vector = tuple[float, float, float]
Matrix3 = tuple[Vector, Vector, Vector]

# Columns are the LPS unit vectors of the k, j and i axes: an axial stack from feet to head, rows to posterior,
# columns to the patient's left.
AXIAL: Matrix3 = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))

_LETTERS = {"L": (0, 1.0), "R": (0, -1.0), "P": (1, 1.0), "A": (1, -1.0), "S": (2, 1.0), "I": (2, -1.0)}


def centred_mm(count: int, spacing_mm: float) -> NDArray[np.float64]:
    """Return the centres of `count` cells of width `spacing_mm`, symmetric about 0, for odd and even counts.

    Examples
    --------
    >>> centred_mm(4, 2.0).tolist()
    [-3.0, -1.0, 1.0, 3.0]
    """
    return (np.arange(count, dtype=np.float64) - (count - 1) / 2) * spacing_mm


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the voxels of an array indexed [k, j, i] are; it holds no voxel data.

    Attributes
    ----------
    shape_kji : slices, rows, columns.
    spacing_mm : distance of neighbouring voxel centres along k, j, i.
    origin_mm : LPS position (x, y, z) of the centre of voxel (0, 0, 0).
    direction : 3 x 3, its columns are the LPS unit vectors of the k, j and i axes.

    Raises
    ------
    GeometryError
        If a number is not finite, a shape or spacing is not positive, or the direction is not orthonormal.
    """

    shape_kji: tuple[int, int, int]
    spacing_mm: Vector
    origin_mm: Vector = (0.0, 0.0, 0.0)
    direction: Matrix3 = AXIAL

    def __post_init__(self) -> None:
        for name in ("shape_kji", "spacing_mm", "origin_mm"):
            if len(getattr(self, name)) != 3:
                raise GeometryError(expected(name, getattr(self, name), "three numbers"))
        if not all(np.isfinite(n) and n == int(n) and n >= 1 for n in self.shape_kji):
            raise GeometryError(expected("shape_kji", self.shape_kji, "three whole numbers >= 1"))
        if not all(np.isfinite(s) and s > 0 for s in self.spacing_mm):
            raise GeometryError(expected("spacing_mm", self.spacing_mm, "finite and > 0 on every axis"))
        if not np.all(np.isfinite(self.origin_mm)):
            raise GeometryError(expected("origin_mm", self.origin_mm, "finite"))
        matrix = np.asarray(self.direction, float)
        if matrix.shape != (3, 3) or not np.allclose(matrix.T @ matrix, np.eye(3), atol=1e-5):
            raise GeometryError(expected("direction", self.direction, "a 3 x 3 matrix with orthonormal columns"))
        object.__setattr__(self, "shape_kji", tuple(int(n) for n in self.shape_kji))
        object.__setattr__(self, "spacing_mm", tuple(float(s) for s in self.spacing_mm))
        object.__setattr__(self, "origin_mm", tuple(float(o) for o in self.origin_mm))
        object.__setattr__(self, "direction", tuple(tuple(float(v) for v in row) for row in matrix))

    @classmethod
    def centred(cls, shape_kji: tuple[int, int, int], spacing_mm: Vector, centre_mm: Vector = (0.0, 0.0, 0.0),
                direction: Matrix3 = AXIAL) -> Grid:
        """Return the grid whose field of view has its middle at `centre_mm`."""
        grid = cls(shape_kji, spacing_mm, centre_mm, direction)
        origin = 2 * np.asarray(grid.origin_mm) - grid.centre_mm
        return replace(grid, origin_mm=_vector(origin))

    @classmethod
    def covering(cls, low_mm: ArrayLike, high_mm: ArrayLike, spacing_mm: Vector) -> Grid:
        """Return the smallest axial grid of this spacing that covers the LPS box from `low_mm` to `high_mm` (x, y, z).

        What the box is not a whole number of voxels wide sticks out equally on both sides.
        """
        low, high = np.asarray(low_mm, float), np.asarray(high_mm, float)
        if not (low.shape == high.shape == (3,) and np.all(high > low) and np.all(np.isfinite(high - low))):
            raise GeometryError(f"high_mm must lie above low_mm on every axis, got {low.tolist()} to {high.tolist()}")
        step = np.asarray(cls((1, 1, 1), spacing_mm).spacing_mm)
        shape = np.maximum(1, np.ceil((high - low)[::-1] / step - 1e-9).astype(int))
        return cls.centred(_whole(shape), spacing_mm, _vector((low + high) / 2))

    @property
    def steps_mm(self) -> NDArray[np.float64]:
        """3 x 3: column a is the LPS step in mm from one voxel to the next along index axis a (k, j, i)."""
        return np.asarray(self.direction) * np.asarray(self.spacing_mm)

    @property
    def centre_mm(self) -> NDArray[np.float64]:
        """LPS position of the middle of the field of view."""
        return self.world_mm((np.asarray(self.shape_kji) - 1) / 2)

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in mm^3."""
        return float(np.prod(self.spacing_mm))

    @property
    def affine(self) -> NDArray[np.float64]:
        """4 x 4 from homogeneous (k, j, i, 1) to LPS (x, y, z, 1) in mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.steps_mm
        matrix[:3, 3] = self.origin_mm
        return matrix

    def world_mm(self, index_kji: ArrayLike) -> NDArray[np.float64]:
        """Return LPS positions (..., 3) of (fractional) voxel indices (..., 3)."""
        return np.asarray(index_kji, float) @ self.steps_mm.T + np.asarray(self.origin_mm)

    def index_kji(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Return fractional voxel indices (..., 3) of LPS positions (..., 3)."""
        return (np.asarray(points_mm, float) - np.asarray(self.origin_mm)) @ np.linalg.inv(self.steps_mm).T

    def points_mm(self) -> NDArray[np.float64]:
        """Return the LPS position of every voxel centre, (k, j, i, 3). Meant for small grids and tests."""
        return self.world_mm(np.moveaxis(np.indices(self.shape_kji), 0, -1))

    def corners_mm(self) -> NDArray[np.float64]:
        """Return the 8 outer corners of the field of view (voxel faces, not centres), (8, 3) in LPS mm."""
        ends = [(-0.5, n - 0.5) for n in self.shape_kji]
        return self.world_mm([[k, j, i] for k in ends[0] for j in ends[1] for i in ends[2]])

    def crop(self, low_kji: tuple[int, int, int], high_kji: tuple[int, int, int]) -> Grid:
        """Return the grid of the voxels from `low_kji` up to, not including, `high_kji`."""
        shape = np.asarray(high_kji) - np.asarray(low_kji)
        if shape.shape != (3,) or np.any(shape < 1):
            raise GeometryError(f"high_kji must lie above low_kji on every axis, got {low_kji} to {high_kji}")
        return Grid(_whole(shape), self.spacing_mm, _vector(self.world_mm(low_kji)), self.direction)

    def with_spacing(self, spacing_mm: Vector) -> Grid:
        """Return a grid of this spacing over the same field of view, with the same middle.

        Where the field of view is not a whole number of the new voxels, the nearest whole number is taken.
        """
        step = np.asarray(replace(self, spacing_mm=spacing_mm).spacing_mm)
        extent = np.asarray(self.shape_kji) * np.asarray(self.spacing_mm)
        shape = np.maximum(1, np.rint(extent / step).astype(int))
        return Grid.centred(_whole(shape), spacing_mm, _vector(self.centre_mm), self.direction)

    def is_close(self, other: Grid, tolerance_mm: float = 1e-3) -> bool:
        """Tell whether both grids have the same shape and every corner within `tolerance_mm`."""
        if self.shape_kji != other.shape_kji:
            return False
        return bool(np.all(np.abs(self.corners_mm() - other.corners_mm()) <= tolerance_mm))


def orientation(letters: str) -> Matrix3:
    """Return the direction whose k, j, i axes point to the given patient directions, e.g. `"SPL"` for axial.

    Examples
    --------
    >>> orientation("SPL") == AXIAL
    True
    """
    if len(letters) != 3 or sorted(_LETTERS[c][0] for c in letters.upper() if c in _LETTERS) != [0, 1, 2]:
        raise GeometryError(expected("letters", letters, "one each of L/R, P/A and S/I, for the k, j and i axes"))
    matrix = np.zeros((3, 3))
    for axis, letter in enumerate(letters.upper()):
        row, sign = _LETTERS[letter]
        matrix[row, axis] = sign
    return as_direction(matrix)


def as_direction(matrix: ArrayLike) -> Matrix3:
    """Return a 3 x 3 array as the nested tuple that `Grid.direction` holds."""
    rows = np.asarray(matrix, float)
    if rows.shape != (3, 3):
        raise GeometryError(expected("direction", rows.tolist(), "a 3 x 3 matrix"))
    return (_vector(rows[0]), _vector(rows[1]), _vector(rows[2]))


def _vector(values: ArrayLike) -> Vector:
    x, y, z = np.asarray(values, float).tolist()
    return (x, y, z)


def _whole(values: ArrayLike) -> tuple[int, int, int]:
    k, j, i = np.asarray(values, int).tolist()
    return (k, j, i)
