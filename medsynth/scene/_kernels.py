"""The rasteriser's inner loops: block culling, exact plane cuts, and the two-material rule.

Small scalar functions over flat arrays; parallel loops write disjoint voxels, so results do not depend on threads.
"""

from __future__ import annotations

import numba
import numpy as np

BRICK = 4  # lattice cells per edge of the bricks whose bounds are known
TILE_K, TILE_J, TILE_I = 8, 8, 16  # voxels of the blocks that are skipped, filled or interpolated together
TUBE_BLOCK = 16  # voxels per edge of the capsule rasteriser's bit buffers
WORDS = 4  # 64-bit words of sub-samples per voxel of the capsule rasteriser, one bit each
SAMPLES = 64 * WORDS
PATTERNS = 8  # shifted copies of the sub-samples; neighbouring voxels take different ones
BENT = 0.012  # a voxel whose mean differs from its middle by more than this part of the field's change is split


@numba.njit(nogil=True, inline="always")
def _cube(v):
    return v * v * v if v > 0.0 else 0.0


@numba.njit(nogil=True)
def plane_fraction(value, a, b, c):
    """Fraction of a unit cell below zero of a linear function: `value` at its middle, a, b, c its change per edge."""
    a, b, c = abs(a), abs(b), abs(c)
    most = max(a, max(b, c))
    half = 0.5 * (a + b + c)
    if value >= half:
        return 0.0
    if value <= -half:
        return 1.0
    small = 2e-3 * most
    a, b, c = max(a, small), max(b, small), max(c, small)
    t = 0.5 * (a + b + c) - value
    total = (
        _cube(t)
        - _cube(t - a)
        - _cube(t - b)
        - _cube(t - c)
        + _cube(t - a - b)
        + _cube(t - a - c)
        + _cube(t - b - c)
        - _cube(t - a - b - c)
    )
    return min(1.0, max(0.0, total / (6.0 * a * b * c)))


@numba.njit(nogil=True)
def settle(index, labels, neighbour, fraction, over, organ, material, new_labels, new_parts, count, work_l, work_w):
    """Cover a voxel with `count` new materials (parts of the whole voxel) and keep the two largest.

    What does not fit goes to a kept part of the same organ, else to the largest, so that organ volumes hold.
    """
    old_a, old_b = labels[index], neighbour[index]
    if count == 1 and fraction[index] == 0:  # the usual case, without ado
        stored = int(new_parts[0] * 255.0 + 0.5)
        if not over[old_a] or new_labels[0] == old_a or stored == 0:
            return
        if new_parts[0] > 0.5:
            labels[index], neighbour[index], fraction[index] = new_labels[0], old_a if stored < 255 else 0, 255 - stored
        else:
            neighbour[index], fraction[index] = new_labels[0], stored
        return
    f = fraction[index] / 255.0
    share_a, share_b = 1.0 - f, f
    free = (share_a if over[old_a] else 0.0) + (share_b if over[old_b] else 0.0)
    if free <= 0.0:
        return
    covered = 0.0
    for m in range(count):
        covered += new_parts[m]
    n = 0
    for m in range(count + 2):
        if m < count:
            label, weight = new_labels[m], new_parts[m] * free
        elif m == count:
            label, weight = old_a, share_a * (1.0 - covered if over[old_a] else 1.0)
        else:
            label, weight = old_b, share_b * (1.0 - covered if over[old_b] else 1.0)
        if weight <= 0.0:
            continue
        found = False
        for q in range(n):
            if work_l[q] == label:
                work_w[q] += weight
                found = True
        if not found:
            work_l[n], work_w[n] = label, weight
            n += 1
    # Three or more: parts of one material are one before anything is dropped, so that a thin sheet between two lobes or
    # a fat plane between two muscles stays.
    kept = n
    for p in range(n):
        for q in range(n):
            if kept > 2 and p != q and work_w[p] >= work_w[q] > 0.0 and material[work_l[p]] == material[work_l[q]]:
                work_w[p] += work_w[q]
                work_w[q] = 0.0
                kept -= 1
    first, second = 0, -1
    for q in range(1, n):
        if work_w[q] > work_w[first]:
            first = q
    for q in range(n):
        if q != first and (second < 0 or work_w[q] > work_w[second]):
            second = q
    if second < 0:
        labels[index], neighbour[index], fraction[index] = work_l[first], 0, 0
        return
    wa, wb = work_w[first], work_w[second]
    for q in range(n):
        if q != first and q != second:
            if organ[work_l[q]] == organ[work_l[second]] and organ[work_l[q]] != organ[work_l[first]]:
                wb += work_w[q]
            else:
                wa += work_w[q]
    if wb > wa:
        first, second, wa, wb = second, first, wb, wa
    stored = int(wb / (wa + wb) * 255.0 + 0.5)
    labels[index] = work_l[first]
    neighbour[index] = work_l[second] if stored > 0 else 0
    fraction[index] = stored


@numba.njit(nogil=True)
def _linear(values, u, v, w):
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


@numba.njit(nogil=True, inline="always")
def _slope(t):
    t2 = t * t
    return (-1.5 * t2 + 2.0 * t - 0.5, 4.5 * t2 - 5.0 * t, -4.5 * t2 + 4.0 * t + 0.5, 1.5 * t2 - t)


