"""The inner loops of star bodies: scalar functions over flat arrays, one thread, no library whose sums may vary."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


@numba.njit(cache=True, nogil=True)
def star_terms(points: Array, centre: Array, turn: Array, axes: Array, lobules: Array, sharpness: float, waves: Array,
               level: Array, per_radius: Array) -> None:
    """Write A (mm) and B of `StarBody.terms` for points (n, 3) into level and per_radius (n,)."""
    for n in range(points.shape[0]):
        x, y, z = points[n, 0] - centre[0], points[n, 1] - centre[1], points[n, 2] - centre[2]
        u = (x * turn[0, 0] + y * turn[1, 0] + z * turn[2, 0]) / axes[0]
        v = (x * turn[0, 1] + y * turn[1, 1] + z * turn[2, 1]) / axes[1]
        w = (x * turn[0, 2] + y * turn[1, 2] + z * turn[2, 2]) / axes[2]
        size = max(np.sqrt(u * u + v * v + w * w), 1e-9)
        slope = max(np.sqrt((u / axes[0]) ** 2 + (v / axes[1]) ** 2 + (w / axes[2]) ** 2), 1e-9)
        u, v, w = u / size, v / size, w / size
        relief = 0.0
        highest, mean = 0.0, 0.0
        for m in range(lobules.shape[0]):
            facing = u * lobules[m, 0] + v * lobules[m, 1] + w * lobules[m, 2]
            highest = max(highest, lobules[m, 3] * np.exp(sharpness * (facing - 1.0)))
            mean += lobules[m, 3]
        if lobules.shape[0] > 0:
            relief += highest - 0.5 * mean / lobules.shape[0]
        for m in range(waves.shape[0]):
            relief += waves[m, 4] * np.cos(u * waves[m, 0] + v * waves[m, 1] + w * waves[m, 2] + waves[m, 3])
        level[n] = size * size / slope
        per_radius[n] = size / slope + relief


@numba.njit(cache=True, nogil=True)
def filled_volume(level: Array, per_radius: Array, share: Array, radius: float, step: float) -> float:
    """Return the sum of shares of the nodes' cells below the surface, in cells: a linear ramp one cell wide."""
    total = 0.0
    for n in range(level.shape[0]):
        total += min(1.0, max(0.0, 0.5 - (level[n] - radius * per_radius[n]) / step)) * share[n]
    return total
