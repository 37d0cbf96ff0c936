"""Noise level from path lengths: parallel projections of a coarse copy of each slice, and back again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct import _kernels as kernels
from medsynth.acquire.ct.hu import attenuation_table, ct_beam
from medsynth.acquire.ct.kernel import relative_variance
from medsynth.acquire.ct.physics.scanner import scanner
from medsynth.acquire.ct.physics.source import beam, fan_angles_rad
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.grid import centred_mm
from medsynth.scene.phantom import Phantom

SECTORS = 6  # wedges of 30 degrees, each with a variance of its own
ANGLES = 36
COARSE_MM = 5.0

# The scanner whose shaped filter and noise level the fast tier follows.
SCANNER = "generic-64"
# Tube current follows attenuation only in part: mA ~ exp(share x p), clinical systems lie at 0.5-0.7 along z
# (PMC4488908) and at the statistical optimum 0.5 over the angle (Gies et al. 1999, doi:10.1118/1.598779).
AEC_SHARE_Z = 0.6
AEC_LIMITS_Z = (0.4, 2.2)
AEC_SMOOTHING_MM = 30.0
AEC_SHARE_ANGLE = 0.5
AEC_LIMITS_ANGLE = (0.35, 2.5)
# Starved rays are smoothed before reconstruction: beyond this line integral, noise grows at half the rate.
STARVED_PATH = 8.0
STARVED_SHARE = 0.5
LONGEST_PATH = 11.0  # behind metal there is no signal left to be noisy
# Rays are interpolated between views, which smooths noise the more, the faster a pixel's rays pass over the channels
# from view to view: the variance falls to this share, half-way there at this distance from the isocentre (as the
# physics tier measures).
SMOOTHED_SHARE = 0.42
SMOOTHED_MM = 60.0
# Sets the level, from the physics tier: 22 HU in the middle of a 34 x 25 cm water ellipse at 120 kVp, 125 mAs, 3 mm,
# standard kernel, filtered back-projection, 0.8 mm pixels.
LEVEL = 4.5e9


@dataclass(frozen=True, eq=False)
class NoiseLevel:
    """Standard deviation of the noise by direction, on a coarse lattice of every slice.

    Attributes
    ----------
    sigma_hu : (k, sector, j, i) float32; sector s holds the waves that run about s x 30 degrees from the rows.
    block : image pixels per coarse pixel, along rows and columns; coarse pixel n covers pixels n block .. n block +
        block - 1.
    current : (k,) tube current of each slice over the scan's mean.
    """

    sigma_hu: NDArray[np.float32]
    block: int
    current: NDArray[np.float64]

    def total_hu(self) -> NDArray[np.float32]:
        """Return the standard deviation (k, j, i) of all directions together on the coarse lattice."""
        following = np.roll(self.sigma_hu, -1, axis=1)
        # the mean over the circle of the squared sum of overlapping cos^2 windows: 3/4 own square, 1/4 with the next
        squares = 0.75 * self.sigma_hu**2 + 0.25 * self.sigma_hu * following
        return np.sqrt(squares.mean(axis=1))


def noise_level(phantom: Phantom, protocol: CtProtocol) -> NoiseLevel:
    """Return the noise level of every slice of `phantom` (without lesions, so that its twin has the same noise).

    The variance of a ray is 1 / quanta ~ exp(p) / (mAs thickness), p its line integral; back-projection sums it over
    the views, here over those of one 30-degree sector at a time. Everything else scales it by constants of the
    protocol: the kernel's share (see `relative_variance`) and the quanta behind 20 cm of water at this voltage.
    """
    behind = ct_beam(protocol.kvp)
    sinogram, block, shape_ji = coarse_paths(phantom, protocol)
    coarse_cm = block * phantom.grid.spacing_mm[2] / 10
    current = current_along(sinogram, phantom.grid.spacing_mm[0])
    quanta = behind.quanta * protocol.mas * current * protocol.slice_thickness_mm
    pixel_mm = phantom.grid.spacing_mm[2]
    share = relative_variance(protocol.kernel, iterative=protocol.iterative, pixel_mm=pixel_mm)
    scale = LEVEL * share / behind.water_per_cm**2 / quanta
    variance = _ray_variance(sinogram, coarse_cm, protocol.kvp, behind.water_per_cm)
    variance *= scale[:, None, None].astype(np.float32)
    sectors = back_project(variance, shape_ji) * _smoothing(shape_ji, 10 * coarse_cm)
    return NoiseLevel(np.sqrt(sectors), block, current)


def _smoothing(shape_ji: tuple[int, ...], coarse_mm: float) -> NDArray[np.float32]:
    """Return (j, i): the variance that interpolation between views leaves."""
    y, x = (centred_mm(n, coarse_mm) for n in shape_ji)
    squared = (x[None, :] ** 2 + y[:, None] ** 2) / SMOOTHED_MM**2
    return np.asarray(SMOOTHED_SHARE + (1 - SMOOTHED_SHARE) / (1 + squared), np.float32)


def coarse_paths(phantom: Phantom, protocol: CtProtocol) -> tuple[NDArray[np.float32], int, tuple[int, ...]]:
    """Return line integrals (k, angle, bin) of a coarse copy, image pixels per coarse pixel, and the copy's (j, i)."""
    behind = ct_beam(protocol.kvp)
    pixel_mm = phantom.grid.spacing_mm[2]
    block = max(1, round(COARSE_MM / pixel_mm))
    table = attenuation_table(phantom.structures, protocol.kvp, protocol.phase)
    coarse = kernels.coarse(phantom.labels, phantom.neighbour, phantom.fraction, table, block)
    coarse *= np.float32((behind.water_per_cm - behind.air_per_cm) / 1000 * block * pixel_mm / 10)
    return project(coarse), block, coarse.shape[1:]