@numba.njit(nogil=True)
def _cubic(values, u, v, w):
    """Catmull-Rom value and gradient (per lattice step: x, y, z); needs one node of margin on every side."""
    nz, ny, nx = values.shape
    i, j, k = min(max(int(u), 1), nx - 3), min(max(int(v), 1), ny - 3), min(max(int(w), 1), nz - 3)
    a, b, c = min(max(u - i, 0.0), 1.0), min(max(v - j, 0.0), 1.0), min(max(w - k, 0.0), 1.0)
    wa, wb, wc = _catmull(a), _catmull(b), _catmull(c)
    da, db, dc = _slope(a), _slope(b), _slope(c)
    f = gx = gy = gz = 0.0
    for r in range(4):
        plane = plane_x = plane_y = 0.0
        for q in range(4):
            n0, n1, n2, n3 = (
                values[k + r - 1, j + q - 1, i - 1],
                values[k + r - 1, j + q - 1, i],
                values[k + r - 1, j + q - 1, i + 1],
                values[k + r - 1, j + q - 1, i + 2],
            )
            line = wa[0] * n0 + wa[1] * n1 + wa[2] * n2 + wa[3] * n3
            plane += wb[q] * line
            plane_y += db[q] * line
            plane_x += wb[q] * (da[0] * n0 + da[1] * n1 + da[2] * n2 + da[3] * n3)
        f += wc[r] * plane
        gx += wc[r] * plane_x
        gy += wc[r] * plane_y
        gz += dc[r] * plane
    return f, gx, gy, gz


@numba.njit(nogil=True)
def _bend(values, u, v, w, steps):
    """Mean of the field over a voxel minus its value at the middle: sum over voxel axes of h.H.h / 24."""
    nz, ny, nx = values.shape
    i, j, k = min(max(int(u + 0.5), 1), nx - 2), min(max(int(v + 0.5), 1), ny - 2), min(max(int(w + 0.5), 1), nz - 2)
    m = 2.0 * values[k, j, i]
    xx = values[k, j, i + 1] + values[k, j, i - 1] - m
    yy = values[k, j + 1, i] + values[k, j - 1, i] - m
    zz = values[k + 1, j, i] + values[k - 1, j, i] - m
    xy = 0.25 * (values[k, j + 1, i + 1] + values[k, j - 1, i - 1] - values[k, j + 1, i - 1] - values[k, j - 1, i + 1])
    xz = 0.25 * (values[k + 1, j, i + 1] + values[k - 1, j, i - 1] - values[k + 1, j, i - 1] - values[k - 1, j, i + 1])
    yz = 0.25 * (values[k + 1, j + 1, i] + values[k - 1, j - 1, i] - values[k + 1, j - 1, i] - values[k - 1, j + 1, i])
    total = 0.0
    for axis in range(3):
        p, q, r = steps[0, axis], steps[1, axis], steps[2, axis]
        total += p * p * xx + q * q * yy + r * r * zz + 2.0 * (p * q * xy + p * r * xz + q * r * yz)
    return total / 24.0


@numba.njit(nogil=True, inline="always")
def _splits(steps, axis):
    """How often a voxel is split along an axis: into pieces of at most 1.5 lattice steps, 16 at most."""
    length = np.sqrt(steps[0, axis] ** 2 + steps[1, axis] ** 2 + steps[2, axis] ** 2)
    return min(16, max(1, int(np.ceil(length / 1.5 - 1e-9))))


@numba.njit(nogil=True)
def _layer_fractions(values, u, v, w, steps, insets, cum):
    """Write the fraction of one voxel below each layer's level into cum; sharply bent voxels are split in eight."""
    layers = insets.shape[0]
    value, gx, gy, gz = _cubic(values, u, v, w)
    bend = _bend(values, u, v, w, steps)
    ga = gx * steps[0, 0] + gy * steps[1, 0] + gz * steps[2, 0]
    gb = gx * steps[0, 1] + gy * steps[1, 1] + gz * steps[2, 1]
    gc = gx * steps[0, 2] + gy * steps[1, 2] + gz * steps[2, 2]
    # A voxel longer than the lattice step holds more of the surface than one plane can tell.
    na, nb, nc = _splits(steps, 0), _splits(steps, 1), _splits(steps, 2)
    if na * nb * nc == 1:
        if abs(bend) < BENT * (abs(ga) + abs(gb) + abs(gc)):
            for m in range(layers):
                cum[m] = plane_fraction(value + bend + insets[m], ga, gb, gc)
            return
        na = nb = nc = 2
    for m in range(layers):
        cum[m] = 0.0
    share = 1.0 / (na * nb * nc)
    small = np.empty((3, 3), np.float64)
    for axis in range(3):
        small[axis, 0], small[axis, 1], small[axis, 2] = steps[axis, 0] / na, steps[axis, 1] / nb, steps[axis, 2] / nc
    for p in range(na):
        for q in range(nb):
            for r in range(nc):
                a, b, c = p - 0.5 * (na - 1), q - 0.5 * (nb - 1), r - 0.5 * (nc - 1)
                us = u + small[0, 0] * a + small[0, 1] * b + small[0, 2] * c
                vs = v + small[1, 0] * a + small[1, 1] * b + small[1, 2] * c
                ws = w + small[2, 0] * a + small[2, 1] * b + small[2, 2] * c
                value, gx, gy, gz = _cubic(values, us, vs, ws)
                value += _bend(values, us, vs, ws, small)
                ga = gx * small[0, 0] + gy * small[1, 0] + gz * small[2, 0]
                gb = gx * small[0, 1] + gy * small[1, 1] + gz * small[2, 1]
                gc = gx * small[0, 2] + gy * small[1, 2] + gz * small[2, 2]
                for m in range(layers):
                    cum[m] += share * plane_fraction(value + insets[m], ga, gb, gc)


