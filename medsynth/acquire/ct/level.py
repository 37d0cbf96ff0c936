"""The level of the noise: the variance of every ray, and what a reconstruction makes of it in every place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct import _kernels as kernels
from medsynth.acquire.ct.hu import ct_beam
from medsynth.acquire.ct.kernel import noise_integral
from medsynth.acquire.ct.paths import (
    ANGLES,
    SCANNER,
    Paths,
    bowtie_path,
    coarse_paths,
    current_along,
    current_around,
    directions,
)
from medsynth.acquire.ct.physics import scatter
from medsynth.acquire.ct.physics.detector import electronic_sd, low_signal
from medsynth.acquire.ct.physics.scanner import scanner
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.grid import centred_mm
from medsynth.scene.phantom import Phantom

Float32 = NDArray[np.float32]

SECTORS = 6  # wedges of 30 degrees, each with a variance of its own
LONGEST_CM = 90.0  # of water, to which beams are tabulated, every centimetre
# A reading well below the detector's low signal becomes a mean over 7 views x 3 channels: this part of its variance
# is left. Line integrals end where the readings are cut off, at this share of the low signal.
AVERAGED = 1 / 12
DARKEST = 0.25
# Rays are interpolated between views, which smooths noise the more, the farther along its ray a pixel lies from the
# point next to the isocentre: from view to view such rays pass over the channels. The variance falls to this share,
# half-way there at this distance (as the physics tier measures).
SMOOTHED_SHARE = 0.45
SMOOTHED_MM = 100.0


@dataclass(frozen=True, eq=False)
class NoiseLevel:
    """Standard deviation of the noise by direction, on a coarse lattice of every slice.

    Attributes
    ----------
    sigma_hu : (k, sector, j, i) float32; sector s holds the waves that run about s x 30 degrees from the rows.
    block : image pixels per coarse pixel, as in `Paths`.
    current : (k,) tube current of each slice over the scan's mean.
    """

    sigma_hu: Float32
    block: int
    current: NDArray[np.float64]

    def total_hu(self) -> Float32:
        """Return the standard deviation (k, j, i) of all directions together on the coarse lattice."""
        following = np.roll(self.sigma_hu, -1, axis=1)
        # the mean over the circle of the squared sum of overlapping cos^2 windows: 3/4 own square, 1/4 with the next
        squares = 0.75 * self.sigma_hu**2 + 0.25 * self.sigma_hu * following
        return np.sqrt(squares.mean(axis=1))


def noise_level(phantom: Phantom, protocol: CtProtocol) -> NoiseLevel:
    """Return the noise level of every slice of `phantom` (without lesions, so that its twin has the same noise).

    Filtered back-projection of M views a turn with variance v(theta) of rays tau apart, filtered by f A(f), has the
    variance 2 pi^2 tau / M mean(v) integral of f^2 A^2 (Kak and Slaney, section 3.3 with a continuous image); here the
    mean over the views is taken over one 30-degree sector at a time.
    """
    machine, beam = scanner(SCANNER), ct_beam(protocol.kvp)
    paths = coarse_paths(phantom, protocol)
    current = current_along(paths.sinogram, phantom.grid.spacing_mm[0])
    variance = ray_variance(paths, protocol, current)
    integral = noise_integral(protocol.kernel, iterative=protocol.iterative, pixel_mm=phantom.grid.spacing_mm[2])
    per_mm = 2 * np.pi**2 * machine.pitch_mm / machine.views * integral
    hu = 10 * 1000 / (beam.water_per_cm - beam.air_per_cm)  # of 1/mm
    sectors = back_project(variance, paths.shape_ji) * (np.float32(per_mm * hu**2) * smoothing(paths))
    return NoiseLevel(np.sqrt(sectors), paths.block, current)


def ray_variance(paths: Paths, protocol: CtProtocol, current: NDArray[np.float64]) -> Float32:
    """Return the variance (k, angle, bin) of a channel's line integral after the water correction.

    Relative variance of the signal, (1 + scatter / primary) / quanta + (electronic noise / signal)^2, both of a beam
    as hard as the water on its way makes it, times the square of the water correction's slope. `mas` is the scan's
    mean.

    current : (k,) of each slice over the mean.
    """
    machine, table = scanner(SCANNER), _behind(protocol.kvp)
    thickness_mm = protocol.slice_thickness_mm
    filtered = bowtie_path(protocol.kvp, paths.offsets_mm()).astype(np.float32)
    cell = machine.pitch_mm * thickness_mm * (1000 / machine.sid_mm) ** 2 * machine.fill / 100  # cm2 at 1 m
    charge = current_around(paths.sinogram) * np.float32(protocol.mas * cell / machine.views)
    charge *= current.astype(np.float32)[:, None]
    signal, each, slope = table.at(paths.sinogram + filtered)
    open_beam, _, _ = table.at(filtered)
    step_mm = paths.coarse_mm * machine.magnification
    taps = scatter.kernel(step_mm, signal.shape[2]).astype(np.float32)
    bins = np.arange(signal.shape[2])
    spread = taps[len(bins) + np.subtract.outer(bins, bins)]
    scattered = np.float32(scatter.strength(machine)) * (signal * np.log(open_beam / signal)) @ spread
    signal_keV = signal * charge[:, :, None]
    sd, low = electronic_sd(machine, thickness_mm), low_signal(machine, thickness_mm)
    own = np.clip((signal_keV / low - 1) / 2, 0, 1)
    seen = np.maximum(signal_keV, DARKEST * low)
    variance = (signal_keV * (1 + scattered / signal) * each + np.float32(sd**2)) / seen**2
    return np.asarray(variance * (own**2 + (1 - own**2) * np.float32(AVERAGED)) * slope**2, np.float32)


@dataclass(frozen=True, eq=False)
class _Behind:
    """The detected beam behind water, per centimetre of it: signal and energy per quantum in keV, correction's slope.

    Attributes
    ----------
    water_per_cm : of the beam behind 20 cm, which line integrals refer to.
    rows : (3, cm + 1) ln(signal per cm2 and mAs at 1 m), keV per noise-equivalent quantum, slope.
    """

    water_per_cm: float
    rows: Float32

    def at(self, path: Float32) -> tuple[Float32, Float32, Float32]:
        """Return signal, energy per quantum and slope of these line integrals."""
        cm = np.clip(path / np.float32(self.water_per_cm), 0, LONGEST_CM - 1e-3).astype(np.float32)
        n = cm.astype(np.int32)
        t = cm - n
        log_signal, each, slope = (row[n] + t * (row[n + 1] - row[n]) for row in self.rows)
        return np.exp(log_signal), each, slope


@lru_cache(maxsize=16)
def _behind(kvp: float) -> _Behind:
    target = ct_beam(kvp).water_per_cm
    beams = [ct_beam(kvp, float(cm)) for cm in range(int(LONGEST_CM) + 1)]
    rows = [[np.log(b.signal_keV), b.signal_keV / b.quanta, target / b.water_per_cm] for b in beams]
    return _Behind(target, np.ascontiguousarray(np.array(rows).T, np.float32))


def _shares() -> Float32:
    """Return (sector, angle): the weight of each angle in each sector's mean."""
    offset = (np.arange(ANGLES)[None, :] * SECTORS / ANGLES - np.arange(SECTORS)[:, None] + SECTORS / 2) % SECTORS
    share = np.cos(np.pi / 2 * np.clip(np.abs(offset - SECTORS / 2), 0, 1)) ** 2
    return np.asarray(share / share.sum(axis=1, keepdims=True), np.float32)


def back_project(variance: Float32, shape_ji: tuple[int, int]) -> Float32:
    """Return (k, sector, j, i): the variance of the rays through each pixel, averaged over each sector's angles."""
    out = np.zeros((variance.shape[0], SECTORS, *shape_ji), np.float32)
    kernels.back_project(variance, directions(), _shares(), out)
    return out


def smoothing(paths: Paths) -> Float32:
    """Return (sector, j, i): the variance that interpolation between views leaves."""
    y, x = (centred_mm(n, paths.coarse_mm) for n in paths.shape_ji)
    out = np.zeros((SECTORS, *paths.shape_ji))
    for share, (cosine, sine) in zip(_shares().T, directions(), strict=True):
        along = (y[:, None] * cosine - x[None, :] * sine) / SMOOTHED_MM
        out += share[:, None, None] * (SMOOTHED_SHARE + (1 - SMOOTHED_SHARE) / (1 + along**2))
    return out.astype(np.float32)
