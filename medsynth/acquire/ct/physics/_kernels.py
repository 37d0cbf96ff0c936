"""Inner loops: basis maps, distance-driven projection, rebinning of a fan to parallel rays, back-projection in tiles.

Projection: every channel sees the mean over its own width of what lies in each row or column. Running sums along the
rows turn the overlap of a channel with a row's pixels into the difference of two interpolated values. Rays nearer to
the columns than to the rows go row by row; the others column by column.

Parallel loops write disjoint outputs, so that results do not depend on the number of threads.
"""

from __future__ import annotations

import numba
import numpy as np

from medsynth.scene.phantom import FRACTION_UNIT, TEXTURE_UNIT

TILE = 64  # pixels
LANES = 8  # slices at a time


@numba.njit(parallel=True, cache=True, nogil=True)
def basis_maps(labels, neighbour, fraction, texture, table, first, out):
    slices = labels.shape[0]
    count = table.shape[1]
    part = np.float32(1.0 / FRACTION_UNIT)
    unit = np.float32(TEXTURE_UNIT)
    one = np.float32(1.0)
    run = out.shape[2] // count
    for j in numba.prange(out.shape[0]):
        for n in range(run):
            k = min(max(first + n, 0), slices - 1)
            for i in range(out.shape[1]):
                label = labels[k, j, i]
                scale = one + unit * texture[k, j, i]
                f = part * fraction[k, j, i]
                other = neighbour[k, j, i]
                for b in range(count):
                    value = table[label, b] * scale
                    out[j, i, n * count + b] = value + f * (table[other, b] - value)


@numba.njit(parallel=True, cache=True, nogil=True)
def weighted_in_plane(maps, taps, out):
    """Write the maps (j, i, lane) with `taps` applied along columns and rows; beyond the rim the outermost go on."""
    rows, columns, lanes = maps.shape
    reach = len(taps) // 2
    for j in numba.prange(rows):
        line = np.zeros((columns, lanes), np.float32)
        for t in range(len(taps)):
            source = maps[min(max(j + t - reach, 0), rows - 1)]
            for i in range(columns):
                for n in range(lanes):
                    line[i, n] += taps[t] * source[i, n]
        out[j] = np.float32(0.0)
        for t in range(len(taps)):
            for i in range(columns):
                from_i = min(max(i + t - reach, 0), columns - 1)
                for n in range(lanes):
                    out[j, i, n] += taps[t] * line[from_i, n]


@numba.njit(parallel=True, cache=True, nogil=True)
def running_sums(maps, low_j, low_i, rows, columns):
    """Return sums along rows (j, i + 1, lane) and along columns (i, j + 1, lane) of the window of `maps`."""
    rows_count, columns_count, lanes = rows, columns, maps.shape[2]
    along_rows = np.zeros((rows_count, columns_count + 1, lanes), np.float32)
    along_columns = np.zeros((columns_count, rows_count + 1, lanes), np.float32)
    for j in numba.prange(rows_count):
        for i in range(columns_count):
            for n in range(lanes):
                along_rows[j, i + 1, n] = along_rows[j, i, n] + maps[low_j + j, low_i + i, n]
    for i in numba.prange(columns_count):
        for j in range(rows_count):
            for n in range(lanes):
                along_columns[i, j + 1, n] = along_columns[i, j, n] + maps[low_j + j, low_i + i, n]
    return along_rows, along_columns


@numba.njit(cache=True, nogil=True)
def occupied(maps):
    """Return which rows and which columns hold anything."""
    rows = np.zeros(maps.shape[0], np.bool_)
    columns = np.zeros(maps.shape[1], np.bool_)
    for j in range(maps.shape[0]):
        for i in range(maps.shape[1]):
            for n in range(maps.shape[2]):
                if maps[j, i, n] != np.float32(0.0):
                    rows[j] = True
                    columns[i] = True
                    break
    return rows, columns



