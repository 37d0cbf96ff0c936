"""The room the abdominal organs share: its lattice, its walls and what in it cannot yield."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.sweep import Sweep, spline_mm, sweep_distance, sweep_fields
from medsynth.shapes.tubes import Tubes
from phantoms.torso.frame import Frame

Field = NDArray[np.floating[Any]]
Course = tuple[Sequence[Sequence[float]], Sequence[float]]  # reference points and radii in mm

STEP_MM = 2.5
FAR_MM = 30.0  # distances are not needed beyond
WAVELENGTHS_MM = (46.0, 30.0, 15.0, 9.0)
GAP_MM = (1.1, 0.9)  # mean and spread of the fat between neighbours; it vanishes in places, so that organs touch


@dataclass(frozen=True, eq=False)
class Space:
    """The abdominal cavity and its walls.

    Attributes
    ----------
    frame : places reference points.
    lattice : nodes over the cavity.
    inside : signed distance of the cavity, negative inside.
    hard : distance to bone, great vessels and pelvic organs, negative in them.
    noise : coherent noise by wavelength in mm.
    moved_mm : by how much organs, by name, lie off their reference places because the walls are where they are.
    """

    frame: Frame
    lattice: Lattice
    inside: Field
    hard: Field
    noise: Mapping[float, Field]
    moved_mm: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        frame: Frame,
        body: Lattice,
        inside: Field,
        spine: SampledShape,
        vessels: Mapping[str, Sweep],
        *,
        low_mm: float,
        high_mm: float,
        pelvic: Field | None = None,
    ) -> Space:
        """Return the room inside `inside` (on the body's lattice) between two heights."""
        kept = np.argwhere((inside < 3.0) & (body.z > low_mm - 3) & (body.z < high_mm + 3))
        first, last = kept.min(axis=0)[::-1], kept.max(axis=0)[::-1]
        low = np.asarray(body.origin_mm) + first * body.step_mm
        high = np.asarray(body.origin_mm) + last * body.step_mm
        coarse = 2 * STEP_MM
        low, high = np.floor(low / coarse - 1) * coarse, np.ceil(high / coarse + 1) * coarse
        lattice = Lattice(tuple(low.tolist()), tuple(high.tolist()), STEP_MM)
        hard: Field = np.minimum(lattice.sample(spine), FAR_MM) - 1.5
        for name, sweep in vessels.items():
            vein = "vein" in name or "cava" in name
            hard = np.minimum(hard, sweep_distance(sweep, lattice, 12.0)[0] - (0.2 if vein else 1.5))
        if pelvic is not None:
            hard = np.minimum(hard, lattice.sample(body.shape_of(pelvic)) - 1.0)
        hard = _reaching(lattice, hard.astype(np.float32))
        room = -_reaching(lattice, -lattice.sample(body.shape_of(inside)))
        noise = {w: lattice.noise(frame.noise_seed(60 + n), w) for n, w in enumerate(WAVELENGTHS_MM)}
        return cls(frame, lattice, room, hard, noise)

    def coarse(self) -> Space:
        """Return the same room at every other node: for volumes."""
        every = (slice(None, None, 2),) * 3
        lattice = Lattice(self.lattice.low_mm, self.lattice.high_mm, 2 * STEP_MM)
        noise = {w: values[every] for w, values in self.noise.items()}
        return replace(self, lattice=lattice, inside=self.inside[every], hard=self.hard[every], noise=noise)

    def window(self, low_mm: ArrayLike, high_mm: ArrayLike) -> tuple[tuple[slice, slice, slice], Space]:
        """Return the nodes between two LPS corners, as slices, and the room there."""
        step, origin = self.lattice.step_mm, np.asarray(self.lattice.origin_mm)
        size = np.asarray(self.lattice.shape[::-1])
        first = np.clip(np.floor((np.asarray(low_mm) - origin) / step).astype(int), 0, size - 2)
        last = np.clip(np.ceil((np.asarray(high_mm) - origin) / step).astype(int), first + 1, size - 1)
        cut = (slice(first[2], last[2] + 1), slice(first[1], last[1] + 1), slice(first[0], last[0] + 1))
        lattice = Lattice(
            tuple((origin + (first + 0.25) * step).tolist()), tuple((origin + (last - 0.25) * step).tolist()), step
        )
        noise = {w: values[cut] for w, values in self.noise.items()}
        return cut, replace(self, lattice=lattice, inside=self.inside[cut], hard=self.hard[cut], noise=noise)

    @cached_property
    def gap(self) -> Field:
        """Thickness of the fat between neighbours, 0-3 mm."""
        uneven: Field = np.clip(GAP_MM[0] + GAP_MM[1] * self.noise[15.0], 0, 3)
        return uneven

    @property
    def reference(self) -> tuple[Field, Field, Field]:
        """Positions of the nodes in reference mm: x, y, z."""
        z = self.lattice.z / self.frame.height
        width, depth = (np.asarray(scale, np.float32) for scale in self.frame.scales(z))
        return np.divide(self.lattice.x, width), np.divide(self.lattice.y, depth), z

    def full(self, values: Field) -> Field:
        """Return a field at every node, as float32."""
        return np.ascontiguousarray(np.broadcast_to(values, self.lattice.shape), np.float32)

    def tube(self, course: Course, scale: float = 1.0) -> Sweep:
        """Return the tube of a course; `scale` multiplies its radii."""
        return tube_along(self.frame.at(course[0]), np.asarray(course[1]) * scale)

    def distance(self, sweep: Sweep, margin_mm: float = 12.0) -> tuple[Field, Field]:
        """Return a tube's distance (far beyond the margin), and the arc length of its nearest point, at the nodes."""
        values, arc = sweep_distance(sweep, self.lattice, margin_mm)
        values[values >= margin_mm] = FAR_MM
        return values, arc

    def union(self, sweeps: Sequence[Sweep], margin_mm: float) -> Field:
        """Return the distance to the nearest of several tubes at the nodes, far beyond the margin."""
        values = sweep_fields(sweeps, self.lattice, margin_mm).values_mm
        values[values >= margin_mm] = FAR_MM
        return values

    def part(self, distance: Field, owner: NDArray[np.uint8] | None = None, margin_mm: float = 4.0) -> SampledShape:
        """Return the shape of a field, cut to the nodes near its inside: painting then costs what it must."""
        distance = self.full(distance)
        near = distance < margin_mm
        box = []
        for axis in range(3):
            hit = np.flatnonzero(near.any(axis=tuple(a for a in range(3) if a != axis)))
            first, last = (hit[0], hit[-1]) if hit.size else (0, 1)
            box.append(slice(max(first - 1, 0), max(last + 2, first + 2)))
        origin = np.asarray(self.lattice.origin_mm) + np.array([b.start for b in box[::-1]]) * self.lattice.step_mm
        values = np.ascontiguousarray(distance[tuple(box)])
        own = None if owner is None else np.ascontiguousarray(owner[tuple(box)])
        return SampledShape(values, tuple(origin.tolist()), float(self.lattice.step_mm), own)


def _reaching(lattice: Lattice, hard: Field) -> Field:
    """Return the distance to what is closed, going on to rise beyond the few mm it was given for."""
    half = Lattice(lattice.low_mm, lattice.high_mm, 2 * lattice.step_mm)
    solid = hard[::2, ::2, ::2] < 0
    if not solid.any():
        return np.full_like(hard, FAR_MM)
    far = ndimage.distance_transform_edt(~solid) * half.step_mm - 0.5 * half.step_mm
    rising = np.minimum(lattice.sample(half.shape_of(far)), FAR_MM)
    return np.where(hard < 2.0, hard, np.maximum(hard, rising)).astype(np.float32)


def tube_along(points_mm: ArrayLike, radii_mm: ArrayLike, step_mm: float = 5.0) -> Sweep:
    """Return the tube through LPS points; its radii (mm) are given at those points."""
    points = np.asarray(points_mm, float)
    chord = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    axis = spline_mm(points, step_mm)
    return Sweep.round(axis, np.interp(np.linspace(0, chord[-1], len(axis)), chord, np.asarray(radii_mm, float)))


def capsules(sweep: Sweep) -> Tubes:
    """Return a round sweep as a chain of capsules."""
    points, radii = sweep.points_mm, sweep.first_mm
    return Tubes(points[:-1], points[1:], radii[:-1], radii[1:], np.arange(-1, len(points) - 2, dtype=np.int64))


def at_height(sweep: Sweep, z_mm: float) -> NDArray[np.float64]:
    """Return the point of a tube's axis at a height; its nearest end beyond."""
    points: NDArray[np.float64] = sweep.points_mm
    return np.asarray(points[np.argmin(np.abs(points[:, 2] - z_mm))], float)


def pushed_inside(space: Space, points_mm: ArrayLike, depth_mm: ArrayLike, rounds: int = 12) -> NDArray[np.float64]:
    """Return points (n, 3) moved off walls, bone and great vessels until each lies `depth_mm` clear, if it can."""
    closed = space.part(np.maximum(space.inside, -space.hard), margin_mm=1e9)
    points = np.array(points_mm, float)
    for _ in range(rounds):
        points += _push(closed, points, np.asarray(depth_mm, float))
    return points


def pushed_together(space: Space, points_mm: ArrayLike, depth_mm: float, rounds: int = 16) -> NDArray[np.float64]:
    """Return by how much to move points (n, 3) as one so that all lie `depth_mm` off walls, bone and vessels."""
    closed = space.part(np.maximum(space.inside, -space.hard), margin_mm=1e9)
    points, shift = np.array(points_mm, float), np.zeros(3)
    for _ in range(rounds):
        push = _push(closed, points + shift, np.full(len(points), depth_mm))
        shift += 0.5 * (push.max(axis=0) + push.min(axis=0))
    return shift


def _push(closed: SampledShape, points: NDArray[np.float64], depth: NDArray[np.float64]) -> NDArray[np.float64]:
    level = np.asarray(closed.distance_mm(points)) + depth
    slope = np.stack(
        [(closed.distance_mm(points + h) - closed.distance_mm(points - h)) / 4.0 for h in 2.0 * np.eye(3)], axis=1
    )
    steep = np.maximum(np.linalg.norm(slope, axis=1), 0.3)
    push: NDArray[np.float64] = -np.clip(level, 0, 6)[:, None] * slope / steep[:, None]
    return push
