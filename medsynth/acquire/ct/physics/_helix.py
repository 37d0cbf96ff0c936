"""The inner loops of the helical forward projector.

Parallel loops write disjoint slices, so that results do not depend on the number of threads.
"""
# numba infers the types of its kernels; what calls them is annotated
# ruff: noqa: ANN001, ANN202
# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs

from __future__ import annotations

import numba
import numpy as np


@numba.njit(parallel=True, cache=True, nogil=True)
def cumulate(maps, sums, occupied):
    """Write the running sum along k of maps (j, i, k, B) to sums (B, j, i, k + 1), and which columns hold anything."""
    rows, columns, slices, bases = maps.shape
    for j in numba.prange(rows):
        for i in range(columns):
            for b in range(bases):
                run = np.float32(0.0)
                some = False
                sums[b, j, i, 0] = run
                for k in range(slices):
                    value = maps[j, i, k, b]
                    some |= value != np.float32(0.0)
                    run += value
                    sums[b, j, i, k + 1] = run
                occupied[b, j, i] = some


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _gather(sums, occupied, place, axis, line, low, high, share, first, strip):
    """Add share x (mean running sum over low..high across line `line`) to strip; return whether anything was there."""
    base, along, across = axis[0], axis[1], axis[2]
    begin = max(int(np.floor(low)), 0)
    end = min(int(np.ceil(high)), axis[3])
    found = False
    for u in range(begin, end):
        cell = base + line * along + u * across
        if occupied[cell]:
            weight = np.float32((min(high, u + 1.0) - max(low, float(u))) * share)
            column = sums[cell * place + first:cell * place + first + len(strip)]
            for k in range(len(strip)):
                strip[k] += weight * column[k]
            found = True
    return found


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _sweep(sums, occupied, place, axes, lines, block, source, slopes, mine, heights, z, limits, sheet):
    """Add one view's rays that run mainly across the lines of one axis to sheet (channel, B, row), in mm x rows.

    Blocks of lines are summed slice by slice; the rows' edges then cut the block where its middle is.
    """
    channels, bases, rows = sheet.shape
    start, step, cross_start, cross_step = lines[0], lines[1], lines[2], lines[3]
    strip = np.empty(place, np.float32)
    low = np.empty(rows + 1, np.uint64)
    part = np.empty(rows + 1, np.float32)
    cut = np.empty(rows + 1, np.float32)
    row_slices = (heights[rows] - heights[0]) / rows
    for begin in range(int(lines[4]), int(lines[5]), block):
        end = min(begin + block, int(lines[5]))
        middle = abs(start + step * (begin + end - 1) / 2 - source[0])
        for c in range(channels):
            if not mine[c]:
                continue
            centre = np.sqrt(1 + slopes[c, 2] ** 2)
            away = middle * centre  # in-plane distance from the source
            bottom = min(max(z + away * heights[0], limits[0]), limits[1])
            top = min(max(z + away * heights[rows], limits[0]), limits[1])
            first = min(max(int(np.floor(bottom)), 0), place - 2)
            last = max(min(int(np.floor(top)) + 1, place - 1), first + 1)
            ready = False
            for b in range(bases):
                window = strip[:last - first + 1]
                window[:] = np.float32(0.0)
                found = False
                for line in range(begin, end):
                    far = start + step * line - source[0]
                    one = (source[1] + far * slopes[c, 0] - cross_start) / cross_step
                    other = (source[1] + far * slopes[c, 1] - cross_start) / cross_step
                    share = step * centre / abs(other - one)
                    found |= _gather(sums, occupied, place, axes[b], line, min(one, other), max(one, other), share,
                                     first, window)
                if not found:
                    continue
                if not ready:
                    for e in range(rows + 1):
                        edge = min(max(z + away * heights[e], limits[0]), limits[1])
                        below = min(max(int(edge) - first, 0), last - first - 1)
                        low[e] = below
                        part[e] = edge - first - below
                    ready = True
                for e in range(rows + 1):
                    value = window[low[e]]
                    cut[e] = value + part[e] * (window[low[e] + np.uint64(1)] - value)
                inverse = np.float32(1.0 / (away * row_slices))
                for r in range(rows):
                    sheet[c, b, r] += inverse * (cut[r + 1] - cut[r])


@numba.njit(parallel=True, cache=True, nogil=True)
def project(sums, occupied, place, grid, block, sources, angles, heights, z, limits, lengths, out):
    """Write the paths of views along the edges' fan to out (view, row, channel, B).

    sums, occupied : flat (B, j, i, k + 1) running sums and (B, j, i) flags; place = slices + 1.
    grid : rows, columns, then of j and of i: start of the first voxel's centre, step, first and last occupied line.
    sources (view, 2) : x, y of the source; angles (view,) its angle; z (view,) its place in slices.
    heights (row + 1,) : of the row edges, slices per mm of in-plane distance from the source.
    limits : beyond these places along k nothing is summed; lengths (row,) : length of a ray over its in-plane length.
    """
    views, rows, channels, bases = out.shape
    height, width = int(grid[0]), int(grid[1])
    for v in numba.prange(views):
        sheet = np.zeros((channels, bases, rows), np.float32)
        mine = np.empty(channels, np.bool_)
        slopes = np.empty((channels, 3), np.float64)
        axes = np.empty((bases, 4), np.int64)
        for main in range(2):  # 0: rays along y cross the lines j; 1: rays along x cross the lines i
            for c in range(channels):
                edges = angles[c], angles[c + 1], (angles[c] + angles[c + 1]) / 2
                theta = sources[v, 2] - edges[2]
                mine[c] = (abs(np.cos(theta)) >= abs(np.sin(theta))) == (main == 0)
                for n in range(3):
                    theta = sources[v, 2] - edges[n]
                    slopes[c, n] = -np.tan(theta) if main == 0 else -1 / np.tan(theta)
            for b in range(bases):
                axes[b, 0] = b * height * width
                axes[b, 1] = width if main == 0 else 1
                axes[b, 2] = 1 if main == 0 else width
                axes[b, 3] = width if main == 0 else height
            if main == 0:
                lines = np.array((grid[2], grid[3], grid[6] - grid[7] / 2, grid[7], grid[4], grid[5]))
                source = np.array((sources[v, 1], sources[v, 0]))
            else:
                lines = np.array((grid[6], grid[7], grid[2] - grid[3] / 2, grid[3], grid[8], grid[9]))
                source = np.array((sources[v, 0], sources[v, 1]))
            _sweep(sums, occupied, place, axes, lines, block, source, slopes, mine, heights, z[v], limits, sheet)
        for r in range(rows):
            for c in range(channels):
                for b in range(bases):
                    out[v, r, c, b] = lengths[r] * sheet[c, b, r]
