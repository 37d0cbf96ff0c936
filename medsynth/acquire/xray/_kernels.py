"""Inner loops: basis materials plane by plane, rays through planes, smooth enlargement, chords of capsules.

Projection after Joseph: a ray is sampled once in every plane of voxels across its main direction, bilinearly in the
plane. Planes are gone through row of pixels by row of pixels, so that what a row needs stays in cache.

Parallel loops write disjoint outputs, so that results do not depend on the number of threads.
"""

from __future__ import annotations

import numba
import numpy as np

from medsynth.scene.phantom import FRACTION_UNIT, TEXTURE_UNIT

MOST_CHORDS = 64  # pieces of capsules along one ray that are told apart


@numba.njit(inline="always")
def _voxel(axis, n, p, q):
    """Return (k, j, i) of place (p, q) in plane n across `axis`."""
    if axis == 0:
        return n, p, q
    if axis == 1:
        return p, n, q
    return p, q, n


@numba.njit(parallel=True, cache=True, nogil=True)
def basis_planes(labels, neighbour, fraction, texture, table, axis, start, out):
    """Fill `out` (n, p + 2, q + 2, lane) with planes across `axis` from voxel `start` (3,) on, zeros around each.

    table : (65536, lane) float32, cm of each basis material per cm of a label.
    """
    planes, rows, columns, lanes = out.shape
    part = np.float32(1.0 / FRACTION_UNIT)
    unit = np.float32(TEXTURE_UNIT)
    one = np.float32(1.0)
    for m in numba.prange(planes * rows):
        n, p = m // rows, m % rows
        edge = p == 0 or p == rows - 1
        for q in range(columns):
            if edge or q == 0 or q == columns - 1:
                for b in range(lanes):
                    out[n, p, q, b] = np.float32(0.0)
                continue
            k, j, i = _voxel(axis, n, p - 1, q - 1)
            k, j, i = k + start[0], j + start[1], i + start[2]
            label, other = labels[k, j, i], neighbour[k, j, i]
            scale = one + unit * texture[k, j, i]
            f = part * fraction[k, j, i]
            for b in range(lanes):
                value = table[label, b] * scale
                out[n, p, q, b] = value + f * (table[other, b] - value)


@numba.njit(parallel=True, cache=True, nogil=True)
def value_planes(values, axis, start, out):
    """Fill `out` (n, p + 2, q + 2, lane) with planes of `values` (k, j, i, lane); see `basis_planes`."""
    planes, rows, columns, lanes = out.shape
    for m in numba.prange(planes * rows):
        n, p = m // rows, m % rows
        for b in range(lanes):
            out[n, p, 0, b] = np.float32(0.0)
            out[n, p, columns - 1, b] = np.float32(0.0)
        if p == 0 or p == rows - 1:
            for q in range(1, columns - 1):
                for b in range(lanes):
                    out[n, p, q, b] = np.float32(0.0)
            continue
        for q in range(1, columns - 1):
            k, j, i = _voxel(axis, n, p - 1, q - 1)
            for b in range(lanes):
                out[n, p, q, b] = values[k + start[0], j + start[1], i + start[2], b]


