"""Shimming: the fields of zeroth to second degree that bring the body's off-resonance nearest to 0."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medsynth.core.grid import Grid

MAX_POINTS = 200_000  # a smooth fit needs no more voxels than this


def shimmed(hz: NDArray[np.float32], body: NDArray[np.bool_], grid: Grid,
            order: Literal[0, 1, 2]) -> NDArray[np.float32]:
    """Return the field (k, j, i) in Hz less its least-squares fit of solid harmonics up to `order` over the body.

    Order 0 sets the receiver to the mean frequency only. Without a body the field stays as it is.
    """
    inside = np.flatnonzero(body)
    if inside.size == 0:
        return hz
    inside = inside[:: max(1, inside.size // MAX_POINTS)]
    index = np.stack(np.unravel_index(inside, body.shape), axis=-1)
    centre, scale = grid.centre_mm, float(np.linalg.norm(grid.corners_mm()[0] - grid.centre_mm))
    basis = harmonics((grid.world_mm(index) - centre) / scale, order)
    # Normal equations of nine unknowns at most: sums in a fixed order, whatever the threads.
    values = hz.ravel()[inside].astype(float)
    matrix = np.array([[float((a * b).sum()) for b in basis] for a in basis])
    right = np.array([float((a * values).sum()) for a in basis])
    weights = np.linalg.lstsq(matrix, right, rcond=1e-10)[0]
    out = np.empty_like(hz)
    plane_index = np.moveaxis(np.indices(hz.shape[1:]), 0, -1)
    for k in range(hz.shape[0]):
        points = grid.world_mm(np.concatenate([np.full((*hz.shape[1:], 1), k), plane_index], axis=-1))
        fields = harmonics((points - centre) / scale, order)
        out[k] = hz[k] - sum(weight * field for weight, field in zip(weights, fields, strict=True))
    return out


def harmonics(points: NDArray[np.float64], order: int) -> list[NDArray[np.float64]]:
    """Return the real solid harmonics of degree 0 to `order` (at most 2) at points (..., 3)."""
    x, y, z = np.moveaxis(points, -1, 0)
    fields = [np.ones_like(x)]
    if order >= 1:
        fields += [x, y, z]
    if order >= 2:
        fields += [x * y, y * z, x * z, x * x - y * y, z * z - (x * x + y * y) / 2]
    return fields
