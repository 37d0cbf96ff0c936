"""A Laplacian pyramid whose levels add up to the image they were made of, whatever its size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

# Burt and Adelson 1983 (doi:10.1109/TCOM.1983.1095851), a = 3/8: the binomial filter.
TAPS = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def decompose(image: Float32, levels: int) -> tuple[list[Float32], Float32]:
    """Return the bands, finest first, each half as many pixels wide as the one before, and what is left.

    Parameters
    ----------
    image : (rows, columns) float32.
    levels : number of bands; fewer where the image becomes smaller than four pixels.
    """
    bands = []
    for _ in range(levels):
        if min(image.shape) < 4:
            break
        smaller = reduced(image)
        bands.append(image - enlarged(smaller, image.shape))
        image = smaller
    return bands, image


def recompose(bands: list[Float32], rest: Float32) -> Float32:
    """Return the image of bands and rest (see `decompose`)."""
    image = rest
    for band in reversed(bands):
        image = band + enlarged(image, band.shape)
    return image


def reduced(image: Float32) -> Float32:
    """Return every second pixel of the smoothed image; the edges are mirrored."""
    for axis in (0, 1):
        image = _reduced(image, axis)
    return image


def enlarged(image: Float32, shape: tuple[int, ...]) -> Float32:
    """Return the image with twice as many rows and columns, smoothly between; `shape` tells odd ones from even."""
    for axis in (0, 1):
        image = _enlarged(image, shape[axis], axis)
    return image


def _reduced(image: Float32, axis: int) -> Float32:
    x = np.moveaxis(image, axis, 0)
    count = x.shape[0]
    padded = np.concatenate([x[2:0:-1], x, x[-2:-4:-1]])
    total = sum(np.float32(w) * padded[n:n + count:2] for n, w in enumerate(TAPS))
    return np.ascontiguousarray(np.moveaxis(np.asarray(total, np.float32), 0, axis))


def _enlarged(image: Float32, count: int, axis: int) -> Float32:
    x = np.moveaxis(image, axis, 0)
    # The pixel beyond the last one exists for the even rows of an odd count only by mirroring.
    before, after = np.concatenate([x[1:2], x[:-1]]), np.concatenate([x[1:], x[-1:] if count % 2 == 0 else x[-2:-1]])
    out = np.empty((count, *x.shape[1:]), np.float32)
    out[0::2] = np.float32(0.125) * (before + after) + np.float32(0.75) * x
    out[1::2] = (np.float32(0.5) * (x + after))[:count // 2]
    return np.ascontiguousarray(np.moveaxis(out, 0, axis))
