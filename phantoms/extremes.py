"""The outermost points of built shapes: where landmarks lie that are defined as the end of something."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.sampled import SampledShape

Points = NDArray[np.float64]

FINE_MM = 0.25
INSIDE_MM = 0.1  # a place lies this far inside the shape that it is the end of
FOREMOST = 12  # nodes that are looked at closely


def point_of(place: Points) -> tuple[float, float, float]:
    """Return a place as three plain numbers."""
    x, y, z = (float(v) for v in place)
    return x, y, z


def extreme(
    shape: SampledShape, direction: tuple[float, float, float], kept: NDArray[np.bool_] | None = None
) -> Points:
    """Return the point of a sampled shape that lies farthest along a direction, to about a quarter of a mm.

    kept : (z, y, x) nodes that are looked at; every one where not given.
    """
    inside = shape.values_mm < 0 if kept is None else (shape.values_mm < 0) & kept
    nodes = np.argwhere(inside)[:, ::-1]
    points = np.asarray(shape.origin_mm) + nodes * shape.step_mm
    way = np.asarray(direction, float)
    # The surface bulges a little between nodes: look closely at the few foremost ones.
    foremost = points[np.argsort(points @ way)[-FOREMOST:]]
    reach = np.arange(-shape.step_mm, 2 * shape.step_mm + FINE_MM, FINE_MM)
    side = np.arange(-shape.step_mm, shape.step_mm + FINE_MM, FINE_MM)
    axis = int(np.argmax(np.abs(way)))
    grids: list[NDArray[np.float64]] = [side, side, side]
    grids[axis] = reach * np.sign(way[axis])
    around = np.stack(np.meshgrid(*grids, indexing="ij"), axis=-1).reshape(-1, 3)
    best = foremost[-1]
    for start in foremost:
        tried = start + around
        held = tried[np.asarray(shape.distance_mm(tried)) < -INSIDE_MM]
        if len(held) and held[np.argmax(held @ way)] @ way > best @ way:
            best = held[np.argmax(held @ way)]
    return np.asarray(best)
