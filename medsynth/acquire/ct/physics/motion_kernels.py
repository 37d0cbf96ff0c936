"""The inner loop of motion: basis maps sampled where their content came from.

Parallel loops write disjoint rows, so that results do not depend on the number of threads.
"""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import math

import numba
import numpy as np


@numba.njit(parallel=True, cache=True, nogil=True)
def without(maps, fixed, out):
    """Copy maps (j, i, lane) to `out`, 0 where `fixed` (j, i, slice)."""
    count = maps.shape[2] // fixed.shape[2]
    for j in numba.prange(maps.shape[0]):
        for i in range(maps.shape[1]):
            for k in range(fixed.shape[2]):
                for n in range(k * count, (k + 1) * count):
                    out[j, i, n] = np.float32(0.0) if fixed[j, i, k] else maps[j, i, n]


@numba.njit(parallel=True, cache=True, nogil=True)
def add_fixed(maps, fixed, out):
    """Add maps (j, i, lane) to `out` where `fixed` (j, i, slice)."""
    count = maps.shape[2] // fixed.shape[2]
    for j in numba.prange(maps.shape[0]):
        for i in range(maps.shape[1]):
            for k in range(fixed.shape[2]):
                if fixed[j, i, k]:
                    for n in range(k * count, (k + 1) * count):
                        out[j, i, n] += maps[j, i, n]


@numba.njit(parallel=True, cache=True, nogil=True)
def warp(maps, source_row, density, shift_column, heart, ratio, reach, out):
    """Fill `out` (j, i, lane) with `maps` bilinearly interpolated where the content of each pixel came from.

    source_row, density : (slices, rows) row before breathing, and what the density is multiplied by.
    heart : (slices, 3) row, column and radius of the heart before breathing; radius 0 for none.
    ratio : (nodes,) distance from the heart's middle before the beat over that after it, at distances of 0 to `reach`
        radii.
    """
    rows, columns, lanes = maps.shape
    slices = len(heart)
    count = lanes // slices
    scale = (len(ratio) - 1) / reach
    for j in numba.prange(rows):
        for i in range(columns):
            for k in range(slices):
                y = source_row[k, j]
                x = i - shift_column
                radius = heart[k, 2]
                if radius > 0.0:
                    dy, dx = y - heart[k, 0], x - heart[k, 1]
                    squared = dy * dy + dx * dx
                    if squared < (reach * radius) ** 2:
                        node = scale * math.sqrt(squared) / radius
                        low = min(int(node), len(ratio) - 2)
                        stretch = ratio[low] + (node - low) * (ratio[low + 1] - ratio[low])
                        y, x = heart[k, 0] + dy * stretch, heart[k, 1] + dx * stretch
                top, left = math.floor(y), math.floor(x)
                r, c = int(top), int(left)
                if r < -1 or r >= rows or c < -1 or c >= columns:
                    for n in range(k * count, (k + 1) * count):
                        out[j, i, n] = np.float32(0.0)
                    continue
                v, u = np.float32(y - top), np.float32(x - left)
                d = np.float32(density[k, j])
                one = np.float32(1.0)
                zero = np.float32(0.0)
                # Beyond the rim there is air, which is 0.
                a = d * (one - v) * (one - u) if r >= 0 and c >= 0 else zero
                b = d * (one - v) * u if r >= 0 and c + 1 < columns else zero
                e = d * v * (one - u) if r + 1 < rows and c >= 0 else zero
                f = d * v * u if r + 1 < rows and c + 1 < columns else zero
                r0, r1 = max(r, 0), min(r + 1, rows - 1)
                c0, c1 = max(c, 0), min(c + 1, columns - 1)
                for n in range(k * count, (k + 1) * count):
                    out[j, i, n] = (a * maps[r0, c0, n] + b * maps[r0, c1, n]
                                    + e * maps[r1, c0, n] + f * maps[r1, c1, n])
