"""What moves while the gantry turns once: the front of the body, the heart, the patient; the table never does.

A turn runs through phases -0.5 to 0.5; at phase 0 everything lies where the labels say. Each movement is a smooth map
of the plane; nothing moves along the table. What breathing stretches gets thinner, so that its mass stays; what the
heart loses in area is blood that leaves the slice, so that its density stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct.physics import motion_kernels as kernels
from medsynth.acquire.ct.physics.options import Motion
from medsynth.core.errors import GeometryError, expected

Float32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

STILL_SHARE = 0.5  # of the body's depth, from the back: spine and back do not breathe
WALL_SHARE = 0.1  # of it, from the front: the front wall moves as one
HEART_REACH = 1.3  # what lies farther from the heart's middle than this many of its radii does not feel it
NODES = 1025  # of the heart's table
LEAST_HEART_MM2 = 400.0  # a smaller piece of heart stays


@dataclass(frozen=True, eq=False)
class Bounds:
    """Where body and heart lie in each slice of a run, in pixels (the middle of the first pixel is 0).

    Attributes
    ----------
    front, back : (k,) first and last row of the body; equal where there is none.
    heart : (k, 3) row and column of the heart's middle and its radius; radius 0 where there is none.
    """

    front: NDArray[np.float64]
    back: NDArray[np.float64]
    heart: NDArray[np.float64]


def bounds_of(body: Bools, heart: Bools | None, spacing_mm: float) -> Bounds:
    """Return the bounds from masks (k, j, i) of the body without the table, and of the heart; None for no heart."""
    count = len(body)
    front, back, found = np.zeros(count), np.zeros(count), np.zeros((count, 3))
    for k in range(count):
        rows = np.flatnonzero(body[k].any(axis=1))
        if rows.size:
            front[k], back[k] = rows[0], rows[-1]
        if heart is not None:
            j, i = np.nonzero(heart[k])
            if len(j) * spacing_mm**2 >= LEAST_HEART_MM2:
                found[k] = j.mean(), i.mean(), np.sqrt(len(j) / np.pi)
    return Bounds(front, back, found)


def phases(views: int, groups: int) -> tuple[tuple[int, int, float], ...]:
    """Return (first view, last view + 1, phase in their middle) of groups of views that share their maps.

    Examples
    --------
    >>> phases(8, 2)
    ((0, 4, -0.25), (4, 8, 0.25))
    """
    ends = np.linspace(0, views, min(groups, views) + 1).round().astype(int).tolist()
    return tuple((first, last, (first + last) / (2 * views) - 0.5) for first, last in pairwise(ends))


def moved(
    maps: Float32, spacing_mm: float, phase: float, motion: Motion, bounds: Bounds, fixed: Bools | None = None
) -> Float32:
    """Return the maps at a phase of the turn.

    A point first follows the heart, then the breath, then the patient's shift. Values are interpolated bilinearly where
    the content of a pixel came from. Breathing multiplies them by the compression of the map there: each column of
    pixels keeps its mass but for the interpolation. What leaves the grid is lost.

    Parameters
    ----------
    maps : (j, i, lane) float32 share of the basis materials; lane = slice x B + material; air is 0.
    spacing_mm : side of the square pixels.
    phase : -0.5 to 0.5 of the turn.
    bounds : of the run's slices.
    fixed : (j, i, slice) what never moves: the table. The body passes through it.

    Returns
    -------
    (j, i, lane) float32; `maps` itself where nothing moves.

    Raises
    ------
    GeometryError
        If lanes, bounds and `fixed` do not belong together, or the phase lies outside the turn.
    """
    slices = len(bounds.front)
    if maps.shape[2] % slices or (fixed is not None and fixed.shape != (*maps.shape[:2], slices)):
        raise GeometryError(f"maps {maps.shape}, {slices} slices and fixed "
                            f"{None if fixed is None else fixed.shape} must belong together")
    if not -0.5 <= phase <= 0.5:
        raise GeometryError(expected("phase", phase, "in -0.5..0.5"))
    if motion.still or phase == 0:
        return maps
    left, back = (phase * mm / spacing_mm for mm in motion.shift_mm)
    source, density = _breath(bounds, maps.shape[0], phase * motion.breathing_mm / spacing_mm, back)
    shrunk = phase * motion.heart_percent / 100
    heart = bounds.heart if shrunk else np.zeros_like(bounds.heart)
    body = maps
    if fixed is not None:
        body = np.empty_like(maps)
        kernels.without(maps, fixed, body)
    out = np.empty_like(maps)
    kernels.warp(body, source, density, left, heart, _beat(shrunk), HEART_REACH, out)
    if fixed is not None:
        kernels.add_fixed(maps, fixed, out)
    return out


def _eased(share: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a rise from 0 to 1 that starts and ends smoothly, and its slope."""
    t = np.clip(share, 0, 1)
    return t * t * (3 - 2 * t), 6 * t * (1 - t)


def _breath(bounds: Bounds, rows: int, rise: float, back: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (slices, rows): the row that each row's content came from, and the factor of its density.

    rise, back : pixels by which the front wall rises (to lower rows) and the patient slides to higher ones. A row y
    goes to y - rise w(y), w rising from 0 at the still back to 1 at the front wall. A shallow body rises less.
    """
    depth = np.maximum(bounds.back - bounds.front, 1.0)[:, None]
    still = bounds.back[:, None] - STILL_SHARE * depth
    run = (1 - STILL_SHARE - WALL_SHARE) * depth
    lift = np.clip(rise, -run / 2, run / 2) * (bounds.back > bounds.front)[:, None]
    target = np.arange(rows)[None, :] - back + np.zeros_like(depth)
    row = target.copy()
    for _ in range(60):  # slopes are at most 0.75
        row = target + lift * _eased((still - row) / run)[0]
    return np.asarray(row), np.asarray(1 / (1 + lift * _eased((still - row) / run)[1] / run))


def _beat(shrunk: float) -> NDArray[np.float64]:
    """Return (nodes,) distance from the heart's middle before the beat over that after it, at distances after it.

    A distance r goes to r (1 - shrunk f(r)), f being 1 within the heart's radius and falling to 0 at `HEART_REACH`.
    """
    before = np.linspace(0, HEART_REACH, 8 * NODES)
    after = before * (1 - shrunk * _eased((HEART_REACH - before) / (HEART_REACH - 1))[0])
    at = np.linspace(0, HEART_REACH, NODES)
    ratio = np.interp(at, after, before)
    ratio[1:] /= at[1:]
    ratio[0] = 1 / (1 - shrunk)
    return ratio
