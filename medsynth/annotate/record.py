"""One lesion of one image, measured, as a plain record; and its forms for JSON and for the writers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from medsynth.annotate.intensity import Intensity
from medsynth.core.findings import Attribute, Finding, ShadowFinding

Point = tuple[float, float, float]


@dataclass(frozen=True)
class PartRecord:
    """One part of a lesion.

    Attributes
    ----------
    name, label : its structure.
    volume_ml : fraction-weighted, on the image's grid.
    true_volume_ml : of its shape.
    share : of the lesion's true volume.
    mean_hu : over voxels that it fills; None where there is none, and for images without HU.
    mean_signal : the same of images without HU.
    """

    name: str
    label: int
    volume_ml: float
    true_volume_ml: float
    share: float
    mean_hu: float | None
    mean_signal: float | None = None


@dataclass(frozen=True)
class ShadowRecord(ShadowFinding):
    """A lesion in a projection, with what lies before and behind it.

    Attributes
    ----------
    area_px : pixels of its mask.
    overlaps : share of its mask that each organ's mask covers, by the organ's name.
    readings : what the scanner tells of it: `visible_fraction` of its mask, `contrast` and `noise_sd` of the logarithm
        of the readings, `cnr`, `snr`.
    """

    area_px: int
    overlaps: Mapping[str, float]
    readings: Mapping[str, float]


@dataclass(frozen=True)
class LesionRecord:
    """One lesion of one image, measured from the truth.

    Attributes
    ----------
    number : its value in the lesion image.
    kind, type : family, and class within it, e.g. `"lung_nodule"`, `"part_solid"`.
    code, host_code : (SNOMED CT identifier, meaning).
    host, laterality : name and side of the structure it lies in.
    volume_ml : fraction-weighted, on the image's grid.
    true_volume_ml : of the shape, from a fine grid of its own.
    measured_on : `"image"`, or `"shape"` where no voxel of the image is half full or the lesion lies outside it.
    long_axis_mm, short_axis_mm : RECIST axes of the lesion without spicules and tag, in a slice.
    long_axis_ends_mm, short_axis_ends_mm : their ends, LPS.
    axial_slice_k : that slice of the image; None when measured on the shape.
    mean_diameter_mm : mean of both axes.
    solid_mean_diameter_mm : mean diameter of the solid part; None without one.
    max_diameter_mm : largest in 3D, without spicules.
    equivalent_diameter_mm : of the sphere with the true volume.
    centre_mm, centre_kji : centre of mass, in LPS mm and in (fractional) voxels.
    box_kji : first and last-plus-one voxel that it fills at least half (or touches, if none is half full).
    box_mm : LPS (low, high) of the true shape, without pleural tag.
    mean_hu .. twin_contrast_hu : see `Intensity`; None for images without HU.
    parts : by part.
    attributes : of the family, flat.
    spec : what rebuilds it.
    signal : intensity in an image without HU, in units of the image; None for HU.
    shadow : what a projection shows of it; None for cross-sections, and where it throws none into the image.
    dprime : detectability of the non-prewhitening observer in this image; None where the scanner cannot tell.
    projected : whether the image is a projection: sizes in mm and ml are then those of the shape.
    """

    number: int
    kind: str
    type: str
    code: tuple[str, str]
    host: str
    host_code: tuple[str, str]
    laterality: Literal["", "left", "right"]
    volume_ml: float
    true_volume_ml: float
    measured_on: Literal["image", "shape"]
    long_axis_mm: float
    short_axis_mm: float
    long_axis_ends_mm: tuple[Point, Point]
    short_axis_ends_mm: tuple[Point, Point]
    axial_slice_k: int | None
    mean_diameter_mm: float
    solid_mean_diameter_mm: float | None
    max_diameter_mm: float
    equivalent_diameter_mm: float
    centre_mm: Point
    centre_kji: Point | None
    box_kji: tuple[tuple[int, int, int], tuple[int, int, int]] | None
    box_mm: tuple[Point, Point]
    mean_hu: float | None
    sd_hu: float | None
    surroundings_mean_hu: float | None
    surroundings_sd_hu: float | None
    contrast_hu: float | None
    cnr: float | None
    twin_contrast_hu: float | None
    parts: Mapping[str, PartRecord]
    attributes: Mapping[str, Attribute]
    spec: Mapping[str, Any]
    signal: Intensity | None = None
    shadow: ShadowRecord | None = None
    projected: bool = False
    dprime: float | None = None

    @property
    def in_image(self) -> bool:
        """Whether any of it lies in the image, or its shadow."""
        return self.shadow is not None if self.projected else self.volume_ml > 0


def record_json(record: LesionRecord) -> dict[str, Any]:
    """Return the record as annotations.json holds it; lengths to 0.001 mm, volumes to 1e-6 ml."""
    return {
        "id": record.number,
        "name": f"lesion_{record.number}",
        "kind": record.kind,
        "class": record.type,
        "code": {"value": record.code[0], "meaning": record.code[1]},
        "host": {"name": record.host, "laterality": record.laterality,
                 "code": {"value": record.host_code[0], "meaning": record.host_code[1]}},
        "in_image": record.in_image,
        "measured_on": record.measured_on,
        "volume_ml": round(record.volume_ml, 6),
        "true_volume_ml": round(record.true_volume_ml, 6),
        "diameters_mm": {
            "long_axis": _mm(record.long_axis_mm), "short_axis": _mm(record.short_axis_mm),
            "mean": _mm(record.mean_diameter_mm), "mean_rounded": round(record.mean_diameter_mm, 1),
            "solid_mean": None if record.solid_mean_diameter_mm is None else _mm(record.solid_mean_diameter_mm),
            "max_3d": _mm(record.max_diameter_mm), "equivalent": _mm(record.equivalent_diameter_mm)},
        "long_axis_ends_mm": _points(record.long_axis_ends_mm),
        "short_axis_ends_mm": _points(record.short_axis_ends_mm),
        "axial_slice_k": record.axial_slice_k,
        "centre_mm": [_mm(v) for v in record.centre_mm],
        "centre_kji": None if record.centre_kji is None else [_mm(v) for v in record.centre_kji],
        "box_kji": None if record.box_kji is None else [list(corner) for corner in record.box_kji],
        "box_mm": _points(record.box_mm),
        **_intensity(record),
        "npw_dprime": _digits(record.dprime),
        "parts": {part: _part(p, hu=record.signal is None) for part, p in record.parts.items()},
        "attributes": dict(record.attributes),
        "spec": dict(record.spec),
        **({"shadow": None if record.shadow is None else _shadow(record.shadow)} if record.projected else {}),
    }


def _intensity(record: LesionRecord) -> dict[str, Any]:
    """Return the intensities under a name that tells whether they are HU."""
    shown = record.signal
    if shown is None:
        return {"intensity_hu": {
            "mean": _hu(record.mean_hu), "sd": _hu(record.sd_hu), "surroundings_mean": _hu(record.surroundings_mean_hu),
            "surroundings_sd": _hu(record.surroundings_sd_hu), "contrast": _hu(record.contrast_hu),
            "cnr": _hu(record.cnr), "twin_contrast": _hu(record.twin_contrast_hu)}}
    return {"intensity": {
        "mean": _digits(shown.mean), "sd": _digits(shown.sd), "surroundings_mean": _digits(shown.around_mean),
        "surroundings_sd": _digits(shown.around_sd), "contrast": _digits(shown.contrast), "cnr": _digits(shown.cnr),
        "twin_contrast": _digits(shown.twin_contrast)}}


def _part(part: PartRecord, *, hu: bool) -> dict[str, Any]:
    mean = {"mean_hu": _hu(part.mean_hu)} if hu else {"mean": _digits(part.mean_signal)}
    return {"name": part.name, "label": part.label, "volume_ml": round(part.volume_ml, 6),
            "true_volume_ml": round(part.true_volume_ml, 6), "share": round(part.share, 5), **mean}


def _shadow(shadow: ShadowRecord) -> dict[str, Any]:
    (top, left), (bottom, right) = shadow.box_ji
    return {
        "box_ji": [[top, left], [bottom, right]], "box_xywh": [left, top, right - left, bottom - top],
        "centre_ji": [_mm(v) for v in shadow.centre_ji], "area_px": shadow.area_px, "area_mm2": _mm(shadow.area_mm2),
        "thickness_mm": _mm(shadow.thickness_mm),
        "long_axis_mm": _mm(shadow.long_axis_mm), "short_axis_mm": _mm(shadow.short_axis_mm),
        "long_axis_ends_ji": [[_mm(v) for v in end] for end in shadow.long_axis_ends_ji],
        "short_axis_ends_ji": [[_mm(v) for v in end] for end in shadow.short_axis_ends_ji],
        "readings": {name: _digits(value) for name, value in shadow.readings.items()},
        "overlaps": {name: round(share, 4) for name, share in shadow.overlaps.items()},
    }


def finding(record: LesionRecord) -> Finding:
    """Return the record as the DICOM writers take it."""
    return Finding(
        number=record.number, kind=record.kind, code=record.code, site=record.host, site_code=record.host_code,
        site_laterality=record.laterality, volume_ml=record.volume_ml, long_axis_mm=record.long_axis_mm,
        short_axis_mm=record.short_axis_mm, mean_diameter_mm=record.mean_diameter_mm, centre_mm=record.centre_mm,
        box_mm=record.box_mm, mean_hu=record.mean_hu, sd_hu=record.sd_hu, contrast_hu=record.contrast_hu,
        long_axis_ends_mm=record.long_axis_ends_mm, short_axis_ends_mm=record.short_axis_ends_mm,
        attributes=dict(record.attributes), shadow=record.shadow,
        **({} if record.signal is None else {"mean_signal": record.signal.mean, "sd_signal": record.signal.sd,
                                             "contrast_signal": record.signal.contrast}))


def _mm(value: float) -> float:
    return round(float(value), 3)


def _hu(value: float | None) -> float | None:
    return None if value is None else round(float(value), 2)


def _digits(value: float | None) -> float | None:
    """Round to six digits: signals have no scale of their own."""
    return None if value is None else float(f"{value:.6g}")


def _points(points: tuple[Point, Point]) -> list[list[float]]:
    return [[_mm(v) for v in point] for point in points]
