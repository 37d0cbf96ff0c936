"""Training pairs: a quick and a full image of the same object; of a real image, the quick one is a smoothed copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.errors import expected
from medsynth.refine.gate_lesion import fine_texture, inner_part
from medsynth.refine.refiner import RefineError, Truth

Float32 = NDArray[np.float32]

REAL_MEDIAN = 5  # pixels of the median filter that stands in for a quick image of a real one
LEAST_SHARE_VOXELS = 500  # of a structure, over all examples, for numbers of its own


@dataclass(frozen=True, eq=False)
class Example:
    """A quick image, the full one and what is true of both.

    Attributes
    ----------
    quick, full : (k, j, i) in the image's unit, on one grid.
    """

    quick: NDArray[np.generic]
    full: NDArray[np.generic]
    truth: Truth
    spacing_mm: tuple[float, float, float]

    def __post_init__(self) -> None:
        for name in ("quick", "full"):
            array = getattr(self, name)
            if array.shape != self.truth.labels.shape:
                raise RefineError(expected(f"shape of the {name} image", array.shape,
                                           f"that of its labels, {self.truth.labels.shape}"))
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise RefineError(f"the {name} image of a training pair must hold finite numbers only, got NaN")

    @property
    def residual(self) -> Float32:
        """What the full image adds to the quick one."""
        return self.full.astype(np.float32) - self.quick.astype(np.float32)


def real_example(image: NDArray[np.generic], truth: Truth, spacing_mm: tuple[float, float, float]) -> Example:
    """Return the pair of a real image: what a median filter takes away is what is learned."""
    quick = ndimage.median_filter(image.astype(np.float32), size=(1, REAL_MEDIAN, REAL_MEDIAN), mode="nearest")
    return Example(quick, image, truth, spacing_mm)


def check_together(examples: Sequence[Example]) -> None:
    """Raise unless examples can be trained on together.

    Raises
    ------
    RefineError
        If there is none, or modality or voxel size differ.
    """
    if not examples:
        raise RefineError("training needs at least one pair of images, got none")
    first = examples[0]
    for one in examples[1:]:
        if one.truth.modality != first.truth.modality:
            raise RefineError(expected("modality of all training images", one.truth.modality, first.truth.modality))
        if not np.allclose(one.spacing_mm, first.spacing_mm, rtol=0.1):
            raise RefineError(expected("voxel size of all training images in mm", one.spacing_mm,
                                       f"that of the first, {first.spacing_mm}"))


def structures_of(examples: Sequence[Example]) -> list[str]:
    """Return the names of all structures in the examples, sorted."""
    names: set[str] = set()
    for one in examples:
        for label in np.flatnonzero(np.bincount(one.truth.labels.ravel())).tolist():
            if label:
                names.add(one.truth.names.get(label, f"label {label}"))
    return sorted(names)


def spreads(examples: Sequence[Example]) -> tuple[dict[str, float], dict[str, float]]:
    """Return by structure the SD of what is learned, and the noise of full over quick images; `""`: of all together."""
    spread: dict[str, float] = {}
    gain: dict[str, float] = {}
    for name in ["", *structures_of(examples)]:
        residuals: list[Float32] = []
        quick: list[NDArray[np.float64]] = []
        full: list[NDArray[np.float64]] = []
        for one in examples:
            labels = [label for label, own in one.truth.names.items() if own == name]
            where = np.isin(one.truth.labels, labels) if name else one.truth.labels > 0
            if not where.any():
                continue
            residuals.append(one.residual[where])
            box = ndimage.find_objects(where.astype(np.uint8))[0]
            inner = inner_part(where[box]) & (one.truth.lesions[box] == 0)
            if name and inner.any():
                for array, found in ((one.quick, quick), (one.full, full)):
                    found.append(fine_texture(array[box].astype(np.float64), inner)[inner])
        if sum(len(part) for part in residuals) < LEAST_SHARE_VOXELS:
            continue
        spread[name] = round(float(np.concatenate(residuals).std()), 5)
        if quick and sum(len(part) for part in quick) >= LEAST_SHARE_VOXELS:
            before, after = (_robust_sd(np.concatenate(found)) for found in (quick, full))
            if before > 0:
                gain[name] = round(after / before, 5)
    if gain:
        gain[""] = float(np.median(list(gain.values())))
    return spread, gain


def _robust_sd(values: NDArray[np.float64]) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))
