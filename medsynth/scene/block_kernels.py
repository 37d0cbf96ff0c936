"""A tile of distances: which of its points are outside, inside or cut, and the fraction of those that are cut."""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

from __future__ import annotations

import numba
import numpy as np

from medsynth.scene.upsample_kernels import SIDE, WIDE
from medsynth.scene.voxel_kernels import plane_fraction

BENT = 0.012  # a voxel whose mean differs from its middle by more than this part of the field's change is split
OUTSIDE, CUT, INSIDE = 0, 1, 2


@numba.njit(nogil=True)
def classify(flat, k, rows, far, outermost, innermost, code):
    """Write OUTSIDE, CUT or INSIDE for `rows` rows of plane `k` of a tile, from its row 1 on.

    flat : the tile, (SIDE * SIDE * WIDE,) float32 mm. far : mm beyond which a point is clear of the surface. outermost,
    innermost : insets of the first and last layer. code : (SIDE * WIDE,) uint8; columns 0 and WIDE - 1 mean nothing.

    A point is clear as well where the plane through it misses it: the field's mean over the voxel (its middle plus the
    second differences / 24) against half of its change over the voxel.
    """
    first, count, plane = (k * SIDE + 1) * WIDE, rows * WIDE, SIDE * WIDE
    here = flat[first : first + count]
    back, front = flat[first - plane : first - plane + count], flat[first + plane : first + plane + count]
    above, below = flat[first - WIDE : first - WIDE + count], flat[first + WIDE : first + WIDE + count]
    left, right = flat[first - 1 : first - 1 + count], flat[first + 1 : first + 1 + count]
    half, twice, bent = np.float32(0.5), np.float32(2.0), np.float32(BENT)
    part = np.float32(1.0 / 24.0)
    far, outermost, innermost = np.float32(far), np.float32(outermost), np.float32(innermost)
    for n in range(count):
        value = here[n]
        change = half * (abs(front[n] - back[n]) + abs(below[n] - above[n]) + abs(right[n] - left[n]))
        twofold = twice * value
        bend = (
            (front[n] + back[n] - twofold) + (below[n] + above[n] - twofold) + (right[n] + left[n] - twofold)
        ) * part
        flat_there = abs(bend) < bent * change
        mean, reach = value + bend, half * change
        outside = (value + outermost > far) | (flat_there & (mean + outermost >= reach))
        inside = (value + innermost < -far) | (flat_there & (mean + innermost <= -reach))
        code[n] = np.uint8(1) - np.uint8(outside) + np.uint8(inside)


@numba.njit(nogil=True)
def cut(tile, k, j, i, insets, cum):
    """Write the fraction of one point's cell below each layer's level into cum, from its neighbours' middles.

    Mean of the field over a voxel: its middle plus the second differences / 24. Sharply bent voxels are split in eight
    pieces of the quadratic through the neighbours.
    """
    layers = insets.shape[0]
    value = float(tile[k, j, i])
    k0, k1, j0, j1, i0, i1 = (
        tile[k - 1, j, i],
        tile[k + 1, j, i],
        tile[k, j - 1, i],
        tile[k, j + 1, i],
        tile[k, j, i - 1],
        tile[k, j, i + 1],
    )
    ga, gb, gc = 0.5 * (k1 - k0), 0.5 * (j1 - j0), 0.5 * (i1 - i0)
    aa, bb, cc = k1 + k0 - 2.0 * value, j1 + j0 - 2.0 * value, i1 + i0 - 2.0 * value
    bend = (aa + bb + cc) / 24.0
    if abs(bend) < BENT * (abs(ga) + abs(gb) + abs(gc)):
        for m in range(layers):
            cum[m] = plane_fraction(value + bend + insets[m], ga, gb, gc)
        return
    ab = 0.25 * (tile[k + 1, j + 1, i] + tile[k - 1, j - 1, i] - tile[k + 1, j - 1, i] - tile[k - 1, j + 1, i])
    ac = 0.25 * (tile[k + 1, j, i + 1] + tile[k - 1, j, i - 1] - tile[k + 1, j, i - 1] - tile[k - 1, j, i + 1])
    bc = 0.25 * (tile[k, j + 1, i + 1] + tile[k, j - 1, i - 1] - tile[k, j + 1, i - 1] - tile[k, j - 1, i + 1])
    spread = (
        0.5 * (abs(ga) + abs(gb) + abs(gc))
        + 0.125 * (abs(aa) + abs(bb) + abs(cc))
        + 0.25 * (abs(ab) + abs(ac) + abs(bc))
    )
    if value + insets[0] >= spread or value + insets[layers - 1] <= -spread:
        whole = 0.0 if value + insets[0] >= spread else 1.0
        for m in range(layers):
            cum[m] = whole
        return
    for m in range(layers):
        cum[m] = 0.0
    for sub in range(8):
        a, b, c = 0.25 if sub & 1 else -0.25, 0.25 if sub & 2 else -0.25, 0.25 if sub & 4 else -0.25
        da, db, dc = aa * a + ab * b + ac * c, ab * a + bb * b + bc * c, ac * a + bc * b + cc * c
        here = value + (ga + 0.5 * da) * a + (gb + 0.5 * db) * b + (gc + 0.5 * dc) * c + 0.25 * bend
        for m in range(layers):
            cum[m] += 0.125 * plane_fraction(here + insets[m], 0.5 * (ga + da), 0.5 * (gb + db), 0.5 * (gc + dc))
