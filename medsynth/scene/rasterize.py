"""Scene x Grid -> Phantom: every structure at its true partial volume, fine ones included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import GeometryError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.extent import box_on, lattice_step_mm
from medsynth.scene.field_kernels import paint_field
from medsynth.scene.phantom import Phantom
from medsynth.scene.posture import displaced, pushed, touches
from medsynth.scene.structure import Lesion, Paint, Push, Scene, Structure, organ_labels
from medsynth.scene.texture_kernels import fill_texture
from medsynth.scene.tube_kernels import PATTERNS, SAMPLES, TUBE_BLOCK, bin_capsules, paint_capsules
from medsynth.shapes.base import Box
from medsynth.shapes.brick_kernels import BRICK
from medsynth.shapes.noise import STEPS_PER_WAVELENGTH, TILE, CoherentNoise
from medsynth.shapes.sampled import SampledShape, sample
from medsynth.shapes.tubes import Tubes
from medsynth.shapes.warp import Composed

TEXTURE_OVERSAMPLING = 2
STILL_MM = 0.01  # what a mass effect moves less than this stays as it was
STILL_STEP_MM = 3.0  # how closely that is asked

Voxelise = Callable[[Scene, Grid], Phantom]  # `rasterize`, or what stands in for it


def rasterize(scene: Scene, grid: Grid) -> Phantom:
    """Voxelise `scene` on `grid`: painting steps in order, then the textures.

    The same scene gives the same body on every grid; the result does not depend on the number of threads.
    """
    phantom = _empty(grid, scene.structures)
    tables = _tables(phantom.structures)
    for paint in scene.paints:
        _paint(phantom, paint, tables)
    _texture(phantom, scene.structures, scene.texture_seed, None)
    return phantom


def with_lesions(healthy: Phantom, scene: Scene, lesions: Sequence[Lesion]) -> tuple[Phantom, Phantom]:
    """Return the body with its lesions, and the anatomy beside them: displaced and changed, but without the lesions.

    Voxels that no lesion reaches (see `lesion_reach_mm`) are those of `healthy`; the anatomy is `healthy` itself where
    no lesion pushes or changes anything.

    Parameters
    ----------
    healthy : `scene` on its grid.
    """
    lesions = displaced(lesions)
    anatomy = healthy
    if any(lesion.pushes or lesion.changes for lesion in lesions):
        anatomy = _copy(healthy, healthy.structures)
        _push(anatomy, scene, [push for lesion in lesions for push in lesion.pushes])
        tables = _tables(anatomy.structures)
        before = _copy(anatomy, anatomy.structures)
        for lesion in lesions:
            for paint in lesion.changes:
                _paint(anatomy, paint, tables)
        _texture(anatomy, scene.structures, scene.texture_seed, before)
    parts = tuple(s for lesion in lesions for s in lesion.structures)
    ill = _copy(anatomy, anatomy.structures + parts)
    tables = _tables(ill.structures)
    for lesion in lesions:
        for paint in lesion.paints:
            _paint(ill, paint, tables)
    _texture(ill, parts, scene.texture_seed, anatomy)
    return ill, anatomy


def _copy(phantom: Phantom, structures: tuple[Structure, ...]) -> Phantom:
    return Phantom(phantom.grid, phantom.labels.copy(), phantom.neighbour.copy(), phantom.fraction.copy(),
                   phantom.texture.copy(), structures)


def _push(phantom: Phantom, scene: Scene, pushes: Sequence[Push]) -> None:
    """Voxelise the displaced body anew where something moves."""
    for group in _overlapping(pushes):
        ends = np.array([push.bounds_mm for push in group])
        box: Box = tuple(ends[:, 0].min(0).tolist()), tuple(ends[:, 1].max(0).tolist())
        on_grid = box_on(phantom.grid, box)
        if on_grid is None:
            continue
        part = phantom.grid.crop(*on_grid)
        corners = part.corners_mm()
        around: Box = tuple(corners.min(0).tolist()), tuple(corners.max(0).tolist())
        moved, moves = rasterize(pushed(scene, group, around), part), _moving(part, group)
        at = tuple(slice(a, b) for a, b in zip(*on_grid, strict=True))
        for name in ("labels", "neighbour", "fraction", "texture"):
            np.copyto(getattr(phantom, name)[at], getattr(moved, name), where=moves)


def _moving(grid: Grid, pushes: Sequence[Push]) -> NDArray[np.bool_]:
    """Return where a grid's voxels come from elsewhere: the others keep what they were, bit for bit."""
    strides = [max(1, int(STILL_STEP_MM / spacing)) for spacing in grid.spacing_mm]
    k, j, i = (np.arange(0, n + stride, stride) for n, stride in zip(grid.shape_kji, strides, strict=True))
    points = grid.world_mm(np.stack(np.meshgrid(k, j, i, indexing="ij"), axis=-1))
    warp = Composed(tuple(push.warp for push in pushes))
    moves = np.linalg.norm(warp.inverse_displacement_mm(points), axis=-1).astype(np.float32)
    for axis, (count, stride) in enumerate(zip(grid.shape_kji, strides, strict=True)):
        at = np.arange(count) / stride
        low, share = at.astype(int), (at % 1).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        moves = (1 - share) * moves.take(low, axis) + share * moves.take(low + 1, axis)
    return moves > STILL_MM


