"""Rays through planes of voxels, and the lattice of rays whose smooth interpolation is the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.acquire.xray import _kernels as kernels
from medsynth.acquire.xray.geometry import Geometry, vector
from medsynth.core.grid import Grid
from medsynth.scene.phantom import Phantom

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# Rays are cast this far apart, in voxels as the detector sees them, and the image between them is a smooth
# interpolation: a volume of linearly interpolated voxels has nothing finer.
LATTICE_VOXELS = 0.5
CHUNK_BYTES = 24e6  # planes that are worked on at a time
# The blur of voxels is taken away up to this gain, and not beyond these parts of the voxels' sampling frequency.
SHARPEST = 1.7
SHARPEN_TO = (0.32, 0.6)
SHARPEN_TAPS = 6  # on either side
MARGIN = 2 + SHARPEN_TAPS  # lattice places beyond the detector, which interpolation and sharpening reach


class PhantomPlanes:
    """Planes of basis materials of the part of a phantom that holds any, made of labels as they are needed."""

    def __init__(self, phantom: Phantom, table: Float32) -> None:
        filled = np.flatnonzero(np.abs(table).max(axis=1) > 0) if table.shape[1] else np.zeros(0, int)
        organ = np.full(65536, -1, np.int32)
        organ[filled] = 0
        low, high = label_boxes(phantom, organ, 1)
        self.empty = bool((high[0] <= low[0]).any())
        self._phantom, self._table, self._low = phantom, table, low[0]
        self.whole, self.lanes = phantom.grid, table.shape[1]
        self.grid = phantom.grid if self.empty else _part(phantom.grid, low[0], high[0])

    def fill(self, axis: int, first: int, out: Float32) -> None:
        """Write planes from `first` on."""
        p, start = self._phantom, self._low.copy()
        start[axis] += first
        kernels.basis_planes(p.labels, p.neighbour, p.fraction, p.texture, self._table, axis, start, out)


class ValuePlanes:
    """Planes of a volume (k, j, i, lane), which may be a part of a `whole`: its rays are then those of the whole."""

    def __init__(self, grid: Grid, values: Float32, *, whole: Grid | None = None) -> None:
        low = np.full((len(values), 3), max(values.shape), np.int64)
        high = np.zeros((len(values), 3), np.int64)
        kernels.filled_box(values, low, high)
        self.empty = not high.any()
        self._values, self._low, self.lanes = values, low.min(axis=0), values.shape[3]
        self.whole = whole or grid
        self.grid = grid if self.empty else _part(grid, self._low, high.max(axis=0))

    def fill(self, axis: int, first: int, out: Float32) -> None:
        """Write planes from `first` on."""
        start = self._low.copy()
        start[axis] += first
        kernels.value_planes(self._values, axis, start, out)


_Planes = PhantomPlanes | ValuePlanes


def projected(planes: _Planes, geometry: Geometry, lattice_voxels: float, *,
               crop: tuple[tuple[int, int], tuple[int, int]] | None = None, sharpen: bool = False) -> Float32:
    """Return (rows, columns, lane) line integrals in cm, of the whole detector or of `crop`, its first and shape."""
    first, shape = ((0, 0), geometry.shape_ji) if crop is None else crop
    if planes.empty or not planes.lanes:
        return np.zeros((*shape, planes.lanes), np.float32)
    step = lattice_voxels * voxel_mm(planes.whole, geometry)
    if step <= 0:
        return _cast(planes, geometry.crop(first, shape))
    if step < 1.25 * geometry.pixel_mm:
        every = int(np.ceil(geometry.pixel_mm / step - 1e-6)) if step < geometry.pixel_mm else 1
        more = SHARPEN_TAPS if sharpen else 0  # pixels around, which sharpening reaches
        around = geometry.crop((first[0] - more, first[1] - more), (shape[0] + 2 * more, shape[1] + 2 * more))
        image = _cast(planes, _divided(around, every))
        if sharpen:
            image = _sharpened(image, planes.whole, geometry, geometry.pixel_mm / every)
        return np.ascontiguousarray(_averaged(image, every)[more:more + shape[0], more:more + shape[1]])
    row, row_count = lattice_range(first[0], shape[0], geometry.pixel_mm / step)
    column, column_count = lattice_range(first[1], shape[1], geometry.pixel_mm / step)
    coarse = _cast(planes, lattice_rays(geometry, geometry.pixel_mm / step, (row, column), (row_count, column_count)))
    if sharpen:
        coarse = _sharpened(coarse, planes.whole, geometry, step)
    row_at, row_taps = taps_of(first[0], shape[0], geometry.pixel_mm / step, row)
    column_at, column_taps = taps_of(first[1], shape[1], geometry.pixel_mm / step, column)
    out = np.empty((*shape, planes.lanes), np.float32)
    kernels.enlarge(coarse, row_at, row_taps, column_at, column_taps, out)
    return out


def _sharpened(image: Float32, grid: Grid, geometry: Geometry, step_mm: float) -> Float32:
    """Return an image (rows, columns, lane) of rays `step_mm` apart without the blur of voxels.

    A voxel holds the mean over its box, and interpolation spreads it over a tent in the plane across the rays' main
    axis: together sinc^3 of the voxel's width as the detector sees it.
    """
    for axis, direction in enumerate((geometry.row_step, geometry.column_step)):
        width_mm = _blur_mm(grid, geometry, np.array(direction))
        if width_mm > 1.2 * step_mm:
            ndimage.convolve1d(image, _sharpening(round(width_mm / step_mm, 3)), axis=axis, output=image,
                               mode="nearest")
    return image


def _blur_mm(grid: Grid, geometry: Geometry, direction: Float64) -> float:
    """Return the width on the detector along `direction` whose sinc^3 is the blur of a grid's voxels."""
    ray = grid.centre_mm - geometry.source_mm
    seen = direction - geometry.normal * (direction @ ray) / (geometry.normal @ ray)  # of steps, along the ray
    scale = float(geometry.magnification(grid.centre_mm))
    parts = np.square(scale * (seen @ grid.steps_mm))
    main = int(np.argmax(np.abs(np.linalg.inv(grid.steps_mm) @ ray)))
    in_plane = parts.sum() - parts[main]
    return float(np.sqrt((parts.sum() + 2 * in_plane) / 3))


