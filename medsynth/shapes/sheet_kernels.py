# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
"""Inner loop of sheets: distance of lattice nodes to triangles that carry a thickness."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def _nearest(px, py, pz, a, b, c):
    """Return the weights of b and c of the triangle's point nearest to p (Ericson 2004, section 5.1.5)."""
    abx, aby, abz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    acx, acy, acz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    apx, apy, apz = px - a[0], py - a[1], pz - a[2]
    d1 = abx * apx + aby * apy + abz * apz
    d2 = acx * apx + acy * apy + acz * apz
    if d1 <= 0.0 and d2 <= 0.0:
        return 0.0, 0.0
    bpx, bpy, bpz = px - b[0], py - b[1], pz - b[2]
    d3 = abx * bpx + aby * bpy + abz * bpz
    d4 = acx * bpx + acy * bpy + acz * bpz
    if d3 >= 0.0 and d4 <= d3:
        return 1.0, 0.0
    vc = d1 * d4 - d3 * d2
    if vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
        return d1 / (d1 - d3 + 1e-30), 0.0
    cpx, cpy, cpz = px - c[0], py - c[1], pz - c[2]
    d5 = abx * cpx + aby * cpy + abz * cpz
    d6 = acx * cpx + acy * cpy + acz * cpz
    if d6 >= 0.0 and d5 <= d6:
        return 0.0, 1.0
    vb = d5 * d2 - d1 * d6
    if vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
        return 0.0, d2 / (d2 - d6 + 1e-30)
    va = d3 * d6 - d5 * d4
    if va <= 0.0 and (d4 - d3) >= 0.0 and (d5 - d6) >= 0.0:
        w = (d4 - d3) / ((d4 - d3) + (d5 - d6) + 1e-30)
        return 1.0 - w, w
    scale = 1.0 / (va + vb + vc + 1e-30)
    return vb * scale, vc * scale


@numba.njit(cache=True, nogil=True)
def splat_triangles(vertices, half, triangles, margin, origin, step, values):
    """Lower `values` to the distance of the nodes to thick triangles near them."""
    nz, ny, nx = values.shape
    lo, hi = np.empty(3, np.int64), np.empty(3, np.int64)
    for n in range(triangles.shape[0]):
        ia, ib, ic = triangles[n, 0], triangles[n, 1], triangles[n, 2]
        a, b, c = vertices[ia], vertices[ib], vertices[ic]
        thick = max(half[ia], max(half[ib], half[ic]))
        reach = thick + margin
        for axis in range(3):
            size = nx if axis == 0 else (ny if axis == 1 else nz)
            least = min(a[axis], min(b[axis], c[axis]))
            most = max(a[axis], max(b[axis], c[axis]))
            lo[axis] = max(0, int(np.ceil((least - reach - origin[axis]) / step)))
            hi[axis] = min(size - 1, int(np.floor((most + reach - origin[axis]) / step)))
        mx, my, mz = (a[0] + b[0] + c[0]) / 3, (a[1] + b[1] + c[1]) / 3, (a[2] + b[2] + c[2]) / 3
        size2 = max(
            (a[0] - mx) ** 2 + (a[1] - my) ** 2 + (a[2] - mz) ** 2,
            max(
                (b[0] - mx) ** 2 + (b[1] - my) ** 2 + (b[2] - mz) ** 2,
                (c[0] - mx) ** 2 + (c[1] - my) ** 2 + (c[2] - mz) ** 2,
            ),
        )
        around = np.sqrt(size2) + thick
        for k in range(lo[2], hi[2] + 1):
            pz = origin[2] + k * step
            for j in range(lo[1], hi[1] + 1):
                py = origin[1] + j * step
                for i in range(lo[0], hi[0] + 1):
                    px = origin[0] + i * step
                    near = values[k, j, i] + around
                    if near <= 0.0 or (px - mx) ** 2 + (py - my) ** 2 + (pz - mz) ** 2 >= near * near:
                        continue
                    u, v = _nearest(px, py, pz, a, b, c)
                    w = 1.0 - u - v
                    qx = px - w * a[0] - u * b[0] - v * c[0]
                    qy = py - w * a[1] - u * b[1] - v * c[1]
                    qz = pz - w * a[2] - u * b[2] - v * c[2]
                    d = np.sqrt(qx * qx + qy * qy + qz * qz) - (w * half[ia] + u * half[ib] + v * half[ic])
                    values[k, j, i] = min(values[k, j, i], d)
