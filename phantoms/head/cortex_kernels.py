# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
"""Inner loops of the folded cortex: sampling on lattices, sulci as thin blades, and true distances by sweeping."""

import numba
import numpy as np

FAR = 30.0  # a distance beyond every sulcus, mm


@numba.njit(nogil=True, inline="always")
def _cell(u, size):
    """Return the lattice cell and the place in it of a coordinate, kept on the lattice."""
    u = min(max(u, 0.0), size - 1.001)
    i = int(u)
    return i, u - i


@numba.njit(nogil=True, inline="always")
def _sample(pack, u, v, w, out):
    """Write the trilinear values of every channel of pack (z, y, x, c) at lattice coordinates u (x), v (y), w (z)."""
    nz, ny, nx, nc = pack.shape
    i, a = _cell(u, nx)
    j, b = _cell(v, ny)
    k, c = _cell(w, nz)
    w000 = (1 - a) * (1 - b) * (1 - c)
    w001 = a * (1 - b) * (1 - c)
    w010 = (1 - a) * b * (1 - c)
    w011 = a * b * (1 - c)
    w100 = (1 - a) * (1 - b) * c
    w101 = a * (1 - b) * c
    w110 = (1 - a) * b * c
    w111 = a * b * c
    for n in range(nc):
        out[n] = (
            w000 * pack[k, j, i, n]
            + w001 * pack[k, j, i + 1, n]
            + w010 * pack[k, j + 1, i, n]
            + w011 * pack[k, j + 1, i + 1, n]
            + w100 * pack[k + 1, j, i, n]
            + w101 * pack[k + 1, j, i + 1, n]
            + w110 * pack[k + 1, j + 1, i, n]
            + w111 * pack[k + 1, j + 1, i + 1, n]
        )


@numba.njit(cache=True, nogil=True)
def gather(pack, places, out):
    """Write pack's channels (z, y, x, c) at lattice coordinates places (n, 3: x, y, z) into out (n, c)."""
    for n in range(places.shape[0]):
        _sample(pack, places[n, 0], places[n, 1], places[n, 2], out[n])


@numba.njit(cache=True, nogil=True)
def polyline_distance(points, starts, ends, curve, distance, nearest):
    """Write for each point (n, 3) the distance to the nearest segment and the number of the curve it belongs to."""
    for n in range(points.shape[0]):
        best, which = 1e12, -1
        for m in range(starts.shape[0]):
            dot = length = gap = 0.0
            for a in range(3):
                along = ends[m, a] - starts[m, a]
                dot += (points[n, a] - starts[m, a]) * along
                length += along * along
            t = min(max(dot / length, 0.0), 1.0)
            for a in range(3):
                gap += (points[n, a] - starts[m, a] - t * (ends[m, a] - starts[m, a])) ** 2
            if gap < best:
                best, which = gap, curve[m]
        distance[n], nearest[n] = np.sqrt(best), which


@numba.njit(nogil=True, inline="always")
def _blade(across, depth, deepest, width, crown):
    """Return the distance to a sulcus (negative in it): a sheet of `width`, its mouth rounded with radius `crown`."""
    if deepest < 2.0:
        return FAR
    radius = min(crown, 0.45 * deepest)
    u = min(max(radius - depth, 0.0), radius)
    mouth = radius - np.sqrt(max(radius * radius - u * u, 0.0))
    a = across - 0.5 * width - mouth
    b = depth - deepest
    outside = np.sqrt(max(a, 0.0) ** 2 + max(b, 0.0) ** 2)
    return outside + min(max(a, b), 0.0)


