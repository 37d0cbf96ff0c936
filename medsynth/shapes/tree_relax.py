"""Settling a grown tree: smoothing it, keeping it inside its shape and clear of other trees, dropping what fails."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.base import Shape
from medsynth.shapes.tree_clear import CapsuleGrid
from medsynth.shapes.tree_growth import Nodes
from medsynth.shapes.tree_kernels import gather, smooth

_MAX_PUSH_MM = 2.5
_DEPTH_TOLERANCE_MM = 0.2
_SETTLE_ROUNDS = 12
_AXES_BOTH_WAYS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], np.float64)


def relaxed(nodes: Nodes, radii_mm: NDArray[np.float64], domain: Shape, margin_mm: float, obstacles: CapsuleGrid,
            gap_mm: float, smoothings: int) -> Nodes:
    """Return the tree smoothed, pushed into the domain and off the obstacles; root and tips are not smoothed.

    radii_mm : (m,) radius of the edge that ends at each node.
    """
    points, parents = nodes[0].copy(), nodes[1]
    outside = outside_mm(domain, points[0])
    for turn in range(smoothings + _SETTLE_ROUNDS):
        if turn < smoothings + _SETTLE_ROUNDS - 4:
            smooth(points, parents, radii_mm**2, 0.5 if turn < smoothings else 0.1)
        push_inside(points[1:], domain, required_depth_mm(points[1:], points[0], margin_mm, outside))
        touching = obstacles.push_away(points, parents, radii_mm, gap_mm)
        if turn >= smoothings and not touching.any():
            break
    return points, parents


def fitting(nodes: Nodes, radii_mm: NDArray[np.float64], domain: Shape, margin_mm: float,
            obstacles: CapsuleGrid) -> NDArray[np.bool_]:
    """Return which nodes are deep enough in the domain and end an edge that touches no obstacle, (m,)."""
    points, parents = nodes
    depth = required_depth_mm(points, points[0], margin_mm, outside_mm(domain, points[0]))
    inside: NDArray[np.bool_] = np.asarray(domain.distance_mm(points)) + depth <= _DEPTH_TOLERANCE_MM
    return inside & ~obstacles.push_away(points.copy(), parents, radii_mm, 0.0)


def pruned(nodes: Nodes, fits: NDArray[np.bool_], largest: float) -> Nodes:
    """Return the tree without the branches that begin with a misfit, unless they carry more than `largest` of it."""
    points, parents = nodes
    keep = fits | (gather(parents, np.ones(len(points)), np.zeros(len(points))) > largest * len(points))
    keep[0] = True
    for i in range(1, len(points)):
        keep[i] &= keep[parents[i]]
    new_index = np.cumsum(keep) - 1
    new_parents = np.concatenate([[-1], new_index[parents[1:][keep[1:]]]]).astype(np.int64)
    return points[keep], new_parents


def outside_mm(domain: Shape, point_mm: NDArray[np.float64]) -> float:
    """Return how far a point (3,) lies outside of the shape, 0 inside."""
    return max(float(np.asarray(domain.distance_mm(point_mm[None]))[0]), 0.0)


def required_depth_mm(points_mm: NDArray[np.float64], root_mm: NDArray[np.float64], margin_mm: float,
                      root_outside_mm: float) -> NDArray[np.float64]:
    """Return how deep (m,) below the surface each node must lie: `margin_mm`, but free near the root (the hilum).

    root_outside_mm : how far outside of the shape the root itself lies, 0 if inside.
    """
    from_root = np.linalg.norm(points_mm - root_mm, axis=1)
    ramp = 0.5 * (from_root - 2.0 * root_outside_mm - 8.0)
    return np.where(ramp > 0, np.minimum(ramp, margin_mm), -np.inf)


def push_inside(points_mm: NDArray[np.float64], domain: Shape, depth_mm: NDArray[np.float64]) -> None:
    """Move nodes (m, 3) IN PLACE down the distance's gradient where they are not `depth_mm` deep in the domain."""
    lack = np.asarray(domain.distance_mm(points_mm), np.float64) + depth_mm
    bad = np.flatnonzero(lack > 0)
    if len(bad) == 0:
        return
    step_mm = 0.5
    around = points_mm[bad, None, :] + step_mm * _AXES_BOTH_WAYS
    values = np.asarray(domain.distance_mm(around.reshape(-1, 3)), np.float64).reshape(-1, 3, 2)
    slope = (values[..., 0] - values[..., 1]) / (2 * step_mm)
    steepness = np.maximum(np.linalg.norm(slope, axis=1), 0.3)
    move = np.minimum(lack[bad] + 0.05, _MAX_PUSH_MM) / steepness**2
    points_mm[bad] -= move[:, None] * slope
