"""One lesion of one image, measured, as a plain record; and its forms for JSON and for the writers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from medsynth.core.findings import Attribute, Finding

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
    mean_hu : over voxels that it fills; None where there is none.
    """

    name: str
    label: int
    volume_ml: float
    true_volume_ml: float
    share: float
    mean_hu: float | None


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
    mean_hu .. twin_contrast_hu : see `Intensity`.
    parts : by part.
    attributes : of the family, flat.
    spec : what rebuilds it.
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
    centre_kji: Point
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

    @property
    def in_image(self) -> bool:
        """Whether any of it lies in the image."""
        return self.volume_ml > 0


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
        "centre_kji": [_mm(v) for v in record.centre_kji],
        "box_kji": None if record.box_kji is None else [list(corner) for corner in record.box_kji],
        "box_mm": _points(record.box_mm),
        "intensity_hu": {
            "mean": _hu(record.mean_hu), "sd": _hu(record.sd_hu), "surroundings_mean": _hu(record.surroundings_mean_hu),
            "surroundings_sd": _hu(record.surroundings_sd_hu), "contrast": _hu(record.contrast_hu),
            "cnr": _hu(record.cnr), "twin_contrast": _hu(record.twin_contrast_hu)},
        "parts": {
            part: {"name": p.name, "label": p.label, "volume_ml": round(p.volume_ml, 6),
                   "true_volume_ml": round(p.true_volume_ml, 6), "share": round(p.share, 5), "mean_hu": _hu(p.mean_hu)}
            for part, p in record.parts.items()},
        "attributes": dict(record.attributes),
        "spec": dict(record.spec),
    }


def finding(record: LesionRecord) -> Finding:
    """Return the record as the DICOM writers take it."""
    return Finding(
        number=record.number, kind=record.kind, code=record.code, site=record.host, site_code=record.host_code,
        site_laterality=record.laterality, volume_ml=record.volume_ml, long_axis_mm=record.long_axis_mm,
        short_axis_mm=record.short_axis_mm, mean_diameter_mm=record.mean_diameter_mm, centre_mm=record.centre_mm,
        box_mm=record.box_mm, mean_hu=record.mean_hu, sd_hu=record.sd_hu, contrast_hu=record.contrast_hu,
        long_axis_ends_mm=record.long_axis_ends_mm, short_axis_ends_mm=record.short_axis_ends_mm,
        attributes=dict(record.attributes))


def _mm(value: float) -> float:
    return round(float(value), 3)


def _hu(value: float | None) -> float | None:
    return None if value is None else round(float(value), 2)


def _points(points: tuple[Point, Point]) -> list[list[float]]:
    return [[_mm(v) for v in point] for point in points]
