"""Putting many bones or muscles together in one field with owners: sweeps, ellipsoids and plates in reference mm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.shape_kernels import splat_sweep
from medsynth.shapes.sweep import Sweep, spline_mm
from phantoms.head.frame import Frame, Space

Field = NDArray[np.floating[Any]]

SIDES = (("right", -1.0), ("left", 1.0))


class Assembly:
    """A growing union of parts on one lattice; each node is owned by the part it lies deepest in.

    Attributes
    ----------
    values : (nz, ny, nx) signed distance in mm, at most `margin_mm`.
    owner : (nz, ny, nx) number of the nearest part's label in `names`.
    names : structures, in the order of their first part.
    """

    def __init__(self, frame: Frame, space: Space, margin_mm: float = 4.2) -> None:
        self.frame, self.space, self.margin_mm = frame, space, margin_mm
        self.values = np.full(space.lattice.shape, margin_mm, np.float32)
        self.owner = np.zeros(space.lattice.shape, np.uint8)
        self.names: list[str] = []

    def number(self, name: str) -> int:
        """Return the number of a structure, a new one for a new name."""
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def sweep(
        self, name: str, points: ArrayLike, normal: Sequence[float], first: ArrayLike, second: ArrayLike,
        exponent: float = 2.0,
    ) -> None:
        """Add a bar along reference points: half-axes along `normal` and across it, one number or one per point."""
        one = bar(self.frame, points, normal, first, second, exponent)
        splat_sweep(
            one.points_mm, *one.frame(), one.first_mm, one.second_mm, one.exponent, self.margin_mm,
            np.asarray(self.space.lattice.origin_mm), self.space.lattice.step_mm, self.values, self.owner,
            self.number(name), np.zeros((1, 1, 1), np.float32), False,
        )

    def pair(
        self, name: str, points: ArrayLike, normal: Sequence[float], first: ArrayLike, second: ArrayLike,
        exponent: float = 2.0,
    ) -> None:
        """Add a bar given for the left side on both sides; `{}` in the name takes the side."""
        for side, sign in SIDES:
            mirrored = np.asarray(points, float) * (sign, 1, 1)
            self.sweep(name.format(side), mirrored, (normal[0] * sign, *normal[1:]), first, second, exponent)

    def blob(self, name: str, centre: Sequence[float], radii: Sequence[float], lean: Sequence[float] = (0, 0)) -> None:
        """Add an ellipsoid; lean : how far its left and its upper part are shifted backwards, mm per mm."""
        reach = np.asarray(radii) + np.array([0.0, abs(lean[0]) * radii[0] + abs(lean[1]) * radii[2], 0.0])
        box, s = self.space.part(np.subtract(centre, reach), np.add(centre, reach))
        self.field(name, box, ellipsoid(s, centre, radii, lean) * self.frame.size)

    def blobs(self, name: str, centre: Sequence[float], radii: Sequence[float], lean: Sequence[float] = (0, 0)) -> None:
        """Add an ellipsoid given for the left side on both sides."""
        for side, sign in SIDES:
            self.blob(name.format(side), (centre[0] * sign, *centre[1:]), radii, (lean[0] * sign, lean[1]))

    def field(self, name: str, box: tuple[slice, slice, slice], distance: Field) -> None:
        """Add a part given by its distance in a box of nodes."""
        values, owner = self.values[box], self.owner[box]
        closer = distance < values
        values[closer] = distance[closer]
        owner[closer] = self.number(name)

    def shape(self) -> SampledShape:
        """Return the union with its owners."""
        return self.space.lattice.shape_of(self.values, self.owner)

    def labels(self, table: dict[str, int]) -> tuple[int, ...]:
        """Return the label of each owner."""
        return tuple(table[name] for name in self.names)

    def marrow(self, table: dict[str, int]) -> tuple[int, ...]:
        """Return the label of what fills each owner: marrow or diploe, itself where it is solid."""
        return tuple(table.get(f"{n}_marrow", table.get(f"{n}_diploe", table[n])) for n in self.names)


def ellipsoid(space: Space, centre: Sequence[float], radii: Sequence[float], lean: Sequence[float] = (0, 0)) -> Field:
    """Return about the distance to an ellipsoid at the nodes of a space, in reference mm."""
    u, w = (space.x - centre[0]) / radii[0], (space.z - centre[2]) / radii[2]
    v = (space.y - centre[1] - lean[0] * (space.x - centre[0]) - lean[1] * (space.z - centre[2])) / radii[1]
    level = np.sqrt(u * u + v * v + w * w)
    slope = np.sqrt((u / radii[0]) ** 2 + (v / radii[1]) ** 2 + (w / radii[2]) ** 2) + np.float32(1e-6)
    return np.asarray(np.maximum(level * (level - 1) / slope, -min(radii)), np.float32)


def bar(
    frame: Frame, points: ArrayLike, normal: Sequence[float], first: ArrayLike, second: ArrayLike, exponent: float = 2.0
) -> Sweep:
    """Return a sweep through reference points with sections given at those points, in this head."""
    knots = frame.at(np.asarray(points, float))
    axis = spline_mm(knots, float(np.clip(0.5 * min(np.min(first), np.min(second)), 2.0, 4.5)))
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    along = np.linspace(0.0, at[-1], len(axis))
    size = frame.size
    half = [
        np.interp(along, at, np.broadcast_to(np.asarray(value, float), len(knots))) * size for value in (first, second)
    ]
    return Sweep(axis, np.tile(np.asarray(normal, float), (len(axis), 1)), half[0], half[1], exponent)
