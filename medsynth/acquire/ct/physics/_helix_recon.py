"""The inner loops of helical reconstruction: rebinning to parallel rays, and weighted back-projection.

Parallel loops write disjoint slices, so that results do not depend on the number of threads. Places are unsigned where
it counts: numba looks at the sign of others, which costs a third of the time.
"""
# numba infers the types of its kernels; what calls them is annotated
# ruff: noqa: ANN001, ANN202
# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs

from __future__ import annotations

import numba
import numpy as np

TILE = 32  # pixels along either side that go through all rays together, so that these stay in cache
SMALLEST = np.float32(1e-6)  # weight of the rays through a slice below which none saw it, beyond rounding


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
def stack(filtered, weights, pad, places, sums):
    """Write running sums over weighted rows of filtered (n, row, t) to sums[places[n]] (t, row + 2 pad + 1).

    The outermost rows go on for `pad` rows; weights (row + 2 pad,).
    """
    rows, rays = filtered.shape[1:]
    for n in numba.prange(len(filtered)):
        for first in range(0, rays, 16):
            last = min(first + 16, rays)
            run = np.zeros(16, np.float32)
            for t in range(first, last):
                sums[places[n], t, 0] = np.float32(0.0)
            for q in range(len(weights)):
                r = min(max(q - pad, 0), rows - 1)
                for t in range(first, last):
                    run[t - first] += weights[q] * filtered[n, r, t]
                    sums[places[n], t, q + 1] = run[t - first]


@numba.njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy", forceinline=True)
def _edges(line, mass, first, step, begin, count, over, under):
    """Add the rows of `line` below edges begin..begin + count - 1, and their weights, to over and under (edge,).

    Edge begin + e lies first + e step borders of rows up the detector. Whole arrays and places are handed over: views
    of them would be counted, at the price of the sums themselves.
    """
    last = len(mass) - 1
    inner = 0 if first > 0 else min(int(-first / step), count)
    outer = min(max(int((last - first) / step) + 1, inner), count)
    start, width = np.float32(first), np.float32(step)
    top = np.float32(last)
    for e in range(inner, outer):
        place = min(max(start + np.float32(e) * width, np.float32(0.0)), top)
        below = min(int(place), last - 1)
        f = place - np.float32(below)
        a, b = np.uint64(below), np.uint64(below + 1)
        to = np.uint64(begin + e)
        over[to] += line[a] + f * (line[b] - line[a])
        under[to] += mass[a] + f * (mass[b] - mass[a])
    whole, weight = line[last], mass[last]
    for e in range(np.uint64(begin + outer), np.uint64(begin + count)):
        over[e] += whole
        under[e] += weight


@numba.njit(parallel=True, cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def back_project(sums, valid, mass, angles, heights, signs, rays, roots, climbs, sid_rows, x, y, radius, edges, apart,
                 image):
    """Add to image (j, i, k) what the projections of one batch of directions give.

    sums : flat (direction, half turn, t, border), running sums over weighted, filtered rows; mass (border,) of weights.
    valid, heights (direction, half turn) : whether it was measured; height of the source for the ray through the axis.
    signs (half turn,) : 1 where the rays run along the direction, -1 against it; angles (direction,).
    rays : place of the first ray and step; roots, climbs (t,) : sqrt(SID^2 - t^2) and the source's climb until ray t.
    sid_rows : SID over the height of a row; x, y (i,), (j,) : in mm from the axis.
    edges (sequence, 3) : first height, step > 0 and count of the slices' edges; slice k lies between the edges k and
    k + apart, all sequences counted through.
    """
    borders, half_turns = len(mass), len(signs)
    slices, count = image.shape[2], len(roots)
    across = (len(x) + TILE - 1) // TILE
    dense = 1 / rays[1]
    zero, one = np.float32(0.0), np.float32(1.0)
    lowest, highest = edges[0, 0], edges[-1, 0] + edges[-1, 1] * (edges[-1, 2] - 1)
    for tile in numba.prange(across * ((len(y) + TILE - 1) // TILE)):
        over = np.empty(slices + apart, np.float32)
        under = np.empty(slices + apart, np.float32)
        line = np.empty(borders, np.float32)
        j0, i0 = tile // across * TILE, tile % across * TILE
        for n in range(len(angles)):
            cosine, sine = np.cos(angles[n]), np.sin(angles[n])
            for j in range(j0, min(j0 + TILE, len(y))):
                for i in range(i0, min(i0 + TILE, len(x))):
                    if x[i] * x[i] + y[j] * y[j] > radius * radius:
                        continue
                    for e in range(slices + apart):
                        over[e] = np.float32(0.0)
                        under[e] = np.float32(0.0)
                    for sign in (1.0, -1.0):
                        place = (sign * (x[i] * cosine + y[j] * sine) - rays[0]) * dense
                        t = min(max(int(place), 0), count - 2)
                        f = np.float32(place - t)
                        root = roots[t] + f * (roots[t + 1] - roots[t])
                        climb = climbs[t] + f * (climbs[t + 1] - climbs[t])
                        scale = sid_rows / (root + sign * (y[j] * cosine - x[i] * sine))
                        for m in range(half_turns):
                            if signs[m] != sign or not valid[n, m]:
                                continue
                            middle = (borders - 1) / 2 - (heights[n, m] + climb) * scale
                            bottom, top = middle + scale * lowest, middle + scale * highest
                            if bottom >= borders - 1 or top <= 0:
                                continue
                            near = np.uint64(((n * half_turns + m) * count + t) * borders)
                            far = near + np.uint64(borders)
                            low, high = int(max(bottom, 0.0)), min(int(top) + 1, borders - 1)
                            for q in range(np.uint64(low), np.uint64(high + 1)):
                                line[q] = sums[near + q] + f * (sums[far + q] - sums[near + q])
                            begin = 0
                            for which in range(len(edges)):
                                steps = int(edges[which, 2])
                                _edges(line, mass, middle + scale * edges[which, 0], scale * edges[which, 1], begin,
                                       steps, over, under)
                                begin += steps
                    for k in range(slices):
                        weight = under[k + apart] - under[k]
                        some = weight > SMALLEST
                        value = (over[k + apart] - over[k]) / (weight if some else one)
                        image[j, i, k] += value if some else zero
