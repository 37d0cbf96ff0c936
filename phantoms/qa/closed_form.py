"""Closed forms of convex solids: where a line enters and leaves, and how large they are."""

from __future__ import annotations

from functools import singledispatch
from math import pi

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import GeometryError
from medsynth.shapes.base import Shape
from medsynth.shapes.blend import Intersection
from medsynth.shapes.primitives import Capsule, Cylinder, Ellipsoid, RoundBox, Sphere

Array = NDArray[np.float64]
Interval = tuple[Array, Array]  # where each line enters and leaves, in mm along it; a miss leaves before it enters

MISS = 1.0, -1.0


@singledispatch
def crossing_mm(solid: Shape, points_mm: Array, directions: Array) -> Interval:  # noqa: ARG001 - for its kinds
    """Return where the lines `points_mm + t directions` (n, 3), unit directions, enter and leave a convex solid."""
    raise GeometryError(f"no closed form for lines through a {type(solid).__name__}")


@singledispatch
def volume_mm3(solid: Shape) -> float:
    """Return the volume of a solid."""
    raise GeometryError(f"no closed form for the volume of a {type(solid).__name__}")


def _between(a: Array, b: Array, c: Array) -> Interval:
    """Return the roots of a t^2 + 2 b t + c between which it is negative."""
    under = b * b - a * c
    hit = under > 0
    root = np.sqrt(np.where(hit, under, 0.0))
    return np.where(hit, (-b - root) / a, MISS[0]), np.where(hit, (-b + root) / a, MISS[1])


def _slab(offset: Array, slope: Array, half: float) -> Interval:
    """Return where |offset + slope t| < half."""
    flat = np.abs(slope) < 1e-12
    safe = np.where(flat, 1.0, slope)
    ends = np.sort(np.stack([(-half - offset) / safe, (half - offset) / safe]), axis=0)
    inside = np.abs(offset) < half
    enter = np.where(flat, np.where(inside, -np.inf, MISS[0]), ends[0])
    leave = np.where(flat, np.where(inside, np.inf, MISS[1]), ends[1])
    return enter, leave


def _common(first: Interval, *others: Interval) -> Interval:
    """Return what lies in all intervals."""
    enter, leave = first
    missed = leave <= enter
    for a, b in others:
        missed |= b <= a
        enter, leave = np.maximum(enter, a), np.minimum(leave, b)
    missed |= leave <= enter
    return np.where(missed, MISS[0], enter), np.where(missed, MISS[1], leave)


def _hull(*intervals: Interval) -> Interval:
    """Return the interval from the first entry to the last exit."""
    enter = np.min([np.where(b > a, a, np.inf) for a, b in intervals], axis=0)
    leave = np.max([np.where(b > a, b, -np.inf) for a, b in intervals], axis=0)
    missed = leave <= enter
    return np.where(missed, MISS[0], enter), np.where(missed, MISS[1], leave)


@crossing_mm.register
def _(solid: Sphere, points_mm: Array, directions: Array) -> Interval:
    to = points_mm - np.asarray(solid.centre_mm)
    return _between(np.ones(len(to)), (to * directions).sum(1), (to * to).sum(1) - solid.radius_mm**2)


@volume_mm3.register
def _(solid: Sphere) -> float:
    return 4 / 3 * pi * solid.radius_mm**3


@crossing_mm.register
def _(solid: Ellipsoid, points_mm: Array, directions: Array) -> Interval:
    turn, radii = np.asarray(solid.turn), np.asarray(solid.radii_mm)
    to, along = (points_mm - np.asarray(solid.centre_mm)) @ turn / radii, directions @ turn / radii
    return _between((along * along).sum(1), (to * along).sum(1), (to * to).sum(1) - 1)


@volume_mm3.register
def _(solid: Ellipsoid) -> float:
    return 4 / 3 * pi * float(np.prod(solid.radii_mm))


@crossing_mm.register
def _(solid: Cylinder, points_mm: Array, directions: Array) -> Interval:
    axis = np.asarray(solid.axis) / np.linalg.norm(solid.axis)
    to = points_mm - np.asarray(solid.centre_mm)
    up, rise = to @ axis, directions @ axis
    to, across = to - up[:, None] * axis, directions - rise[:, None] * axis
    square, offset = (across * across).sum(1), (to * to).sum(1) - solid.radius_mm**2
    parallel = square < 1e-18
    enter, leave = _between(np.where(parallel, 1.0, square), (to * across).sum(1), offset)
    enter = np.where(parallel, np.where(offset < 0, -np.inf, MISS[0]), enter)
    leave = np.where(parallel, np.where(offset < 0, np.inf, MISS[1]), leave)
    return _common((enter, leave), _slab(up, rise, solid.half_length_mm))


@volume_mm3.register
def _(solid: Cylinder) -> float:
    return 2 * pi * solid.radius_mm**2 * solid.half_length_mm


@crossing_mm.register
def _(solid: RoundBox, points_mm: Array, directions: Array) -> Interval:
    if solid.rounding_mm:
        raise GeometryError("no closed form for lines through a box with rounded edges")
    turn = np.asarray(solid.turn)
    to, along = (points_mm - np.asarray(solid.centre_mm)) @ turn, directions @ turn
    return _common(*(_slab(to[:, n], along[:, n], half) for n, half in enumerate(solid.half_mm)))


@volume_mm3.register
def _(solid: RoundBox) -> float:
    if solid.rounding_mm:
        raise GeometryError("no closed form for the volume of a box with rounded edges")
    return 8 * float(np.prod(solid.half_mm))


@crossing_mm.register
def _(solid: Capsule, points_mm: Array, directions: Array) -> Interval:
    if not solid.exact:
        raise GeometryError("no closed form for lines through a capsule that tapers")
    start, end = np.asarray(solid.start_mm), np.asarray(solid.end_mm)
    middle, axis = (start + end) / 2, end - start
    barrel = Cylinder(_vector(middle), solid.start_radius_mm, float(np.linalg.norm(axis)) / 2, _vector(axis))
    balls = (Sphere(solid.start_mm, solid.start_radius_mm), Sphere(solid.end_mm, solid.end_radius_mm))
    return _hull(*(crossing_mm(part, points_mm, directions) for part in (barrel, *balls)))


@volume_mm3.register
def _(solid: Capsule) -> float:
    length = float(np.linalg.norm(np.subtract(solid.end_mm, solid.start_mm)))
    return pi * solid.start_radius_mm**2 * (length + 4 / 3 * solid.start_radius_mm)


@crossing_mm.register
def _(solid: Intersection, points_mm: Array, directions: Array) -> Interval:
    return _common(crossing_mm(solid.a, points_mm, directions), crossing_mm(solid.b, points_mm, directions))


@volume_mm3.register
def _(solid: Intersection) -> float:
    """Integrate chords along z over a fine mesh: to about 1e-4 of the volume."""
    low, high = solid.bounds_mm()
    count = 400
    x, y = (low[n] + (np.arange(count) + 0.5) * (high[n] - low[n]) / count for n in (0, 1))
    points = np.stack([*(grid.ravel() for grid in np.meshgrid(x, y)), np.zeros(count * count)], axis=1)
    enter, leave = crossing_mm(solid, points, np.broadcast_to([0.0, 0.0, 1.0], points.shape))
    return float(np.maximum(leave - enter, 0).sum() * (high[0] - low[0]) * (high[1] - low[1]) / count**2)


def _vector(values: Array) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return (x, y, z)
