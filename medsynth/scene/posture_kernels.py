# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
"""Inner loop of moving sampled shapes: looks up where each node of the new lattice came from."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def _cell(position, size):
    """Return the lower node and the share of the upper one, kept on the lattice."""
    kept = min(max(position, 0.0), size - 1.000001)
    lower = int(kept)
    return lower, kept - lower


@numba.njit(cache=True, nogil=True)
def _mixed(values, k, j, i, c, b, a):
    low = (1 - b) * ((1 - a) * values[k, j, i] + a * values[k, j, i + 1]) + b * (
        (1 - a) * values[k, j + 1, i] + a * values[k, j + 1, i + 1]
    )
    high = (1 - b) * ((1 - a) * values[k + 1, j, i] + a * values[k + 1, j, i + 1]) + b * (
        (1 - a) * values[k + 1, j + 1, i] + a * values[k + 1, j + 1, i + 1]
    )
    return (1 - c) * low + c * high


@numba.njit(parallel=True, cache=True, nogil=True)
def pull_back(values, owner, has_owner, origin, step, back, back_origin, back_step, first, new_step, out, out_owner):
    """Write to each node of a new lattice the value, and the owner, of the place that it came from.

    back : (3, z, y, x) inverse displacement in mm along x, y, z at the nodes of a lattice that covers the new one.
    first : (3,) node (0, 0, 0) of the new lattice as whole multiples of `new_step` along x, y, z.
    """
    nz, ny, nx = out.shape
    for k in numba.prange(nz):
        z = (first[2] + k) * new_step
        rk, rc = _cell((z - back_origin[2]) / back_step, back.shape[1])
        for j in range(ny):
            y = (first[1] + j) * new_step
            rj, rb = _cell((y - back_origin[1]) / back_step, back.shape[2])
            for i in range(nx):
                x = (first[0] + i) * new_step
                ri, ra = _cell((x - back_origin[0]) / back_step, back.shape[3])
                u = (x + _mixed(back[0], rk, rj, ri, rc, rb, ra) - origin[0]) / step
                v = (y + _mixed(back[1], rk, rj, ri, rc, rb, ra) - origin[1]) / step
                w = (z + _mixed(back[2], rk, rj, ri, rc, rb, ra) - origin[2]) / step
                si, sa = _cell(u, values.shape[2])
                sj, sb = _cell(v, values.shape[1])
                sk, sc = _cell(w, values.shape[0])
                beyond = (u - si - sa) ** 2 + (v - sj - sb) ** 2 + (w - sk - sc) ** 2
                out[k, j, i] = _mixed(values, sk, sj, si, sc, sb, sa) + np.sqrt(beyond) * step
                if has_owner:
                    out_owner[k, j, i] = owner[sk + (sc >= 0.5), sj + (sb >= 0.5), si + (sa >= 0.5)]