@lru_cache(maxsize=64)
def _sharpening(width: float) -> Float64:
    """Return the (2 n + 1) taps that undo sinc^3 of `width` samples: a least-squares fit, their sum 1."""
    cycles = (np.arange(512) + 0.5) / 1024  # per sample
    voxels = cycles * width
    gain = np.minimum(1 / np.maximum(np.sinc(voxels), 0.05) ** 3, SHARPEST)
    low, high = SHARPEN_TO
    fade = 0.5 + 0.5 * np.cos(np.pi * np.clip((voxels - low) / (high - low), 0, 1))
    wanted = np.where(voxels < 1, 1 + (gain - 1) * fade, 1.0)
    design = 2 * np.cos(2 * np.pi * np.outer(cycles, np.arange(1, SHARPEN_TAPS + 1))) - 2
    side = np.linalg.lstsq(design, wanted - 1, rcond=None)[0]
    return np.concatenate([side[::-1], [1 - 2 * side.sum()], side])


def _cast(planes: _Planes, rays: Geometry) -> Float32:
    """Return (rows, columns, lane) line integrals in cm along the rays through every pixel's middle."""
    grid = planes.grid
    out = np.zeros((*rays.shape_ji, planes.lanes), np.float32)
    source, origin, down, right, length_mm = in_voxels(rays, grid)
    for axis in main_axes(source, origin, down, right, rays.shape_ji):
        count = grid.shape_kji[axis]
        across = [grid.shape_kji[a] + 2 for a in range(3) if a != axis]
        chunk = int(np.clip(CHUNK_BYTES / (4 * planes.lanes * across[0] * across[1]), 1, count))
        buffer = np.empty((chunk, *across, planes.lanes), np.float32)
        for first in range(0, count, chunk):
            part = buffer[:min(chunk, count - first)]
            planes.fill(axis, first, part)
            kernels.add_planes(part, first, axis, source, origin, down, right, length_mm, out)
    return out


def in_voxels(rays: Geometry, grid: Grid) -> tuple[Float64, Float64, Float64, Float64, Float32]:
    """Return source, first pixel and steps (3,) in voxel indices, and the length in mm (rows, columns) of every ray."""
    inverse = np.linalg.inv(grid.steps_mm)
    down, right = (rays.pixel_mm * inverse @ np.array(step) for step in (rays.row_step, rays.column_step))
    row, column = np.arange(rays.shape_ji[0])[:, None], np.arange(rays.shape_ji[1])[None, :]
    length_mm = np.linalg.norm(rays.pixels_mm(row, column) - rays.source_mm, axis=-1).astype(np.float32)
    return grid.index_kji(rays.source_mm), grid.index_kji(rays.origin_mm), down, right, length_mm


