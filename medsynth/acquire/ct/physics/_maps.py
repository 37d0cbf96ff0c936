"""Basis maps of slices, and their running sums."""

from __future__ import annotations

import numba
import numpy as np

from medsynth.scene.phantom import FRACTION_UNIT, TEXTURE_UNIT


@numba.njit(parallel=True, cache=True, nogil=True)
def basis_maps(labels, neighbour, fraction, texture, table, first, out):
    slices = labels.shape[0]
    count = table.shape[1]
    part = np.float32(1.0 / FRACTION_UNIT)
    unit = np.float32(TEXTURE_UNIT)
    one = np.float32(1.0)
    run = out.shape[2] // count
    for j in numba.prange(out.shape[0]):
        for n in range(run):
            k = min(max(first + n, 0), slices - 1)
            for i in range(out.shape[1]):
                label = labels[k, j, i]
                scale = one + unit * texture[k, j, i]
                f = part * fraction[k, j, i]
                other = neighbour[k, j, i]
                for b in range(count):
                    value = table[label, b] * scale
                    out[j, i, n * count + b] = value + f * (table[other, b] - value)


@numba.njit(parallel=True, cache=True, nogil=True)
def running_sums(maps, low_j, low_i, rows, columns):
    """Return sums along rows (j, i + 1, lane) and along columns (i, j + 1, lane) of the window of `maps`."""
    rows_count, columns_count, lanes = rows, columns, maps.shape[2]
    along_rows = np.zeros((rows_count, columns_count + 1, lanes), np.float32)
    along_columns = np.zeros((columns_count, rows_count + 1, lanes), np.float32)
    for j in numba.prange(rows_count):
        for i in range(columns_count):
            for n in range(lanes):
                along_rows[j, i + 1, n] = along_rows[j, i, n] + maps[low_j + j, low_i + i, n]
    for i in numba.prange(columns_count):
        for j in range(rows_count):
            for n in range(lanes):
                along_columns[i, j + 1, n] = along_columns[i, j, n] + maps[low_j + j, low_i + i, n]
    return along_rows, along_columns


@numba.njit(cache=True, nogil=True)
def occupied(maps):
    """Return which rows and which columns hold anything."""
    rows = np.zeros(maps.shape[0], np.bool_)
    columns = np.zeros(maps.shape[1], np.bool_)
    for j in range(maps.shape[0]):
        for i in range(maps.shape[1]):
            for n in range(maps.shape[2]):
                if maps[j, i, n] != np.float32(0.0):
                    rows[j] = True
                    columns[i] = True
                    break
    return rows, columns
