"""A case as files: the folder layout that users and other programs rely on."""

from __future__ import annotations

from pathlib import Path

from medsynth.dataset.case import Case
from medsynth.dataset.folder import canonical_json
from medsynth.dataset.recipe import DicomOptions, FormatsPart


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


def _write_one(case: Case, folder: Path, formats: FormatsPart, *, suffix: str) -> None:
    (folder / "annotations.json").write_text(canonical_json(case.annotations, indent=1) + "\n", encoding="utf-8")
    if formats.nifti is not None:
        _write_nifti(case, folder)
    if formats.dicom is not None:
        _write_dicom(case, folder / "dicom", formats.dicom, suffix)


def _write_nifti(case: Case, folder: Path) -> None:
    from medsynth.export.nifti import write_nifti

    for name, image in case.images.items():
        write_nifti(image, folder / f"{name}.nii.gz")
        write_nifti(case.labels[name], folder / f"{name}_labels.nii.gz")
        if name in case.lesion_labels:
            write_nifti(case.lesion_labels[name], folder / f"{name}_lesions.nii.gz")


def _write_dicom(case: Case, folder: Path, options: DicomOptions, suffix: str) -> None:
    """Write every acquisition into one study; the twin's series have names and UIDs of their own."""
    from medsynth.export.dicom.identity import study_info
    from medsynth.export.dicom.study import write_study

    study = study_info(case.subject, case.seed.child("dicom"))
    for number, (name, one) in enumerate(case.acquired.items(), start=1):
        write_study(folder, one.image, one.scanner, study, lesions=case.lesion_labels.get(name),
                    findings=case.findings[name], seg_encoding=options.segmentation, name=f"{name}{suffix}",
                    number=number + (len(case.acquired) if suffix else 0))
