"""The image series: one CT Image object per slice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from medsynth.core.errors import DatasetError, expected
from medsynth.core.grid import Grid
from medsynth.core.scanner import ScannerRecord
from medsynth.core.version import __version__
from medsynth.core.volume import Volume
from medsynth.export.dicom.identity import StudyInfo
from medsynth.export.dicom.marks import (
    MANUFACTURER,
    SERIAL_NUMBER,
    STATEMENT,
    date_of,
    decimal,
    describe_study,
    file_meta,
    mark_synthetic,
    save,
    time_of,
)

_Value = str | int | float | tuple[float, ...] | tuple[str, ...]

# What the attributes of a scanner become, by value representation; the rest is text.
_CONVERT: dict[str, Callable[[Any], object]] = {
    "DS": decimal, "IS": round, "US": round, "UL": round, "SS": round, "SL": round, "FD": float, "FL": float}


def image_datasets(image: Volume, scanner: ScannerRecord, study: StudyInfo, *, series: str,
                   series_number: int) -> list[Dataset]:
    """Return one dataset per slice, in slice order, without pixels.

    Parameters
    ----------
    image : (k, j, i) int16 HU; slices along k, rows along j, columns along i.
    series : the name its UIDs are drawn under.

    Raises
    ------
    DatasetError
        If the modality or the type has no writer, or the scanner names an attribute that DICOM does not have.
    """
    if scanner.modality != "CT":
        raise DatasetError(expected("modality of a DICOM series", scanner.modality, "CT"))
    if image.array.dtype != np.int16:
        raise DatasetError(expected("dtype of a CT image", image.array.dtype.name, "int16"))
    template = _template(image.grid, scanner, study, series, series_number)
    datasets = []
    for k in range(image.grid.shape_kji[0]):
        dataset = Dataset()
        dataset.update(template)
        uid = study.instance_uid(series, k + 1)
        position = image.grid.world_mm((k, 0, 0))
        dataset.SOPInstanceUID = uid
        dataset.InstanceNumber = k + 1
        dataset.ImagePositionPatient = [decimal(v) for v in position]
        dataset.SliceLocation = decimal(float(_normal(image.grid) @ position))
        for keyword, values in scanner.by_slice.items():
            _set(dataset, keyword, values[k])
        dataset.file_meta = file_meta(CTImageStorage, uid)
        datasets.append(dataset)
    return datasets


def write_images(datasets: list[Dataset], image: Volume, folder: Path) -> list[Path]:
    """Write the series, one file per slice named IM00001.dcm onwards."""
    folder.mkdir(parents=True)
    paths = []
    voxels = np.ascontiguousarray(image.array, dtype="<i2")
    for number, (dataset, pixels) in enumerate(zip(datasets, voxels, strict=True), start=1):
        full = Dataset()
        full.update(dataset)
        full.file_meta = dataset.file_meta
        full.add_new("PixelData", "OW", pixels.tobytes())
        path = folder / f"IM{number:05d}.dcm"
        save(full, path)
        paths.append(path)
    return paths


def _template(grid: Grid, scanner: ScannerRecord, study: StudyInfo, series: str, series_number: int) -> Dataset:
    """Return what all slices share."""
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage
    dataset.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    dataset.DerivationDescription = STATEMENT
    dataset.PatientPosition = "HFS"
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = "medsynth simulated CT"
    dataset.DeviceSerialNumber = SERIAL_NUMBER
    dataset.SoftwareVersions = __version__
    dataset.KVP = None
    dataset.SliceThickness = decimal(grid.spacing_mm[0])
    for keyword, value in scanner.attributes.items():
        _set(dataset, keyword, value)
    for keyword, (code, scheme, meaning) in scanner.codes.items():
        _check_keyword(keyword)
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, scheme, meaning
        setattr(dataset, keyword, [item])
    if not dataset.get("BodyPartExamined"):
        dataset.Laterality = ""
    _add_series(dataset, scanner, study, series, series_number)
    _add_geometry(dataset, grid, study)
    _add_pixel_format(dataset, grid, scanner.window)
    return dataset


def _add_series(dataset: Dataset, scanner: ScannerRecord, study: StudyInfo, series: str, number: int) -> None:
    region = f" {dataset.BodyPartExamined}" if dataset.get("BodyPartExamined") else ""
    describe_study(dataset, study, f"SYNTHETIC STUDY{region}"[:64])
    dataset.Modality = scanner.modality
    dataset.SeriesInstanceUID = study.series_uid(series)
    dataset.SeriesNumber = number
    dataset.SeriesDescription = f"SYNTHETIC {scanner.description}"[:64]
    for keyword in ("InstanceCreationDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(dataset, keyword, date_of(study))
    for keyword in ("InstanceCreationTime", "SeriesTime", "AcquisitionTime", "ContentTime"):
        setattr(dataset, keyword, time_of(study))
    dataset.AcquisitionNumber = 1
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    mark_synthetic(dataset, study)


def _add_geometry(dataset: Dataset, grid: Grid, study: StudyInfo) -> None:
    direction = np.asarray(grid.direction)
    dataset.FrameOfReferenceUID = study.frame_uid
    dataset.PositionReferenceIndicator = ""
    # Direction of a row (rising column index, i) first, then of a column (rising row index, j).
    dataset.ImageOrientationPatient = [decimal(v) for v in (*direction[:, 2], *direction[:, 1])]
    dataset.PixelSpacing = [decimal(grid.spacing_mm[1]), decimal(grid.spacing_mm[2])]


def _add_pixel_format(dataset: Dataset, grid: Grid, window: tuple[float, float]) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = grid.shape_kji[1:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = decimal(0), decimal(1), "HU"
    dataset.WindowCenter, dataset.WindowWidth = decimal(window[0]), decimal(max(1.0, window[1]))


def _normal(grid: Grid) -> NDArray[np.float64]:
    direction = np.asarray(grid.direction)
    return np.cross(direction[:, 2], direction[:, 1])


def _set(dataset: Dataset, keyword: str, value: _Value) -> None:
    """Set one attribute that a scanner told, in the form its value representation demands."""
    convert = _CONVERT.get(dictionary_VR(_check_keyword(keyword)), str)
    many = [convert(v) for v in (value if isinstance(value, tuple) else (value,))]
    setattr(dataset, keyword, many if len(many) != 1 else many[0])


def _check_keyword(keyword: str) -> int:
    """Return the tag of a keyword that a scanner told."""
    tag = tag_for_keyword(keyword)
    if tag is None or keyword_for_tag(tag) != keyword:
        raise DatasetError(expected("key of the scanner's attributes", keyword, "a DICOM keyword"))
    return tag
