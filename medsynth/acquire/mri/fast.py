"""MR, fast tier: one uniform coil, Fourier-encoded at the protocol's resolution, with thermal noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from medsynth.acquire.mri.clock import Clock
from medsynth.acquire.mri.component import Component
from medsynth.acquire.mri.encode import SLICE, Encoding
from medsynth.acquire.mri.noise import noise_sd, white_noise
from medsynth.acquire.mri.options import KspaceOptions
from medsynth.core.seed import Seed

Complex64 = NDArray[np.complex64]


def reconstruct(components: Sequence[Component], encoding: Encoding, clock: Clock, options: KspaceOptions, *,
                epi: bool = False, noise: bool = True, imperfect: bool = True, seed: Seed) -> Complex64:
    """Return the complex image (k, j, i) of components that lie on the image's grid.

    k-space of the image's field of view is weighted line by line, moved for chemical shift, cut to the measured
    resolution and joined by white noise of the SD that a fully sampled scan of this protocol has. Oversampling,
    acceleration and partial Fourier count for the noise alone: nothing wraps around, nothing is left out.

    Parameters
    ----------
    imperfect : chemical shift and the measured resolution; without it, the image as an ideal scanner sees it.
    seed : plane k of k-space draws from `seed.child(0, k)`.
    """
    if not components:
        raise ValueError("components must hold at least one, got none")
    axes = (1, 2) if encoding.dimensions == 2 else (0, 1, 2)
    workers = numba.get_num_threads()
    kspace = np.zeros(encoding.image_grid.shape_kji, np.complex64)
    for shift_hz in sorted({component.shift_hz for component in components}):
        spectrum = _spectrum([c for c in components if c.shift_hz == shift_hz], encoding, clock, axes)
        if imperfect and shift_hz and options.fields.chemical_shift:
            axis, ramp = _chemical_shift(shift_hz, encoding, epi=epi)
            spectrum *= _along(ramp, axis)
        kspace += spectrum
    if imperfect and options.sampling.aperture_correction:
        for axis, sampled in enumerate(encoding.axes):
            if sampled.fourier:  # what makes box averages of the object points
                sinc = np.sinc(_frequencies(encoding, axis) / encoding.image_grid.shape_kji[axis])
                kspace *= _along((1 / sinc).astype(np.float32), axis)
    if noise:
        _add_noise(kspace, encoding, options, seed)
    if imperfect:
        for axis, window in _windows(encoding, options).items():
            kspace *= _along(window, axis)
    return np.asarray(scipy.fft.ifftn(kspace, axes=axes, workers=workers, norm="ortho", overwrite_x=True))


def _along(factor: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return a factor along one axis as an array that multiplies a volume."""
    return factor.reshape([-1 if a == axis else 1 for a in range(3)])


def _frequencies(encoding: Encoding, axis: int) -> NDArray[np.int64]:
    """Return the whole cycles per field of view of the image, in the order of the transform."""
    count = encoding.image_grid.shape_kji[axis]
    return np.rint(np.fft.fftfreq(count) * count).astype(np.int64)


def _spectrum(components: Sequence[Component], encoding: Encoding, clock: Clock, axes: tuple[int, ...]) -> Complex64:
    """Return the weighted sum of the components' k-space.

    Weights change along one axis alone: only that one is transformed for every component, the others for their sum.
    """
    workers = numba.get_num_threads()
    if all(np.ptp(component.weights) == 0 for component in components):
        total = components[0].image * components[0].weights[0]
        for component in components[1:]:
            total += component.image * component.weights[0]
        return np.asarray(scipy.fft.fftn(total, axes=axes, workers=workers, norm="ortho", overwrite_x=True))
    changing = next(c.weights for c in components if np.ptp(c.weights) != 0)
    axis: int = encoding.phase_axis
    rows = clock.phase
    if weights_along(changing, rows, encoding, axis) is None:
        axis, rows = SLICE, clock.partition
    hybrid = np.zeros(encoding.image_grid.shape_kji, np.complex64)
    for component in components:
        part = scipy.fft.fft(component.image, axis=axis, workers=workers, norm="ortho")
        factor = weights_along(component.weights, rows, encoding, axis)
        if factor is None:
            raise ValueError("weights must change along one axis of k-space, got lines of one row that differ")
        part *= _along(factor, axis)
        hybrid += part
    rest = tuple(a for a in axes if a != axis)
    return np.asarray(scipy.fft.fftn(hybrid, axes=rest, workers=workers, norm="ortho", overwrite_x=True))


