"""Another scan of a CT volume that somebody has: other dose, kernel, thickness, tube voltage, in the fast tier."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from medsynth.acquire.ct import _kernels as kernels
from medsynth.acquire.ct.fast import RUN, image_phantom, stored
from medsynth.acquire.ct.hu_phantom import hu_at, hu_phantom
from medsynth.acquire.ct.kernel import noise_amplitude, slice_taps
from medsynth.acquire.ct.level import NoiseLevel, noise_level
from medsynth.acquire.ct.mean_image import optics
from medsynth.acquire.ct.noise import noise_filter, noise_run
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.errors import GeometryError
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume

Float32 = NDArray[np.float32]

LARGEST_GAIN = 2.5  # of frequencies that the volume's own kernel has all but taken away
EDGE = 16  # pixels beyond the image's edge, mirrored, for the filter


def rescan(volume: Volume, source: CtProtocol | None, target: CtProtocol, *, seed: Seed) -> Volume:
    """Return a CT volume as another protocol would have given it, on the same grid.

    With `source`, what the volume's own scan has done is not done twice: frequencies are changed by the ratio of what
    both kernels pass (no more than `LARGEST_GAIN`), slices are averaged to the wider profile, and noise is added to
    what that leaves of the source's: place by place and direction by direction, the variance of the target less that.
    Less noise than the volume holds cannot be had. Without, the volume counts as the body itself, free of noise and
    blur.

    Parameters
    ----------
    volume : axial slices in HU, float or integer; pixels are square.
    source : the protocol of the volume.
    seed : noise of slice k comes from `seed.child("noise", k)`.

    Returns
    -------
    int16 HU.

    Raises
    ------
    GeometryError
        If pixels are not square.
    """
    step_mm, row_mm, pixel_mm = volume.grid.spacing_mm
    if abs(row_mm - pixel_mm) > 1e-3 * pixel_mm:
        raise GeometryError(f"pixels of a CT slice must be square, got {row_mm:g} x {pixel_mm:g} mm")
    # The distance of slices is the volume's, whatever the protocols say.
    target = target.model_copy(update={"increment_mm": step_mm})
    if source is None:
        phantom = hu_phantom(volume, target.kvp)
        return image_phantom(phantom, phantom, target, seed=seed).image
    source = source.model_copy(update={"increment_mm": step_mm})
    phantom = hu_phantom(volume, source.kvp)
    mean = hu_at(np.ascontiguousarray(volume.array, np.float32), source.kvp, target.kvp)
    mean, left = _resharpened(mean, source, target, pixel_mm)
    taps = _slice_weights(source, target)
    if len(taps) > 1:
        reach = len(taps) // 2
        mean = kernels.across_slices(np.pad(mean, ((reach, reach), (0, 0), (0, 0)), mode="edge"), taps)
        left *= float((taps.astype(float) ** 2).sum())
    wanted, own = noise_level(phantom, target), noise_level(phantom, source)
    added = np.sqrt(np.maximum(wanted.sigma_hu**2 - np.float32(left) * own.sigma_hu**2, 0))
    level: NoiseLevel = replace(wanted, sigma_hu=added)
    noise = noise_filter(target, volume.grid.shape_kji[1:], pixel_mm)
    image = np.empty(volume.grid.shape_kji, np.int16)
    for first in range(0, len(image), RUN):
        last = min(first + RUN, len(image))
        image[first:last] = stored(mean[first:last] + noise_run(level, noise, image.shape[1:], first, last,
                                                                seed=seed.child("noise")))
    return Volume(image, volume.grid, "HU")


def _slice_weights(source: CtProtocol, target: CtProtocol) -> Float32:
    """Return the weights over neighbouring slices that make the source's profile the target's; never a thinner one."""
    if target.slice_thickness_mm <= source.slice_thickness_mm * (1 + 1e-6):
        return np.ones(1, np.float32)
    return np.array(slice_taps(target.slice_thickness_mm, target.slice_step_mm), np.float32)


def _resharpened(image: Float32, source: CtProtocol, target: CtProtocol, pixel_mm: float) -> tuple[Float32, float]:
    """Return the image through the ratio of both kernels, and what it leaves of the variance of the source's noise."""
    if source.kernel == target.kernel:
        return image, 1.0
    padded = np.pad(image, ((0, 0), (EDGE, EDGE), (EDGE, EDGE)), mode="symmetric")
    rows, columns = (scipy.fft.next_fast_len(n, True) for n in padded.shape[1:])
    fy, fx = np.fft.fftfreq(rows).astype(np.float64), np.fft.rfftfreq(columns).astype(np.float64)
    before, after = (_response(protocol, pixel_mm, fy, fx) for protocol in (source, target))
    ratio = (after / np.maximum(before, 1e-6)).clip(0, LARGEST_GAIN)
    out = np.empty_like(image)
    for k, one in enumerate(padded):
        wide = np.pad(one, ((0, rows - one.shape[0]), (0, columns - one.shape[1])), mode="edge")
        filtered = scipy.fft.irfft2(scipy.fft.rfft2(wide, workers=1) * ratio.astype(np.float32), (rows, columns),
                                    workers=1)
        out[k] = filtered[EDGE:EDGE + image.shape[1], EDGE:EDGE + image.shape[2]]
    power = noise_amplitude(source.kernel, (rows, columns), pixel_mm, iterative=source.iterative).astype(float) ** 2
    power[:, 1:(columns + 1) // 2] *= 2  # of each conjugate pair rfft keeps one
    return out, float((power * ratio**2).sum() / power.sum())


def _response(protocol: CtProtocol, pixel_mm: float, fy: NDArray[np.float64], fx: NDArray[np.float64]
              ) -> NDArray[np.float64]:
    """Return what the tier makes of waves of these cycles per pixel, (j, i): that of the weights it blurs with."""
    total = np.zeros((len(fy), len(fx)))
    for weight, taps in optics(protocol, pixel_mm).terms:
        n = np.arange(len(taps)) - len(taps) // 2
        along = [np.cos(2 * np.pi * f[:, None] * n) @ taps for f in (fy, fx)]
        total += weight * along[0][:, None] * along[1][None, :]
    return total
