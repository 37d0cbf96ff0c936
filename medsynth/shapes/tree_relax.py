"""Straightening a grown tree: smoothing, keeping it inside its shape, keeping it clear of other trees."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.base import Shape
from medsynth.shapes.tubes import Tubes

_CELL_MM = 6.0
_MAX_PUSH_MM = 2.5


@dataclass(frozen=True, eq=False)
class CapsuleGrid:
    """Tubes sorted into cubic cells, so that those near a point are found without asking all of them.

    Attributes
    ----------
    tubes : what was sorted.
    origin_mm, cells : low corner and number of cells per axis.
    first, members : CSR lists, per cell the tubes whose box overlaps it.
    """

    tubes: Tubes
    origin_mm: NDArray[np.float64]
    cells: NDArray[np.int64]
    first: NDArray[np.int64]
    members: NDArray[np.int64]

    @classmethod
    def of(cls, tubes: Tubes) -> CapsuleGrid:
        """Sort `tubes`."""
        if len(tubes.parents) == 0:
            return cls(tubes, np.zeros(3), np.zeros(3, np.int64), np.zeros(1, np.int64), np.zeros(0, np.int64))
        radius = np.maximum(tubes.start_radii_mm, tubes.end_radii_mm)[:, None]
        low = np.minimum(tubes.starts_mm, tubes.ends_mm) - radius
        high = np.maximum(tubes.starts_mm, tubes.ends_mm) + radius
        origin = low.min(axis=0)
        first_cell = ((low - origin) / _CELL_MM).astype(np.int64)
        last_cell = ((high - origin) / _CELL_MM).astype(np.int64)
        cells = last_cell.max(axis=0) + 1
        first, members = _sort_into_cells(first_cell, last_cell, cells)
        return cls(tubes, origin, cells, first, members)

    def distance_mm(self, points_mm: NDArray[np.float64], reach_mm: float) -> NDArray[np.float64]:
        """Return the signed distance (n,) to the nearest surface at points (n, 3), `reach_mm` where it is farther."""
        t = self.tubes
        out: NDArray[np.float64] = _distance(points_mm, reach_mm, t.starts_mm, t.ends_mm, t.start_radii_mm,
                                             t.end_radii_mm, self.origin_mm, self.cells, self.first, self.members)
        return out

    def push_away(self, points_mm: NDArray[np.float64], parents: NDArray[np.int64], radii_mm: NDArray[np.float64],
                  gap_mm: float) -> NDArray[np.bool_]:
        """Move the nodes (m, 3) of a tree IN PLACE until its edges stay `gap_mm` clear; return which edges did not.

        Node 0 (the root) stays. Edge i runs from node parents[i] to node i with radius radii_mm[i].
        """
        t = self.tubes
        out: NDArray[np.bool_] = _push_away(points_mm, parents, radii_mm, gap_mm, t.starts_mm, t.ends_mm,
                                            t.start_radii_mm, t.end_radii_mm, self.origin_mm, self.cells, self.first,
                                            self.members)
        return out


def required_depth_mm(points_mm: NDArray[np.float64], root_mm: NDArray[np.float64], margin_mm: float,
                      outside_mm: float) -> NDArray[np.float64]:
    """Return how deep (m,) below the surface each node must lie: `margin_mm`, but free near the root (the hilum).

    outside_mm : how far outside of the shape the root itself lies, 0 if inside.
    """
    from_root = np.linalg.norm(points_mm - root_mm, axis=1)
    ramp = 0.5 * (from_root - 2.0 * outside_mm - 8.0)
    return np.where(ramp > 0, np.minimum(ramp, margin_mm), -np.inf)


def push_inside(points_mm: NDArray[np.float64], domain: Shape, depth_mm: NDArray[np.float64]) -> None:
    """Move nodes (m, 3) IN PLACE down the distance's gradient where they are not `depth_mm` deep in the domain."""
    lack = np.asarray(domain.distance_mm(points_mm), np.float64) + depth_mm
    bad = np.flatnonzero(lack > 0)
    if len(bad) == 0:
        return
    step_mm = 0.5
    around = points_mm[bad, None, :] + step_mm * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
    values = np.asarray(domain.distance_mm(around.reshape(-1, 3)), np.float64).reshape(-1, 3, 2)
    slope = (values[..., 0] - values[..., 1]) / (2 * step_mm)
    steepness = np.maximum(np.linalg.norm(slope, axis=1), 0.3)
    move = np.minimum(lack[bad] + 0.05, _MAX_PUSH_MM) / steepness**2
    points_mm[bad] -= move[:, None] * slope


