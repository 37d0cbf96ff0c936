"""The texture's inner loop: runs of one label along a row, octave by octave."""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="call-arg"

from __future__ import annotations

import numba
import numpy as np

from medsynth.core.intrinsic_kernels import borrowed

PIECE = 64  # voxels of a run that are worked on at a time


@numba.njit(nogil=True)
def _blended_row(tile, first, count, b, c, q, r, row):
    """Write the tile's row `first`..`first + count` at (b + q, c + r): linear across it, once for a whole run."""
    tile, row = borrowed(tile), borrowed(row)
    mask = tile.shape[0] - 1
    b0, b1, c0, c1 = b & mask, (b + 1) & mask, c & mask, (c + 1) & mask
    w00, w01 = np.float32((1 - r) * (1 - q)), np.float32((1 - r) * q)
    w10, w11 = np.float32(r * (1 - q)), np.float32(r * q)
    at = first & mask
    done = 0
    while done < count:  # the tile repeats
        length = min(count - done, mask + 1 - at)
        n00, n01 = tile[c0, b0, at : at + length], tile[c0, b1, at : at + length]
        n10, n11 = tile[c1, b0, at : at + length], tile[c1, b1, at : at + length]
        for n in range(length):
            row[done + n] = w00 * n00[n] + w01 * n01[n] + w10 * n10[n] + w11 * n11[n]
        done += length
        at = 0


@numba.njit(nogil=True)
def _noise_on_line(tile, u, v, w, du, dv, dw, count, row, out):
    """Write the tile's linear interpolation at (u, v, w) + n (du, dv, dw), n = 0..count - 1."""
    mask = tile.shape[0] - 1
    if dv == 0.0 and dw == 0.0 and abs(du) * count < row.size - 4:
        first = int(np.floor(min(u, u + (count - 1) * du)))
        last = int(np.floor(max(u, u + (count - 1) * du))) + 1
        b, c = int(np.floor(v)), int(np.floor(w))
        _blended_row(tile, first, last - first + 1, b, c, v - b, w - c, row)
        start, step = np.float32(u - first), np.float32(du)
        for n in range(count):
            t = start + np.float32(n) * step
            cell = np.int32(t)
            out[n] = row[cell] + (t - np.float32(cell)) * (row[cell + 1] - row[cell])
        return
    for n in range(count):
        x, y, z = u + n * du, v + n * dv, w + n * dw
        a, b, c = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
        p, q, r = np.float32(x - a), np.float32(y - b), np.float32(z - c)
        a0, a1, b0, b1, c0, c1 = a & mask, (a + 1) & mask, b & mask, (b + 1) & mask, c & mask, (c + 1) & mask
        low = (1 - q) * ((1 - p) * tile[c0, b0, a0] + p * tile[c0, b0, a1]) + q * (
            (1 - p) * tile[c0, b1, a0] + p * tile[c0, b1, a1]
        )
        high = (1 - q) * ((1 - p) * tile[c1, b0, a0] + p * tile[c1, b0, a1]) + q * (
            (1 - p) * tile[c1, b1, a0] + p * tile[c1, b1, a1]
        )
        out[n] = (1 - r) * low + r * high


@numba.njit(cache=True, nogil=True, parallel=True)
def fill_texture(
    texture,
    labels,
    tile,
    tile_step,
    steps,
    origin,
    octave_start,
    octave_count,
    octaves,
    ridge_start,
    ridge_count,
    ridges,
    gradients,
    shifts,
    wanted,
):
    """Write the relative density deviation x 10^4 of every voxel whose label has a texture.

    tile : periodic oversampled noise; octaves : (n, 2) wavelength in mm and amplitude; ridges : (n, 3).
    steps : (3, 3) LPS mm per voxel step (k, j, i). wanted : (65536,) labels to write.
    """
    columns = labels.shape[2]
    for k in numba.prange(labels.shape[0]):
        total, noise = np.empty(PIECE, np.float32), np.empty(PIECE, np.float32)
        row = np.empty(4 * PIECE, np.float32)
        for j in range(labels.shape[1]):
            i = 0
            while i < columns:
                label = labels[k, j, i]
                begin = i
                while i < columns and labels[k, j, i] == label and i - begin < PIECE:
                    i += 1
                if not wanted[label]:
                    continue
                count = i - begin
                x = origin[0] + steps[0, 0] * k + steps[0, 1] * j + steps[0, 2] * begin
                y = origin[1] + steps[1, 0] * k + steps[1, 1] * j + steps[1, 2] * begin
                z = origin[2] + steps[2, 0] * k + steps[2, 1] * j + steps[2, 2] * begin
                g0, g1, g2 = gradients[label, 0], gradients[label, 1], gradients[label, 2]
                slope = g0 * steps[0, 2] + g1 * steps[1, 2] + g2 * steps[2, 2]
                for n in range(count):
                    total[n] = g0 * x + g1 * y + g2 * z + n * slope
                for n in range(octave_count[label] + ridge_count[label]):
                    ridge = n >= octave_count[label]
                    at = ridge_start[label] + n - octave_count[label] if ridge else octave_start[label] + n
                    scale = tile_step / (ridges[at, 0] if ridge else octaves[at, 0])
                    _noise_on_line(
                        tile,
                        x * scale + shifts[label, 0] + 17.3 * n,
                        y * scale + shifts[label, 1] + 31.7 * n,
                        z * scale + shifts[label, 2] + 11.9 * n,
                        steps[0, 2] * scale,
                        steps[1, 2] * scale,
                        steps[2, 2] * scale,
                        count,
                        row,
                        noise,
                    )
                    if ridge:
                        inverse, height = np.float32(1.0 / ridges[at, 1]), np.float32(ridges[at, 2])
                        for m in range(count):
                            deviation = noise[m] * inverse
                            if abs(deviation) < np.float32(4.0):
                                total[m] += height * np.exp(-deviation * deviation)
                    else:
                        height = np.float32(octaves[at, 1])
                        for m in range(count):
                            total[m] += height * noise[m]
                for m in range(count):
                    texture[k, j, begin + m] = np.int16(
                        min(np.float32(30000.0), max(np.float32(-9500.0), total[m] * np.float32(1e4)))
                    )
