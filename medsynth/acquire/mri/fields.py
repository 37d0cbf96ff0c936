"""The main field: what susceptibility does to it, and what its inhomogeneity does to the object's signal."""

from __future__ import annotations

import numba
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from medsynth.acquire.mri import _kernels as kernels
from medsynth.acquire.mri.coils import FREQUENCY_HZ_PER_T
from medsynth.acquire.mri.options import Fields
from medsynth.acquire.mri.shim import shimmed
from medsynth.core.errors import GeometryError, RecipeError, expected
from medsynth.core.grid import Grid

FIELD_MM = 1.5  # the field is computed on cells at least this large
B0_DIRECTION = (0.0, 0.0, 1.0)  # LPS of a patient who lies along the bore
PAD = 2  # times the object's extent, the rim's susceptibility going on
NONLINEARITY_MM = 4.0  # displacement at 200 mm from the isocentre, severity 1
NONLINEARITY_RADIUS_MM = 200.0


def b0_map(chi_ppm: NDArray[np.float32], body: NDArray[np.bool_], grid: Grid, field_T: float,
           options: Fields) -> NDArray[np.float32]:
    """Return the off-resonance (k, j, i) in Hz that susceptibility leaves after shimming over the body.

    Parameters
    ----------
    chi_ppm : (k, j, i) volume susceptibility in ppm (SI); only differences matter.
    body : where the shim looks.

    Raises
    ------
    GeometryError
        If the shapes differ.
    RecipeError
        If the field is not positive.
    """
    if not (np.isfinite(field_T) and field_T > 0):
        raise RecipeError(expected("field_T", field_T, "finite and > 0"))
    if chi_ppm.shape != grid.shape_kji or body.shape != grid.shape_kji:
        raise GeometryError(f"chi_ppm {chi_ppm.shape} and body {body.shape} must have the grid's shape "
                            f"{grid.shape_kji}")
    factors = [max(1, int(FIELD_MM / mm + 1e-6)) for mm in grid.spacing_mm]
    spacing = [mm * f for mm, f in zip(grid.spacing_mm, factors, strict=True)]
    shift = dipole_shift_ppm(_pooled(chi_ppm, factors), spacing,
                             np.asarray(B0_DIRECTION) @ np.asarray(grid.direction))
    hz = _unpooled(shift, factors, grid.shape_kji)
    hz *= np.float32(FREQUENCY_HZ_PER_T * field_T * 1e-6)
    return shimmed(hz, body, grid, options.shim_order)


