"""A millimetre lattice to build a body on: coordinates, shapes and noise as arrays, and back to shapes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import GeometryError
from medsynth.core.grid import Vector
from medsynth.shapes.base import Shape
from medsynth.shapes.noise import CoherentNoise
from medsynth.shapes.sampled import SampledShape

Field = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Lattice:
    """Nodes on whole multiples of `step_mm` from `low_mm` to `high_mm` (LPS x, y, z), indexed [z, y, x].

    It belongs to the body, not to an image: the same subject has the same nodes at every voxel size.
    """

    low_mm: Vector
    high_mm: Vector
    step_mm: float

    def __post_init__(self) -> None:
        extents = np.subtract(self.high_mm, self.low_mm)
        if not (self.step_mm > 0 and np.all(extents > 0) and np.all(np.isfinite(extents))):
            raise GeometryError(
                f"a lattice needs a step > 0 and low < high, got {self.low_mm} to {self.high_mm} mm by {self.step_mm}"
            )

    def _axis(self, axis: int) -> NDArray[np.float32]:
        first = int(np.floor(self.low_mm[axis] / self.step_mm))
        last = int(np.ceil(self.high_mm[axis] / self.step_mm))
        return np.arange(first, last + 1, dtype=np.float32) * np.float32(self.step_mm)

    @cached_property
    def x(self) -> NDArray[np.float32]:
        """Positions to the left, (1, 1, nx) mm."""
        return self._axis(0)[None, None, :]

    @cached_property
    def y(self) -> NDArray[np.float32]:
        """Positions to the back, (1, ny, 1) mm."""
        return self._axis(1)[None, :, None]

    @cached_property
    def z(self) -> NDArray[np.float32]:
        """Positions to the head, (nz, 1, 1) mm."""
        return self._axis(2)[:, None, None]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Nodes along z, y, x."""
        return self.z.size, self.y.size, self.x.size

    @property
    def origin_mm(self) -> Vector:
        """LPS position of node (0, 0, 0)."""
        return float(self.x[0, 0, 0]), float(self.y[0, 0, 0]), float(self.z[0, 0, 0])

    @cached_property
    def points_mm(self) -> NDArray[np.float32]:
        """Every node's LPS position, (nz, ny, nx, 3)."""
        points = np.empty((*self.shape, 3), np.float32)
        points[..., 0], points[..., 1], points[..., 2] = self.x, self.y, self.z
        return points

    def part(self, box: tuple[slice, slice, slice]) -> Lattice:
        """Return the lattice of a block of these nodes (slices along z, y, x; at least two nodes along each)."""
        k, j, i = box
        nodes = [axis.ravel()[span] for axis, span in ((self.x, i), (self.y, j), (self.z, k))]
        if min(len(along) for along in nodes) < 2:
            raise GeometryError(f"a part of a lattice needs two nodes or more along each axis, got {box}")
        inset = 0.25 * self.step_mm  # nodes are rounded outwards to whole multiples of the step
        low, high = (tuple(float(along[end]) - sign * inset for along in nodes) for end, sign in ((0, -1), (-1, 1)))
        return Lattice(low, high, self.step_mm)  # type: ignore[arg-type]

    def noise(self, seed: int, wavelength_mm: float) -> NDArray[np.float32]:
        """Return coherent noise of unit variance at the nodes."""
        return CoherentNoise(seed, wavelength_mm).on_axes(self.z.ravel(), self.y.ravel(), self.x.ravel())

    def sample(self, shape: Shape) -> Field:
        """Return a shape's signed distance at the nodes."""
        return shape.distance_mm(self.points_mm)

    def shape_of(self, distance_mm: Field, owner: NDArray[np.uint8] | None = None) -> SampledShape:
        """Return the shape whose signed distance at the nodes is `distance_mm` (broadcast to the lattice)."""
        values = np.ascontiguousarray(np.broadcast_to(distance_mm, self.shape), np.float32)
        return SampledShape(values, self.origin_mm, float(self.step_mm), owner)

    def shape_near(
        self, distance_mm: Field, owner: NDArray[np.uint8] | None = None, margin_mm: float = 4.0
    ) -> SampledShape:
        """Return the shape of `shape_of`, kept only on the box of nodes nearer than `margin_mm` to its inside.

        It paints the same and holds less memory: one box for all its parts.
        """
        values = np.broadcast_to(distance_mm, self.shape)
        near: NDArray[np.bool_] = np.asarray(values < margin_mm)
        rows = np.asarray(near.any(axis=2))
        box = []
        for hit in map(np.asarray, (rows.any(axis=1), rows.any(axis=0), near.any(axis=(0, 1)))):
            nodes = np.flatnonzero(hit)
            first, last = (int(nodes[0]), int(nodes[-1])) if nodes.size else (0, 1)
            first = min(max(first - 1, 0), len(hit) - 2)
            box.append(slice(first, max(last + 2, first + 2)))
        origin = np.asarray(self.origin_mm) + np.array([part.start for part in box[::-1]]) * self.step_mm
        kept = np.array(values[tuple(box)], np.float32, order="C")
        own = None if owner is None else np.array(owner[tuple(box)], order="C")
        return SampledShape(kept, tuple(origin.tolist()), float(self.step_mm), own)

    def volume_ml(self, distance_mm: Field) -> float:
        """Return the volume of the inside, by linear occupancy of each node's cell."""
        inside = np.clip(0.5 - np.broadcast_to(distance_mm, self.shape) / self.step_mm, 0, 1)
        return float(inside.sum(dtype=np.float64) * self.step_mm**3 / 1000)


def unit_slope(distance: Field, step_mm: float, low: float = 0.6, high: float = 3.0) -> Field:
    """Return an implicit function divided by its gradient's length: a distance to first order at its zero level."""
    gz, gy, gx = np.gradient(distance, step_mm)
    slope: Field = distance / np.clip(np.sqrt(gx * gx + gy * gy + gz * gz), low, high)
    return slope
