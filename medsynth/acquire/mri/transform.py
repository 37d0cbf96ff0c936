"""Fourier transforms between object, k-space and image along one axis at a time.

k-space is centred: row q of n stands for the frequency (q - n // 2) / field of view, and its phase is that of a
transform whose origin is the middle of measured pixel n // 2. All transforms keep intensities: a uniform object of
value 1 gives an image of 1, and noise of equal SD in every sample gives noise of that SD in the image.
"""

from __future__ import annotations

import numba
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from medsynth.acquire.mri.encode import Axis

Complex = NDArray[np.complex64]


def frequencies(samples: int) -> NDArray[np.int64]:
    """Return the cycles per field of view of each row."""
    return np.arange(samples) - samples // 2


def object_factor(samples: int, cells: int, start_mm: float, fov_mm: float, *,
                  correct: bool) -> NDArray[np.complex128]:
    """Return (samples,) what turns a transform of cells, cell 0 at phase 0, into k-space whose origin is `start_mm`.

    start_mm : origin less the middle of cell 0. With `correct` the box that each cell averaged over is undone.
    """
    q = frequencies(samples)
    factor = np.sqrt(samples) / cells * np.exp(2j * np.pi * q * start_mm / fov_mm)
    return factor / np.sinc(q / cells) if correct else factor