def dipole_shift_ppm(chi_ppm: NDArray[np.floating], spacing_mm: list[float] | tuple[float, ...],
                     b0_kji: NDArray[np.float64], *, pad: int = PAD) -> NDArray[np.float32]:
    """Return the relative shift of the field (k, j, i) in ppm, sphere of Lorentz included.

    The Fourier transform of the susceptibility times 1/3 - cos^2 of its angle to B0, on an array `pad` times as large
    into which the rim's values go on: a body that leaves the grid does not end there, and its copies stay far.

    Parameters
    ----------
    b0_kji : unit vector of B0 along the axes of the array.

    References
    ----------
    Marques and Bowtell, Concepts Magn. Reson. B 25, 2005, 65.
    """
    workers = numba.get_num_threads()
    reference = np.float32(chi_ppm.mean(dtype=np.float64))
    shape = [scipy.fft.next_fast_len(n * pad, real=True) for n in chi_ppm.shape]
    before = [(wide - n) // 2 for wide, n in zip(shape, chi_ppm.shape, strict=True)]
    padded = np.pad(np.asarray(chi_ppm, np.float32) - reference,
                    [(b, wide - n - b) for wide, n, b in zip(shape, chi_ppm.shape, before, strict=True)], mode="edge")
    spectrum = scipy.fft.rfftn(padded, workers=workers, overwrite_x=True)
    del padded
    fk, fj = (np.fft.fftfreq(n, mm).astype(np.float32) for n, mm in zip(shape[:2], spacing_mm[:2], strict=True))
    fi = np.fft.rfftfreq(shape[2], spacing_mm[2]).astype(np.float32)
    direction = np.asarray(b0_kji, np.float32)
    for k, frequency in enumerate(fk):
        square = frequency**2 + fj[:, None] ** 2 + fi[None, :] ** 2
        along = frequency * direction[0] + fj[:, None] * direction[1] + fi[None, :] * direction[2]
        if k == 0:
            square[0, 0] = np.inf
        factor = np.float32(1 / 3) - along**2 / square
        if k == 0:
            factor[0, 0] = 0
        spectrum[k] *= factor
    field = scipy.fft.irfftn(spectrum, shape, workers=workers, overwrite_x=True)
    box = tuple(slice(b, b + n) for b, n in zip(before, chi_ppm.shape, strict=True))
    return np.ascontiguousarray(field[box], np.float32)


def precessed(image: NDArray[np.complex64], b0_hz: NDArray[np.float32] | None, shift_hz: float,
              dephasing_s: float) -> NDArray[np.complex64]:
    """Return the image after free precession: its phase, and its loss where the field changes within a voxel.

    A spin that is f Hz faster than the receiver turns by -2 pi f t, so that positive chemical shifts and fields turn
    alike. Within a voxel the field is linear along each axis: the signal falls with sinc(gradient x size x time).
    """
    if dephasing_s == 0:
        return image
    if b0_hz is None:
        return image * np.complex64(np.exp(-2j * np.pi * shift_hz * dephasing_s))
    out = np.empty_like(image)
    kernels.precess(image, b0_hz, np.float32(shift_hz), np.float32(dephasing_s), out)
    return out


def displaced(image: NDArray[np.complex64], axis: int, cells_per_hz: float, b0_hz: NDArray[np.float32] | None,
              shift_hz: float) -> NDArray[np.complex64]:
    """Return the image with each voxel's signal moved along an axis in proportion to its frequency."""
    if cells_per_hz == 0 or (b0_hz is None and shift_hz == 0):
        return image
    turned = np.ascontiguousarray(image.swapaxes(axis, 2))
    field = np.zeros((1, 1, 1), np.float32) if b0_hz is None else np.ascontiguousarray(b0_hz.swapaxes(axis, 2))
    if b0_hz is None:
        field = np.broadcast_to(field, turned.shape)
    out = np.empty_like(turned)
    kernels.push(turned, field, cells_per_hz, cells_per_hz * shift_hz, out)
    return np.ascontiguousarray(out.swapaxes(axis, 2))


def nonlinearity_mm(points_mm: NDArray[np.float64], severity: float) -> NDArray[np.float64]:
    """Return the displacement (..., 3) in LPS mm of points (..., 3) relative to the isocentre.

    Third-degree solid harmonics, the first that symmetric gradient coils leave: for z, z^3 - 3/2 z (x^2 + y^2); for x
    and y, x (4 z^2 - x^2 - y^2) and its like. Each gradient's part is harmonic, as any field of a coil is.
    """
    x, y, z = np.moveaxis(points_mm / NONLINEARITY_RADIUS_MM, -1, 0)
    square = x * x + y * y
    transverse = 4 * z * z - square
    shift = np.stack([-x * transverse / 4, -y * transverse / 4, -(z**3 - 1.5 * z * square)], axis=-1)
    return np.asarray(NONLINEARITY_MM * severity * shift)


def _pooled(values: NDArray[np.float32], factors: list[int]) -> NDArray[np.float32]:
    """Return means over blocks; the last block of an axis goes on with the rim."""
    if factors == [1, 1, 1]:
        return values
    fill = [(0, -n % f) for n, f in zip(values.shape, factors, strict=True)]
    padded = np.pad(values, fill, mode="edge") if any(end for _, end in fill) else values
    (a, b, c), (n, m, o) = factors, padded.shape
    blocks = padded.reshape(n // a, a, m // b, b, o // c, c)
    return np.asarray(blocks.mean(axis=5).mean(axis=3).mean(axis=1), np.float32)


def _unpooled(values: NDArray[np.float32], factors: list[int], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return block values interpolated by cubic splines at the voxels they came from."""
    if factors == [1, 1, 1]:
        return values
    from scipy import ndimage

    ratio = 1 / np.asarray(factors, float)
    out = np.empty(shape, np.float32)
    ndimage.affine_transform(values, ratio, (ratio - 1) / 2, shape, output=out, order=3, mode="nearest")
    return out
