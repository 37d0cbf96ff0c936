"""Diameters of a lesion from its fraction image, to a part of a voxel: RECIST axes and the largest 3D one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist

from medsynth.core.grid import Grid

Array = NDArray[np.float64]
Fraction = NDArray[np.floating[Any]]
Point = tuple[float, float, float]

LEVEL = 0.5  # the lesion's border: where it fills half of a voxel


@dataclass(frozen=True, slots=True)
class Axes:
    """The long and the short axis of a lesion in one slice.

    Attributes
    ----------
    long_mm : the longest diameter in any slice.
    short_mm : the longest chord square to it in the same slice.
    long_ends_mm, short_ends_mm : their ends in LPS mm.
    slice_k : the slice.
    """

    long_mm: float
    short_mm: float
    long_ends_mm: tuple[Point, Point]
    short_ends_mm: tuple[Point, Point]
    slice_k: int

    @property
    def mean_mm(self) -> float:
        """Mean of both axes."""
        return (self.long_mm + self.short_mm) / 2


def border_points(fraction: Fraction) -> Array:
    """Return index positions (n, dims) where a fraction image passes one half between neighbouring voxels.

    What lies at the image's edge is taken to end one voxel further.
    """
    padded = np.pad(np.asarray(fraction, float), 1)
    found = []
    for axis in range(padded.ndim):
        size = padded.shape[axis]
        low, high = padded.take(range(size - 1), axis), padded.take(range(1, size), axis)
        at = np.nonzero((low >= LEVEL) != (high >= LEVEL))
        points = np.stack(at, axis=-1).astype(float)
        points[:, axis] += (LEVEL - low[at]) / (high[at] - low[at])
        found.append(points - 1)
    return np.concatenate(found)


def farthest_pair(points: Array) -> tuple[float, Array, Array]:
    """Return the largest distance between two of the points (n, dims), and the two."""
    if len(points) > 3 * points.shape[1]:
        points = points[ConvexHull(points, qhull_options="QJ").vertices]
    distance = cdist(points, points)
    a, b = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(distance[a, b]), points[a], points[b]


def largest_piece(fraction: Fraction) -> Array:
    """Return the fraction image with only the largest connected piece that is at least half full."""
    full = np.asarray(fraction, float)
    pieces, count = ndimage.label(full >= LEVEL)
    if count > 1:
        largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
        full = np.where((pieces == largest) | (full < LEVEL), full, 0.0)
    return full


def recist_axes(fraction: Fraction, grid: Grid) -> Axes | None:
    """Measure the long and short axis in the slices (constant k) of a fraction image (k, j, i).

    Both run between points where the fraction is one half, found by linear interpolation: for a flat border this is
    the border. None when no voxel is half full.

    References
    ----------
    RECIST 1.1: Eisenhauer et al. 2009, doi:10.1016/j.ejca.2008.10.026.
    """
    full = largest_piece(fraction)
    spacing = np.asarray(grid.spacing_mm[1:])
    best: tuple[float, Array, Array, int] | None = None
    for k in np.flatnonzero((full >= LEVEL).any(axis=(1, 2))).tolist():
        length, a, b = farthest_pair(border_points(full[k]) * spacing)
        if best is None or length > best[0]:
            best = (length, a, b, k)
    if best is None:
        return None
    long_mm, a, b, k = best
    short_mm, c, d = _longest_chord_across(full[k], spacing, a, b)

    def world(in_plane_mm: Array) -> Point:
        return tuple(grid.world_mm([k, *(in_plane_mm / spacing)]).tolist())

    return Axes(long_mm, min(short_mm, long_mm), (world(a), world(b)), (world(c), world(d)), k)


def scattered_axes(fraction: Fraction, grid: Grid) -> Axes | None:
    """Measure a group of specks too small to fill a voxel: the largest distance in 3D, and the width across it.

    Both run between the middles of voxels that hold anything. None when there is none.
    """
    at = np.argwhere(np.asarray(fraction) > 0)
    if not len(at):
        return None
    points = grid.world_mm(at.astype(float))
    step = float(np.min(grid.spacing_mm))
    long_mm, a, b = farthest_pair(points) if len(points) > 1 else (0.0, points[0], points[0])
    along = (b - a) / long_mm if long_mm > 0 else np.array([1.0, 0.0, 0.0])
    flat = points - ((points - a) @ along)[:, None] * along
    short_mm, c, d = farthest_pair(flat) if len(points) > 1 else (0.0, a, a)

    def ends(first: Array, last: Array) -> tuple[Point, Point]:
        return tuple(first.tolist()), tuple(last.tolist())

    return Axes(max(long_mm, step), max(min(short_mm, long_mm), step), ends(a, b), ends(c, d), int(np.median(at[:, 0])))


def _longest_chord_across(plane: Array, spacing: Array, a: Array, b: Array) -> tuple[float, Array, Array]:
    """Return the longest run of at least half fraction on lines square to a-b (in mm), and its ends."""
    length = float(np.linalg.norm(b - a))
    along = (b - a) / length
    across = np.array([-along[1], along[0]])
    step = 0.1 * float(spacing.min())
    stations = np.linspace(0, length, max(9, int(np.ceil(length / (0.25 * spacing.min())))))
    reach = np.arange(-np.ceil(length / step), np.ceil(length / step) + 1) * step
    points = a + stations[:, None, None] * along + reach[None, :, None] * across
    profiles = ndimage.map_coordinates(plane, np.moveaxis(points / spacing, -1, 0), order=1, mode="grid-constant")
    best = (0.0, a, a)
    for station, profile in zip(stations, profiles, strict=True):
        ends = border_points(profile)[:, 0]
        ends.sort()
        runs = ends[1::2] - ends[::2]
        if len(runs) and runs.max() * step > best[0]:
            first = int(runs.argmax()) * 2
            middle = a + station * along
            low, high = (reach[0] + ends[first + n] * step for n in (0, 1))
            best = (float(high - low), middle + low * across, middle + high * across)
    return best


def largest_diameter_mm(fraction: Fraction, grid: Grid) -> float:
    """Return the largest distance in mm between two border points in 3D; 0 when no voxel is half full."""
    full = largest_piece(fraction)
    if not (full >= LEVEL).any():
        return 0.0
    return farthest_pair(grid.world_mm(border_points(full)))[0]


def axis_ratio(fraction: Fraction, grid: Grid) -> float:
    """Return the smallest over the largest principal axis of the second moments, 0..1 (1 for a ball)."""
    at = np.nonzero(fraction)
    weights = np.asarray(fraction, float)[at]
    points = grid.world_mm(np.stack(at, axis=-1))
    points = points - np.average(points, axis=0, weights=weights)
    moments = np.einsum("n,ni,nj->ij", weights, points, points) / weights.sum()
    values = np.linalg.eigvalsh(moments)
    return float(np.sqrt(max(values[0], 0.0) / values[-1])) if values[-1] > 0 else 0.0
