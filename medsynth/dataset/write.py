"""A case as files: the folder layout that users and other programs rely on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medsynth.core.volume import Volume
from medsynth.dataset.case import Case
from medsynth.dataset.folder import canonical_json
from medsynth.dataset.parts import DicomOptions, FormatsPart
from medsynth.scene.lesion_parts import FIRST_LESION_LABEL, part_labels
from medsynth.scene.phantom import FRACTION_UNIT, Phantom
from medsynth.scene.structure import Lesion

# Series numbers of pairs: beyond those of any image, SEG or SR (see `write_study`).
FIRST_PAIR = 10000


def write_case(case: Case, folder: Path, formats: FormatsPart) -> None:
    """Write a case into an existing folder: images, labels, lesions, annotations, preview, DICOM, and its twin.

    Parameters
    ----------
    formats : which of the formats, with their options; annotations.json and preview.png are always written.
    """
    _write_one(case, folder, formats, suffix="")
    if case.twin is not None:
        (folder / "twin").mkdir()
        _write_one(case.twin, folder / "twin", formats, suffix="_twin")


def _write_raw(case: Case, folder: Path) -> None:
    """Write what the images were made of, where a recipe asks for it (see docs/files.md)."""
    for name, one in case.acquired.items():
        if one.raw:
            arrays: dict[str, Any] = dict(one.raw)
            np.savez(folder / f"{name}_raw.npz", **arrays)


def _write_one(case: Case, folder: Path, formats: FormatsPart, *, suffix: str) -> None:
    (folder / "annotations.json").write_text(canonical_json(case.annotations, indent=1) + "\n", encoding="utf-8")
    _write_preview(case, folder / "preview.png")
    _write_raw(case, folder)
    if formats.nifti is not None:
        _write_nifti(case, folder)
    if formats.png is not None:
        _write_png(case, folder)
    if formats.dicom is not None:
        _write_dicom(case, folder / "dicom", formats.dicom, suffix)


def _write_preview(case: Case, path: Path) -> None:
    """Draw the primary acquisition with its organs and lesions."""
    name = next(iter(case.images))
    one, subject = case.acquired[name], case.subject
    title = f"{one.scanner.description}, {subject.sex}, {subject.age_years:.0f} years, case {case.index}"
    if one.projection is not None:
        from medsynth.export.radiograph import write_radiograph

        write_radiograph(path, one.image, case.masks[name], one.projection.keypoints, one.scanner,
                         findings=case.findings[name], title=title)
        return
    from medsynth.export.preview import write_preview

    # Without HU there is one window: once with the outlines of the organs, once without.
    windows = () if one.image.quantity == "HU" else ((one.image.quantity, *one.scanner.window),) * 2
    write_preview(path, one.image, labels=case.labels[name], structures=one.healthy.structures,
                  lesions=case.lesion_labels[name], findings=case.findings[name], title=title, windows=windows)


def _write_nifti(case: Case, folder: Path) -> None:
    """Write images and their truth; pairs, and for MR what the scanner did, beside them."""
    from medsynth.export.nifti import write_nifti
    from medsynth.export.sidecar import write_sidecar

    for name, one in case.acquired.items():
        further = {f"{name}_{pair}": pair_of for pair, pair_of in one.pairs.items()}
        for file, (image, scanner) in {name: (one.image, one.scanner), **further}.items():
            write_nifti(image, folder / f"{file}.nii.gz")
            if scanner.modality == "MR":
                write_sidecar(scanner, folder / f"{file}.json", image.quantity)
        write_nifti(case.lesion_labels[name], folder / f"{name}_lesions.nii.gz")
        if one.projection is None:
            _write_voxel_truth(case, name, folder)
        else:
            _write_plane_truth(case, name, folder)


def _write_voxel_truth(case: Case, name: str, folder: Path) -> None:
    """Write anatomy; with lesions, also how much of each voxel they fill, and their parts."""
    from medsynth.export.nifti import FRACTION_SLOPE, write_nifti

    write_nifti(case.labels[name], folder / f"{name}_labels.nii.gz")
    if case.lesions:
        fraction, parts = lesion_truth(case.acquired[name].phantom, case.visit_lesions[name])
        write_nifti(fraction, folder / f"{name}_lesion_fraction.nii.gz", slope=FRACTION_SLOPE)
        write_nifti(parts, folder / f"{name}_lesion_parts.nii.gz")


def _write_plane_truth(case: Case, name: str, folder: Path) -> None:
    """Write a mask per structure and lesion, and where the protocol asks the length of the rays inside them."""
    from medsynth.export.nifti import write_nifti

    masks, protocol = case.masks[name], case.acquired[name].parameters.get("protocol", {})
    kinds = {"masks": masks.__getitem__} | ({"thickness": masks.thickness} if protocol.get("thickness") else {})
    for kind, volume in kinds.items():
        (folder / f"{name}_{kind}").mkdir()
        for structure in masks:
            write_nifti(volume(structure), folder / f"{name}_{kind}" / f"{structure}.nii.gz")


def _write_png(case: Case, folder: Path) -> None:
    """Write the projections and those of their pairs that hold pixel values."""
    from medsynth.export.png import write_png

    for name, one in case.acquired.items():
        if one.projection is not None:
            write_png(one.image, folder / f"{name}.png")
            for pair, (image, _) in one.pairs.items():
                if image.array.dtype == np.uint16:
                    write_png(image, folder / f"{name}_{pair}.png")


def lesion_truth(phantom: Phantom, lesions: Sequence[Lesion]) -> tuple[Volume, Volume]:
    """Return how much of each voxel lesions fill, and which part of which lesion the voxel mostly is.

    Returns
    -------
    fraction : uint8, 255 = all of it. Pleural tags belong to the body, here as in the lesion image.
    parts : uint16, twenty times the lesion's number plus the part (see `PART_INDEX`), 0 outside.
    """
    part = np.zeros(65536, np.uint16)
    for lesion in lesions:
        for label in part_labels(phantom.structures, lesion.number).values():
            part[label] = label - FIRST_LESION_LABEL
    parts = part[phantom.labels]
    own, other = np.uint8(FRACTION_UNIT) - phantom.fraction, phantom.fraction
    fraction = np.where(parts > 0, own, np.uint8(0)) + np.where(part[phantom.neighbour] > 0, other, np.uint8(0))
    return Volume(fraction, phantom.grid, "fraction"), Volume(parts, phantom.grid, "label")


def _write_dicom(case: Case, folder: Path, options: DicomOptions, suffix: str) -> None:
    """Write every acquisition into one study; the twin's series have names and UIDs of their own."""
    from medsynth.export.dicom.identity import study_info
    from medsynth.export.dicom.iods import iod_of
    from medsynth.export.dicom.study import write_study

    first = next(iter(case.acquired.values())).scanner
    study = study_info(case.subject, case.seed.child("dicom"), str(first.attributes.get("BodyPartExamined", "")))
    for number, (name, one) in enumerate(case.acquired.items(), start=1):
        organs, lesions = ((case.labels[name], case.lesion_labels[name]) if one.projection is None
                           else (case.masks[name], case.masks[name]))
        write_study(folder, one.image, one.scanner, study, lesions=lesions, findings=case.findings[name],
                    seg_encoding=options.segmentation, organs=None if options.organs == "none" else organs,
                    structures=one.healthy.structures,
                    organ_encoding="labelmap" if options.organs == "none" else options.organs,
                    name=f"{name}{suffix}", number=number + (len(case.acquired) if suffix else 0))
        for further, (pair, (image, scanner)) in enumerate(one.pairs.items()):
            if iod_of(scanner).holds(image):  # maps of other quantities have no image object of their own
                write_study(folder, image, scanner, study, name=f"{name}_{pair}{suffix}",
                            number=FIRST_PAIR + 100 * number + further)
