"""Reconstruction of a helical scan: rebinning to parallel rays, filtering, weighted back-projection in 3D."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.optimize import brentq

from medsynth.acquire.ct.physics._helix_recon import back_project, rebin, stack
from medsynth.acquire.ct.physics.helix import Floats, Helix, Progress, widest_pitch
from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import AXIAL, Grid

Array = NDArray[np.floating[Any]]
Response = Callable[[NDArray[np.float64]], Array]

# Rows count fully up to this share of the detector's half height, and then fall off as a cosine squared.
FULL_SHARE = 0.6
# Beyond the detector its outermost rows go on for this share of its height with this weight: rays that count only
# where no other ray sees a voxel, outside of the circle that the pitch allows.
PAD_SHARE, PAD_WEIGHT = 0.125, 1e-4
# A box over z wider than this share of the detector's height is put together from thinner ones.
BOX_SHARE = 1 / 12
# Parallel rays lie this much closer than the channels: with a quarter offset opposite rays fall between each other.
FINER = 2
# What cubic interpolation between channels takes away is given back up to this gain, which it needs at the channels'
# own highest frequency.
GAIN_LIMIT = 2.0
# What is in memory at a time: slices, and samples of parallel projections, of which each costs some 20 bytes.
SLICES_AT_ONCE, SAMPLES_AT_ONCE = 32, 6_000_000
# The box over z is never narrower than this share of a row, as differences of running sums are single precision; it
# makes slices 2.5 % thicker than a row.
NARROWEST = 0.1


def reconstruct_helix(line_integrals: Floats, helix: Helix, grid: Grid, response: Response, thickness_mm: float, *,
                      progress: Progress | None = None) -> Floats:
    """Give the attenuation coefficients in slices through a helical scan.

    Each voxel is the mean over ray directions of the filtered rays through it, at the height at which their row
    really crosses it; rays of one direction and its opposite over all turns that see the voxel share their weight,
    less near the upper and lower rim of the detector. A slice is a box over z.

    Parameters
    ----------
    line_integrals : (view, row, channel) float32, mu x length, dimensionless.
    helix : the scan.
    grid : where the voxels wanted are: axial. Outside of the scan field they are 0.
    response : what the kernel leaves of each spatial frequency in 1/mm, on top of the ramp; asked for up to
        1 / `scanner.pitch_mm`, twice what one view's channels hold.
    thickness_mm : full width of a slice's profile at half its height, at the isocentre; at least a row's height.
    progress : called with (steps done, steps).

    Returns
    -------
    (k, j, i) float32 in 1/cm.

    Raises
    ------
    RecipeError
        If readings and helix do not match, a slice lies outside of what was scanned, the pitch leaves voxels without
        rays, or the slice is thinner than the rows allow.

    References
    ----------
    Stierstorfer, Rauscher, Boese, Bruder, Schaller and Flohr 2004, doi:10.1088/0031-9155/49/11/007 (the weighting);
    Kak and Slaney 1988, chapter 3 (the ramp from its samples in space).
    """
    _check(line_integrals, helix, grid)
    half_mm = box_mm(thickness_mm, helix.scanner.row_mm) / 2
    fan = _Rebinning.of(helix)
    pitch_mm = helix.scanner.pitch_mm
    ramp = ramp_response(fan.rays_mm, lambda f: response(f) * np.minimum(1 / _cubic_transfer(f * pitch_mm), GAIN_LIMIT))
    slices = grid.shape_kji[0]
    image = np.zeros(grid.shape_kji, np.float32)
    batches = [(k, min(k + SLICES_AT_ONCE, slices)) for k in range(0, slices, SLICES_AT_ONCE)]
    half_turn = helix.scanner.views // 2
    in_sight = int(3 / helix.pitch) + 2  # half turns, roughly
    at_once = max(1, SAMPLES_AT_ONCE // (in_sight * helix.scanner.rows * len(fan.rays_mm)))
    for number, (first, last) in enumerate(batches):
        part = np.zeros((*grid.shape_kji[1:], last - first), np.float32)
        for begin in range(0, half_turn, at_once):
            directions = np.arange(begin, min(begin + at_once, half_turn))
            _add(part, line_integrals, helix, grid, fan, ramp, directions, (first, half_mm))
            if progress is not None:
                progress(number * half_turn + int(directions[-1]) + 1, len(batches) * half_turn)
        image[first:last] = np.moveaxis(part, 2, 0)
    image *= np.float32(10 * np.pi / half_turn / len(_boxes(helix, half_mm)))  # per mm to per cm; the step of direction
    return image


def ramp_response(rays_mm: Array, response: Response) -> NDArray[np.float32]:
    """Return the filter (f,) of projections sampled at `rays_mm`, for `scipy.fft.rfft` of twice their number or more.

    The ramp is the transform of its samples in space, so that its zero frequency is right for the padded length.
    """
    step = float(rays_mm[1] - rays_mm[0])
    size = scipy.fft.next_fast_len(2 * len(rays_mm), real=True)
    n = np.minimum(np.arange(size), size - np.arange(size))
    odd = n % 2 == 1
    kernel = np.zeros(size)
    kernel[odd] = -1 / (np.pi * n[odd] * step) ** 2
    kernel[0] = 1 / (2 * step) ** 2
    ramp = scipy.fft.rfft(kernel).real * step
    return (ramp * response(scipy.fft.rfftfreq(size, step))).astype(np.float32)


def box_mm(thickness_mm: float, row_mm: float) -> float:
    """Return the width of the box over z that makes a slice `thickness_mm` thick.

    Rows average over their height, and stand for all heights nearest to them, so that a slice's profile is the box
    convolved with a triangle of the rows' width; both have the same half width from two rows on.

    Raises
    ------
    RecipeError
        If no box makes so thin a slice.
    """
    def profile(width: float, z: float) -> float:  # of a triangle of half base 1 over a box
        def area(u: float) -> float:
            u = float(np.clip(u, -1, 1))
            return 0.5 + u - 0.5 * u * abs(u)

        return (area(z + width / 2) - area(z - width / 2)) / width

    def excess(width: float) -> float:
        return profile(width, thickness_mm / row_mm / 2) - profile(width, 0) / 2

    if not (np.isfinite(thickness_mm) and thickness_mm >= row_mm * (1 - 1e-6)):
        raise RecipeError(expected("thickness_mm", thickness_mm, f">= {row_mm:g}, the height of a detector row"))
    if thickness_mm >= 2 * row_mm:
        return thickness_mm
    return row_mm * (float(brentq(excess, NARROWEST, 2.0)) if excess(NARROWEST) < 0 else NARROWEST)


def row_weights(helix: Helix) -> tuple[NDArray[np.float32], int]:
    """Return the weights (rows + 2 pad,) of rows, and how many of them are made up beyond each rim of the detector."""
    rows = helix.scanner.rows
    whole = helix.pitch <= widest_pitch(helix.scanner, helix.scanner.field_mm / 2)
    pad = 0 if whole else max(1, round(PAD_SHARE * rows))
    place = np.abs(np.arange(rows) - (rows - 1) / 2) / (rows / 2)
    fall = np.clip((place - FULL_SHARE) / (1 - FULL_SHARE), 0, 1)
    weights = np.maximum(np.cos(np.pi / 2 * fall) ** 2, PAD_WEIGHT)
    return np.pad(weights, pad, constant_values=PAD_WEIGHT).astype(np.float32), pad


@dataclass(frozen=True, slots=True, eq=False)
class _Rebinning:
    """Where parallel rays (t,) lie between views and channels; ray t of projection n starts at view n + view[t]."""

    rays_mm: Array
    view: NDArray[np.int64]
    view_weights: NDArray[np.float32]
    channel: NDArray[np.int64]
    channel_weights: NDArray[np.float32]

    @classmethod
    def of(cls, helix: Helix) -> _Rebinning:
        """Give the rays of a scan: `FINER` times as dense as the channels at the isocentre, as wide as the fan."""
        scanner = helix.scanner
        centres = scanner.centres()
        step = scanner.pitch_mm / FINER
        low, high = (int(np.trunc(scanner.sid_mm * np.sin(edge) / step)) for edge in (centres[0], centres[-1]))
        rays = np.arange(low, high + 1) * step
        gamma = np.arcsin(rays / scanner.sid_mm)
        view, view_weights = _cubic(gamma * scanner.views / (2 * np.pi))
        channel, channel_weights = _cubic((gamma - centres[0]) / scanner.pitch_rad)
        inside = np.clip(channel, 0, scanner.channels - 4)
        return cls(rays, view, view_weights, inside, _shifted(channel_weights, channel - inside))


def _cubic(place: Array) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the first of four neighbours and the weights (..., 4) of cubic convolution between them.

    Keys 1981, doi:10.1109/TASSP.1981.1163711, a = -1/2.
    """
    low = np.floor(place).astype(np.int64)
    f = (place - low)[:, None]
    s = np.abs(f - np.array([-1.0, 0.0, 1.0, 2.0]))
    near, far = (1.5 * s - 2.5) * s**2 + 1, ((-0.5 * s + 2.5) * s - 4) * s + 2
    return low - 1, np.where(s <= 1, near, far).astype(np.float32)


