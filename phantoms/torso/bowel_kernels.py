# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls
"""Inner loops of the bowel: beads on a string that find room, and the distance to loops that press on each other."""

import numba
import numpy as np


@numba.njit(nogil=True)
def _level_and_slope(values, origin, step, x, y, z, slope):
    """Return the trilinear value at a point, the edge's value beyond it; write its gradient."""
    nz, ny, nx = values.shape
    u = min(max((x - origin[0]) / step, 0.0), nx - 1.000001)
    v = min(max((y - origin[1]) / step, 0.0), ny - 1.000001)
    w = min(max((z - origin[2]) / step, 0.0), nz - 1.000001)
    i, j, k = int(u), int(v), int(w)
    a, b, c = u - i, v - j, w - k
    level = 0.0
    slope[0] = slope[1] = slope[2] = 0.0
    for dk in range(2):
        for dj in range(2):
            for di in range(2):
                value = values[k + dk, j + dj, i + di]
                wx = a if di else 1 - a
                wy = b if dj else 1 - b
                wz = c if dk else 1 - c
                level += value * wx * wy * wz
                slope[0] += (value if di else -value) * wy * wz / step
                slope[1] += (value if dj else -value) * wx * wz / step
                slope[2] += (value if dk else -value) * wx * wy / step
    return level


@numba.njit(cache=True, nogil=True)
def relax_string(points, radii, held, rest, free, origin, step, rounds, bending, start_size, largest_move):
    """Move the beads (n, 3) of a string IN PLACE until they lie in the free space and off each other.

    Springs keep neighbours `rest` apart, bending straightens, every bead pushes off beads farther along the string
    and off the wall (free > 0 outside). Beads grow from `start_size` of their radius to all of it. Held beads stay.
    """
    n = points.shape[0]
    move, slope = np.zeros((n, 3)), np.zeros(3)
    for turn in range(rounds):
        size = min(1.0, start_size + (1.0 - start_size) * turn / (0.7 * rounds))
        move[:] = 0.0
        for i in range(n - 1):
            j = i + 1
            dx, dy, dz = points[j, 0] - points[i, 0], points[j, 1] - points[i, 1], points[j, 2] - points[i, 2]
            length = np.sqrt(dx * dx + dy * dy + dz * dz) + 1e-9
            pull = 0.35 * (length - rest) / length
            move[i, 0] += pull * dx
            move[i, 1] += pull * dy
            move[i, 2] += pull * dz
            move[i + 1, 0] -= pull * dx
            move[i + 1, 1] -= pull * dy
            move[i + 1, 2] -= pull * dz
        for i in range(1, n - 1):
            for axis in range(3):
                move[i, axis] += bending * (0.5 * (points[i - 1, axis] + points[i + 1, axis]) - points[i, axis])
        for i in range(n):
            for j in range(i + 3, n):
                reach = size * (radii[i] + radii[j])
                if (j - i) * rest < 1.65 * reach:
                    continue
                dx, dy, dz = points[j, 0] - points[i, 0], points[j, 1] - points[i, 1], points[j, 2] - points[i, 2]
                if abs(dx) > reach or abs(dy) > reach or abs(dz) > reach:
                    continue
                gap2 = dx * dx + dy * dy + dz * dz
                if gap2 >= reach * reach:
                    continue
                gap = np.sqrt(gap2) + 1e-6
                push = 0.22 * (reach - gap) / gap
                move[i, 0] -= push * dx
                move[i, 1] -= push * dy
                move[i, 2] -= push * dz
                move[j, 0] += push * dx
                move[j, 1] += push * dy
                move[j, 2] += push * dz
        for i in range(n):
            if held[i]:
                continue
            deep = _level_and_slope(free, origin, step, points[i, 0], points[i, 1], points[i, 2], slope)
            deep += size * radii[i]
            if deep > 0.0:
                steep = np.sqrt(slope[0] ** 2 + slope[1] ** 2 + slope[2] ** 2) + 1e-6
                for axis in range(3):
                    move[i, axis] -= 0.5 * deep * slope[axis] / steep
            length = np.sqrt(move[i, 0] ** 2 + move[i, 1] ** 2 + move[i, 2] ** 2)
            scale = min(1.0, largest_move / (length + 1e-9))
            for axis in range(3):
                points[i, axis] += scale * move[i, axis]


@numba.njit(cache=True, nogil=True)
def splat_string(points, radii, arc, apart, margin, origin, step, first, second, where):
    """Lower `first` to a tube's distance and `second` to that of its next loop, and note the arc length of the first.

    Both start at `margin`. The next loop is one that lies more than `apart` along the tube from the nearest point.
    """
    nz, ny, nx = first.shape
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for s in range(points.shape[0] - 1):
        reach = max(radii[s], radii[s + 1]) + margin
        for axis in range(3):
            size = nx if axis == 0 else (ny if axis == 1 else nz)
            a, b = points[s, axis], points[s + 1, axis]
            low[axis] = max(0, int(np.ceil((min(a, b) - reach - origin[axis]) / step)))
            high[axis] = min(size - 1, int(np.floor((max(a, b) + reach - origin[axis]) / step)))
        dx, dy, dz = points[s + 1, 0] - points[s, 0], points[s + 1, 1] - points[s, 1], points[s + 1, 2] - points[s, 2]
        inverse = 1.0 / (dx * dx + dy * dy + dz * dz + 1e-12)
        for k in range(low[2], high[2] + 1):
            qz = origin[2] + k * step - points[s, 2]
            for j in range(low[1], high[1] + 1):
                qy = origin[1] + j * step - points[s, 1]
                for i in range(low[0], high[0] + 1):
                    qx = origin[0] + i * step - points[s, 0]
                    t = min(1.0, max(0.0, (qx * dx + qy * dy + qz * dz) * inverse))
                    ex, ey, ez = qx - t * dx, qy - t * dy, qz - t * dz
                    near = second[k, j, i] + radii[s] * (1 - t) + radii[s + 1] * t
                    far = ex * ex + ey * ey + ez * ez
                    if near <= 0.0 or far >= near * near:
                        continue
                    d = np.sqrt(far) - radii[s] * (1 - t) - radii[s + 1] * t
                    along = arc[s] + t * (arc[s + 1] - arc[s])
                    other = abs(along - where[k, j, i]) > apart
                    if d < first[k, j, i]:
                        if other:
                            second[k, j, i] = first[k, j, i]
                        first[k, j, i] = d
                        where[k, j, i] = along
                    elif other and d < second[k, j, i]:
                        second[k, j, i] = d
