"""Scattered photons on the detector, and a scanner's estimate of them: a kernel model per view and slice."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml
from numpy.typing import ArrayLike, NDArray

from medsynth.acquire.ct.physics.detector import response
from medsynth.acquire.ct.physics.scanner import Scanner
from medsynth.acquire.ct.physics.source import beam, fan_angles_rad
from medsynth.core.errors import RecipeError, expected
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# Scatter varies slowly: it is computed for blocks of about this width on the detector, and of this many degrees.
BLOCK_MM = 10.0
BLOCK_DEG = 4.0
# An estimate never takes more than this share of the signal around it.
MOST = 0.95
# Iterations of the estimate: its error is then below 1 % of the primary signal behind 40 cm of water without a grid.
ROUNDS = 12


@cache
def _data() -> dict[str, Any]:
    text = files("medsynth.acquire.ct").joinpath("data", "scatter.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def grid_names() -> tuple[str, ...]:
    """Return the names of the anti-scatter grids."""
    return tuple(_data()["grids"])


def grid_ratio(grid: bool | str) -> float:
    """Return how much more of the primary than of the scatter a grid lets through, as scatter over primary.

    Parameters
    ----------
    grid : a name, or True for "lamellae" and False for "none".
    """
    name = {True: "lamellae", False: "none"}[grid] if isinstance(grid, bool) else grid
    if name not in _data()["grids"]:
        raise RecipeError(expected("grid", name, f"one of {sorted(grid_names())}"))
    row = _data()["grids"][name]
    return float(row["scatter"] / row["primary"])


def width_factor(width_mm: float) -> float:
    """Return the scatter of a beam so wide along z (at the isocentre), relative to the reference's 40 mm."""
    scale = _data()["width_scale_mm"]
    return float(np.expm1(-width_mm / scale) / np.expm1(-_data()["reference"]["width_mm"] / scale))


def kernel(step_mm: float, reach: int) -> Float64:
    """Return the (2 reach + 1,) taps of the scatter kernel at this step on the detector; all taps sum to 1."""
    places = step_mm * np.arange(-reach, reach + 1.0)
    taps = sum(share * step_mm / (sd_mm * np.sqrt(2 * np.pi)) * np.exp(-(places**2) / (2 * sd_mm**2))
               for share, sd_mm in _data()["kernel"]["share_sd_mm"])
    return np.asarray(taps, float)


def scattered(mean: Float32, square: Float32, air: ArrayLike, mas: ArrayLike, scanner: Scanner, *,
              grid: bool | str = True, width_mm: float | None = None) -> tuple[Float32, Float32]:
    """Return the expected scatter signal of every reading, and its variance.

    S = K * [amplitude P p] over the channels of each view, p = -ln(P / P0): there is scatter in proportion to the
    photons that arrive and to the depth they came through. Its energies are those of the primary photons there.

    Parameters
    ----------
    mean, square : (bins, view, channel) float32, expected primary signal and its variance.
    air : (bins, channel) signal per mAs with nothing in the beam.
    mas : (view,) mAs of each view.
    grid : name of the anti-scatter grid; True for lamellae, False for none.
    width_mm : collimated width of the beam along z at the isocentre; the whole detector's if None.

    Returns
    -------
    two (bins, view, channel) float32.
    """
    amplitude = strength(scanner, grid, width_mm)
    primary, depth, coarse = _coarse(mean, air, mas, scanner)
    each = coarse.blocks(square) / np.maximum(primary, 1e-30)
    source = amplitude * primary * depth
    return coarse.fine(source @ coarse.kernel), coarse.fine((source * each) @ coarse.kernel)


def estimate(readings: Float32, air: ArrayLike, mas: ArrayLike, scanner: Scanner, *, grid: bool | str = True,
             width_mm: float | None = None) -> Float32:
    """Return a scanner's estimate of the scatter in noisy readings.

    The model of `scattered` is solved for the primary signal by iteration, from readings that include the scatter: an
    estimate from them in one step takes too much where scatter outweighs the primary signal, between shoulders or
    without a grid. It takes no more than 95 % of the signal around.

    Parameters
    ----------
    readings : (bins, view, channel) float32; the rest as in `scattered`.
    """
    total, depth, coarse = _coarse(readings, air, mas, scanner)
    amplitude = strength(scanner, grid, width_mm)
    open_beam, primary, scatter = total * np.exp(depth), total, np.zeros_like(total)
    for _ in range(ROUNDS):
        scatter = amplitude * (primary * np.log(np.maximum(open_beam / primary, 1))) @ coarse.kernel
        primary = primary * total / (primary + scatter)
    return coarse.fine(np.minimum(scatter, MOST * total))


def added(mean: Float32, square: Float32, air: ArrayLike, mas: ArrayLike, scanner: Scanner, *, grid: bool | str = True,
          width_mm: float | None = None) -> tuple[Float32, Float32]:
    """Return `mean` and `square` with those of the scatter added (see `scattered`)."""
    more, more_square = scattered(mean, square, air, mas, scanner, grid=grid, width_mm=width_mm)
    return mean + more, square + more_square


