"""Images from k-space whose first rows were not measured."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri.transform import to_image, to_kspace

Complex = NDArray[np.complex64]
POCS_TURNS = 8


def completed(kspace: Complex, index: int, measured: int, method: Literal["homodyne", "pocs"]) -> Complex:
    """Return k-space (k, phase, readout) of one coil with its unmeasured rows along one axis filled in.

    Both methods take the image's phase from the symmetric middle of k-space, tapered, and assume that the image has no
    other: the rest is conjugate symmetric.

    Parameters
    ----------
    index : the axis; its first rows are missing.
    measured : rows along it.

    References
    ----------
    Noll, Nishimura and Macovski, IEEE Trans. Med. Imaging 10, 1991, 154 (homodyne); Haacke, Lindskog and Lin,
    J. Magn. Reson. 92, 1991, 126 (POCS).
    """
    count = kspace.shape[index]
    missing = count - measured
    if missing == 0:
        return kspace
    middle = count // 2
    reach = middle - missing  # rows on either side of the middle that are both measured
    spread: list[slice | None] = [None] * kspace.ndim
    spread[index] = slice(None)
    distance = np.abs(np.arange(count) - middle)
    taper = np.where(distance <= reach, np.cos(0.5 * np.pi * distance / (reach + 1)) ** 2, 0).astype(np.float32)
    low = _image(kspace * taper[tuple(spread)])
    phase = low / np.maximum(np.abs(low), np.float32(1e-20) + np.abs(low).max() * np.float32(1e-7))
    if method == "homodyne":
        image = _image(kspace * homodyne_weights(count, measured).astype(np.float32)[tuple(spread)])
        return _kspace(phase * (image * phase.conj()).real)
    filled = kspace.copy()
    rows: list[slice] = [slice(None)] * kspace.ndim
    rows[index] = slice(0, missing)
    for _ in range(POCS_TURNS):
        estimate = _kspace(phase * np.abs(_image(filled)))
        filled[tuple(rows)] = estimate[tuple(rows)]
    return filled


def homodyne_weights(count: int, measured: int) -> NDArray[np.float64]:
    """Return (count,) the weight of each row: 2 where the mirror is missing, a ramp between; q and -q weigh 2 together.

    Of an even count, row -n / 2 is its own mirror; it was not measured and weighs nothing.
    """
    q = np.arange(count) - count // 2
    reach = count // 2 - (count - measured)
    return np.where(q > reach, 2.0, np.where(q < -reach, 0.0, 1 + q / (reach + 1)))


def _image(kspace: Complex) -> Complex:
    for axis in range(3):
        kspace = to_image(kspace, axis)
    return kspace


def _kspace(image: Complex) -> Complex:
    for axis in range(3):
        image = to_kspace(image, axis)
    return image
