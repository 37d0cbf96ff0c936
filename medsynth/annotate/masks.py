"""The truth images of lesions: which voxels, and how much of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import Grid
from medsynth.scene.lesion_parts import FIRST_LESION_LABEL, part_labels
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Lesion
from medsynth.shapes.base import Box, Shape
from medsynth.shapes.tubes import Tubes

Index = tuple[int, int, int]


def lesion_instances(phantom: Phantom, lesions: Sequence[Lesion]) -> NDArray[np.uint16]:
    """Return (k, j, i) uint16: the number of the lesion that holds most of each voxel, 0 where none does.

    Parts other than the pleural tag count to their lesion.
    """
    table = np.zeros(65536, np.uint16)
    for lesion in lesions:
        table[list(part_labels(phantom.structures, lesion.number).values())] = lesion.number
    image = np.zeros(phantom.grid.shape_kji, np.uint16)
    for lesion in lesions:
        box = lesion_box(lesion, phantom.grid)
        if box is not None:
            at = tuple(slice(a, b) for a, b in zip(*box, strict=True))
            np.maximum(image[at], table[phantom.labels[at]], out=image[at])
    return image


def lesion_fraction(phantom: Phantom, number: int, part: str | None = None) -> NDArray[np.float32]:
    """Return (k, j, i) float32: how much of each voxel lesion `number`, or one part of it, fills.

    Parameters
    ----------
    part : e.g. `"solid"`, `"ground_glass"`, `"calcification"`, `"spicules"`; None for all of them together.
    """
    labels = part_labels(phantom.structures, number)
    if not labels:
        raise RecipeError(expected("number", number, "that of a lesion of this phantom"))
    if part is not None and part not in labels:
        raise RecipeError(expected("part", part, f"one of {sorted(labels)} in lesion {number}"))
    wanted = labels.values() if part is None else [labels[part]]
    image = np.zeros(phantom.grid.shape_kji, np.float32)
    touched = (phantom.labels >= FIRST_LESION_LABEL) | (phantom.neighbour >= FIRST_LESION_LABEL)
    spans = [np.flatnonzero(touched.any(axis=tuple(b for b in range(3) if b != a))) for a in range(3)]
    if spans[0].size:
        low, high = tuple(int(s[0]) for s in spans), tuple(int(s[-1]) + 1 for s in spans)
        at = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        image[at] = crop(phantom, low, high).occupancy(*wanted)  # type: ignore[arg-type]
    return image


def filled_box(phantom: Phantom, number: int) -> tuple[Index, Index] | None:
    """Return the voxel box (low, high) that lesion `number` fills in a phantom, or None when it fills none."""
    table = np.zeros(65536, bool)
    table[list(part_labels(phantom.structures, number).values())] = True
    touched = table[phantom.labels] | (table[phantom.neighbour] & (phantom.fraction > 0))
    spans = [np.flatnonzero(touched.any(axis=tuple(b for b in range(3) if b != a))) for a in range(3)]
    if not spans[0].size:
        return None
    (k0, j0, i0), (k1, j1, i1) = ([int(s[end]) for s in spans] for end in (0, -1))
    return (k0, j0, i0), (k1 + 1, j1 + 1, i1 + 1)


def crop(phantom: Phantom, low_kji: Index, high_kji: Index) -> Phantom:
    """Return the phantom of the voxels from `low_kji` up to, not including, `high_kji`; arrays are views."""
    at = tuple(slice(a, b) for a, b in zip(low_kji, high_kji, strict=True))
    return Phantom(phantom.grid.crop(low_kji, high_kji), phantom.labels[at], phantom.neighbour[at],
                   phantom.fraction[at], phantom.texture[at], phantom.structures)


def shape_bounds_mm(shape: Shape | Tubes) -> Box:
    """Return the LPS box of a shape or of tubes."""
    if not isinstance(shape, Tubes):
        return shape.bounds_mm()
    walls = 0.0 if shape.walls_mm is None else shape.walls_mm[:, None]
    ends = np.concatenate([shape.starts_mm, shape.ends_mm])
    radii = np.concatenate([shape.start_radii_mm[:, None] + walls, shape.end_radii_mm[:, None] + walls])
    return tuple((ends - radii).min(0).tolist()), tuple((ends + radii).max(0).tolist())


def lesion_bounds_mm(lesion: Lesion) -> Box:
    """Return the LPS box of everything the lesion paints."""
    boxes = np.array([shape_bounds_mm(paint.shape) for paint in lesion.paints])
    return tuple(boxes[:, 0].min(0).tolist()), tuple(boxes[:, 1].max(0).tolist())


def lesion_box(lesion: Lesion, grid: Grid, margin_mm: float = 0.0) -> tuple[Index, Index] | None:
    """Return the voxel box (low, high) of the lesion on the grid, or None when it lies outside."""
    low, high = lesion_bounds_mm(lesion)
    corners = [[(low, high)[a][0], (low, high)[b][1], (low, high)[c][2]]
               for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    index = grid.index_kji(corners)
    margin = margin_mm / np.asarray(grid.spacing_mm) + 1
    first = np.clip(np.floor(index.min(0) - margin), 0, grid.shape_kji).astype(int)
    last = np.clip(np.ceil(index.max(0) + margin) + 1, 0, grid.shape_kji).astype(int)
    if np.any(last <= first):
        return None
    return tuple(first.tolist()), tuple(last.tolist())
