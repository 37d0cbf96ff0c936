"""Coherent noise on fixed millimetre lattices: the same body at every voxel size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import GeometryError, expected
from medsynth.shapes.base import Points
from medsynth.shapes.shape_kernels import evaluate_noise, noise_on_axes, spline

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
        evaluate_noise(
            _tile(self.seed), points.reshape(-1, 3), STEPS_PER_WAVELENGTH / self.wavelength_mm, out.reshape(-1)
        )
        return out

    def on_axes(
        self, z_mm: NDArray[np.floating], y_mm: NDArray[np.floating], x_mm: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """Return the field (nz, ny, nx) at the nodes of a rectilinear lattice; `at` there, one axis at a time."""
        cells, weights = [], []
        for positions in (z_mm, y_mm, x_mm):
            u = np.asarray(positions, np.float64) * (STEPS_PER_WAVELENGTH / self.wavelength_mm)
            cell = np.floor(u).astype(np.int64)
            cells.append(cell % TILE)
            weights.append(np.stack(spline(u - cell), axis=1).astype(np.float32))
        out = np.empty([len(cell) for cell in cells], np.float32)
        (kz, ky, kx), (wz, wy, wx) = cells, weights
        noise_on_axes(_tile(self.seed), kz, ky, kx, wz, wy, wx, out)
        return out
