"""Truth and measurements in the plane of a projection: masks that overlap, outlines, boxes, what covers a lesion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.annotate.diameters import LEVEL, Axes, recist_axes
from medsynth.annotate.intensity import SHELL_MM, Intensity, measure_intensity
from medsynth.annotate.record import ShadowRecord
from medsynth.core.findings import Place
from medsynth.core.grid import Grid
from medsynth.core.volume import Volume
from medsynth.scene.acquired import Acquired
from medsynth.scene.projection import Projection, Shadow

Mask = NDArray[np.bool_]

LEAST_OVERLAP = 0.005
LESIONS = "lesions"  # the key of `Projection.measures` under which a scanner tells of each lesion, by its number
_READINGS = ("visible_fraction", "contrast", "noise_sd", "cnr", "snr")
_OUTLINE_PX = 0.25  # how far the outline may stray from the mask's


class ProjectionMasks(Mapping[str, Volume]):
    """The mask of every structure of a projection, and of lesion n as `lesion_n`, each (1, rows, columns) uint8.

    They are made when asked for: a hundred of them at the size of a radiograph would fill a gigabyte.
    """

    def __init__(self, projection: Projection, grid: Grid) -> None:
        named = {**projection.structures, **{f"lesion_{n}": shadow for n, shadow in projection.lesions.items()}}
        self._shadows = {name: shadow for name, shadow in named.items() if shadow.thickness_mm.any()}
        self._grid = grid

    def __getitem__(self, name: str) -> Volume:
        """Return the mask called `name`, 1 inside and 0 outside."""
        shadow, image = self._shadows[name], np.zeros(self._grid.shape_kji, np.uint8)
        (row, column), inside = shadow.first_ji, shadow.inside()
        image[0, row:row + inside.shape[0], column:column + inside.shape[1]] = inside
        return Volume(image, self._grid, "label")

    def __iter__(self) -> Iterator[str]:
        return iter(self._shadows)

    def __len__(self) -> int:
        return len(self._shadows)

    def thickness(self, name: str) -> Volume:
        """Return the length of each ray inside a structure, (1, rows, columns) float32 in mm."""
        return Volume(self._shadows[name].full(_plane(self._grid))[None], self._grid, "thickness_mm")


def lesion_plane(projection: Projection, grid: Grid) -> Volume:
    """Return (1, rows, columns) uint16: the lesion that each pixel belongs to, 0 for none.

    Where shadows overlap it is the lesion that is thickest there, of equal ones that with the lower number; the masks
    of the single lesions keep what this image cannot tell.
    """
    number, thickest = np.zeros(_plane(grid), np.uint16), np.zeros(_plane(grid), np.float32)
    for n, shadow in sorted(projection.lesions.items()):
        (row, column), (rows, columns) = shadow.first_ji, shadow.thickness_mm.shape
        at = slice(row, row + rows), slice(column, column + columns)
        above = shadow.inside() & (shadow.thickness_mm > thickest[at])
        number[at][above], thickest[at][above] = n, shadow.thickness_mm[above]
    return Volume(number[None], grid, "label")


def measure_shadow(acquired: Acquired, number: int, host: str) -> tuple[ShadowRecord, Intensity] | None:
    """Measure the shadow of lesion `number`; None where it throws none into the image.

    Surroundings are the pixels near it in the shadow of its host that no other lesion's shadow reaches.
    """
    projection = acquired.projection
    shadow = None if projection is None else projection.lesions.get(number)
    if projection is None or shadow is None or not shadow.thickness_mm.any():
        return None
    near = _Window.around(shadow, acquired.image.grid)
    inside, thickness, grid = near.mask(shadow), near.thickness(shadow), near.grid
    share = np.clip(thickness / (2 * shadow.level_mm), 0, 1)  # one half at the mask's border
    axes = recist_axes(share[None], grid)
    at, lit = np.argwhere(inside), np.argwhere(thickness > 0)
    centre = near.place(np.average(lit, axis=0, weights=thickness[thickness > 0].astype(float)))
    masks = {name: near.mask(other) for name, other in projection.structures.items() if near.meets(other)}
    overlaps = {name: float(mask[inside].mean()) for name, mask in masks.items()}
    ends = near.ends(axes) if axes is not None else ((centre, centre), (centre, centre))
    _, row_mm, column_mm = grid.spacing_mm
    told = projection.measures.get(LESIONS, {}).get(str(number), {})
    record = ShadowRecord(
        box_ji=(near.whole(at.min(0)), near.whole(at.max(0) + 1)), centre_ji=centre, area_px=len(at),
        area_mm2=len(at) * row_mm * column_mm, thickness_mm=float(thickness.max()),
        long_axis_mm=axes.long_mm if axes else 0.0, short_axis_mm=axes.short_mm if axes else 0.0,
        long_axis_ends_ji=ends[0], short_axis_ends_ji=ends[1],
        outline_ji=tuple(near.place(point) for point in _outline(share)),
        readings={key: float(told[key]) for key in _READINGS if key in told},
        overlaps={name: part for name, part in sorted(overlaps.items()) if part >= LEAST_OVERLAP})
    others = [near.thickness(other) > 0 for n, other in projection.lesions.items() if n != number and near.meets(other)]
    around = masks.get(host, np.ones_like(inside)) & ~np.logical_or.reduce([np.zeros_like(inside), *others])
    shown = measure_intensity(near.values(acquired.image), share[None], around[None], (row_mm, row_mm, column_mm),
                              None if acquired.twin is None else near.values(acquired.twin))
    return record, shown


@dataclass(frozen=True, eq=False)
class _Window:
    """The pixels around a lesion's shadow: what is measured of it needs no more of the image."""

    low: tuple[int, int]
    grid: Grid

    @classmethod
    def around(cls, shadow: Shadow, grid: Grid) -> _Window:
        margin = [int(np.ceil(SHELL_MM[1] / mm)) + 3 for mm in grid.spacing_mm[1:]]
        first, size = shadow.first_ji, shadow.thickness_mm.shape
        low = [max(0, a - m) for a, m in zip(first, margin, strict=True)]
        high = [min(n, a + s + m) for n, a, s, m in zip(_plane(grid), first, size, margin, strict=True)]
        return cls((low[0], low[1]), grid.crop((0, low[0], low[1]), (1, high[0], high[1])))

    def thickness(self, shadow: Shadow) -> NDArray[np.float32]:
        """Return (rows, columns) of the window."""
        image = np.zeros(_plane(self.grid), np.float32)
        to, of = [], []
        for low, size, first, count in zip(self.low, image.shape, shadow.first_ji, shadow.thickness_mm.shape,
                                           strict=True):
            start, stop = max(low, first), max(low, first, min(low + size, first + count))
            to.append(slice(start - low, stop - low))
            of.append(slice(start - first, stop - first))
        image[tuple(to)] = shadow.thickness_mm[tuple(of)]
        return image

    def mask(self, shadow: Shadow) -> Mask:
        thickness = self.thickness(shadow)
        return (thickness > 0) & (thickness >= shadow.level_mm)

    def meets(self, shadow: Shadow) -> bool:
        return all(first < low + size and low < first + count for low, size, first, count in zip(
            self.low, _plane(self.grid), shadow.first_ji, shadow.thickness_mm.shape, strict=True))

    def values(self, image: Volume) -> NDArray[Any]:
        (row, column), (rows, columns) = self.low, _plane(self.grid)
        return image.array[:, row:row + rows, column:column + columns]

    def place(self, point: NDArray[np.float64]) -> Place:
        """Return a place of the window as one of the image."""
        return float(point[0]) + self.low[0], float(point[1]) + self.low[1]

    def whole(self, point: NDArray[np.intp]) -> tuple[int, int]:
        return int(point[0]) + self.low[0], int(point[1]) + self.low[1]

    def ends(self, axes: Axes) -> tuple[tuple[Place, Place], tuple[Place, Place]]:
        """Return the ends of both axes."""
        a, b, c, d = (self.place(p) for p in self.grid.index_kji([*axes.long_ends_mm, *axes.short_ends_mm])[:, 1:])
        return (a, b), (c, d)


