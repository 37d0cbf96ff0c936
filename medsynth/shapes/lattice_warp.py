"""A deformation known by its displacement at the nodes of a lattice; nothing moves outside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import GeometryError
from medsynth.shapes.base import Box, Points
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.shape_kernels import trilinear

LEAST_SQUEEZE = 0.08  # volume may shrink to this share at most
INVERSE_TOLERANCE_MM = 1e-3
INVERSE_ROUNDS = 80


@dataclass(frozen=True, eq=False)
class LatticeWarp:
    """Displaces every point by the displacement between the nodes around it.

    Attributes
    ----------
    moves_mm : (3, z, y, x) float32 displacement along x, y, z; zero at the outermost nodes.
    origin_mm : LPS position of node (0, 0, 0), as (x, y, z).
    step_mm : distance of neighbouring nodes.
    least_squeeze : volume may shrink to this share at most.

    Raises
    ------
    GeometryError
        If the map would fold, or something moves at its border.
    """

    moves_mm: NDArray[np.float32]
    origin_mm: tuple[float, float, float]
    step_mm: float
    least_squeeze: float = LEAST_SQUEEZE

    def __post_init__(self) -> None:
        if self.moves_mm.ndim != 4 or self.moves_mm.shape[0] != 3 or min(self.moves_mm.shape[1:]) < 3:
            raise GeometryError(f"moves_mm must be (3, z, y, x) with at least 3 nodes, got {self.moves_mm.shape}")
        inner = self.moves_mm[:, 1:-1, 1:-1, 1:-1]
        if np.count_nonzero(self.moves_mm) != np.count_nonzero(inner):
            raise GeometryError("moves_mm must be 0 at the outermost nodes")
        least = least_volume_ratio(self.moves_mm, self.step_mm)
        if not least > self.least_squeeze:
            raise GeometryError(f"the warp would fold: volume shrinks to {least:.2f} of itself somewhere, "
                                f"expected more than {self.least_squeeze}")

    @cached_property
    def reach_mm(self) -> float:
        """No point moves farther than this."""
        return float(np.sqrt(np.square(self.moves_mm).sum(0).max()))

    @property
    def bounds_mm(self) -> Box:
        """LPS box outside which nothing moves."""
        low = np.asarray(self.origin_mm)
        high = low + (np.asarray(self.moves_mm.shape[:0:-1]) - 1) * self.step_mm
        return tuple(low.tolist()), tuple(high.tolist())

    def displacement_mm(self, points_mm: Points) -> Points:
        """Return how far (..., 3) the map moves LPS points (..., 3)."""
        points = np.ascontiguousarray(points_mm, np.float64).reshape(-1, 3)
        low, high = np.asarray(self.bounds_mm)
        at = np.flatnonzero(np.all((points > low) & (points < high), axis=1))
        moves = np.zeros_like(points)
        inside = np.ascontiguousarray(points[at])
        for axis in range(3):
            out = np.empty(len(at), np.float32)
            trilinear(self.moves_mm[axis], inside, low, self.step_mm, out)
            moves[at, axis] = out
        return moves.reshape(np.shape(points_mm))

    def inverse_displacement_mm(self, points_mm: Points) -> Points:
        """Return the displacement (..., 3) that takes mapped points (..., 3) back, to 1e-3 mm."""
        wanted = np.asarray(points_mm, np.float64).reshape(-1, 3)
        back = np.zeros_like(wanted)
        low, high = np.asarray(self.bounds_mm)
        open_ = np.flatnonzero(np.all((wanted > low) & (wanted < high), axis=1))
        for n in range(INVERSE_ROUNDS):
            miss = back[open_] + self.displacement_mm(wanted[open_] + back[open_])
            far = np.square(miss).sum(axis=1) > INVERSE_TOLERANCE_MM**2
            open_, miss = open_[far], miss[far]
            if len(open_) == 0:
                break
            back[open_] -= (0.9 if n < 10 else 0.5) * miss
        return back.reshape(np.shape(points_mm))


@dataclass(frozen=True, eq=False)
class Backwards:
    """The inverse of a lattice warp: for maps that are known by where each point comes from.

    Such a map may tear the body apart as wide as it likes (blood between skull and brain), which the forward form of a
    lattice warp cannot follow.
    """

    warp: LatticeWarp

    @property
    def reach_mm(self) -> float:
        """No point moves farther than this."""
        return self.warp.reach_mm

    @property
    def bounds_mm(self) -> Box:
        """LPS box outside which nothing moves."""
        return self.warp.bounds_mm

    def displacement_mm(self, points_mm: Points) -> Points:
        """Return how far (..., 3) the map moves LPS points (..., 3)."""
        return self.warp.inverse_displacement_mm(points_mm)

    def inverse_displacement_mm(self, points_mm: Points) -> Points:
        """Return the displacement (..., 3) that takes mapped points (..., 3) back."""
        return self.warp.displacement_mm(points_mm)


def lattice_warp(displacement_mm: Callable[[Points], Points], bounds_mm: Box, step_mm: float,
                 least_squeeze: float = LEAST_SQUEEZE) -> LatticeWarp:
    """Return a displacement field as a warp: asked at the nodes of a lattice over a box, still at its border."""
    lattice = Lattice(*bounds_mm, step_mm)
    moves = np.moveaxis(np.asarray(displacement_mm(lattice.points_mm)), -1, 0).astype(np.float32)
    still = np.zeros_like(moves)
    still[:, 1:-1, 1:-1, 1:-1] = moves[:, 1:-1, 1:-1, 1:-1]
    return LatticeWarp(still, lattice.origin_mm, lattice.step_mm, least_squeeze)


def least_volume_ratio(moves_mm: NDArray[np.floating], step_mm: float) -> float:
    """Return the least determinant of the map's Jacobian over the cells of the lattice."""
    return float(volume_ratios(moves_mm, step_mm).min())


def volume_ratios(moves_mm: NDArray[np.floating], step_mm: float) -> NDArray[np.float64]:
    """Return the determinant of the map's Jacobian in each cell, (z - 1, y - 1, x - 1)."""
    slopes = [[np.diff(moves_mm[a].astype(np.float64), axis=2 - b) / step_mm for b in range(3)] for a in range(3)]
    jacobian = np.empty((*(n - 1 for n in moves_mm.shape[1:]), 3, 3))
    k, j, i = jacobian.shape[:3]
    for a in range(3):
        for b in range(3):
            jacobian[..., a, b] = slopes[a][b][:k, :j, :i] + (a == b)
    ratios: NDArray[np.float64] = np.linalg.det(jacobian)
    return ratios
