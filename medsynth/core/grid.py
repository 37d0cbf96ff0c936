"""Where the voxels are: shape, spacing, origin and direction in patient LPS millimetres."""

from __future__ import annotations

from dataclasses import dataclass

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
    return (np.arange(count) - (count - 1) / 2) * spacing_mm


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
        if any(n != int(n) or n < 1 for n in self.shape_kji):
            raise GeometryError(expected("shape_kji", self.shape_kji, "three whole numbers >= 1"))
        if not all(np.isfinite(s) and s > 0 for s in self.spacing_mm):
            raise GeometryError(expected("spacing_mm", self.spacing_mm, "> 0 on every axis"))
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
        half = (np.asarray(shape_kji) - 1) / 2 * np.asarray(spacing_mm)
        origin = np.asarray(centre_mm, float) - np.asarray(direction, float) @ half
        return cls(shape_kji, spacing_mm, tuple(origin.tolist()), direction)

    @classmethod
    def covering(cls, low_mm: ArrayLike, high_mm: ArrayLike, spacing_mm: Vector) -> Grid:
        """Return the axial grid of this spacing whose voxels cover the LPS box from `low_mm` to `high_mm` (x, y, z)."""
        low, high = np.asarray(low_mm, float), np.asarray(high_mm, float)
        if np.any(high <= low):
            raise GeometryError(f"high_mm must lie above low_mm on every axis, got {low.tolist()} to {high.tolist()}")
        shape = np.maximum(1, np.ceil((high - low)[::-1] / np.asarray(spacing_mm) - 1e-9).astype(int))
        return cls.centred(tuple(shape.tolist()), spacing_mm, tuple(((low + high) / 2).tolist()))

    @property
    def steps_mm(self) -> NDArray[np.float64]:
        """3 x 3: column a is the LPS step in mm from one voxel to the next along index axis a (k, j, i)."""
        return np.asarray(self.direction) * np.asarray(self.spacing_mm)

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
        shape = tuple(h - low for low, h in zip(low_kji, high_kji, strict=True))
        return Grid(shape, self.spacing_mm, tuple(self.world_mm(low_kji).tolist()), self.direction)  # type: ignore[arg-type]

    def with_spacing(self, spacing_mm: Vector) -> Grid:
        """Return a grid of this spacing over the same field of view, with the same middle."""
        extent = np.asarray(self.shape_kji) * np.asarray(self.spacing_mm)
        shape = np.maximum(1, np.rint(extent / np.asarray(spacing_mm)).astype(int))
        centre = self.world_mm((np.asarray(self.shape_kji) - 1) / 2)
        return Grid.centred(tuple(shape.tolist()), spacing_mm, tuple(centre.tolist()), self.direction)

    def is_close(self, other: Grid, tolerance_mm: float = 1e-3) -> bool:
        """Tell whether both grids have the same shape and every corner within `tolerance_mm`."""
        return self.shape_kji == other.shape_kji and bool(
            np.allclose(self.corners_mm(), other.corners_mm(), atol=tolerance_mm, rtol=0.0))


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
    return tuple(tuple(row) for row in matrix.tolist())
