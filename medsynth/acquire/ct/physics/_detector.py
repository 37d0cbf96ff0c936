"""The inner loops of the detector: blurs over channels and views, low signals, the log.

Parallel loops write disjoint views or channels, so that results do not depend on the number of threads.
"""
# numba infers the types of its kernels; what calls them is annotated
# ruff: noqa: ANN001, ANN202
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

from __future__ import annotations

import math

import numba
import numpy as np


@numba.njit(parallel=True, cache=True, nogil=True)
def over_channels(values, taps, out):
    """(V, C) * taps along the channels; beyond the ends the outermost channels go on."""
    views, channels = values.shape
    reach = len(taps) // 2
    for v in numba.prange(views):
        padded = np.empty(channels + 2 * reach, np.float32)
        padded[:reach] = values[v, 0]
        padded[reach:reach + channels] = values[v]
        padded[reach + channels:] = values[v, channels - 1]
        for c in range(channels):
            out[v, c] = np.float32(0.0)
        for t in range(len(taps)):
            for c in range(channels):
                out[v, c] += taps[t] * padded[c + t]


@numba.njit(parallel=True, cache=True, nogil=True)
def over_views(values, taps, out):
    """(V, C) * taps along the views; beyond the ends the outermost views go on."""
    views, channels = values.shape
    reach = len(taps) // 2
    for v in numba.prange(views):
        for c in range(channels):
            out[v, c] = np.float32(0.0)
        for t in range(len(taps)):
            source = min(max(v + t - reach, 0), views - 1)
            for c in range(channels):
                out[v, c] += taps[t] * values[source, c]


@numba.njit(parallel=True, cache=True, nogil=True)
def lagged(values, shares, stored, kept, out):
    """Let each reading glow on: of a component's signal the part `stored` is given off after its view.

    shares, stored, kept (components,): share of the signal, part of it that is still to come when its view ends, and
    what is left of that after one more view. Before the first view stood others like it.
    """
    views, channels = values.shape
    blocks = (channels + 63) // 64
    for block in numba.prange(blocks):
        first, last = 64 * block, min(64 * block + 64, channels)
        width = last - first
        glow = np.empty((len(shares), width), np.float32)
        for i in range(len(shares)):
            for c in range(width):
                glow[i, c] = values[0, first + c] * stored[i] / (np.float32(1.0) - kept[i])
        for v in range(views):
            for c in range(width):
                out[v, first + c] = np.float32(0.0)
            for i in range(len(shares)):
                for c in range(width):
                    value = values[v, first + c]
                    given = (np.float32(1.0) - kept[i]) * glow[i, c]
                    out[v, first + c] += shares[i] * ((np.float32(1.0) - stored[i]) * value + given)
                    glow[i, c] = kept[i] * glow[i, c] + stored[i] * value


@numba.njit(parallel=True, cache=True, nogil=True)
def logarithms(readings, air, mas, low, reach, out):
    """ln(air x mas / reading), with low readings drawn towards the mean of their neighbours.

    air (C,) is a logarithm. `reach` is how many views and channels away neighbours lie, twice that where their mean is
    below half of `low`. Where it is below `low` it replaces the reading, above three times `low` the reading stands,
    and between they are mixed: the reading's own noise decides nothing, or dark readings would be chosen for being
    dark. Neighbours count with at most 5 `low`, lest a bright edge outweighs a shadow; the result is at least 0.3 of
    the mean or of `low`, and a quarter of `low`: behind metal nothing but noise is left, whose logarithm is streaks.
    """
    views, channels = readings.shape
    for v in numba.prange(views):
        log_mas = np.float32(math.log(mas[v]))
        for c in range(channels):
            value = readings[v, c]
            if not value >= np.float32(6.0) * low:
                mean = np.float32(0.0)
                for wide in range(1, 3):
                    total = np.float32(0.0)
                    number = 0
                    for w in range(max(v - wide * reach[0], 0), min(v + wide * reach[0] + 1, views)):
                        for d in range(max(c - wide * reach[1], 0), min(c + wide * reach[1] + 1, channels)):
                            other = readings[w, d]
                            if other == other:
                                total += min(other, np.float32(5.0) * low)
                                number += 1
                    mean = total / np.float32(max(number, 1))
                    if mean >= np.float32(0.5) * low:
                        break
                own = min(max((mean - low) / (np.float32(2.0) * low), np.float32(0.0)), np.float32(1.0))
                if value != value:
                    value = mean
                value = own * value + (np.float32(1.0) - own) * mean
                value = max(value, np.float32(0.3) * min(mean, low), np.float32(0.25) * low)
            out[v, c] = air[c] + log_mas - np.log(value)


@numba.njit(parallel=True, cache=True, nogil=True)
def corrected(values, coefficients, last, out):
    """Values times polynomial(value / last) per channel; beyond `last` it goes on as a straight line.

    values (V, C), coefficients (order, C) from the constant up, last (C,).
    """
    views, channels = values.shape
    order = len(coefficients)
    for v in numba.prange(views):
        ratio = np.empty(channels, np.float32)
        slope = np.empty(channels, np.float32)
        for c in range(channels):
            ratio[c] = coefficients[order - 1, c]
            slope[c] = np.float32(0.0)
        for i in range(order - 2, -1, -1):
            for c in range(channels):
                x = min(values[v, c] / last[c], np.float32(1.0))
                slope[c] = slope[c] * x + ratio[c]
                ratio[c] = ratio[c] * x + coefficients[i, c]
        for c in range(channels):
            p = values[v, c]
            inside = min(p, last[c])
            x = inside / last[c]
            out[v, c] = inside * ratio[c] + (p - inside) * (ratio[c] + x * slope[c])
