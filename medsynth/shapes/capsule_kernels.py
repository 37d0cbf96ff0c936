"""Numba kernels of capsules in cells: distances to them and pushes away from them."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numba
import numpy as np

CELL_MM = 6.0  # edge of the cells


@numba.njit(inline="always")
def dot(x, y):
    """Return the scalar product of two vectors (3,): a BLAS rounds as its machine likes, and a call is slow."""
    return x[0] * y[0] + x[1] * y[1] + x[2] * y[2]


@numba.njit(cache=True, nogil=True)
def sort_into_cells(first_cell, last_cell, cells, middle, ball):
    """Return CSR lists (starts, members) of the capsules per cell; `middle` and `ball` bound each in cell units."""
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
                        dx, dy, dz = middle[n, 0] - i - 0.5, middle[n, 1] - j - 0.5, middle[n, 2] - k - 0.5
                        if dx * dx + dy * dy + dz * dz > (ball[n] + 0.8661) ** 2:
                            continue
                        cell = (i * cells[1] + j) * cells[2] + k
                        if fill == 0:
                            count[cell] += 1
                        else:
                            members[place[cell]] = n
                            place[cell] += 1
    return first - count, members


@numba.njit(cache=True, nogil=True, inline="always")
def _cell_range(low, high, origin, cells):
    i0, i1 = int(np.floor((low - origin) / CELL_MM)), int(np.floor((high - origin) / CELL_MM))
    return max(i0, 0), min(i1, cells - 1) + 1


@numba.njit(cache=True, nogil=True)
def distance_to_capsules(points, reach, a, b, ra, rb, origin, cells, first, members):
    """Return the signed distance (n,) to the nearest capsule, `reach` where none is nearer."""
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
                    length = dot(ab, ab)
                    t = 0.0 if length == 0.0 else min(1.0, max(0.0, dot(p - a[m], ab) / length))
                    gap = np.sqrt(np.sum((p - a[m] - t * ab) ** 2)) - (ra[m] + t * (rb[m] - ra[m]))
                    out[n] = min(out[n], gap)
    return out


@numba.njit(cache=True, nogil=True)
def step_aside(p, clearance, a, b, ra, rb, origin, cells, first, members):
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
                t = min(1.0, max(0.0, dot(p - a[m], ab) / max(dot(ab, ab), 1e-9)))
                apart = p - a[m] - t * ab
                distance = np.sqrt(dot(apart, apart))
                gap = distance - (ra[m] + t * (rb[m] - ra[m]))
                if gap < least and distance > 1e-6:
                    least = gap
                    move = apart * ((clearance - gap) / distance)
    p += move


@numba.njit(inline="always")
def _within(x):
    return min(1.0, max(0.0, x))


@numba.njit(cache=True, nogil=True)
def closest_parameters(d1, d2, r):
    """Return (s, t) in 0..1 of the closest points p + s d1 and a + t d2 of two line pieces, r = p - a."""
    len1, len2, f = dot(d1, d1), dot(d2, d2), dot(d2, r)
    if len1 < 1e-12:
        return 0.0, 0.0 if len2 < 1e-12 else _within(f / len2)
    c = dot(d1, r)
    if len2 < 1e-12:
        return _within(-c / len1), 0.0
    e = dot(d1, d2)
    denominator = len1 * len2 - e * e
    s = 0.0 if denominator < 1e-9 else _within((e * f - c * len2) / denominator)
    t = (e * s + f) / len2
    if t < 0.0:
        return _within(-c / len1), 0.0
    if t > 1.0:
        return _within((e - c) / len1), 1.0
    return s, t


@numba.njit(cache=True, nogil=True)
def _push_edge(points, p, i, radius, gap, a, b, m, ra, rb, moves):
    """Note how one edge must move off capsule m; return whether they are too close."""
    d1 = (points[i, 0] - points[p, 0], points[i, 1] - points[p, 1], points[i, 2] - points[p, 2])
    d2 = (b[m, 0] - a[m, 0], b[m, 1] - a[m, 1], b[m, 2] - a[m, 2])
    r = (points[p, 0] - a[m, 0], points[p, 1] - a[m, 1], points[p, 2] - a[m, 2])
    s, t = closest_parameters(d1, d2, r)
    apart = (r[0] + s * d1[0] - t * d2[0], r[1] + s * d1[1] - t * d2[1], r[2] + s * d1[2] - t * d2[2])
    distance = np.sqrt(dot(apart, apart))
    lack = radius + ra[m] + t * (rb[m] - ra[m]) + gap - distance
    if lack <= 0:
        return False
    if distance < 1e-6:
        apart = (d1[1] * d2[2] - d1[2] * d2[1], d1[2] * d2[0] - d1[0] * d2[2], d1[0] * d2[1] - d1[1] * d2[0])
        distance = max(np.sqrt(dot(apart, apart)), 1e-6)
    scale = min(lack + 0.05, 1.0) / distance
    share = (1 - s) * (1 - s) + s * s  # so that the closest point itself moves by `scale` times `apart`
    for axis in range(3):
        moves[p, axis] += apart[axis] * scale * ((1 - s) / share)
        moves[i, axis] += apart[axis] * scale * (s / share)
    return True


@numba.njit(cache=True, nogil=True)
def push_off_capsules(points, parents, radii, gap, a, b, ra, rb, origin, cells, first, members):
    """Move the nodes IN PLACE, one step, until no edge is nearer than `gap`; return which edges were."""
    bad = np.zeros(len(points), np.bool_)
    moves = np.zeros(points.shape)
    seen_by = np.zeros(len(a), np.int64)
    middle = 0.5 * (a + b)
    ball = np.maximum(ra, rb)  # radius of the ball about each capsule
    for m in range(len(a)):
        ball[m] += 0.5 * np.sqrt(np.sum((b[m] - a[m]) ** 2))
    for n in range(1, len(points)):
        p = parents[n]
        pad = radii[n] + gap
        x, y, z = (0.5 * (points[p, 0] + points[n, 0]), 0.5 * (points[p, 1] + points[n, 1]),
                   0.5 * (points[p, 2] + points[n, 2]))
        own = pad + 0.5 * np.sqrt((points[p, 0] - points[n, 0]) ** 2 + (points[p, 1] - points[n, 1]) ** 2
                                  + (points[p, 2] - points[n, 2]) ** 2)
        i0, i1 = _cell_range(min(points[p, 0], points[n, 0]) - pad, max(points[p, 0], points[n, 0]) + pad, origin[0],
                             cells[0])
        j0, j1 = _cell_range(min(points[p, 1], points[n, 1]) - pad, max(points[p, 1], points[n, 1]) + pad, origin[1],
                             cells[1])
        k0, k1 = _cell_range(min(points[p, 2], points[n, 2]) - pad, max(points[p, 2], points[n, 2]) + pad, origin[2],
                             cells[2])
        if k1 <= k0:
            continue
        for i in range(i0, i1):
            for j in range(j0, j1):
                row = (i * cells[1] + j) * cells[2]
                for c in range(first[row + k0], first[row + k1]):
                    m = members[c]
                    if seen_by[m] == n:
                        continue
                    seen_by[m] = n
                    dx, dy, dz = middle[m, 0] - x, middle[m, 1] - y, middle[m, 2] - z
                    if dx * dx + dy * dy + dz * dz >= (ball[m] + own) ** 2:
                        continue
                    if _push_edge(points, p, n, radii[n], gap, a, b, m, ra, rb, moves):
                        bad[n] = True
    for n in range(1, len(points)):  # no more than 1 mm at a time: sums would fling nodes out of a crowd
        points[n] += moves[n] / max(1.0, np.sqrt(dot(moves[n], moves[n])))
    return bad