def main_axes(source: Float64, origin: Float64, down: Float64, right: Float64, shape_ji: tuple[int, int]
               ) -> Iterator[int]:
    """Yield the axes along which some ray runs most: those of the image's border suffice, and its middle."""
    rows, columns = shape_ji
    r, c = np.arange(rows), np.arange(columns)
    places = np.concatenate([np.stack([r, np.zeros_like(r)], 1), np.stack([r, np.full_like(r, columns - 1)], 1),
                             np.stack([np.zeros_like(c), c], 1), np.stack([np.full_like(c, rows - 1), c], 1),
                             [[rows // 2, columns // 2]]])
    rays = np.abs(origin + places[:, :1] * down + places[:, 1:] * right - source)
    yield from sorted(set(rays.argmax(axis=1).tolist()))


def voxel_mm(grid: Grid, geometry: Geometry) -> float:
    """Return the finest spacing across the central ray, as large as the detector sees the grid's middle."""
    along = np.abs(np.asarray(grid.direction).T @ geometry.normal)
    across = [mm for mm, part in zip(grid.spacing_mm, along, strict=True) if part < along.max() or part < 0.9]
    return min(across) * float(geometry.magnification(grid.centre_mm))


def _divided(geometry: Geometry, every: int) -> Geometry:
    """Return `every` x `every` rays for each pixel."""
    if every == 1:
        return geometry
    offset = (1 - every) / (2 * every)
    return Geometry(geometry.source_mm, vector(geometry.pixels_mm(offset, offset)), geometry.row_step,
                    geometry.column_step, geometry.pixel_mm / every,
                    (geometry.shape_ji[0] * every, geometry.shape_ji[1] * every))


def enlarged(blocks: Float32, every: int, shape_ji: tuple[int, int]) -> Float32:
    """Return an image (rows, columns) float32 from one of blocks of `every` x `every` pixels, smoothly."""
    padded = np.pad(blocks, MARGIN, mode="edge")
    offset = (1 - every) / (2 * every)  # of the first pixel's middle from the first block's
    at, taps = zip(*(taps_of(0, n, 1 / every, -MARGIN, offset=offset) for n in shape_ji), strict=True)
    out = np.empty((*shape_ji, 1), np.float32)
    kernels.enlarge(padded[..., None], at[0], taps[0], at[1], taps[1], out)
    return out[..., 0]


def _averaged(values: Float32, every: int) -> Float32:
    if every == 1:
        return values
    rows, columns, lanes = values.shape
    return values.reshape(rows // every, every, columns // every, every, lanes).mean(axis=(1, 3), dtype=np.float32)


def lattice_range(first: int, count: int, scale: float) -> tuple[int, int]:
    """Return the first lattice place and how many there are for pixels `first` on."""
    low = int(np.floor(first * scale)) - MARGIN
    return low, int(np.floor((first + count - 1) * scale)) + 2 + MARGIN - low


def lattice_rays(geometry: Geometry, scale: float, first: Sequence[int], shape: Sequence[int]) -> Geometry:
    """Return `shape` rays from place `first` of a lattice whose place (0, 0) is the detector's pixel (0, 0).

    scale : places per pixel. The lattice does not depend on the crop, so that a crop is a part of the whole.
    """
    origin = geometry.pixels_mm(first[0] / scale, first[1] / scale)
    return Geometry(geometry.source_mm, vector(origin), geometry.row_step, geometry.column_step,
                    geometry.pixel_mm / scale, (shape[0], shape[1]))


def taps_of(first: int, count: int, scale: float, low: int, offset: float = 0.0) -> tuple[NDArray[np.int64], Float32]:
    """Return for pixels `first` on the first of four lattice places and their weights: cubic, through the values.

    The interpolation is Keys' (a = -1/2, doi:10.1109/TASSP.1981.1163711): local, and third order.
    """
    at = np.arange(first, first + count) * scale + offset
    base = np.floor(at)
    f = at - base
    taps = np.stack([((-0.5 * f + 1) * f - 0.5) * f, (1.5 * f - 2.5) * f * f + 1, ((-1.5 * f + 2) * f + 0.5) * f,
                     (0.5 * f - 0.5) * f * f], axis=1)
    return (base - 1 - low).astype(np.int64), taps.astype(np.float32)


def cropped(phantom: Phantom, low: NDArray[np.int64], high: NDArray[np.int64]) -> Phantom:
    """Return a copy of the voxels from `low` up to `high`."""
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return Phantom(_part(phantom.grid, low, high), phantom.labels[box].copy(), phantom.neighbour[box].copy(),
                   phantom.fraction[box].copy(), phantom.texture[box].copy(), phantom.structures)


def _part(grid: Grid, low: NDArray[np.int64], high: NDArray[np.int64]) -> Grid:
    """Return the grid of the voxels from `low` up to `high`."""
    k, j, i = (int(b - a) for a, b in zip(low, high, strict=True))
    return Grid((k, j, i), grid.spacing_mm, vector(grid.world_mm(low)), grid.direction)


def label_boxes(phantom: Phantom, organ: NDArray[np.int32], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the (count, 3) boxes of the organs' voxels, first and one past the last; empty ones end at 0."""
    shape = phantom.grid.shape_kji
    low = np.full((shape[0], count, 3), max(shape), np.int32)
    high = np.zeros((shape[0], count, 3), np.int32)
    kernels.boxes(phantom.labels, phantom.neighbour, phantom.fraction, organ, low, high)
    return low.min(axis=0).astype(np.int64), high.max(axis=0).astype(np.int64)
