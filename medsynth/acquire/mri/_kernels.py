"""The inner loops of k-space: coil patterns, lines of a Fourier transform, displaced and moved objects.

Parallel loops write disjoint outputs, so that results do not depend on the number of threads. Images are complex64,
(k, phase, readout). Interpolation uses cubic B-splines, whose coefficients come from `spline_last`, `spline_middle` and
`spline_first`; beyond the array there is nothing.
"""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import math

import numba
import numpy as np

POLE = math.sqrt(3.0) - 2.0  # of the cubic B-spline's inverse filter


@numba.njit(cache=True, nogil=True, inline="always")
def _cubic(u, w):
    """Write the weights of the four nodes around a point that lies u in [0, 1) beyond the second of them."""
    v = 1.0 - u
    w[0] = v * v * v / 6.0
    w[1] = (4.0 - 6.0 * u * u + 3.0 * u * u * u) / 6.0
    w[2] = (4.0 - 6.0 * v * v + 3.0 * v * v * v) / 6.0
    w[3] = u * u * u / 6.0


@numba.njit(cache=True, nogil=True)
def _spline_row(row):
    """Turn a row's values into B-spline coefficients in place; the row goes on with zeros."""
    count = len(row)
    z = np.float32(POLE)
    for n in range(1, count):
        row[n] += z * row[n - 1]
    row[count - 1] = row[count - 1] * np.float32(-POLE / (1.0 - POLE * POLE))
    for n in range(count - 2, -1, -1):
        row[n] = z * (row[n + 1] - row[n])
    six = np.float32(6.0)
    for n in range(count):
        row[n] = six * row[n]


@numba.njit(parallel=True, cache=True, nogil=True)
def spline_last(image):
    """Filter along the last axis in place."""
    for k in numba.prange(image.shape[0]):
        for j in range(image.shape[1]):
            _spline_row(image[k, j])


@numba.njit(parallel=True, cache=True, nogil=True)
def spline_middle(image):
    """Filter along the middle axis in place."""
    z, last = np.float32(POLE), image.shape[1] - 1
    end, six = np.float32(-POLE / (1.0 - POLE * POLE)), np.float32(6.0)
    for k in numba.prange(image.shape[0]):
        for n in range(1, last + 1):
            for i in range(image.shape[2]):
                image[k, n, i] += z * image[k, n - 1, i]
        for i in range(image.shape[2]):
            image[k, last, i] = image[k, last, i] * end
        for n in range(last - 1, -1, -1):
            for i in range(image.shape[2]):
                image[k, n, i] = z * (image[k, n + 1, i] - image[k, n, i])
        for n in range(last + 1):
            for i in range(image.shape[2]):
                image[k, n, i] = six * image[k, n, i]


@numba.njit(parallel=True, cache=True, nogil=True)
def spline_first(image):
    """Filter along the first axis in place."""
    z, last = np.float32(POLE), image.shape[0] - 1
    end, six = np.float32(-POLE / (1.0 - POLE * POLE)), np.float32(6.0)
    for j in numba.prange(image.shape[1]):
        for n in range(1, last + 1):
            for i in range(image.shape[2]):
                image[n, j, i] += z * image[n - 1, j, i]
        for i in range(image.shape[2]):
            image[last, j, i] = image[last, j, i] * end
        for n in range(last - 1, -1, -1):
            for i in range(image.shape[2]):
                image[n, j, i] = z * (image[n + 1, j, i] - image[n, j, i])
        for n in range(last + 1):
            for i in range(image.shape[2]):
                image[n, j, i] = six * image[n, j, i]


@numba.njit(parallel=True, cache=True, nogil=True)
def push(image, field, scale, shift, out):
    """Move each voxel's signal along the last axis by scale x field + shift cells; nothing is lost but over the ends.

    The transpose of cubic spline interpolation: signal is laid out on four cells and sharpened back.
    """
    count = image.shape[2]
    for k in numba.prange(image.shape[0]):
        w = np.empty(4, np.float64)
        for j in range(image.shape[1]):
            row = out[k, j]
            for i in range(count):
                row[i] = 0.0
            for i in range(count):
                value = image[k, j, i]
                if value.real == 0.0 and value.imag == 0.0:
                    continue
                x = i + scale * field[k, j, i] + shift
                low = math.floor(x)
                first = int(low) - 1
                if first < -3 or first >= count:
                    continue
                _cubic(x - low, w)
                for t in range(4):
                    if 0 <= first + t < count:
                        row[first + t] += np.float32(w[t]) * value
            _spline_row(row)