def _bins(rows: int, columns: int) -> int:
    return int(np.ceil(np.hypot(rows, columns))) + 3


def _directions() -> NDArray[np.float32]:
    angle = np.arange(ANGLES) * np.pi / ANGLES
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def project(coarse: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return parallel line integrals (k, angle, bin) of slices (k, j, i); bins are one pixel wide, centred.

    At angle 0 the detector lies along the rows, so that rays run along the columns.
    """
    out = np.zeros((coarse.shape[0], ANGLES, _bins(*coarse.shape[1:])), np.float32)
    kernels.project(coarse, _directions(), out)
    return out


def current_along(sinogram: NDArray[np.float32], step_mm: float, share: float = AEC_SHARE_Z) -> NDArray[np.float64]:
    """Return each slice's tube current over the mean: exp(share x thickest path, averaged over the angles)."""
    path = np.minimum(sinogram.max(axis=2), 2 * STARVED_PATH).mean(axis=1).astype(np.float64)
    reach = max(0, round(AEC_SMOOTHING_MM / step_mm / 2))
    padded = np.pad(path, reach, mode="edge")
    path = np.convolve(padded, np.full(2 * reach + 1, 1 / (2 * reach + 1)), mode="valid")
    wanted = np.exp(share * (path - path.mean()))
    limited = np.clip(wanted / wanted.mean(), *AEC_LIMITS_Z)
    return np.asarray(limited / limited.mean())


def current_around(sinogram: NDArray[np.float32], share: float = AEC_SHARE_ANGLE) -> NDArray[np.float32]:
    """Return (k, angle): the tube current of each of `ANGLES` directions over the slice's mean."""
    thickest = np.minimum(sinogram.max(axis=2), 2 * STARVED_PATH)
    wanted = np.exp(share * (thickest - thickest.mean(axis=1, keepdims=True)))
    current = np.clip(wanted / wanted.mean(axis=1, keepdims=True), *AEC_LIMITS_ANGLE)
    current /= current.mean(axis=1, keepdims=True)
    return np.asarray(current, np.float32)


def bowtie_path(kvp: float, offset_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the line integral of the shaped filter along rays that pass the isocentre at these distances."""
    machine = scanner(SCANNER)
    photons = beam(machine, kvp).photons.sum(axis=1)
    places = machine.sid_mm * np.sin(fan_angles_rad(machine))
    return np.asarray(np.interp(offset_mm, places, -np.log(photons / photons.max())))


def _ray_variance(sinogram: NDArray[np.float32], bin_cm: float, kvp: float, water_per_cm: float) -> NDArray[np.float32]:
    """Return the variance of each ray over that behind 20 cm of water at mean current: exp(p - p20) and its filters."""
    path = sinogram.astype(np.float32)
    starved = np.float32(STARVED_PATH)
    limited = np.where(path > starved, starved + np.float32(STARVED_SHARE) * (path - starved), path)
    bowtie = bowtie_path(kvp, centred_mm(sinogram.shape[2], 10 * bin_cm))
    limited = np.minimum(limited, np.float32(LONGEST_PATH))
    variance = np.exp(limited + (bowtie - 20.0 * water_per_cm).astype(np.float32)) / current_around(path)[:, :, None]
    return np.asarray(variance, np.float32)


def back_project(variance: NDArray[np.float32], shape_ji: tuple[int, ...]) -> NDArray[np.float32]:
    """Return (k, sector, j, i): the variance of the rays through each pixel, averaged over each sector's angles."""
    offset = (np.arange(ANGLES)[None, :] * SECTORS / ANGLES - np.arange(SECTORS)[:, None] + SECTORS / 2) % SECTORS
    share = np.cos(np.pi / 2 * np.clip(np.abs(offset - SECTORS / 2), 0, 1)) ** 2
    share = (share / share.sum(axis=1, keepdims=True)).astype(np.float32)
    out = np.zeros((variance.shape[0], SECTORS, *shape_ji), np.float32)
    kernels.back_project(variance, _directions(), share, out)
    return out
