"""From coil k-space to an image, with the noise of each pixel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.acquire.mri.clock import partial_rows
from medsynth.acquire.mri.coils import CoilArray
from medsynth.acquire.mri.combine import adaptive, whitened
from medsynth.acquire.mri.encode import Encoding
from medsynth.acquire.mri.grappa import grappa
from medsynth.acquire.mri.options import KspaceOptions
from medsynth.acquire.mri.partial_fourier import completed, homodyne_weights
from medsynth.acquire.mri.sense import sense
from medsynth.acquire.mri.transform import to_pixels
from medsynth.acquire.mri.window import window

Complex = NDArray[np.complex64]
COARSE = 4  # pixels between the places at which the combination's noise is worked out


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """What a scan gives, all (k, j, i) on the image's grid.

    Attributes
    ----------
    image : complex64 combined image. Of a root sum of squares its magnitude is the image, its phase that of the coils'
        images added with their weights.
    noise_sd : float32 SD of real and imaginary part of the noise at each pixel (to first order in the noise).
    g_factor : float32 loss of SNR by unfolding over that by fewer lines, >= 1; None without acceleration.
    shading : float32 receive pattern that is left in the image, 1 on average over the body.
    targets : further complex images of the same scan, by name.
    truth : further maps, by name, e.g. `"b0_hz"`, `"displacement_px"`.
    raw : on request, arrays of the schema on the page "MRI acquisition".
    log : what was drawn: poses, spikes and so on, as JSON values.
    """

    image: Complex
    noise_sd: NDArray[np.float32]
    g_factor: NDArray[np.float32] | None
    shading: NDArray[np.float32]
    targets: Mapping[str, Complex] = field(default_factory=dict)
    truth: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    raw: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    log: Mapping[str, object] = field(default_factory=dict)

    @property
    def magnitude(self) -> NDArray[np.float32]:
        """The magnitude image."""
        return np.abs(self.image)


@dataclass(frozen=True, eq=False)
class Combined:
    """An image, SD of its noise and g-factor; arrays (k, phase, readout)."""

    image: Complex
    noise_sd: NDArray[np.float32]
    g_factor: NDArray[np.float32] | None


def reconstruct(kspace: Complex, sd: float, encoding: Encoding, options: KspaceOptions, measured: CoilArray,
                pixels: CoilArray) -> Combined:
    """Return the image of coil k-space.

    Parameters
    ----------
    kspace : (coils, k, phase, readout); lines that were not measured are 0.
    sd : of real and imaginary part of a measured sample's noise, averages counted.
    measured, pixels : the coils' patterns on the measured matrix and on the image's pixels, (k, phase, readout).
    """
    shape = pixel_shape(encoding)
    image: Complex
    if options.acceleration.total > 1 and options.acceleration.method == "sense":
        folded, g, sigma = sense(kspace, measured, options.acceleration, encoding)
        image = _pixels(folded, encoding, options)
        shading = shading_of(pixels, shape)
        level = np.ones((1, 1, 1), np.float32) if options.coils.normalise else shading
        noise = np.float32(sd * _noise_gain(encoding, options)) * _stretched(sigma, encoding) * level
        return Combined(image * level, np.asarray(noise, np.float32), _stretched(g, encoding))
    g_factor, gain = None, np.ones((1, 1, 1), np.float32)
    if options.acceleration.total > 1:
        kspace, loss = grappa(kspace, options.acceleration, measured, encoding)
        g_factor = _stretched(loss, encoding)
        gain = np.asarray(np.sqrt(options.acceleration.total) * g_factor, np.float32)
    noise = np.asarray(sd * _noise_gain(encoding, options) * gain * combination_sd(pixels, shape, options), np.float32)
    if len(kspace) == 1:
        return Combined(_pixels(kspace[0], encoding, options), noise, g_factor)
    if options.coils.combination == "adaptive":
        image = adaptive(np.stack(list(_coil_images(kspace, encoding, options))), pixels.covariance)
    else:
        image = _root_sum(_coil_images(kspace, encoding, options), pixels)
    if options.coils.normalise:
        image = np.asarray(image / np.maximum(combined_shading(pixels, shape, options), np.float32(1e-3)), np.complex64)
    return Combined(image, noise, g_factor)


def pixel_shape(encoding: Encoding) -> tuple[int, int, int]:
    """Return the image's (k, phase, readout)."""
    return encoding.slice.pixels, encoding.phase.pixels, encoding.readout.pixels


