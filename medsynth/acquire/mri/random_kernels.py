"""Compiled loops of random contrast: structures to intensities, and blur, slice thickness and back in one pass."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np
from numba import njit, prange


@njit(cache=True, nogil=True, parallel=True)
def paint(labels, neighbour, fraction, mean, sd, noise, out):
    """Write (1 - f) of the label's mean and f of the neighbour's, and noise of a SD that mixes alike.

    mean, sd : (65536,) float32; noise : (k, j, i) float32, unit normal, may be `out` itself.
    """
    for k in prange(labels.shape[0]):
        for j in range(labels.shape[1]):
            for i in range(labels.shape[2]):
                a, b = labels[k, j, i], neighbour[k, j, i]
                f = np.float32(fraction[k, j, i]) / np.float32(255)
                out[k, j, i] = mean[a] + f * (mean[b] - mean[a]) + (sd[a] + f * (sd[b] - sd[a])) * noise[k, j, i]


@njit(cache=True, nogil=True, parallel=True)
def along_k(image, starts, weights, out):
    """Write out[n] = sum over w of weights[n, w] image[starts[n] + w] along the first axis."""
    for n in prange(out.shape[0]):
        for j in range(image.shape[1]):
            for i in range(image.shape[2]):
                total = np.float32(0)
                for w in range(weights.shape[1]):
                    total += weights[n, w] * image[starts[n] + w, j, i]
                out[n, j, i] = total


@njit(cache=True, nogil=True, parallel=True)
def along_j(image, starts, weights, out):
    """Do the same along the second axis."""
    for k in prange(out.shape[0]):
        for n in range(out.shape[1]):
            for i in range(image.shape[2]):
                out[k, n, i] = 0
            for w in range(weights.shape[1]):
                factor, source = weights[n, w], starts[n] + w
                for i in range(image.shape[2]):
                    out[k, n, i] += factor * image[k, source, i]


@njit(cache=True, nogil=True, parallel=True)
def along_i(image, starts, weights, out):
    """Do the same along the third axis."""
    for k in prange(out.shape[0]):
        for j in range(out.shape[1]):
            for n in range(out.shape[2]):
                total = np.float32(0)
                for w in range(weights.shape[1]):
                    total += weights[n, w] * image[k, j, starts[n] + w]
                out[k, j, n] = total
