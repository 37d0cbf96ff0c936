"""The inner loops of parallel imaging. Parallel loops write disjoint outputs."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def _cholesky(a, size):
    """Overwrite the lower triangle of a Hermitian matrix with L, a = L L^H; tell whether it was positive definite."""
    for row in range(size):
        for column in range(row + 1):
            rest = a[row, column]
            for n in range(column):
                rest -= a[row, n] * np.conj(a[column, n])
            if row == column:
                if rest.real <= 0.0:
                    return False
                a[row, row] = math.sqrt(rest.real)
            else:
                a[row, column] = rest / a[column, column]
    return True


@numba.njit(cache=True, nogil=True)
def _solve(a, size, x):
    """Overwrite x with the solution of L L^H x = x."""
    for row in range(size):
        rest = x[row]
        for n in range(row):
            rest -= a[row, n] * x[n]
        x[row] = rest / a[row, row]
    for row in range(size - 1, -1, -1):
        rest = x[row]
        for n in range(row + 1, size):
            rest -= np.conj(a[n, row]) * x[n]
        x[row] = rest / a[row, row]


@numba.njit(parallel=True, cache=True, nogil=True)
def unfold(seen, patterns, factor, regularisation, out, g, sigma):
    """Solve for the pixels of each folded group.

    seen : (coils, row, i) folded, whitened images of one plane; patterns : (coils, fold, row, i) whitened, of the
    planes that fold onto it. `factor` rows fold onto each other. out, g, sigma : (fold, row, i).
    """
    coils, folds, rows, columns = patterns.shape
    period = rows // factor
    size = folds * factor
    for j in numba.prange(period):
        matrix = np.empty((size, size), np.complex128)
        square = np.empty(size, np.float64)
        x = np.empty(size, np.complex128)
        for i in range(columns):
            for a in range(size):
                ka, ja = a // factor, j + (a % factor) * period
                x[a] = 0.0
                for b in range(a + 1):
                    kb, jb = b // factor, j + (b % factor) * period
                    total = 0j
                    for c in range(coils):
                        total += np.conj(patterns[c, ka, ja, i]) * patterns[c, kb, jb, i]
                    matrix[a, b] = total
                    matrix[b, a] = np.conj(total)
                for c in range(coils):
                    x[a] += np.conj(patterns[c, ka, ja, i]) * seen[c, j, i]
                square[a] = matrix[a, a].real
            mean = square.mean()
            for a in range(size):
                matrix[a, a] += regularisation * mean + 1e-30
            _cholesky(matrix, size)
            _solve(matrix, size, x)
            for a in range(size):
                k, row = a // factor, j + (a % factor) * period
                out[k, row, i] = np.complex64(size * x[a])
            for a in range(size):
                for n in range(size):
                    x[n] = 0.0
                x[a] = 1.0
                _solve(matrix, size, x)
                k, row = a // factor, j + (a % factor) * period
                inverse = x[a].real
                g[k, row, i] = math.sqrt(inverse * square[a])
                sigma[k, row, i] = math.sqrt(size * inverse)


@numba.njit(parallel=True, cache=True, nogil=True)
def fit(planes, low, high, factor, ky, kx, stride, regularisation, weights):
    """Fill `weights` (plane, offset, target coil, source) with least-squares GRAPPA kernels from calibration rows.

    planes : (plane, coils, row, i). Sources are ordered (row of the kernel, point, coil); row s lies
    (s - ky / 2 + 1) x factor rows from the measured row before the target, which lies offset + 1 rows above that.
    """
    count, coils, _, columns = planes.shape
    size = ky * kx * coils
    for p in numba.prange(count):
        matrix = np.zeros((size, size), np.complex128)
        right = np.zeros((factor - 1, coils, size), np.complex128)
        source = np.empty(size, np.complex128)
        first, last = (ky // 2 - 1) * factor, (ky // 2) * factor
        for row in range(low + first, high - last):
            for i in range(kx // 2, columns - kx // 2, stride):
                n = 0
                for s in range(ky):
                    y = row + (s - ky // 2 + 1) * factor
                    for t in range(kx):
                        for c in range(coils):
                            source[n] = planes[p, c, y, i + t - kx // 2]
                            n += 1
                for a in range(size):
                    conj = np.conj(source[a])
                    for b in range(a + 1):
                        matrix[a, b] += conj * source[b]
                    for d in range(factor - 1):
                        for c in range(coils):
                            right[d, c, a] += conj * planes[p, c, row + d + 1, i]
        trace = 0.0
        for a in range(size):
            trace += matrix[a, a].real
        for a in range(size):
            matrix[a, a] += regularisation * trace / size + 1e-30
        if not _cholesky(matrix, size):
            weights[p] = 0.0
            continue
        for d in range(factor - 1):
            for c in range(coils):
                _solve(matrix, size, right[d, c])
                for a in range(size):
                    weights[p, d, c, a] = np.complex64(right[d, c, a])


@numba.njit(parallel=True, cache=True, nogil=True)
def fill(planes, measured, start, factor, ky, kx, weights, out):
    """Fill the rows of `out` that were not measured from regularly measured ones.

    planes, out : (plane, coils, row, i); measured : (row,); `start` : the first regularly measured row.
    """
    count, coils, rows, columns = planes.shape
    for p in numba.prange(count):
        for row in range(rows):
            if measured[row]:
                continue
            d = (row - start) % factor
            base = row - d
            for i in range(columns):
                for c in range(coils):
                    total = np.complex64(0.0)
                    n = 0
                    for s in range(ky):
                        y = base + (s - ky // 2 + 1) * factor
                        if y < 0 or y >= rows:
                            n += kx * coils
                            continue
                        for t in range(kx):
                            x = i + t - kx // 2
                            if x < 0 or x >= columns:
                                n += coils
                                continue
                            for e in range(coils):
                                total += weights[p, d - 1, c, n] * planes[p, e, y, x]
                                n += 1
                    out[p, c, row, i] = total


@numba.njit(parallel=True, cache=True, nogil=True)
def loss(weights, patterns, covariance, factor, ky, kx, rows, columns, places_j, places_i, out):
    """Fill `out` (plane, j, i) with the g-factor of GRAPPA at places of the image, from its kernels.

    The unmixing at a place is 1 plus each weight times the phase of the rows and points it reaches over; combined with
    the coils' patterns (coils, plane, j, i) at those places and propagated through the noise covariance.
    """
    count, coils = weights.shape[0], weights.shape[2]
    for p in numba.prange(count):
        mixed = np.empty(coils, np.complex128)
        for j in range(len(places_j)):
            for i in range(len(places_i)):
                square = 0.0
                for c in range(coils):
                    value = patterns[c, p, j, i]
                    square += value.real**2 + value.imag**2
                    mixed[c] = np.conj(value)
                for d in range(factor - 1):
                    for s in range(ky):
                        # the source row lies this many rows below the target
                        up = d + 1 - (s - ky // 2 + 1) * factor
                        for t in range(kx):
                            turn = 2.0 * math.pi * (up * places_j[j] / rows - (t - kx // 2) * places_i[i] / columns)
                            phase = complex(math.cos(turn), math.sin(turn))
                            for c in range(coils):
                                factor_c = np.conj(patterns[c, p, j, i]) * phase
                                n = (s * kx + t) * coils
                                for e in range(coils):
                                    mixed[e] += factor_c * weights[p, d, c, n + e]
                noise, full = 0.0, 0.0
                for a in range(coils):
                    for b in range(coils):
                        noise += (mixed[a] * covariance[a, b] * np.conj(mixed[b])).real
                        full += (np.conj(patterns[a, p, j, i]) * covariance[a, b] * patterns[b, p, j, i]).real
                # the zero-filled image's noise is 1 / sqrt(factor) of the full one's; g leaves another sqrt out
                out[p, j, i] = math.sqrt(max(noise, 0.0) / max(full, 1e-30)) / factor
