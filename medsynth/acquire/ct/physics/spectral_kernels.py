"""The inner loop of the two-material decomposition: Newton steps on tabulated line integrals.

The table of a channel holds the coefficients of uniform cubic B-splines over warped coordinates, see `spectral`.
Parallel loops write disjoint channels, so that results do not depend on the number of threads.
"""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numba
import numpy as np

STEPS = 12
# Channels that one thread treats together: their readings of a view share a cache line.
BLOCK = 16


@numba.njit(cache=True, nogil=True, inline="always", fastmath={"contract"})
def place(value, low, span, linear, nodes):
    """Return the cell, the four B-spline weights and their derivatives to the value, which lies in the table."""
    share = (value - low) / span
    root = np.sqrt(linear * linear + 4 * (1 - linear) * share)
    x = (nodes - 1) * 2 * share / (root + linear)
    cell = min(int(x), nodes - 2)
    t = x - cell
    s = 1 - t
    slope = (nodes - 1) / (span * root)
    weights = (s * s * s / 6, (4 + t * t * (3 * t - 6)) / 6, (4 + s * s * (3 * s - 6)) / 6, t * t * t / 6)
    slopes = (-slope * s * s / 2, slope * t * (3 * t - 4) / 2, -slope * s * (3 * s - 4) / 2, slope * t * t / 2)
    return cell, weights, slopes


@numba.njit(cache=True, nogil=True, inline="always", fastmath={"contract"})
def newton_sums(tables, readings, precision, first, second, frame):
    """Return the normal equations of one step and the largest residual; beyond the table it goes on linearly."""
    low_a, span_a, bend_a, low_d, span_d, bend_d, skew = frame
    d = second + skew * first
    inner_a = min(max(first, low_a), low_a + span_a)
    inner_d = min(max(d, low_d), low_d + span_d)
    i, wa, sa = place(inner_a, low_a, span_a, bend_a, tables.shape[1] - 2)
    j, wd, sd = place(inner_d, low_d, span_d, bend_d, tables.shape[2] - 2)
    aa = ac = cc = ra = rc = worst = 0.0
    for m in range(len(readings)):
        value = to_a = to_d = 0.0
        for n in range(4):
            row = tables[m, i + n]
            line = wd[0] * row[j] + wd[1] * row[j + 1] + wd[2] * row[j + 2] + wd[3] * row[j + 3]
            rise = sd[0] * row[j] + sd[1] * row[j + 1] + sd[2] * row[j + 2] + sd[3] * row[j + 3]
            value += wa[n] * line
            to_a += sa[n] * line
            to_d += wa[n] * rise
        rest = readings[m] - value - to_a * (first - inner_a) - to_d * (d - inner_d)
        along = to_a + skew * to_d
        weight = precision[m]
        aa += weight * along * along
        ac += weight * along * to_d
        cc += weight * to_d * to_d
        ra += weight * along * rest
        rc += weight * to_d * rest
        worst = max(worst, abs(rest))
    return aa, ac, cc, ra, rc, worst


@numba.njit(cache=True, nogil=True)
def solve_ray(tables, readings, precision, first, second, frame, bounds, still):
    """Return both lengths of a ray by Gauss-Newton steps within bounds, and whether they came to rest."""
    low_a, high_a, low_c, high_c = bounds
    for _ in range(STEPS):
        aa, ac, cc, ra, rc, worst = newton_sums(tables, readings, precision, first, second, frame)
        if len(readings) == 2 and worst < still[2]:
            return first, second, True
        determinant = aa * cc - ac * ac
        step_a, step_c = (cc * ra - ac * rc) / determinant, (aa * rc - ac * ra) / determinant
        # At a bound the other length alone is fitted.
        if not low_c <= second + step_c <= high_c:
            step_c = min(max(second + step_c, low_c), high_c) - second
            step_a = (ra - ac * step_c) / aa
        if not low_a <= first + step_a <= high_a:
            step_a = min(max(first + step_a, low_a), high_a) - first
            step_c = min(max(second + (rc - ac * step_a) / cc, low_c), high_c) - second
        first += step_a
        second += step_c
        if abs(step_a) < still[0] and abs(step_c) < still[1]:
            return first, second, True
    return first, second, False


@numba.njit(parallel=True, cache=True, nogil=True)
def decompose_rays(lines, precision, known, tables, counts, frame, bounds, still, per_cm, limits, out):
    """Write both lengths of every ray to `out`; each ray starts from its neighbour of the view before."""
    bins, views, channels = lines.shape
    for block in numba.prange((channels + BLOCK - 1) // BLOCK):
        readings = np.empty(bins)
        weight = np.empty(bins)
        for channel in range(block * BLOCK, min((block + 1) * BLOCK, channels)):
            table = tables[min(channel, len(tables) - 1)]
            count = counts[min(channel, len(tables) - 1)]
            first, second, at_rest = 0.0, 0.0, False
            for view in range(views):
                for m in range(bins):
                    value = lines[m, view, channel]
                    # A comparison with NaN is false: no signal at all reads as the most attenuation.
                    readings[m] = max(value, limits[0]) if value < limits[1] else limits[1]
                    weight[m] = precision[m, view, channel] if known else count[m] * np.exp(-readings[m])
                if not at_rest:
                    first, second = readings[bins - 1] / per_cm, 0.0
                first, second, at_rest = solve_ray(table, readings, weight, first, second, frame, bounds, still)
                if not at_rest:
                    first, second, at_rest = solve_ray(table, readings, weight, readings[bins - 1] / per_cm, 0.0,
                                                       frame, bounds, still)
                out[0, view, channel] = first
                out[1, view, channel] = second
