"""Path lengths: parallel projections of a coarse copy of each slice, and what a scanner and its beam make of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct import _kernels as kernels
from medsynth.acquire.ct.hu import attenuation_table, ct_beam, hardening_per_cm, hardness, water_table
from medsynth.acquire.ct.physics.scanner import scanner
from medsynth.acquire.ct.physics.source import beam, bowtie_mm, fan_angles_rad
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.grid import centred_mm
from medsynth.scene.phantom import Phantom

Float32 = NDArray[np.float32]

ANGLES = 36
COARSE_MM = 5.0

# The scanner whose shaped filter and noise the fast tier follows.
SCANNER = "generic-64"
# Tube current follows attenuation only in part: mA ~ exp(share x p), clinical systems lie at 0.5-0.7 along z
# (PMC4488908) and at the statistical optimum 0.5 over the angle (Gies et al. 1999, doi:10.1118/1.598779).
AEC_SHARE_Z = 0.6
AEC_LIMITS_Z = (0.4, 2.2)
AEC_SMOOTHING_MM = 30.0
AEC_SHARE_ANGLE = 0.5
AEC_LIMITS_ANGLE = (0.35, 2.5)
# Of the shaped filter's hardening this share counts (as the physics tier measures): where it is thick rays see little
# of the body but its rim.
BOWTIE_SHARE = 0.35
AEC_LONGEST_PATH = 16.0  # line integrals beyond it, of metal, ask for no more current


@dataclass(frozen=True, eq=False)
class Paths:
    """Line integrals of a coarse copy of every slice, for the beam behind 20 cm of water.

    Attributes
    ----------
    sinogram : (k, angle, bin) float32; bins are one coarse pixel wide.
    shape_ji : of the copy.
    block : image pixels per coarse pixel, along rows and columns; coarse pixel n covers pixels n block .. n block +
        block - 1.
    coarse_mm : size of a coarse pixel.
    """

    sinogram: Float32
    shape_ji: tuple[int, int]
    block: int
    coarse_mm: float

    def offsets_mm(self) -> NDArray[np.float64]:
        """Return the (bin,) distances at which rays pass the middle."""
        return centred_mm(self.sinogram.shape[2], self.coarse_mm)


@dataclass(frozen=True, eq=False)
class Hardening:
    """How hard the beam is that forms each place of the image.

    Attributes
    ----------
    x : (k, j, i) float32 `hardness`, on blocks of pixels.
    block : pixels per block, along rows and columns.
    """

    x: Float32
    block: int


def coarse_paths(phantom: Phantom, protocol: CtProtocol) -> Paths:
    """Return the line integrals of a coarse copy of every slice."""
    behind = ct_beam(protocol.kvp)
    table = attenuation_table(phantom.structures, protocol.kvp, protocol.phase)
    return _paths(phantom, table * np.float32((behind.water_per_cm - behind.air_per_cm) / 1000))


def _paths(phantom: Phantom, table: Float32) -> Paths:
    """Return the sums along rays of what `table` (65536,) says of every label, per cm."""
    pixel_mm = phantom.grid.spacing_mm[2]
    block = max(1, round(COARSE_MM / pixel_mm))
    coarse = kernels.coarse(phantom.labels, phantom.neighbour, phantom.fraction, table, block)
    coarse *= np.float32(block * pixel_mm / 10)
    return Paths(project(coarse), coarse.shape[1:], block, block * pixel_mm)


def hardening(phantom: Phantom, protocol: CtProtocol) -> Hardening:
    """Return how hard the beam is in each place: that of the mean over the angles of what its rays come through.

    A contrast is what the beams of all directions make of it, each hardened by the whole body along its ray and by the
    shaped filter.
    """
    machine, kvp = scanner(SCANNER), protocol.kvp
    water = _paths(phantom, water_table(phantom.structures, kvp, protocol.phase))
    material, _ = bowtie_mm(machine.bowtie, 0.0)
    each = hardening_per_cm(material, kvp) / ct_beam(kvp).attenuation_per_cm(material)
    through = water.sinogram + (BOWTIE_SHARE * each * bowtie_path(kvp, water.offsets_mm())).astype(np.float32)
    mean = np.zeros((len(through), 1, *water.shape_ji), np.float32)
    kernels.back_project(through, directions(), np.full((1, ANGLES), 1 / ANGLES, np.float32), mean)
    return Hardening(hardness(mean[:, 0]).astype(np.float32), water.block)


def _bins(rows: int, columns: int) -> int:
    return int(np.ceil(np.hypot(rows, columns))) + 3


def directions() -> Float32:
    """Return the (angle, 2) unit vectors along the detector, x and y."""
    angle = np.arange(ANGLES) * np.pi / ANGLES
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def project(coarse: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return parallel line integrals (k, angle, bin) of slices (k, j, i); bins are one pixel wide, centred.

    At angle 0 the detector lies along the rows, so that rays run along the columns.
    """
    out = np.zeros((coarse.shape[0], ANGLES, _bins(*coarse.shape[1:])), np.float32)
    kernels.project(coarse, directions(), out)
    return out


def current_along(sinogram: NDArray[np.float32], step_mm: float, share: float = AEC_SHARE_Z) -> NDArray[np.float64]:
    """Return each slice's tube current over the mean: exp(share x thickest path, averaged over the angles)."""
    path = np.minimum(sinogram.max(axis=2), AEC_LONGEST_PATH).mean(axis=1).astype(np.float64)
    reach = max(0, round(AEC_SMOOTHING_MM / step_mm / 2))
    padded = np.pad(path, reach, mode="edge")
    path = np.convolve(padded, np.full(2 * reach + 1, 1 / (2 * reach + 1)), mode="valid")
    wanted = np.exp(share * (path - path.mean()))
    limited = np.clip(wanted / wanted.mean(), *AEC_LIMITS_Z)
    return np.asarray(limited / limited.mean())


def current_around(sinogram: NDArray[np.float32], share: float = AEC_SHARE_ANGLE) -> NDArray[np.float32]:
    """Return (k, angle): the tube current of each of `ANGLES` directions over the slice's mean."""
    thickest = np.minimum(sinogram.max(axis=2), AEC_LONGEST_PATH)
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
