"""The inner loops of X-ray detection: attenuation by many energies, numbers of photons.

Parallel loops write disjoint views, so that results do not depend on the number of threads.
"""
# numba infers the types of its kernels; what calls them is annotated
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
