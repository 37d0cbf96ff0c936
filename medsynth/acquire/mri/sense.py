"""SENSE: pixels that fold onto each other, told apart by how the coils hear them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri import parallel_kernels as kernels
from medsynth.acquire.mri.coils import CoilArray
from medsynth.acquire.mri.combine import whitened
from medsynth.acquire.mri.encode import Encoding
from medsynth.acquire.mri.options import Acceleration
from medsynth.acquire.mri.transform import to_image, to_kspace

Complex = NDArray[np.complex64]
Floats = NDArray[np.float32]


def sense(kspace: Complex, coils: CoilArray, options: Acceleration,
          encoding: Encoding) -> tuple[Complex, Floats, Floats]:
    """Return k-space of the unfolded image, the g-factor, and the noise's SD over that of a sample.

    Weighted least squares with the noise covariance; g^2 = [(S^H Psi^-1 S)^-1]_ii [S^H Psi^-1 S]_ii and
    SD^2 = R [(S^H Psi^-1 S)^-1]_ii (Pruessmann et al., MRM 42, 1999, 952).

    Parameters
    ----------
    kspace : (coils, k, phase, readout) of which every nth row, the middle one among them, was measured.
    coils : on the measured matrix.

    Returns
    -------
    (k, phase, readout) k-space, complex64, and the two maps, float32, on the measured matrix.
    """
    along_k = options.slice if encoding.dimensions == 3 else 1
    fourier = [0, 1, 2] if encoding.dimensions == 3 else [1, 2]
    images = np.empty_like(kspace)
    for coil, image in zip(kspace, images, strict=True):
        for axis in fourier:
            coil = to_image(coil, axis)
        image[:] = coil
    out: Complex = np.empty(kspace.shape[1:], np.complex64)
    g, sigma = np.empty(out.shape, np.float32), np.empty(out.shape, np.float32)
    step = kspace.shape[1] // along_k
    for k in range(step):
        patterns = whitened(coils.planes(k, step), coils.covariance)
        seen = whitened(np.ascontiguousarray(images[:, k]), coils.covariance)
        kernels.unfold(seen, patterns, options.phase, np.float32(options.regularisation), out[k::step], g[k::step],
                       sigma[k::step])
    for axis in fourier:
        out = to_kspace(out, axis)
    return out, g, sigma
