"""One image from those of many coils."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.acquire.mri.noise import lower_root

Complex = NDArray[np.complex64]
PATCH = 5  # pixels over which an adaptive combination looks for the coils' pattern


def whitened(images: Complex, covariance: NDArray[np.complex128]) -> Complex:
    """Return (coils, ...) whose noise is uncorrelated and equal: L^-1 times the images, covariance = L L^H."""
    root = lower_root(covariance)
    out = np.empty_like(images)
    for row in range(len(images)):
        rest = images[row].copy()
        for column in range(row):
            if root[row, column] != 0:
                rest -= np.complex64(root[row, column]) * out[column]
        out[row] = rest / np.complex64(root[row, row])
    return out


def adaptive(images: Complex, covariance: NDArray[np.complex128], patch: int = PATCH) -> Complex:
    """Return the matched combination (k, j, i) of coil images (coils, k, j, i).

    The weights at a pixel are the dominant eigenvector of the coils' correlation over a patch around it, after
    whitening; its phase is that of the coil that hears most (Walsh et al., MRM 43, 2000, 682). The eigenvector comes
    from power iteration. Noise stays nearly Gaussian where there is no signal, and intensities are those of whitened
    coils' root sum of squares.
    """
    white = whitened(images, covariance)
    count = len(white)
    reference = int((np.abs(white) ** 2).sum(axis=(1, 2, 3), dtype=np.float64).argmax())
    out = np.empty(white.shape[1:], np.complex64)
    for k in range(white.shape[1]):
        plane = white[:, k]
        matrix = np.empty((count, count, *plane.shape[1:]), np.complex64)
        for a in range(count):
            for b in range(a + 1):
                product = plane[a] * plane[b].conj()
                matrix[a, b] = (ndimage.uniform_filter(product.real, patch, mode="nearest")
                                + 1j * ndimage.uniform_filter(product.imag, patch, mode="nearest"))
                matrix[b, a] = matrix[a, b].conj()
        vector = np.ascontiguousarray(matrix[:, reference])
        for _ in range(6):
            vector /= np.sqrt((np.abs(vector) ** 2).sum(axis=0)) + np.float32(1e-30)
            vector = sum(matrix[:, b] * vector[b] for b in range(count))
        vector /= np.sqrt((np.abs(vector) ** 2).sum(axis=0)) + np.float32(1e-30)
        turn = vector[reference]
        vector *= turn.conj() / (np.abs(turn) + np.float32(1e-30))
        out[k] = (vector.conj() * plane).sum(axis=0)
    return out
