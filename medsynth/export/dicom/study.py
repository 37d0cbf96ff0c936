"""One acquisition of one case as DICOM: image series, segmentations, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from medsynth.core.errors import DatasetError, GeometryError, expected
from medsynth.core.findings import Finding
from medsynth.core.scanner import ScannerRecord
from medsynth.core.volume import Volume
from medsynth.export.dicom.identity import StudyInfo
from medsynth.export.dicom.image import image_datasets, write_images
from medsynth.export.dicom.iods import iod_of
from medsynth.export.dicom.marks import save
from medsynth.export.dicom.report import measurement_report
from medsynth.export.dicom.segmentation import (
    LESION,
    SegEncoding,
    lesion_mask_segmentation,
    lesion_segmentation,
    mask_segmentation,
    organ_segmentation,
)
from medsynth.scene.structure import Structure

Truth = Volume | Mapping[str, Volume]  # labels, or masks that may overlap


def write_study(folder: Path, image: Volume, scanner: ScannerRecord, study: StudyInfo, *,
                organs: Truth | None = None, structures: Sequence[Structure] = (), lesions: Truth | None = None,
                findings: Sequence[Finding] = (), seg_encoding: SegEncoding = "binary",
                organ_encoding: SegEncoding = "labelmap", name: str = "ct", number: int = 1) -> list[Path]:
    """Write one acquisition below `folder` and return the files, in order.

    `<name>/IM00001.dcm ...`, `<name>_lesions/IM00001.dcm` (SEG), `<name>_report/IM00001.dcm` (SR), and with `organs`
    `<name>_organs/IM00001.dcm` (SEG). Without findings there is neither lesion SEG nor report. Segmentations of a
    projection are BINARY, since shadows overlap.

    Parameters
    ----------
    image : (k, j, i) as `image_datasets` takes it.
    organs : (k, j, i) labels of `structures` on the image's grid; of a projection a mask per structure.
    lesions : (k, j, i) finding numbers on the image's grid; of a projection a mask `lesion_<number>` per finding.
    name : of the acquisition; its UIDs are drawn under it, so a twin in the same study needs a name of its own.
    number : 1, 2, ... of the acquisition in its study.

    Raises
    ------
    DatasetError
        If something has no DICOM form: see `image_datasets`, `lesion_segmentation`, `organ_segmentation`.
    """
    _check_grids(image, organs=organs, lesions=lesions)
    image = iod_of(scanner).stored(image)
    images = image_datasets(image, scanner, study, series=name, series_number=number)
    paths = write_images(images, image, folder / name)
    if findings:
        if lesions is None:
            raise DatasetError(f"lesions must be an image where there are findings, got None for {len(findings)}")
        series, of_series = f"{name}_lesions", {"series_number": 100 * number + 1}
        if isinstance(lesions, Volume):
            segmentation = lesion_segmentation(images, lesions, findings, study, series=series, encoding=seg_encoding,
                                               **of_series)
        else:
            segmentation = lesion_mask_segmentation(images, lesions, findings, study, series=series, **of_series)
        paths.append(_write_one(segmentation, folder / series))
        series = f"{name}_report"
        report = measurement_report(images, segmentation, findings, study, series=series,
                                    series_number=100 * number + 2, shown=_middle_slices(image, findings),
                                    procedure=iod_of(scanner).procedure)
        paths.append(_write_one(report, folder / series))
    series, of_series = f"{name}_organs", {"series_number": 100 * number + 3}
    if isinstance(organs, Volume):
        segmentation = organ_segmentation(images, organs, structures, study, series=series, encoding=organ_encoding,
                                          **of_series)
        paths.append(_write_one(segmentation, folder / series))
    elif organs is not None and any(not key.startswith(LESION) for key in organs):
        segmentation = mask_segmentation(images, organs, structures, study, series=series, **of_series)
        paths.append(_write_one(segmentation, folder / series))
    return paths


def _write_one(dataset: Dataset, folder: Path) -> Path:
    folder.mkdir(parents=True)
    path = folder / "IM00001.dcm"
    save(dataset, path)
    return path


def _middle_slices(image: Volume, findings: Sequence[Finding]) -> list[int]:
    """Return the slices through the centres of the findings; a projection has one."""
    if image.grid.shape_kji[0] == 1:
        return [0]
    k = image.grid.index_kji([finding.centre_mm for finding in findings])[:, 0]
    return sorted(set(np.clip(np.rint(k), 0, image.grid.shape_kji[0] - 1).astype(int).tolist()))


def _check_grids(image: Volume, **others: Truth | None) -> None:
    for name, other in others.items():
        if isinstance(other, Volume) and not other.grid.is_close(image.grid):
            raise GeometryError(expected(f"grid of {name}", other.grid, f"the image's grid {image.grid}"))