@numba.njit(cache=True, nogil=True)
def smooth(points, parents, weights, rounds, amount):  # type: ignore[no-untyped-def]
    """Move inner nodes IN PLACE towards the weighted mean of their neighbours; root and tips stay.

    Weights are edge weights (radius squared): a thick vessel goes straight on, a thin one bends to it, which gives
    the branching angles of least volume.
    """
    m = len(points)
    total = np.zeros((m, 3))
    weight = np.zeros(m)
    children = np.zeros(m, np.int64)
    for i in range(1, m):
        children[parents[i]] += 1
    for _ in range(rounds):
        total[:] = 0.0
        weight[:] = 0.0
        for i in range(1, m):
            p = parents[i]
            for a in range(3):
                total[i, a] += weights[i] * points[p, a]
                total[p, a] += weights[i] * points[i, a]
            weight[i] += weights[i]
            weight[p] += weights[i]
        for i in range(1, m):
            if children[i] > 0:
                for a in range(3):
                    points[i, a] += amount * (total[i, a] / weight[i] - points[i, a])


@numba.njit(cache=True, nogil=True)
def _sort_into_cells(first_cell, last_cell, cells):  # type: ignore[no-untyped-def]
    count = np.zeros(cells[0] * cells[1] * cells[2] + 1, np.int64)
    for fill in range(2):
        if fill == 1:
            first = np.cumsum(count)
            members = np.empty(first[-1], np.int64)
            place = first - count  # start of each cell's list
        for n in range(len(first_cell)):
            for i in range(first_cell[n, 0], last_cell[n, 0] + 1):
                for j in range(first_cell[n, 1], last_cell[n, 1] + 1):
                    for k in range(first_cell[n, 2], last_cell[n, 2] + 1):
                        cell = (i * cells[1] + j) * cells[2] + k
                        if fill == 0:
                            count[cell] += 1
                        else:
                            members[place[cell]] = n
                            place[cell] += 1
    return first - count, members


@numba.njit(cache=True, nogil=True, inline="always")
def _cell_range(low, high, origin, cells):  # type: ignore[no-untyped-def]
    i0, i1 = int(np.floor((low - origin) / _CELL_MM)), int(np.floor((high - origin) / _CELL_MM))
    return max(i0, 0), min(i1, cells - 1) + 1


@numba.njit(cache=True, nogil=True)
def _distance(points, reach, a, b, ra, rb, origin, cells, first, members):  # type: ignore[no-untyped-def]
    out = np.full(len(points), reach)
    for n in range(len(points)):
        p = points[n]
        i0, i1 = _cell_range(p[0] - reach, p[0] + reach, origin[0], cells[0])
        j0, j1 = _cell_range(p[1] - reach, p[1] + reach, origin[1], cells[1])
        k0, k1 = _cell_range(p[2] - reach, p[2] + reach, origin[2], cells[2])
        if k1 <= k0:
            continue
        for i in range(i0, i1):
            for j in range(j0, j1):
                row = (i * cells[1] + j) * cells[2]
                for c in range(first[row + k0], first[row + k1]):
                    m = members[c]
                    ab = b[m] - a[m]
                    length = ab @ ab
                    t = 0.0 if length == 0.0 else min(1.0, max(0.0, ((p - a[m]) @ ab) / length))
                    gap = np.sqrt(np.sum((p - a[m] - t * ab) ** 2)) - (ra[m] + t * (rb[m] - ra[m]))
                    out[n] = min(out[n], gap)
    return out


@numba.njit(cache=True, nogil=True)
def step_aside(p, clearance, a, b, ra, rb, origin, cells, first, members):  # type: ignore[no-untyped-def]
    """Move the point p (3,) IN PLACE until it is `clearance` off the nearest capsule."""
    i0, i1 = _cell_range(p[0] - clearance, p[0] + clearance, origin[0], cells[0])
    j0, j1 = _cell_range(p[1] - clearance, p[1] + clearance, origin[1], cells[1])
    k0, k1 = _cell_range(p[2] - clearance, p[2] + clearance, origin[2], cells[2])
    least = clearance
    move = np.zeros(3)
    for i in range(i0, i1):
        for j in range(j0, j1):
            row = (i * cells[1] + j) * cells[2]
            for c in range(first[row + k0], first[row + max(k0, k1)]):
                m = members[c]
                ab = b[m] - a[m]
                t = min(1.0, max(0.0, ((p - a[m]) @ ab) / max(ab @ ab, 1e-9)))
                apart = p - a[m] - t * ab
                distance = np.sqrt(apart @ apart)
                gap = distance - (ra[m] + t * (rb[m] - ra[m]))
                if gap < least and distance > 1e-6:
                    least = gap
                    move = apart * ((clearance - gap) / distance)
    p += move


