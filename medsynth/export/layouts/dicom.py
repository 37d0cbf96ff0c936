"""A DICOM study tree with DICOMDIR, and for cross-sections an RT Structure Set of organs and lesions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pydicom import dcmread
from scipy import ndimage

from medsynth.core.errors import DatasetError
from medsynth.core.seed import Seed
from medsynth.export.colours import lesion_colour, structure_colours
from medsynth.export.contours import Outline, outlines
from medsynth.export.dicom.directory import HEADER, Directory
from medsynth.export.dicom.structures import Roi, structure_set
from medsynth.export.layouts.files import place
from medsynth.export.layouts.options import ExportOptions
from medsynth.export.layouts.source import Source, SourceAcquisition, SourceCase, StructureRow
from medsynth.export.nifti import stored_voxels


def write(source: Source, options: ExportOptions, out: Path, name: str) -> None:  # noqa: ARG001 - as every layout
    """Write the tree: PTxxxxxx/STxxxxxx/SExxxxxx/IMxxxxxx, every object of the dataset and of its twins by a link."""
    directory = Directory()
    for case in source.cases:
        acquisitions = case.acquisitions(options.acquisitions)
        for folder in _series(case, acquisitions, bool(options.acquisitions)):
            for file in sorted(folder.glob("*.dcm")):
                header = dcmread(file, stop_before_pixels=True, specific_tags=list(HEADER))
                place(file, out / directory.add(header))
        for one in acquisitions.values():
            if not one.flat and (case.folder / f"{one.name}_labels.nii.gz").exists():
                _write_structures(source, case, one, options, directory, out)
    directory.write(out / "DICOMDIR", Seed(int(source.header.get("seed", 0))).child(str(source.header["fingerprint"])))


def _series(case: SourceCase, acquisitions: dict[str, SourceAcquisition], chosen: bool) -> Iterator[Path]:
    """Give the folders of a case's series, or of those of some acquisitions."""
    case.file("dicom")
    known = sorted(case.acquisitions(), key=len, reverse=True)
    for root in (case.folder / "dicom", case.folder / "twin" / "dicom"):
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            owner = next((name for name in known if folder.name == name or folder.name.startswith(f"{name}_")), "")
            if not chosen or owner in acquisitions:
                yield folder


def _write_structures(source: Source, case: SourceCase, one: SourceAcquisition, options: ExportOptions,
                      directory: Directory, out: Path) -> None:
    images = [dcmread(file, stop_before_pixels=True) for file in sorted(case.file(f"dicom/{one.name}").glob("*.dcm"))]
    if len(images) != one.grid.shape_kji[0]:
        raise DatasetError(f"dicom/{one.name} of {case.name} has {len(images)} slices, but its labels "
                           f"{one.grid.shape_kji[0]}; make the case again")
    rois: list[Roi] = []
    if options.labels != "lesions":
        rois += _organs(case, one, source.structures)
    if options.labels != "organs":
        rois += _lesions(case, one)
    structures = structure_set(images, rois, one.name)
    if structures.contours:
        structures.save(out / directory.add(structures.dataset))


def _organs(case: SourceCase, one: SourceAcquisition, structures: Sequence[StructureRow]) -> list[Roi]:
    """Return the structures of the label image, outlined slice by slice."""
    labels = stored_voxels(case.file(f"{one.name}_labels.nii.gz"))
    planes: dict[int, list[tuple[int, Sequence[Outline]]]] = {}
    for k, plane in enumerate(labels):
        for label, box in enumerate(ndimage.find_objects(plane.astype(np.int32)), start=1):
            if box is not None:
                corner = np.array([box[0].start, box[1].start], float)
                lines = [line + corner for line in outlines(plane[box] == label)]
                planes.setdefault(label, []).append((k, lines))
    rows = {row.label: row for row in structures}
    colours = structure_colours(row.name for row in rows.values())
    return [Roi(rows[label].name, False, colours[rows[label].name],
                (rows[label].snomed_code, rows[label].snomed_meaning), found)
            for label, found in sorted(planes.items()) if label in rows]


def _lesions(case: SourceCase, one: SourceAcquisition) -> list[Roi]:
    """Return the lesions, outlined where they fill half of the way between pixels."""
    shown = [found for found in one.lesions if found["in_image"]]
    if not shown:
        return []
    numbers = stored_voxels(case.file(f"{one.name}_lesions.nii.gz"))
    fraction = stored_voxels(case.file(f"{one.name}_lesion_fraction.nii.gz")).astype(np.float32) / 255
    rois = []
    for found in shown:
        number = int(found["id"])
        planes = [(int(k), list(outlines(numbers[k] == number, np.where(
            (numbers[k] == number) | (numbers[k] == 0), fraction[k], np.float32(0)))))
            for k in np.flatnonzero((numbers == number).any(axis=(1, 2)))]
        code = (str(found["code"]["value"]), found["code"]["meaning"])
        rois.append(Roi(f"{found['kind']} {number}", True, lesion_colour(number), code, planes))
    return rois
