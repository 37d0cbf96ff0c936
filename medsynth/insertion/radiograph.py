"""Putting a lesion into a radiograph: what its thickness adds along the ray."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.acquire.common.basis import structure_tissue
from medsynth.core.errors import PlacementError, RecipeError, expected
from medsynth.core.grid import Grid, Vector
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.insertion.insert import InsertedShadow, Insertion, draw_lesion
from medsynth.insertion.site import ball_site, site_scene
from medsynth.lesions.families import family
from medsynth.lesions.host import point
from medsynth.scene.extent import lesion_bounds_mm
from medsynth.scene.lesion_parts import part_labels
from medsynth.scene.projection import MASK_MM
from medsynth.scene.rasterize import rasterize, with_lesions
from medsynth.scene.structure import Structure
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue

EFFECTIVE_keV = 60.0  # of a chest beam behind the patient (110-125 kVp), about (unverified)
SITE_MM = 60.0
RAY_STEP_MM = 1.0
# What of the picture's range a difference of 100 mm of water spans: lung against mediastinum (unverified).
WATER_MM = 100.0
RANGE_QUANTILES = (0.05, 0.95)


def insert_shadow(image: Volume, kind: str, *, how: Insertion, mask: Volume | None = None, seed: Seed,
                  number: int = 1) -> InsertedShadow:
    """Put one lesion into a radiograph of one slice, dense structures bright, values linear in the ray's attenuation.

    Rays run square to the image. Attenuation goes into the picture at a scale that takes the range of the picture for
    100 mm of water, unless `how.contrast` tells the change where the lesion is thickest.

    Parameters
    ----------
    image : (1, rows, columns), any unit, pixels in mm at the detector.
    mask : one slice on the image's grid; None needs `how.at_mm`.

    Raises
    ------
    RecipeError
        If the image has more than one slice, or holds values that are not finite.
    PlacementError
        If there is no room for it.
    """
    if image.grid.shape_kji[0] != 1:
        raise RecipeError(expected("slices of a radiograph", image.grid.shape_kji[0], "1"))
    values = image.array.astype(np.float32)
    if not np.isfinite(values).all():
        raise RecipeError("the image holds values that are not finite (NaN or infinite)")
    centre = how.at_mm or _place(image, mask, rng=seed.child("place").rng())
    _check_inside(image, centre)
    one = family(kind)
    scene = site_scene(one, ball_site(centre, SITE_MM), seed=seed.child("texture").integer(32))
    lesion = draw_lesion(one, scene, replace(how, at_mm=centre), None, seed=seed, number=number)
    grid = _rays(image, np.asarray(lesion_bounds_mm(lesion)))
    ill, _ = with_lesions(rasterize(scene, grid), scene, [lesion])
    labels = part_labels(ill.structures, lesion.number)
    host = _attenuation(scene.structures[0])
    parts = {s.label: _attenuation(s) - host for s in lesion.structures}
    thickness = sum(ill.occupancy(label).sum(axis=0) for label in labels.values()) * RAY_STEP_MM
    adds = sum(ill.occupancy(label).sum(axis=0) * (RAY_STEP_MM * parts[label]) for label in parts)
    blur = 0.5 if how.blur_px is None else how.blur_px
    adds, thickness = (np.asarray(ndimage.gaussian_filter(a, blur), np.float32) for a in (adds, thickness))
    scale = _scale(values, adds, how)
    at, part = _overlap(image.grid, grid)
    after = values.copy()
    after[0][at] += scale * adds[part]
    told = np.zeros(image.array.shape, np.float32)
    told[0][at] = thickness[part]
    if image.array.dtype.kind in "iu":
        limits = np.iinfo(image.array.dtype)
        after = np.clip(np.rint(after), limits.min, limits.max)
    return InsertedShadow(replace(image, array=after.astype(image.array.dtype)), told, told >= MASK_MM, lesion,
                          float(scale * np.abs(adds).max() * np.sign(adds.flat[np.abs(adds).argmax()])))


def _place(image: Volume, mask: Volume | None, *, rng: np.random.Generator) -> Vector:
    if mask is None:
        raise PlacementError("where to put the lesion? Expected a point (--at) or a mask (--in)")
    if mask.array.shape != image.array.shape:
        raise PlacementError(expected("shape of the mask", mask.array.shape, f"the image's, {image.array.shape}"))
    depth = ndimage.distance_transform_edt(mask.array[0] != 0)
    rows = np.argwhere(depth > 0.5 * depth.max()) if depth.any() else np.empty((0, 2))
    if not len(rows):
        raise PlacementError("the mask is empty: expected pixels that are not 0")
    row, column = rows[int(rng.integers(len(rows)))]
    return point(image.grid.world_mm((0, row, column)))


def _check_inside(image: Volume, centre: Vector) -> None:
    index = image.grid.index_kji(centre)[1:]
    if np.any(index < 0) or np.any(index > np.asarray(image.grid.shape_kji[1:]) - 1):
        raise PlacementError(expected("--at", centre, f"a point of the image, LPS mm (pixel {index.round(1)})"))


def _rays(image: Volume, box: NDArray[np.float64]) -> Grid:
    """Return the voxels along the rays of the pixels that the lesion covers, on the image's own pixels."""
    corners = [[box[a][0], box[b][1], box[c][2]] for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    index = image.grid.index_kji(corners)
    _, j0, i0 = np.floor(index.min(0)).astype(int) - 2
    _, j1, i1 = np.ceil(index.max(0)).astype(int) + 3
    depth = (index[:, 0].min() * image.grid.spacing_mm[0], index[:, 0].max() * image.grid.spacing_mm[0])
    count = int(np.ceil((depth[1] - depth[0]) / RAY_STEP_MM)) + 4
    first = image.grid.world_mm(((depth[0] - 2 * RAY_STEP_MM) / image.grid.spacing_mm[0], j0, i0))
    return Grid((count, int(j1 - j0), int(i1 - i0)), (RAY_STEP_MM, *image.grid.spacing_mm[1:]), point(first),
                image.grid.direction)


def _overlap(whole: Grid, part: Grid) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where the part's pixels lie in the whole image, and which of them do."""
    start = np.rint(whole.index_kji(part.origin_mm))[1:].astype(int)
    at, own = [], []
    for first, count, size in zip(start, part.shape_kji[1:], whole.shape_kji[1:], strict=True):
        low, high = max(0, int(first)), min(size, int(first) + count)
        at.append(slice(low, max(low, high)))
        own.append(slice(low - int(first), max(low, high) - int(first)))
    return (at[0], at[1]), (own[0], own[1])


def _attenuation(structure: Structure) -> float:
    """Return 1/mm at the beam's effective energy."""
    return float(linear_attenuation(structure_tissue(structure), np.array([EFFECTIVE_keV]))[0]) / 10


def _scale(values: NDArray[np.float32], adds: NDArray[np.float32], how: Insertion) -> float:
    most = float(np.abs(adds).max())
    if not most > 0:
        raise PlacementError("the lesion throws no shadow here")
    if how.contrast is not None:
        return how.contrast / most
    low, high = np.quantile(values, RANGE_QUANTILES)
    water = float(linear_attenuation(tissue("water"), np.array([EFFECTIVE_keV]))[0]) / 10
    return float(high - low) / (WATER_MM * water)