@numba.njit(parallel=True, cache=True, nogil=True)
def full_blocks(image, side, full):
    """Set which blocks of `side` voxels hold any signal."""
    for a in numba.prange(full.shape[0]):
        for k in range(a * side, min((a + 1) * side, image.shape[0])):
            for j in range(image.shape[1]):
                for i in range(image.shape[2]):
                    value = image[k, j, i]
                    if value.real != 0.0 or value.imag != 0.0:
                        full[a, j // side, i // side] = True


@numba.njit(parallel=True, cache=True, nogil=True)
def warp(nodes, full, side, matrix, offset, field, amount, out):
    """Fill `out` with the image of B-spline coefficients `nodes` at matrix @ (index - amount x field) + offset.

    full : which blocks of `side` nodes are worth a look; elsewhere there is nothing.
    field : (3, k, j, i) displacement in cells, or (3, 1, 1, 1) for none.
    """
    bent = field.shape[3] > 1 and amount != 0.0
    size0, size1, size2 = nodes.shape
    for k in numba.prange(out.shape[0]):
        u, v, w = np.empty(4, np.float32), np.empty(4, np.float32), np.empty(4, np.float32)
        for j in range(out.shape[1]):
            for i in range(out.shape[2]):
                a, b, c = float(k), float(j), float(i)
                if bent:
                    a -= amount * field[0, k, j, i]
                    b -= amount * field[1, k, j, i]
                    c -= amount * field[2, k, j, i]
                x = matrix[0, 0] * a + matrix[0, 1] * b + matrix[0, 2] * c + offset[0]
                y = matrix[1, 0] * a + matrix[1, 1] * b + matrix[1, 2] * c + offset[1]
                z = matrix[2, 0] * a + matrix[2, 1] * b + matrix[2, 2] * c + offset[2]
                fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
                k0, j0, i0 = int(fx) - 1, int(fy) - 1, int(fz) - 1
                if k0 < -3 or j0 < -3 or i0 < -3 or k0 >= size0 or j0 >= size1 or i0 >= size2:
                    out[k, j, i] = 0.0
                    continue
                k1, j1 = min(max(k0 + 1, 0), size0 - 1), min(max(j0 + 1, 0), size1 - 1)
                i1 = min(max(i0 + 1, 0), size2 - 1)
                if not full[k1 // side, j1 // side, i1 // side]:
                    out[k, j, i] = 0.0
                    continue
                _cubic(x - fx, u)
                _cubic(y - fy, v)
                _cubic(z - fz, w)
                real, imag = np.float32(0.0), np.float32(0.0)
                if k0 >= 0 and j0 >= 0 and i0 >= 0 and k0 + 4 <= size0 and j0 + 4 <= size1 and i0 + 4 <= size2:
                    for r in range(4):
                        for s in range(4):
                            row = nodes[k0 + r, j0 + s]
                            n0, n1, n2, n3 = row[i0], row[i0 + 1], row[i0 + 2], row[i0 + 3]
                            weight = u[r] * v[s]
                            real += weight * (w[0] * n0.real + w[1] * n1.real + w[2] * n2.real + w[3] * n3.real)
                            imag += weight * (w[0] * n0.imag + w[1] * n1.imag + w[2] * n2.imag + w[3] * n3.imag)
                else:
                    for r in range(max(0, -k0), min(4, size0 - k0)):
                        for s in range(max(0, -j0), min(4, size1 - j0)):
                            for t in range(max(0, -i0), min(4, size2 - i0)):
                                weight = u[r] * v[s] * w[t]
                                real += weight * nodes[k0 + r, j0 + s, i0 + t].real
                                imag += weight * nodes[k0 + r, j0 + s, i0 + t].imag
                out[k, j, i] = complex(real, imag)


@numba.njit(cache=True, nogil=True)
def _coil_plane(lattice, first, weights, plane):
    for b in range(plane.shape[0]):
        for c in range(plane.shape[1]):
            value = np.complex64(0.0)
            for t in range(4):
                value += weights[t] * lattice[first + t, b, c]
            plane[b, c] = value


@numba.njit(cache=True, nogil=True)
def _coil_row(plane, first, weights, row):
    for c in range(len(row)):
        value = np.complex64(0.0)
        for t in range(4):
            value += weights[t] * plane[first + t, c]
        row[c] = value


@numba.njit(parallel=True, cache=True, nogil=True)
def coil_times(image, lattice, k0, wk, j0, wj, i0, wi, out):
    """Fill `out` with image x the coil's pattern, given as B-spline coefficients on a coarse lattice.

    k0, wk and so on : per index of the image along that axis, the first of its four nodes and their weights.
    """
    for k in numba.prange(image.shape[0]):
        plane = np.empty(lattice.shape[1:], np.complex64)
        row = np.empty(lattice.shape[2], np.complex64)
        _coil_plane(lattice, k0[k], wk[k], plane)
        for j in range(image.shape[1]):
            _coil_row(plane, j0[j], wj[j], row)
            for i in range(image.shape[2]):
                value = image[k, j, i]
                if value.real == 0.0 and value.imag == 0.0:
                    out[k, j, i] = 0.0
                    continue
                n = i0[i]
                s = wi[i, 0] * row[n] + wi[i, 1] * row[n + 1] + wi[i, 2] * row[n + 2] + wi[i, 3] * row[n + 3]
                out[k, j, i] = s * value


@numba.njit(cache=True, nogil=True)
def _add_four(real, imag, r0, r1, r2, r3, m0, m1, m2, m3, b0, b1, b2, b3, low, high):
    """Add four rows times complex numbers to the rows `real` and `imag`."""
    c0, c1, c2, c3 = b0.real, b1.real, b2.real, b3.real
    s0, s1, s2, s3 = b0.imag, b1.imag, b2.imag, b3.imag
    for i in range(low, high):
        real[i] += (c0 * r0[i] - s0 * m0[i]) + (c1 * r1[i] - s1 * m1[i]) + (c2 * r2[i] - s2 * m2[i]) + (
            c3 * r3[i] - s3 * m3[i])
        imag[i] += (c0 * m0[i] + s0 * r0[i]) + (c1 * m1[i] + s1 * r1[i]) + (c2 * m2[i] + s2 * r2[i]) + (
            c3 * m3[i] + s3 * r3[i])


@numba.njit(parallel=True, cache=True, nogil=True)
def coil_lines(image, lattice, k0, wk, j0, wj, i0, wi, basis, out):
    """Fill `out` (k, line, i) with the sums over j of basis[line, j] x coil x image: some lines of a transform."""
    rows, columns, lines = image.shape[1], image.shape[2], len(basis)
    for k in numba.prange(image.shape[0]):
        plane = np.empty(lattice.shape[1:], np.complex64)
        row = np.empty(lattice.shape[2], np.complex64)
        real, imag = np.zeros((lines, columns), np.float32), np.zeros((lines, columns), np.float32)
        # four rows of the object are heard before they are added, so that sums are loaded and stored less often
        re, im = np.zeros((4, columns), np.float32), np.zeros((4, columns), np.float32)
        held = np.zeros(4, np.int64)
        filled, left, right = 0, columns, 0
        _coil_plane(lattice, k0[k], wk[k], plane)
        for j in range(rows):
            low, high = columns, 0
            for i in range(columns):
                value = image[k, j, i]
                if value.real != 0.0 or value.imag != 0.0:
                    low, high = min(low, i), i + 1
            if high > low:
                _coil_row(plane, j0[j], wj[j], row)
                re[filled, :] = 0.0
                im[filled, :] = 0.0
                for i in range(low, high):
                    n = i0[i]
                    s = wi[i, 0] * row[n] + wi[i, 1] * row[n + 1] + wi[i, 2] * row[n + 2] + wi[i, 3] * row[n + 3]
                    value = s * image[k, j, i]
                    re[filled, i], im[filled, i] = value.real, value.imag
                held[filled] = j
                filled, left, right = filled + 1, min(left, low), max(right, high)
            if filled == 4 or (j == rows - 1 and filled > 0):
                for n in range(filled, 4):
                    re[n, :] = 0.0
                    im[n, :] = 0.0
                for line in range(lines):
                    _add_four(real[line], imag[line], re[0], re[1], re[2], re[3], im[0], im[1], im[2], im[3],
                              basis[line, held[0]], basis[line, held[1]], basis[line, held[2]], basis[line, held[3]],
                              left, right)
                filled, left, right = 0, columns, 0
        for line in range(lines):
            for i in range(columns):
                out[k, line, i] = complex(real[line, i], imag[line, i])


@numba.njit(parallel=True, cache=True, nogil=True)
def add_lines(kspace, rows, factors, lines):
    """Add factors (k, line) x lines (k, line, i) to kspace[:, rows]."""
    for k in numba.prange(kspace.shape[0]):
        for n in range(len(rows)):
            factor = factors[k, n]
            if factor.real == 0.0 and factor.imag == 0.0:
                continue
            row = rows[n]
            for i in range(kspace.shape[2]):
                kspace[k, row, i] += factor * lines[k, n, i]


@numba.njit(cache=True, nogil=True, inline="always")
def _sinc(x):
    y = math.pi * x
    return 1.0 - y * y / 6.0 if abs(y) < 1e-2 else math.sin(y) / y


@numba.njit(parallel=True, cache=True, nogil=True)
def precess(image, b0_hz, shift_hz, time_s, out):
    """Fill `out` with the image after `time_s` at b0_hz + shift_hz, dephased by the field's slope within each voxel."""
    size0, size1, size2 = image.shape
    for k in numba.prange(size0):
        for j in range(size1):
            for i in range(size2):
                value = image[k, j, i]
                if value.real == 0.0 and value.imag == 0.0:
                    out[k, j, i] = 0.0
                    continue
                k0, k1 = max(k - 1, 0), min(k + 1, size0 - 1)
                j0, j1 = max(j - 1, 0), min(j + 1, size1 - 1)
                i0, i1 = max(i - 1, 0), min(i + 1, size2 - 1)
                slope_k = (b0_hz[k1, j, i] - b0_hz[k0, j, i]) / max(k1 - k0, 1)
                slope_j = (b0_hz[k, j1, i] - b0_hz[k, j0, i]) / max(j1 - j0, 1)
                slope_i = (b0_hz[k, j, i1] - b0_hz[k, j, i0]) / max(i1 - i0, 1)
                left = _sinc(slope_k * time_s) * _sinc(slope_j * time_s) * _sinc(slope_i * time_s)
                turn = -2.0 * math.pi * (b0_hz[k, j, i] + shift_hz) * time_s
                c, s = left * math.cos(turn), left * math.sin(turn)
                out[k, j, i] = complex(np.float32(c * value.real - s * value.imag),
                                       np.float32(c * value.imag + s * value.real))


@numba.njit(parallel=True, cache=True, nogil=True)
def times_volume(image, field):
    """Multiply the image by the change of volume of index -> index - field (3, k, j, i), in place."""
    size0, size1, size2 = image.shape
    for k in numba.prange(size0):
        m = np.empty((3, 3), np.float64)
        for j in range(size1):
            for i in range(size2):
                k0, k1 = max(k - 1, 0), min(k + 1, size0 - 1)
                j0, j1 = max(j - 1, 0), min(j + 1, size1 - 1)
                i0, i1 = max(i - 1, 0), min(i + 1, size2 - 1)
                for a in range(3):
                    m[a, 0] = -(field[a, k1, j, i] - field[a, k0, j, i]) / max(k1 - k0, 1)
                    m[a, 1] = -(field[a, k, j1, i] - field[a, k, j0, i]) / max(j1 - j0, 1)
                    m[a, 2] = -(field[a, k, j, i1] - field[a, k, j, i0]) / max(i1 - i0, 1)
                    m[a, a] += 1.0
                volume = (m[0, 0] * (m[1, 1] * m[2, 2] - m[1, 2] * m[2, 1])
                          - m[0, 1] * (m[1, 0] * m[2, 2] - m[1, 2] * m[2, 0])
                          + m[0, 2] * (m[1, 0] * m[2, 1] - m[1, 1] * m[2, 0]))
                image[k, j, i] *= np.float32(volume)