def _chemical_shift(shift_hz: float, encoding: Encoding, *, epi: bool) -> tuple[int, Complex64]:
    """Return the axis along which a resonance is displaced, and the ramp of phase that does it."""
    axis = encoding.phase_axis if epi else encoding.readout_axis
    sampled = encoding.axes[axis]
    per_hz = encoding.epi_spacing_s * sampled.samples if epi else 1 / encoding.bandwidth_hz_px
    shift_px = shift_hz * per_hz * sampled.encoded / sampled.samples
    cycles = _frequencies(encoding, axis) / encoding.image_grid.shape_kji[axis]
    return axis, np.exp(-2j * np.pi * cycles * shift_px).astype(np.complex64)


def weights_along(weights: Complex64, rows: NDArray[np.int32], encoding: Encoding, axis: int) -> Complex64 | None:
    """Return the weight of every row of the image's k-space, or None where the other axis carries the train.

    Rows that are not measured take the weight of their mirror image through the middle, or of the nearest one.
    """
    sampled = encoding.axes[axis]
    by_row = np.full(sampled.samples, np.nan + 0j, np.complex64)
    by_row[rows] = weights
    if not np.array_equal(by_row[rows], weights):
        return None  # lines of one row differ: they change along the other axis
    measured = np.flatnonzero(np.isfinite(by_row))
    middle = sampled.samples // 2
    wanted = middle + np.rint(_frequencies(encoding, axis) * sampled.encoded / encoding.image_grid.shape_kji[axis]
                              ).astype(np.int64)
    wanted = np.clip(wanted, 0, sampled.samples - 1)
    mirrored = np.clip(2 * middle - wanted, 0, sampled.samples - 1)
    use = np.where(np.isfinite(by_row[wanted]), wanted, mirrored)
    nearest = measured[np.argmin(np.abs(measured[None, :] - use[:, None]), axis=1)]
    return np.asarray(by_row[nearest], np.complex64)


def _windows(encoding: Encoding, options: KspaceOptions) -> dict[int, NDArray[np.float32]]:
    """Return by axis the measured support of k-space and its window, where they do anything."""
    found = {}
    for axis, sampled in enumerate(encoding.axes):
        if not sampled.fourier:
            continue
        count = encoding.image_grid.shape_kji[axis]
        cycles = _frequencies(encoding, axis)
        reach = sampled.samples / sampled.encoded * count / 2
        relative = np.abs(cycles) / reach
        factor = (relative <= 1).astype(np.float64)
        if options.window.kind == "hamming":
            factor *= 0.54 + 0.46 * np.cos(np.pi * np.minimum(relative, 1))
        elif options.window.kind == "tukey":
            start = 1 - options.window.taper
            fall = np.clip((relative - start) / options.window.taper, 0, 1)
            factor *= 0.5 + 0.5 * np.cos(np.pi * fall)
        if not (factor == 1).all():
            found[axis] = factor.astype(np.float32)
    return found


def _add_noise(kspace: Complex64, encoding: Encoding, options: KspaceOptions, seed: Seed) -> None:
    """Add white noise in place, so that the image has the SD of `noise_sd` over root of the averages."""
    from concurrent.futures import ThreadPoolExecutor

    share = float(np.prod([axis.samples / axis.encoded for axis in encoding.axes if axis.fourier]))
    skipped = options.acceleration.total / (options.partial_fourier.phase * options.partial_fourier.slice)
    sd = noise_sd(options.noise, encoding) * np.sqrt(skipped / (share * options.sampling.averages))
    if sd == 0:
        return

    def plane(k: int) -> None:
        drawn = white_noise(seed, 0, k, kspace.shape[1:])
        drawn *= np.float32(sd)
        kspace[k] += drawn

    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        list(pool.map(plane, range(len(kspace))))

