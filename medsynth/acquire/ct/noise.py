"""CT noise: the kernel's spectrum, with a level of its own for every place and direction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from medsynth.acquire.ct import _kernels as kernels
from medsynth.acquire.ct.kernel import noise_amplitude, slice_taps
from medsynth.acquire.ct.level import SECTORS, NoiseLevel
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.seed import Seed


@dataclass(frozen=True, eq=False)
class NoiseFilter:
    """What turns white noise of one slice into its directions.

    Attributes
    ----------
    shape_ji : padded size of the transforms.
    wedges : (sector, j, i // 2 + 1) float32 spectral amplitudes that sum to the kernel's noise amplitude.
    slices : weights over neighbouring slices' white noise, of unit square sum.
    """

    shape_ji: tuple[int, int]
    wedges: NDArray[np.float32]
    slices: NDArray[np.float32]


def noise_filter(protocol: CtProtocol, shape_ji: tuple[int, int], pixel_mm: float) -> NoiseFilter:
    """Return the filter of a protocol for images of this size.

    Wedge s takes cos^2 of the angle to s x 30 degrees, scaled to end at its neighbours: the wedges sum to 1 everywhere,
    so that equal levels in all directions give exactly the kernel's spectrum.
    """
    padded = (int(scipy.fft.next_fast_len(shape_ji[0], True)), int(scipy.fft.next_fast_len(shape_ji[1], True)))
    fy, fx = np.fft.fftfreq(padded[0])[:, None], np.fft.rfftfreq(padded[1])[None, :]
    sector = np.arctan2(fy, fx) % np.pi * SECTORS / np.pi
    offset = np.abs((sector[None] - np.arange(SECTORS)[:, None, None] + SECTORS / 2) % SECTORS - SECTORS / 2)
    window = np.cos(np.pi / 2 * np.clip(offset, 0, 1)) ** 2
    window[:, 0, 0] = 1 / SECTORS
    amplitude = noise_amplitude(protocol.kernel, padded, pixel_mm, iterative=protocol.iterative)
    wedges = (window * amplitude).astype(np.float32)
    taps = np.array(slice_taps(protocol.slice_thickness_mm, protocol.slice_step_mm))
    return NoiseFilter(padded, wedges, (taps / np.sqrt((taps**2).sum())).astype(np.float32))


def white_noise(seed: Seed, slice_number: int, shape_ji: tuple[int, int]) -> NDArray[np.float32]:
    """Return the white noise (j, i) of one slice; it depends on the seed and the slice's number alone."""
    return seed.child(slice_number).rng().standard_normal(shape_ji, np.float32)


def slice_noise(white: NDArray[np.float32], level: NoiseLevel, slice_number: int, noise: NoiseFilter,
                shape_ji: tuple[int, int]) -> NDArray[np.float32]:
    """Return the noise (j, i) in HU of one slice from its white noise: each wedge's waves times that wedge's level."""
    spectrum = scipy.fft.rfft2(white, workers=1)
    out = np.zeros(shape_ji, np.float32)
    for sector in range(SECTORS):
        waves = scipy.fft.irfft2(spectrum * noise.wedges[sector], noise.shape_ji, overwrite_x=True, workers=1)
        kernels.add_scaled(waves, level.sigma_hu[slice_number, sector], level.block, out)
    return out


def noise_run(level: NoiseLevel, noise: NoiseFilter, shape_ji: tuple[int, int], first: int, last: int, *, seed: Seed
              ) -> NDArray[np.float32]:
    """Return the noise (last - first, j, i) in HU of a run of slices; it does not depend on how runs are cut."""
    reach = len(noise.slices) // 2
    out = np.empty((last - first, *shape_ji), np.float32)
    numbers = range(first - reach, last + reach)

    def draw(number: int) -> NDArray[np.float32]:
        return white_noise(seed, number, noise.shape_ji)

    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        white = list(pool.map(draw, numbers))

        def shape(n: int) -> None:
            mixed = noise.slices[0] * white[n]
            for t in range(1, len(noise.slices)):
                mixed += noise.slices[t] * white[n + t]
            out[n] = slice_noise(mixed, level, first + n, noise, shape_ji)

        list(pool.map(shape, range(last - first)))
    return out