def corrected(readings: Float32, air: ArrayLike, mas: ArrayLike, scanner: Scanner, *, grid: bool | str = True,
              width_mm: float | None = None) -> Float32:
    """Return readings less the estimate of their scatter (see `estimate`); they can become negative."""
    return readings - estimate(readings, air, mas, scanner, grid=grid, width_mm=width_mm)


class _Blocks:
    """Means over blocks of views and channels, the kernel between blocks, and the way back."""

    def __init__(self, views: int, channels: int, view_block: int, channel_block: int, step_mm: float) -> None:
        self._starts = [np.arange(0, n, size) for n, size in ((views, view_block), (channels, channel_block))]
        self._sizes = [np.diff(np.append(starts, n))
                       for starts, n in zip(self._starts, (views, channels), strict=True)]
        self._back = [self._between(n, starts, sizes)
                      for n, starts, sizes in zip((views, channels), self._starts, self._sizes, strict=True)]
        count = len(self._starts[1])
        taps = kernel(step_mm * channel_block, count)
        self.kernel = taps[count + np.subtract.outer(np.arange(count), np.arange(count))]

    @staticmethod
    def _between(n: int, starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> Float32:
        """Return the (n, blocks) weights of linear interpolation between the blocks' middles."""
        middles = starts + (sizes - 1) / 2
        unit = np.eye(len(starts))
        return np.stack([np.interp(np.arange(n), middles, row) for row in unit], axis=1).astype(np.float32)

    def blocks(self, values: Float32) -> Float64:
        """Return the (bins, view blocks, channel blocks) means."""
        sums = np.add.reduceat(np.add.reduceat(values, self._starts[0], axis=1), self._starts[1], axis=2)
        return sums / np.outer(*self._sizes)

    def fine(self, coarse: Float64) -> Float32:
        """Return (bins, view, channel) values from those of the blocks."""
        return self._back[0] @ coarse.astype(np.float32) @ self._back[1].T


@lru_cache(maxsize=32)
def _blocks(views: int, channels: int, channel_mm: float, turn: float) -> _Blocks:
    """Return the blocks of a sinogram with `turn` views per turn."""
    view_block = max(1, min(views, round(turn * BLOCK_DEG / 360)))
    return _Blocks(views, channels, view_block, max(1, round(BLOCK_MM / channel_mm)), channel_mm)


def _coarse(values: Float32, air: ArrayLike, mas: ArrayLike, scanner: Scanner) -> tuple[Float64, Float64, _Blocks]:
    """Return signal and depth -ln(P / P0) >= 0 of blocks (bins, views, channels), and the blocks."""
    turn = scanner.views * (2 if scanner.geometry == "parallel" else 1)
    coarse = _blocks(values.shape[1], values.shape[2], scanner.channel_mm, turn)
    charge = np.broadcast_to(np.asarray(mas, np.float32), values.shape[1:2])
    open_beam = coarse.blocks(np.asarray(air, np.float32)[:, None, :] * charge[:, None])
    signal = np.maximum(coarse.blocks(values), 1e-12 * open_beam)
    depth = np.log(open_beam / signal)
    return signal, np.maximum(depth, 0), coarse


def strength(scanner: Scanner, grid: bool | str = True, width_mm: float | None = None) -> float:
    """Return the amplitude of `scattered` for a scanner, a grid and a beam's width."""
    width = scanner.rows * scanner.row_mm if width_mm is None else width_mm
    return _amplitude(scanner.model_dump_json()) * width_factor(width) * grid_ratio(grid) / grid_ratio(grid=True)


@lru_cache(maxsize=32)
def _amplitude(preset: str) -> float:
    """Return the amplitude that gives the reference's scatter behind the middle of a water cylinder, with lamellae."""
    scanner = Scanner.model_validate_json(preset)
    reference = _data()["reference"]
    source = beam(scanner, reference["kvp"])
    signal = (source.photons * response(scanner, source.energies_keV).signal.sum(axis=0))
    off_mm = scanner.sid_mm * np.sin(fan_angles_rad(scanner))
    lengths_cm = 2 * np.sqrt(np.maximum((5 * reference["water_cm"]) ** 2 - off_mm**2, 0)) / 10
    water = linear_attenuation(tissue("water"), source.energies_keV)
    air = signal.sum(axis=1)
    primary = (signal * np.exp(-np.outer(lengths_cm, water))).sum(axis=1)
    values = primary[None, None, :].astype(np.float32)
    block, depth, coarse = _coarse(values, air[None], 1.0, scanner)
    middle = int(np.argmin(np.abs(off_mm)))
    unit = coarse.fine((block * depth) @ coarse.kernel)[0, 0, middle]
    return float(reference["scatter_to_primary"] * primary[middle] / unit)
