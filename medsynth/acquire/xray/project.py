"""What rays run through: path lengths of basis materials, lengths inside structures, chords of thin things."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.acquire.xray import _kernels as kernels
from medsynth.acquire.xray.geometry import Geometry
from medsynth.core.errors import GeometryError, expected
from medsynth.core.grid import Grid
from medsynth.scene.phantom import Phantom
from medsynth.scene.projection import Shadow
from medsynth.scene.structure import BACKGROUND
from medsynth.shapes.tubes import Tubes

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# Rays are cast this far apart, in voxels as the detector sees them, and the image between them is a smooth
# interpolation: a volume of linearly interpolated voxels has nothing finer.
LATTICE_VOXELS = 0.5
# Shadows of structures are smooth over this much of the detector.
SHADOW_MM = 0.55
CHUNK_BYTES = 24e6  # planes that are worked on at a time
# The blur of voxels is taken away up to this gain, and not beyond these parts of the voxels' sampling frequency.
SHARPEST = 1.7
SHARPEN_TO = (0.32, 0.6)
SHARPEN_TAPS = 6  # on either side
MARGIN = 2 + SHARPEN_TAPS  # lattice places beyond the detector, which interpolation and sharpening reach
TILE = 32  # pixels


@dataclass(frozen=True, eq=False)
class Device:
    """Thin things of one material that are projected as they are, without voxels: wires, tubes, clips, calcifications.

    Attributes
    ----------
    name : what it is called in the truth.
    tubes : their capsules; the phantom must not hold them, too.
    tissue : a tissue-table name.
    displaces : whether the body makes room for them; not, if they lie outside it.
    """

    name: str
    tubes: Tubes
    tissue: str
    displaces: bool = True


def path_lengths(phantom: Phantom, geometry: Geometry, table: Float32, *, patches: Sequence[Phantom] = (),
                 lattice_voxels: float = LATTICE_VOXELS, sharpen: bool = True) -> Float32:
    """Return how many cm of each basis material every pixel's ray runs through.

    Parameters
    ----------
    phantom : the body; beyond its grid there is nothing.
    table : (65536, B) float32: cm of each basis material per cm of a label (`medsynth.acquire.xray.materials.Basis`).
    patches : finer phantoms of parts of the same body: within their grids they replace `phantom`. They do not overlap.
    lattice_voxels : distance of rays in voxels; pixels between them are interpolated, larger pixels get several rays.
    sharpen : take the blur away that voxels and interpolation between them make, as far as voxels hold anything.

    Returns
    -------
    (rows, columns, B) float32 in cm.
    """
    table = np.ascontiguousarray(table, np.float32)
    out = _projected(_PhantomPlanes(phantom, table), geometry, lattice_voxels, sharpen=sharpen)
    for patch in patches:
        out += _projected(_ValuePlanes(patch.grid, _difference(phantom, patch, table)), geometry, lattice_voxels,
                          sharpen=sharpen)
    return out


def difference_lengths(phantom: Phantom, other: Phantom, geometry: Geometry, table: Float32
                       ) -> tuple[tuple[int, int], Float32]:
    """Return the path lengths of `other` less those of `phantom`, on the pixels where they may differ.

    Parameters
    ----------
    phantom, other : on the same grid; only the box in which their voxels differ is projected.

    Returns
    -------
    first_ji : row and column of the crop's pixel (0, 0).
    (rows, columns, B) float32 in cm; empty where the phantoms are the same.
    """
    if phantom.grid != other.grid:
        raise GeometryError("phantoms must be on the same grid to be compared")
    differs = np.zeros(phantom.grid.shape_kji, bool)
    for name in ("labels", "neighbour", "fraction", "texture"):
        differs |= getattr(phantom, name) != getattr(other, name)
    if not differs.any():
        return (0, 0), np.zeros((0, 0, table.shape[1]), np.float32)
    box = tuple(slice(int(w.min()), int(w.max()) + 1) for w in np.nonzero(differs))
    table = np.ascontiguousarray(table, np.float32)
    one, two = (_values(_cropped(each, box), table) for each in (phantom, other))
    grid = _cropped(phantom, box).grid
    first, shape = _shadow_box(grid, geometry)
    if not all(shape):
        return (0, 0), np.zeros((0, 0, table.shape[1]), np.float32)
    planes = _ValuePlanes(grid, two - one, whole=phantom.grid)
    return first, _projected(planes, geometry, LATTICE_VOXELS, crop=(first, shape), sharpen=True)


def volume_lengths(values: NDArray[np.floating], grid: Grid, geometry: Geometry, *,
                   lattice_voxels: float = LATTICE_VOXELS) -> Float32:
    """Return line integrals of any volume, e.g. attenuation in 1/cm: a digitally reconstructed radiograph.

    Parameters
    ----------
    values : (k, j, i) on `grid`.
    lattice_voxels : as in `path_lengths`; 0 casts a ray through every pixel's middle.

    Returns
    -------
    (rows, columns) float32, value x cm.
    """
    if values.shape != grid.shape_kji:
        raise GeometryError(expected("values.shape", values.shape, f"the grid's shape {grid.shape_kji}"))
    volume = np.ascontiguousarray(values, np.float32)[..., None]
    return _projected(_ValuePlanes(grid, volume), geometry, lattice_voxels)[..., 0]


def structure_thickness(phantom: Phantom, geometry: Geometry, groups: Mapping[str, Sequence[int]], *,
                        lattice_mm: float = SHADOW_MM) -> dict[str, Shadow]:
    """Return the length of every ray inside each of many structures, partial volume counted.

    Parameters
    ----------
    groups : name -> labels that count together, e.g. an organ and its parts.
    lattice_mm : distance on the detector of the rays that are cast; between them shadows are interpolated.

    Returns
    -------
    name -> its shadow, in mm, cropped to the pixels that it reaches; structures without any are left out.
    """
    names = list(groups)
    organ = np.full(65536, -1, np.int32)
    shared: dict[int, list[int]] = {}
    for n, name in enumerate(names):
        for label in groups[name]:
            if organ[label] >= 0:
                shared.setdefault(label, []).append(n)
            else:
                organ[label] = n
    low, high = _boxes(phantom, organ, len(names))
    for label, others in shared.items():  # a label of two groups: its box counts for each
        for n in others:
            low[n] = np.minimum(low[n], low[organ[label]])
            high[n] = np.maximum(high[n], high[organ[label]])
    shadows = {}
    for n, name in enumerate(names):
        if (high[n] <= low[n]).any():
            continue
        wanted = np.zeros(65536, np.bool_)
        wanted[list(groups[name])] = True
        part = _cropped(phantom, tuple(slice(int(a), int(b)) for a, b in zip(low[n], high[n], strict=True)))
        first, shape = _shadow_box(part.grid, geometry)
        if not all(shape):
            continue
        image = _projected(_SharePlanes(part, wanted), geometry, 0.0, crop=(first, shape), lattice_mm=lattice_mm)
        shadow = _trimmed(first, 10 * np.maximum(image[..., 0], 0))
        if shadow is not None:
            shadows[name] = shadow
    return shadows


def body_box(phantom: Phantom) -> tuple[Float64, Float64]:
    """Return the lowest and the highest (3,) LPS mm of the voxels that are not background.

    Raises
    ------
    GeometryError
        If there are none.
    """
    organ = np.zeros(65536, np.int32)
    organ[BACKGROUND] = -1
    low, high = _boxes(phantom, organ, 1)
    if (high <= low).any():
        raise GeometryError("the phantom must hold a body, got nothing but background")
    corners = np.array([[(low[0], high[0] - 1)[bit >> a & 1][a] for a in range(3)] for bit in range(8)])
    places = phantom.grid.world_mm(corners)
    half = np.abs(phantom.grid.steps_mm).sum(axis=1) / 2
    return places.min(axis=0) - half, places.max(axis=0) + half


def tube_lengths(tubes: Tubes, geometry: Geometry) -> Float32:
    """Return how many cm of each pixel's rays lie in the solid part of the tubes' union; chords are exact.

    Pixels that are not much finer than the tubes are means over several rays.

    Returns
    -------
    (rows, columns) float32 in cm.
    """
    one = (1, 1, 1)
    empty = Phantom(Grid(one, (1.0, 1.0, 1.0)), np.zeros(one, np.uint16), np.zeros(one, np.uint16),
                    np.zeros(one, np.uint8), np.zeros(one, np.int16), ())
    return tube_paths(tubes, geometry, empty, np.zeros((65536, 0), np.float32))[0]


def tube_paths(tubes: Tubes, geometry: Geometry, phantom: Phantom, table: Float32) -> tuple[Float32, Float32]:
    """Return `tube_lengths`, and how much of each basis material the phantom holds where the tubes are.

    Returns
    -------
    (rows, columns) and (rows, columns, B) float32 in cm.
    """
    rows, columns = geometry.shape_ji
    solid = np.zeros((rows, columns), np.float32)
    displaced = np.zeros((rows, columns, table.shape[1]), np.float32)
    if not len(tubes.starts_mm):
        return solid, displaced
    wall = np.zeros(len(tubes.parents)) if tubes.walls_mm is None else tubes.walls_mm
    lumen = (tubes.start_radii_mm, tubes.end_radii_mm) if tubes.walls_mm is not None else (wall, wall)
    radii = tubes.start_radii_mm + wall, tubes.end_radii_mm + wall
    low, high = _pixel_boxes(tubes, radii, geometry)
    down, across = -(-rows // TILE), -(-columns // TILE)
    place, members = kernels.tile_lists(low, high, TILE, down, across)
    if not len(members):
        return solid, displaced
    # Enough rays that the thinnest tube's shadow is hit by four.
    finest = 2 * float(min(r.min() for r in radii)) * float(geometry.magnification(tubes.starts_mm).min())
    sub = int(np.clip(np.ceil(4 * geometry.pixel_mm / finest), 2, 8))
    source = np.array(geometry.source_mm)
    inverse = np.linalg.inv(phantom.grid.steps_mm)
    kernels.capsule_lengths(
        tubes.starts_mm - source, tubes.ends_mm - source, *radii, *lumen, place, members, TILE, across, source,
        np.array(geometry.origin_mm), geometry.pixel_mm * np.array(geometry.row_step),
        geometry.pixel_mm * np.array(geometry.column_step), sub, phantom.labels, phantom.neighbour, phantom.fraction,
        phantom.texture, np.ascontiguousarray(table, np.float32), phantom.grid.index_kji(source), inverse,
        float(min(phantom.grid.spacing_mm)), solid, displaced)
    return solid, displaced


class _PhantomPlanes:
    """Planes of basis materials, made of labels as they are needed."""

    def __init__(self, phantom: Phantom, table: Float32) -> None:
        filled = np.flatnonzero(np.abs(table).max(axis=1) > 0) if table.shape[1] else np.zeros(0, int)
        organ = np.full(65536, -1, np.int32)
        organ[filled] = 0
        low, high = _boxes(phantom, organ, 1)
        box = tuple(slice(int(a), int(max(a, b))) for a, b in zip(low[0], high[0], strict=True))
        self._phantom, self._table = _cropped(phantom, box), table
        self.grid, self.whole, self.lanes = self._phantom.grid, phantom.grid, table.shape[1]
        self.empty = bool((high[0] <= low[0]).any())

    def fill(self, axis: int, first: int, out: Float32) -> None:
        """Write planes from `first` on."""
        p = self._phantom
        kernels.basis_planes(p.labels, p.neighbour, p.fraction, p.texture, self._table, axis, first, out)


class _SharePlanes:
    """Planes of the share that some labels fill."""

    lanes, empty = 1, False

    def __init__(self, phantom: Phantom, wanted: NDArray[np.bool_]) -> None:
        self._phantom, self._wanted, self.grid, self.whole = phantom, wanted, phantom.grid, phantom.grid

    def fill(self, axis: int, first: int, out: Float32) -> None:
        """Write planes from `first` on."""
        p = self._phantom
        kernels.share_planes(p.labels, p.neighbour, p.fraction, self._wanted, axis, first, out)


class _ValuePlanes:
    """Planes of a volume (k, j, i, lane), which may be a part of a `whole`: its rays are then those of the whole."""

    empty = False

    def __init__(self, grid: Grid, values: Float32, *, whole: Grid | None = None) -> None:
        self.grid, self.whole, self._values, self.lanes = grid, whole or grid, values, values.shape[3]

    def fill(self, axis: int, first: int, out: Float32) -> None:
        """Write planes from `first` on."""
        kernels.value_planes(self._values, axis, first, out)


_Planes = _PhantomPlanes | _SharePlanes | _ValuePlanes


def _projected(planes: _Planes, geometry: Geometry, lattice_voxels: float, *,
               crop: tuple[tuple[int, int], tuple[int, int]] | None = None, lattice_mm: float = 0.0,
               sharpen: bool = False) -> Float32:
    """Return (rows, columns, lane) line integrals in cm, of the whole detector or of `crop`, its first and shape."""
    first, shape = ((0, 0), geometry.shape_ji) if crop is None else crop
    if planes.empty or not planes.lanes:
        return np.zeros((*shape, planes.lanes), np.float32)
    step = lattice_mm or lattice_voxels * _voxel_mm(planes.whole, geometry)
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
    row, row_count = _lattice_range(first[0], shape[0], geometry.pixel_mm / step)
    column, column_count = _lattice_range(first[1], shape[1], geometry.pixel_mm / step)
    # The lattice is tied to the detector's pixel (0, 0), so that a crop is a part of the whole.
    rays = Geometry(geometry.source_mm, _vector(geometry.pixels_mm(row * step / geometry.pixel_mm,
                                                                   column * step / geometry.pixel_mm)),
                    geometry.row_step, geometry.column_step, step, (row_count, column_count))
    coarse = _cast(planes, rays)
    if sharpen:
        coarse = _sharpened(coarse, planes.whole, geometry, step)
    row_at, row_taps = _taps(first[0], shape[0], geometry.pixel_mm / step, row)
    column_at, column_taps = _taps(first[1], shape[1], geometry.pixel_mm / step, column)
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
    source, origin = grid.index_kji(rays.source_mm), grid.index_kji(rays.origin_mm)
    inverse = np.linalg.inv(grid.steps_mm)
    down, right = (rays.pixel_mm * inverse @ np.array(step) for step in (rays.row_step, rays.column_step))
    row = np.arange(rays.shape_ji[0])[:, None]
    column = np.arange(rays.shape_ji[1])[None, :]
    length_mm = np.linalg.norm(rays.pixels_mm(row, column) - rays.source_mm, axis=-1).astype(np.float32)
    for axis in _main_axes(source, origin, down, right, rays.shape_ji):
        count = grid.shape_kji[axis]
        across = [grid.shape_kji[a] + 2 for a in range(3) if a != axis]
        chunk = int(np.clip(CHUNK_BYTES / (4 * planes.lanes * across[0] * across[1]), 1, count))
        buffer = np.empty((chunk, *across, planes.lanes), np.float32)
        for first in range(0, count, chunk):
            part = buffer[:min(chunk, count - first)]
            planes.fill(axis, first, part)
            kernels.add_planes(part, first, axis, source, origin, down, right, length_mm, out)
    return out


def _main_axes(source: Float64, origin: Float64, down: Float64, right: Float64, shape_ji: tuple[int, int]
               ) -> Iterator[int]:
    """Yield the axes along which some ray runs most: those of the image's border suffice, and its middle."""
    rows, columns = shape_ji
    r, c = np.arange(rows), np.arange(columns)
    places = np.concatenate([np.stack([r, np.zeros_like(r)], 1), np.stack([r, np.full_like(r, columns - 1)], 1),
                             np.stack([np.zeros_like(c), c], 1), np.stack([np.full_like(c, rows - 1), c], 1),
                             [[rows // 2, columns // 2]]])
    rays = np.abs(origin + places[:, :1] * down + places[:, 1:] * right - source)
    yield from sorted(set(rays.argmax(axis=1).tolist()))


def _voxel_mm(grid: Grid, geometry: Geometry) -> float:
    """Return the finest spacing across the central ray, as large as the detector sees the grid's middle."""
    along = np.abs(np.asarray(grid.direction).T @ geometry.normal)
    across = [mm for mm, part in zip(grid.spacing_mm, along, strict=True) if part < along.max() or part < 0.9]
    return min(across) * float(geometry.magnification(grid.centre_mm))


def _divided(geometry: Geometry, every: int) -> Geometry:
    """Return `every` x `every` rays for each pixel."""
    if every == 1:
        return geometry
    offset = (1 - every) / (2 * every)
    return Geometry(geometry.source_mm, _vector(geometry.pixels_mm(offset, offset)), geometry.row_step,
                    geometry.column_step, geometry.pixel_mm / every,
                    (geometry.shape_ji[0] * every, geometry.shape_ji[1] * every))


def enlarged(blocks: Float32, every: int, shape_ji: tuple[int, int]) -> Float32:
    """Return an image (rows, columns) float32 from one of blocks of `every` x `every` pixels, smoothly."""
    padded = np.pad(blocks, MARGIN, mode="edge")
    at, taps = zip(*(_taps(0, n, 1 / every, -MARGIN, offset=(1 - every) / (2 * every)) for n in shape_ji), strict=True)
    out = np.empty((*shape_ji, 1), np.float32)
    kernels.enlarge(padded[..., None], at[0], taps[0], at[1], taps[1], out)
    return out[..., 0]


def _averaged(values: Float32, every: int) -> Float32:
    if every == 1:
        return values
    rows, columns, lanes = values.shape
    return values.reshape(rows // every, every, columns // every, every, lanes).mean(axis=(1, 3), dtype=np.float32)


def _lattice_range(first: int, count: int, scale: float) -> tuple[int, int]:
    """Return the first lattice place and how many there are for pixels `first` on."""
    low = int(np.floor(first * scale)) - MARGIN
    return low, int(np.floor((first + count - 1) * scale)) + 2 + MARGIN - low


def _taps(first: int, count: int, scale: float, low: int, offset: float = 0.0) -> tuple[NDArray[np.int64], Float32]:
    """Return for pixels `first` on the first of four lattice places and their weights: cubic, through the values.

    The interpolation is Keys' (a = -1/2, doi:10.1109/TASSP.1981.1163711): local, and third order.
    """
    at = np.arange(first, first + count) * scale + offset
    base = np.floor(at)
    f = at - base
    taps = np.stack([((-0.5 * f + 1) * f - 0.5) * f, (1.5 * f - 2.5) * f * f + 1, ((-1.5 * f + 2) * f + 0.5) * f,
                     (0.5 * f - 0.5) * f * f], axis=1)
    return (base - 1 - low).astype(np.int64), taps.astype(np.float32)


def _cropped(phantom: Phantom, box: tuple[slice, ...]) -> Phantom:
    """Return a part of a phantom; its arrays are views."""
    first = [s.start for s in box]
    k, j, i = (max(1, s.stop - s.start) for s in box)
    grid = Grid((k, j, i), phantom.grid.spacing_mm, _vector(phantom.grid.world_mm(first)), phantom.grid.direction)
    return Phantom(grid, phantom.labels[box], phantom.neighbour[box], phantom.fraction[box], phantom.texture[box],
                   phantom.structures)


def _boxes(phantom: Phantom, organ: NDArray[np.int32], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the (count, 3) boxes of the organs' voxels, first and one past the last; empty ones end at 0."""
    shape = phantom.grid.shape_kji
    low = np.full((shape[0], count, 3), max(shape), np.int32)
    high = np.zeros((shape[0], count, 3), np.int32)
    kernels.boxes(phantom.labels, phantom.neighbour, phantom.fraction, organ, low, high)
    return low.min(axis=0).astype(np.int64), high.max(axis=0).astype(np.int64)


def _shadow_box(grid: Grid, geometry: Geometry) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return first pixel and shape of the part of the detector that a grid's voxels can reach, with a margin."""
    top = np.asarray(grid.shape_kji) - 1
    # Interpolation reaches one voxel beyond the outermost centres.
    corners = np.array([[(-1, int(top[a]) + 1)[bit >> a & 1] for a in range(3)] for bit in range(8)])
    row, column = geometry.project_mm(grid.world_mm(corners))
    step = max(LATTICE_VOXELS * _voxel_mm(grid, geometry), SHADOW_MM, geometry.pixel_mm)
    margin = int(np.ceil((MARGIN + 1) * step / geometry.pixel_mm)) + 1  # of interpolation and sharpening
    first, shape = [], []
    for values, count in ((row, geometry.shape_ji[0]), (column, geometry.shape_ji[1])):
        low = int(np.clip(np.floor(values.min()) - margin, 0, count))
        high = int(np.clip(np.ceil(values.max()) + margin + 1, low, count))
        first.append(low)
        shape.append(high - low)
    return (first[0], first[1]), (shape[0], shape[1])


def _trimmed(first: tuple[int, int], thickness_mm: Float32) -> Shadow | None:
    """Return the shadow without empty rows and columns, or None."""
    rows = np.flatnonzero(thickness_mm.max(axis=1) > 0)
    columns = np.flatnonzero(thickness_mm.max(axis=0) > 0)
    if not len(rows):
        return None
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return Shadow((first[0] + int(rows[0]), first[1] + int(columns[0])), np.ascontiguousarray(thickness_mm[box]))


def _values(phantom: Phantom, table: Float32) -> Float32:
    """Return the basis maps (k, j, i, B) of a (small) phantom."""
    k, j, i = phantom.grid.shape_kji
    out = np.empty((k, j + 2, i + 2, table.shape[1]), np.float32)
    kernels.basis_planes(phantom.labels, phantom.neighbour, phantom.fraction, phantom.texture, table, 0, 0, out)
    return np.ascontiguousarray(out[:, 1:-1, 1:-1])


def _difference(phantom: Phantom, patch: Phantom, table: Float32) -> Float32:
    """Return the basis maps of a patch less those of `phantom`, interpolated at its voxels."""
    to_index = np.linalg.inv(phantom.grid.steps_mm)
    out = _values(patch, table)
    kernels.subtract_sampled(phantom.labels, phantom.neighbour, phantom.fraction, phantom.texture, table,
                             to_index @ patch.grid.steps_mm, phantom.grid.index_kji(patch.grid.origin_mm), out)
    return out


def _pixel_boxes(tubes: Tubes, radii: tuple[Float64, Float64], geometry: Geometry
                 ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the (n, 2) boxes of pixels that each capsule's shadow may meet."""
    lows, highs = [], []
    for points, radius in zip((tubes.starts_mm, tubes.ends_mm), radii, strict=True):
        depth = geometry.sid_mm / geometry.magnification(points)
        if np.any(depth <= radius):
            raise GeometryError("tubes must lie before the source, got one that reaches it")
        row, column = geometry.project_mm(points)
        # A ball's shadow is an ellipse whose half axis is at most this.
        oblique = np.linalg.norm(points - geometry.source_mm, axis=1) / depth
        reach = geometry.sid_mm / (depth - radius) * radius * oblique**2 / geometry.pixel_mm + 1
        lows.append(np.stack([row - reach, column - reach], axis=1))
        highs.append(np.stack([row + reach, column + reach], axis=1))
    return (np.floor(np.minimum(*lows)).astype(np.int64), np.ceil(np.maximum(*highs)).astype(np.int64))


def _vector(values: Float64) -> tuple[float, float, float]:
    x, y, z = np.asarray(values, float).tolist()
    return (x, y, z)
