"""What a refiner did to the rest of an image: things that it added, leaks, drift, means of organs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.refine.refiner import Truth

Float32 = NDArray[np.float32]

BLOB_SIGMAS = (0.8, 1.6)  # voxels
BLOB_LOCAL = 10.0  # voxels, of the window in which a change is compared with the changes around it
CONFINED_MM = 6.0  # beyond a lesion, and one voxel beyond where it changed the image before
FEWEST_VOXELS = 200  # of a structure, for its mean
KINDS = 2 * 65536  # of voxels: of each label, inside and where it meets others
LESION = 65535  # in place of a label: left out of the structures' means
DRIFT_SIGMA = 1.0  # voxels, of the blur before places are compared
PATCH = 24  # voxels in plane of the patches whose drift is estimated
STEEP_QUANTILE = 0.5  # patches with less structure than this quantile say nothing of drift


def strongest_blob(before: Float32, after: Float32, labels: NDArray[np.uint16], skip: NDArray[np.bool_]
                   ) -> dict[str, float]:
    """Return how far the strongest blob-like change stands out of the change of its surroundings, in SDs.

    Parameters
    ----------
    labels : structures; each has a noise of its own, and so has its border.
    skip : where changes are not looked for.

    Returns
    -------
    blob_sd : the largest.
    """
    change = after - before
    if not change.any():
        return {"blob_sd": 0.0}
    edge = ndimage.maximum_filter(labels, 3) != ndimage.minimum_filter(labels, 3)
    kinds = 2 * labels.astype(np.int64) + edge
    level = _rms_by_kind(change, kinds, change.std())
    worst = 0.0
    for sigma in BLOB_SIGMAS:
        blob = ndimage.gaussian_filter(change, sigma) - ndimage.gaussian_filter(change, 1.6 * sigma)
        share = _rms_by_kind(blob, kinds, blob.std())[kinds]
        local = np.sqrt(ndimage.gaussian_filter(np.square(blob), BLOB_LOCAL, truncate=2.0))
        deviation = np.abs(blob) / np.maximum(np.maximum(share, local), 1e-6 + 1e-3 * level[kinds])
        deviation[skip] = 0
        worst = max(worst, float(deviation.max()))
    return {"blob_sd": worst}


def _rms_by_kind(values: Float32, kinds: NDArray[np.int64], least: float) -> Float32:
    """Return (KINDS,): the root mean square of the values in each kind of voxel; of rare kinds, that of all."""
    count = np.bincount(kinds.ravel(), minlength=KINDS)
    total = np.bincount(kinds.ravel(), np.square(values, dtype=np.float64).ravel(), KINDS)
    return np.where(count >= FEWEST_VOXELS, np.sqrt(total / np.maximum(count, 1)), least).astype(np.float32)


def confinement(before: Float32, after: Float32, bare_before: Float32, bare_after: Float32, truth: Truth,
                spacing_mm: tuple[float, float, float]) -> dict[str, float]:
    """Return which share of the energy of the difference between an image and its twin lies at the lesions.

    Where the difference reached before (in projections, streaks, pushed tissue) it may reach after.
    """
    difference = np.square(after - bare_after, dtype=np.float64)
    total = float(difference.sum())
    if total == 0:
        return {"confined": 1.0}
    away = ndimage.distance_transform_edt(truth.lesions == 0, sampling=spacing_mm)
    inside = (away <= CONFINED_MM) | ndimage.binary_dilation(before != bare_before)
    return {"confined": float(difference[inside].sum()) / total}


def drift(before: Float32, after: Float32) -> dict[str, float]:
    """Return the shift in voxels between two images: the median over patches with structure, the largest axis counts.

    Least squares of after - before = -d . gradient in each patch (Lucas and Kanade 1981), between lightly blurred
    images; the gradient is the mean of both.
    """
    if np.array_equal(before, after):
        return {"drift_voxels": 0.0}
    first, last = (ndimage.gaussian_filter(image, DRIFT_SIGMA) for image in (before, after))
    change = last - first
    slopes = [(a + b) / 2 for a, b in zip(_gradient(first), _gradient(last), strict=True)]
    axes = [n for n in range(3) if before.shape[n] > 1]
    size = [min(before.shape[0], PATCH // 2), PATCH, PATCH]
    shifts, weights = [], []
    for corner in np.ndindex(*(max(1, n // s) for n, s in zip(before.shape, size, strict=True))):
        box = tuple(slice(c * s, (c + 1) * s) for c, s in zip(corner, size, strict=True))
        columns = np.stack([slopes[axis][box].ravel() for axis in axes], axis=1).astype(np.float64)
        normal = columns.T @ columns
        least = float(np.linalg.eigvalsh(normal)[0])
        if least > 0:
            shifts.append(np.linalg.solve(normal, -columns.T @ change[box].ravel()))
            weights.append(least)
    if not shifts:
        return {"drift_voxels": 0.0}
    steep = np.asarray(weights) >= np.quantile(weights, STEEP_QUANTILE)
    return {"drift_voxels": float(np.abs(np.median(np.asarray(shifts)[steep], axis=0)).max())}


def _gradient(image: Float32) -> list[Float32]:
    """Return the slope along k, j, i per voxel; 0 along axes of one voxel."""
    return [np.gradient(image, axis=axis) if n > 1 else np.zeros_like(image) for axis, n in enumerate(image.shape)]


def organ_shift(before: Float32, after: Float32, truth: Truth) -> dict[str, float]:
    """Return the largest change of a structure's mean, over the spread of its values before or after, at least 1."""
    labels = np.where(truth.lesions > 0, np.uint16(LESION), truth.labels).ravel()
    count = np.bincount(labels, minlength=65536)
    n = np.maximum(count, 1)
    first, last = (np.bincount(labels, image.ravel().astype(np.float64), 65536) / n for image in (before, after))
    spread = np.ones(65536)
    for image, mean in ((before, first), (after, last)):
        square = np.bincount(labels, np.square(image, dtype=np.float64).ravel(), 65536) / n
        spread = np.maximum(spread, np.sqrt(np.maximum(square - np.square(mean), 0)))
    used = count >= FEWEST_VOXELS
    used[LESION] = False
    return {"organ_shift_sd": float((np.abs(last - first) / spread)[used].max(initial=0.0))}