def _overlapping(pushes: Sequence[Push]) -> list[list[Push]]:
    """Return the pushes in groups whose boxes touch: each group is voxelised once."""
    groups: list[list[Push]] = []
    for push in pushes:
        low, high = np.asarray(push.bounds_mm)
        near = [group for group in groups
                if any(np.all(low < one.bounds_mm[1]) and np.all(high > one.bounds_mm[0]) for one in group)]
        groups = [group for group in groups if group not in near]
        groups.append([*(one for group in near for one in group), push])
    return groups


def _empty(grid: Grid, structures: tuple[Structure, ...]) -> Phantom:
    shape = grid.shape_kji
    return Phantom(
        grid,
        np.zeros(shape, np.uint16),
        np.zeros(shape, np.uint16),
        np.zeros(shape, np.uint8),
        np.zeros(shape, np.int16),
        structures,
    )


Tables = tuple[NDArray[np.uint16], NDArray[np.uint16]]  # from a label to its organ's, and to its material's number


def _tables(structures: tuple[Structure, ...]) -> Tables:
    return organ_labels(structures), _materials(structures)


def _paint(phantom: Phantom, paint: Paint, tables: Tables) -> None:
    over = np.ones(65536, np.bool_) if not paint.over else np.zeros(65536, np.bool_)
    over[list(paint.over)] = True
    organ, material = tables
    if isinstance(paint.shape, Tubes):
        _paint_tubes(phantom, paint.shape, paint, over, organ, material)
        return
    corners = phantom.grid.corners_mm()
    if isinstance(paint.shape, SampledShape) or touches(paint, corners.min(0), corners.max(0)):
        field = sample(paint.shape, paint.lattice_mm or lattice_step_mm(paint.shape))
        _paint_field(phantom, field, paint, over, organ, material)


def _materials(structures: tuple[Structure, ...]) -> NDArray[np.uint16]:
    """Return the (65536,) table from a label to a number that structures of the same material share."""
    table, numbers = np.zeros(65536, np.uint16), {}  # type: ignore[var-annotated]
    for s in structures:
        table[s.label] = numbers.setdefault((s.tissue, s.mixture, s.enhancement), len(numbers) + 1)
    return table


def _lattice_map(grid: Grid, field: SampledShape) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    steps = grid.steps_mm / field.step_mm
    start = (np.asarray(grid.origin_mm) - np.asarray(field.origin_mm)) / field.step_mm
    return np.ascontiguousarray(steps), start


