"""Spheres, ellipsoids, boxes, capsules, cylinders and half-spaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import GeometryError, expected
from medsynth.core.grid import Matrix3, Vector, as_direction
from medsynth.shapes.base import Box, Distances, Points
from medsynth.shapes.shape_kernels import ellipsoid_distance

UPRIGHT: Matrix3 = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def rotation(x_deg: float = 0.0, y_deg: float = 0.0, z_deg: float = 0.0) -> Matrix3:
    """Return the rotation about the x axis, then y, then z; its columns are the turned axes."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians([x_deg, y_deg, z_deg])), np.sin(np.radians([x_deg, y_deg, z_deg]))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return as_direction(about_z @ about_y @ about_x)


def _positive(name: str, values: tuple[float, ...]) -> None:
    if not all(np.isfinite(v) and v > 0 for v in values):
        raise GeometryError(expected(name, values, "finite and > 0"))


def _direction(name: str, vector: Vector) -> None:
    length = np.linalg.norm(vector)
    if not (np.isfinite(length) and length > 0):
        raise GeometryError(expected(name, vector, "a finite vector with a length"))


def _turned_box(centre: Vector, turn: Matrix3, half: NDArray[np.float64]) -> Box:
    reach = np.abs(np.asarray(turn)) @ half
    return (tuple((np.asarray(centre) - reach).tolist()), tuple((np.asarray(centre) + reach).tolist()))


@dataclass(frozen=True, slots=True)
class Sphere:
    """A ball; its distance is exact."""

    centre_mm: Vector
    radius_mm: float
    exact: bool = True

    def __post_init__(self) -> None:
        _positive("radius_mm", (self.radius_mm,))

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        distance: Distances = np.linalg.norm(points_mm - np.asarray(self.centre_mm, points_mm.dtype), axis=-1)
        return distance - self.radius_mm

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        return _turned_box(self.centre_mm, UPRIGHT, np.full(3, self.radius_mm))


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """An ellipsoid with semi-axes along the columns of `turn`; first-order distance, right at the surface."""

    centre_mm: Vector
    radii_mm: Vector
    turn: Matrix3 = UPRIGHT
    exact: bool = False

    def __post_init__(self) -> None:
        _positive("radii_mm", self.radii_mm)

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm: the implicit function over its gradient's length."""
        points = np.ascontiguousarray(points_mm)
        out = np.empty(points.shape[:-1], points.dtype)
        ellipsoid_distance(
            points.reshape(-1, 3),
            np.asarray(self.centre_mm, float),
            np.asarray(self.radii_mm, float),
            np.asarray(self.turn, float),
            out.reshape(-1),
        )
        return out

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        reach = np.sqrt((np.asarray(self.turn) ** 2) @ (np.asarray(self.radii_mm) ** 2))
        return (
            tuple((np.asarray(self.centre_mm) - reach).tolist()),
            tuple((np.asarray(self.centre_mm) + reach).tolist()),
        )


@dataclass(frozen=True, slots=True)
class RoundBox:
    """A box with semi-axes along the columns of `turn` and edges rounded by `rounding_mm`; exact."""

    centre_mm: Vector
    half_mm: Vector
    rounding_mm: float = 0.0
    turn: Matrix3 = UPRIGHT
    exact: bool = True

    def __post_init__(self) -> None:
        _positive("half_mm", self.half_mm)
        if not 0 <= self.rounding_mm <= min(self.half_mm):
            raise GeometryError(expected("rounding_mm", self.rounding_mm, f"in 0..{min(self.half_mm)}"))

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        local = np.abs((points_mm - np.asarray(self.centre_mm)) @ np.asarray(self.turn))
        q = local - (np.asarray(self.half_mm) - self.rounding_mm)
        outside = np.linalg.norm(np.maximum(q, 0), axis=-1)
        distance: Distances = outside + np.minimum(q.max(axis=-1), 0) - self.rounding_mm
        return distance

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        return _turned_box(self.centre_mm, self.turn, np.asarray(self.half_mm))


@dataclass(frozen=True, slots=True)
class Capsule:
    """A rounded cylinder from `start_mm` to `end_mm`, its radius changing linearly; exact for equal radii."""

    start_mm: Vector
    end_mm: Vector
    start_radius_mm: float
    end_radius_mm: float

    def __post_init__(self) -> None:
        _positive("radii of a capsule", (self.start_radius_mm, self.end_radius_mm))

    @property
    def exact(self) -> bool:
        """Whether the radius is constant, which makes the distance exact."""
        return self.start_radius_mm == self.end_radius_mm

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        start, axis = np.asarray(self.start_mm), np.asarray(self.end_mm) - np.asarray(self.start_mm)
        along = np.clip((points_mm - start) @ axis / max(float(axis @ axis), 1e-12), 0, 1)
        radius = self.start_radius_mm + along * (self.end_radius_mm - self.start_radius_mm)
        distance: Distances = np.linalg.norm(points_mm - start - along[..., None] * axis, axis=-1) - radius
        return distance

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        ends = np.array([self.start_mm, self.end_mm])
        radii = np.array([[self.start_radius_mm], [self.end_radius_mm]])
        return (tuple((ends - radii).min(0).tolist()), tuple((ends + radii).max(0).tolist()))


@dataclass(frozen=True, slots=True)
class Cylinder:
    """A cylinder about `axis` (unit vector) with flat ends; exact."""

    centre_mm: Vector
    radius_mm: float
    half_length_mm: float
    axis: Vector = (0.0, 0.0, 1.0)
    exact: bool = True

    def __post_init__(self) -> None:
        _positive("radius_mm and half_length_mm", (self.radius_mm, self.half_length_mm))
        _direction("axis", self.axis)

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        local, axis = points_mm - np.asarray(self.centre_mm), np.asarray(self.axis) / np.linalg.norm(self.axis)
        along = local @ axis
        across = np.linalg.norm(local - along[..., None] * axis, axis=-1) - self.radius_mm
        beyond = np.abs(along) - self.half_length_mm
        distance: Distances = np.minimum(np.maximum(across, beyond), 0) + np.hypot(
            np.maximum(across, 0), np.maximum(beyond, 0)
        )
        return distance

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        axis = np.asarray(self.axis) / np.linalg.norm(self.axis)
        reach = np.abs(axis) * self.half_length_mm + np.sqrt(np.maximum(1 - axis**2, 0)) * self.radius_mm
        return (
            tuple((np.asarray(self.centre_mm) - reach).tolist()),
            tuple((np.asarray(self.centre_mm) + reach).tolist()),
        )


@dataclass(frozen=True, slots=True)
class HalfSpace:
    """Everything behind the plane through `point_mm` with outward unit `normal`; exact, unbounded."""

    point_mm: Vector
    normal: Vector
    exact: bool = True

    def __post_init__(self) -> None:
        _direction("normal", self.normal)

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        normal = np.asarray(self.normal) / np.linalg.norm(self.normal)
        distance: Distances = (points_mm - np.asarray(self.point_mm)) @ normal
        return distance

    def bounds_mm(self) -> Box:
        """Return the LPS box: infinite."""
        return ((-np.inf,) * 3, (np.inf,) * 3)