def shading_of(pixels: CoilArray, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return the root of the summed squares of the coils' patterns (k, phase, readout)."""
    if pixels.nodes is None:
        return np.ones(shape, np.float32)
    total = np.zeros(shape, np.float32)
    for coil in range(pixels.count):
        pattern = pixels.map(coil)
        total += pattern.real**2 + pattern.imag**2
    return np.sqrt(total)


def combination_sd(pixels: CoilArray, shape: tuple[int, int, int], options: KspaceOptions) -> NDArray[np.float32]:
    """Return the SD (k, phase, readout) of a combined pixel where a coil's pixel has SD 1 and the object is bright.

    Of a root sum of squares: sqrt(s^H Psi s) / |s| with the coils' pattern s; whitened coils give 1.
    """
    level = np.ones(shape, np.float32)
    if pixels.nodes is not None:
        if options.coils.combination == "sos":
            some = pixels.thinned(COARSE)  # patterns are smooth
            patterns = [some.map(coil) for coil in range(pixels.count)]
            square = np.zeros(patterns[0].shape, np.float32)
            quadratic = np.zeros_like(square)
            for a in range(pixels.count):
                square += patterns[a].real ** 2 + patterns[a].imag ** 2
                for b in range(pixels.count):
                    share = pixels.covariance[a, b]
                    if share != 0:
                        quadratic += (patterns[a].conj() * np.complex64(share) * patterns[b]).real
            coarse = np.sqrt(quadratic / np.maximum(square, np.float32(1e-30)))
            ndimage.affine_transform(coarse, np.full(3, 1 / COARSE), 0.0, shape, output=level, order=1, mode="nearest")
        if options.coils.normalise:
            shading = np.maximum(combined_shading(pixels, shape, options), np.float32(1e-3))
            level = np.asarray(level / shading, np.float32)
    return level


def combined_shading(pixels: CoilArray, shape: tuple[int, int, int], options: KspaceOptions) -> NDArray[np.float32]:
    """Return the pattern that the combination leaves in the image: of whitened coils with "adaptive"."""
    if options.coils.combination == "sos" or pixels.nodes is None:
        return shading_of(pixels, shape)
    patterns = whitened(np.stack([pixels.map(coil) for coil in range(pixels.count)]), pixels.covariance)
    return np.sqrt((patterns.real**2 + patterns.imag**2).sum(axis=0))


def _coil_images(kspace: Complex, encoding: Encoding, options: KspaceOptions) -> Iterator[Complex]:
    for coil in kspace:
        yield _pixels(coil, encoding, options)


def _root_sum(images: Iterator[Complex], pixels: CoilArray) -> Complex:
    """Return the root sum of squares with the phase of the coils' images matched to their patterns."""
    total: NDArray[np.float32] | None = None
    matched: Complex | None = None
    for coil, image in enumerate(images):
        square, aligned = image.real**2 + image.imag**2, image * pixels.map(coil).conj()
        total = square if total is None else np.add(total, square, out=total)
        matched = aligned if matched is None else np.add(matched, aligned, out=matched)
    if total is None or matched is None:
        raise ValueError("no coil image to combine")
    size = np.abs(matched)
    matched *= np.sqrt(total) / np.maximum(size, np.float32(1e-30))
    return matched


def _pixels(kspace: Complex, encoding: Encoding, options: KspaceOptions) -> Complex:
    """Return the pixels (k, phase, readout) of one coil: unmeasured rows completed, windowed, transformed."""
    partial = options.partial_fourier
    if partial.method != "zero_fill":
        for index, (axis, share) in enumerate(((encoding.slice, partial.slice), (encoding.phase, partial.phase),
                                               (encoding.readout, partial.readout))):
            if axis.fourier and share < 1:
                kspace = completed(kspace, index, partial_rows(axis.samples, share), partial.method)
    for index, axis in enumerate((encoding.slice, encoding.phase, encoding.readout)):
        if axis.fourier:
            kspace = to_pixels(kspace, index, axis, window(options.window, axis.samples))
    return kspace


def _noise_gain(encoding: Encoding, options: KspaceOptions) -> float:
    """Return the SD of a pixel over that of a sample: the rms of the weights that rows of k-space have in the image."""
    gain = 1.0
    partial = options.partial_fourier
    for axis, share in ((encoding.slice, partial.slice), (encoding.phase, partial.phase),
                        (encoding.readout, partial.readout)):
        if not axis.fourier:
            continue
        weights = np.ones(axis.samples)
        rows = partial_rows(axis.samples, share)
        if rows < axis.samples and partial.method == "zero_fill":
            weights[: axis.samples - rows] = 0
        elif rows < axis.samples:
            weights *= homodyne_weights(axis.samples, rows)
        tapered = window(options.window, axis.samples)
        if tapered is not None:
            weights *= tapered
        gain *= float(np.sqrt((weights**2).mean()))
    return gain


def _stretched(values: NDArray[np.float32], encoding: Encoding) -> NDArray[np.float32]:
    """Return a map of the measured matrix over the encoded field of view on the image's pixels, linearly."""
    ratios, offsets = [], []
    for axis in (encoding.slice, encoding.phase, encoding.readout):
        ratio = axis.samples / axis.encoded
        ratios.append(ratio)
        offsets.append(((axis.encoded - axis.pixels) / 2 + 0.5) * ratio - 0.5)
    shape = pixel_shape(encoding)
    if values.shape == shape and not any(offsets):
        return values
    out = np.empty(shape, np.float32)
    ndimage.affine_transform(values, np.array(ratios), np.array(offsets), shape, output=out, order=1, mode="nearest")
    return out
