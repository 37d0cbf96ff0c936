"""The truth images of lesions: which voxels, and how much of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import Grid
from medsynth.scene.extent import Index, box_on, lesion_bounds_mm
from medsynth.scene.lesion_parts import FIRST_LESION_LABEL, part_labels
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Lesion


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


def lesion_box(lesion: Lesion, grid: Grid, margin_mm: float = 0.0) -> tuple[Index, Index] | None:
    """Return the voxel box (low, high) of the lesion on the grid, or None when it lies outside."""
    return box_on(grid, lesion_bounds_mm(lesion), margin_mm)
