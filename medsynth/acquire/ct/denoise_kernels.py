"""The inner loop of the edge-preserving noise reduction.

Parallel loops write disjoint slices, so that results do not depend on the number of threads.
"""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def _padded(image, reach):
    """Return the image (j, i) with `reach` more pixels on every side, in which its outermost ones go on."""
    rows, columns = image.shape
    out = np.empty((rows + 2 * reach, columns + 2 * reach), np.float32)
    for j in range(out.shape[0]):
        source = min(max(j - reach, 0), rows - 1)
        out[j, reach:reach + columns] = image[source]
        out[j, :reach] = image[source, 0]
        out[j, reach + columns:] = image[source, columns - 1]
    return out


@numba.njit(parallel=True, cache=True, nogil=True)
def smooth(image, guide, tightness, weights, strength, out):
    """Fill `out` (k, j, i) with the weighted mean of every pixel's neighbours.

    guide : (k, j, i) compared between neighbours. tightness : (k, j, i) a neighbour whose guide differs by d counts
        weight x max(0, 1 - tightness d^2)^2. weights : (2 n + 1, 2 n + 1). strength : share of the change.
    """
    reach = weights.shape[0] // 2
    zero, one = np.float32(0.0), np.float32(1.0)
    for k in numba.prange(image.shape[0]):
        values, levels = _padded(image[k], reach), _padded(guide[k], reach)
        rows, columns = image.shape[1:]
        change, total = np.empty(columns, np.float32), np.empty(columns, np.float32)
        for j in range(rows):
            change[:] = zero
            total[:] = zero
            own, level, tight = image[k, j], guide[k, j], tightness[k, j]
            for v in range(2 * reach + 1):
                for u in range(2 * reach + 1):
                    weight = weights[v, u]
                    if weight != zero:
                        near, at = values[j + v, u:u + columns], levels[j + v, u:u + columns]
                        for i in range(columns):
                            d = at[i] - level[i]
                            kept = max(one - tight[i] * d * d, zero)
                            share = weight * kept * kept
                            change[i] += share * (near[i] - own[i])
                            total[i] += share
            for i in range(columns):
                out[k, j, i] = own[i] + strength * change[i] / total[i]


@numba.njit(parallel=True, cache=True, nogil=True)
def tightness(guide, noise, per_pixel, low, high, width, least, out):
    """Fill `out` (k, j, i) with 1 / (width x noise)^2 where the guide is steep for its noise, down to 0 where not.

    noise : (k, j, i) or (k, 1, 1) SD, at least `least`. per_pixel : what turns a difference of neighbours into the
        guide's steepness. low, high : steepness in noise SDs where it starts and where it is full.
    """
    rows, columns = guide.shape[1:]
    zero, one, two, three = np.float32(0.0), np.float32(1.0), np.float32(2.0), np.float32(3.0)
    half = np.float32(0.5) * per_pixel
    for k in numba.prange(guide.shape[0]):
        for j in range(rows):
            above, below = guide[k, max(j - 1, 0)], guide[k, min(j + 1, rows - 1)]
            here = guide[k, j]
            sd = noise[k, min(j, noise.shape[1] - 1)]
            last = noise.shape[2] - 1
            for i in range(columns):
                dy = below[i] - above[i]
                dx = here[min(i + 1, columns - 1)] - here[max(i - 1, 0)]
                s = max(sd[min(i, last)], least)
                steep = half * np.sqrt(dx * dx + dy * dy) / s
                t = min(max((steep - low) / (high - low), zero), one)
                out[k, j, i] = t * t * (three - two * t) / (width * s) ** 2
