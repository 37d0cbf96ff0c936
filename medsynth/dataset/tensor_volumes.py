"""Other people's tensors as volumes of the scanners' frame, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from numpy.typing import NDArray

from medsynth.core.errors import GeometryError, RecipeError, expected
from medsynth.core.grid import Grid, Vector, as_direction
from medsynth.core.volume import Volume, reorient
from medsynth.dataset.tensors import LPS_TO_RAS

SCANNER_AXES = "SPL"  # slices to the head, rows to the back, columns to the patient's left
SHEAR = 1e-2  # an affine nearer to orthonormal than this is repaired
_LETTERS = (("L", "R"), ("P", "A"), ("S", "I"))


def as_volume(value: Any, key: str, spacing_mm: Vector | None, quantity: str) -> Volume:
    """Return a channel-first tensor or array of one channel as a volume, its axes as they are.

    A MetaTensor tells its place by its affine, in RAS unless its meta says LPS. Anything else has the spacing that is
    given along its axes, which then run to the right, the front and the head, as in most NIfTI files.

    Raises
    ------
    RecipeError, GeometryError
        If it has not one channel and three axes, or no place.
    """
    array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    if array.ndim != 4 or array.shape[0] != 1:
        raise RecipeError(expected(f"shape of {key!r}", tuple(array.shape), "(1, n, n, n): channel first, one channel"))
    if isinstance(value, MetaTensor):
        affine = np.asarray(value.affine, float)
        lps = affine if str(value.meta.get("space", "RAS")).upper().endswith("LPS") else LPS_TO_RAS @ affine
    elif spacing_mm is not None:
        lps = LPS_TO_RAS @ np.diag([*spacing_mm, 1.0])
    else:
        raise RecipeError(f"{key!r} must be a MetaTensor with an affine, or spacing_mm be given: a "
                          f"{type(value).__name__} does not tell how large its voxels are")
    x, y, z = array.shape[1:]
    return Volume(np.ascontiguousarray(array[0]), _grid((x, y, z), lps, key), quantity)


def _grid(shape: tuple[int, int, int], lps: NDArray[np.float64], key: str) -> Grid:
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    if lps.shape != (4, 4) or not np.isfinite(lps).all() or not (spacing > 0).all():
        raise GeometryError(expected(f"affine of {key!r}", lps.tolist(), "4 x 4, finite, with three axes"))
    direction = lps[:3, :3] / spacing
    left, _, right = np.linalg.svd(direction)
    if np.abs(left @ right - direction).max() > SHEAR:
        raise GeometryError(f"affine of {key!r} must not be sheared: resample the volume first")
    a, b, c = spacing.tolist()
    u, v, w = lps[:3, 3].tolist()
    return Grid(shape, (a, b, c), (u, v, w), as_direction(left @ right))


def to_scanner(volume: Volume) -> Volume:
    """Return the volume with its axes turned to the scanners': slices, rows, columns."""
    return reorient(volume, SCANNER_AXES)


def from_scanner(volume: Volume, like: Volume) -> Volume:
    """Return what `to_scanner` gave, turned back to the axes of `like`."""
    turned = reorient(volume, axis_letters(like.grid))
    if not turned.grid.is_close(like.grid):
        raise GeometryError("the axes of an affine must each be nearest to one of the patient's")
    return turned


def axis_letters(grid: Grid) -> str:
    """Return the patient's directions that the axes are nearest to, e.g. "RAS", each used once.

    Examples
    --------
    >>> axis_letters(Grid((2, 2, 2), (1.0, 1.0, 1.0)))
    'SPL'
    """
    direction = np.asarray(grid.direction)
    left, letters = np.abs(direction), [""] * 3
    for _ in range(3):
        row, column = divmod(int(np.argmax(left)), 3)
        letters[column] = _LETTERS[row][0 if direction[row, column] > 0 else 1]
        left[row, :] = left[:, column] = -1
    return "".join(letters)


def as_tensor(array: NDArray[Any], affine: NDArray[np.float64] | None, like: Any) -> Any:
    """Return a channel-first array as a tensor of the kind of `like`: its meta kept, with this affine or its own."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if not isinstance(like, MetaTensor):
        return tensor
    where = like.affine if affine is None else torch.from_numpy(affine.copy())
    meta = {key: value for key, value in like.meta.items() if key not in ("affine", "spatial_shape")}
    return MetaTensor(tensor, affine=where, meta=meta, applied_operations=like.applied_operations)
