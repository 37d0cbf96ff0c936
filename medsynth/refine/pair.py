"""An image and its lesion-free twin, refined together: anchors keep what the labels say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.refine.refiner import Refiner, Truth, check_input

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Anchors:
    """What of a refiner's residual is let through.

    Attributes
    ----------
    low_frequency_mm : sigma; what is smoother than this in plane stays that of the physics. 0 lets everything through.
    clamp_sd : the residual is held within this many of its standard deviations, structure by structure.
    margin_mm : around a lesion in which both images of a pair get the residual of the lesion-free one.
    """

    low_frequency_mm: float = 12.0
    clamp_sd: float = 5.0
    margin_mm: float = 5.0


@dataclass(frozen=True, eq=False)
class RefinedPair:
    """A refined image and its refined twin, None where there was none."""

    image: Volume
    twin: Volume | None


def refine_pair(refiner: Refiner, image: Volume, twin: Volume | None, truth: Truth, *, strength: float, seed: Seed,
                anchors: Anchors | None = None) -> RefinedPair:
    """Return an image and its twin with what the refiner adds to them.

    Within and around lesions both get the residual of the twin: what the lesion adds to the image stays as the physics
    made it, and the texture there gives no lesion away. Without a twin the residual keeps its mean in each lesion.

    Raises
    ------
    RefineError
        If the refiner cannot work on this.
    """
    check_input(image, truth, strength)
    held, grid = anchors or Anchors(), image.grid
    if strength == 0:
        return RefinedPair(image, twin)
    own = anchored(refiner.residual(image, truth, strength=strength, seed=seed), truth, refiner, grid.spacing_mm, held)
    if twin is None:
        return RefinedPair(with_residual(image, lesion_means_kept(own, truth.lesions)), None)
    if not truth.lesions.any():
        return RefinedPair(with_residual(image, own), with_residual(twin, own))
    healthy = truth.healthy()
    bare = anchored(refiner.residual(twin, healthy, strength=strength, seed=seed), healthy, refiner, grid.spacing_mm,
                    held)
    share = near_lesions(truth.lesions, grid.spacing_mm, held.margin_mm)
    return RefinedPair(with_residual(image, own + share * (bare - own)), with_residual(twin, bare))


def anchored(residual: Float32, truth: Truth, refiner: Refiner, spacing_mm: tuple[float, float, float],
             anchors: Anchors) -> Float32:
    """Return a residual that neither shifts the smooth part of an image, nor a structure's mean, nor stands out."""
    table = np.full(65536, refiner.spread.get("", np.inf), np.float32)
    for label, name in truth.names.items():
        table[label] = refiner.spread.get(name, table[label])
    bound = anchors.clamp_sd * table[truth.labels]
    kept = means_kept(residual.astype(np.float32), truth.labels)
    sigma = [0.0, *(anchors.low_frequency_mm / step for step in spacing_mm[1:])]
    for _ in range(2):  # what was clipped had a smooth part of its own
        if anchors.low_frequency_mm:
            kept -= ndimage.gaussian_filter(kept, sigma, mode="nearest", truncate=3.0)
        np.clip(kept, -bound, bound, out=kept)
    return means_kept(kept, truth.labels)


def means_kept(residual: Float32, labels: NDArray[np.uint16]) -> Float32:
    """Return the residual less its mean in every structure."""
    flat = labels.ravel()
    count = np.bincount(flat, minlength=65536)
    mean = np.bincount(flat, residual.ravel().astype(np.float64), 65536) / np.maximum(count, 1)
    return residual - mean.astype(np.float32)[labels]


def lesion_means_kept(residual: Float32, lesions: NDArray[np.uint16]) -> Float32:
    """Return the residual less its mean in every lesion."""
    return np.where(lesions > 0, means_kept(residual, lesions), residual)


def near_lesions(lesions: NDArray[np.uint16], spacing_mm: tuple[float, float, float], margin_mm: float) -> Float32:
    """Return 1 in lesions and within half the margin, falling to 0 at the margin."""
    away: NDArray[np.float64] = ndimage.distance_transform_edt(lesions == 0, sampling=spacing_mm)
    return np.clip(2 - 2 * away / max(margin_mm, 1e-6), 0, 1).astype(np.float32)


def with_residual(image: Volume, residual: Float32) -> Volume:
    """Return the image with the residual added, in its own type: rounded, and clipped to the range it holds."""
    array = image.array
    if array.dtype.kind == "f":
        return Volume((array + residual).astype(array.dtype), image.grid, image.quantity)
    low, high = (-1024, 3071) if image.quantity == "HU" else (np.iinfo(array.dtype).min, np.iinfo(array.dtype).max)
    changed = np.clip(np.rint(array + residual), min(low, int(array.min())), max(high, int(array.max())))
    return Volume(changed.astype(array.dtype), image.grid, image.quantity)
