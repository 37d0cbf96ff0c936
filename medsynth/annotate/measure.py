"""Measuring one lesion in one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medsynth.annotate.detect import npw_dprime
from medsynth.annotate.diameters import LEVEL, Axes, axis_ratio, largest_diameter_mm, recist_axes
from medsynth.annotate.intensity import SHELL_MM, Intensity, measure_intensity
from medsynth.annotate.masks import crop, filled_box, lesion_box
from medsynth.annotate.projected import measure_shadow
from medsynth.annotate.record import LesionRecord, PartRecord, Point, ShadowRecord
from medsynth.annotate.shape_truth import fine_phantom
from medsynth.core.errors import MedsynthError
from medsynth.core.grid import Grid
from medsynth.scene.acquired import Acquired
from medsynth.scene.lesion_parts import part_labels
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Lesion, Measured, Scene, organ_labels

Fraction = NDArray[np.float32]
Source = Literal["image", "shape"]

HU = "HU"  # quantity of a CT image
UNMEASURED_PARTS = ("spicules", "oedema")  # not part of a diameter: readers measure the mass itself
SOLID_PARTS = ("solid", "calcification")
FULL = 0.995  # a voxel holds one part alone from this fraction on


def measure_lesion(acquired: Acquired, lesion: Lesion, scene: Scene) -> LesionRecord:
    """Measure `lesion` in the truth and the image of one acquisition.

    Of a projection volumes and diameters are those of the shape, and what the image shows is measured on the shadow.
    """
    fine, here = fine_phantom(lesion, scene), _crop(acquired, lesion)
    flat, hu = acquired.projection is not None, acquired.image.quantity == HU
    labels = part_labels(fine.structures, lesion.number)
    whole_fine, whole = fine.occupancy(*labels.values()), here.phantom.occupancy(*labels.values())
    size = _size(fine, None if flat else here.phantom, labels, lesion.number)
    shadow, shown = _shadow(acquired, lesion) if flat else (None, _intensity(acquired, here, whole, lesion))
    true_ml = _ml(whole_fine, fine.grid)
    seen = whole.any() and not flat
    centre = _centre_mm(whole, here.phantom.grid) if seen else _centre_mm(whole_fine, fine.grid)
    attributes: dict[str, Any] = dict(lesion.attributes)
    host, axes, in_hu = scene.structure(lesion.host), size.axes, shown if hu else Intensity()
    parts = _parts(acquired, here, fine, labels, true_ml)
    if lesion.classify is not None:
        attributes |= lesion.classify(Measured(
            true_ml, axes.long_mm, axes.short_mm, axes.mean_mm, size.largest_mm, size.solid_mean_mm or 0.0,
            size.axis_ratio, in_hu.mean, in_hu.contrast, shown.cnr,
            {part: record.true_volume_ml for part, record in parts.items()}))
    return LesionRecord(
        number=lesion.number, kind=lesion.kind, type=str(attributes.get("type", lesion.kind)),
        code=(lesion.code.value, lesion.code.meaning), host=host.name, host_code=(host.code.value, host.code.meaning),
        laterality=host.laterality, volume_ml=_ml(whole, here.phantom.grid), true_volume_ml=true_ml,
        measured_on=size.source, long_axis_mm=axes.long_mm, short_axis_mm=axes.short_mm,
        long_axis_ends_mm=axes.long_ends_mm, short_axis_ends_mm=axes.short_ends_mm,
        axial_slice_k=axes.slice_k + here.low[0] if size.source == "image" else None,
        mean_diameter_mm=axes.mean_mm, solid_mean_diameter_mm=size.solid_mean_mm, max_diameter_mm=size.largest_mm,
        equivalent_diameter_mm=float((6000 * true_ml / np.pi) ** (1 / 3)), centre_mm=centre,
        centre_kji=None if flat else tuple(acquired.phantom.grid.index_kji(centre).tolist()),
        box_kji=_box_kji(whole, here.low) if seen else None, box_mm=_box_mm(whole_fine, fine.grid),
        mean_hu=in_hu.mean, sd_hu=in_hu.sd, surroundings_mean_hu=in_hu.around_mean, surroundings_sd_hu=in_hu.around_sd,
        contrast_hu=in_hu.contrast, cnr=shown.cnr, twin_contrast_hu=in_hu.twin_contrast,
        parts=parts, attributes=attributes, spec=dict(lesion.spec),
        signal=None if hu else shown, shadow=shadow, projected=flat, dprime=_dprime(acquired, here, whole))


def _dprime(acquired: Acquired, here: _Crop, whole: Fraction) -> float | None:
    return None if acquired.probe is None else npw_dprime(acquired.probe, whole, here.low)


def _shadow(acquired: Acquired, lesion: Lesion) -> tuple[ShadowRecord | None, Intensity]:
    """Measure the lesion's shadow, where it throws one into the image."""
    return measure_shadow(acquired, lesion.number, lesion.host) or (None, Intensity())