def _outline(share: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the longest closed outline (n, 2) of an image (rows, columns) at one half, the first point twice."""
    from skimage.measure import approximate_polygon, find_contours  # brings all of scipy.signal and scipy.stats

    lines = find_contours(np.pad(share, 1), LEVEL)  # type: ignore[no-untyped-call]
    if not lines:
        return np.zeros((0, 2))
    return approximate_polygon(max(lines, key=len) - 1, _OUTLINE_PX)  # type: ignore[no-untyped-call]


@dataclass(frozen=True, eq=False)
class PlaneTruth:
    """What annotations.json tells of a projection beyond its lesions (JSON values).

    Attributes
    ----------
    structures : box, area and thickness of each structure's shadow, by name.
    keypoints : place and whether it lies in the image, by name.
    measures : what follows from them.
    """

    structures: Mapping[str, Any]
    keypoints: Mapping[str, Any]
    measures: Mapping[str, Any]


def plane_truth(projection: Projection, grid: Grid) -> PlaneTruth:
    """Return boxes (row, column; x, y, width, height) and areas of the structures, keypoints and measures."""
    rows, columns = _plane(grid)
    structures = {}
    for name, shadow in projection.structures.items():
        at = np.argwhere(shadow.inside())
        if len(at):
            top, left = (at.min(0) + shadow.first_ji).tolist()
            bottom, right = (at.max(0) + 1 + shadow.first_ji).tolist()
            structures[name] = {
                "box_ji": [[top, left], [bottom, right]], "box_xywh": [left, top, right - left, bottom - top],
                "area_px": len(at), "area_mm2": round(len(at) * grid.spacing_mm[1] * grid.spacing_mm[2], 3),
                "thickness_mm": round(float(shadow.thickness_mm.max()), 3)}
    keypoints = {name: {"place_ji": [round(float(j), 3), round(float(i), 3)],
                        "in_image": bool(-0.5 <= j < rows - 0.5 and -0.5 <= i < columns - 0.5)}
                 for name, (j, i) in projection.keypoints.items()}
    measures = {name: value for name, value in projection.measures.items() if name != LESIONS}
    return PlaneTruth(structures, keypoints, measures)


def _plane(grid: Grid) -> tuple[int, int]:
    return grid.shape_kji[1:]
