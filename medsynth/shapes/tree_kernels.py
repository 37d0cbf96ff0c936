"""Numba kernels of the branching trees: growth, smoothing, sums along parents."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numba
import numpy as np

from medsynth.shapes.capsule_kernels import dot, step_aside


@numba.njit(cache=True, nogil=True)
def generations(parents):
    """Return how many forks lie above each tube (n,)."""
    children = np.zeros(len(parents), np.int64)
    for i in range(len(parents)):
        if parents[i] >= 0:
            children[parents[i]] += 1
    out = np.zeros(len(parents), np.int64)
    for i in range(len(parents)):
        if parents[i] >= 0:
            out[i] = out[parents[i]] + (1 if children[parents[i]] > 1 else 0)
    return out


@numba.njit(cache=True, nogil=True)
def strahler_orders(parents):
    """Return the Strahler order of each tube (n,)."""
    n = len(parents)
    highest = np.zeros(n, np.int64)
    times = np.zeros(n, np.int64)
    out = np.zeros(n, np.int64)
    for i in range(n - 1, -1, -1):
        out[i] = 1 if highest[i] == 0 else highest[i] + (1 if times[i] > 1 else 0)
        p = parents[i]
        if p >= 0:
            if out[i] > highest[p]:
                highest[p], times[p] = out[i], 1
            elif out[i] == highest[p]:
                times[p] += 1
    return out


@numba.njit(cache=True, nogil=True)
def with_ancestors_kept(parents, keep):
    """Return `keep` (n,) without those that hang on something not kept."""
    out = keep.copy()
    for i in range(len(parents)):
        if parents[i] >= 0 and not out[parents[i]]:
            out[i] = False
    return out


@numba.njit(cache=True, nogil=True)
def gather(parents, amounts, lost):
    """Return the sum (m,) of the amounts at and below each node, with `lost` (m,) added on the edge above it."""
    end = amounts.copy()
    for i in range(len(parents) - 1, 0, -1):
        end[parents[i]] += end[i] + lost[i]
    return end


@numba.njit(cache=True, nogil=True)
def smooth(points, parents, weights, amount):
    """Move inner nodes IN PLACE towards the weighted mean of their neighbours; root and tips stay.

    Weights are edge weights (radius squared): a thick vessel goes straight on, a thin one bends to it, which gives
    the branching angles of least volume.
    """
    m = len(points)
    total = np.zeros((m, 3))
    weight = np.zeros(m)
    children = np.zeros(m, np.int64)
    for i in range(1, m):
        children[parents[i]] += 1
    for i in range(1, m):
        p = parents[i]
        for a in range(3):
            total[i, a] += weights[i] * points[p, a]
            total[p, a] += weights[i] * points[i, a]
        weight[i] += weights[i]
        weight[p] += weights[i]
    for i in range(1, m):
        if children[i] > 0:
            for a in range(3):
                points[i, a] += amount * (total[i, a] / weight[i] - points[i, a])


@numba.njit(cache=True, nogil=True)
def thin_out(cloud, count, spacing):
    """Return indices of `count` points, none nearer than `spacing` to another; it shrinks until there are enough."""
    chosen = np.empty(count, np.int64)
    taken = np.zeros(len(cloud), np.bool_)
    n = 0
    while n < count:
        for c in range(len(cloud)):
            if n == count:
                break
            if taken[c]:
                continue
            free = True
            for k in range(n - 1, -1, -1):
                q = chosen[k]
                dx, dy, dz = cloud[c, 0] - cloud[q, 0], cloud[c, 1] - cloud[q, 1], cloud[c, 2] - cloud[q, 2]
                if dx * dx + dy * dy + dz * dz < spacing * spacing:
                    free = False
                    break
            if free:
                chosen[n] = c
                taken[c] = True
                n += 1
        spacing *= 0.87
    return chosen


@numba.njit(cache=True, nogil=True)
def companion_side(points, parents, first_side):
    """Return the unit vector (m, 3) across the tree at each node, carried along and turned out of the forks' planes."""
    m = len(points)
    onward = np.zeros((m, 3))
    normal = np.zeros((m, 3))
    children = np.zeros(m, np.int64)
    for i in range(m - 1, 0, -1):  # children first: the next fork's plane is handed up to the parents
        p = parents[i]
        step = points[i] - points[p]
        step = step / max(np.sqrt(dot(step, step)), 1e-9)
        ahead = step + (onward[i] if children[i] > 0 else step)
        if children[p] == 0:
            onward[p], normal[p] = ahead, normal[i]
        else:
            normal[p] = np.cross(onward[p], ahead)
            normal[p] /= max(np.sqrt(dot(normal[p], normal[p])), 1e-9)
            onward[p] = onward[p] + ahead
        children[p] += 1
        onward[p] /= max(np.sqrt(dot(onward[p], onward[p])), 1e-9)
    side = np.zeros((m, 3))
    for i in range(m):
        along = onward[i] if children[i] > 0 else points[i] - points[parents[i]]
        along = along / max(np.sqrt(dot(along, along)), 1e-9)
        carried = first_side / max(np.sqrt(dot(first_side, first_side)), 1e-9) if i == 0 else side[parents[i]]
        sign = 1.0 if dot(carried, normal[i]) >= 0 else -1.0
        carried = carried + 0.35 * sign * normal[i]
        carried = carried - dot(carried, along) * along
        size = np.sqrt(dot(carried, carried))
        if size < 1e-6:
            carried = np.cross(along, np.array([0.31, 0.87, 0.38]))
            size = np.sqrt(dot(carried, carried))
        side[i] = carried / size
    return side


