"""Sheets: smooth surfaces through a grid of points, thick by an amount that varies, as flat bones and muscles are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator

from medsynth.core.errors import GeometryError
from medsynth.shapes.base import Box
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sheet_kernels import splat_triangles


@dataclass(frozen=True, eq=False)
class Sheet:
    """A thick surface: everything within `half_mm` of the spline surface through `points_mm`.

    Attributes
    ----------
    points_mm : (rows, columns, 3) LPS control points, at least 2 x 2.
    half_mm : (rows, columns) half the thickness at the control points, > 0.
    """

    points_mm: NDArray[np.float64]
    half_mm: NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = self.points_mm.shape
        if len(shape) != 3 or shape[2] != 3 or min(shape[:2]) < 2 or self.half_mm.shape != shape[:2]:
            raise GeometryError(f"a sheet needs (m, n, 3) points and (m, n) halves, got {shape}, {self.half_mm.shape}")
        if not (np.isfinite(self.points_mm).all() and np.all(self.half_mm > 0)):
            raise GeometryError("a sheet needs finite points and half thicknesses > 0 mm")

    def triangles(self, step_mm: float = 5.0) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Return vertices (v, 3), half thicknesses (v,) and corners (t, 3) of triangles about `step_mm` long."""
        table = np.concatenate([self.points_mm, self.half_mm[..., None]], axis=-1)
        for axis in (0, 1):
            length = np.linalg.norm(np.diff(self.points_mm, axis=axis), axis=-1).mean(axis=1 - axis)
            knots = np.concatenate([[0], np.cumsum(np.maximum(length, 1e-6))])
            fine = np.linspace(0, knots[-1], max(2, int(np.ceil(knots[-1] / step_mm)) + 1))
            places = CubicSpline(knots, table[..., :3], axis=axis)(fine)
            halves = PchipInterpolator(knots, table[..., 3:], axis=axis)(fine)
            table = np.concatenate([places, halves], axis=-1)
        rows, columns = table.shape[:2]
        number = np.arange(rows * columns).reshape(rows, columns)
        a, b, c, d = (part.ravel() for part in (number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]))
        corners = np.concatenate([np.stack([a, b, c], axis=1), np.stack([b, d, c], axis=1)])
        flat = table.reshape(-1, 4)
        return np.ascontiguousarray(flat[:, :3]), np.ascontiguousarray(flat[:, 3]), corners

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        vertices, half, _ = self.triangles()
        return (
            tuple((vertices - half[:, None]).min(0).tolist()),
            tuple((vertices + half[:, None]).max(0).tolist()),
        )


def rope_distance(
    points_mm: NDArray[np.float64], radius_mm: NDArray[np.float64], lattice: Lattice, margin_mm: float = 6.0
) -> NDArray[np.float32]:
    """Return the distance to a line (n, 3) that is `radius_mm` (n,) thick, at the nodes, at most the margin.

    Round ends; unlike a `Sweep` it may taper as fast as it likes.
    """
    count = len(points_mm)
    if count < 2 or points_mm.shape != (count, 3) or radius_mm.shape != (count,) or not np.all(radius_mm > 0):
        raise GeometryError(f"a rope needs (n, 3) points and (n,) radii > 0, got {points_mm.shape}, {radius_mm.shape}")
    values = np.full(lattice.shape, margin_mm, np.float32)
    first = np.arange(count - 1)
    links = np.stack([first, first + 1, first + 1], axis=1)  # triangles without width
    points, radii = np.ascontiguousarray(points_mm, float), np.ascontiguousarray(radius_mm, float)
    splat_triangles(points, radii, links, margin_mm, np.asarray(lattice.origin_mm), float(lattice.step_mm), values)
    return values


def sheet_distance(
    sheets: Sequence[Sheet], lattice: Lattice, margin_mm: float = 6.0, step_mm: float = 5.0
) -> NDArray[np.float32]:
    """Return the distance to the union of sheets at the nodes, at most the margin.

    Exact for an even thickness but for the facets of `step_mm`; first order where the thickness changes.
    """
    values = np.full(lattice.shape, margin_mm, np.float32)
    for sheet in sheets:
        splat_triangles(
            *sheet.triangles(step_mm), margin_mm, np.asarray(lattice.origin_mm), float(lattice.step_mm), values
        )
    return values
