"""The inner loops of the fast tier: attenuation, blurs, projections and noise scaling.

Parallel loops write disjoint slices, so that results do not depend on the number of threads.
"""

from __future__ import annotations

import numba
import numpy as np

from medsynth.scene.phantom import FRACTION_UNIT, TEXTURE_UNIT

LANES = 8  # slices that a loop takes side by side: no sum runs over them, so that their number changes no value


@numba.njit(cache=True, nogil=True, inline="always")
def _row_between_blocks(coarse, j, block, line):
    """Write row j of `coarse` (j, i), interpolated linearly along columns; the last value stands twice."""
    rows, columns = coarse.shape
    y = min(max(j * np.float32(1.0 / block) + np.float32(0.5 / block - 0.5), np.float32(0.0)), np.float32(rows - 1))
    low = int(y)
    t = y - low
    high = min(low + 1, rows - 1)
    for c in range(columns):
        line[c] = coarse[low, c] + t * (coarse[high, c] - coarse[low, c])
    line[columns] = line[columns - 1]


@numba.njit(parallel=True, cache=True, nogil=True)
def attenuation(labels, neighbour, fraction, texture, table, hardness, block, first, out):
    """Write the attenuation of slices from `first` on: a + b x + c x^2 of each label, mixed by fraction.

    table (65536, 3); hardness (k, j, i): x on blocks of `block` pixels, interpolated linearly between their centres.
    """
    slices, rows, columns = labels.shape
    part = np.float32(1.0 / FRACTION_UNIT)
    unit = np.float32(TEXTURE_UNIT)
    one = np.float32(1.0)
    inverse = np.float32(1.0 / block)
    shift = np.float32(0.5 / block - 0.5)
    last = np.float32(hardness.shape[2] - 1)
    for n in numba.prange(out.shape[0]):
        k = min(max(first + n, 0), slices - 1)  # beyond the ends the outermost slice goes on
        line = np.empty(hardness.shape[2] + 1, np.float32)
        for j in range(rows):
            _row_between_blocks(hardness[k], j, block, line)
            for i in range(columns):
                at = min(max(i * inverse + shift, np.float32(0.0)), last)
                c = int(at)
                x = line[c] + (at - c) * (line[c + 1] - line[c])
                own = table[labels[k, j, i]]
                value = (own[0] + x * (own[1] + x * own[2])) * (one + unit * texture[k, j, i])
                f = fraction[k, j, i]
                if f:
                    other = table[neighbour[k, j, i]]
                    value += part * f * (other[0] + x * (other[1] + x * other[2]) - value)
                out[n, j, i] = value


@numba.njit(parallel=True, cache=True, nogil=True)
def across_slices(image, taps):
    halo = len(taps) // 2
    out = np.zeros((image.shape[0] - 2 * halo, image.shape[1], image.shape[2]), np.float32)
    for n in numba.prange(out.shape[0]):
        for t in range(len(taps)):
            for j in range(image.shape[1]):
                for i in range(image.shape[2]):
                    out[n, j, i] += taps[t] * image[n + t, j, i]
    return out


@numba.njit(parallel=True, cache=True, nogil=True)
def in_plane(image, taps, weight, out):
    """Add weight x (taps along rows and columns) * image to `out`; beyond the rim the outermost pixels go on."""
    rows, columns = image.shape[1:]
    reach = len(taps) // 2
    for n in numba.prange(image.shape[0]):
        padded = np.empty(columns + 2 * reach, np.float32)
        line = np.empty(columns, np.float32)
        for j in range(rows):
            padded[:] = np.float32(0.0)
            for t in range(len(taps)):
                source = min(max(j + t - reach, 0), rows - 1)
                for i in range(columns):
                    padded[i + reach] += taps[t] * image[n, source, i]
            padded[:reach] = padded[reach]
            padded[columns + reach:] = padded[columns + reach - 1]
            line[:] = np.float32(0.0)
            for t in range(len(taps)):
                for i in range(columns):
                    line[i] += taps[t] * padded[i + t]
            for i in range(columns):
                out[n, j, i] += weight * line[i]