def _paint_field(
    phantom: Phantom,
    field: SampledShape,
    paint: Paint,
    over: NDArray[np.bool_],
    organ: NDArray[np.uint16],
    material: NDArray[np.uint16],
) -> None:
    insets = np.array([layer.inset_mm for layer in paint.layers])
    if np.any(np.diff(insets) < 0):
        raise GeometryError(f"layers must be listed from the outside in, got insets {insets.tolist()}")
    owners = 1 if field.owner is None else int(field.owner.max()) + 1
    labels = np.empty((len(insets), owners), np.int64)
    for row, layer in zip(labels, paint.layers, strict=True):
        row[:] = layer.label if isinstance(layer.label, int) else layer.label[:owners]
    bounds = field.bricks
    box = _nodes_below(field, field.step_mm - float(insets[0]))
    if box is None:
        return
    ends = np.asarray(field.origin_mm) + box * field.step_mm
    corners = np.array([[ends[a][0], ends[b][1], ends[c][2]] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    index = phantom.grid.index_kji(corners)
    low = np.clip(np.floor(index.min(0)).astype(np.int64), 0, phantom.grid.shape_kji)
    high = np.clip(np.ceil(index.max(0)).astype(np.int64) + 1, 0, phantom.grid.shape_kji)
    if np.any(high <= low):
        return
    steps, start = _lattice_map(phantom.grid, field)
    owner = field.owner if field.owner is not None else np.zeros((1, 1, 1), np.uint8)
    paint_field(
        phantom.labels,
        phantom.neighbour,
        phantom.fraction,
        field.values_mm,
        owner,
        field.owner is not None,
        bounds.low_mm,
        bounds.high_mm,
        bounds.steep_mm,
        steps,
        start,
        low,
        high,
        insets,
        labels,
        over,
        bool(over.all()),
        organ,
        material,
    )


def _nodes_below(field: SampledShape, level_mm: float) -> NDArray[np.int64] | None:
    """Return the box (first, last) x (x, y, z) of the bricks of nodes below a level and a brick more; None for none."""
    near = field.bricks.low_mm < level_mm
    if not near.any():
        return None
    box = np.empty((2, 3), np.int64)
    for axis, nodes in zip((2, 1, 0), field.values_mm.shape, strict=True):
        hit = np.flatnonzero(near.any(axis=tuple(a for a in range(3) if a != 2 - axis)))
        box[0, axis], box[1, axis] = max(hit[0] - 1, 0) * BRICK, min((hit[-1] + 2) * BRICK, nodes - 1)
    return box


@lru_cache(maxsize=1)
def _samples() -> NDArray[np.float64]:
    """Sub-samples of the unit cell centred at 0, (patterns, samples, 3): shifted copies of one rank-1 sequence.

    All projections on an axis are distinct, which keeps an axis-parallel vessel's cross-section right where a cubic
    lattice would count whole rows of samples at once.
    """
    generator = 1.22074408460575947536  # real root of x^4 = x + 1 (the R3 sequence)
    n = np.arange(SAMPLES)[:, None]
    shifts = np.random.Generator(np.random.PCG64(1)).uniform(size=(PATTERNS, 1, 3))
    points: NDArray[np.float64] = (shifts + n * generator ** -np.array([1.0, 2.0, 3.0])) % 1.0
    return points - 0.5


def _samples_mm(steps_mm: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the sub-samples as offsets from a voxel's middle, (patterns, 3, samples) LPS mm."""
    return np.ascontiguousarray(np.moveaxis(_samples() @ steps_mm.T, 1, 2), np.float32)


def _paint_tubes(
    phantom: Phantom,
    tubes: Tubes,
    paint: Paint,
    over: NDArray[np.bool_],
    organ: NDArray[np.uint16],
    material: NDArray[np.uint16],
) -> None:
    if len(tubes.starts_mm) == 0:
        return
    grid = phantom.grid
    outer, inner = paint.layers[0].label, paint.layers[-1].label
    if not (isinstance(outer, int) and isinstance(inner, int)) or len(paint.layers) > 2:
        raise GeometryError("tubes take one layer, or two: the wall and the lumen")
    walls = tubes.walls_mm if tubes.walls_mm is not None else np.zeros(len(tubes.starts_mm))
    steps = np.ascontiguousarray(grid.steps_mm)
    inverse = np.ascontiguousarray(np.linalg.inv(steps))
    blocks = np.array([-(-n // TUBE_BLOCK) for n in grid.shape_kji], np.int64)
    reach = np.maximum(tubes.start_radii_mm, tubes.end_radii_mm) + walls + np.linalg.norm(steps.sum(axis=1))
    origin = np.asarray(grid.origin_mm)
    counts = np.zeros(int(blocks.prod()), np.int64)
    none = np.zeros(0, np.int64)
    bin_capsules(tubes.starts_mm, tubes.ends_mm, reach, origin, inverse, blocks, TUBE_BLOCK, counts, none, False)
    used = np.flatnonzero(counts)
    if used.size == 0:
        return
    ends = np.cumsum(counts)
    cursor = ends - counts
    members = np.empty(int(ends[-1]), np.int64)
    offsets = np.concatenate([cursor[used], ends[used[-1:]]])
    bin_capsules(tubes.starts_mm, tubes.ends_mm, reach, origin, inverse, blocks, TUBE_BLOCK, cursor, members, True)
    paint_capsules(
        phantom.labels,
        phantom.neighbour,
        phantom.fraction,
        tubes.starts_mm,
        tubes.ends_mm,
        tubes.start_radii_mm,
        tubes.end_radii_mm,
        walls,
        members,
        offsets,
        used,
        blocks,
        steps,
        origin,
        inverse,
        _samples_mm(steps),
        np.array([outer, inner], np.int64),
        over,
        organ,
        material,
    )


@lru_cache(maxsize=4)
def _texture_tile(seed: int) -> NDArray[np.float32]:
    """One period of noise, (z, y, x), whose linear interpolation has unit variance on average."""
    nodes = np.arange(TILE * TEXTURE_OVERSAMPLING, dtype=np.float64)
    tile = CoherentNoise(seed, STEPS_PER_WAVELENGTH * TEXTURE_OVERSAMPLING).on_axes(nodes, nodes, nodes)
    # Between two nodes of correlation c the mean variance is (2 + c) / 3 per axis.
    kept = [(2 + float(np.mean(tile * np.roll(tile, 1, axis)) / np.mean(tile**2))) / 3 for axis in range(3)]
    tile /= np.float32(np.sqrt(np.prod(kept)))
    tile.setflags(write=False)
    return tile


def _texture(phantom: Phantom, structures: Sequence[Structure], seed: int, before: Phantom | None) -> None:
    """Write the textures of `structures`; with `before`, only voxels whose label changed can need it."""
    octaves: list[tuple[float, float]] = []
    ridges: list[tuple[float, float, float]] = []
    tables = np.zeros((4, 65536), np.int64)
    gradients, shifts = np.zeros((65536, 3)), np.zeros((65536, 3))
    wanted = np.zeros(65536, np.bool_)
    for s in structures:
        wanted[s.label] = (
            bool(s.texture.octaves or s.texture.ridges or any(s.texture.gradient_per_mm)) or before is not None
        )
        tables[:, s.label] = len(octaves), len(s.texture.octaves), len(ridges), len(s.texture.ridges)
        octaves += s.texture.octaves
        ridges += s.texture.ridges
        gradients[s.label] = s.texture.gradient_per_mm
        shifts[s.label] = Seed(seed).child("texture", s.label).rng().uniform(0, TILE * TEXTURE_OVERSAMPLING, 3)
    if not wanted.any():
        return
    tile = _texture_tile(Seed(seed).child("texture-tile").integer(32))
    fill_texture(
        phantom.texture,
        phantom.labels,
        tile,
        STEPS_PER_WAVELENGTH * TEXTURE_OVERSAMPLING,
        np.ascontiguousarray(phantom.grid.steps_mm),
        np.asarray(phantom.grid.origin_mm),
        tables[0],
        tables[1],
        np.asarray(octaves, float).reshape(-1, 2),
        tables[2],
        tables[3],
        np.asarray(ridges, float).reshape(-1, 3),
        gradients,
        shifts,
        wanted,
    )
