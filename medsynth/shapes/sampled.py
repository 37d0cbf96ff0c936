"""Signed distances sampled on an axis-aligned millimetre lattice of the body."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import GeometryError, expected
from medsynth.shapes.base import Box, Distances, Points, Shape
from medsynth.shapes.brick_kernels import survey
from medsynth.shapes.shape_kernels import trilinear

CHUNK = 1 << 18  # points per call of a shape's distance


@dataclass(frozen=True, eq=False)
class Bricks:
    """Bounds of a sampled field by bricks of its lattice's cells, each (z, y, x) float32: what may be passed over.

    Attributes
    ----------
    low_mm, high_mm : least and greatest of the nodes in and around a brick.
    steep_mm : greatest change from one node to the next.
    """

    low_mm: NDArray[np.float32]
    high_mm: NDArray[np.float32]
    steep_mm: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SampledShape:
    """A shape known by its distance at the nodes of a lattice; an approximation between them.

    Attributes
    ----------
    values_mm : (z, y, x) float32 signed distance at the nodes, negative inside.
    origin_mm : LPS position of node (0, 0, 0), as (x, y, z).
    step_mm : distance of neighbouring nodes.
    owner : (z, y, x) uint8 or None: which of several merged shapes is nearest (see `Layer.label`).
    """

    values_mm: NDArray[np.float32]
    origin_mm: tuple[float, float, float]
    step_mm: float
    owner: NDArray[np.uint8] | None = None
    exact: bool = False

    def __post_init__(self) -> None:
        if self.values_mm.ndim != 3 or min(self.values_mm.shape) < 2:
            raise GeometryError(f"values_mm must be 3D with at least 2 nodes per axis, got {self.values_mm.shape}")
        if not (np.isfinite(self.step_mm) and self.step_mm > 0):
            raise GeometryError(expected("step_mm", self.step_mm, "finite and > 0"))
        if not np.isfinite(self.values_mm).all():
            raise GeometryError("values_mm of a sampled shape must be finite")

    @cached_property
    def bricks(self) -> Bricks:
        """The field's bounds, found once, whatever number of grids it is painted on."""
        return Bricks(*survey(np.ascontiguousarray(self.values_mm)))

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the interpolated distance (...) in mm; beyond the lattice it grows with the distance to it."""
        points = np.ascontiguousarray(points_mm, np.float64)
        out = np.empty(points.shape[:-1], np.float32)
        trilinear(self.values_mm, points.reshape(-1, 3), np.asarray(self.origin_mm), self.step_mm, out.reshape(-1))
        return out

    def bounds_mm(self) -> Box:
        """Return the LPS box of the nodes that are inside, one step wider; the lattice's middle when none is."""
        low = np.asarray(self.origin_mm)
        inside = self.values_mm < 0
        bounds = []
        for axis in (2, 1, 0):
            hit = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
            middle = self.values_mm.shape[axis] / 2
            bounds.append((hit[0] - 1, hit[-1] + 1) if hit.size else (middle, middle + 1))
        ends = np.asarray(bounds, float)
        return (tuple((low + ends[:, 0] * self.step_mm).tolist()), tuple((low + ends[:, 1] * self.step_mm).tolist()))


def sample(shape: Shape, step_mm: float, margin_mm: float | None = None) -> SampledShape:
    """Sample `shape` on a lattice over its own box.

    The lattice's nodes lie on whole multiples of `step_mm`, so that the same shape gives the same nodes wherever it is
    asked for. `margin_mm` is kept around the box (default: three steps).
    """
    if isinstance(shape, SampledShape):
        return shape
    if not (np.isfinite(step_mm) and step_mm > 0):
        raise GeometryError(expected("step_mm", step_mm, "finite and > 0"))
    low, high = (np.asarray(end) for end in shape.bounds_mm())
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise GeometryError(f"an unbounded {type(shape).__name__} cannot be sampled: intersect it with a bounded shape")
    margin = 3 * step_mm if margin_mm is None else margin_mm
    first = np.floor((low - margin) / step_mm).astype(int)
    last = np.ceil((high + margin) / step_mm).astype(int)
    x, y, z = (np.arange(a, b + 1) * step_mm for a, b in zip(first, last, strict=True))
    values = np.empty((z.size, y.size, x.size), np.float32)
    slab = max(1, CHUNK // (x.size * y.size))
    for k in range(0, z.size, slab):
        zz, yy, xx = np.meshgrid(z[k : k + slab], y, x, indexing="ij")
        values[k : k + slab] = shape.distance_mm(np.stack([xx, yy, zz], axis=-1))
    return SampledShape(values, tuple((first * step_mm).tolist()), float(step_mm))
