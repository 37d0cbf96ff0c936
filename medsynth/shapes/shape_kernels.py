# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
"""Inner loops of the shapes: small scalar functions over flat arrays."""

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def ellipsoid_distance(points, centre, radii, turn, out):
    """First-order distance: the implicit function over the length of its gradient, at least minus the least radius."""
    least = min(radii[0], min(radii[1], radii[2]))
    inverse = 1.0 / radii
    for n in range(points.shape[0]):
        x, y, z = points[n, 0] - centre[0], points[n, 1] - centre[1], points[n, 2] - centre[2]
        level = slope = 0.0
        for axis in range(3):
            u = (x * turn[0, axis] + y * turn[1, axis] + z * turn[2, axis]) * inverse[axis]
            level += u * u
            slope += (u * inverse[axis]) ** 2
        level, slope = np.sqrt(level), np.sqrt(slope)
        # At the centre both vanish; the surface is the least radius away.
        out[n] = max(level * (level - 1.0) / slope, -least) if slope > 1e-9 else -least


@numba.njit(cache=True, nogil=True)
def trilinear(values, points, origin, step, out):
    """Write the trilinear value at each point; beyond the lattice it grows with the distance to it."""
    nz, ny, nx = values.shape
    for n in range(points.shape[0]):
        beyond = 0.0
        cell = (0.0, 0.0, 0.0)
        for axis in range(3):
            size = nx if axis == 0 else (ny if axis == 1 else nz)
            u = (points[n, axis] - origin[axis]) / step
            if u < 0.0:
                beyond += u * u
                u = 0.0
            elif u > size - 1.000001:
                beyond += (u - (size - 1)) ** 2 if u > size - 1 else 0.0
                u = size - 1.000001
            if axis == 0:
                cell = (u, 0.0, 0.0)
            elif axis == 1:
                cell = (cell[0], u, 0.0)
            else:
                cell = (cell[0], cell[1], u)
        i, j, k = int(cell[0]), int(cell[1]), int(cell[2])
        a, b, c = cell[0] - i, cell[1] - j, cell[2] - k
        low = (1 - b) * ((1 - a) * values[k, j, i] + a * values[k, j, i + 1]) + b * (
            (1 - a) * values[k, j + 1, i] + a * values[k, j + 1, i + 1]
        )
        high = (1 - b) * ((1 - a) * values[k + 1, j, i] + a * values[k + 1, j, i + 1]) + b * (
            (1 - a) * values[k + 1, j + 1, i] + a * values[k + 1, j + 1, i + 1]
        )
        out[n] = (1 - c) * low + c * high + np.sqrt(beyond) * step


@numba.njit(nogil=True)
def _look_up(radii, row, angle):
    """Bilinear radius at a fractional table row and an angle in degrees."""
    columns = radii.shape[1] - 1
    column = (angle % 360.0) * (columns / 360.0)
    c = min(int(column), columns - 1)
    row = min(max(row, 0.0), radii.shape[0] - 1.000001)
    r = int(row)
    p, q = column - c, row - r
    return (1 - q) * ((1 - p) * radii[r, c] + p * radii[r, c + 1]) + q * (
        (1 - p) * radii[r + 1, c] + p * radii[r + 1, c + 1]
    )


@numba.njit(cache=True, nogil=True)
def loft_radii(radii, low, high, angles, z, out):
    """Write the bilinear radius at each angle in degrees and height."""
    scale = (radii.shape[0] - 1) / (high - low)
    for n in range(angles.shape[0]):
        out[n] = _look_up(radii, (z[n] - low) * scale, angles[n])


@numba.njit(cache=True, nogil=True)
def loft_slopes(radii, high_mm, out):
    """Write the slope of the radial distance at every table entry: square root of 1 + (dr/da / r)^2 + (dr/dz)^2."""
    rows, columns = radii.shape
    row_mm = high_mm / (rows - 1)
    turn = columns - 1
    for r in range(rows):
        above, below = min(r + 2, rows - 1), max(r - 2, 0)
        for c in range(columns):
            ahead, behind = radii[r, (c + 4) % turn], radii[r, (c - 4) % turn]
            around = (ahead - behind) * turn / (16.0 * np.pi)
            upward = (radii[above, c] - radii[below, c]) / ((above - below) * row_mm)
            out[r, c] = min(np.sqrt(1.0 + (around / max(radii[r, c], 1.0)) ** 2 + upward * upward), 3.0)


