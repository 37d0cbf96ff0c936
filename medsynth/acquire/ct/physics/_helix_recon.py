"""The inner loops of helical reconstruction: rebinning to parallel rays, and weighted back-projection.

Parallel loops write disjoint slices, so that results do not depend on the number of threads.
"""
# numba infers the types of its kernels; what calls them is annotated
# ruff: noqa: ANN001, ANN202
# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs

from __future__ import annotations

import numba
import numpy as np

TILE = 32  # pixels along either side that go through all rays together, so that these stay in cache


@numba.njit(parallel=True, cache=True, nogil=True, fastmath={"contract"})
def rebin(readings, chosen, view, view_weights, channel, channel_weights, out):
    """Write parallel projections to out (n, row, t) from readings (view, row, channel), cubic in view and channel.

    For projection chosen[n] and ray t the four views start at chosen[n] + view[t], the four channels at channel[t].
    """
    rows, rays = out.shape[1:]
    for n in numba.prange(len(chosen)):
        for r in range(rows):
            for t in range(rays):
                total = np.float32(0.0)
                v, c = chosen[n] + view[t], channel[t]
                for a in range(4):
                    line = (channel_weights[t, 0] * readings[v + a, r, c]
                            + channel_weights[t, 1] * readings[v + a, r, c + 1]
                            + channel_weights[t, 2] * readings[v + a, r, c + 2]
                            + channel_weights[t, 3] * readings[v + a, r, c + 3])
                    total += view_weights[t, a] * line
                out[n, r, t] = total


@numba.njit(parallel=True, cache=True, nogil=True)
def stack(filtered, weights, pad, sums):
    """Write running sums over weighted rows of filtered (n, row, t) to sums (n, t, row + 2 pad + 1).

    The outermost rows go on for `pad` rows; weights (row + 2 pad,).
    """
    rows, rays = filtered.shape[1:]
    for n in numba.prange(len(filtered)):
        for first in range(0, rays, 16):
            last = min(first + 16, rays)
            run = np.zeros(16, np.float32)
            for t in range(first, last):
                sums[n, t, 0] = np.float32(0.0)
            for q in range(len(weights)):
                r = min(max(q - pad, 0), rows - 1)
                for t in range(first, last):
                    run[t - first] += weights[q] * filtered[n, r, t]
                    sums[n, t, q + 1] = run[t - first]


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _ray(sums, ray, share, mass, line, first, step, half, over, under):
    """Add the rows of the ray `share` of the way from `ray` to the next to over, and their weights to under (slice,).

    The box of slice k lies from first + k step - half to first + k step + half among the rows' borders. Whole arrays
    and places are handed over: views of them would be counted, at the price of the sums themselves.
    """
    last = len(mass) - 1
    begin = max(int((-half - first) / step), 0)
    stop = min(int((last + half - first) / step + 1), len(over))
    if begin >= stop or first - half + begin * step >= last or first + half + (stop - 1) * step <= 0:
        return
    low = int(max(first + begin * step - half, 0.0))
    high = int(min(first + (stop - 1) * step + half, last - 1.0))
    near, far = ray * len(mass), (ray + 1) * len(mass)
    for q in range(low, high + 2):
        line[q] = sums[near + q] + share * (sums[far + q] - sums[near + q])
    middle, step, half = np.float32(first), np.float32(step), np.float32(half)
    top = np.float32(last)
    for k in range(begin, stop):
        place = middle + np.float32(k) * step
        bottom = min(max(place - half, np.float32(0.0)), top)
        ceiling = min(max(place + half, np.float32(0.0)), top)
        a, b = min(int(bottom), last - 1), min(int(ceiling), last - 1)
        f, g = bottom - np.float32(a), ceiling - np.float32(b)
        over[k] += (line[b] + g * (line[b + 1] - line[b])) - (line[a] + f * (line[a + 1] - line[a]))
        under[k] += (mass[b] + g * (mass[b + 1] - mass[b])) - (mass[a] + f * (mass[a + 1] - mass[a]))


@numba.njit(parallel=True, cache=True, nogil=True, fastmath={"contract"})
def back_project(sums, valid, mass, angles, heights, signs, rays, roots, climbs, sid_rows, x, y, radius, z, half_mm,
                 image):
    """Add to image (j, i, k) what the projections of one batch of directions give.

    sums : flat (direction, half turn, t, border), running sums over weighted, filtered rows; mass (border,) of weights.
    valid, heights (direction, half turn) : whether it was measured; height of the source for the ray through the axis.
    signs (half turn,) : 1 where the rays run along the direction, -1 against it; angles (direction,).
    rays : place of the first ray and step; roots, climbs (t,) : sqrt(SID^2 - t^2) and the source's climb until ray t.
    sid_rows : SID over the height of a row; x, y (i,), (j,) : in mm from the axis; z : first slice, step > 0.
    """
    borders = len(mass)
    slices = image.shape[2]
    count = len(roots)
    across = (len(x) + TILE - 1) // TILE
    for tile in numba.prange(across * ((len(y) + TILE - 1) // TILE)):
        over = np.empty(slices, np.float32)
        under = np.empty(slices, np.float32)
        line = np.empty(borders, np.float32)
        j0, i0 = tile // across * TILE, tile % across * TILE
        for n in range(len(angles)):
            cosine, sine = np.cos(angles[n]), np.sin(angles[n])
            for j in range(j0, min(j0 + TILE, len(y))):
                for i in range(i0, min(i0 + TILE, len(x))):
                    if x[i] * x[i] + y[j] * y[j] > radius * radius:
                        continue
                    over[:] = np.float32(0.0)
                    under[:] = np.float32(0.0)
                    for m in range(len(signs)):
                        if not valid[n, m]:
                            continue
                        place = (signs[m] * (x[i] * cosine + y[j] * sine) - rays[0]) / rays[1]
                        t = min(max(int(place), 0), count - 2)
                        f = np.float32(place - t)
                        root = roots[t] + f * (roots[t + 1] - roots[t])
                        climb = climbs[t] + f * (climbs[t + 1] - climbs[t])
                        scale = sid_rows / (root + signs[m] * (y[j] * cosine - x[i] * sine))
                        first = (z[0] - heights[n, m] - climb) * scale + (borders - 1) / 2
                        ray = (n * len(signs) + m) * count + t
                        _ray(sums, ray, f, mass, line, first, z[1] * scale, half_mm * scale, over, under)
                    for k in range(slices):
                        if under[k] > np.float32(0.0):
                            image[j, i, k] += over[k] / under[k]
