"""Cubic interpolation of a lattice on the points of a tile: a small block of voxels, or of their parts, and its rim."""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disable-error-code="call-arg"

from __future__ import annotations

import numba
import numpy as np

from medsynth.core.intrinsic_kernels import ROW, blend_rows

WIDE = ROW  # points of a tile's rows, always computed together
SIDE = 16  # rows of a tile's planes, and its planes, at most
NODES = 32  # lattice nodes along one axis that a tile's interpolation uses at most
LONGEST = 1.6  # lattice steps from one point to the next at which they suffice


@numba.njit(nogil=True)
def linear(values, u, v, w):
    """Trilinear value at lattice coordinates u (x), v (y), w (z), clamped to the lattice."""
    nz, ny, nx = values.shape
    u, v, w = min(max(u, 0.0), nx - 1.001), min(max(v, 0.0), ny - 1.001), min(max(w, 0.0), nz - 1.001)
    i, j, k = int(u), int(v), int(w)
    a, b, c = u - i, v - j, w - k
    low = (1 - b) * ((1 - a) * values[k, j, i] + a * values[k, j, i + 1]) + b * (
        (1 - a) * values[k, j + 1, i] + a * values[k, j + 1, i + 1]
    )
    high = (1 - b) * ((1 - a) * values[k + 1, j, i] + a * values[k + 1, j, i + 1]) + b * (
        (1 - a) * values[k + 1, j + 1, i] + a * values[k + 1, j + 1, i + 1]
    )
    return (1 - c) * low + c * high


@numba.njit(nogil=True, inline="always")
def _catmull(t):
    t2 = t * t
    t3 = t2 * t
    return (-0.5 * t3 + t2 - 0.5 * t, 1.5 * t3 - 2.5 * t2 + 1.0, -1.5 * t3 + 2.0 * t2 + 0.5 * t, 0.5 * t3 - 0.5 * t2)


@numba.njit(nogil=True)
def _cubic(values, u, v, w):
    """Catmull-Rom value at lattice coordinates, clamped to the lattice."""
    nz, ny, nx = values.shape
    u, v, w = min(max(u, 0.0), nx - 1.0), min(max(v, 0.0), ny - 1.0), min(max(w, 0.0), nz - 1.0)
    i, j, k = min(int(u), nx - 2), min(int(v), ny - 2), min(int(w), nz - 2)
    wa, wb, wc = _catmull(u - i), _catmull(v - j), _catmull(w - k)
    i0, i3 = max(i - 1, 0), min(i + 2, nx - 1)
    total = 0.0
    for r in range(4):
        plane = values[min(max(k + r - 1, 0), nz - 1)]
        across = 0.0
        for q in range(4):
            line = plane[min(max(j + q - 1, 0), ny - 1)]
            across += wb[q] * (wa[0] * line[i0] + wa[1] * line[i] + wa[2] * line[i + 1] + wa[3] * line[i3])
        total += wc[r] * across
    return total


@numba.njit(nogil=True)
def _axis_weights(first, step, count, nodes, index, weight, axis):
    """Write the four nodes and cubic weights of `count` positions along an axis; return the range of nodes used."""
    for n in range(count):
        u = min(max(first + n * step, 0.0), nodes - 1.0)
        cell = min(int(u), nodes - 2)
        w = _catmull(u - cell)
        for m in range(4):
            index[axis, n, m] = min(max(cell + m - 1, 0), nodes - 1)
            weight[axis, n, m] = w[m]
    low, high = min(index[axis, 0, 0], index[axis, count - 1, 0]), max(index[axis, 0, 3], index[axis, count - 1, 3])
    return low, high + 1


@numba.njit(nogil=True)
def upsample(values, first, steps, tile, nk, nj, index, weight, dense, along_x, along_xy):
    """Fill nk x nj whole rows of `tile` with the interpolation from `first` (x, y, z), one axis at a time.

    tile : (SIDE * SIDE * WIDE,) float32. Scratch: index, weight (3, SIDE, 4), dense (NODES * WIDE,), along_x
    (NODES * WIDE,), along_xy (NODES * SIDE * WIDE,).
    """
    i_low, i_high = _axis_weights(first[0], steps[0], WIDE, values.shape[2], index, weight, 0)
    j_low, j_high = _axis_weights(first[1], steps[1], nj, values.shape[1], index, weight, 1)
    k_low, k_high = _axis_weights(first[2], steps[2], nk, values.shape[0], index, weight, 2)
    # Along x the nodes of a row's points lie close together: a product with a small dense matrix, four nodes at a time.
    quads = (i_high - i_low + 3) // 4
    last = values.shape[2] - 1
    for n in range(4 * quads * WIDE):
        dense[n] = np.float32(0.0)
    for n in range(WIDE):
        for m in range(4):
            dense[(index[0, n, m] - i_low) * WIDE + n] += weight[0, n, m]
    for k in range(k_low, k_high):
        for j in range(j_low, j_high):
            to = (j - j_low) * WIDE
            for quad in range(quads):
                n, at = 4 * quad * WIDE, i_low + 4 * quad
                places = (n, n + WIDE, n + 2 * WIDE, n + 3 * WIDE)
                nodes = (
                    values[k, j, at],
                    values[k, j, min(at + 1, last)],
                    values[k, j, min(at + 2, last)],
                    values[k, j, min(at + 3, last)],
                )
                if quad == 0:
                    blend_rows(along_x, to, dense, places, nodes, False)
                else:
                    blend_rows(along_x, to, dense, places, nodes, True)
        for j in range(nj):
            places = (
                (index[1, j, 0] - j_low) * WIDE,
                (index[1, j, 1] - j_low) * WIDE,
                (index[1, j, 2] - j_low) * WIDE,
                (index[1, j, 3] - j_low) * WIDE,
            )
            shares = (weight[1, j, 0], weight[1, j, 1], weight[1, j, 2], weight[1, j, 3])
            blend_rows(along_xy, ((k - k_low) * SIDE + j) * WIDE, along_x, places, shares, False)
    plane = SIDE * WIDE
    for k in range(nk):
        a, b = (index[2, k, 0] - k_low) * plane, (index[2, k, 1] - k_low) * plane
        c, d = (index[2, k, 2] - k_low) * plane, (index[2, k, 3] - k_low) * plane
        shares = (weight[2, k, 0], weight[2, k, 1], weight[2, k, 2], weight[2, k, 3])
        for j in range(nj):
            n = j * WIDE
            blend_rows(tile, k * plane + n, along_xy, (a + n, b + n, c + n, d + n), shares, False)


@numba.njit(nogil=True)
def upsample_oblique(values, first, steps, tile, nk, nj, ni):
    """Fill nk x nj x ni of `tile` with the interpolation, point by point: any direction, any step."""
    for k in range(nk):
        for j in range(nj):
            u = first[0] + steps[0, 0] * k + steps[0, 1] * j
            v = first[1] + steps[1, 0] * k + steps[1, 1] * j
            w = first[2] + steps[2, 0] * k + steps[2, 1] * j
            for i in range(ni):
                tile[k, j, i] = _cubic(values, u + steps[0, 2] * i, v + steps[1, 2] * i, w + steps[2, 2] * i)