@numba.njit(cache=True, nogil=True)
def loft_distances(radii, slopes, centres, low, high, points, out):
    """Write the radial distance to a loft over its slope: (n,) mm."""
    rows, columns = radii.shape[0], radii.shape[1] - 1
    scale, per_rad = (rows - 1) / (high - low), columns / (2.0 * np.pi)
    for n in range(points.shape[0]):
        row = min(max((points[n, 2] - low) * scale, 0.0), rows - 1.000001)
        r = int(row)
        q = row - r
        x = points[n, 0] - ((1 - q) * centres[r, 0] + q * centres[r + 1, 0])
        y = points[n, 1] - ((1 - q) * centres[r, 1] + q * centres[r + 1, 1])
        column = np.arctan2(x, -y) * per_rad
        if column < 0.0:
            column += columns
        c = min(int(column), columns - 1)
        p = column - c
        radius = (1 - q) * ((1 - p) * radii[r, c] + p * radii[r, c + 1]) + q * (
            (1 - p) * radii[r + 1, c] + p * radii[r + 1, c + 1]
        )
        slope = (1 - q) * ((1 - p) * slopes[r, c] + p * slopes[r, c + 1]) + q * (
            (1 - p) * slopes[r + 1, c] + p * slopes[r + 1, c + 1]
        )
        out[n] = (np.sqrt(x * x + y * y) - radius) / slope


@numba.njit(nogil=True)
def _section(px, py, pz, points, normals, binormals, first, second, exponent, s):
    """Signed distance to segment s, and how far along it (0..1) the nearest axis point lies."""
    dx, dy, dz = points[s + 1, 0] - points[s, 0], points[s + 1, 1] - points[s, 1], points[s + 1, 2] - points[s, 2]
    qx, qy, qz = px - points[s, 0], py - points[s, 1], pz - points[s, 2]
    t = min(1.0, max(0.0, (qx * dx + qy * dy + qz * dz) / (dx * dx + dy * dy + dz * dz + 1e-12)))
    ex, ey, ez = qx - t * dx, qy - t * dy, qz - t * dz
    a = b = 0.0
    for axis in range(3):
        e = ex if axis == 0 else (ey if axis == 1 else ez)
        a += e * (normals[s, axis] * (1 - t) + normals[s + 1, axis] * t)
        b += e * (binormals[s, axis] * (1 - t) + binormals[s + 1, axis] * t)
    ra, rb = first[s] * (1 - t) + first[s + 1] * t, second[s] * (1 - t) + second[s + 1] * t
    least = min(ra, rb)
    ua, ub, uc = abs(a) / ra, abs(b) / rb, 0.0
    if t == 0.0 or t == 1.0:  # beyond its end a segment is rounded, by the lesser half-axis
        uc = np.sqrt(max(ex * ex + ey * ey + ez * ez - a * a - b * b, 0.0)) / least
    if exponent == 2.0:
        across = ua * ua + ub * ub
        rise = (ua / ra) ** 2 + (ub / rb) ** 2
    else:
        across = (ua**exponent + ub**exponent) ** (2.0 / exponent)
        ga, gb = ua ** (exponent - 1) / ra, ub ** (exponent - 1) / rb
        rise = (ga * ga + gb * gb) * across ** (2.0 - exponent) if across > 1e-12 else 0.0
    level, slope = np.sqrt(across + uc * uc), np.sqrt(rise + (uc / least) ** 2)
    distance = level * (level - 1.0) / slope if slope > 1e-9 else -least
    return max(distance, -least), t


@numba.njit(cache=True, nogil=True)
def sweep_point_distance(points, normals, binormals, first, second, exponent, where, out):
    """Lower `out` to the distance of each point to the nearest segment of a sweep."""
    for n in range(where.shape[0]):
        for s in range(points.shape[0] - 1):
            d, _ = _section(
                where[n, 0], where[n, 1], where[n, 2], points, normals, binormals, first, second, exponent, s
            )
            out[n] = min(out[n], d)


@numba.njit(cache=True, nogil=True)
def splat_sweep(
    points, normals, binormals, first, second, exponent, margin, origin, step, values, owner, number, arc, along
):
    """Lower `values` to the distance of a sweep near it, and note the sweep's number and the arc length."""
    nz, ny, nx = values.shape
    start = 0.0
    corner = max(1.2, 2.0 ** (0.5 - 1.0 / exponent))  # a boxy section sticks out beyond its half-axes
    lo, hi = np.empty(3, np.int64), np.empty(3, np.int64)
    for s in range(points.shape[0] - 1):
        length = np.sqrt(
            (points[s + 1, 0] - points[s, 0]) ** 2
            + (points[s + 1, 1] - points[s, 1]) ** 2
            + (points[s + 1, 2] - points[s, 2]) ** 2
        )
        reach = max(max(first[s], first[s + 1]), max(second[s], second[s + 1])) * corner + margin
        for axis in range(3):
            size = nx if axis == 0 else (ny if axis == 1 else nz)
            a, b = points[s, axis], points[s + 1, axis]
            lo[axis] = max(0, int(np.ceil((min(a, b) - reach - origin[axis]) / step)))
            hi[axis] = min(size - 1, int(np.floor((max(a, b) + reach - origin[axis]) / step)))
        ax, ay, az = points[s, 0], points[s, 1], points[s, 2]
        dx, dy, dz = points[s + 1, 0] - ax, points[s + 1, 1] - ay, points[s + 1, 2] - az
        inverse = 1.0 / (length * length + 1e-12)
        largest = (reach - margin) * 1.2  # a boxy section's corners reach beyond its half-axes
        for k in range(lo[2], hi[2] + 1):
            for j in range(lo[1], hi[1] + 1):
                for i in range(lo[0], hi[0] + 1):
                    # No point of the section is nearer than the axis less the largest half-axis.
                    qx, qy, qz = origin[0] + i * step - ax, origin[1] + j * step - ay, origin[2] + k * step - az
                    t = min(1.0, max(0.0, (qx * dx + qy * dy + qz * dz) * inverse))
                    far = (qx - t * dx) ** 2 + (qy - t * dy) ** 2 + (qz - t * dz) ** 2
                    near = values[k, j, i] + largest
                    if near <= 0.0 or far >= near * near:
                        continue
                    d, t = _section(
                        origin[0] + i * step,
                        origin[1] + j * step,
                        origin[2] + k * step,
                        points,
                        normals,
                        binormals,
                        first,
                        second,
                        exponent,
                        s,
                    )
                    if d < values[k, j, i]:
                        values[k, j, i] = d
                        owner[k, j, i] = number
                        if along:
                            arc[k, j, i] = start + t * length
        start += length