@dataclass(frozen=True, eq=False)
class _Crop:
    """The voxels of an acquisition around a lesion; a single voxel of the image's corner where it lies outside."""

    phantom: Phantom
    low: tuple[int, int, int]
    at: tuple[slice, ...]


def _crop(acquired: Acquired, lesion: Lesion) -> _Crop:
    """Return where the lesion is; the body of a projection may stand in another posture than it was built in."""
    box = (lesion_box(lesion, acquired.phantom.grid, SHELL_MM[1]) if acquired.projection is None
           else filled_box(acquired.phantom, lesion.number))
    low, high = box or ((0, 0, 0), (1, 1, 1))
    at = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    return _Crop(crop(acquired.phantom, low, high), low, at)


@dataclass(frozen=True)
class _Size:
    """Diameters, and whether they come from the image's voxels or from the shape."""

    axes: Axes
    solid_mean_mm: float | None
    largest_mm: float
    axis_ratio: float
    source: Source


def _size(fine: Phantom, here: Phantom | None, labels: Mapping[str, int], number: int) -> _Size:
    """Measure on the image's voxels, where it has some and one is half full, or else on the shape's."""
    body = [label for part, label in labels.items() if part not in UNMEASURED_PARTS]
    solid = [labels[part] for part in SOLID_PARTS if part in labels]
    axes = None if here is None else recist_axes(here.occupancy(*body), here.grid)
    measured: Phantom = fine if here is None or axes is None else here
    source: Source = "shape" if measured is fine else "image"
    if axes is None:
        axes = recist_axes(fine.occupancy(*body), fine.grid)
    if axes is None:
        raise MedsynthError(f"lesion {number} has no voxel on a grid of {fine.grid.spacing_mm[0]:.2f} mm of its own")
    solid_axes = recist_axes(measured.occupancy(*solid), measured.grid) if solid else None
    return _Size(axes, None if solid_axes is None else solid_axes.mean_mm,
                 largest_diameter_mm(measured.occupancy(*body), measured.grid),
                 axis_ratio(fine.occupancy(*body), fine.grid), source)


def _intensity(acquired: Acquired, here: _Crop, whole: Fraction, lesion: Lesion) -> Intensity:
    beside = acquired.beside
    organ = organ_labels(beside.structures)
    host = next(s.label for s in beside.structures if s.name == lesion.host)
    in_host = (organ[beside.labels[here.at]] == organ[host]) & (beside.fraction[here.at] == 0)
    twin = None if acquired.twin is None else acquired.twin.array[here.at]
    return measure_intensity(acquired.image.array[here.at], whole, in_host, acquired.phantom.grid.spacing_mm, twin)


def _parts(acquired: Acquired, here: _Crop, fine: Phantom, labels: Mapping[str, int],
           true_ml: float) -> dict[str, PartRecord]:
    names = {s.label: s.name for s in fine.structures}
    parts = {}
    for part, label in labels.items():
        true_part, filled, mean = _ml(fine.occupancy(label), fine.grid), here.phantom.occupancy(label), None
        if acquired.projection is None and (filled >= FULL).any():
            mean = float(acquired.image.array[here.at][filled >= FULL].mean())
        in_hu, other = (mean, None) if acquired.image.quantity == HU else (None, mean)
        parts[part] = PartRecord(names[label], label, _ml(filled, here.phantom.grid), true_part, true_part / true_ml,
                                 in_hu, other)
    return parts


def _ml(fraction: Fraction, grid: Grid) -> float:
    return float(fraction.sum(dtype=np.float64)) * grid.voxel_volume_mm3 / 1000


def _centre_mm(fraction: Fraction, grid: Grid) -> Point:
    at = np.nonzero(fraction)
    return tuple(grid.world_mm(np.average(np.stack(at, axis=-1), axis=0, weights=fraction[at])).tolist())


def _filled_box(fraction: Fraction) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    at = np.argwhere(fraction >= LEVEL) if (fraction >= LEVEL).any() else np.argwhere(fraction > 0)
    return at.min(0), at.max(0) + 1


def _box_kji(fraction: Fraction, low: tuple[int, int, int]) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    first, last = _filled_box(fraction)
    return tuple((first + low).tolist()), tuple((last + low).tolist())


def _box_mm(fraction: Fraction, grid: Grid) -> tuple[Point, Point]:
    """Return the LPS box of the half-full voxels' faces; the fine grid is axial."""
    first, last = _filled_box(fraction)
    faces = grid.world_mm([first - 0.5, last - 0.5])
    return tuple(faces.min(0).tolist()), tuple(faces.max(0).tolist())
