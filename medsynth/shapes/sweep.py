"""Sweeps: tubes along splines whose section is a (super)ellipse that changes on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from medsynth.core.errors import GeometryError, expected
from medsynth.shapes.base import Box, Distances, Points
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.shape_kernels import splat_sweep, sweep_point_distance


def spline_mm(points_mm: ArrayLike, step_mm: float = 1.5) -> NDArray[np.float64]:
    """Return points (n, 3) every `step_mm` along the cubic spline through `points_mm`, by chord length."""
    points = np.asarray(points_mm, float)
    knots = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    if np.any(np.diff(knots) <= 0):
        raise GeometryError("a spline needs points that differ from their neighbours")
    count = max(4, int(np.ceil(knots[-1] / step_mm)) + 1)
    return np.asarray(CubicSpline(knots, points)(np.linspace(0, knots[-1], count)))


@dataclass(frozen=True, eq=False)
class Sweep:
    """A tube along a polyline; its section has half-axes along `normals` and across them.

    Attributes
    ----------
    points_mm : (n, 3) densely spaced axis.
    normals : (n, 3) direction of the first half-axis, made perpendicular to the axis here.
    first_mm, second_mm : (n,) half-axes along the normal and along tangent x normal.
    exponent : 2 an ellipse, more is boxier.
    """

    points_mm: NDArray[np.float64]
    normals: NDArray[np.float64]
    first_mm: NDArray[np.float64]
    second_mm: NDArray[np.float64]
    exponent: float = 2.0
    exact: bool = False

    def __post_init__(self) -> None:
        n = len(self.points_mm)
        shapes = (self.points_mm.shape, self.normals.shape, self.first_mm.shape, self.second_mm.shape)
        if n < 2 or shapes != ((n, 3), (n, 3), (n,), (n,)):
            raise GeometryError(f"a sweep needs (n, 3) points and normals and (n,) half-axes, n > 1, got {shapes}")
        if not (np.all(self.first_mm > 0) and np.all(self.second_mm > 0) and np.isfinite(self.points_mm).all()):
            raise GeometryError("a sweep needs finite points and half-axes > 0 mm")
        if not self.exponent >= 1:
            raise GeometryError(expected("exponent of a sweep", self.exponent, ">= 1"))

    @classmethod
    def round(cls, points_mm: NDArray[np.float64], radius_mm: ArrayLike) -> Sweep:
        """Return the tube of circular section with this radius (one, or one per point)."""
        radius = np.broadcast_to(np.asarray(radius_mm, float), (len(points_mm),)).copy()
        tangent = np.gradient(points_mm, axis=0)
        helper = np.where(
            np.abs(tangent[:, 2:3]) > 0.9 * np.linalg.norm(tangent, axis=1, keepdims=True), [[1.0, 0, 0]], [[0, 0, 1.0]]
        )
        return cls(points_mm, helper, radius, radius)

    def frame(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return unit normals and binormals, (n, 3) each."""
        tangent = np.gradient(self.points_mm, axis=0)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        normal = self.normals - np.sum(self.normals * tangent, axis=1, keepdims=True) * tangent
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        return normal, np.cross(tangent, normal)

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm (first order), searching every segment: for tests and few points."""
        flat = np.ascontiguousarray(points_mm, np.float64).reshape(-1, 3)
        out = np.full(len(flat), np.inf)
        sweep_point_distance(self.points_mm, *self.frame(), self.first_mm, self.second_mm, self.exponent, flat, out)
        return out.reshape(points_mm.shape[:-1])

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        # The corners of a boxy section stick out beyond its half-axes.
        corner = max(1.0, 2 ** (0.5 - 1 / self.exponent))
        reach = np.maximum(self.first_mm, self.second_mm)[:, None] * corner
        return (tuple((self.points_mm - reach).min(0).tolist()), tuple((self.points_mm + reach).max(0).tolist()))


def sweep_fields(sweeps: Sequence[Sweep], lattice: Lattice, margin_mm: float = 6.0) -> SampledShape:
    """Return the union of sweeps on a lattice, each node owned by the sweep (index in the list) nearest to it.

    Nodes farther than `margin_mm` hold `margin_mm`: a lower bound, so that painting them stays cheap.
    """
    values = np.full(lattice.shape, margin_mm, np.float32)
    owner = np.zeros(lattice.shape, np.uint8)
    arc = np.zeros((1, 1, 1), np.float32)
    for number, sweep in enumerate(sweeps):
        splat_sweep(
            sweep.points_mm,
            *sweep.frame(),
            sweep.first_mm,
            sweep.second_mm,
            sweep.exponent,
            margin_mm,
            np.asarray(lattice.origin_mm),
            lattice.step_mm,
            values,
            owner,
            number,
            arc,
            False,
        )
    return SampledShape(values, lattice.origin_mm, float(lattice.step_mm), owner)


def sweep_distance(
    sweep: Sweep, lattice: Lattice, margin_mm: float = 20.0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return one sweep's distance at the nodes (at most the margin) and the arc length of the nearest point."""
    values = np.full(lattice.shape, margin_mm, np.float32)
    arc = np.zeros(lattice.shape, np.float32)
    splat_sweep(
        sweep.points_mm,
        *sweep.frame(),
        sweep.first_mm,
        sweep.second_mm,
        sweep.exponent,
        margin_mm,
        np.asarray(lattice.origin_mm),
        lattice.step_mm,
        values,
        np.zeros(lattice.shape, np.uint8),
        0,
        arc,
        True,
    )
    return values, arc
