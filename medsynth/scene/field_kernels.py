"""Painting one sampled field: blocks of voxels that are clear of its surface are skipped or filled, the others cut."""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disable-error-code="call-arg"

from __future__ import annotations

import numba
import numpy as np

from medsynth.core.intrinsic_kernels import borrowed
from medsynth.scene.block_kernels import CUT, INSIDE, OUTSIDE, classify, cut
from medsynth.scene.upsample_kernels import LONGEST, NODES, SIDE, WIDE, linear, upsample, upsample_oblique
from medsynth.scene.voxel_kernels import fill, put
from medsynth.shapes.brick_kernels import BRICK

TILE_K, TILE_J, TILE_I = 8, 8, WIDE - 2  # points of the blocks that are skipped, filled or interpolated together
ALL_INSIDE = np.uint64(0x0101010101010101 * INSIDE)  # eight codes
MOST = SIDE - 2  # parts of a voxel along an axis, at most


@numba.njit(nogil=True)
def _splits(steps, axis):
    """How often a voxel is split along an axis: above 1.5 lattice steps into pieces of one at most.

    A voxel longer than the lattice step holds more of the surface than one plane can tell.
    """
    length = np.sqrt(steps[0, axis] ** 2 + steps[1, axis] ** 2 + steps[2, axis] ** 2)
    return 1 if length < 1.5 + 1e-9 else min(MOST, int(np.ceil(length - 1e-9)))


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
def _sole_owner(owner, values, u, v, w, half, level):
    """Return the owner of the nodes below `level` in and around a box, -1 where they have more than one."""
    nz, ny, nx = owner.shape
    first = -1
    for k in range(min(max(int(w - half[2]) - 1, 0), nz - 1), min(max(int(w + half[2]) + 2, 0), nz - 1) + 1):
        for j in range(min(max(int(v - half[1]) - 1, 0), ny - 1), min(max(int(v + half[1]) + 2, 0), ny - 1) + 1):
            for i in range(min(max(int(u - half[0]) - 1, 0), nx - 1), min(max(int(u + half[0]) + 2, 0), nx - 1) + 1):
                if values[k, j, i] <= level and owner[k, j, i] != first:
                    if first >= 0:
                        return -1
                    first = int(owner[k, j, i])
    return max(first, 0)


@numba.njit(nogil=True)
def _fill_rows(labels, neighbour, fraction, ks, ke, js, je, begin, end, label, over, everywhere):
    """Cover a box of whole voxels with one label, in rows as long as it has."""
    if end <= begin:
        return
    for k in range(ks, ke):
        for j in range(js, je):
            fill(labels[k, j], neighbour[k, j], fraction[k, j], begin, end, label, over, everywhere)


@numba.njit(nogil=True)
def _add_parts(tile, code, row, count, parts, voxel, insets, cum, shares):
    """Add one row of points, each a part of a voxel, to its voxels' shares (voxels, layers)."""
    k, j = row
    layers = insets.shape[0]
    for n in range(count):
        state = code[(j - 1) * WIDE + n + 1]
        if state == OUTSIDE:
            continue
        at = voxel + n // parts
        if state == CUT:
            cut(tile, k, j, n + 1, insets, cum)
            for m in range(layers):
                shares[at, m] += cum[m]
        else:
            for m in range(layers):
                shares[at, m] += 1.0


@numba.njit(nogil=True)
def _scratch(layers, points):
    """Return the working memory of one line: of the rule, of the interpolation, of the tile."""
    return (
        (np.empty(layers + 3, np.int64), np.empty(layers + 3, np.float64)),
        (np.empty(layers + 1, np.int64), np.empty(layers + 1, np.float64)),
        (np.zeros(layers + 1, np.float64), np.empty(3, np.float64), np.empty(3, np.float64)),
        (np.empty((3, SIDE, 4), np.int64), np.empty((3, SIDE, 4), np.float32)),
        (np.empty(NODES * WIDE, np.float32), np.empty(NODES * WIDE, np.float32)),
        np.empty(NODES * SIDE * WIDE, np.float32),
        (np.zeros((SIDE, SIDE, WIDE), np.float32), np.empty(SIDE * WIDE, np.uint8), np.empty(WIDE, np.uint8)),
        np.zeros((points, layers), np.float64),
    )