@numba.njit(parallel=True, cache=True, nogil=True)
def coarse(labels, neighbour, fraction, table, block):
    slices, rows, columns = labels.shape
    out = np.zeros((slices, (rows + block - 1) // block, (columns + block - 1) // block), np.float32)
    part = np.float32(1.0 / FRACTION_UNIT)
    share = np.float32(1.0 / block**2)
    for k in numba.prange(slices):
        for j in range(rows):
            for i in range(columns):
                value = table[labels[k, j, i]]
                f = fraction[k, j, i]
                if f:
                    value += part * f * (table[neighbour[k, j, i]] - value)
                out[k, j // block, i // block] += share * value
    return out


@numba.njit(parallel=True, cache=True, nogil=True)
def project(coarse, directions, out):
    """Add the parallel projections of every slice to `out` (k, angle, bin), `LANES` slices side by side."""
    slices, rows, columns = coarse.shape
    half = np.float32((out.shape[2] - 1) / 2)
    for group in numba.prange((slices + LANES - 1) // LANES):
        first, last = group * LANES, min((group + 1) * LANES, slices)
        values = np.zeros((rows, columns, LANES), np.float32)
        _to_lanes(coarse, first, last, values)
        sums = np.empty((out.shape[2], LANES), np.float32)
        for a in range(len(directions)):
            sums[:] = np.float32(0.0)
            for j in range(rows):
                y = np.float32(j - (rows - 1) / 2) * directions[a, 1] + half
                for i in range(columns):
                    place = np.float32(i - (columns - 1) / 2) * directions[a, 0] + y
                    b = int(place)
                    share = place - b
                    for n in range(LANES):
                        sums[b, n] += (1 - share) * values[j, i, n]
                    for n in range(LANES):
                        sums[b + 1, n] += share * values[j, i, n]
            for k in range(first, last):
                for b in range(out.shape[2]):
                    out[k, a, b] += sums[b, k - first]


@numba.njit(cache=True, nogil=True)
def _to_lanes(values, first, last, out):
    """Write slices `first` to `last` of (k, a, b) to (a, b, lane)."""
    for k in range(first, last):
        for a in range(values.shape[1]):
            for b in range(values.shape[2]):
                out[a, b, k - first] = values[k, a, b]


@numba.njit(parallel=True, cache=True, nogil=True)
def back_project(variance, directions, shares, out):
    """Add the weighted back-projections of (k, angle, bin) to `out` (k, sector, j, i), `LANES` slices side by side."""
    slices, sectors, rows, columns = out.shape
    half = np.float32((variance.shape[2] - 1) / 2)
    for group in numba.prange((slices + LANES - 1) // LANES):
        first, last = group * LANES, min((group + 1) * LANES, slices)
        values = np.zeros((variance.shape[1], variance.shape[2], LANES), np.float32)
        _to_lanes(variance, first, last, values)
        line = np.empty((columns, LANES), np.float64)
        sums = np.empty((sectors, columns, LANES), np.float32)
        for j in range(rows):
            sums[:] = np.float32(0.0)
            for a in range(len(directions)):
                y = np.float32(j - (rows - 1) / 2) * directions[a, 1] + half
                for i in range(columns):
                    place = np.float32(i - (columns - 1) / 2) * directions[a, 0] + y
                    b = int(place)
                    t = place - b
                    for n in range(LANES):
                        line[i, n] = (1 - t) * values[a, b, n] + t * values[a, b + 1, n]
                for s in range(sectors):
                    share = shares[s, a]
                    if share > np.float32(0.0):
                        for i in range(columns):
                            for n in range(LANES):
                                sums[s, i, n] += share * line[i, n]
            for k in range(first, last):
                for s in range(sectors):
                    for i in range(columns):
                        out[k, s, j, i] += sums[s, i, k - first]


@numba.njit(cache=True, nogil=True)
def add_scaled(waves, sigma, block, out):
    """Add waves x sigma to `out`, sigma interpolated linearly between the centres of its blocks."""
    columns = sigma.shape[1]
    inverse = np.float32(1.0 / block)
    shift = np.float32(0.5 / block - 0.5)
    line = np.empty(columns + 1, np.float32)
    for j in range(out.shape[0]):
        _row_between_blocks(sigma, j, block, line)
        for i in range(out.shape[1]):
            x = min(max(i * inverse + shift, np.float32(0.0)), np.float32(columns - 1))
            c = int(x)
            out[j, i] += waves[j, i] * (line[c] + (x - c) * (line[c + 1] - line[c]))
