"""Coherent noise on fixed millimetre lattices: the same body at every voxel size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import GeometryError, expected
from medsynth.shapes.base import Points

TILE = 64  # lattice nodes per axis before the noise repeats
STEPS_PER_WAVELENGTH = 3.0
# Cubic B-spline weights of white noise average to this variance per axis (integral of the sum of squared weights).
_AXIS_VARIANCE = 151.0 / 315.0


@lru_cache(maxsize=32)
def _tile(seed: int) -> NDArray[np.float32]:
    white = np.random.Generator(np.random.PCG64(seed)).standard_normal((TILE, TILE, TILE), np.float32)
    tile = (white / _AXIS_VARIANCE**1.5).astype(np.float32)
    tile.setflags(write=False)
    return tile


def _spline(t):
    """Cubic B-spline weights of the four nodes around a position `t` of the way between the middle two."""
    s = 1.0 - t
    return s * s * s / 6.0, (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0, (3.0 * s * s * s - 6.0 * s * s + 4.0) / 6.0, \
        t * t * t / 6.0


_weights = numba.njit(cache=True, nogil=True, inline="always")(_spline)


@numba.njit(cache=True, nogil=True)
def _evaluate(tile, points, scale, out):
    mask = tile.shape[0] - 1
    for n in range(points.shape[0]):
        x, y, z = points[n, 0] * scale, points[n, 1] * scale, points[n, 2] * scale
        i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
        wx, wy, wz = _weights(x - i), _weights(y - j), _weights(z - k)
        total = 0.0
        for c in range(4):
            plane = 0.0
            for b in range(4):
                line = tile[(k + c) & mask, (j + b) & mask]
                plane += wy[b] * (wx[0] * line[i & mask] + wx[1] * line[(i + 1) & mask]
                                  + wx[2] * line[(i + 2) & mask] + wx[3] * line[(i + 3) & mask])
            total += wz[c] * plane
        out[n] = total


@dataclass(frozen=True, slots=True)
class CoherentNoise:
    """Smooth random field of zero mean and unit variance, twice continuously differentiable.

    Attributes
    ----------
    seed : chooses the field.
    wavelength_mm : typical distance between neighbouring maxima; the field repeats after 21 of them.
    """

    seed: int
    wavelength_mm: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.wavelength_mm) and self.wavelength_mm > 0):
            raise GeometryError(expected("wavelength_mm", self.wavelength_mm, "> 0"))

    def at(self, points_mm: Points) -> NDArray[np.float32]:
        """Return the field (...) at points (..., 3) in mm."""
        points = np.ascontiguousarray(points_mm)
        out = np.empty(points.shape[:-1], np.float32)
        _evaluate(_tile(self.seed), points.reshape(-1, 3), STEPS_PER_WAVELENGTH / self.wavelength_mm, out.reshape(-1))
        return out

    def on_axes(self, z_mm: NDArray[np.floating], y_mm: NDArray[np.floating],
                x_mm: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the field (nz, ny, nx) at the nodes of a rectilinear lattice; `at` there, one axis at a time."""
        values = _tile(self.seed)
        for axis, positions in enumerate((z_mm, y_mm, x_mm)):
            u = np.asarray(positions, np.float64) * (STEPS_PER_WAVELENGTH / self.wavelength_mm)
            cell = np.floor(u).astype(np.int64)
            weights = np.stack(_spline(u - cell)).astype(np.float32)
            shape = [-1 if a == axis else 1 for a in range(3)]
            values = sum(weights[n].reshape(shape) * np.take(values, (cell + n) % TILE, axis) for n in range(4))
        return np.ascontiguousarray(values)