@numba.njit(cache=True, nogil=True)
def _cross(sums, offset, slope, low, high, first, last, weight, out):
    """Add to `out` (channel, lane) what channels `first` .. `last` - 1 see of the lines of `sums` (line, sample, lane).

    offset : (lines + 1) and slope (channels + 1): channel border c crosses line n at sample
        offset[n, 0] + offset[n, 1] * slope[c]. low, high : first and last line. weight : (channels,).
    """
    samples = sums.shape[1] - 1
    lanes = sums.shape[2]
    top = np.float32(samples)
    zero = np.float32(0.0)
    one = np.float32(1.0)
    previous = np.empty(lanes, np.float32)
    for n in range(low, high):
        base = offset[n, 0]
        rise = offset[n, 1]
        inverse = one / abs(rise)
        line = sums[n]
        u = min(max(base + rise * slope[first], zero), top)
        at = min(int(u), samples - 1)
        f = u - np.float32(at)
        for m in range(lanes):
            previous[m] = line[at, m] + f * (line[at + 1, m] - line[at, m])
        before = u
        for c in range(first, last):
            u = min(max(base + rise * slope[c + 1], zero), top)
            if u == before:
                continue
            at = min(int(u), samples - 1)
            f = u - np.float32(at)
            w = weight[c] * inverse if u > before else -weight[c] * inverse
            for m in range(lanes):
                value = line[at, m] + f * (line[at + 1, m] - line[at, m])
                out[c, m] += w * (value - previous[m])
                previous[m] = value
            before = u


@numba.njit(parallel=True, cache=True, nogil=True)
def project(along_rows, along_columns, x0, y0, pixel, sources, angles, edges, centres, fan, out):
    """Write line integrals (view, channel, lane) of the window whose first pixel's outer corner is (x0, y0).

    along_rows : (j, i + 1, lane) running sums; along_columns : (i, j + 1, lane). sources : (view, 2) mm. edges,
    centres : rad in a fan, mm in the parallel geometry. `out` is in cm of the maps' unit.
    """
    rows, columns = along_rows.shape[0], along_columns.shape[0]
    channels = centres.shape[0]
    for v in numba.prange(angles.shape[0]):
        out[v] = np.float32(0.0)
        slope = np.empty(channels + 1, np.float32)
        weight = np.empty(channels, np.float32)
        offset_j = np.empty((rows, 2), np.float32)
        offset_i = np.empty((columns, 2), np.float32)
        steep = np.empty(channels, np.bool_)
        for c in range(channels):
            theta = angles[v] - centres[c] if fan else angles[v]
            steep[c] = abs(np.cos(theta)) >= abs(np.sin(theta))
        first = 0
        while first < channels:
            last = first + 1
            while last < channels and steep[last] == steep[first]:
                last += 1
            upright = steep[first]
            for c in range(first, last + 1):
                if fan:
                    theta = angles[v] - edges[c]
                    slope[c] = -np.tan(theta) if upright else -1.0 / np.tan(theta)
                else:
                    slope[c] = edges[c] / (np.cos(angles[v]) if upright else np.sin(angles[v])) / pixel
            for c in range(first, last):
                theta = angles[v] - centres[c] if fan else angles[v]
                path = pixel / 10 / (abs(np.cos(theta)) if upright else abs(np.sin(theta)))
                weight[c] = path / abs(slope[c + 1] - slope[c])
            if upright:
                for j in range(rows):
                    y = y0 + (j + 0.5) * pixel
                    if fan:
                        offset_j[j, 0] = (sources[v, 0] - x0) / pixel
                        offset_j[j, 1] = (y - sources[v, 1]) / pixel
                    else:
                        offset_j[j, 0] = (-y * np.tan(angles[v]) - x0) / pixel
                        offset_j[j, 1] = 1.0
                _cross(along_rows, offset_j, slope, 0, rows, first, last, weight, out[v])
            else:
                for i in range(columns):
                    x = x0 + (i + 0.5) * pixel
                    if fan:
                        offset_i[i, 0] = (sources[v, 1] - y0) / pixel
                        offset_i[i, 1] = (x - sources[v, 0]) / pixel
                    else:
                        offset_i[i, 0] = (-x / np.tan(angles[v]) - y0) / pixel
                        offset_i[i, 1] = 1.0
                _cross(along_columns, offset_i, slope, 0, columns, first, last, weight, out[v])
            first = last


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
