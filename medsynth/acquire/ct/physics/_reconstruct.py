"""Inner loops of filtered back-projection: rebinning a fan to parallel rays, and back-projection in tiles."""

from __future__ import annotations

import numba
import numpy as np

TILE = 64  # pixels
LANES = 8  # slices at a time


@numba.njit(cache=True, nogil=True, inline="always")
def _cubic(f, weights):
    """Write Keys' cubic convolution weights of the four samples around a point at fraction `f`."""
    f2 = f * f
    f3 = f2 * f
    weights[0] = -0.5 * f3 + f2 - 0.5 * f
    weights[1] = 1.5 * f3 - 2.5 * f2 + 1.0
    weights[2] = -1.5 * f3 + 2.0 * f2 + 0.5 * f
    weights[3] = 0.5 * f3 - 0.5 * f2


@numba.njit(parallel=True, cache=True, nogil=True)
def rebin(lines, centres, sid, thetas, folded, start, step, out):
    """Write parallel line integrals (theta, t) of fan ones (view, channel) over a full turn.

    folded : channels lie a quarter off the middle, so that the rays of the opposite side fall between; both are
        interleaved before the interpolation over t, at half the channels' pitch. start, step : t of `out` in mm.
    """
    views, channels = lines.shape
    pitch = centres[1] - centres[0]
    per_view = views / (2 * np.pi)
    half = 2 if folded else 1
    count = half * channels
    for n in numba.prange(thetas.shape[0]):
        weights = np.empty(4)
        mixed = np.empty(count)
        for c in range(channels):
            for side in range(half):
                # ray (theta, t) is also the ray (theta + pi, -t)
                beta = thetas[n] + centres[c] + np.pi * side
                at = beta * per_view
                v = int(np.floor(at))
                _cubic(at - v, weights)
                value = 0.0
                for m in range(4):
                    value += weights[m] * lines[(v - 1 + m) % views, c]
                # gamma of the opposite ray counts from the other end
                mixed[half * c if side == 0 else count - 1 - (half * c)] = value
        # With the quarter offset, direct rays stand at (c + 1/4) pitch and opposite ones at (c - 1/4 + 1) pitch.
        first = centres[0]
        space = pitch / half
        if folded:
            opposite = -centres[channels - 1]
            if opposite < first:  # the opposite rays come first
                first = opposite
                for c in range(channels):
                    a = mixed[2 * c]
                    mixed[2 * c] = mixed[2 * c + 1]
                    mixed[2 * c + 1] = a
        for k in range(out.shape[1]):
            t = start + k * step
            s = t / sid
            out[n, k] = 0.0
            if abs(s) < 1.0:
                at = (np.arcsin(s) - first) / space
                c = int(np.floor(at))
                if -1 <= c <= count - 1:
                    _cubic(at - c, weights)
                    value = 0.0
                    for m in range(4):
                        q = min(max(c - 1 + m, 0), count - 1)
                        value += weights[m] * mixed[q]
                    out[n, k] = value


@numba.njit(parallel=True, cache=True, nogil=True, fastmath={"contract"})
def back_project(filtered, cosines, sines, start, step, x0, y0, pixel, scale, image):
    """Add scale x the filtered projections (theta, t, lane) to `image` (j, i, lane), linear in t.

    x0, y0 : middle of pixel (0, 0) in mm from the isocentre. Tiles keep the image and the samples they need in cache;
    eight lanes, known to the compiler, fill one vector register.
    """
    rows, columns, lanes = image.shape
    across = (columns + TILE - 1) // TILE
    tiles = across * ((rows + TILE - 1) // TILE)
    last = filtered.shape[1] - 2
    scale = np.float32(scale)
    one = np.float32(1.0)
    for tile in numba.prange(tiles):
        j0 = (tile // across) * TILE
        i0 = (tile % across) * TILE
        j1 = min(j0 + TILE, rows)
        i1 = min(i0 + TILE, columns)
        for n in range(cosines.shape[0]):
            for j in range(j0, j1):
                base = np.float32((x0 * cosines[n] + (y0 + j * pixel) * sines[n] - start) / step)
                rise = np.float32(pixel * cosines[n] / step)
                for i in range(i0, i1):
                    u = base + np.float32(i) * rise
                    at = np.int64(u)
                    if u < np.float32(0.0) or at > last:
                        continue
                    f = u - np.float32(at)
                    g = scale * (one - f)
                    h = scale * f
                    if lanes == LANES:
                        for m in range(LANES):
                            image[j, i, m] += g * filtered[n, at, m] + h * filtered[n, at + 1, m]
                    else:
                        for m in range(lanes):
                            image[j, i, m] += g * filtered[n, at, m] + h * filtered[n, at + 1, m]
