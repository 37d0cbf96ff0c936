"""Bounds of a sampled field by bricks of its lattice's cells."""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

from __future__ import annotations

import numba
import numpy as np

BRICK = 4  # lattice cells per edge


@numba.njit(cache=True, nogil=True, parallel=True)
def survey(values):
    """Return the bounds of a field by bricks of lattice cells: lowest, highest, steepest change per step, (z, y, x).

    Brick b holds the nodes from BRICK * b to BRICK * (b + 1), both included, so that every cell lies in one brick.
    """
    nz, ny, nx = values.shape
    shape = ((nz - 2) // BRICK + 1, (ny - 2) // BRICK + 1, (nx - 2) // BRICK + 1)
    low = np.empty(shape, np.float32)
    high = np.empty(shape, np.float32)
    steep = np.empty(shape, np.float32)
    for bk in numba.prange(shape[0]):
        least, most, slope = np.empty(nx, np.float32), np.empty(nx, np.float32), np.empty(nx, np.float32)
        for bj in range(shape[1]):
            least[:], most[:], slope[:] = np.float32(1e30), np.float32(-1e30), np.float32(0.0)
            for k in range(BRICK * bk, min(BRICK * (bk + 1), nz - 1) + 1):
                for j in range(BRICK * bj, min(BRICK * (bj + 1), ny - 1) + 1):  # whole rows at a time, for SIMD
                    row, beside, above = values[k, j], values[k, min(j + 1, ny - 1)], values[min(k + 1, nz - 1), j]
                    for i in range(nx - 1):
                        here = row[i]
                        least[i] = here if here < least[i] else least[i]
                        most[i] = here if here > most[i] else most[i]
                        dx, dy, dz = row[i + 1] - here, beside[i] - here, above[i] - here
                        square = dx * dx + dy * dy + dz * dz
                        slope[i] = square if square > slope[i] else slope[i]
                    least[nx - 1], most[nx - 1] = min(least[nx - 1], row[nx - 1]), max(most[nx - 1], row[nx - 1])
            for bi in range(shape[2]):
                first, last = BRICK * bi, min(BRICK * (bi + 1), nx - 1)
                a, b, c = least[first], most[first], slope[first]
                for i in range(first + 1, last + 1):
                    a, b, c = min(a, least[i]), max(b, most[i]), max(c, slope[i])
                low[bk, bj, bi], high[bk, bj, bi], steep[bk, bj, bi] = a, b, np.sqrt(c)
    return low, high, steep
