"""Reconstruction kernels: sharpness, and the spectrum of the noise they leave."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating[Any]]
KernelName = Literal["soft", "standard", "sharp"]

# In a scanner of 0.57 mm channels and a focal spot that looks 0.43 mm wide (FWHM of a Gaussian) at the isocentre: the
# second moments of what blurs the anatomy and not the noise (channel, focal spot), and of what blurs both (cross-talk,
# interpolation in the back-projection). The kernel makes up for all of it by no more than the limit.
SCANNER_VARIANCE_MM2 = 0.57**2 / 12 + (0.43 / 2.355) ** 2
SHARED_VARIANCE_MM2 = 2 * 0.025 * 0.57**2 + 0.284**2 / 6
GAIN_LIMIT = 4.0
# Weights below this share of the largest are left out, and those farther out than this many pixels or sigmas.
SMALLEST_TAP = 2e-3
FARTHEST_TAP = 12
FARTHEST_SIGMAS = 4.0


@dataclass(frozen=True, slots=True)
class Kernel:
    """A reconstruction kernel.

    Attributes
    ----------
    terms : (weight, sigma in mm) of the in-plane point spread, a sum of Gaussians; the weights sum to 1.
    noise_blur_mm : sigma of the extra smoothing that noise gets over edges in iterative reconstruction.
    """

    terms: tuple[tuple[float, float], ...]
    noise_blur_mm: float

    def mtf(self, frequency_per_mm: ArrayLike) -> NDArray[np.float64]:
        """Return the modulation transfer: sum of w exp(-2 pi^2 sigma^2 f^2)."""
        f = np.asarray(frequency_per_mm, float)
        return sum((w * np.exp(-2 * (np.pi * s * f) ** 2) for w, s in self.terms), np.zeros_like(f))

    def delivered(self, frequency_per_mm: ArrayLike, pixel_mm: float) -> NDArray[np.float64]:
        """Return the transfer that a scanner with `GAIN_LIMIT` and pixels of this size make of the kernel's."""
        f = np.asarray(frequency_per_mm, float)
        scanner = np.exp(-2 * (np.pi * f) ** 2 * (SCANNER_VARIANCE_MM2 + SHARED_VARIANCE_MM2))
        return np.minimum(self.mtf(f), aperture(f, pixel_mm)) * np.minimum(1, GAIN_LIMIT * scanner)

    def noise_power(self, frequency_per_mm: ArrayLike, *, iterative: bool = True, pixel_mm: float = 0.0
                    ) -> NDArray[np.float64]:
        """Return the noise power spectrum of white rays, f A(f)^2, not normalised, before it is sampled.

        Filtered back-projection: A is MTF(f), no more than the pixels' own, times the gain that makes up for channel
        and focal spot, which blur the anatomy and not the noise. Iterative: the gain is taken back, and A is
        MTF(f) exp(-2 (pi blur f)^2) where the gain is not at its limit.
        """
        f = np.asarray(frequency_per_mm, float)
        square = -2 * (np.pi * f) ** 2
        gain = np.minimum(np.exp(-square * SCANNER_VARIANCE_MM2), GAIN_LIMIT * np.exp(square * SHARED_VARIANCE_MM2))
        amplitude = np.minimum(self.mtf(f), aperture(f, pixel_mm)) * gain
        if iterative:
            amplitude *= np.exp(square * (self.noise_blur_mm**2 + SCANNER_VARIANCE_MM2))
        power: NDArray[np.float64] = f * amplitude**2
        return power


def aperture(frequency_per_mm: ArrayLike, pixel_mm: float) -> NDArray[np.float64]:
    """Return the transfer of a mean over a pixel up to its first zero: no kernel is sharper than its pixels."""
    cycles = np.asarray(frequency_per_mm, float) * pixel_mm
    return np.where(np.abs(cycles) < 1, np.sinc(cycles), 0.0)


# Half-height frequencies 0.35, 0.42 and 0.72 per mm, as measured on body (B30, B40) and lung kernels (B60) within
# about 10 % (unverified); a sharper one is beyond what channels and focal spot of the scanner let through. The noise
# blur brings the correlation of neighbouring pixels of 0.8-1 mm to the 0.5-0.6 of real scans with body kernels.
KERNELS = MappingProxyType({
    "soft": Kernel(((1.0, 0.535),), noise_blur_mm=0.32),
    "standard": Kernel(((1.0, 0.446),), noise_blur_mm=0.30),
    "sharp": Kernel(((1.5, 0.33), (-0.5, 0.90)), noise_blur_mm=0.15),
})


def noise_integral(name: str, *, iterative: bool = True, pixel_mm: float = 0.0) -> float:
    """Return the integral of f^2 A(f)^2 in mm^-3: the noise variance of a kernel, for the same projections."""
    f = np.linspace(0.0, 4.0, 8001)
    sampled = iterative and pixel_mm > 0
    power = KERNELS[name].noise_power(f, iterative=iterative and not sampled, pixel_mm=pixel_mm)
    whole = float(np.trapezoid(power * f, f))
    if not sampled:
        return whole
    square = np.fft.fftfreq(64, pixel_mm)
    left, before = (_sampled_power(name, square, square, pixel_mm, iterative=kind).sum() for kind in (True, False))
    return whole * float(left / before)