@numba.njit(parallel=True, cache=True, nogil=True)
def filled_box(values, low, high):
    """Find the box of what is not 0 in `values` (k, j, i, lane), for each slice: `low` (k, 3), `high` one past the end.

    Boxes start as (top, 0) and stay so where there is nothing.
    """
    slices, rows, columns, lanes = values.shape
    for k in numba.prange(slices):
        for j in range(rows):
            first, last = 0, columns * lanes - 1
            while first <= last and values[k, j, first // lanes, first % lanes] == np.float32(0.0):
                first += 1
            if first > last:
                continue
            while values[k, j, last // lanes, last % lanes] == np.float32(0.0):
                last -= 1
            low[k, 0], high[k, 0] = k, k + 1
            low[k, 1], high[k, 1] = min(low[k, 1], j), j + 1
            low[k, 2], high[k, 2] = min(low[k, 2], first // lanes), max(high[k, 2], last // lanes + 1)


@numba.njit(inline="always")
def _main_axis(d):
    """Return the axis that a ray runs along most; the first of equals has it, so that none is lost or counted twice."""
    main = 0
    if abs(d[1]) > abs(d[main]):
        main = 1
    if abs(d[2]) > abs(d[main]):
        main = 2
    return main


@numba.njit(inline="always")
def _add(plane, iu, iv, u, v, lanes, weight, out):
    one = np.float32(1.0)
    g, h = weight * (one - u), weight * u
    a, b, c, d = g * (one - v), g * v, h * (one - v), h * v
    for m in range(lanes):
        out[m] += (a * plane[iu, iv, m] + b * plane[iu, iv + 1, m]
                   + c * plane[iu + 1, iv, m] + d * plane[iu + 1, iv + 1, m])


@numba.njit(parallel=True, cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"})
def add_planes(planes, first, axis, source, origin, row_step, column_step, length_mm, out):
    """Add to `out` (row, column, lane) what rays meet in planes `first` + n across `axis`, in cm of the planes' unit.

    source, origin, row_step, column_step : (3,) in voxel indices (k, j, i) of the volume. length_mm : (row, column)
        length of each ray from source to pixel. Rays that run more along another axis are left to that axis's planes.
    """
    rows, columns, lanes = out.shape
    p, q = (1, 2) if axis == 0 else ((0, 2) if axis == 1 else (0, 1))
    top_u = np.float32(planes.shape[1] - 1)
    top_v = np.float32(planes.shape[2] - 1)
    half = (planes.shape[0] - 1) / 2
    middle = first + half
    zero = np.float32(0.0)
    for r in numba.prange(rows):
        u0, v0 = np.empty(columns, np.float32), np.empty(columns, np.float32)
        du, dv = np.empty(columns, np.float32), np.empty(columns, np.float32)
        weight = np.empty(columns, np.float32)
        d = np.empty(3)
        low, high = columns, 0
        for c in range(columns):
            for a in range(3):
                d[a] = origin[a] + r * row_step[a] + c * column_step[a] - source[a]
            weight[c] = zero
            u0[c] = v0[c] = du[c] = dv[c] = zero
            if _main_axis(d) != axis:
                continue
            t = 1 / d[axis]
            u0[c] = source[p] + (middle - source[axis]) * d[p] * t + 1.0
            v0[c] = source[q] + (middle - source[axis]) * d[q] * t + 1.0
            du[c], dv[c] = d[p] * t, d[q] * t
            half_u, half_v = abs(half * du[c]), abs(half * dv[c])
            if (u0[c] + half_u < zero or u0[c] - half_u >= top_u or v0[c] + half_v < zero
                    or v0[c] - half_v >= top_v):
                continue  # beside every plane
            weight[c] = 0.1 * length_mm[r, c] * abs(t)
            low, high = min(low, c), c + 1
        for n in range(planes.shape[0]):
            plane = planes[n]
            step = np.float32(first + n - middle)
            for c in range(low, high):
                u = u0[c] + step * du[c]
                v = v0[c] + step * dv[c]
                if not (u >= zero and u < top_u and v >= zero and v < top_v):
                    continue
                iu, iv = np.int64(u), np.int64(v)
                u -= np.float32(iu)
                v -= np.float32(iv)
                if lanes == 1:
                    _add(plane, iu, iv, u, v, 1, weight[c], out[r, c])
                elif lanes == 2:
                    _add(plane, iu, iv, u, v, 2, weight[c], out[r, c])
                elif lanes == 3:
                    _add(plane, iu, iv, u, v, 3, weight[c], out[r, c])
                else:
                    _add(plane, iu, iv, u, v, lanes, weight[c], out[r, c])


@numba.njit(inline="always")
def _count(n, weight, length, touched, count):
    """Add `weight` to organ n of a ray; organs that were empty join the list of those touched."""
    if n >= 0 and weight > np.float32(0.0):
        if length[n] == np.float32(0.0):
            touched[count] = n
            count += 1
        length[n] += weight
    return count


@numba.njit(parallel=True, cache=True, nogil=True)
def organ_lengths(labels, neighbour, fraction, low, high, organ, organs, axis, source, origin, row_step, column_step,
                  length_mm, first, shape, offset, out):
    """Write how many mm of each ray lie in each organ; all organs in one pass over the planes across `axis`.

    low, high : (3,) box of voxels that hold organs. organ : (65536,) int32 number of a label's organ, -1 for none.
    source, origin, row_step, column_step : (3,) in voxel indices. length_mm : (row, column) of each ray from source to
    pixel. Organ n has the pixels from first[n] on, shape[n] many, in `out` from offset[n] on; its rays touch no others.
    """
    rows, columns = length_mm.shape
    p, q = (1, 2) if axis == 0 else ((0, 2) if axis == 1 else (0, 1))
    low_u, low_v, top_u, top_v = low[p], low[q], high[p], high[q]
    part = np.float32(1.0 / FRACTION_UNIT)
    one = np.float32(1.0)
    zero = np.float32(0.0)
    for r in numba.prange(rows):
        length = np.zeros(organs, np.float32)
        touched = np.empty(organs, np.int64)
        d = np.empty(3)
        for c in range(columns):
            for a in range(3):
                d[a] = origin[a] + r * row_step[a] + c * column_step[a] - source[a]
            if _main_axis(d) != axis:
                continue
            t = 1 / d[axis]
            u0, v0 = source[p] - source[axis] * d[p] * t, source[q] - source[axis] * d[q] * t
            du, dv = d[p] * t, d[q] * t
            count = 0
            for n in range(low[axis], high[axis]):
                u, v = u0 + n * du, v0 + n * dv
                if not (u > low_u - 1.0 and u < top_u and v > low_v - 1.0 and v < top_v):
                    continue
                iu, iv = int(u + 1.0) - 1, int(v + 1.0) - 1
                if low_u <= iu < top_u - 1 and low_v <= iv < top_v - 1:  # most often one organ fills all four voxels
                    ka, ja, ia = _voxel(axis, n, iu, iv)
                    kb, jb, ib = _voxel(axis, n, iu, iv + 1)
                    kc, jc, ic = _voxel(axis, n, iu + 1, iv)
                    kd, jd, id_ = _voxel(axis, n, iu + 1, iv + 1)
                    label = labels[ka, ja, ia]
                    if (label == labels[kb, jb, ib] and label == labels[kc, jc, ic] and label == labels[kd, jd, id_]
                            and fraction[ka, ja, ia] == 0 and fraction[kb, jb, ib] == 0 and fraction[kc, jc, ic] == 0
                            and fraction[kd, jd, id_] == 0):
                        count = _count(organ[label], one, length, touched, count)
                        continue
                fu, fv = np.float32(u - iu), np.float32(v - iv)
                for corner in range(4):
                    cu, cv = iu + (corner >> 1), iv + (corner & 1)
                    if cu < low_u or cv < low_v or cu >= top_u or cv >= top_v:
                        continue
                    weight = (fu if corner >> 1 else one - fu) * (fv if corner & 1 else one - fv)
                    k, j, i = _voxel(axis, n, cu, cv)
                    if fraction[k, j, i] == 0:
                        count = _count(organ[labels[k, j, i]], weight, length, touched, count)
                    else:
                        f = part * fraction[k, j, i]
                        count = _count(organ[labels[k, j, i]], weight * (one - f), length, touched, count)
                        count = _count(organ[neighbour[k, j, i]], weight * f, length, touched, count)
            per_plane = np.float32(length_mm[r, c] * abs(t))
            for m in range(count):
                n = touched[m]
                y, x = r - first[n, 0], c - first[n, 1]
                if y >= 0 and x >= 0 and y < shape[n, 0] and x < shape[n, 1]:
                    out[offset[n] + y * shape[n, 1] + x] = per_plane * length[n]
                length[n] = zero


@numba.njit(parallel=True, cache=True, nogil=True)
def boxes(labels, neighbour, fraction, organ, low, high):
    """Find the box of every organ: `low` (k, label, 3) and `high` for each slice k, to be joined over k.

    organ : (65536,) int32 number of a label's organ, -1 for none. Boxes start as (top, 0) and stay so where there is
    nothing; `high` is one past the end.
    """
    slices, rows, columns = labels.shape
    for k in numba.prange(slices):
        for j in range(rows):
            for i in range(columns):
                for side in range(2):
                    if side == 1 and fraction[k, j, i] == 0:
                        break
                    n = organ[labels[k, j, i] if side == 0 else neighbour[k, j, i]]
                    if n < 0:
                        continue
                    low[k, n, 0], high[k, n, 0] = k, k + 1
                    low[k, n, 1] = min(low[k, n, 1], j)
                    high[k, n, 1] = max(high[k, n, 1], j + 1)
                    low[k, n, 2] = min(low[k, n, 2], i)
                    high[k, n, 2] = max(high[k, n, 2], i + 1)


@numba.njit(parallel=True, cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"})
def enlarge(coarse, row_at, row_taps, column_at, column_taps, out):
    """Write `out` (row, column, lane), each a product of 4 x 4 taps over `coarse`.

    row_at, column_at : first lattice place of each row and column. row_taps, column_taps : (n, 4).
    """
    rows, columns, lanes = out.shape
    width = coarse.shape[1]
    for r in numba.prange(rows):
        line = np.empty(width * lanes, np.float32)
        at = row_at[r]
        a, b, c, d = row_taps[r, 0], row_taps[r, 1], row_taps[r, 2], row_taps[r, 3]
        for x in range(width):
            for m in range(lanes):
                line[x * lanes + m] = (a * coarse[at, x, m] + b * coarse[at + 1, x, m] + c * coarse[at + 2, x, m]
                                       + d * coarse[at + 3, x, m])
        if lanes == 1:
            for n in range(columns):
                x = column_at[n]
                out[r, n, 0] = (column_taps[n, 0] * line[x] + column_taps[n, 1] * line[x + 1]
                                + column_taps[n, 2] * line[x + 2] + column_taps[n, 3] * line[x + 3])
            continue
        for n in range(columns):
            x = column_at[n] * lanes
            for m in range(lanes):
                out[r, n, m] = (column_taps[n, 0] * line[x + m] + column_taps[n, 1] * line[x + lanes + m]
                                + column_taps[n, 2] * line[x + 2 * lanes + m]
                                + column_taps[n, 3] * line[x + 3 * lanes + m])


@numba.njit(inline="always")
def _ball(along, off, radius):
    """Return entry and exit of a ray in a ball whose centre is `along` the ray and sqrt(off) beside it."""
    if off >= radius * radius:
        return 1.0, 0.0
    half = np.sqrt(radius * radius - off)
    return along - half, along + half


@numba.njit(inline="always")
def _below(m, h0, low, high):
    """Return the part of a piece of a ray where its height s m + h0 is not above 0."""
    if abs(m) < 1e-12:
        if h0 > 0.0:
            return 1.0, 0.0
    elif m > 0.0:
        high = min(high, -h0 / m)
    else:
        low = max(low, -h0 / m)
    return low, high


@numba.njit(cache=True, nogil=True)
def capsule_chord(rx, ry, rz, ax, ay, az, bx, by, bz, ra, rb):
    """Return entry and exit (mm from the source) of a unit ray in a capsule; exit < entry: it misses.

    a, b : ends relative to the source. The capsule is half a ball beyond each end, and between them the points
    whose distance from the axis is at most the radius there, which goes linearly from ra to rb.
    """
    ra_along, rb_along = rx * ax + ry * ay + rz * az, rx * bx + ry * by + rz * bz
    a_squared = ax * ax + ay * ay + az * az
    a_off, b_off = a_squared - ra_along * ra_along, bx * bx + by * by + bz * bz - rb_along * rb_along
    ux, uy, uz = bx - ax, by - ay, bz - az
    length = np.sqrt(ux * ux + uy * uy + uz * uz)
    if length < 1e-9:
        return _ball(ra_along, a_off, max(ra, rb))
    ux, uy, uz = ux / length, uy / length, uz / length
    slope = (rb - ra) / length
    m, h0 = rx * ux + ry * uy + rz * uz, -(ax * ux + ay * uy + az * uz)
    low, high = _ball(ra_along, a_off, ra)
    low, high = _below(m, h0, low, high)
    first, last = _ball(rb_along, b_off, rb)
    first, last = _below(-m, length - h0, first, last)
    if last >= first:
        if high >= low:
            low, high = min(low, first), max(high, last)
        else:
            low, high = first, last
    # A point s ray - a has height h = s m + h0 over a along the axis; its distance from the axis squared less
    # (ra + slope h)^2 is a quadratic in s.
    base = ra + slope * h0
    p2 = 1.0 - m * m - slope * slope * m * m
    p1 = -ra_along - m * h0 - slope * m * base
    p0 = a_squared - h0 * h0 - base * base
    s0, s1 = -1e30, 1e30
    if abs(m) > 1e-12:
        s0, s1 = min(-h0 / m, (length - h0) / m), max(-h0 / m, (length - h0) / m)
    elif h0 < 0.0 or h0 > length:
        return low, high
    if abs(p2) < 1e-12:
        if p0 + p1 * (s0 + s1) > 0.0:
            return low, high
    else:
        inner = p1 * p1 - p2 * p0
        if inner <= 0.0:
            if p2 > 0.0:
                return low, high
        else:
            root = np.sqrt(inner)
            r0, r1 = (-p1 - root) / p2, (-p1 + root) / p2
            if p2 > 0.0:
                s0, s1 = max(s0, r0), min(s1, r1)
            elif 0.5 * (s0 + s1) > -p1 / p2:  # the ray is steeper than the cone's flank: it is inside beyond a root
                s0 = max(s0, max(r0, r1))
            else:
                s1 = min(s1, min(r0, r1))
    if s1 <= s0:
        return low, high
    if high < low:
        return s0, s1
    return min(low, s0), max(high, s1)


@numba.njit(cache=True, nogil=True)
def tile_lists(low, high, tile, tiles_down, tiles_across):
    """Return CSR lists (starts, members) of the capsules whose boxes of pixels meet each tile.

    low, high : (n, 2) first and last row and column.
    """
    count = np.zeros(tiles_down * tiles_across + 1, np.int64)
    members = np.empty(0, np.int64)
    place = np.zeros(tiles_down * tiles_across + 1, np.int64)
    for fill in range(2):
        if fill == 1:
            for t in range(tiles_down * tiles_across):
                place[t + 1] = place[t] + count[t]
            members = np.empty(place[-1], np.int64)
            count[:] = 0
        for n in range(low.shape[0]):
            for r in range(max(low[n, 0] // tile, 0), min(high[n, 0] // tile, tiles_down - 1) + 1):
                for c in range(max(low[n, 1] // tile, 0), min(high[n, 1] // tile, tiles_across - 1) + 1):
                    t = r * tiles_across + c
                    if fill == 1:
                        members[place[t] + count[t]] = n
                    count[t] += 1
    return place, members


@numba.njit(cache=True, nogil=True)
def _insert(starts, ends, count, low, high):
    """Insert a piece into the sorted list of pieces; return the new count. Beyond the list's end it is dropped."""
    if count >= starts.shape[0]:
        return count
    n = count
    while n > 0 and starts[n - 1] > low:
        starts[n], ends[n] = starts[n - 1], ends[n - 1]
        n -= 1
    starts[n], ends[n] = low, high
    return count + 1


@numba.njit(cache=True, nogil=True)
def _merge(starts, ends, count):
    """Join overlapping pieces of a sorted list in place; return their number."""
    if count == 0:
        return 0
    last = 0
    for n in range(1, count):
        if starts[n] <= ends[last]:
            ends[last] = max(ends[last], ends[n])
        else:
            last += 1
            starts[last], ends[last] = starts[n], ends[n]
    return last + 1


@numba.njit(cache=True, nogil=True)
def _at(labels, neighbour, fraction, texture, table, pk, pj, pi, out):
    """Write what a phantom holds of each basis material at a place in voxel indices, trilinear, 0 beyond the voxels."""
    lanes = table.shape[1]
    for m in range(lanes):
        out[m] = 0.0
    k0, j0, i0 = int(np.floor(pk)), int(np.floor(pj)), int(np.floor(pi))
    fk, fj, fi = pk - k0, pj - j0, pi - i0
    for corner in range(8):
        up, back, left = corner >> 2, (corner >> 1) & 1, corner & 1
        k, j, i = k0 + up, j0 + back, i0 + left
        if k < 0 or j < 0 or i < 0 or k >= labels.shape[0] or j >= labels.shape[1] or i >= labels.shape[2]:
            continue
        w = (fk if up else 1 - fk) * (fj if back else 1 - fj) * (fi if left else 1 - fi)
        scale = 1 + TEXTURE_UNIT * texture[k, j, i]
        f = fraction[k, j, i] / FRACTION_UNIT
        for m in range(lanes):
            value = table[labels[k, j, i], m] * scale
            out[m] += w * (value + f * (table[neighbour[k, j, i], m] - value))


@numba.njit(parallel=True, cache=True, nogil=True)
def capsule_lengths(ends_a, ends_b, radii_a, radii_b, lumen_a, lumen_b, place, members, tile, across, source, origin,
                    row_step, column_step, sub, labels, neighbour, fraction, texture, table, corner, to_index, step_mm,
                    solid, displaced):
    """Write the mean length of rays in the union of capsules (row, column), and what a phantom holds there.

    ends : (n, 3) mm relative to the source; radii : outer; lumen : radii of the holes, 0 for none (a hole cuts
    every wall). sub : rays per pixel and direction. Voxel indices are to_index @ (mm from the source) + corner; the
    phantom is looked up every `step_mm` along the pieces. solid (row, column) and displaced (row, column, lane) in cm.
    """
    rows, columns = solid.shape
    lanes = displaced.shape[2]
    tiles = place.shape[0] - 1
    share = 0.1 / (sub * sub)
    for t in numba.prange(tiles):
        if place[t + 1] == place[t]:
            continue
        starts, ends = np.empty(MOST_CHORDS), np.empty(MOST_CHORDS)
        inner, outer = np.empty(MOST_CHORDS), np.empty(MOST_CHORDS)
        found = np.empty(lanes)
        r0, c0 = (t // across) * tile, (t % across) * tile
        for r in range(r0, min(r0 + tile, rows)):
            for c in range(c0, min(c0 + tile, columns)):
                length = 0.0
                for s in range(sub * sub):
                    y = r + (s // sub + 0.5) / sub - 0.5
                    x = c + (s % sub + 0.5) / sub - 0.5
                    rx = origin[0] + y * row_step[0] + x * column_step[0] - source[0]
                    ry = origin[1] + y * row_step[1] + x * column_step[1] - source[1]
                    rz = origin[2] + y * row_step[2] + x * column_step[2] - source[2]
                    size = np.sqrt(rx * rx + ry * ry + rz * rz)
                    rx, ry, rz = rx / size, ry / size, rz / size
                    pieces, holes = 0, 0
                    for m in range(place[t], place[t + 1]):
                        n = members[m]
                        low, high = capsule_chord(rx, ry, rz, ends_a[n, 0], ends_a[n, 1], ends_a[n, 2], ends_b[n, 0],
                                                  ends_b[n, 1], ends_b[n, 2], radii_a[n], radii_b[n])
                        if high <= low:
                            continue
                        pieces = _insert(starts, ends, pieces, low, high)
                        if lumen_a[n] > 0.0 and lumen_b[n] > 0.0:
                            low, high = capsule_chord(rx, ry, rz, ends_a[n, 0], ends_a[n, 1], ends_a[n, 2],
                                                      ends_b[n, 0], ends_b[n, 1], ends_b[n, 2], lumen_a[n], lumen_b[n])
                            if high > low:
                                holes = _insert(inner, outer, holes, low, high)
                    pieces = _merge(starts, ends, pieces)
                    holes = _merge(inner, outer, holes)
                    for n in range(pieces):
                        whole = ends[n] - starts[n]
                        full = whole
                        for m in range(holes):
                            full -= max(0.0, min(ends[n], outer[m]) - max(starts[n], inner[m]))
                        length += full
                        if lanes == 0:
                            continue
                        steps = max(1, int(np.ceil(whole / step_mm)))
                        each = whole / steps
                        for m in range(steps):
                            at = starts[n] + (m + 0.5) * each
                            pk = at * (to_index[0, 0] * rx + to_index[0, 1] * ry + to_index[0, 2] * rz) + corner[0]
                            pj = at * (to_index[1, 0] * rx + to_index[1, 1] * ry + to_index[1, 2] * rz) + corner[1]
                            pi = at * (to_index[2, 0] * rx + to_index[2, 1] * ry + to_index[2, 2] * rz) + corner[2]
                            _at(labels, neighbour, fraction, texture, table, pk, pj, pi, found)
                            for lane in range(lanes):
                                displaced[r, c, lane] += np.float32(share * each * full / whole * found[lane])
                solid[r, c] = np.float32(share * length)


@numba.njit(parallel=True, cache=True, nogil=True)
def subtract_sampled(labels, neighbour, fraction, texture, table, steps, start, out):
    """Subtract from `out` (k, j, i, lane) what a phantom holds at its voxels, at index steps @ (k, j, i) + start."""
    lanes = out.shape[3]
    for k in numba.prange(out.shape[0]):
        found = np.empty(lanes)
        for j in range(out.shape[1]):
            for i in range(out.shape[2]):
                pk = start[0] + steps[0, 0] * k + steps[0, 1] * j + steps[0, 2] * i
                pj = start[1] + steps[1, 0] * k + steps[1, 1] * j + steps[1, 2] * i
                pi = start[2] + steps[2, 0] * k + steps[2, 1] * j + steps[2, 2] * i
                _at(labels, neighbour, fraction, texture, table, pk, pj, pi, found)
                for m in range(lanes):
                    out[k, j, i, m] -= np.float32(found[m])
