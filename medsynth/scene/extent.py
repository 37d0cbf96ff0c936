"""How far shapes and lesions reach, and how finely a shape is sampled."""

from __future__ import annotations

import numpy as np

from medsynth.core.grid import Grid
from medsynth.scene.structure import Lesion
from medsynth.shapes.base import Box, Shape
from medsynth.shapes.tubes import Tubes

Index = tuple[int, int, int]


def lattice_step_mm(shape: Shape) -> float:
    """Return the lattice step that resolves a smooth shape of this size: a 24th of its smallest extent, 0.2-3 mm."""
    low, high = shape.bounds_mm()
    return float(np.clip((np.asarray(high) - np.asarray(low)).min() / 24, 0.2, 3.0))


def shape_bounds_mm(shape: Shape | Tubes) -> Box:
    """Return the LPS box of a shape or of tubes."""
    if not isinstance(shape, Tubes):
        return shape.bounds_mm()
    if len(shape.starts_mm) == 0:
        return (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
    walls = 0.0 if shape.walls_mm is None else shape.walls_mm[:, None]
    ends = np.concatenate([shape.starts_mm, shape.ends_mm])
    radii = np.concatenate([shape.start_radii_mm[:, None] + walls, shape.end_radii_mm[:, None] + walls])
    return tuple((ends - radii).min(0).tolist()), tuple((ends + radii).max(0).tolist())


def lesion_bounds_mm(lesion: Lesion) -> Box:
    """Return the LPS box of everything the lesion paints with labels of its own."""
    return _around([shape_bounds_mm(paint.shape) for paint in lesion.paints])


def lesion_reach_mm(lesion: Lesion) -> Box:
    """Return the LPS box outside which the lesion changes nothing: its paints, its mass effect, its changes."""
    boxes = [shape_bounds_mm(paint.shape) for paint in (*lesion.paints, *lesion.changes)]
    return _around([*boxes, *(push.bounds_mm for push in lesion.pushes)])


def box_on(grid: Grid, box: Box, margin_mm: float = 0.0) -> tuple[Index, Index] | None:
    """Return the voxel box (low, high) that holds an LPS box and one voxel more, or None when it lies outside."""
    low, high = box
    corners = [[(low, high)[a][0], (low, high)[b][1], (low, high)[c][2]]
               for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    index = grid.index_kji(corners)
    margin = margin_mm / np.asarray(grid.spacing_mm) + 1
    first = np.clip(np.floor(index.min(0) - margin), 0, grid.shape_kji).astype(int)
    last = np.clip(np.ceil(index.max(0) + margin) + 1, 0, grid.shape_kji).astype(int)
    if np.any(last <= first):
        return None
    return tuple(first.tolist()), tuple(last.tolist())


def _around(boxes: list[Box]) -> Box:
    ends = np.array(boxes)
    return tuple(ends[:, 0].min(0).tolist()), tuple(ends[:, 1].max(0).tolist())
