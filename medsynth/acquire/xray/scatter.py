"""Scattered photons at the detector, and the grid that keeps most of them away."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from medsynth.acquire.xray.detector import Detector, response
from medsynth.acquire.xray.geometry import Geometry
from medsynth.acquire.xray.materials import read_data
from medsynth.acquire.xray.rays import enlarged
from medsynth.acquire.xray.source import Technique, beam_of
from medsynth.core.errors import RecipeError, expected
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

BLOCKS = 48  # across the longer side of the detector: scatter varies slowly
LEAST_BLOCK_MM = 2.0
DARKEST = 1e-9  # of the open beam


@dataclass(frozen=True)
class ScatterGrid:
    """An anti-scatter grid: transmissions of primary and scattered photons, and its lines.

    Attributes
    ----------
    ratio : height of the lamellae over their distance.
    focus_mm : distance of the line that the lamellae point to.
    """

    name: str
    ratio: float
    lines_per_cm: float
    primary: float
    scatter: float
    source: str
    focus_mm: float = 0.0


@cache
def grids() -> dict[str, ScatterGrid]:
    """Return every grid by name."""
    return {name: ScatterGrid(name=name, **row) for name, row in read_data("grids.yaml").items()}


def scatter_grid(name: str) -> ScatterGrid:
    """Return the grid called `name`."""
    if name not in grids():
        raise RecipeError(expected("grid", name, f"one of {sorted(grids())}"))
    return grids()[name]


@cache
def _table() -> tuple[Float64, Float64, Float64, Float64, Float64]:
    """Return energies, water_cm, gaps, SD in mm, and scatter over primary (E, T, gap, SD)."""
    text = files("medsynth.acquire.xray").joinpath("data", "scatter.csv").read_text(encoding="utf-8")
    rows = list(csv.reader(line for line in text.splitlines() if not line.startswith("#")))
    values = np.array(rows[1:], float)
    energies, water, gaps = (np.unique(values[:, n]) for n in range(3))
    full = np.full((len(energies), len(water), len(gaps), values.shape[1] - 3), np.nan)
    full[tuple(np.searchsorted(axis, values[:, n]) for n, axis in enumerate((energies, water, gaps)))] = values[:, 3:]
    for t in range(1, len(water)):  # depths that no primary photon survives: as the one before
        full[:, t] = np.where(np.isnan(full[:, t]), full[:, t - 1], full[:, t])
    zero = np.zeros_like(full[:, :1])  # no water, no scatter
    return energies, np.concatenate([[0.0], water]), gaps, np.array(rows[0][3:], float), np.concatenate([zero, full], 1)


def scatter_shares(energy_keV: float, gap_mm: float) -> tuple[Float64, Float64, Float64]:
    """Return what the table says of one energy and gap: (T,) water_cm, (G,) SD in mm, (T, G) scatter over primary."""
    energies, water, gaps, sd_mm, shares = _table()
    for axis, values, at in ((0, np.log(energies), np.log(energy_keV)), (1, gaps, gap_mm)):
        at = float(np.clip(at, values[0], values[-1]))
        above = int(np.clip(np.searchsorted(values, at), 1, len(values) - 1))
        f = (at - values[above - 1]) / (values[above] - values[above - 1])
        move = 0 if axis == 0 else 1  # after the first axis is gone, gaps are the second
        shares = (1 - f) * np.take(shares, above - 1, axis=move) + f * np.take(shares, above, axis=move)
    return water, sd_mm, shares


def beam_shares(technique: Technique, detector: Detector, gap_mm: float
                ) -> tuple[Float64, Float64, Float64, Float64]:
    """Return the same for a beam: scatter over primary signal behind water, its energies weighted by their signal.

    Returns
    -------
    (T,) water_cm; (T,) -ln of the transmitted signal; (G,) SD in mm; (T, G) scatter over primary.
    """
    beam = beam_of(technique)
    signal = beam.photons * response(detector, beam.energies_keV)[0]
    per_energy = [scatter_shares(float(energy), gap_mm) for energy in beam.energies_keV]
    water, sd_mm = per_energy[0][:2]
    left = signal * np.exp(-np.outer(water, linear_attenuation(tissue("water"), beam.energies_keV)))
    shares = np.einsum("te,etg->tg", left / left.sum(axis=1, keepdims=True), np.stack([s for _, _, s in per_energy]))
    return water, -np.log(left.sum(axis=1) / signal.sum()), sd_mm, shares


def scattered(primary: Float32, open_beam: Float32, geometry: Geometry, technique: Technique, detector: Detector,
              gap_mm: float) -> Float32:
    """Return the scattered signal at the detector, before the grid.

    Every block of the image is a bundle of pencil beams. The scatter of each is that behind a slab of as much water as
    weakens the primary signal as much; it spreads as a sum of Gaussians. Behind a thick part of a body scatter is
    wide and many times the primary signal; behind a thin one it is narrow and weak.

    Parameters
    ----------
    primary, open_beam : (rows, columns) float32 signal with and without the object.
    gap_mm : distance of the body's exit side from the detector.

    Returns
    -------
    (rows, columns) float32 in the same unit.
    """
    rows, columns = geometry.shape_ji
    every = max(1, round(max(max(geometry.size_mm) / BLOCKS, LEAST_BLOCK_MM) / geometry.pixel_mm))
    beams, opened = (_blocks(image, every) for image in (primary, open_beam))
    water, depths, sd_mm, shares = beam_shares(technique, detector, gap_mm)
    depth = np.log(opened / np.maximum(beams, DARKEST * opened))
    place = np.interp(depth, depths, np.arange(len(water)))
    # Padding by its own size: what leaves the detector's area does not come back on the other side.
    shape = tuple(fft.next_fast_len(2 * n, real=True) for n in beams.shape)
    step_mm = every * geometry.pixel_mm
    squared = (fft.fftfreq(shape[0], step_mm) ** 2)[:, None] + (fft.rfftfreq(shape[1], step_mm) ** 2)[None, :]
    gaussians = np.exp(-2 * np.pi**2 * np.square(sd_mm)[:, None, None] * squared)
    total = np.zeros(squared.shape, complex)
    for n in range(1, len(water)):
        weight = np.clip(1 - np.abs(place - n), 0, 1)
        if weight.any():
            total += fft.rfft2(beams * weight, shape) * np.tensordot(shares[n], gaussians, axes=1)
    blocks = np.maximum(fft.irfft2(total, shape)[:beams.shape[0], :beams.shape[1]], 0)
    return enlarged(blocks.astype(np.float32), every, (rows, columns))


def glare(signal: Float32, detector: Detector, pixel_mm: float) -> Float32:
    """Return the signal (rows, columns) with the widely spread share of it: exp(-r / length) / r about every pixel."""
    if detector.glare_share == 0:
        return signal
    rows, columns = signal.shape
    every = max(1, round(max(detector.glare_mm / 4, max(rows, columns) * pixel_mm / 128) / pixel_mm))
    blocks = _blocks(signal, every)
    pad = int(np.ceil(3 * detector.glare_mm / (every * pixel_mm)))
    padded = np.pad(blocks, pad, mode="edge")
    fy, fx = fft.fftfreq(padded.shape[0], every * pixel_mm), fft.rfftfreq(padded.shape[1], every * pixel_mm)
    # The transform of exp(-r / L) / (2 pi L r); the mean distance is L.
    kernel = 1 / np.sqrt(1 + (2 * np.pi * detector.glare_mm) ** 2 * (fy[:, None] ** 2 + fx[None, :] ** 2))
    wide = fft.irfft2(fft.rfft2(padded) * kernel, padded.shape)[pad:pad + blocks.shape[0], pad:pad + blocks.shape[1]]
    share = np.float32(detector.glare_share)
    return (1 - share) * signal + share * enlarged(np.maximum(wide, 0).astype(np.float32), every, (rows, columns))


def grid_transmission(geometry: Geometry, technique: Technique) -> tuple[Float32, float]:
    """Return the grid's transmission of primary photons (rows or 1, columns), and of scattered photons.

    Lines run along the rows' direction (up and down in the image). Off the line that they point to, lamellae shade
    each other: with h over D = `ratio` and a source b off the axis at distance f of the grid's focus, the share
    ratio x b / f is lost. Lines are rendered as the sine that a detector of these pixels sees of them.
    """
    grid = scatter_grid(technique.grid)
    columns = geometry.shape_ji[1]
    line = np.full((1, columns), grid.primary, np.float32)
    if grid.ratio == 0:
        return line, 1.0
    if technique.grid_offset_mm:
        line *= np.float32(max(0.0, 1 - grid.ratio * abs(technique.grid_offset_mm) / geometry.sid_mm))
    if technique.grid_lines:
        # A square wave of duty `primary`, averaged over each pixel: its first harmonic is what is left to see.
        lines_per_mm = grid.lines_per_cm / 10
        depth = 2 / np.pi * np.sin(np.pi * (1 - grid.primary)) / grid.primary
        depth *= np.sinc(lines_per_mm * geometry.pixel_mm)
        phase = 2 * np.pi * lines_per_mm * geometry.pixel_mm * np.arange(columns)
        line *= (1 + depth * np.cos(phase)).astype(np.float32)
    return line, grid.scatter


def _blocks(image: Float32, every: int) -> Float64:
    """Return the means of blocks of `every` x `every` pixels; what is over counts as its own, smaller block."""
    rows, columns = image.shape
    down, across = np.arange(0, rows, every), np.arange(0, columns, every)
    sums = np.add.reduceat(np.add.reduceat(image, down, axis=0, dtype=np.float64), across, axis=1)
    counts = np.outer(np.diff(np.append(down, rows)), np.diff(np.append(across, columns)))
    return sums / counts
