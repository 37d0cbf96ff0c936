"""Images and their truth as dictionaries of tensors, channel first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import Grid
from medsynth.core.volume import Volume, reorient
from medsynth.dataset.classes import Classes, class_image, lesion_image
from medsynth.dataset.items import Item

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@cache
def has_monai() -> bool:
    """Tell whether MONAI is installed."""
    return find_spec("monai") is not None


def to_dictionary(item: Item, names: Sequence[str], classes: Classes | None, *, orientation: str | None,
                  meta: bool | None, lesions: bool) -> dict[str, Any]:
    """Return an item as `SynthDataset` describes it.

    Raises
    ------
    RecipeError
        If several acquisitions are named and do not lie on one grid.
    """
    first = item.acquired[names[0]]
    grid, flat = first.image.grid, first.projection is not None
    for name in names[1:]:
        if not item.acquired[name].image.grid.is_close(grid):
            raise RecipeError(expected("acquisition", list(names), f"on one grid: {name} is not on that of {names[0]}"))
    image = np.stack([item.acquired[name].image.array for name in names]).astype(np.float32)
    arrays: dict[str, NDArray[Any]] = {"image": image}
    label = class_image(first, item.lesions, classes)
    if label is not None:
        label = label if flat else label[None]
        arrays["label"] = label.astype(np.int32 if classes is None else np.uint8)
    if lesions:
        arrays["lesion"] = lesion_image(first, item.lesions)[None].astype(np.int32)
    if flat:
        affine = plane_affine(grid)
        arrays = {key: array[:, 0] if key != "label" else array for key, array in arrays.items()}
    else:
        arrays, turned = _turned(arrays, grid, orientation)
        affine = ras_affine(turned)
    subject = item.scene.subject
    told = {"number": item.number, "body": item.place.body, "acquisition": names[0], "sex": subject.sex,
            "age_years": float(subject.age_years), "height_cm": float(subject.height_cm),
            "weight_kg": float(subject.weight_kg)}
    return tensors(arrays, affine, told, meta=meta) | {"number": item.number}


def _turned(arrays: dict[str, NDArray[Any]], grid: Grid, orientation: str | None
            ) -> tuple[dict[str, NDArray[Any]], Grid]:
    """Return the arrays (channel, k, j, i) with their axes turned to the letters, and their grid."""
    if orientation is None:
        return arrays, grid
    found, where = {}, grid
    for key, array in arrays.items():
        turned = [reorient(Volume(channel, grid, key), orientation) for channel in array]
        found[key], where = np.stack([one.array for one in turned]), turned[0].grid
    return found, where


def ras_affine(grid: Grid) -> NDArray[np.float64]:
    """Return the 4 x 4 matrix from array indices, in the order of the axes, to RAS mm."""
    return LPS_TO_RAS @ grid.affine


def plane_affine(grid: Grid) -> NDArray[np.float64]:
    """Return the same of an image of one slice without that axis: from (row, column, 0, 1)."""
    return ras_affine(grid)[:, [1, 2, 0, 3]]


def tensors(arrays: dict[str, NDArray[Any]], affine: NDArray[np.float64], told: dict[str, Any], *, meta: bool | None
            ) -> dict[str, Any]:
    """Return the arrays as MetaTensors, or as plain tensors and an `affine` beside them."""
    plain = {key: torch.from_numpy(np.ascontiguousarray(array)) for key, array in arrays.items()}
    if not (has_monai() if meta is None else meta):
        return {**plain, "affine": torch.from_numpy(affine.copy())}
    from monai.data.meta_tensor import MetaTensor

    return {key: MetaTensor(tensor, affine=torch.from_numpy(affine.copy()), meta={**told, "space": "RAS"})
            for key, tensor in plain.items()}