def spline(t: Any) -> tuple[Any, Any, Any, Any]:
    """Cubic B-spline weights of the four nodes around a position `t` of the way between the middle two."""
    s = 1.0 - t
    return (
        s * s * s / 6.0,
        (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0,
        (3.0 * s * s * s - 6.0 * s * s + 4.0) / 6.0,
        t * t * t / 6.0,
    )


_weights = numba.njit(cache=True, nogil=True, inline="always")(spline)


@numba.njit(cache=True, nogil=True)
def evaluate_noise(tile, points, scale, out):
    """Write the tricubic B-spline value of a periodic tile at each point."""
    mask = tile.shape[0] - 1
    for n in range(points.shape[0]):
        x, y, z = points[n, 0] * scale, points[n, 1] * scale, points[n, 2] * scale
        i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
        wx, wy, wz = _weights(x - i), _weights(y - j), _weights(z - k)
        total = 0.0
        for c in range(4):
            plane = 0.0
            for b in range(4):
                line = tile[(k + c) & mask, (j + b) & mask]
                plane += wy[b] * (
                    wx[0] * line[i & mask]
                    + wx[1] * line[(i + 1) & mask]
                    + wx[2] * line[(i + 2) & mask]
                    + wx[3] * line[(i + 3) & mask]
                )
            total += wz[c] * plane
        out[n] = total


@numba.njit(cache=True, nogil=True)
def noise_on_axes(tile, kz, ky, kx, wz, wy, wx, out):
    """Write the tricubic B-spline values of a periodic tile at the nodes of a rectilinear lattice, axis by axis.

    kz, ky, kx : first of the four tile nodes of each lattice node. wz, wy, wx : (n, 4) float32 weights.
    """
    size = tile.shape[0]
    plane, line = np.empty((size, size), np.float32), np.empty(size, np.float32)
    for k in range(len(kz)):
        a, b, c, d = kz[k], (kz[k] + 1) % size, (kz[k] + 2) % size, (kz[k] + 3) % size
        for y in range(size):
            for x in range(size):
                plane[y, x] = (wz[k, 0] * tile[a, y, x] + wz[k, 1] * tile[b, y, x] + wz[k, 2] * tile[c, y, x]
                               + wz[k, 3] * tile[d, y, x])
        for j in range(len(ky)):
            a, b, c, d = ky[j], (ky[j] + 1) % size, (ky[j] + 2) % size, (ky[j] + 3) % size
            for x in range(size):
                line[x] = (wy[j, 0] * plane[a, x] + wy[j, 1] * plane[b, x] + wy[j, 2] * plane[c, x]
                           + wy[j, 3] * plane[d, x])
            for i in range(len(kx)):
                x = kx[i]
                out[k, j, i] = (wx[i, 0] * line[x] + wx[i, 1] * line[(x + 1) % size] + wx[i, 2] * line[(x + 2) % size]
                                + wx[i, 3] * line[(x + 3) % size])


@numba.njit(cache=True, nogil=True)
def rank_rivals(field, bias, number, nearest, second, winner):
    """Note field - bias among the two nearest seen so far, and whose the nearest is; flat arrays, in place."""
    for n in range(field.shape[0]):
        value = field[n] - bias
        if value < nearest[n]:
            second[n], nearest[n], winner[n] = nearest[n], value, number
        elif value < second[n]:
            second[n] = value


@numba.njit(cache=True, nogil=True)
def yield_to_rivals(field, bias, number, nearest, second, winner, gap, out):
    """Write the field after the competition: the larger of itself and halfway to its rival plus half the gap."""
    wide = gap.shape[0] > 1
    for n in range(field.shape[0]):
        rival = second[n] if winner[n] == number else nearest[n]
        halfway = 0.5 * (field[n] - bias - rival + (gap[n] if wide else gap[0]))
        out[n] = max(field[n], halfway)
