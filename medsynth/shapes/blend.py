"""Combining signed distances: smooth unions, cuts and shells, as array functions and as shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.base import Box, Distances, Points, Shape

Field = NDArray[np.floating[Any]]


@numba.vectorize(["float32(float32, float32, float32)", "float64(float64, float64, float64)"], cache=True)
def _smooth_min(a, b, width):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    h = max(width - abs(a - b), 0.0) / width
    return min(a, b) - h * h * width * 0.25


@numba.vectorize(["float32(float32, float32, float32)", "float64(float64, float64, float64)"], cache=True)
def _smooth_max(a, b, width):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    h = max(width - abs(a - b), 0.0) / width
    return max(a, b) + h * h * width * 0.25


def smooth_min(a: Field, b: Field, width_mm: float) -> Field:
    """Return a smooth minimum of two distances: a union rounded over `width_mm` (polynomial; swells by width / 4)."""
    if width_mm <= 0:
        return np.minimum(a, b)
    blended: Field = _smooth_min(a, b, np.result_type(a, b).type(width_mm))
    return blended


def smooth_max(a: Field, b: Field, width_mm: float) -> Field:
    """Return a smooth maximum of two distances: an intersection rounded over `width_mm`."""
    if width_mm <= 0:
        return np.maximum(a, b)
    blended: Field = _smooth_max(a, b, np.result_type(a, b).type(width_mm))
    return blended


@dataclass(frozen=True, eq=False)
class Union:
    """Union of two shapes, smooth over `width_mm`. Outside it is a bound, inside an approximation."""

    a: Shape
    b: Shape
    width_mm: float = 0.0
    exact: bool = False

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        return smooth_min(self.a.distance_mm(points_mm), self.b.distance_mm(points_mm), self.width_mm)

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        (la, ha), (lb, hb) = self.a.bounds_mm(), self.b.bounds_mm()
        w = self.width_mm / 4
        return (tuple((np.minimum(la, lb) - w).tolist()), tuple((np.maximum(ha, hb) + w).tolist()))


@dataclass(frozen=True, eq=False)
class Intersection:
    """What lies in both shapes, smooth over `width_mm`; a bound."""

    a: Shape
    b: Shape
    width_mm: float = 0.0
    exact: bool = False

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        return smooth_max(self.a.distance_mm(points_mm), self.b.distance_mm(points_mm), self.width_mm)

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        (la, ha), (lb, hb) = self.a.bounds_mm(), self.b.bounds_mm()
        return (tuple(np.maximum(la, lb).tolist()), tuple(np.minimum(ha, hb).tolist()))


@dataclass(frozen=True, eq=False)
class Difference:
    """`a` without `b`, smooth over `width_mm`; a bound."""

    a: Shape
    b: Shape
    width_mm: float = 0.0
    exact: bool = False

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        return smooth_max(self.a.distance_mm(points_mm), -self.b.distance_mm(points_mm), self.width_mm)

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        return self.a.bounds_mm()


@dataclass(frozen=True, eq=False)
class Shell:
    """The wall of a shape: from its surface `thickness_mm` inwards. Exact where the shape is."""

    shape: Shape
    thickness_mm: float

    @property
    def exact(self) -> bool:
        """Whether the shape's own distance is exact."""
        return self.shape.exact

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        half = self.thickness_mm / 2
        wall: Distances = np.abs(self.shape.distance_mm(points_mm) + half) - half
        return wall

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        return self.shape.bounds_mm()


@dataclass(frozen=True, eq=False)
class Offset:
    """A shape grown by `distance_mm` (shrunk where negative)."""

    shape: Shape
    growth_mm: float

    @property
    def exact(self) -> bool:
        """Whether the shape's own distance is exact."""
        return self.shape.exact

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        return self.shape.distance_mm(points_mm) - self.growth_mm

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        low, high = self.shape.bounds_mm()
        return (tuple((np.asarray(low) - self.growth_mm).tolist()), tuple((np.asarray(high) + self.growth_mm).tolist()))
