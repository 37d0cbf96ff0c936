"""Thermal noise of the receivers: complex, Gaussian, correlated between coils, equal in every sample of k-space."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri.encode import Encoding
from medsynth.acquire.mri.options import Noise
from medsynth.core.errors import RecipeError
from medsynth.core.seed import Seed

REFERENCE_T = 3.0  # field of `Noise.snr_density`


def noise_sd(noise: Noise, encoding: Encoding) -> float:
    """Return the SD of real and imaginary part of one measured sample of k-space, in the image's units; 0 for none.

    With the unitary transform it is also that of a fully sampled, once averaged image. SNR grows with the volume of a
    voxel, the root of the time that the receiver listens, and the field (Macovski, MRM 36, 1996, 494).
    """
    if noise.snr_density is None:
        return 0.0
    encodes = encoding.phase.samples * (encoding.slice.samples if encoding.dimensions == 3 else 1)
    listened_s = encodes / encoding.bandwidth_hz_px
    return REFERENCE_T / (noise.snr_density * encoding.field_T * encoding.voxel_mm3 * float(np.sqrt(listened_s)))


def add_noise(kspace: NDArray[np.complex64], times: NDArray[np.integer], sd: float,
              covariance: NDArray[np.complex128], *, seed: Seed) -> None:
    """Add noise to the measured lines of k-space, in place.

    Parameters
    ----------
    kspace : (coils, k, j, i).
    times : (k, j, 1) or (k, 1, i): how often each line was measured; 0 stays 0.
    sd : of real and imaginary part of a sample measured once.
    covariance : (coils, coils) of the coils, 1 on the diagonal for equal coils.
    seed : coil c and slice or partition k draw from `seed.child(c, k)`, so that one more coil or slice moves nothing.
    """
    if sd == 0:
        return
    root = lower_root(covariance).astype(np.complex64)
    factor = np.where(times > 0, sd / np.sqrt(np.maximum(times, 1)), 0).astype(np.float32)

    def plane(k: int) -> None:
        white = [white_noise(seed, coil, k, kspace.shape[2:]) for coil in range(len(kspace))]
        for coil in range(len(kspace)):
            mixed = root[coil, 0] * white[0]
            for other in range(1, coil + 1):
                if root[coil, other] != 0:
                    mixed += root[coil, other] * white[other]
            kspace[coil, k] += factor[k] * mixed

    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        list(pool.map(plane, range(kspace.shape[1])))


def white_noise(seed: Seed, coil: int, k: int, shape: tuple[int, ...]) -> NDArray[np.complex64]:
    """Return complex noise of unit SD in real and imaginary part; it depends on seed, coil and plane alone."""
    parts = seed.child(coil, k).rng().standard_normal((*shape, 2), np.float32)
    return parts.view(np.complex64)[..., 0]


def lower_root(covariance: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the lower triangular L with L L^H = covariance, summed in a fixed order.

    Raises
    ------
    RecipeError
        If the matrix is not positive definite.
    """
    size = len(covariance)
    root = np.zeros((size, size), complex)
    for row in range(size):
        for column in range(row + 1):
            rest = covariance[row, column] - (root[row, :column] * root[column, :column].conj()).sum()
            if row == column:
                if rest.real <= 0:
                    raise RecipeError(f"the coils' noise covariance must be positive definite, got {rest.real:g} left "
                                      f"for coil {row}")
                root[row, row] = np.sqrt(rest.real)
            else:
                root[row, column] = rest / root[column, column]
    return root