@numba.njit(cache=True, nogil=True, parallel=True)
def survey(values):
    """Return the bounds of a field by bricks of lattice cells: lowest, highest, steepest change per step, (z, y, x).

    Brick b holds the nodes from BRICK * b to BRICK * (b + 1), both included, so that every cell lies in one brick.
    """
    nz, ny, nx = values.shape
    shape = ((nz - 2) // BRICK + 1, (ny - 2) // BRICK + 1, (nx - 2) // BRICK + 1)
    low = np.empty(shape, np.float32)
    high = np.empty(shape, np.float32)
    steep = np.empty(shape, np.float32)
    for bk in numba.prange(shape[0]):
        least, most, slope = np.empty(nx, np.float32), np.empty(nx, np.float32), np.empty(nx, np.float32)
        for bj in range(shape[1]):
            least[:], most[:], slope[:] = np.float32(1e30), np.float32(-1e30), np.float32(0.0)
            for k in range(BRICK * bk, min(BRICK * (bk + 1), nz - 1) + 1):
                for j in range(BRICK * bj, min(BRICK * (bj + 1), ny - 1) + 1):  # whole rows at a time, for SIMD
                    row, beside, above = values[k, j], values[k, min(j + 1, ny - 1)], values[min(k + 1, nz - 1), j]
                    for i in range(nx - 1):
                        here = row[i]
                        least[i] = here if here < least[i] else least[i]
                        most[i] = here if here > most[i] else most[i]
                        dx, dy, dz = row[i + 1] - here, beside[i] - here, above[i] - here
                        square = dx * dx + dy * dy + dz * dz
                        slope[i] = square if square > slope[i] else slope[i]
                    least[nx - 1], most[nx - 1] = min(least[nx - 1], row[nx - 1]), max(most[nx - 1], row[nx - 1])
            for bi in range(shape[2]):
                first, last = BRICK * bi, min(BRICK * (bi + 1), nx - 1)
                a, b, c = least[first], most[first], slope[first]
                for i in range(first + 1, last + 1):
                    a, b, c = min(a, least[i]), max(b, most[i]), max(c, slope[i])
                low[bk, bj, bi], high[bk, bj, bi], steep[bk, bj, bi] = a, b, np.sqrt(c)
    return low, high, steep


@numba.njit(nogil=True)
def _brick_bounds(low, high, steep, u0, u1, v0, v1, w0, w1):
    """Bounds of the field over a box of lattice coordinates, one cell wider for the cubic interpolation."""
    nk, nj, ni = low.shape
    ka, kb = min(max(int(w0 - 1) // BRICK, 0), nk - 1), min(max(int(w1 + 1) // BRICK, 0), nk - 1)
    ja, jb = min(max(int(v0 - 1) // BRICK, 0), nj - 1), min(max(int(v1 + 1) // BRICK, 0), nj - 1)
    ia, ib = min(max(int(u0 - 1) // BRICK, 0), ni - 1), min(max(int(u1 + 1) // BRICK, 0), ni - 1)
    least, most, slope = np.float32(1e30), np.float32(-1e30), np.float32(0.0)
    for k in range(ka, kb + 1):
        for j in range(ja, jb + 1):
            for i in range(ia, ib + 1):
                least, most = min(least, low[k, j, i]), max(most, high[k, j, i])
                slope = max(slope, steep[k, j, i])
    return least, most, slope


@numba.njit(nogil=True, inline="always")
def _nearest_owner(owner, u, v, w):
    return owner[
        min(max(int(w + 0.5), 0), owner.shape[0] - 1),
        min(max(int(v + 0.5), 0), owner.shape[1] - 1),
        min(max(int(u + 0.5), 0), owner.shape[2] - 1),
    ]


@numba.njit(nogil=True)
def _axis_weights(first, step, count, nodes, index, weight):
    """Write the four nodes and cubic weights of `count` positions along one axis; return the range of nodes used."""
    for n in range(count):
        u = min(max(first + n * step, 0.0), nodes - 1.0)
        cell = min(int(u), nodes - 2)
        w = _catmull(u - cell)
        for m in range(4):
            index[n, m] = min(max(cell + m - 1, 0), nodes - 1)
            weight[n, m] = w[m]
    return min(index[0, 0], index[count - 1, 0]), max(index[0, 3], index[count - 1, 3]) + 1


@numba.njit(nogil=True)
def _upsample(values, first, steps, tile, nk, nj, ni, index, weight, along_x, along_xy):
    """Fill nk x nj x ni of `tile` with the cubic interpolation from position `first` (x, y, z), one axis at a time."""
    _axis_weights(first[0], steps[0, 2], ni, values.shape[2], index[0], weight[0])
    j_low, j_high = _axis_weights(first[1], steps[1, 1], nj, values.shape[1], index[1], weight[1])
    k_low, k_high = _axis_weights(first[2], steps[2, 0], nk, values.shape[0], index[2], weight[2])
    for k in range(k_low, k_high):
        for j in range(j_low, j_high):
            line, out = values[k, j], along_x[j - j_low]
            for i in range(ni):
                out[i] = (
                    weight[0, i, 0] * line[index[0, i, 0]]
                    + weight[0, i, 1] * line[index[0, i, 1]]
                    + weight[0, i, 2] * line[index[0, i, 2]]
                    + weight[0, i, 3] * line[index[0, i, 3]]
                )
        for j in range(nj):
            w0, w1, w2, w3 = weight[1, j, 0], weight[1, j, 1], weight[1, j, 2], weight[1, j, 3]
            a, b = along_x[index[1, j, 0] - j_low], along_x[index[1, j, 1] - j_low]
            c, d = along_x[index[1, j, 2] - j_low], along_x[index[1, j, 3] - j_low]
            out = along_xy[k - k_low, j]
            for i in range(ni):
                out[i] = w0 * a[i] + w1 * b[i] + w2 * c[i] + w3 * d[i]
    for k in range(nk):
        w0, w1, w2, w3 = weight[2, k, 0], weight[2, k, 1], weight[2, k, 2], weight[2, k, 3]
        for j in range(nj):
            a, b = along_xy[index[2, k, 0] - k_low, j], along_xy[index[2, k, 1] - k_low, j]
            c, d = along_xy[index[2, k, 2] - k_low, j], along_xy[index[2, k, 3] - k_low, j]
            out = tile[k, j]
            for i in range(ni):
                out[i] = w0 * a[i] + w1 * b[i] + w2 * c[i] + w3 * d[i]


@numba.njit(nogil=True)
def _upsample_oblique(values, first, steps, tile, nk, nj, ni):
    """Fill `tile` with the cubic interpolation, voxel by voxel: any direction, any voxel size."""
    for k in range(nk):
        for j in range(nj):
            u = first[0] + steps[0, 0] * k + steps[0, 1] * j
            v = first[1] + steps[1, 0] * k + steps[1, 1] * j
            w = first[2] + steps[2, 0] * k + steps[2, 1] * j
            for i in range(ni):
                tile[k, j, i] = _cubic(values, u + steps[0, 2] * i, v + steps[1, 2] * i, w + steps[2, 2] * i)[0]


@numba.njit(nogil=True)
def _cut(tile, k, j, i, insets, cum):
    """Write the fraction of one voxel below each layer's level into cum, from its neighbours' middles.

    Mean of the field over a voxel: its middle plus the second differences / 24. Sharply bent voxels are split in eight
    pieces of the quadratic through the neighbours.
    """
    layers = insets.shape[0]
    value = float(tile[k, j, i])
    k0, k1, j0, j1, i0, i1 = (
        tile[k - 1, j, i],
        tile[k + 1, j, i],
        tile[k, j - 1, i],
        tile[k, j + 1, i],
        tile[k, j, i - 1],
        tile[k, j, i + 1],
    )
    ga, gb, gc = 0.5 * (k1 - k0), 0.5 * (j1 - j0), 0.5 * (i1 - i0)
    aa, bb, cc = k1 + k0 - 2.0 * value, j1 + j0 - 2.0 * value, i1 + i0 - 2.0 * value
    bend = (aa + bb + cc) / 24.0
    if abs(bend) < BENT * (abs(ga) + abs(gb) + abs(gc)):
        for m in range(layers):
            cum[m] = plane_fraction(value + bend + insets[m], ga, gb, gc)
        return
    ab = 0.25 * (tile[k + 1, j + 1, i] + tile[k - 1, j - 1, i] - tile[k + 1, j - 1, i] - tile[k - 1, j + 1, i])
    ac = 0.25 * (tile[k + 1, j, i + 1] + tile[k - 1, j, i - 1] - tile[k + 1, j, i - 1] - tile[k - 1, j, i + 1])
    bc = 0.25 * (tile[k, j + 1, i + 1] + tile[k, j - 1, i - 1] - tile[k, j + 1, i - 1] - tile[k, j - 1, i + 1])
    spread = (
        0.5 * (abs(ga) + abs(gb) + abs(gc))
        + 0.125 * (abs(aa) + abs(bb) + abs(cc))
        + 0.25 * (abs(ab) + abs(ac) + abs(bc))
    )
    if value + insets[0] >= spread or value + insets[layers - 1] <= -spread:
        whole = 0.0 if value + insets[0] >= spread else 1.0
        for m in range(layers):
            cum[m] = whole
        return
    for m in range(layers):
        cum[m] = 0.0
    for sub in range(8):
        a, b, c = 0.25 if sub & 1 else -0.25, 0.25 if sub & 2 else -0.25, 0.25 if sub & 4 else -0.25
        da, db, dc = aa * a + ab * b + ac * c, ab * a + bb * b + bc * c, ac * a + bc * b + cc * c
        here = value + (ga + 0.5 * da) * a + (gb + 0.5 * db) * b + (gc + 0.5 * dc) * c + 0.25 * bend
        for m in range(layers):
            cum[m] += 0.125 * plane_fraction(here + insets[m], 0.5 * (ga + da), 0.5 * (gb + db), 0.5 * (gc + dc))


@numba.njit(nogil=True)
def _fill(flat_l, flat_n, flat_f, begin, end, label, over, everywhere):
    """Cover whole voxels with one label."""
    if everywhere:
        flat_l[begin:end] = label
        flat_n[begin:end] = 0
        flat_f[begin:end] = 0
        return
    for at in range(begin, end):
        if flat_f[at] == 0:
            if over[flat_l[at]]:
                flat_l[at] = label
        elif over[flat_l[at]] and over[flat_n[at]]:
            flat_l[at], flat_n[at], flat_f[at] = label, 0, 0
        elif over[flat_l[at]]:
            flat_l[at] = label
        elif over[flat_n[at]]:
            flat_n[at] = label


@numba.njit(nogil=True)
def _fill_rows(labels, neighbour, fraction, ks, ke, js, je, begin, end, label, over, everywhere):
    """Cover a box of whole voxels with one label, in rows as long as it has."""
    if end <= begin:
        return
    for k in range(ks, ke):
        for j in range(js, je):
            _fill(labels[k, j], neighbour[k, j], fraction[k, j], begin, end, label, over, everywhere)


@numba.njit(nogil=True)
def _may_cover(labels, neighbour, ks, ke, js, je, is_, ie, over):
    """Tell whether a box of voxels holds anything that may be covered."""
    for k in range(ks, ke):
        for j in range(js, je):
            for i in range(is_, ie):
                if over[labels[k, j, i]] or over[neighbour[k, j, i]]:
                    return True
    return False


@numba.njit(nogil=True)
def _owner_at(owner, values, u, v, w, reach):
    """Return the owner of the nearest node inside the shape, of the deepest one where none within reach is inside.

    What owns a node outside is nothing to rely on, and the middle of a voxel that is cut may lie there. Of nodes
    equally near the deepest counts: the middle of a voxel of two steps lies half-way between nodes.
    """
    nz, ny, nx = values.shape
    k = min(max(int(w + 0.5), 0), nz - 1)
    j = min(max(int(v + 0.5), 0), ny - 1)
    i = min(max(int(u + 0.5), 0), nx - 1)
    deepest, least = owner[k, j, i], values[k, j, i]
    if least <= 0.0:
        return deepest
    nearest, closest, depth = deepest, 1e30, 0.0
    for kk in range(max(k - reach, 0), min(k + reach, nz - 1) + 1):
        for jj in range(max(j - reach, 0), min(j + reach, ny - 1) + 1):
            for ii in range(max(i - reach, 0), min(i + reach, nx - 1) + 1):
                value = values[kk, jj, ii]
                square = (w - kk) ** 2 + (v - jj) ** 2 + (u - ii) ** 2
                if value <= 0.0 and (square < closest - 1e-3 or (square < closest + 1e-3 and value < depth)):
                    nearest, closest, depth = owner[kk, jj, ii], square, value
                if value < least:
                    deepest, least = owner[kk, jj, ii], value
    return nearest if closest < 1e30 else deepest


@numba.njit(nogil=True)
def _sole_owner(owner, u, v, w, half):
    """Return the owner of a box of lattice coordinates and the nodes around it, -1 where it has more than one."""
    nz, ny, nx = owner.shape
    first = _nearest_owner(owner, u, v, w)
    for k in range(min(max(int(w - half[2]) - 1, 0), nz - 1), min(max(int(w + half[2]) + 2, 0), nz - 1) + 1):
        for j in range(min(max(int(v - half[1]) - 1, 0), ny - 1), min(max(int(v + half[1]) + 2, 0), ny - 1) + 1):
            for i in range(min(max(int(u - half[0]) - 1, 0), nx - 1), min(max(int(u + half[0]) + 2, 0), nx - 1) + 1):
                if owner[k, j, i] != first:
                    return -1
    return np.int64(first)


@numba.njit(cache=True, nogil=True, parallel=True)
def paint_field(
    labels,
    neighbour,
    fraction,
    values,
    owner,
    has_owner,
    bounds_low,
    bounds_high,
    bounds_steep,
    steps,
    start,
    low,
    high,
    insets,
    layer_labels,
    over,
    everywhere,
    organ,
    material,
):
    """Paint the layers of one sampled field.

    labels, neighbour, fraction : (k, j, i) written in place. bounds_* : what `survey` found. steps : (3, 3) lattice
    steps (x, y, z) per voxel step (k, j, i). start : lattice position of voxel (0, 0, 0). low, high : voxel box.
    insets, layer_labels : (layers,), (layers, owners).

    A block of voxels whose field is known to be clear of zero is skipped or filled as a whole. The others are
    interpolated with one voxel around them, and those that the surface crosses are cut.
    """
    lines = (high[0] - low[0] + TILE_K - 1) // TILE_K, (high[1] - low[1] + TILE_J - 1) // TILE_J
    columns = (high[2] - low[2] + TILE_I - 1) // TILE_I
    reach = 0.0  # half the diagonal of a voxel in lattice steps
    for axis in range(3):
        reach += steps[axis, 0] ** 2 + steps[axis, 1] ** 2 + steps[axis, 2] ** 2
    half_diagonal = 0.5 * np.sqrt(reach)
    reach_nodes = int(np.ceil(half_diagonal)) if half_diagonal > 1.0 else 1
    short = _splits(steps, 0) * _splits(steps, 1) * _splits(steps, 2) == 1
    axial = (
        short
        and steps[0, 0] == 0.0
        and steps[0, 1] == 0.0
        and steps[1, 0] == 0.0
        and steps[1, 2] == 0.0
        and steps[2, 1] == 0.0
        and steps[2, 2] == 0.0
    )
    layers = insets.shape[0]
    shallowest, deepest = insets[0], insets[layers - 1]
    ny, nx = labels.shape[1], labels.shape[2]
    flat_l, flat_n, flat_f = labels.reshape(-1), neighbour.reshape(-1), fraction.reshape(-1)
    for line in numba.prange(lines[0] * lines[1]):
        work_l, work_w = np.empty(layers + 3, np.int64), np.empty(layers + 3, np.float64)
        new_l, new_p = np.empty(layers + 1, np.int64), np.empty(layers + 1, np.float64)
        cum, half, first = np.zeros(layers + 1, np.float64), np.empty(3, np.float64), np.empty(3, np.float64)
        index, weight = np.empty((3, TILE_I + 2, 4), np.int64), np.empty((3, TILE_I + 2, 4), np.float32)
        along_x = np.empty((2 * TILE_J + 8, TILE_I + 2), np.float32)
        along_xy = np.empty((2 * TILE_K + 8, TILE_J + 2, TILE_I + 2), np.float32)
        tile = np.empty((TILE_K + 2, TILE_J + 2, TILE_I + 2), np.float32)
        ks, js = low[0] + line // lines[1] * TILE_K, low[1] + line % lines[1] * TILE_J
        ke, je = min(ks + TILE_K, high[0]), min(js + TILE_J, high[1])
        run_begin, run_end, run_label = 0, 0, 0  # columns that wait to be filled together: long rows are fast
        for column in range(columns):
            is_ = low[2] + column * TILE_I
            ie = min(is_ + TILE_I, high[2])
            mk, mj, mi = 0.5 * (ks + ke - 1), 0.5 * (js + je - 1), 0.5 * (is_ + ie - 1)
            u = start[0] + steps[0, 0] * mk + steps[0, 1] * mj + steps[0, 2] * mi
            v = start[1] + steps[1, 0] * mk + steps[1, 1] * mj + steps[1, 2] * mi
            w = start[2] + steps[2, 0] * mk + steps[2, 1] * mj + steps[2, 2] * mi
            radius = 0.0
            for axis in range(3):
                half[axis] = 0.5 * (
                    abs(steps[axis, 0]) * (ke - ks) + abs(steps[axis, 1]) * (je - js) + abs(steps[axis, 2]) * (ie - is_)
                )
                radius += half[axis] ** 2
            least, most, slope = _brick_bounds(
                bounds_low,
                bounds_high,
                bounds_steep,
                u - half[0],
                u + half[0],
                v - half[1],
                v + half[1],
                w - half[2],
                w + half[2],
            )
            # The cubic may overshoot the nodes by an eighth of their range; and no value differs from the middle's by
            # more than the steepest slope allows.
            slack = 0.125 * (most - least)
            middle, spread = _linear(values, u, v, w), slope * (np.sqrt(radius) + 0.5)
            least, most = max(least - slack, middle - spread), min(most + slack, middle + spread)
            sole = _sole_owner(owner, u, v, w, half) if has_owner and least <= -shallowest else 0
            filled = least <= -shallowest and most < -deepest and sole >= 0
            label = layer_labels[layers - 1, sole]
            if not (filled and label == run_label and run_end == is_):
                _fill_rows(labels, neighbour, fraction, ks, ke, js, je, run_begin, run_end, run_label, over, everywhere)
                run_begin, run_end, run_label = is_, is_, label
            if filled:
                run_end = ie
            if filled or least > -shallowest:
                continue
            if not everywhere and not _may_cover(labels, neighbour, ks, ke, js, je, is_, ie, over):
                continue
            nk, nj, ni = ke - ks + 2, je - js + 2, ie - is_ + 2
            for axis in range(3):
                first[axis] = (
                    start[axis] + steps[axis, 0] * (ks - 1) + steps[axis, 1] * (js - 1) + steps[axis, 2] * (is_ - 1)
                )
            if axial:
                _upsample(values, first, steps, tile, nk, nj, ni, index, weight, along_x, along_xy)
            else:
                _upsample_oblique(values, first, steps, tile, nk, nj, ni)
            near = slope * (1.2 * half_diagonal + 0.05)
            for k in range(ks, ke):
                for j in range(js, je):
                    at = (k * ny + j) * nx
                    row = tile[k - ks + 1, j - js + 1]
                    least, most = row[1], row[1]
                    for i in range(2, ie - is_ + 1):
                        least = row[i] if row[i] < least else least
                        most = row[i] if row[i] > most else most
                    if least > near - shallowest:
                        continue
                    if most < -near - deepest and sole >= 0:
                        _fill(
                            flat_l, flat_n, flat_f, at + is_, at + ie, layer_labels[layers - 1, sole], over, everywhere
                        )
                        continue
                    for i in range(is_, ie):
                        value = row[i - is_ + 1]
                        if value > near - shallowest or not (over[flat_l[at + i]] or over[flat_n[at + i]]):
                            continue
                        own = sole
                        if sole < 0 or not short:
                            u = start[0] + steps[0, 0] * k + steps[0, 1] * j + steps[0, 2] * i
                            v = start[1] + steps[1, 0] * k + steps[1, 1] * j + steps[1, 2] * i
                            w = start[2] + steps[2, 0] * k + steps[2, 1] * j + steps[2, 2] * i
                            if sole < 0:
                                own = _owner_at(owner, values, u, v, w, reach_nodes)
                        if value < -near - deepest:
                            _fill(
                                flat_l,
                                flat_n,
                                flat_f,
                                at + i,
                                at + i + 1,
                                layer_labels[layers - 1, own],
                                over,
                                everywhere,
                            )
                            continue
                        if short:
                            _cut(tile, k - ks + 1, j - js + 1, i - is_ + 1, insets, cum)
                        else:
                            _layer_fractions(values, u, v, w, steps, insets, cum)
                        n = 0
                        for m in range(layers):
                            part = cum[m] - cum[m + 1]
                            if part > 0.0:
                                new_l[n], new_p[n] = layer_labels[m, own], part
                                n += 1
                        if n > 0:
                            settle(
                                at + i, flat_l, flat_n, flat_f, over, organ, material, new_l, new_p, n, work_l, work_w
                            )
        _fill_rows(labels, neighbour, fraction, ks, ke, js, je, run_begin, run_end, run_label, over, everywhere)


@numba.njit(nogil=True, inline="always")
def _capsule(px, py, pz, ax, ay, az, dx, dy, dz, inverse):
    along = min(1.0, max(0.0, ((px - ax) * dx + (py - ay) * dy + (pz - az) * dz) * inverse))
    ex, ey, ez = px - ax - along * dx, py - ay - along * dy, pz - az - along * dz
    return ex * ex + ey * ey + ez * ez, along


@numba.njit(nogil=True)
def _sample_capsule(q, d, inverse, radius, change, wall, samples, depth, bits):
    """Set the bits of the sub-samples that lie within a capsule and its wall; plain float32 loops, for SIMD.

    q : voxel's middle from the capsule's start. d : its axis. samples : (3, SAMPLES) mm. depth : scratch (SAMPLES,).
    """
    zero, one = np.float32(0.0), np.float32(1.0)
    qx, qy, qz = np.float32(q[0]), np.float32(q[1]), np.float32(q[2])
    dx, dy, dz = np.float32(d[0]), np.float32(d[1]), np.float32(d[2])
    inverse, radius, change, wall = np.float32(inverse), np.float32(radius), np.float32(change), np.float32(wall)
    for n in range(SAMPLES):
        px, py, pz = qx + samples[0, n], qy + samples[1, n], qz + samples[2, n]
        along = (px * dx + py * dy + pz * dz) * inverse
        along = along if along > zero else zero
        along = along if along < one else one
        ex, ey, ez = px - along * dx, py - along * dy, pz - along * dz
        reach = radius + along * change + wall
        depth[n] = reach * reach - (ex * ex + ey * ey + ez * ez)
    for word in range(WORDS):
        found = np.uint64(0)
        for bit in range(64):
            found |= np.uint64(depth[64 * word + bit] > zero) << np.uint64(bit)
        bits[word] |= found


@numba.njit(nogil=True, inline="always")
def _count_bits(bits):
    bits = bits - ((bits >> np.uint64(1)) & np.uint64(0x5555555555555555))
    bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((bits * np.uint64(0x0101010101010101)) >> np.uint64(56))


@numba.njit(nogil=True)
def _capsule_box(s, starts, ends, largest, origin, inverse_steps, corner, limits, lo, hi):
    """Write the voxels (first, last + 1) of one block that lie within `largest` mm of a capsule's axis."""
    for axis in range(3):
        span = p = q = 0.0
        for c in range(3):
            span += inverse_steps[axis, c] ** 2
            p += inverse_steps[axis, c] * (starts[s, c] - origin[c])
            q += inverse_steps[axis, c] * (ends[s, c] - origin[c])
        span = np.sqrt(span) * largest
        lo[axis] = max(corner[axis], int(np.floor(min(p, q) - span)))
        hi[axis] = min(min(corner[axis] + TUBE_BLOCK, limits[axis]), int(np.ceil(max(p, q) + span)) + 1)


@numba.njit(nogil=True)
def _mark_capsule(
    s,
    starts,
    ends,
    start_radii,
    end_radii,
    walls,
    steps,
    origin,
    half_diagonal,
    samples,
    corner,
    lo,
    hi,
    outer,
    inner,
    touched,
    depth,
):
    """Set one capsule's bits in a block's buffers: outer (wall and lumen) and, where there is a wall, inner."""
    full = ~np.uint64(0)
    ax, ay, az = starts[s, 0], starts[s, 1], starts[s, 2]
    d = (ends[s, 0] - ax, ends[s, 1] - ay, ends[s, 2] - az)
    inverse = 1.0 / max(d[0] * d[0] + d[1] * d[1] + d[2] * d[2], 1e-12)
    ra, change, wall = start_radii[s], end_radii[s] - start_radii[s], walls[s]
    slack = half_diagonal * (1.0 + abs(change) * np.sqrt(inverse))
    for k in range(lo[0], hi[0]):
        for j in range(lo[1], hi[1]):
            for i in range(lo[2], hi[2]):
                px = origin[0] + steps[0, 0] * k + steps[0, 1] * j + steps[0, 2] * i
                py = origin[1] + steps[1, 0] * k + steps[1, 1] * j + steps[1, 2] * i
                pz = origin[2] + steps[2, 0] * k + steps[2, 1] * j + steps[2, 2] * i
                square, along = _capsule(px, py, pz, ax, ay, az, d[0], d[1], d[2], inverse)
                radius = ra + along * change
                if square > (radius + wall + slack) ** 2:
                    continue
                at = ((k - corner[0]) * TUBE_BLOCK + j - corner[1]) * TUBE_BLOCK + i - corner[2]
                out, within = outer[at], inner[at]
                if not touched[at]:
                    touched[at] = True
                    out[:] = np.uint64(0)
                    within[:] = np.uint64(0)
                if radius > slack and square < (radius - slack) ** 2:
                    out[:] = full
                    within[:] = full
                    continue
                left = np.uint64(0)
                for word in range(WORDS):
                    left |= ~within[word] if wall > 0.0 else ~out[word]
                if left == np.uint64(0):
                    continue
                shifted = samples[(k * 73 + j * 31 + i * 17 + (k * j + i) // 5) % PATTERNS]
                q = (px - ax, py - ay, pz - az)
                _sample_capsule(q, d, inverse, ra, change, wall, shifted, depth, out)
                if wall > 0.0:
                    _sample_capsule(q, d, inverse, ra, change, 0.0, shifted, depth, within)
                else:
                    for word in range(WORDS):
                        within[word] |= out[word]


@numba.njit(cache=True, nogil=True, parallel=True)
def paint_capsules(
    labels,
    neighbour,
    fraction,
    starts,
    ends,
    start_radii,
    end_radii,
    walls,
    members,
    offsets,
    block_ids,
    blocks,
    steps,
    origin,
    inverse_steps,
    samples,
    layer_labels,
    over,
    organ,
    material,
):
    """Paint capsules by sub-samples, one bit each, so that overlapping capsules count once.

    members[offsets[b]:offsets[b + 1]] are the capsules that may reach block b. samples : (patterns, 3, samples)
    float32, mm from the voxel's centre. walls : (n,) wall thickness in mm around the lumen radius, zero for solid ones.
    layer_labels : (outer, inner).
    """
    nj, ni = labels.shape[1], labels.shape[2]
    reach = 0.0
    for axis in range(3):
        reach += steps[axis, 0] ** 2 + steps[axis, 1] ** 2 + steps[axis, 2] ** 2
    half_diagonal = 0.5 * np.sqrt(reach)
    size, share = TUBE_BLOCK, 8  # blocks that one thread paints with the same buffers
    flat_l, flat_n, flat_f = labels.reshape(-1), neighbour.reshape(-1), fraction.reshape(-1)
    for group in numba.prange((block_ids.shape[0] + share - 1) // share):
        outer, inner = np.empty((size**3, WORDS), np.uint64), np.empty((size**3, WORDS), np.uint64)
        touched, depth = np.zeros(size**3, np.bool_), np.empty(SAMPLES, np.float32)
        work_l, work_w = np.empty(6, np.int64), np.empty(6, np.float64)
        new_l, new_p = np.empty(3, np.int64), np.empty(3, np.float64)
        lo, hi = np.empty(3, np.int64), np.empty(3, np.int64)
        for b in range(group * share, min(group * share + share, block_ids.shape[0])):
            block = block_ids[b]
            corner = (
                block // (blocks[1] * blocks[2]) * size,
                block // blocks[2] % blocks[1] * size,
                block % blocks[2] * size,
            )
            for position in range(offsets[b], offsets[b + 1]):
                s = members[position]
                largest = max(start_radii[s], end_radii[s]) + walls[s] + half_diagonal
                _capsule_box(s, starts, ends, largest, origin, inverse_steps, corner, labels.shape, lo, hi)
                _mark_capsule(
                    s,
                    starts,
                    ends,
                    start_radii,
                    end_radii,
                    walls,
                    steps,
                    origin,
                    half_diagonal,
                    samples,
                    corner,
                    lo,
                    hi,
                    outer,
                    inner,
                    touched,
                    depth,
                )
            for at in range(size**3):
                if not touched[at]:
                    continue
                touched[at] = False
                inside = within = 0
                for word in range(WORDS):
                    inside += _count_bits(outer[at, word])
                    within += _count_bits(inner[at, word])
                if inside == 0:
                    continue
                n = 0
                if inside > within:
                    new_l[n], new_p[n] = layer_labels[0], (inside - within) / SAMPLES
                    n += 1
                if within > 0:
                    new_l[n], new_p[n] = layer_labels[1], within / SAMPLES
                    n += 1
                k, j, i = corner[0] + at // size**2, corner[1] + at // size % size, corner[2] + at % size
                settle(
                    (k * nj + j) * ni + i,
                    flat_l,
                    flat_n,
                    flat_f,
                    over,
                    organ,
                    material,
                    new_l,
                    new_p,
                    n,
                    work_l,
                    work_w,
                )


@numba.njit(cache=True, nogil=True)
def bin_capsules(starts, ends, reach_mm, origin, inverse_steps, blocks, size, counts, members, fill):
    """Count (fill False) or list (fill True) the capsules that may reach each block of `size` voxels."""
    lo, hi = np.empty(3, np.int64), np.empty(3, np.int64)
    for s in range(starts.shape[0]):
        empty = False
        for axis in range(3):
            span = 0.0
            p = q = 0.0
            for c in range(3):
                span += inverse_steps[axis, c] ** 2
                p += inverse_steps[axis, c] * (starts[s, c] - origin[c])
                q += inverse_steps[axis, c] * (ends[s, c] - origin[c])
            span = np.sqrt(span) * reach_mm[s]
            lo[axis] = max(0, int(np.floor((min(p, q) - span) / size)))
            hi[axis] = min(blocks[axis] - 1, int(np.floor((max(p, q) + span) / size)))
            empty = empty or hi[axis] < lo[axis]
        if empty:
            continue
        for k in range(lo[0], hi[0] + 1):
            for j in range(lo[1], hi[1] + 1):
                for i in range(lo[2], hi[2] + 1):
                    b = (k * blocks[1] + j) * blocks[2] + i
                    if fill:
                        members[counts[b]] = s
                    counts[b] += 1
