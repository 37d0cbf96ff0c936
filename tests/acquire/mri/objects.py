"""Ellipsoids: on a grid by partial volume, and in k-space by their closed form; scans of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsynth.acquire.mri.clock import Clock, Timing, make_clock
from medsynth.acquire.mri.component import Component
from medsynth.acquire.mri.encode import Encoding, object_grid, plan
from medsynth.acquire.mri.engine import acquire_kspace
from medsynth.acquire.mri.options import KspaceOptions
from medsynth.acquire.mri.reconstruct import Reconstruction
from medsynth.acquire.mri.transform import frequencies
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed

QUIET = {"noise": {"snr_density": None}}


def fraction(grid: Grid, semi_mm, centre_mm=(0.0, 0.0, 0.0), sub: int = 4) -> np.ndarray:
    """Share (k, j, i) of each voxel that lies in an axis-parallel ellipsoid, by `sub`^3 samples."""
    total = np.zeros(grid.shape_kji, np.float32)
    shifts = (np.arange(sub) + 0.5) / sub - 0.5
    points = (grid.points_mm() - np.asarray(centre_mm)).astype(np.float32)
    steps = grid.steps_mm.astype(np.float32)
    for a in shifts:
        for b in shifts:
            for c in shifts:
                at = points + steps @ np.array([a, b, c], np.float32)
                total += ((at / np.asarray(semi_mm, np.float32)) ** 2).sum(axis=-1) < 1
    return total / sub**3


def ellipsoid_kspace(encoding: Encoding, semi_mm, centre_mm=(0.0, 0.0, 0.0)) -> np.ndarray:
    """Closed form (k, phase, readout) for a 3D encoding: 4 pi abc (sin u - u cos u) / u^3, u = 2 pi |(a k_x, ...)|."""
    grid = encoding.measured_grid
    cycles = [frequencies(n) / (n * mm) for n, mm in zip(grid.shape_kji, grid.spacing_mm, strict=True)]
    kji = np.stack(np.meshgrid(*cycles, indexing="ij"), axis=-1)
    xyz = kji @ np.asarray(grid.direction).T
    u = 2 * np.pi * np.linalg.norm(xyz * np.asarray(semi_mm), axis=-1)
    small = u < 1e-3
    safe = np.where(small, 1.0, u)
    shape = np.where(small, 1 / 3, (np.sin(safe) - safe * np.cos(safe)) / safe**3)
    origin = grid.world_mm([n // 2 for n in grid.shape_kji])
    turn = np.exp(-2j * np.pi * (xyz @ (np.asarray(centre_mm) - origin)))
    scale = 4 * np.pi * np.prod(semi_mm) / np.prod(grid.spacing_mm) / np.sqrt(np.prod(grid.shape_kji))
    k = scale * shape * turn
    return k if encoding.phase_axis == 1 else k.swapaxes(-1, -2)


@dataclass(frozen=True, eq=False)
class Scanned:
    """A scan of an ellipsoid of value 1."""

    encoding: Encoding
    clock: Clock
    grid: Grid
    share: np.ndarray
    result: Reconstruction


def options(**parts) -> KspaceOptions:
    """Options without noise unless it is asked for."""
    return KspaceOptions.model_validate(QUIET | parts)


def scan(image: Grid, opts: KspaceOptions, semi_mm, centre_mm=(0.0, 0.0, 0.0), *, dimensions=3, sub=3, seed=1,
         tr_s=0.01, shift_hz=0.0, field_hz=None, value=1.0, **sequence) -> Scanned:
    """Scan an ellipsoid; `field_hz` gives the off-resonance at points (..., 3)."""
    timing = sequence.pop("timing", Timing(tr_s))
    encoding = plan(image, opts, dimensions=dimensions, **({"field_T": 3.0, "bandwidth_hz_px": 200.0} | sequence))
    reach = np.asarray(semi_mm) + 3
    grid = object_grid(encoding, opts, np.asarray(centre_mm) - reach, np.asarray(centre_mm) + reach)
    clock = make_clock(encoding, timing, opts)
    share = fraction(grid, semi_mm, centre_mm, sub)
    part = Component((value * share).astype(np.complex64), np.ones(clock.lines, np.complex64), shift_hz)
    field = None if field_hz is None else np.asarray(field_hz(grid.points_mm()), np.float32)
    result = acquire_kspace([part], encoding, clock, opts, grid=grid, body=share > 0.5, b0_hz=field, seed=Seed(seed))
    return Scanned(encoding, clock, grid, share, result)


def nrmse(found: np.ndarray, truth: np.ndarray) -> float:
    """Root mean square of the difference over that of the truth."""
    return float(np.sqrt((np.abs(found - truth) ** 2).mean() / (np.abs(truth) ** 2).mean()))
