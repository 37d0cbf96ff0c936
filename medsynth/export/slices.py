"""Flat cuts through an image and its labels, as pictures: windows, outlines, millimetres kept square."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from skimage.measure import find_contours

from medsynth.core.errors import GeometryError
from medsynth.core.grid import Grid
from medsynth.core.volume import Volume, reorient
from medsynth.export.colours import Rgb

SUPERSAMPLING = 2  # outlines are drawn this much larger and then averaged: Pillow's lines are not smooth
_SMOOTHING_PX = 0.6  # rounds the stairs of a mask's outline; thin masks keep theirs
_THIN_PX = 40
_SMALLEST_MM2 = 25.0  # organs in smaller pieces (vessels in the lung) would cover the picture with dots
_AXES = (("R", "L"), ("A", "P"), ("I", "S"))  # ends of LPS x, y, z
_PLANES = (("axial", 1, 2, 1), ("coronal", 0, 2, -1), ("sagittal", 0, 1, -1))  # name, row axis, column axis, row sign


@dataclass(frozen=True, eq=False)
class Cut:
    """One plane of an image, its first row on top.

    Attributes
    ----------
    name : `"axial"`, `"coronal"` or `"sagittal"`.
    values : (rows, columns) of the image.
    labels, lesions : (rows, columns) integers, or None.
    pixel_mm : height and width of a pixel.
    edges : patient direction of the top, bottom, left and right edge.
    place : where the plane lies, e.g. `"z 12 mm"`.
    """

    name: str
    values: NDArray[Any]
    labels: NDArray[Any] | None
    lesions: NDArray[Any] | None
    pixel_mm: tuple[float, float]
    edges: tuple[str, str, str, str]
    place: str

    @property
    def size_mm(self) -> tuple[float, float]:
        """Height and width."""
        return self.values.shape[0] * self.pixel_mm[0], self.values.shape[1] * self.pixel_mm[1]


def upright(volume: Volume) -> Volume:
    """Return the volume with axes to superior, posterior and left, as far as its obliqueness allows."""
    try:
        return reorient(volume, "SPL")
    except GeometryError:  # halfway between two axes: any view is as good
        return volume


def cuts(image: Volume, labels: Volume | None, lesions: Volume | None, centre_kji: tuple[int, int, int]) -> list[Cut]:
    """Return the axial, coronal and sagittal plane through a voxel of `upright` volumes (one slice: the first)."""
    planes = _PLANES if image.grid.shape_kji[0] > 1 else _PLANES[:1]
    return [_cut(image, labels, lesions, centre_kji, *plane) for plane in planes]


def _cut(image: Volume, labels: Volume | None, lesions: Volume | None, centre_kji: tuple[int, int, int], name: str,
         row: int, column: int, sign: int) -> Cut:
    across = 3 - row - column
    grid = image.grid

    def plane(volume: Volume | None) -> NDArray[Any] | None:
        return None if volume is None else np.take(volume.array, centre_kji[across], axis=across)[::sign]

    values = plane(image)
    left, right = _ends(grid, column)
    top, bottom = _ends(grid, row)[::sign]
    axis = int(np.argmax(np.abs(np.asarray(grid.direction)[:, across])))
    place = f"{'xyz'[axis]} {grid.world_mm(centre_kji)[axis]:.0f} mm"
    return Cut(name, np.asarray(values), plane(labels), plane(lesions), (grid.spacing_mm[row], grid.spacing_mm[column]),
               (top, bottom, left, right), place)


def _ends(grid: Grid, axis: int) -> tuple[str, str]:
    """Return the patient directions at the low and the high end of an index axis."""
    step = np.asarray(grid.direction)[:, axis]
    world = int(np.argmax(np.abs(step)))
    low, high = _AXES[world]
    return (low, high) if step[world] > 0 else (high, low)


def zoom(cut: Cut, centre_px: tuple[float, float], width_mm: float) -> Cut:
    """Return the part of a cut within `width_mm` about a (row, column), as far as the cut reaches."""
    ranges = []
    for middle, pixel, count in zip(centre_px, cut.pixel_mm, cut.values.shape, strict=True):
        half = max(1, round(width_mm / pixel / 2))
        low = int(np.clip(round(middle) - half, 0, max(0, count - 2 * half - 1)))
        ranges.append(slice(low, min(count, low + 2 * half + 1)))
    part = ranges[0], ranges[1]
    return replace(cut, values=cut.values[part], labels=None if cut.labels is None else cut.labels[part],
                   lesions=None if cut.lesions is None else cut.lesions[part])


def paint(cut: Cut, window: tuple[float, float], box_px: tuple[int, int], *, labels: Mapping[int, Rgb],
          lesions: Mapping[int, Rgb]) -> Image.Image:
    """Return an RGB picture of the cut, as large as fits in `box_px` (height, width), with outlines.

    Parameters
    ----------
    window : (centre, width), black to white.
    labels, lesions : the colours of what is outlined.
    """
    height_mm, width_mm = cut.size_mm
    scale = min(box_px[0] / height_mm, box_px[1] / width_mm) * SUPERSAMPLING  # pixels per mm
    size = max(SUPERSAMPLING, round(width_mm * scale)), max(SUPERSAMPLING, round(height_mm * scale))
    low = window[0] - window[1] / 2
    grey = np.clip((cut.values.astype(np.float32) - low) / window[1], -1, 2)  # clipped again after interpolation
    large = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC))
    picture = Image.fromarray((np.clip(large, 0, 1) * 255 + 0.5).astype(np.uint8)).convert("RGB")
    draw = ImageDraw.Draw(picture)
    zoom_px = size[1] / cut.values.shape[0], size[0] / cut.values.shape[1]
    tidy = _SMALLEST_MM2 / (cut.pixel_mm[0] * cut.pixel_mm[1])
    for mask_of, colours, thickness, smallest_px in ((cut.labels, labels, 2, tidy), (cut.lesions, lesions, 3, 0.0)):
        for label, line in [] if mask_of is None else outlines(mask_of, colours, smallest_px=smallest_px):
            points = [((x + 0.5) * zoom_px[1], (y + 0.5) * zoom_px[0]) for y, x in line]
            draw.line(points, fill=colours[label], width=thickness, joint="curve")
    return picture.resize((max(1, size[0] // SUPERSAMPLING), max(1, size[1] // SUPERSAMPLING)), Image.Resampling.BOX)


def outlines(mask_of: NDArray[Any], wanted: Mapping[int, Rgb], *,
             smallest_px: float = 0.0) -> list[tuple[int, NDArray[np.float64]]]:
    """Return (label, (n, 2) points as row and column) of every outline of the wanted labels.

    With `smallest_px` above 0 holes are filled and islands below that area left out.
    """
    found = []
    boxes = ndimage.find_objects(mask_of.astype(np.int32, copy=False))
    for label in sorted(wanted):
        box = boxes[label - 1] if label <= len(boxes) else None
        if box is None:
            continue
        inside = mask_of[box] == label
        mask = np.pad(_without_specks(inside, smallest_px) if smallest_px else inside, 2).astype(np.float32)
        if mask.sum() > _THIN_PX:
            mask = ndimage.gaussian_filter(mask, _SMOOTHING_PX)
        corner = np.array([box[0].start - 2, box[1].start - 2])
        lines = find_contours(mask, 0.5)  # type: ignore[no-untyped-call]
        found += [(label, line + corner) for line in lines]
    return found


def _without_specks(mask: NDArray[np.bool_], smallest_px: float) -> NDArray[np.bool_]:
    islands, _ = ndimage.label(ndimage.binary_fill_holes(mask))
    area = np.bincount(islands.ravel())
    return (islands > 0) & (area >= smallest_px)[islands]
