"""The compiled loop from labels, partial volume and texture to signal."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np
from numba import njit, prange


@njit(cache=True, nogil=True, parallel=True)
def mix(labels, neighbour, fraction, texture, row, table, slope, partner, threshold, full, partners, place, out):
    """Write the signal of every voxel into out, (components, k, j, i) complex64.

    table, slope : (rows, bins, components) signal of a structure and its change per unit of texture.
    partner, threshold, full : (rows,) see `Spins`; partners : (partners, bins, components).
    place : (k, j, i) float32 where between the bins a voxel lies, or (1, 1, 1) for one bin.
    """
    bins = table.shape[1]
    for k in prange(labels.shape[0]):
        for j in range(labels.shape[1]):
            for i in range(labels.shape[2]):
                first, second = row[labels[k, j, i]], row[neighbour[k, j, i]]
                share = np.float32(fraction[k, j, i]) / np.float32(255)
                if first == 0 and (second == 0 or share == 0):
                    for c in range(out.shape[0]):
                        out[c, k, j, i] = 0
                    continue
                low, high, w = 0, 0, np.float32(0)
                if bins > 1:
                    at = min(max(place[k, j, i], np.float32(0)), np.float32(bins - 1))
                    low = min(int(at), bins - 2)
                    high = low + 1
                    w = at - np.float32(low)
                t = np.float32(texture[k, j, i]) * np.float32(1e-4)
                kind = partner[first]
                other = np.float32(0)
                if kind >= 0:
                    limit, end = np.float32(threshold[first]), np.float32(full[first])
                    if (end > limit and t > limit) or (end < limit and t < limit):
                        other = min((t - limit) / (end - limit), np.float32(1))
                        t = limit
                for c in range(out.shape[0]):
                    a = table[first, low, c] + t * slope[first, low, c]
                    b = table[second, low, c]
                    if other > 0:
                        a += other * (partners[kind, low, c] - a)
                    if w > 0:
                        a2 = table[first, high, c] + t * slope[first, high, c]
                        if other > 0:
                            a2 += other * (partners[kind, high, c] - a2)
                        a += w * (a2 - a)
                        b += w * (table[second, high, c] - b)
                    out[c, k, j, i] = a + share * (b - a)
