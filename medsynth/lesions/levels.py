"""Fluid levels: the plane square to gravity below which a given share of a shape's volume lies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.core.grid import Vector
from medsynth.shapes.base import Shape

Array = NDArray[np.float64]

NODES = 90  # along the longest side
TOLERANCE = 1e-3


def level_at(shape: Shape, down: Vector, share: float) -> float:
    """Return the height of the plane, as the distance along `down` from LPS (0, 0, 0), beyond which `share` lies.

    Parameters
    ----------
    down : LPS unit vector to the floor.
    share : 0..1 of the shape's volume that lies below (farther along `down` than) the plane.
    """
    low, high = (np.asarray(end) for end in shape.bounds_mm())
    step = float(np.clip((high - low).max() / NODES, 0.3, 2.0))
    axes = [np.arange(a + step / 2, b, step) for a, b in zip(low, high, strict=True)]
    z, y, x = np.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    weight = np.clip(0.5 - np.asarray(shape.distance_mm(points), float) / step, 0, 1)
    inside = weight > 0
    return level_of(points[inside] @ np.asarray(down), weight[inside], share, step)


def level_of(heights_mm: Array, weights: Array, share: float, step_mm: float) -> float:
    """Return the plane below which `share` of weighted points lies, each spread over `step_mm` along `down`."""
    first, last = float(heights_mm.min()) - step_mm, float(heights_mm.max()) + step_mm
    total = float(weights.sum())
    while last - first > 1e-3:
        middle = (first + last) / 2
        below = float((weights * np.clip(0.5 + (heights_mm - middle) / step_mm, 0, 1)).sum()) / total
        first, last = (middle, last) if below > share else (first, middle)
    return (first + last) / 2
