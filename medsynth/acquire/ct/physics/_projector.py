"""Distance-driven projection: every channel sees the mean over its own width of what lies in each row or column.

Running sums along the rows turn the overlap of a channel with a row's pixels into the difference of two interpolated
values. Rays nearer to the columns than to the rows go row by row; the others column by column.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def _cross(sums, offset, slope, low, high, first, last, weight, out):
    """Add to `out` (channel, lane) what channels `first` .. `last` - 1 see of the lines of `sums` (line, sample, lane).

    offset : (lines + 1) and slope (channels + 1): channel border c crosses line n at sample
        offset[n, 0] + offset[n, 1] * slope[c]. low, high : first and last line. weight : (channels,).
    """
    samples = sums.shape[1] - 1
    lanes = sums.shape[2]
    top = np.float32(samples)
    zero = np.float32(0.0)
    one = np.float32(1.0)
    previous = np.empty(lanes, np.float32)
    for n in range(low, high):
        base = offset[n, 0]
        rise = offset[n, 1]
        inverse = one / abs(rise)
        line = sums[n]
        u = min(max(base + rise * slope[first], zero), top)
        at = min(int(u), samples - 1)
        f = u - np.float32(at)
        for m in range(lanes):
            previous[m] = line[at, m] + f * (line[at + 1, m] - line[at, m])
        before = u
        for c in range(first, last):
            u = min(max(base + rise * slope[c + 1], zero), top)
            if u == before:
                continue
            at = min(int(u), samples - 1)
            f = u - np.float32(at)
            w = weight[c] * inverse if u > before else -weight[c] * inverse
            for m in range(lanes):
                value = line[at, m] + f * (line[at + 1, m] - line[at, m])
                out[c, m] += w * (value - previous[m])
                previous[m] = value
            before = u


@numba.njit(parallel=True, cache=True, nogil=True)
def project(along_rows, along_columns, x0, y0, pixel, sources, angles, edges, centres, fan, out):
    """Write line integrals (view, channel, lane) of the window whose first pixel's outer corner is (x0, y0).

    along_rows : (j, i + 1, lane) running sums; along_columns : (i, j + 1, lane). sources : (view, 2) mm. edges,
    centres : rad in a fan, mm in the parallel geometry. `out` is in cm of the maps' unit.
    """
    rows, columns = along_rows.shape[0], along_columns.shape[0]
    channels = centres.shape[0]
    for v in numba.prange(angles.shape[0]):
        out[v] = np.float32(0.0)
        slope = np.empty(channels + 1, np.float32)
        weight = np.empty(channels, np.float32)
        offset_j = np.empty((rows, 2), np.float32)
        offset_i = np.empty((columns, 2), np.float32)
        steep = np.empty(channels, np.bool_)
        for c in range(channels):
            theta = angles[v] - centres[c] if fan else angles[v]
            steep[c] = abs(np.cos(theta)) >= abs(np.sin(theta))
        first = 0
        while first < channels:
            last = first + 1
            while last < channels and steep[last] == steep[first]:
                last += 1
            upright = steep[first]
            for c in range(first, last + 1):
                if fan:
                    theta = angles[v] - edges[c]
                    slope[c] = -np.tan(theta) if upright else -1.0 / np.tan(theta)
                else:
                    slope[c] = edges[c] / (np.cos(angles[v]) if upright else np.sin(angles[v])) / pixel
            for c in range(first, last):
                theta = angles[v] - centres[c] if fan else angles[v]
                path = pixel / 10 / (abs(np.cos(theta)) if upright else abs(np.sin(theta)))
                weight[c] = path / abs(slope[c + 1] - slope[c])
            if upright:
                for j in range(rows):
                    y = y0 + (j + 0.5) * pixel
                    if fan:
                        offset_j[j, 0] = (sources[v, 0] - x0) / pixel
                        offset_j[j, 1] = (y - sources[v, 1]) / pixel
                    else:
                        offset_j[j, 0] = (-y * np.tan(angles[v]) - x0) / pixel
                        offset_j[j, 1] = 1.0
                _cross(along_rows, offset_j, slope, 0, rows, first, last, weight, out[v])
            else:
                for i in range(columns):
                    x = x0 + (i + 0.5) * pixel
                    if fan:
                        offset_i[i, 0] = (sources[v, 1] - y0) / pixel
                        offset_i[i, 1] = (x - sources[v, 0]) / pixel
                    else:
                        offset_i[i, 0] = (-x / np.tan(angles[v]) - y0) / pixel
                        offset_i[i, 1] = 1.0
                _cross(along_columns, offset_i, slope, 0, columns, first, last, weight, out[v])
            first = last