def origin_mm(axis: Axis) -> float:
    """Return where the origin of k-space lies, from the edge of the encoded field of view."""
    return (axis.samples // 2 + 0.5) * axis.fov_mm / axis.samples


def folded(data: Complex, index: int, cells: int, offset: int) -> Complex:
    """Return the object on one field of view: what lies outside comes in from the other side.

    Sampling k-space at 1 / field of view does just this.
    """
    count = data.shape[index]
    if offset == 0 and count == cells:
        return data
    shape = list(data.shape)
    shape[index] = cells
    out = np.zeros(shape, np.complex64)
    source, target = [slice(None)] * data.ndim, [slice(None)] * data.ndim
    done = 0
    while done < count:
        place = (offset + done) % cells
        length = min(cells - place, count - done)
        source[index], target[index] = slice(done, done + length), slice(place, place + length)
        out[tuple(target)] += data[tuple(source)]
        done += length
    return out


def lines_basis(axis: Axis, offset: int, count: int, rows: NDArray[np.integer], *, correct: bool) -> Complex:
    """Return (rows, count): what each of `count` cells, the first at cell `offset`, gives to some rows of k-space."""
    q = frequencies(axis.samples)[rows]
    factor = object_factor(axis.samples, axis.cells, origin_mm(axis) - axis.cell_mm / 2, axis.fov_mm,
                           correct=correct)[rows]
    turns = (q[:, None] * (np.arange(count) + offset)[None, :]) % axis.cells
    return (factor[:, None] * np.exp(-2j * np.pi * turns / axis.cells)).astype(np.complex64)


def encoded(data: Complex, index: int, axis: Axis, offset: int, *, correct: bool) -> Complex:
    """Return k-space along one axis of an object whose first cell is cell `offset` of the field of view."""
    cells = axis.cells
    spectrum = scipy.fft.fft(folded(data, index, cells, offset), axis=index, workers=workers())
    factor = object_factor(axis.samples, cells, origin_mm(axis) - axis.cell_mm / 2, axis.fov_mm, correct=correct)
    return _taken(spectrum, index, axis.samples, factor)


def read_out(data: Complex, index: int, axis: Axis, offset: int, *, correct: bool) -> Complex:
    """Return k-space along the readout: sampled `receive` times as densely, its image cut to the field of view.

    Without oversampling what lies outside folds back, as along the other axes.
    """
    if axis.receive == 1:
        return encoded(data, index, axis, offset, correct=correct)
    cells, samples, fov = axis.receive * axis.cells, axis.receive * axis.samples, axis.receive * axis.fov_mm
    spectrum = scipy.fft.fft(folded(data, index, cells, offset), axis=index, workers=workers())
    pixel = axis.fov_mm / axis.samples
    factor = object_factor(samples, cells, pixel / 2 - axis.cell_mm / 2, fov, correct=correct)
    taken = _taken(spectrum, index, samples, factor)
    image = scipy.fft.ifft(scipy.fft.ifftshift(taken, axes=index), axis=index, norm="ortho", workers=workers(),
                           overwrite_x=True)
    window = [slice(None)] * data.ndim
    window[index] = slice(0, axis.samples)
    return to_kspace(image[tuple(window)], index)


def to_kspace(image: Complex, index: int) -> Complex:
    """Return centred k-space of an image along one axis, at the same size."""
    count = image.shape[index]
    spectrum = scipy.fft.fft(image, axis=index, norm="ortho", workers=workers())
    q = frequencies(count)
    return _taken(spectrum, index, count, np.exp(2j * np.pi * ((q * (count // 2)) % count) / count))


def to_image(kspace: Complex, index: int) -> Complex:
    """Return the image of centred k-space along one axis, at the same size: the inverse of `to_kspace`."""
    count = kspace.shape[index]
    q = frequencies(count)
    return _placed(kspace, index, count, np.exp(-2j * np.pi * ((q * (count // 2)) % count) / count))


def to_pixels(kspace: Complex, index: int, axis: Axis, window: NDArray[np.floating] | None = None) -> Complex:
    """Return the image's own pixels along one axis: zeros beyond the measured rows, cut to the image."""
    q = frequencies(axis.samples)
    pixel = axis.fov_mm / axis.encoded
    first = (axis.fov_mm - axis.pixels * pixel) / 2 + pixel / 2 - origin_mm(axis)
    factor = np.exp(2j * np.pi * q * first / axis.fov_mm) * np.sqrt(axis.encoded / axis.samples)
    if window is not None:
        factor = factor * window
    image = _placed(kspace, index, axis.encoded, factor)
    cut = [slice(None)] * kspace.ndim
    cut[index] = slice(0, axis.pixels)
    return image[tuple(cut)]


def _taken(spectrum: Complex, index: int, samples: int, factor: NDArray[np.complex128]) -> Complex:
    """Return the central `samples` frequencies of a transform, in ascending order, each times its factor."""
    cells = spectrum.shape[index]
    shape = list(spectrum.shape)
    shape[index] = samples
    out = np.empty(shape, np.complex64)
    low = samples // 2
    source, target = [slice(None)] * spectrum.ndim, [slice(None)] * spectrum.ndim
    spread = [None] * spectrum.ndim
    factors = factor.astype(np.complex64)
    for start, end, shift in ((0, low, cells - low), (low, samples, -low)):
        source[index], target[index] = slice(start + shift, end + shift), slice(start, end)
        along: list[slice | None] = list(spread)
        along[index] = slice(start, end)
        np.multiply(spectrum[tuple(source)], factors[tuple(along)], out=out[tuple(target)])
    return out


def _placed(kspace: Complex, index: int, count: int, factor: NDArray[np.complex128]) -> Complex:
    """Return the unitary inverse transform of `count` points, k-space times its factor in the middle of them."""
    samples = kspace.shape[index]
    shape = list(kspace.shape)
    shape[index] = count
    wide = np.zeros(shape, np.complex64) if count != samples else np.empty(shape, np.complex64)
    low = samples // 2
    source, target = [slice(None)] * kspace.ndim, [slice(None)] * kspace.ndim
    factors = factor.astype(np.complex64)
    for start, end, shift in ((0, low, count - low), (low, samples, -low)):
        source[index], target[index] = slice(start, end), slice(start + shift, end + shift)
        along: list[slice | None] = [None] * kspace.ndim
        along[index] = slice(start, end)
        np.multiply(kspace[tuple(source)], factors[tuple(along)], out=wide[tuple(target)])
    return scipy.fft.ifft(wide, axis=index, norm="ortho", workers=workers(), overwrite_x=True)


def workers() -> int:
    """Return how many threads may work; results do not depend on it."""
    return numba.get_num_threads()
