"""The inner loops of the detector: attenuation by many energies, blurs over channels and views, low signals, the log.

Parallel loops write disjoint views or channels, so that results do not depend on the number of threads.
"""
# numba infers the types of its kernels; what calls them is annotated
# ruff: noqa: ANN001, ANN202
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

from __future__ import annotations

import math

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

# Above this many quanta the expansion up to the skewness stands for the Poisson distribution.
FEW_QUANTA = 40.0
LOG2_E = np.float32(1.4426950408889634)
# 2^f on -0.5..0.5 as a polynomial (least squares at Chebyshev nodes): relative error below 1e-7.
_NODES = np.cos(np.pi * (np.arange(64) + 0.5) / 64) / 2
P6, P5, P4, P3, P2, P1, P0 = (np.float32(c) for c in np.polyfit(_NODES, 2.0**_NODES, 6))


@intrinsic
def _as_float(context, bits):  # noqa: ARG001
    """Read the 32 bits of an integer as a float: scalar views do not exist in numba, and this one vectorises."""

    def generate(_context, builder, _signature, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@numba.njit(inline="always")
def _exp2(x):
    """2^x for float32; below -120 it stays at 2^-120, which counts as nothing."""
    x = min(max(x, np.float32(-120.0)), np.float32(120.0))
    whole = np.int32(x + np.float32(200.5)) - np.int32(200)  # rounds: the sum is positive, so truncation is floor
    f = x - np.float32(whole)
    power = ((((((P6 * f + P5) * f + P4) * f + P3) * f + P2) * f + P1) * f + P0)
    return power * _as_float(np.int32((whole + np.int32(127)) << np.int32(23)))  # type: ignore[call-arg]


@numba.njit(parallel=True, cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"})
def detected(paths, attenuation, photons, signal, square, scale, mean_out, square_out):
    """Sum over energies: photons x exp(-attenuation . paths) x signal, and x square, per bin; views side by side.

    paths (V, C, B) in cm, attenuation (B, E) in log2 per cm, photons (E, C), signal and square (bins, E), scale (V,).
    Channels are the inner loop: they are many, and it vectorises.
    """
    views, channels, bases = paths.shape
    bins, energies = signal.shape
    for v in numba.prange(views):
        lengths = np.empty((bases, channels), np.float32)
        for c in range(channels):
            for b in range(bases):
                lengths[b, c] = paths[v, c, b]
        depth = np.empty(channels, np.float32)
        for k in range(bins):
            for c in range(channels):
                mean_out[k, v, c] = np.float32(0.0)
                square_out[k, v, c] = np.float32(0.0)
        for e in range(energies):
            step = -attenuation[0, e]
            for c in range(channels):
                depth[c] = step * lengths[0, c]
            for b in range(1, bases):
                step = -attenuation[b, e]
                for c in range(channels):
                    depth[c] += step * lengths[b, c]
            for c in range(channels):
                depth[c] = photons[e, c] * _exp2(depth[c])
            for k in range(bins):
                first = scale[v] * signal[k, e]
                second = scale[v] * square[k, e]
                for c in range(channels):
                    mean_out[k, v, c] += first * depth[c]
                    square_out[k, v, c] += second * depth[c]


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


@numba.njit(cache=True, nogil=True)
def quanta(mean, square, normal, out):
    """Turn standard normal draws into scaled Poisson draws with this mean and variance (`square`).

    Many quanta: Cornish and Fisher's expansion up to the skewness. Few: the number whose cumulative probability is
    that of the normal draw. Either way a reading goes steadily with its draw and its mean.
    """
    for n in range(mean.shape[0]):
        m, v = np.float64(mean[n]), np.float64(square[n])
        if not (m > 0.0 and v > 0.0):
            out[n] = np.float32(max(m, 0.0))
            continue
        number = m * m / v
        z = np.float64(normal[n])
        if number > FEW_QUANTA:
            drawn = number + np.sqrt(number) * z + (z * z - 1.0) / 6.0
        else:
            wanted = 0.5 * math.erfc(-z / math.sqrt(2.0))
            term = math.exp(-number)
            total = term
            drawn = 0.0
            while total < wanted and drawn < 1000.0:
                drawn += 1.0
                term *= number / drawn
                total += term
        out[n] = np.float32(drawn * v / m)
