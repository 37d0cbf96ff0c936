"""Vessels of the brain from tables of reference points: dense paths that keep to the fluid between brain and dura."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.shapes.noise import CoherentNoise
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.tree_edit import concatenate
from medsynth.shapes.tubes import Tubes
from phantoms.head.brain_space import BrainSpace

Points = NDArray[np.float64]
STEP_MM = 1.6
WANDER_WAVELENGTH_MM = 14.0


@dataclass(frozen=True, eq=False)
class Bed:
    """What vessels must respect: the brain's surface (drawn at 1 mm) and the cavity."""

    space: BrainSpace
    brain: SampledShape
    cavity: SampledShape

    def settled(self, points: Points, radius_mm: ArrayLike, fixed_ends: bool = True) -> Points:
        """Return a path (n, 3) moved out of the brain and into the dura, by a few steps along their gradients."""
        path = points.copy()
        reach = np.broadcast_to(np.asarray(radius_mm, float), (len(path),))
        for _ in range(8):
            for shape, margin, sign in ((self.brain, reach + 0.1, 1.0), (self.cavity, reach + 0.2, -1.0)):
                level = shape.distance_mm(path) * sign
                short = np.clip(margin - level, 0.0, 1.5)
                path = path + 0.7 * short[:, None] * sign * _gradient(shape, path)
            inner = path[1:-1] + 0.25 * (path[2:] - 2 * path[1:-1] + path[:-2])
            path = np.concatenate([path[:1], inner, path[-1:]])
            if fixed_ends:
                path[0] = points[0]
        return path


def _gradient(shape: SampledShape, points: Points) -> Points:
    step = 0.6
    columns = []
    for axis in range(3):
        shift = np.zeros(3)
        shift[axis] = step
        columns.append((shape.distance_mm(points + shift) - shape.distance_mm(points - shift)) / (2 * step))
    gradient = np.stack(columns, axis=1)
    return np.asarray(gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 0.5), np.float64)


def path_mm(points_mm: ArrayLike, wander_mm: float, seed: int) -> Points:
    """Return a dense, rounded path through points that wanders between them (coherent noise, zero at both ends).

    seed : which vessel; all vessels share one noise and read it in places of their own.
    """
    knots = np.asarray(points_mm, float)
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    along = np.linspace(0.0, at[-1], max(4, int(np.ceil(at[-1] / STEP_MM)) + 1))
    dense = np.stack([np.interp(along, at, knots[:, axis]) for axis in range(3)], axis=1)
    for _ in range(6):
        dense[1:-1] += 0.25 * (dense[2:] - 2 * dense[1:-1] + dense[:-2])
    fade = np.minimum(1.0, 5.0 * np.minimum(along, at[-1] - along) / at[-1])[:, None]
    place = dense + 37.0 * np.array([seed % 97, seed // 97 % 89, seed // 8633 % 83])
    shift = np.stack([CoherentNoise(n, WANDER_WAVELENGTH_MM).at(place) for n in (1, 2, 3)], axis=1)
    return np.asarray(dense + wander_mm * fade * shift, np.float64)


def tubes_along(path: Points, first_mm: float, last_mm: float) -> Tubes:
    """Return capsules along a path with a radius that tapers evenly."""
    radii = np.linspace(first_mm, last_mm, len(path))
    parents = np.arange(-1, len(path) - 2)
    return Tubes(path[:-1], path[1:], radii[:-1], radii[1:], parents)


def joined(parts: Sequence[Tubes]) -> Tubes:
    """Return several vessels as one set of tubes."""
    return concatenate(*parts)