def _cubic_transfer(cycles: Array) -> Array:
    """Return what cubic convolution leaves of frequencies in cycles per sample, at least 0.1: its Fourier integral."""
    s = (np.arange(400) + 0.5) / 200
    kernel = np.where(s <= 1, (1.5 * s - 2.5) * s**2 + 1, ((-0.5 * s + 2.5) * s - 4) * s + 2)
    return np.maximum(2 / 200 * np.cos(2 * np.pi * np.asarray(cycles)[:, None] * s) @ kernel, 0.1)


def _shifted(weights: NDArray[np.float32], by: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return weights (t, 4) whose window was moved inside the detector; what lay beyond goes to its outermost cell."""
    out = np.zeros_like(weights)
    for a in range(4):
        np.add.at(out, (np.arange(len(by)), np.clip(a + by, 0, 3)), weights[:, a])
    return out


def _check(line_integrals: Floats, helix: Helix, grid: Grid) -> None:
    """Refuse what cannot be reconstructed."""
    scanner = helix.scanner
    shape = (helix.views, scanner.rows, scanner.channels)
    if line_integrals.shape != shape:
        raise RecipeError(expected("line_integrals", line_integrals.shape, f"of shape {shape} for this helix"))
    if not np.allclose(grid.direction, AXIAL, atol=1e-6):
        raise RecipeError(expected("grid.direction", grid.direction, "axial"))
    radius = min(_radius_mm(grid, helix), scanner.field_mm / 2)
    widest = widest_pitch(scanner, radius)
    if helix.pitch > widest:
        raise RecipeError(expected("pitch", helix.pitch, f"<= {widest:.2f} for a field of {2 * radius:.0f} mm, where "
                                                         "no ray sees some voxels in some directions otherwise"))
    ends = helix.z_mm()[[0, -1]]
    # the nearer of a direction's ray and its opposite, and the turn by half the fan that sorting into it takes
    margin = abs(helix.feed_mm) * (0.25 + scanner.fan_rad / (2 * np.pi) + 4 / scanner.views)
    low, high = grid.origin_mm[2], grid.origin_mm[2] + (grid.shape_kji[0] - 1) * grid.spacing_mm[0]
    if low < ends.min() + margin or high > ends.max() - margin:
        raise RecipeError(f"grid must lie within the scan from z = {ends.min() + margin:.1f} to "
                          f"{ends.max() - margin:.1f} mm, got slices from {low:.1f} to {high:.1f} mm")


def _radius_mm(grid: Grid, helix: Helix) -> float:
    """Return the radius about the axis of the circle that the smaller side of the image needs."""
    off = float(np.hypot(*(grid.centre_mm[:2] - np.asarray(helix.isocentre_mm))))
    return off + min(grid.shape_kji[1] * grid.spacing_mm[1], grid.shape_kji[2] * grid.spacing_mm[2]) / 2


def _add(part: Floats, readings: Floats, helix: Helix, grid: Grid, fan: _Rebinning, ramp: NDArray[np.float32],
         directions: NDArray[np.int64], slab: tuple[int, float]) -> None:
    """Add the projections along some directions, and against them, over all turns that see the slices."""
    scanner = helix.scanner
    half_turn = scanner.views // 2
    first, half_mm = slab
    start = grid.origin_mm[2] + first * grid.spacing_mm[0]
    end = start + (part.shape[2] - 1) * grid.spacing_mm[0]
    weights, pad = row_weights(helix)
    turns = _half_turns(helix, directions, start - half_mm, end + half_mm, pad)
    chosen = directions[:, None] + turns[None, :] * half_turn
    valid = (chosen + fan.view.min() >= 0) & (chosen + fan.view.max() + 3 < helix.views)
    sums = np.empty((*chosen.shape, len(fan.rays_mm), scanner.rows + 2 * pad + 1), np.float32)
    seen = chosen[valid]
    parallel = np.empty((len(seen), scanner.rows, len(fan.rays_mm)), np.float32)
    rebin(readings, seen, fan.view, fan.view_weights, fan.channel, fan.channel_weights, parallel)
    stack(_filtered(parallel, ramp, helix), weights, pad, np.flatnonzero(valid), sums.reshape(-1, *sums.shape[2:]))
    mass = np.concatenate([[0.0], np.cumsum(weights, dtype=np.float64)]).astype(np.float32)
    rays = fan.rays_mm
    x = grid.origin_mm[0] - helix.isocentre_mm[0] + np.arange(grid.shape_kji[2]) * grid.spacing_mm[2]
    y = grid.origin_mm[1] - helix.isocentre_mm[1] + np.arange(grid.shape_kji[1]) * grid.spacing_mm[1]
    step = 2 * np.pi / scanner.views
    for offset in _boxes(helix, half_mm):
        edges, apart = _edges(start + offset, grid.spacing_mm[0], part.shape[2], half_mm / len(_boxes(helix, half_mm)))
        back_project(sums.reshape(-1), valid, mass, helix.first_rad + directions * step,
                     helix.start_mm + chosen * (helix.feed_mm / scanner.views), np.where(turns % 2 == 0, 1.0, -1.0),
                     np.array([rays[0], rays[1] - rays[0]]), np.sqrt(scanner.sid_mm**2 - rays**2),
                     helix.feed_mm / (2 * np.pi) * np.arcsin(rays / scanner.sid_mm), scanner.sid_mm / scanner.row_mm,
                     x, y, min(abs(rays[0]), abs(rays[-1])), edges, apart, part)


def _edges(start_mm: float, step_mm: float, slices: int, half_mm: float) -> tuple[Array, int]:
    """Return sequences of edges (sequence, 3) of slices for `back_project`, and how many edges a slice's two are apart.

    Where slices are whole steps wide, the upper edge of one is the lower edge of another.
    """
    apart = round(2 * half_mm / step_mm)
    if 0 < apart < slices and abs(2 * half_mm / step_mm - apart) < 1e-6:
        return np.array([[start_mm - half_mm, step_mm, slices + apart]]), apart
    return np.array([[start_mm - half_mm, step_mm, slices], [start_mm + half_mm, step_mm, slices]]), slices


def _boxes(helix: Helix, half_mm: float) -> Array:
    """Return the middles of the thinner boxes that a box over z is the mean of.

    Within one, rays share their weight as a whole, so that one that sees but a part would pull the slice towards it.
    """
    scanner = helix.scanner
    count = int(np.ceil(2 * half_mm / max(BOX_SHARE * scanner.rows * scanner.row_mm, scanner.row_mm) - 1e-6))
    return (np.arange(count) - (count - 1) / 2) * (2 * half_mm / max(count, 1))


def _half_turns(helix: Helix, directions: NDArray[np.int64], low_mm: float, high_mm: float,
                pad: int) -> NDArray[np.int64]:
    """Return after how many half turns projections of these directions may see heights from low to high."""
    scanner = helix.scanner
    seen = (scanner.rows / 2 + pad) * scanner.row_mm * (1 + scanner.field_mm / 2 / scanner.sid_mm)
    seen += abs(helix.feed_mm) * scanner.fan_rad / 2 / (2 * np.pi)
    views = (np.array([low_mm - seen, high_mm + seen]) - helix.start_mm) / helix.feed_mm * scanner.views
    half_turn = scanner.views // 2
    first = int(np.ceil((max(views.min(), 0) - directions.max()) / half_turn))
    last = int(np.floor((min(views.max(), helix.views) - directions.min()) / half_turn))
    return np.arange(first, last + 1)


def _filtered(parallel: Floats, ramp: NDArray[np.float32], helix: Helix) -> Floats:
    """Return filtered projections (n, row, t), each row scaled from its slanted length to its length in plane."""
    scanner = helix.scanner
    slope = (np.arange(scanner.rows) - (scanner.rows - 1) / 2) * scanner.row_mm / scanner.sid_mm
    parallel *= (1 / np.sqrt(1 + slope**2)).astype(np.float32)[None, :, None]
    count = parallel.shape[2]
    size = scipy.fft.next_fast_len(2 * count, real=True)
    threads = numba.get_num_threads()
    spectrum = scipy.fft.rfft(parallel, size, axis=2, workers=threads)
    spectrum *= ramp
    return scipy.fft.irfft(spectrum, size, axis=2, overwrite_x=True, workers=threads)[:, :, :count]
