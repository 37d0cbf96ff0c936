"""The study tree: pydicom's file set, dciodvfy, and contours that give the labels back."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.fileset import FileSet
from skimage.draw import polygon2mask

from medsynth.export.contours import outlines


def errors_of(path: Path) -> list[str]:
    tool = Path(sys.executable).parent / "dciodvfy"
    done = subprocess.run([tool, "-new", path], capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("Error", "Abort"))]


@contextmanager
def file_set(folder: Path) -> Iterator[FileSet]:
    index = FileSet(folder / "DICOMDIR")
    yield index
    index._stage["t"].cleanup()  # pydicom leaves its temporary folder to the garbage collector, which warns


def structure_sets(folder: Path) -> dict[str, pydicom.Dataset]:
    """The structure sets of the first case, by acquisition."""
    found = [pydicom.dcmread(path) for path in sorted(folder.glob("PT000000/*/*/RS*"))]
    return {one.StructureSetLabel: one for one in found}


def mask_of(contours: pydicom.Dataset, images: dict[str, pydicom.Dataset], shape: tuple[int, ...]) -> np.ndarray:
    """The voxels whose centres lie inside the contours of one structure, from the places that the images tell."""
    mask = np.zeros(shape, bool)
    for contour in contours.ContourSequence:
        image = images[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
        points = np.array(contour.ContourData, float).reshape(-1, 3) - np.array(image.ImagePositionPatient, float)
        along = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
        assert np.abs(points @ np.cross(*along)).max() < 1e-3  # in the plane of its slice
        rows_columns = np.stack((points @ along[1] / image.PixelSpacing[0], points @ along[0] / image.PixelSpacing[1]),
                                axis=-1)
        mask[image.InstanceNumber - 1] ^= polygon2mask(shape[1:], rows_columns)
    return mask


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def test_pydicom_finds_every_object_of_the_dataset_by_the_dicomdir(dataset, exported):
    folder = exported("dicom")
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in ("DICOMDIR",
                                                                                       "medsynth-export.json")]
    with file_set(folder) as index:
        assert {Path(one.path) for one in index} == set(files)
        assert set(index.find_values("Modality")) == {"CT", "MR", "DX", "SEG", "SR", "RTSTRUCT"}
        assert len(index.find_values("PatientID")) == 3
        one = next(iter(index))
        assert one.load().SOPInstanceUID == one.SOPInstanceUID
    assert len(files) == len(list(dataset.glob("case-*/dicom/*/*.dcm"))) + 3 * 5  # and five structure sets a case
    for path in files:
        for part in path.relative_to(folder).parts:
            assert re.fullmatch(r"[A-Z0-9_]{1,8}", part)


def test_dciodvfy_finds_no_error_in_structure_sets_and_index(exported):
    folder = exported("dicom")
    sets = sorted(folder.glob("PT000000/*/*/RS*"))
    assert len(sets) == 5
    for path in (*sets, folder / "DICOMDIR"):
        assert errors_of(path) == []
    for path in sets:
        told = pydicom.dcmread(path)
        assert told.SyntheticData == "YES"
        for contours in told.ROIContourSequence:
            text = contours.ContourSequence[0].get_item("ContourData").value
            assert max(map(len, text.split(b"\\"))) <= 16


def test_a_structure_set_without_a_mandatory_attribute_fails(exported, tmp_path):
    told = pydicom.dcmread(next(iter(sorted(exported("dicom").glob("PT000000/*/*/RS*")))))
    del told.StructureSetLabel
    told.save_as(tmp_path / "broken")
    assert errors_of(tmp_path / "broken")


@pytest.mark.parametrize("name", ["ct", "coarse"])
def test_contours_give_the_labels_and_lesions_back(name, dataset, exported):
    folder = exported("dicom")
    told = structure_sets(folder)[name]
    series = told.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    images = {one.SOPInstanceUID: one for one in map(pydicom.dcmread, sorted((dataset / "case-00000" / "dicom" / name)
                                                                             .glob("*.dcm")))}
    assert {one.ReferencedSOPInstanceUID for one in series.ContourImageSequence} == images.keys()
    labels, lesions = (np.asarray(nib.load(dataset / "case-00000" / f"{name}_{kind}.nii.gz").dataobj).T
                       for kind in ("labels", "lesions"))
    truth = {"body": labels == 1, "ball": labels == 2, "tumour 1": lesions == 1, "cyst 2": lesions == 2}
    names = {one.ROINumber: one.ROIName for one in told.StructureSetROISequence}
    assert list(names.values()) == list(truth)
    for contours in told.ROIContourSequence:
        mask = truth[names[contours.ReferencedROINumber]]
        assert dice(mask_of(contours, images, mask.shape), mask) >= 0.98
    kinds = [one.RTROIInterpretedType for one in told.RTROIObservationsSequence]
    assert kinds == ["ORGAN", "ORGAN", "GTV", "GTV"]


def test_outlines_of_pieces_with_holes_give_the_mask_back():
    rng = np.random.default_rng(1)
    for share in (0.1, 0.4, 0.6, 0.8, 0.95):
        mask = rng.random((21, 26)) < share
        again = np.zeros_like(mask)
        for outline in outlines(mask):
            again ^= polygon2mask(mask.shape, outline)
        np.testing.assert_array_equal(again, mask)


def test_fractions_place_an_outline_between_the_pixels():
    row, column = np.indices((24, 24))
    for radius in (5.3, 7.75):
        distance = np.hypot(row - 11.3, column - 12.2) - radius
        fraction = np.clip(0.5 - distance, 0, 1).astype(np.float32)
        outline, = outlines(fraction >= 0.5, fraction)
        x, y = outline.T
        area = abs(0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1)))
        assert area == pytest.approx(np.pi * radius**2, rel=0.01)  # the mask alone is off by up to 3 %
        assert np.hypot(x - 11.3, y - 12.2) == pytest.approx(radius, abs=0.12)


def test_only_the_series_of_chosen_acquisitions_are_taken(exported):
    folder = exported("dicom", acquisitions="t1w", labels="lesions")
    with file_set(folder) as index:
        assert set(index.find_values("Modality")) == {"MR", "SEG", "SR", "RTSTRUCT"}
    told = structure_sets(folder)
    assert list(told) == ["t1w"]
    assert [one.ROIName for one in told["t1w"].StructureSetROISequence] == ["tumour 1", "cyst 2"]


def test_the_study_is_consistent(exported):
    folder = exported("dicom") / "PT000000"
    tool = Path(sys.executable).parent / "dcentvfy"
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    done = subprocess.run([tool, *paths], capture_output=True, text=True, check=False)
    # A structure set names its study by the study's own UID (PS3.3, C.8.8.5), which dcentvfy takes for a lost object.
    study = pydicom.dcmread(paths[0]).StudyInstanceUID
    named = f"Error - Missing SOPInstanceUID that was referenced - {study} "
    assert [line for line in (done.stdout + done.stderr).splitlines()
            if line.startswith("Error") and not line.startswith(named)] == []
    assert json.loads((folder.parent / "medsynth-export.json").read_text())["layout"] == "dicom"
