"""The texture's inner loops: rows of 16 voxels, one octave after the other, for every label that a row holds."""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disable-error-code="call-arg"

from __future__ import annotations

import numba
import numpy as np

from medsynth.core.intrinsic_kernels import ROW, blend_rows, borrowed

NODES = 48  # nodes of the noise that a row of voxels may span and still be taken together
LONG = 256  # nodes that a row may span and still be taken across at once
SLAB = 4  # slices that one thread works on with the same weights


@numba.njit(nogil=True)
def _row_weights(u, du, height, weights, begin):
    """Write the weights (nodes, 16) x height of linear interpolation at u + n du; return first node, count, or 0.

    They are the same for all rows of voxels at the same columns. No count: the row spans more nodes than fit.
    """
    first = int(np.floor(min(u, u + (ROW - 1) * du)))
    count = int(np.floor(max(u, u + (ROW - 1) * du))) + 2 - first
    if count > NODES:
        return first, 0
    for n in range((count + 3) // 4 * 4 * ROW):
        weights[begin + n] = np.float32(0.0)
    for n in range(ROW):
        t = u + n * du - first
        cell = int(t)
        part = t - cell
        weights[begin + cell * ROW + n] += np.float32((1.0 - part) * height)
        weights[begin + (cell + 1) * ROW + n] += np.float32(part * height)
    return first, count


@numba.njit(nogil=True)
def _across(tile, size, first, count, v, w, nodes):
    """Write the noise at `count` nodes of a row from `first` on: linear across the row, once for all its voxels.

    tile : one period of `size` nodes along every axis, and 16 more along the rows.
    """
    mask, stride = size - 1, size + ROW
    b, c = int(np.floor(v)), int(np.floor(w))
    q, r = v - b, w - c
    shares = (
        np.float32((1 - r) * (1 - q)),
        np.float32((1 - r) * q),
        np.float32(r * (1 - q)),
        np.float32(r * q),
    )
    b0, b1, c0, c1 = b & mask, (b + 1) & mask, (c & mask) * size, ((c + 1) & mask) * size
    n00, n01, n10, n11 = (c0 + b0) * stride, (c0 + b1) * stride, (c1 + b0) * stride, (c1 + b1) * stride
    for done in range(0, count, ROW):
        at = (first + done) & mask
        blend_rows(nodes, done, tile, (n00 + at, n01 + at, n10 + at, n11 + at), shares, False)


@numba.njit(nogil=True)
def _add_row(tile, size, first, count, v, w, weights, begin, nodes, out):
    """Add the noise of one row to out, along the row with the weights of `_row_weights`."""
    _across(tile, size, first, count, v, w, nodes)
    for n in range(0, count, 4):
        at = begin + n * ROW
        places = (at, at + ROW, at + 2 * ROW, at + 3 * ROW)
        blend_rows(out, 0, weights, places, (nodes[n], nodes[n + 1], nodes[n + 2], nodes[n + 3]), True)


@numba.njit(nogil=True)
def _add_long_row(tile, size, u, du, v, w, height, nodes, out):
    """Add the noise of one row of coarse voxels to out, between two nodes each."""
    first = int(np.floor(min(u, u + (ROW - 1) * du)))
    last = int(np.floor(max(u, u + (ROW - 1) * du))) + 1
    _across(tile, size, first, last - first + 1, v, w, nodes)
    for n in range(ROW):
        t = u + n * du - first
        cell = int(t)
        out[n] += np.float32(height * (nodes[cell] + (t - cell) * (nodes[cell + 1] - nodes[cell])))


@numba.njit(nogil=True)
def _add_points(tile, size, u, v, w, du, dv, dw, height, out):
    """Add the noise at (u, v, w) + n (du, dv, dw), n = 0..15, point by point: any direction, any step."""
    mask, stride = size - 1, size + ROW
    for n in range(ROW):
        x, y, z = u + n * du, v + n * dv, w + n * dw
        a, b, c = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
        p, q, r = x - a, y - b, z - c
        a0, a1, b0, b1, c0, c1 = a & mask, (a + 1) & mask, b & mask, (b + 1) & mask, c & mask, (c + 1) & mask
        n00, n01, n10, n11 = c0 * size + b0, c0 * size + b1, c1 * size + b0, c1 * size + b1
        low = (1 - q) * ((1 - p) * tile[n00 * stride + a0] + p * tile[n00 * stride + a1]) + q * (
            (1 - p) * tile[n01 * stride + a0] + p * tile[n01 * stride + a1]
        )
        high = (1 - q) * ((1 - p) * tile[n10 * stride + a0] + p * tile[n10 * stride + a1]) + q * (
            (1 - p) * tile[n11 * stride + a0] + p * tile[n11 * stride + a1]
        )
        out[n] += np.float32(((1 - r) * low + r * high) * height)


@numba.njit(nogil=True)
def _add_bumps(noise, height, power, total, count):
    """Add height x exp(-noise^2) to total; 2^y as the bits of its whole part times a series, in steps the SIMD has."""
    scale = power.view(np.float32)
    one, log2, ln2 = np.float32(1.0), np.float32(-1.4426950408889634), np.float32(0.6931471805599453)
    for n in range(count):
        y = max(noise[n] * noise[n] * log2, np.float32(-30.0))
        whole = np.int32(y)
        f = (y - np.float32(whole)) * ln2
        power[n] = (whole + np.int32(127)) << np.int32(23)
        series = one + f * np.float32(1 / 7)
        series = one + f * np.float32(1 / 6) * series
        series = one + f * np.float32(1 / 5) * series
        series = one + f * np.float32(1 / 4) * series
        series = one + f * np.float32(1 / 3) * series
        series = one + f * np.float32(1 / 2) * series
        noise[n] = (one + f * series) * height
    for n in range(count):
        total[n] += noise[n] * scale[n]


@numba.njit(nogil=True)
def _slab(
    scratch, texture, labels, tile, size, tile_step, steps, origin, entries, waves, gradients, shifts, wanted,
    k_low, k_high,
):  # fmt: skip
    texture, labels, tile, steps, origin = (
        borrowed(texture), borrowed(labels), borrowed(tile), borrowed(steps), borrowed(origin)
    )  # fmt: skip
    entries, waves, gradients = borrowed(entries), borrowed(waves), borrowed(gradients)
    shifts, wanted = borrowed(shifts), borrowed(wanted)
    weights, nodes, spans = borrowed(scratch[0]), borrowed(scratch[1]), borrowed(scratch[2])
    total, noise, power = borrowed(scratch[3]), borrowed(scratch[4]), borrowed(scratch[5])
    columns = labels.shape[2]
    straight = steps[0, 0] == 0.0 and steps[0, 1] == 0.0 and steps[1, 2] == 0.0 and steps[2, 2] == 0.0
    for begin in range(0, columns, ROW):
        count = min(ROW, columns - begin)
        for e in range(spans.shape[0]):
            spans[e, 1] = -1  # weights not known yet at these columns
        for k in range(k_low, k_high):
            for j in range(labels.shape[1]):
                x = origin[0] + steps[0, 0] * k + steps[0, 1] * j + steps[0, 2] * begin
                y = origin[1] + steps[1, 0] * k + steps[1, 1] * j + steps[1, 2] * begin
                z = origin[2] + steps[2, 0] * k + steps[2, 1] * j + steps[2, 2] * begin
                done = 0  # bits of the voxels that have their texture
                for start in range(count):
                    label = labels[k, j, begin + start]
                    if done >> start & 1 or not wanted[label]:
                        continue
                    g0, g1, g2 = gradients[label, 0], gradients[label, 1], gradients[label, 2]
                    level, slope = g0 * x + g1 * y + g2 * z, g0 * steps[0, 2] + g1 * steps[1, 2] + g2 * steps[2, 2]
                    for n in range(ROW):
                        total[n] = level + n * slope
                    for e in range(entries[label, 0], entries[label, 1]):
                        scale, height, ridge = tile_step / waves[e, 0], waves[e, 1], waves[e, 2] > 0.0
                        u = x * scale + shifts[e, 0]
                        v = y * scale + shifts[e, 1]
                        w = z * scale + shifts[e, 2]
                        du, dv, dw = steps[0, 2] * scale, steps[1, 2] * scale, steps[2, 2] * scale
                        out, factor = (noise, 1.0 / waves[e, 2]) if ridge else (total, height)
                        if ridge:
                            for n in range(ROW):
                                noise[n] = np.float32(0.0)
                        if straight and spans[e, 1] < 0:
                            spans[e, 0], spans[e, 1] = _row_weights(u, du, factor, weights, e * NODES * ROW)
                        if straight and spans[e, 1] > 0:
                            _add_row(tile, size, spans[e, 0], spans[e, 1], v, w, weights, e * NODES * ROW, nodes, out)
                        elif straight and abs(du) * ROW < LONG:
                            _add_long_row(tile, size, u, du, v, w, factor, nodes, out)
                        else:
                            _add_points(tile, size, u, v, w, du, dv, dw, factor, out)
                        if ridge:
                            _add_bumps(noise, np.float32(height), power, total, ROW)
                    for n in range(start, count):
                        if labels[k, j, begin + n] == label:
                            value = min(np.float32(30000.0), max(np.float32(-9500.0), total[n] * np.float32(1e4)))
                            texture[k, j, begin + n] = np.int16(value)
                            done |= 1 << n


@numba.njit(cache=True, nogil=True, parallel=True)
def fill_texture(
    texture, labels, tile, size, tile_step, steps, origin, entries, waves, gradients, shifts, wanted,
):  # fmt: skip
    """Write the relative density deviation x 10^4 of every voxel whose label has a texture.

    tile : periodic noise of `size` nodes (a power of two) along every axis, tile_step to a wavelength, flat; the first
    axis runs fastest and goes on for 16 nodes more. steps : (3, 3) mm along the tile's axes per voxel step (k, j, i);
    rows are quick where i goes along the first. entries : (65536, 2) first and last + 1 of a label's waves. waves :
    (n, 3) wavelength in mm, height, and 0 for an octave or the relative width of a ridge. shifts : (n, 3) nodes.
    gradients : (65536, 3) per mm. wanted : (65536,) labels to write.
    """
    slices = labels.shape[0]
    for slab in numba.prange((slices + SLAB - 1) // SLAB):
        scratch = (
            np.empty(waves.shape[0] * NODES * ROW, np.float32),
            np.empty(LONG + 2 * ROW, np.float32),
            np.empty((waves.shape[0], 2), np.int64),
            np.empty(ROW, np.float32),
            np.empty(ROW, np.float32),
            np.empty(ROW, np.int32),
        )
        _slab(
            scratch, texture, labels, tile, size, tile_step, steps, origin, entries, waves, gradients, shifts, wanted,
            slab * SLAB, min(slab * SLAB + SLAB, slices),
        )  # fmt: skip
