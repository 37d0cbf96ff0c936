"""The image series: one object per slice, or one of a projection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset

from medsynth.core.errors import DatasetError, expected
from medsynth.core.grid import Grid
from medsynth.core.scanner import AttributeValue, ScannerRecord
from medsynth.core.version import __version__
from medsynth.core.volume import Volume
from medsynth.export.dicom.identity import StudyInfo
from medsynth.export.dicom.iods import Iod, iod_of
from medsynth.export.dicom.marks import (
    MANUFACTURER,
    SERIAL_NUMBER,
    STATEMENT,
    date_of,
    decimal,
    describe_study,
    file_meta,
    mark_processed,
    mark_synthetic,
    save,
    time_of,
)

# What the attributes of a scanner become, by value representation; the rest is text.
_CONVERT: dict[str, Callable[[Any], object]] = {
    "DS": decimal, "IS": round, "US": round, "UL": round, "SS": round, "SL": round, "FD": float, "FL": float}
_WIDEST = 16  # bits


def image_datasets(image: Volume, scanner: ScannerRecord, study: StudyInfo, *, series: str,
                   series_number: int) -> list[Dataset]:
    """Return one dataset per slice, in slice order, without pixels.

    Parameters
    ----------
    image : (k, j, i), slices along k, rows along j, columns along i: int16 HU of CT, int16 or uint16 signal of MR,
        uint16 of a projection, which has one slice.
    series : the name its UIDs are drawn under.

    Raises
    ------
    DatasetError
        If the modality or the type has no writer, values do not fit `BitsStored`, or the scanner names an attribute
        that DICOM does not have.
    """
    iod = iod_of(scanner)
    if not iod.holds(image):
        what = " or ".join(iod.dtypes) + (f", {' or '.join(iod.quantities)}" if iod.quantities else "")
        raise DatasetError(expected(f"dtype of a {iod.name}", f"{image.array.dtype.name}, {image.quantity}", what))
    template = _template(image, iod, scanner, study, series, series_number)
    datasets = []
    for k in range(image.grid.shape_kji[0]):
        dataset = Dataset()
        dataset.update(template)
        uid = study.instance_uid(series, k + 1)
        dataset.SOPInstanceUID = uid
        dataset.InstanceNumber = k + 1
        if not iod.projection:
            position = image.grid.world_mm((k, 0, 0))
            dataset.ImagePositionPatient = [decimal(v) for v in position]
            dataset.SliceLocation = decimal(float(_normal(image.grid) @ position))
        for keyword, values in scanner.by_slice.items():
            _set(dataset, keyword, values[k])
        dataset.file_meta = file_meta(iod.sop_class, uid)
        datasets.append(dataset)
    return datasets


def write_images(datasets: list[Dataset], image: Volume, folder: Path) -> list[Path]:
    """Write the series, one file per slice named IM00001.dcm onwards."""
    folder.mkdir(parents=True)
    paths = []
    voxels = np.ascontiguousarray(image.array, dtype=image.array.dtype.newbyteorder("<"))
    for number, (dataset, pixels) in enumerate(zip(datasets, voxels, strict=True), start=1):
        full = Dataset()
        full.update(dataset)
        full.file_meta = dataset.file_meta
        full.add_new("PixelData", "OW", pixels.tobytes())
        path = folder / f"IM{number:05d}.dcm"
        save(full, path)
        paths.append(path)
    return paths


def _template(image: Volume, iod: Iod, scanner: ScannerRecord, study: StudyInfo, series: str,
              series_number: int) -> Dataset:
    """Return what all slices share."""
    dataset = Dataset()
    dataset.SOPClassUID = iod.sop_class
    dataset.DerivationDescription = STATEMENT
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = f"medsynth simulated {scanner.modality}"
    dataset.DeviceSerialNumber = SERIAL_NUMBER
    dataset.SoftwareVersions = __version__
    dataset.BurnedInAnnotation = "NO"
    for keyword, value in {**iod.values(image, scanner), **scanner.attributes}.items():
        if keyword not in iod.without:
            _set(dataset, keyword, value)
    for keyword, code in scanner.codes.items():
        _set_code(dataset, keyword, code)
    if not dataset.get("BodyPartExamined") and not iod.projection:
        dataset.Laterality = ""
    _add_series(dataset, scanner, study, series, series_number)
    if not iod.projection:
        _add_geometry(dataset, image.grid, study)
    _add_pixel_format(dataset, image)
    return dataset


def _add_series(dataset: Dataset, scanner: ScannerRecord, study: StudyInfo, series: str, number: int) -> None:
    region = study.region or dataset.get("BodyPartExamined", "")
    describe_study(dataset, study, f"SYNTHETIC STUDY {region}".strip()[:64])
    dataset.Modality = scanner.modality
    dataset.SeriesInstanceUID = study.series_uid(series)
    dataset.SeriesNumber = number
    dataset.SeriesDescription = f"SYNTHETIC {scanner.description}"[:64]
    for keyword in ("InstanceCreationDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(dataset, keyword, date_of(study))
    for keyword in ("InstanceCreationTime", "SeriesTime", "AcquisitionTime", "ContentTime"):
        setattr(dataset, keyword, time_of(study))
    dataset.AcquisitionNumber = 1
    dataset.LossyImageCompression = "00"
    mark_synthetic(dataset, study)
    if scanner.processing:
        mark_processed(dataset, study, scanner.processing)


def _add_geometry(dataset: Dataset, grid: Grid, study: StudyInfo) -> None:
    direction = np.asarray(grid.direction)
    dataset.FrameOfReferenceUID = study.frame_uid
    dataset.PositionReferenceIndicator = ""
    # Direction of a row (rising column index, i) first, then of a column (rising row index, j).
    dataset.ImageOrientationPatient = [decimal(v) for v in (*direction[:, 2], *direction[:, 1])]
    dataset.PixelSpacing = [decimal(grid.spacing_mm[1]), decimal(grid.spacing_mm[2])]


def _add_pixel_format(dataset: Dataset, image: Volume) -> None:
    signed = image.array.dtype.kind == "i"
    stored = int(dataset.get("BitsStored", _WIDEST))
    low, high = int(image.array.min()), int(image.array.max())
    reach = 1 << max(stored - signed, 0)
    if not 2 <= stored <= _WIDEST or high >= reach or low < (-reach if signed else 0):
        raise DatasetError(expected("BitsStored", stored, f"in 2..{_WIDEST} and hold values from {low} to {high}"))
    dataset.SamplesPerPixel = 1
    dataset.Rows, dataset.Columns = image.grid.shape_kji[1:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, stored, stored - 1
    dataset.PixelRepresentation = int(signed)


def _normal(grid: Grid) -> NDArray[np.float64]:
    direction = np.asarray(grid.direction)
    return np.cross(direction[:, 2], direction[:, 1])


def _set(dataset: Dataset, keyword: str, value: AttributeValue | None) -> None:
    """Set one attribute in the form its value representation demands; None and () leave it empty."""
    representation = dictionary_VR(_check_keyword(keyword))
    if value is None or value == ():
        setattr(dataset, keyword, [] if representation == "SQ" else None)
        return
    convert = _CONVERT.get(representation, str)
    many = [convert(v) for v in (value if isinstance(value, tuple) else (value,))]
    setattr(dataset, keyword, many if len(many) != 1 else many[0])


def _set_code(dataset: Dataset, keyword: str, code: tuple[str, str, str]) -> None:
    """Set a sequence of one code; a view of the breast has modifiers, if only none (PS3.3, C.8.11.7)."""
    _check_keyword(keyword)
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    if keyword == "ViewCodeSequence" and dataset.get("PositionerType") == "MAMMOGRAPHIC":
        item.ViewModifierCodeSequence = []
    setattr(dataset, keyword, [item])


def _check_keyword(keyword: str) -> int:
    """Return the tag of a keyword that a scanner told."""
    tag = tag_for_keyword(keyword)
    if tag is None or keyword_for_tag(tag) != keyword:
        raise DatasetError(expected("key of the scanner's attributes", keyword, "a DICOM keyword"))
    return tag
