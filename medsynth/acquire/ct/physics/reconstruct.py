"""Filtered back-projection of fan and parallel line integrals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from medsynth.acquire.ct.kernel import GAIN_LIMIT, KERNELS, aperture
from medsynth.acquire.ct.physics import _kernels as kernels
from medsynth.acquire.ct.physics.scanner import Scanner

Response = Callable[[NDArray[np.float64]], NDArray[np.float64]]

QUARTER = 0.25
FWHM_OF_SIGMA = 2 * np.sqrt(2 * np.log(2))
CUBIC_REACH = 2  # samples beyond the outermost ray


@dataclass(frozen=True, eq=False)
class Parallel:
    """Where the rays of a parallel sinogram run.

    Attributes
    ----------
    thetas_rad : (views,) over `turn_rad`.
    start_mm, step_mm, count : t of the samples, from the isocentre.
    turn_rad : pi, or 2 pi where every ray is measured twice.
    """

    thetas_rad: NDArray[np.float64]
    start_mm: float
    step_mm: float
    count: int
    turn_rad: float


def parallel_of(scanner: Scanner) -> Parallel:
    """Return the parallel rays that a scanner's readings are sorted into.

    A fan with a quarter offset gives samples of half its pitch over half a turn: opposite rays fall between.
    """
    if scanner.geometry == "parallel":
        centres = scanner.centres()
        return Parallel(scanner.angles_rad(), float(centres[0]), scanner.pitch_mm, scanner.channels, np.pi)
    folded = _folded(scanner)
    turn, step = (np.pi, scanner.pitch_mm / 2) if folded else (2 * np.pi, scanner.pitch_mm)
    count = 2 * (int(scanner.field_mm / 2 / step) + CUBIC_REACH)
    thetas = np.arange(scanner.views // 2 if folded else scanner.views) * turn / (
        scanner.views // 2 if folded else scanner.views)
    return Parallel(thetas, -(count - 1) / 2 * step, step, count, turn)


def turned(rays: Parallel, angle_rad: float) -> Parallel:
    """Return the same rays, all turned by an angle."""
    return replace(rays, thetas_rad=rays.thetas_rad + angle_rad)


def _folded(scanner: Scanner) -> bool:
    """Whether opposite rays interleave: an even number of views, and the middle a quarter of a channel off."""
    return scanner.views % 2 == 0 and abs(abs(scanner.offset_channels) % 0.5 - QUARTER) < 1e-6


def to_parallel(lines: NDArray[np.float32], scanner: Scanner) -> NDArray[np.float32]:
    """Return (theta, t) of the (view, channel) line integrals of a slice."""
    if scanner.geometry == "parallel":
        return lines
    rays = parallel_of(scanner)
    out = np.empty((len(rays.thetas_rad), rays.count), np.float32)
    kernels.rebin(lines, scanner.centres(), scanner.sid_mm, rays.thetas_rad, _folded(scanner), rays.start_mm,
                  rays.step_mm, out)
    return out


def ramp(count: int, step_mm: float) -> NDArray[np.float64]:
    """Return the transfer (count // 2 + 1) of the band-limited ramp in 1/mm, from its sampled spatial kernel.

    Sampling |f| itself would lose the constant part of every image (Kak and Slaney, section 3.3).
    """
    n = scipy.fft.fftfreq(count, 1 / count)
    kernel = np.zeros(count)
    kernel[0] = 0.25
    odd = np.abs(n) % 2 == 1
    kernel[odd] = -1 / (np.pi * n[odd]) ** 2
    return np.asarray(np.real(scipy.fft.rfft(kernel)) / step_mm)


def system_mtf(scanner: Scanner, *, focal: bool) -> Response:
    """Return what blurs before the kernel: channel, focal spot, cross-talk and back-projection."""
    spot = scanner.focal_mm[0] * (1 - scanner.sid_mm / scanner.sdd_mm) if focal and scanner.geometry == "fan" else 0.0
    talk = scanner.cross_talk if focal else 0.0
    step = parallel_of(scanner).step_mm

    def transfer(f: NDArray[np.float64]) -> NDArray[np.float64]:
        crossed = 1 - 2 * talk * (1 - np.cos(2 * np.pi * scanner.pitch_mm * f))
        focus = np.exp(-2 * (np.pi * spot / FWHM_OF_SIGMA * f) ** 2)
        return np.asarray(np.sinc(scanner.pitch_mm * f) * crossed * focus * np.sinc(step * f) ** 2)

    return transfer


def kernel_response(name: str, scanner: Scanner, pixel_mm: float = 0.0, *, focal: bool = True) -> Response:
    """Return the apodisation that gives an image the modulation transfer of the kernel `name`.

    It is the wanted transfer, no more than the pixels' own, over that of the system, up to `GAIN_LIMIT`, and ends where
    one channel's own transfer does.
    """
    system = system_mtf(scanner, focal=focal)

    def transfer(f: NDArray[np.float64]) -> NDArray[np.float64]:
        gain = np.minimum(1 / np.maximum(system(f), 1e-3), GAIN_LIMIT)
        wanted = np.minimum(KERNELS[name].mtf(f), aperture(f, pixel_mm))
        return np.asarray(wanted * gain * (f < 1 / scanner.pitch_mm))

    return transfer


def filtered(parallel: NDArray[np.float32], step_mm: float, response: Response | None = None) -> NDArray[np.float32]:
    """Return parallel projections (..., t) after the ramp and `response` (none: the bare ramp), in 1/mm."""
    count = parallel.shape[-1]
    size = scipy.fft.next_fast_len(2 * count, real=True)
    transfer = ramp(size, step_mm)
    if response is not None:
        transfer = transfer * response(scipy.fft.rfftfreq(size, step_mm))
    spectrum = scipy.fft.rfft(parallel, size, axis=-1, workers=1)
    spectrum *= transfer.astype(np.float32)
    return np.asarray(scipy.fft.irfft(spectrum, size, axis=-1, workers=1)[..., :count], np.float32)


def back_projected(projections: NDArray[np.float32], rays: Parallel, matrix: int, pixel_mm: float,
                   centre_mm: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float32]:
    """Return the image (j, i, lane) in 1/cm of filtered projections (theta, t, lane) in 1/mm.

    centre_mm : (x, y) of the image's middle from the isocentre.
    """
    image = np.zeros((matrix, matrix, projections.shape[2]), np.float32)
    x0, y0 = (c - (matrix - 1) / 2 * pixel_mm for c in centre_mm)
    # 10: from 1/mm to 1/cm; a full turn measures everything twice
    scale = 10 * np.pi / len(rays.thetas_rad)
    kernels.back_project(np.ascontiguousarray(projections), np.cos(rays.thetas_rad),
                         np.sin(rays.thetas_rad), rays.start_mm, rays.step_mm, x0, y0, pixel_mm, scale, image)
    return image