@numba.njit(cache=True, nogil=True)
def grow_to_targets(points, parents, closed, targets, bends, step, path_weight, clearance,
                    a, b, ra, rb, origin, cells, first, members):
    """Return nodes and parents with a twig to each target from the node of least cost."""
    m = len(points)
    room = m + 8 * len(targets) + 64
    pos, par = np.empty((room, 3)), np.empty(room, np.int64)
    heading, path, children = np.zeros((room, 3)), np.zeros(room), np.zeros(room, np.int64)
    pos[:m], par[:m] = points, parents
    for i in range(1, m):
        d = pos[i] - pos[par[i]]
        length = np.sqrt(dot(d, d))
        heading[i], path[i] = d / max(length, 1e-9), path[par[i]] + length
        children[par[i]] += 1
    for i in range(m):
        if closed[i]:
            children[i] = 2
    for t in range(len(targets)):
        best, cost_of_best = -1, 1e30
        for i in range(1, m):
            if children[i] > 1:
                continue
            dx, dy, dz = targets[t, 0] - pos[i, 0], targets[t, 1] - pos[i, 1], targets[t, 2] - pos[i, 2]
            distance = np.sqrt(dx * dx + dy * dy + dz * dz)
            ahead = dx * heading[i, 0] + dy * heading[i, 1] + dz * heading[i, 2]
            cost = 1.25 * distance - 0.45 * ahead + path_weight * path[i]
            if cost < cost_of_best:
                best, cost_of_best = i, cost
        if best < 0:
            continue
        node = best
        course = heading[best] + bends[t]
        stalled = 0
        while stalled < 3:
            to = targets[t] - pos[node]
            distance = np.sqrt(dot(to, to))
            if distance < 0.3 * step:
                break
            if m + 1 >= room:
                room *= 2
                pos, par = _longer(pos, room), _longer_1d(par, room)
                heading, path, children = _longer(heading, room), _longer_1d(path, room), _longer_1d(children, room)
            last = distance < 1.5 * step
            course = to / distance if last else 0.5 * course + 0.5 * to / distance
            course /= max(np.sqrt(dot(course, course)), 1e-9)
            pos[m] = pos[node] + (distance if last else step) * course
            step_aside(pos[m], clearance, a, b, ra, rb, origin, cells, first, members)
            gone = pos[m] - pos[node]
            length = np.sqrt(dot(gone, gone))
            if length < 0.3 * step:
                break
            to = targets[t] - pos[m]
            stalled += 1 if np.sqrt(dot(to, to)) > distance - 0.2 * step else 0
            par[m], heading[m], path[m] = node, gone / length, path[node] + length
            children[node] += 1
            children[m] = 0
            node = m
            m += 1
            if last:
                break
    return pos[:m].copy(), par[:m].copy()


@numba.njit(cache=True, nogil=True)
def _longer(array, room):
    out = np.zeros((room, 3))
    out[:len(array)] = array
    return out


@numba.njit(cache=True, nogil=True)
def _longer_1d(array, room):
    out = np.zeros(room, array.dtype)
    out[:len(array)] = array
    return out