@numba.njit(nogil=True)
def _paint_line(
    scratch, labels, neighbour, fraction, values, owner, has_owner, bounds_low, bounds_high, bounds_steep, steps, small,
    start, parts, ks, ke, js, je, low_i, high_i, size_i, insets, layer_labels, over, everywhere, organ, material,
):  # fmt: skip
    """Paint one line of blocks along i."""
    labels, neighbour, fraction = borrowed(labels), borrowed(neighbour), borrowed(fraction)
    values, owner, insets, layer_labels = borrowed(values), borrowed(owner), borrowed(insets), borrowed(layer_labels)
    bounds_low, bounds_high, bounds_steep = borrowed(bounds_low), borrowed(bounds_high), borrowed(bounds_steep)
    steps, small, start = borrowed(steps), borrowed(small), borrowed(start)
    over, organ, material = borrowed(over), borrowed(organ), borrowed(material)
    work_l, work_w = borrowed(scratch[0][0]), borrowed(scratch[0][1])
    new_l, new_p = borrowed(scratch[1][0]), borrowed(scratch[1][1])
    cum, half, first = borrowed(scratch[2][0]), borrowed(scratch[2][1]), borrowed(scratch[2][2])
    index, weight = borrowed(scratch[3][0]), borrowed(scratch[3][1])
    dense, along_x, along_xy = borrowed(scratch[4][0]), borrowed(scratch[4][1]), borrowed(scratch[5])
    tile, code, shares = borrowed(scratch[6][0]), borrowed(scratch[6][1]), borrowed(scratch[7])
    layers = insets.shape[0]
    shallowest, deepest = insets[0], insets[layers - 1]
    ny, nx = labels.shape[1], labels.shape[2]
    flat_l, flat_n, flat_f = labels.reshape(-1), neighbour.reshape(-1), fraction.reshape(-1)
    flat_tile = tile.reshape(-1)
    mask_bytes = borrowed(scratch[6][2])
    words, mask = code.view(np.uint64), mask_bytes.view(np.uint64)
    na, nb, nc = parts
    whole = na * nb * nc == 1
    share = 1.0 / (na * nb * nc)
    axial = (
        steps[0, 0] == 0.0 and steps[0, 1] == 0.0 and steps[1, 0] == 0.0 and steps[1, 2] == 0.0
        and steps[2, 1] == 0.0 and steps[2, 2] == 0.0
        and max(abs(small[2, 0]), max(abs(small[1, 1]), abs(small[0, 2]))) <= LONGEST
    )  # fmt: skip
    pitch = (small[0, 2], small[1, 1], small[2, 0])
    reach = reach_small = 0.0  # half the diagonal of a voxel, and of a part, in lattice steps
    for axis in range(3):
        for step in range(3):
            reach += 0.25 * steps[axis, step] ** 2
            reach_small += 0.25 * small[axis, step] ** 2
    reach, reach_small = np.sqrt(reach), np.sqrt(reach_small)
    reach_nodes = int(np.ceil(reach)) if reach > 1.0 else 1
    run_begin, run_end, run_label = 0, 0, 0  # columns that wait to be filled together: long rows are fast
    for is_ in range(low_i, high_i, size_i):
        ie = min(is_ + size_i, high_i)
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
            bounds_low, bounds_high, bounds_steep,
            u - half[0], u + half[0], v - half[1], v + half[1], w - half[2], w + half[2],
        )  # fmt: skip
        # The cubic may overshoot the nodes by an eighth of their range; and no value differs from the middle's by
        # more than the steepest slope allows.
        slack = 0.125 * (most - least)
        middle, spread = linear(values, u, v, w), slope * (np.sqrt(radius) + 0.5)
        least, most = max(least - slack, middle - spread), min(most + slack, middle + spread)
        far = slope * (1.2 * reach_small + 0.05)
        outside = least > -shallowest
        sole = 0
        if has_owner and not outside:
            level = max(0.0, slope * (1.2 * reach + 0.05) - shallowest) + slack
            sole = _sole_owner(owner, values, u, v, w, half, level)
        filled = not outside and most < -deepest and sole >= 0
        label = layer_labels[layers - 1, sole]
        if not (filled and label == run_label and run_end == is_):
            _fill_rows(labels, neighbour, fraction, ks, ke, js, je, run_begin, run_end, run_label, over, everywhere)
            run_begin, run_end, run_label = is_, is_, label
        if filled:
            run_end = ie
        if filled or outside:
            continue
        if not everywhere and not _may_cover(labels, neighbour, ks, ke, js, je, is_, ie, over):
            continue
        count = ie - is_
        for n in range(WIDE):
            mask_bytes[n] = 255 if 1 <= n <= count else 0
        fk, fj, fi = ks - 0.5 * (na + 1) / na, js - 0.5 * (nb + 1) / nb, is_ - 0.5 * (nc + 1) / nc
        for axis in range(3):
            first[axis] = start[axis] + steps[axis, 0] * fk + steps[axis, 1] * fj + steps[axis, 2] * fi
        if axial:
            upsample(
                values, first, pitch, flat_tile, (ke - ks) * na + 2, (je - js) * nb + 2,
                index, weight, dense, along_x, along_xy,
            )  # fmt: skip
        else:
            upsample_oblique(values, first, small, tile, (ke - ks) * na + 2, (je - js) * nb + 2, (ie - is_) * nc + 2)
        if not whole:
            shares[:] = 0.0
            for p in range((ke - ks) * na):
                classify(flat_tile, p + 1, (je - js) * nb, far, shallowest, deepest, code)
                for q in range((je - js) * nb):
                    voxel = ((p // na) * (je - js) + q // nb) * count
                    _add_parts(tile, code, (p + 1, q + 1), count * nc, nc, voxel, insets, cum, shares)
        for k in range(ks, ke):
            if whole:
                classify(flat_tile, k - ks + 1, je - js, far, shallowest, deepest, code)
            for j in range(js, je):
                at, row = (k * ny + j) * nx, (j - js) * WIDE + 1 - is_
                voxel = ((k - ks) * (je - js) + j - js) * count - is_
                if whole:  # eight codes at a time
                    head, tail = words[2 * (j - js)] & mask[0], words[2 * (j - js) + 1] & mask[1]
                    if head | tail == OUTSIDE:
                        continue
                    if head == mask[0] & ALL_INSIDE and tail == mask[1] & ALL_INSIDE and sole >= 0:
                        label = layer_labels[layers - 1, sole]
                        fill(flat_l, flat_n, flat_f, at + is_, at + ie, label, over, everywhere)
                        continue
                i = is_
                while i < ie:
                    begin = i
                    i += 1
                    if whole:
                        state = code[row + begin]
                    elif shares[voxel + begin, 0] <= 0.0:
                        state = OUTSIDE
                    else:
                        state = INSIDE if shares[voxel + begin, layers - 1] * share >= 1.0 - 1e-9 else CUT
                    if state == OUTSIDE:
                        continue
                    if state == INSIDE and sole >= 0:
                        if whole:
                            while i < ie and code[row + i] == INSIDE:
                                i += 1
                        label = layer_labels[layers - 1, sole]
                        fill(flat_l, flat_n, flat_f, at + begin, at + i, label, over, everywhere)
                        continue
                    if not (everywhere or over[flat_l[at + begin]] or over[flat_n[at + begin]]):
                        continue
                    own = sole
                    if sole < 0:
                        u = start[0] + steps[0, 0] * k + steps[0, 1] * j + steps[0, 2] * begin
                        v = start[1] + steps[1, 0] * k + steps[1, 1] * j + steps[1, 2] * begin
                        w = start[2] + steps[2, 0] * k + steps[2, 1] * j + steps[2, 2] * begin
                        own = np.int64(_owner_at(owner, values, u, v, w, reach_nodes))
                    if state == INSIDE:
                        label = layer_labels[layers - 1, own]
                        fill(flat_l, flat_n, flat_f, at + begin, at + begin + 1, label, over, everywhere)
                        continue
                    if whole:
                        cut(tile, k - ks + 1, j - js + 1, begin - is_ + 1, insets, cum)
                    else:
                        for m in range(layers):
                            cum[m] = shares[voxel + begin, m] * share
                    n = 0
                    for m in range(layers):
                        part = cum[m] - cum[m + 1]
                        if part > 0.0:
                            new_l[n], new_p[n] = layer_labels[m, own], part
                            n += 1
                    put(at + begin, flat_l, flat_n, flat_f, over, organ, material, new_l, new_p, n, work_l, work_w)
    _fill_rows(labels, neighbour, fraction, ks, ke, js, je, run_begin, run_end, run_label, over, everywhere)


@numba.njit(nogil=True)
def _spread(count):
    """Return a step through `count` lines that shares out neighbours: any part of the walk is a fair sample."""
    step = max(1, int(0.618 * count))
    while True:
        a, b = step, count
        while b:
            a, b = b, a % b
        if a == 1:
            return step
        step += 1


@numba.njit(cache=True, nogil=True, parallel=True)
def paint_field(
    labels, neighbour, fraction, values, owner, has_owner, bounds_low, bounds_high, bounds_steep, steps, start, low,
    high, insets, layer_labels, over, everywhere, organ, material,
):  # fmt: skip
    """Paint the layers of one sampled field.

    labels, neighbour, fraction : (k, j, i) written in place. bounds_* : the field's bounds by bricks. steps : (3, 3)
    lattice steps (x, y, z) per voxel step (k, j, i). start : lattice position of voxel (0, 0, 0). low, high : voxel
    box. insets, layer_labels : (layers,), (layers, owners).

    A block of voxels whose field is known to be clear of zero is skipped or filled as a whole. The others are
    interpolated with one point around them (voxels longer than the lattice's step by parts), and those that the surface
    crosses are cut.
    """
    parts = (_splits(steps, 0), _splits(steps, 1), _splits(steps, 2))
    small = np.empty((3, 3), np.float64)
    for axis in range(3):
        for step in range(3):
            small[axis, step] = steps[axis, step] / parts[step]
    size_k, size_j, size_i = max(1, TILE_K // parts[0]), max(1, TILE_J // parts[1]), max(1, TILE_I // parts[2])
    lines_j = (high[1] - low[1] + size_j - 1) // size_j
    lines = (high[0] - low[0] + size_k - 1) // size_k * lines_j
    stride = _spread(lines)
    for turn in numba.prange(lines):
        line = turn * stride % lines
        ks, js = low[0] + line // lines_j * size_k, low[1] + line % lines_j * size_j
        scratch = _scratch(insets.shape[0], 0 if parts[0] * parts[1] * parts[2] == 1 else TILE_K * TILE_J * TILE_I)
        _paint_line(
            scratch, labels, neighbour, fraction, values, owner, has_owner, bounds_low, bounds_high, bounds_steep,
            steps, small, start, parts, ks, min(ks + size_k, high[0]), js, min(js + size_j, high[1]), low[2], high[2],
            size_i, insets, layer_labels, over, everywhere, organ, material,
        )  # fmt: skip