@numba.njit(cache=True, nogil=True)
def closest_parameters(p, q, a, b):  # type: ignore[no-untyped-def]
    """Return (s, t) in 0..1 of the closest points p + s (q - p) and a + t (b - a) of two line pieces."""
    d1, d2, r = q - p, b - a, p - a
    len1, len2, f = d1 @ d1, d2 @ d2, d2 @ r
    if len1 < 1e-12:
        return 0.0, 0.0 if len2 < 1e-12 else min(1.0, max(0.0, f / len2))
    c = d1 @ r
    if len2 < 1e-12:
        return min(1.0, max(0.0, -c / len1)), 0.0
    e = d1 @ d2
    denominator = len1 * len2 - e * e
    s = 0.0 if denominator < 1e-9 else min(1.0, max(0.0, (e * f - c * len2) / denominator))
    t = (e * s + f) / len2
    if t < 0.0:
        return min(1.0, max(0.0, -c / len1)), 0.0
    if t > 1.0:
        return min(1.0, max(0.0, (e - c) / len1)), 1.0
    return s, t


@numba.njit(cache=True, nogil=True)
def _push_edge(points, p, i, radius, gap, a, b, ra, rb, moves, counts):  # type: ignore[no-untyped-def]
    """Note how one edge must move off one capsule; return whether they are too close."""
    wanted = radius + max(ra, rb) + gap
    for axis in range(3):  # boxes apart: the usual case
        if min(points[p, axis], points[i, axis]) - max(a[axis], b[axis]) > wanted:
            return False
        if min(a[axis], b[axis]) - max(points[p, axis], points[i, axis]) > wanted:
            return False
    s, t = closest_parameters(points[p], points[i], a, b)
    apart = points[p] + s * (points[i] - points[p]) - a - t * (b - a)
    distance = np.sqrt(apart @ apart)
    lack = radius + ra + t * (rb - ra) + gap - distance
    if lack <= 0:
        return False
    if distance < 1e-6:
        apart = np.cross(points[i] - points[p], b - a)
        distance = max(np.sqrt(apart @ apart), 1e-6)
    move = apart * (min(lack + 0.05, 1.0) / distance)
    share = (1 - s) * (1 - s) + s * s  # so that the closest point itself moves by `move`
    moves[p] += move * ((1 - s) / share)
    moves[i] += move * (s / share)
    counts[p] += (1 - s) / share
    counts[i] += s / share
    return True


@numba.njit(cache=True, nogil=True)
def _push_away(points, parents, radii, gap, a, b, ra, rb, origin, cells, first, members):  # type: ignore[no-untyped-def]
    bad = np.zeros(len(points), np.bool_)
    moves, counts = np.zeros(points.shape), np.zeros(len(points))
    for n in range(1, len(points)):
        p = parents[n]
        pad = radii[n] + gap
        low, high = np.minimum(points[p], points[n]) - pad, np.maximum(points[p], points[n]) + pad
        i0, i1 = _cell_range(low[0], high[0], origin[0], cells[0])
        j0, j1 = _cell_range(low[1], high[1], origin[1], cells[1])
        k0, k1 = _cell_range(low[2], high[2], origin[2], cells[2])
        if k1 <= k0:
            continue
        for i in range(i0, i1):
            for j in range(j0, j1):
                row = (i * cells[1] + j) * cells[2]
                for m in members[first[row + k0]:first[row + k1]]:
                    if _push_edge(points, p, n, radii[n], gap, a[m], b[m], ra[m], rb[m], moves, counts):
                        bad[n] = True
    for n in range(1, len(points)):  # the mean of all pushes: sums would fling nodes out of a crowd
        if counts[n] > 0:
            points[n] += moves[n] / max(1.0, np.sqrt(moves[n] @ moves[n]))
    return bad
