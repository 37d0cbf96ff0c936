"""Edge-preserving noise reduction of reconstructed slices, with the look of iterative reconstruction.

It is a filter on images, not an iterative reconstruction: no forward projection, no model of the readings. Where an
image shows nothing but noise it is a Gaussian blur, the same that the fast tier's iterative kernels give to noise
(`medsynth.acquire.ct.kernel.Kernel.noise_blur_mm`); where it shows an edge well above the noise, only pixels on the
same side, or along the edge, are averaged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct import _kernels as image_kernels
from medsynth.acquire.ct import denoise_kernels as kernels
from medsynth.core.errors import RecipeError, expected

Float32 = NDArray[np.float32]

# Edges are looked for in a smoother image, the guide: this sigma keeps the noise of back-projection below 0.3 SD.
GUIDE_MM, GUIDE_PIXELS = 1.2, 1.5
# Steepness of the guide, change over its sigma in noise SDs, at which edges start to be kept and are kept wholly. The
# noise of every kernel stays below the first in more than 99 % of pixels; a step of c SD reaches 0.3 to 0.4 c.
STEEP = (0.6, 1.2)
# There, neighbours whose guide differs by more than this many noise SDs are on the other side.
OTHER_SIDE_SD = 0.9
LEAST_SD_HU = 0.1  # below it noise is not looked for
FARTHEST_SIGMAS = 3.0
NARROW_PIXELS = 0.65


def reduced(
    image_hu: Float32, noise_sd_hu: NDArray[np.floating], pixel_mm: float, blur_mm: float, strength: float = 1.0
) -> Float32:
    """Return slices with less noise, each treated on its own.

    Parameters
    ----------
    image_hu : (k, j, i) float32.
    noise_sd_hu : (k,) or (k, j, i) SD of the noise in `image_hu`.
    pixel_mm : side of the square pixels.
    blur_mm : sigma of the Gaussian that flat regions are blurred with; 0 changes nothing.
    strength : share of the noise reduction that is applied, 0 to 1: flat regions have the transfer
        1 - strength + strength exp(-2 pi^2 blur^2 f^2).

    Returns
    -------
    (k, j, i) float32 in HU.

    Raises
    ------
    RecipeError
        If a number is out of its range, or the noise does not fit the image.
    """
    noise = np.asarray(noise_sd_hu, np.float32)
    if noise.shape not in ((len(image_hu),), image_hu.shape) or not np.all(noise >= 0):
        raise RecipeError(f"noise_sd_hu must be >= 0, one for each slice or pixel of {image_hu.shape}, got shape "
                          f"{noise.shape}")
    rules = (("pixel_mm", pixel_mm, pixel_mm > 0, "> 0"), ("blur_mm", blur_mm, blur_mm >= 0, ">= 0"),
             ("strength", strength, 0 <= strength <= 1, "in 0..1"))
    for name, value, fits, rule in rules:
        if not (np.isfinite(value) and fits):
            raise RecipeError(expected(name, value, rule))
    if blur_mm == 0 or strength == 0:
        return image_hu.copy()
    image = np.ascontiguousarray(image_hu, np.float32)
    sigma = max(GUIDE_PIXELS, GUIDE_MM / pixel_mm)
    guide = np.zeros_like(image)
    image_kernels.in_plane(image, gaussian_taps(sigma), np.float32(1), guide)
    tightness, out = np.empty_like(image), np.empty_like(image)
    noise = noise[:, None, None] if noise.ndim == 1 else noise
    low, high, width, least = (np.float32(v) for v in (*STEEP, OTHER_SIDE_SD, LEAST_SD_HU))
    kernels.tightness(guide, noise, np.float32(sigma), low, high, width, least, tightness)
    taps = gaussian_taps(blur_mm / pixel_mm)
    kernels.smooth(image, guide, tightness, np.outer(taps, taps), np.float32(strength), out)
    return out


def gaussian_taps(sigma: float) -> Float32:
    """Return weights (2 n + 1) whose transfer is that of a Gaussian of `sigma` pixels.

    A narrow Gaussian, that samples of it would not represent, is the first five terms of its transfer's Fourier series.

    Examples
    --------
    >>> len(gaussian_taps(1.0)), round(float(gaussian_taps(1.0)[3]), 3)
    (7, 0.399)
    """
    if sigma < NARROW_PIXELS:
        cycles = (np.arange(256) + 0.5) / 512
        transfer = np.exp(-2 * (np.pi * sigma * cycles) ** 2)
        series = [np.mean(transfer * np.cos(2 * np.pi * n * cycles)) for n in (2, 1, 0, 1, 2)]
        return np.asarray(series / np.sum(series), np.float32)
    n = np.arange(-int(np.ceil(FARTHEST_SIGMAS * sigma)), int(np.ceil(FARTHEST_SIGMAS * sigma)) + 1)
    taps = np.exp(-(n**2) / (2 * sigma**2))
    return np.asarray(taps / taps.sum(), np.float32)
