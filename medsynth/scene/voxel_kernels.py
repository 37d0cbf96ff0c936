"""What happens in one voxel: exact plane cuts, and the rule for more than two materials."""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

from __future__ import annotations

import numba


@numba.njit(nogil=True, inline="always")
def _cube(v):
    return v * v * v if v > 0.0 else 0.0


@numba.njit(nogil=True)
def plane_fraction(value, a, b, c):
    """Fraction of a unit cell below zero of a linear function: `value` at its middle, a, b, c its change per edge."""
    a, b, c = abs(a), abs(b), abs(c)
    most = max(a, max(b, c))
    half = 0.5 * (a + b + c)
    if value >= half:
        return 0.0
    if value <= -half:
        return 1.0
    small = 2e-3 * most
    a, b, c = max(a, small), max(b, small), max(c, small)
    t = 0.5 * (a + b + c) - value
    total = (
        _cube(t)
        - _cube(t - a)
        - _cube(t - b)
        - _cube(t - c)
        + _cube(t - a - b)
        + _cube(t - a - c)
        + _cube(t - b - c)
        - _cube(t - a - b - c)
    )
    return min(1.0, max(0.0, total / (6.0 * a * b * c)))


@numba.njit(nogil=True)
def settle(index, labels, neighbour, fraction, over, organ, material, new_labels, new_parts, count, work_l, work_w):
    """Cover a voxel with `count` new materials (parts of the whole voxel) and keep the two largest.

    What does not fit goes to a kept part of the same organ, else to the largest, so that organ volumes hold.
    """
    old_a, old_b = labels[index], neighbour[index]
    f = fraction[index] / 255.0
    share_a, share_b = 1.0 - f, f
    free = (share_a if over[old_a] else 0.0) + (share_b if over[old_b] else 0.0)
    if free <= 0.0:
        return
    covered = 0.0
    for m in range(count):
        covered += new_parts[m]
    n = 0
    for m in range(count + 2):
        if m < count:
            label, weight = new_labels[m], new_parts[m] * free
        elif m == count:
            label, weight = old_a, share_a * (1.0 - covered if over[old_a] else 1.0)
        else:
            label, weight = old_b, share_b * (1.0 - covered if over[old_b] else 1.0)
        if weight <= 0.0:
            continue
        found = False
        for q in range(n):
            if work_l[q] == label:
                work_w[q] += weight
                found = True
        if not found:
            work_l[n], work_w[n] = label, weight
            n += 1
    # Three or more: parts of one material are one before anything is dropped, so that a thin sheet between two lobes or
    # a fat plane between two muscles stays.
    kept = n
    for p in range(n):
        for q in range(n):
            if kept > 2 and p != q and work_w[p] >= work_w[q] > 0.0 and material[work_l[p]] == material[work_l[q]]:
                work_w[p] += work_w[q]
                work_w[q] = 0.0
                kept -= 1
    first, second = 0, -1
    for q in range(1, n):
        if work_w[q] > work_w[first]:
            first = q
    for q in range(n):
        if q != first and (second < 0 or work_w[q] > work_w[second]):
            second = q
    if second < 0:
        labels[index], neighbour[index], fraction[index] = work_l[first], 0, 0
        return
    wa, wb = work_w[first], work_w[second]
    for q in range(n):
        if q != first and q != second:
            if organ[work_l[q]] == organ[work_l[second]] and organ[work_l[q]] != organ[work_l[first]]:
                wb += work_w[q]
            else:
                wa += work_w[q]
    if wb > wa:
        first, second, wa, wb = second, first, wb, wa
    stored = int(wb / (wa + wb) * 255.0 + 0.5)
    labels[index] = work_l[first]
    neighbour[index] = work_l[second] if stored > 0 else 0
    fraction[index] = stored


@numba.njit(nogil=True, inline="always")
def put(index, labels, neighbour, fraction, over, organ, material, new_labels, new_parts, count, work_l, work_w):
    """Cover a voxel as `settle` does; a voxel of one material that takes another one, the usual case, without ado."""
    if count == 1 and fraction[index] == 0:
        stored, old, new = int(new_parts[0] * 255.0 + 0.5), labels[index], new_labels[0]
        if over[old] and new != old and stored > 0:
            if new_parts[0] > 0.5:
                labels[index], neighbour[index], fraction[index] = new, old if stored < 255 else 0, 255 - stored
            else:
                neighbour[index], fraction[index] = new, stored
    elif count > 0:
        settle(index, labels, neighbour, fraction, over, organ, material, new_labels, new_parts, count, work_l, work_w)


@numba.njit(nogil=True)
def fill(labels, neighbour, fraction, begin, end, label, over, everywhere):
    """Cover whole voxels with one label."""
    if everywhere:
        labels[begin:end] = label
        neighbour[begin:end] = 0
        fraction[begin:end] = 0
        return
    for at in range(begin, end):
        if fraction[at] == 0:
            if over[labels[at]]:
                labels[at] = label
        elif over[labels[at]] and over[neighbour[at]]:
            labels[at], neighbour[at], fraction[at] = label, 0, 0
        elif over[labels[at]]:
            labels[at] = label
        elif over[neighbour[at]]:
            neighbour[at] = label
