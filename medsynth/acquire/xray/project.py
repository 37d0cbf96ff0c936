"""What rays run through: path lengths of basis materials, lengths inside structures, chords of thin things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.xray import _kernels as kernels
from medsynth.acquire.xray.geometry import Geometry
from medsynth.acquire.xray.rays import (
    LATTICE_VOXELS,
    MARGIN,
    PhantomPlanes,
    ValuePlanes,
    cropped,
    in_voxels,
    label_boxes,
    lattice_range,
    lattice_rays,
    main_axes,
    projected,
    taps_of,
    voxel_mm,
)
from medsynth.core.errors import GeometryError, expected
from medsynth.core.grid import Grid
from medsynth.scene.phantom import Phantom
from medsynth.scene.projection import Shadow
from medsynth.scene.structure import BACKGROUND
from medsynth.shapes.tubes import Tubes

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# Shadows of structures are smooth over this much of the detector.
SHADOW_MM = 0.55
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
    table : (65536, B) float32: cm of each basis material per cm of a label (`medsynth.acquire.common.basis.Basis`).
    patches : finer phantoms of parts of the same body: within their grids they replace `phantom`. They do not overlap.
    lattice_voxels : distance of rays in voxels; pixels between them are interpolated, larger pixels get several rays.
    sharpen : take the blur away that voxels and interpolation between them make, as far as voxels hold anything.

    Returns
    -------
    (rows, columns, B) float32 in cm.
    """
    table = np.ascontiguousarray(table, np.float32)
    out = projected(PhantomPlanes(phantom, table), geometry, lattice_voxels, sharpen=sharpen)
    for patch in patches:
        out += projected(ValuePlanes(patch.grid, _difference(phantom, patch, table)), geometry, lattice_voxels,
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
    places = np.nonzero(differs)
    low, high = (np.array([f(w) for w in places]) for f in (np.min, np.max))
    table = np.ascontiguousarray(table, np.float32)
    parts = [cropped(each, low, high + 1) for each in (phantom, other)]
    one, two = (_values(part, table) for part in parts)
    grid = parts[0].grid
    first, shape = _shadow_box(grid, geometry)
    if not all(shape):
        return (0, 0), np.zeros((0, 0, table.shape[1]), np.float32)
    planes = ValuePlanes(grid, two - one, whole=phantom.grid)
    return first, projected(planes, geometry, LATTICE_VOXELS, crop=(first, shape), sharpen=True)


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
    return projected(ValuePlanes(grid, volume), geometry, lattice_voxels)[..., 0]


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
    found: dict[str, Shadow] = {}
    for names in _without_overlap(groups):
        found |= _thicknesses(phantom, geometry, {name: groups[name] for name in names}, lattice_mm)
    return {name: found[name] for name in groups if name in found}


def _without_overlap(groups: Mapping[str, Sequence[int]]) -> list[list[str]]:
    """Return the groups' names in as few lists as a greedy choice finds, no label twice in one list."""
    lists: list[tuple[list[str], set[int]]] = []
    for name, labels in groups.items():
        for names, used in lists:
            if not used & set(labels):
                names.append(name)
                used |= set(labels)
                break
        else:
            lists.append(([name], set(labels)))
    return [names for names, _ in lists]


def _thicknesses(phantom: Phantom, geometry: Geometry, groups: Mapping[str, Sequence[int]], lattice_mm: float
                 ) -> dict[str, Shadow]:
    """Return the shadows of groups that share no label."""
    organ = np.full(65536, -1, np.int32)
    for n, labels in enumerate(groups.values()):
        organ[list(labels)] = n
    low, high = label_boxes(phantom, organ, len(groups))
    scale = geometry.pixel_mm / max(lattice_mm, geometry.pixel_mm)
    starts, counts = zip(*(lattice_range(0, n, scale) for n in geometry.shape_ji), strict=True)
    rays = lattice_rays(geometry, scale, starts, counts)
    first, shape = np.zeros((len(groups), 2), np.int64), np.zeros((len(groups), 2), np.int64)
    for n in np.flatnonzero((high > low).all(axis=1)).tolist():
        first[n], shape[n] = _reached(phantom.grid, low[n] - 1, high[n], rays)
    offset = np.concatenate([[0], np.cumsum(shape.prod(axis=1))])
    flat = np.zeros(offset[-1], np.float32)
    source, origin, down, right, length_mm = in_voxels(rays, phantom.grid)
    for axis in main_axes(source, origin, down, right, rays.shape_ji) if len(flat) else ():
        kernels.organ_lengths(phantom.labels, phantom.neighbour, phantom.fraction, low.min(axis=0), high.max(axis=0),
                              organ, len(groups), axis, source, origin, down, right, length_mm, first, shape, offset,
                              flat)
    shadows = {}
    for n, name in enumerate(groups):
        lattice = flat[offset[n]:offset[n + 1]].reshape(shape[n])
        shadow = _enlarged_shadow(lattice, first[n] + starts, scale, geometry) if lattice.any() else None
        if shadow is not None:
            shadows[name] = shadow
    return shadows


def _reached(grid: Grid, low: NDArray[np.int64], high: NDArray[np.int64], rays: Geometry
             ) -> tuple[list[int], list[int]]:
    """Return first place and shape of the rays that can meet voxels with indices from `low` to `high`."""
    corners = np.array([[(low, high)[bit >> a & 1][a] for a in range(3)] for bit in range(8)])
    first, shape = [], []
    for values, count in zip(rays.project_mm(grid.world_mm(corners)), rays.shape_ji, strict=True):
        start = int(np.clip(np.floor(values.min()), 0, count))
        first.append(start)
        shape.append(int(np.clip(np.ceil(values.max()) + 1, start, count)) - start)
    return first, shape


def _enlarged_shadow(lattice: Float32, first: NDArray[np.int64], scale: float, geometry: Geometry) -> Shadow | None:
    """Return the shadow on the pixels from thickness on a part of the lattice that starts at place `first`."""
    filled = [np.flatnonzero(lattice.any(axis=1 - a)) for a in range(2)]
    box = tuple(slice(int(f[0]), int(f[-1]) + 1) for f in filled)
    around = 4  # places: what interpolation reaches, twice
    coarse = np.pad(lattice[box], around)
    at, taps, pixels = [], [], []
    for a, count in enumerate(geometry.shape_ji):
        start = int(first[a]) + box[a].start - around
        low = max(0, int(np.ceil((start + 1) / scale)))
        high = min(count, int(np.floor((start + coarse.shape[a] - 3) / scale)) + 1)
        if high <= low:
            return None
        one_at, one_taps = taps_of(low, high - low, scale, start)
        at.append(one_at)
        taps.append(one_taps)
        pixels.append((low, high))
    out = np.empty((pixels[0][1] - pixels[0][0], pixels[1][1] - pixels[1][0], 1), np.float32)
    kernels.enlarge(coarse[..., None], at[0], taps[0], at[1], taps[1], out)
    np.maximum(out, 0, out=out)
    return _trimmed((pixels[0][0], pixels[1][0]), out[..., 0])


def body_box(phantom: Phantom) -> tuple[Float64, Float64]:
    """Return the lowest and the highest (3,) LPS mm of the voxels that are not background; see `body_corners`."""
    corners = body_corners(phantom)
    return corners.min(axis=0), corners.max(axis=0)


def body_corners(phantom: Phantom) -> Float64:
    """Return the (8, 3) LPS corners of the box along the grid that holds every voxel that is not background.

    Raises
    ------
    GeometryError
        If there are none.
    """
    organ = np.zeros(65536, np.int32)
    organ[BACKGROUND] = -1
    low, high = label_boxes(phantom, organ, 1)
    if (high <= low).any():
        raise GeometryError("the phantom must hold a body, got nothing but background")
    return phantom.grid.world_mm(np.array([[(low[0] - 0.5, high[0] - 0.5)[bit >> a & 1][a] for a in range(3)]
                                           for bit in range(8)]))


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


def _values(phantom: Phantom, table: Float32) -> Float32:
    """Return the basis maps (k, j, i, B) of a (small) phantom."""
    k, j, i = phantom.grid.shape_kji
    out = np.empty((k, j + 2, i + 2, table.shape[1]), np.float32)
    kernels.basis_planes(phantom.labels, phantom.neighbour, phantom.fraction, phantom.texture, table, 0,
                         np.zeros(3, np.int64), out)
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


def _shadow_box(grid: Grid, geometry: Geometry) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return first pixel and shape of the part of the detector that a grid's voxels can reach, with a margin."""
    top = np.asarray(grid.shape_kji) - 1
    # Interpolation reaches one voxel beyond the outermost centres.
    corners = np.array([[(-1, int(top[a]) + 1)[bit >> a & 1] for a in range(3)] for bit in range(8)])
    row, column = geometry.project_mm(grid.world_mm(corners))
    step = max(LATTICE_VOXELS * voxel_mm(grid, geometry), geometry.pixel_mm)
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
