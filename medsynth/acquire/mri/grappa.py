"""GRAPPA: missing lines of k-space from their neighbours in all coils."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.acquire.mri import parallel_kernels as kernels
from medsynth.acquire.mri.coils import CoilArray
from medsynth.acquire.mri.encode import Encoding
from medsynth.acquire.mri.options import Acceleration
from medsynth.acquire.mri.transform import to_image, to_kspace

Complex = NDArray[np.complex64]
EQUATIONS = 6  # calibration equations per unknown that are enough
G_STEP = 4  # pixels between the places of the g-factor, which is smooth


def grappa(kspace: Complex, options: Acceleration, coils: CoilArray,
           encoding: Encoding) -> tuple[Complex, NDArray[np.float32]]:
    """Return k-space with its missing rows filled, and the g-factor (k, phase, readout) on the measured matrix.

    Each partition of a 3D scan is first transformed along the slab and then treated like a slice. Kernels come from the
    calibration rows by regularised least squares (Griswold et al., MRM 47, 2002, 1202). The g-factor follows from the
    kernels' transform (Breuer et al., MRM 62, 2009, 739); that calibration rows are themselves measured is left out,
    which makes it a little too large.

    Parameters
    ----------
    kspace : (coils, k, phase, readout); missing rows are 0.
    coils : their patterns on the measured matrix.
    """
    factor, lines, (ky, kx) = options.phase, options.calibration_lines, options.kernel
    count, _, rows, columns = kspace.shape
    hybrid = kspace
    if encoding.dimensions == 3:
        hybrid = np.stack([to_image(coil, 0) for coil in kspace])
    planes = np.ascontiguousarray(hybrid.swapaxes(0, 1))
    del hybrid
    middle = rows // 2
    low = middle - lines // 2
    unknowns = count * ky * kx
    equations = (lines - (ky - 1) * factor) * columns
    stride = max(1, equations // (EQUATIONS * unknowns))
    weights = np.empty((len(planes), factor - 1, count, unknowns), np.complex64)
    kernels.fit(planes, low, low + lines, factor, ky, kx, stride, options.regularisation, weights)
    measured = (np.arange(rows) - middle) % factor == 0
    measured[low : low + lines] = True
    filled = planes.copy()
    kernels.fill(planes, measured, middle % factor, factor, ky, kx, weights, filled)
    g = _loss(weights, coils, factor, ky, kx, rows, columns)
    out = np.ascontiguousarray(filled.swapaxes(0, 1))
    if encoding.dimensions == 3:
        for coil in out:
            coil[:] = to_kspace(coil, 0)
    return out, g


def _loss(weights: Complex, coils: CoilArray, factor: int, ky: int, kx: int, rows: int,
          columns: int) -> NDArray[np.float32]:
    j, i = np.arange(0, rows, G_STEP), np.arange(0, columns, G_STEP)
    patterns = np.stack([coils.planes(k, len(weights))[:, 0][:, j][:, :, i] for k in range(len(weights))], axis=1)
    coarse = np.empty((len(weights), len(j), len(i)), np.float32)
    kernels.loss(weights, np.ascontiguousarray(patterns), coils.covariance, factor, ky, kx, rows, columns,
                 (j - rows // 2).astype(float), (i - columns // 2).astype(float), coarse)
    out = np.empty((len(weights), rows, columns), np.float32)
    for plane, fine in zip(coarse, out, strict=True):
        ndimage.affine_transform(plane, np.full(2, 1 / G_STEP), 0.0, fine.shape, output=fine, order=1, mode="nearest")
    return out