def _sampled_power(name: str, fy: Array, fx: Array, pixel_mm: float, *, iterative: bool) -> NDArray[np.float64]:
    """Return the noise power (j, i) of pixels at these frequencies.

    That of filtered back-projection, folded at the Nyquist frequency as sampling does; iterative reconstruction then
    smooths the pixels, and takes the gain back.
    """
    kernel = KERNELS[name]
    folds = min(2, int(np.ceil(1.6 * pixel_mm)))  # kernels end at 1.6 per mm, and where their pixels' aperture does
    power = np.zeros((len(fy), len(fx)))
    for m in range(-folds, folds + 1):
        for n in range(-folds, folds + 1):
            f = np.hypot(fy[:, None] + m / pixel_mm, fx[None, :] + n / pixel_mm)
            power += kernel.noise_power(f, iterative=False, pixel_mm=pixel_mm)
    if iterative:
        square = fy[:, None] ** 2 + fx[None, :] ** 2
        power *= np.exp(-4 * np.pi**2 * (kernel.noise_blur_mm**2 + SCANNER_VARIANCE_MM2) * square)
    return power


def relative_variance(name: str, *, iterative: bool = True, pixel_mm: float = 0.0) -> float:
    """Return the noise variance of a kernel over that of filtered back-projection, standard kernel, small pixels."""
    return (noise_integral(name, iterative=iterative, pixel_mm=pixel_mm)
            / noise_integral("standard", iterative=False))


def _response(sigma_mm: float, pixel_mm: float, cycles: Array) -> Array:
    """Return what is left to blur: the Gaussian over the pixel's own aperture, never above 1."""
    gaussian: Array = np.exp(-2 * (np.pi * sigma_mm / pixel_mm * cycles) ** 2)
    return np.minimum(gaussian / np.sinc(cycles), 1.0)


@lru_cache(maxsize=64)
def blur_taps(sigma_mm: float, pixel_mm: float) -> tuple[float, ...]:
    """Return the (2 n + 1) weights that turn pixel averages into a Gaussian point spread of this sigma, along one axis.

    Voxels already average over their width, so that the weights' response is Gaussian(f) / sinc(f pixel), capped at 1:
    a pixel too coarse for the kernel keeps its own aperture. The weights are its Fourier series, cut off and scaled
    to sum to 1.
    """
    cycles = (np.arange(4096) + 0.5) / 8192
    response = _response(sigma_mm, pixel_mm, cycles)
    farthest = max(FARTHEST_TAP, int(np.ceil(FARTHEST_SIGMAS * sigma_mm / pixel_mm)))
    series = np.array([np.mean(response * np.cos(2 * np.pi * n * cycles)) for n in range(farthest + 1)])
    needed = np.flatnonzero(np.abs(series) > SMALLEST_TAP * abs(series[0]))
    half = series[:int(needed[-1]) + 1]
    taps = np.concatenate([half[:0:-1], half])
    return tuple((taps / taps.sum()).tolist())


def slice_taps(thickness_mm: float, step_mm: float) -> tuple[float, ...]:
    """Return the weights over neighbouring slices (each an average over `step_mm`) of a slice `thickness_mm` wide.

    A weight is the share of the wide slice that lies within the neighbour.

    Examples
    --------
    >>> slice_taps(2.0, 1.0)
    (0.25, 0.5, 0.25)
    """
    half = thickness_mm / step_mm / 2
    reach = max(0, int(np.ceil(half - 0.5 - 1e-6)))
    n = np.arange(-reach, reach + 1)
    shares = np.clip(np.minimum(n + 0.5, half) - np.maximum(n - 0.5, -half), 0, None) / (2 * half)
    return tuple((shares / shares.sum()).tolist())


def noise_amplitude(name: str, shape_ji: tuple[int, int], pixel_mm: float, *, iterative: bool = True
                    ) -> NDArray[np.float32]:
    """Return the amplitude (j, i // 2 + 1) that gives white noise of unit variance the kernel's spectrum.

    The spectrum is the kernel's, folded at the pixels' Nyquist frequency as sampling does. The filtered noise has unit
    variance.
    """
    fy, fx = np.fft.fftfreq(shape_ji[0], pixel_mm), np.fft.rfftfreq(shape_ji[1], pixel_mm)
    power = _sampled_power(name, fy, fx, pixel_mm, iterative=iterative)
    doubled = np.full(len(fx), 2.0)  # rfft keeps one of each conjugate pair, but for the first and the Nyquist column
    doubled[0] = 1.0
    if shape_ji[1] % 2 == 0:
        doubled[-1] = 1.0
    return np.sqrt(power / ((power * doubled).sum() / (shape_ji[0] * shape_ji[1]))).astype(np.float32)
