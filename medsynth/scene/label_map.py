"""Somebody's own label map as a phantom: its values are structures, each of a tissue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import Grid
from medsynth.core.volume import Volume
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import Voxelise
from medsynth.scene.structure import BACKGROUND, Code, Scene, Structure
from medsynth.scene.subject import Subject
from medsynth.tissues.table import mixed, tissue

# A label's content: a tissue, or finely mixed ones with their volume fractions, e.g. {"lung_tissue": 0.3, "air": 0.7}.
Content = str | Mapping[str, float]

BODY = Code("123037004", "Body structure")
SOMEONE = Subject("female", 45.0, 165.0, 65.0)  # where a table asks for an age, and nobody said whose map it is


def label_structures(tissues: Mapping[int, Content]) -> tuple[Structure, ...]:
    """Return a structure for every label but 0, which is the air around the body.

    Parameters
    ----------
    tissues : label -> name in the tissue table (`medsynth list tissues`), or mixture.

    Raises
    ------
    RecipeError
        If a name is not in the table, a label is not in 0..65535, or 0 is not air.
    """
    found = []
    for label, content in sorted(tissues.items()):
        parts = [(content, 1.0)] if isinstance(content, str) else list(content.items())
        if label not in range(65536):
            raise RecipeError(expected("a label of tissues", label, "a whole number in 0..65535"))
        mixed(f"tissues[{label}]", [(tissue(name), share) for name, share in parts])  # raises where it cannot be
        if label == BACKGROUND:
            if content != "air":
                raise RecipeError(expected("tissues[0]", content, "'air': 0 is what surrounds the body"))
            continue
        (first, _), *others = parts
        found.append(Structure(f"label_{label}", label, first, BODY, mixture=tuple(others)))
    return tuple(found)


def label_phantom(labels: Volume, structures: Sequence[Structure]) -> Phantom:
    """Return a label map as voxels that hold one structure each.

    Raises
    ------
    RecipeError
        If a value of the map is no whole number, or has no structure.
    """
    values = labels.array
    whole = values.astype(np.uint16) if values.dtype.kind in "ui" else np.rint(values).astype(np.uint16)
    if not np.array_equal(whole, values):
        raise RecipeError("a label map must hold whole numbers in 0..65535 alone")
    known = np.zeros(65536, bool)
    known[[BACKGROUND, *(s.label for s in structures)]] = True
    unknown = np.unique(whole[~known[whole]])
    if unknown.size:
        raise RecipeError(expected("tissues", sorted(int(s.label) for s in structures),
                                   f"given for every label of the map: {unknown[:10].tolist()} are missing"))
    shape = labels.grid.shape_kji
    return Phantom(labels.grid, np.ascontiguousarray(whole), np.zeros(shape, np.uint16), np.zeros(shape, np.uint8),
                   np.zeros(shape, np.int16), tuple(structures))


def scene_around(phantom: Phantom, *ranges: str, seed: int = 0) -> Scene:
    """Return a scene without shapes around voxels that are there already, for scanners that take a `voxelise`.

    Parameters
    ----------
    ranges : names of scan ranges, each the whole height of the voxels.
    seed : decides the person's own tissue values.
    """
    corners = phantom.grid.corners_mm()
    low, high = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return Scene(body="voxels", origin="that of the voxels", subject=SOMEONE, structures=phantom.structures, paints=(),
                 fields={}, vessels={}, landmarks={}, bounds_mm=(tuple(low), tuple(high)),
                 scan_range_mm=dict.fromkeys(ranges, (low[2], high[2])), texture_seed=seed)


def given(phantom: Phantom) -> Voxelise:
    """Return what stands in for `rasterize` where there are voxels already."""

    def voxelise(scene: Scene, grid: Grid) -> Phantom:
        del scene, grid
        return phantom

    return voxelise