@numba.njit(nogil=True, inline="always")
def _sheets(h, depth, crown):
    """Return the distance to the free fissures: channels of (level, limit, half width) from h[4] on."""
    best = FAR
    u = min(max(crown - depth, 0.0), crown)
    mouth = crown - np.sqrt(max(crown * crown - u * u, 0.0))
    for n in range((h.shape[0] - 4) // 3):
        a = abs(h[4 + 3 * n]) - h[6 + 3 * n] - mouth
        b = h[5 + 3 * n]
        outside = np.sqrt(max(a, 0.0) ** 2 + max(b, 0.0) ** 2)
        best = min(best, outside + min(max(a, b), 0.0))
    return best


@numba.njit(cache=True, nogil=True, parallel=True)
def carve_sulci(hull, drift, folds, depths, coarse_origin, coarse_step, origin, step, wave, width, crown, out, under):
    """Write the cerebrum's surface (the hull less its sulci, negative inside) and the depth under the hull.

    hull : (2, z, y, x, 4 + 3 n) per side (0 right, 1 left; x is |x|): hull distance, negative inside, its gradient, and
        for each free fissure its level function, how far beyond its end a place is, and its half width.
    drift : (2, z, y, x, 3) shift of a sulcus per mm of depth.
    folds : (2, z, y, x, 8) two fold fields with their gradients; valleys are sulci.
    depths : (2, z, y, x, 3) depth of the sulci of both fields, relative width.
    wave : (2,) wavelengths of the two fields; width, crown in mm.
    out, under : (z, y, x) lattice of the body at `origin`, `step`; x > 0 is left.
    """
    nz, ny, nx = out.shape
    for k in numba.prange(nz):
        h, g, f, d = np.empty(hull.shape[4]), np.empty(3), np.empty(8), np.empty(3)
        z = (origin[2] + k * step - coarse_origin[2]) / coarse_step
        for j in range(ny):
            y = (origin[1] + j * step - coarse_origin[1]) / coarse_step
            for i in range(nx):
                side = 1 if origin[0] + i * step > 0 else 0
                x = (abs(origin[0] + i * step) - coarse_origin[0]) / coarse_step
                _sample(hull[side], x, y, z, h)
                surface = h[0]
                under[k, j, i] = -surface
                if surface > 6.0 or surface < -FAR:
                    out[k, j, i] = surface
                    continue
                depth = -surface
                best = _sheets(h, depth, crown)
                slope = np.sqrt(h[1] ** 2 + h[2] ** 2 + h[3] ** 2) + 1e-6
                move = -surface / slope / coarse_step
                px, py, pz = x + move * h[1], y + move * h[2], z + move * h[3]
                _sample(drift[side], px, py, pz, g)
                lean = max(depth, 0.0) / coarse_step
                px, py, pz = px + lean * g[0], py + lean * g[1], pz + lean * g[2]
                _sample(depths[side], px, py, pz, d)
                if d[0] < 2.0 and d[1] < 2.0:
                    out[k, j, i] = max(surface, -best)
                    continue
                _sample(folds[side], px, py, pz, f)
                for n in range(2):
                    number = 2 * np.pi / wave[n]
                    steep = np.sqrt(f[4 * n + 1] ** 2 + f[4 * n + 2] ** 2 + f[4 * n + 3] ** 2) / number
                    across = np.arctan2(steep, -f[4 * n]) / number
                    wide = width * d[2] * (1.0 if n == 0 else 0.8)
                    # Where stripes end or meet head on the fold is faint, and the sulcus runs out.
                    strong = min(max((np.sqrt(f[4 * n] ** 2 + steep**2) - 0.2) / 0.45, 0.0), 1.0)
                    deepest = d[n] * strong * strong * (3.0 - 2.0 * strong)
                    best = min(best, _blade(across, depth, deepest, wide, crown))
                out[k, j, i] = max(surface, -best)


@numba.njit(cache=True, nogil=True)
def redistance(values, step, reach):
    """Make values (z, y, x) the distance to their own zero level, up to `reach`.

    Nodes beside the zero level keep their value; the others are solved for by fast sweeping (Zhao 2005,
    doi:10.1090/S0025-5718-04-01678-3).
    """
    nz, ny, nx = values.shape
    fixed = np.zeros(values.shape, np.bool_)
    for k in range(nz):
        for j in range(ny):
            for i in range(nx):
                v = values[k, j, i]
                near = abs(v) < 1e-6
                if abs(v) < 2.0 * step:
                    near = near or (
                        (k > 0 and values[k - 1, j, i] * v < 0)
                        or (k < nz - 1 and values[k + 1, j, i] * v < 0)
                        or (j > 0 and values[k, j - 1, i] * v < 0)
                        or (j < ny - 1 and values[k, j + 1, i] * v < 0)
                        or (i > 0 and values[k, j, i - 1] * v < 0)
                        or (i < nx - 1 and values[k, j, i + 1] * v < 0)
                    )
                fixed[k, j, i] = near
    size = np.empty(values.shape, np.float32)
    for k in range(nz):
        for j in range(ny):
            for i in range(nx):
                size[k, j, i] = min(abs(values[k, j, i]), step) if fixed[k, j, i] else reach
    for sweep in range(8):
        k0, k1, dk = (0, nz, 1) if sweep & 1 == 0 else (nz - 1, -1, -1)
        j0, j1, dj = (0, ny, 1) if sweep & 2 == 0 else (ny - 1, -1, -1)
        i0, i1, di = (0, nx, 1) if sweep & 4 == 0 else (nx - 1, -1, -1)
        for k in range(k0, k1, dk):
            for j in range(j0, j1, dj):
                for i in range(i0, i1, di):
                    if fixed[k, j, i]:
                        continue
                    a = min(size[max(k - 1, 0), j, i], size[min(k + 1, nz - 1), j, i])
                    b = min(size[k, max(j - 1, 0), i], size[k, min(j + 1, ny - 1), i])
                    c = min(size[k, j, max(i - 1, 0)], size[k, j, min(i + 1, nx - 1)])
                    if a > b:
                        a, b = b, a
                    if b > c:
                        b, c = c, b
                    if a > b:
                        a, b = b, a
                    if a >= reach:
                        continue
                    t = a + step
                    if t > b:
                        t = 0.5 * (a + b + np.sqrt(max(2 * step * step - (a - b) ** 2, 0.0)))
                        if t > c:
                            total = a + b + c
                            square = a * a + b * b + c * c
                            t = (total + np.sqrt(max(total * total - 3 * (square - step * step), 0.0))) / 3
                    if t < size[k, j, i]:
                        size[k, j, i] = t
    for k in range(nz):
        for j in range(ny):
            for i in range(nx):
                values[k, j, i] = np.float32(np.copysign(min(size[k, j, i], reach), values[k, j, i]))
