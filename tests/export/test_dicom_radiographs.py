"""Radiographs, mammograms and their truth as DICOM, judged by programs of other people."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_voi_lut

from medsynth.core.errors import DatasetError
from medsynth.core.findings import Finding, ShadowFinding
from medsynth.core.grid import Grid
from medsynth.core.scanner import ScannerRecord
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.export.dicom.identity import StudyInfo, study_info
from medsynth.export.dicom.iods import patient_orientation
from medsynth.export.dicom.study import write_study
from medsynth.scene.structure import Code, Structure
from medsynth.scene.subject import Subject

# Rows run to the feet and columns to the patient's left, as an image from the back is looked at.
GRID = Grid.centred((1, 41, 50), (0.4, 0.4, 0.4), (3.0, -100.0, 20.0),
                    ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0)))
TECHNIQUE = {"KVP": 125.0, "BitsStored": 12, "ExposureIndex": 250.0, "TargetExposureIndex": 250.0,
             "DeviationIndex": 0.0, "ImageAndFluoroscopyAreaDoseProduct": 0.98, "EntranceDoseInmGy": 0.126,
             "DistanceSourceToDetector": 1800.0, "ExposureInuAs": 2223, "VOILUTFunction": "SIGMOID"}
RECORDS = {
    "dx": ScannerRecord("DX", "Chest PA", {**TECHNIQUE, "BodyPartExamined": "CHEST", "ViewPosition": "PA"},
                        (2048.0, 3000.0), codes={"AnatomicRegionSequence": ("51185008", "SCT", "Chest"),
                                                 "ViewCodeSequence": ("399348003", "SCT", "postero-anterior")}),
    "mg": ScannerRecord("MG", "CC", {**TECHNIQUE, "KVP": 28.0, "BodyPartExamined": "BREAST", "ViewPosition": "CC",
                                     "ImageLaterality": "L", "BodyPartThickness": 52.0, "CompressionForce": 110.0,
                                     "PositionerPrimaryAngle": 0.0, "OrganDose": 0.0123,
                                     "AnodeTargetMaterial": "TUNGSTEN", "FilterMaterial": "RHODIUM"},
                        (2048.0, 3000.0), codes={"AnatomicRegionSequence": ("76752008", "SCT", "Breast"),
                                                 "ViewCodeSequence": ("399162004", "SCT", "cranio-caudal")}),
}
RECORDS |= {f"{name}_raw": replace(record, attributes={**record.attributes, "BitsStored": 14,
                                                       "PresentationIntentType": "FOR PROCESSING"})
            for name, record in RECORDS.items()}
KINDS = {"dx": "DXImageForPresentation", "dx_raw": "DXImageForProcessing", "mg": "MammographyImageForPresentation",
         "mg_raw": "MammographyImageForProcessing"}


def disc(row: float, column: float, radius: float) -> Volume:
    j, i = np.indices(GRID.shape_kji[1:])
    return Volume((np.hypot(j - row, i - column) <= radius)[None].astype(np.uint8), GRID, "label")


# The organ covers both lesions, and they cover each other: no label image could hold this.
MASKS = {"lung_left": disc(20, 25, 15), "rib_left_5": disc(22, 20, 6), "lesion_1": disc(21, 22, 4),
         "lesion_2": disc(23, 25, 4)}
STRUCTURES = (Structure("rib_left_5", 5, "cortical_bone", Code("25523003", "Structure of fifth rib"), "left"),)


def finding(number: int, row: float, column: float, radius: float) -> Finding:
    turn = np.linspace(0, 2 * np.pi, 25)
    outline = tuple((float(row + radius * np.sin(t)), float(column + radius * np.cos(t))) for t in turn)
    shadow = ShadowFinding(
        ((row - 4, column - 4), (row + 5, column + 5)), (row, column), 8.04, 2.9, 3.2, 3.1,
        ((row - radius, column), (row + radius, column)), ((row, column - radius), (row, column + radius)), outline)
    return Finding(number, "lung_nodule", ("27925004", "Nodule"), "lobe_left_lower", ("90572001", "Lower lobe of lung"),
                   "left", 0.0137, 2.95, 2.9, 2.93, (3.0, 10.0, 20.0), ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
                   mean_signal=1355.32, sd_signal=46.6, contrast_signal=555.2,
                   attributes={"type": "solid", "spiculation": 3}, shadow=shadow)


FINDINGS = (finding(1, 21, 22, 4.0), finding(2, 23, 25, 4.0))


@dataclass(frozen=True)
class Written:
    folder: Path
    study: StudyInfo
    pixels: np.ndarray

    def read(self, series: str) -> pydicom.Dataset:
        return pydicom.dcmread(self.folder / series / "IM00001.dcm")


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Written:
    folder = tmp_path_factory.mktemp("radiographs")
    study = study_info(Subject("female", 63.4, 164.2, 66.1), Seed(7).child("case", 0), "CHEST")
    pixels = np.linspace(0, 4095, 41 * 50).round().astype(np.uint16).reshape(1, 41, 50)
    for number, (name, record) in enumerate(RECORDS.items(), start=1):
        truth = {"lesions": MASKS, "organs": MASKS, "findings": FINDINGS, "structures": STRUCTURES}
        truth = {} if name.endswith("raw") else truth
        write_study(folder, Volume(pixels, GRID, "P-value"), record, study, name=name, number=number, **truth)
    return Written(folder, study, pixels[0])


def errors(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("Error")]


def test_dciodvfy_finds_no_error_in_any_object_nor_dcentvfy_in_the_study(written, tool):
    paths = sorted(written.folder.rglob("*.dcm"))
    assert len(paths) == 4 + 2 * 3
    for path in paths:
        said = tool("dciodvfy", "-new", path)
        kind = KINDS.get(path.parent.name) or {"report": "Comprehensive3DSR"}.get(path.parent.name[3:], "Segmentation")
        assert said.splitlines()[0] == kind  # it ran, and took the object for what it is
        assert errors(said) == []
    assert errors(tool("dcentvfy", *paths)) == []


@pytest.mark.parametrize(("series", "keyword"), [
    ("dx", "PresentationIntentType"), ("dx", "PixelIntensityRelationshipSign"), ("dx", "ImagerPixelSpacing"),
    ("dx_raw", "DetectorType"), ("mg", "ViewCodeSequence"), ("mg", "PositionerType"), ("mg_raw", "OrganExposed"),
    ("dx_lesions", "SegmentSequence"), ("dx_organs", "PatientOrientation"), ("mg_report", "CompletionFlag")])
def test_the_gate_bites_when_an_attribute_is_missing(written, tmp_path, tool, series, keyword):
    dataset = written.read(series)
    del dataset[keyword]
    dataset.save_as(tmp_path / "broken.dcm")
    assert any(keyword in line for line in errors(tool("dciodvfy", "-new", tmp_path / "broken.dcm")))


def test_bone_is_bright_in_images_to_read_and_in_readings(written):
    for name in ("dx", "mg"):
        shown, raw = written.read(name), written.read(f"{name}_raw")
        assert (shown.PhotometricInterpretation, shown.PresentationLUTShape) == ("MONOCHROME2", "IDENTITY")
        assert shown.PixelIntensityRelationshipSign == -1  # more exposure, lower value, darker
        assert (raw.PhotometricInterpretation, raw.PresentationLUTShape) == ("MONOCHROME1", "INVERSE")
        assert (raw.PixelIntensityRelationship, raw.PixelIntensityRelationshipSign) == ("LIN", 1)
        assert (shown.BitsStored, raw.BitsStored) == (12, 14)
        assert "WindowCenter" not in raw
        assert "VOILUTFunction" not in raw
        np.testing.assert_array_equal(shown.pixel_array, written.pixels)
        assert list(shown.ImagerPixelSpacing) == [0.4, 0.4]
        assert "ImagePositionPatient" not in shown


def test_pydicom_applies_the_sigmoid_of_the_window(written):
    shown = apply_voi_lut(written.read("dx").pixel_array, written.read("dx"))
    exact = 4095 / (1 + np.exp(-4 * (written.pixels - 2048.0) / 3000))
    np.testing.assert_allclose(shown, exact, atol=1)


def test_technique_and_codes_arrive_as_the_scanner_told_them(written):
    image = written.read("mg")
    for keyword, value in RECORDS["mg"].attributes.items():
        assert image[keyword].value == (pytest.approx(value) if isinstance(value, float) else value)
    assert image.ViewCodeSequence[0].CodeValue == "399162004"
    assert list(image.ViewCodeSequence[0].ViewModifierCodeSequence) == []
    assert image.AnatomicRegionSequence[0].CodeMeaning == "Breast"
    assert written.read("dx").ImageLaterality == "U"


@pytest.mark.parametrize(("right", "down", "letters"), [
    ((1, 0, 0), (0, 0, -1), ("L", "F")),  # a chest from the back, as one looks at it
    ((-1, 0, 0), (0, 0, -1), ("R", "F")),  # mirrored
    ((0, -1, 0), (0, 0, -1), ("A", "F")),  # lateral, face to the right
    ((0, -1, 0), (-1, 0, 0), ("A", "R")),  # a breast from above
    ((0, -0.8, -0.6), (-1, 0, 0), ("AF", "R")),  # oblique: the nearest axis first
    ((0.99, 0.1, -0.1), (0.1, 0, 0.99), ("L", "H")),  # within 15 degrees of an axis it alone
])
def test_patient_orientation_names_where_rows_and_columns_run(right, down, letters):
    right, down = (np.array(v) / np.linalg.norm(v) for v in (right, down))
    matrix = np.stack([np.cross(right, down), down, right], axis=1)
    grid = Grid((1, 2, 2), (1.0, 1.0, 1.0), direction=tuple(map(tuple, matrix.tolist())))
    assert patient_orientation(grid) == letters


def test_two_readers_give_every_mask_where_it_is_though_masks_overlap(written):
    source = written.read("dx").SOPInstanceUID
    for series, names in (("dx_organs", ["lung_left", "rib_left_5"]), ("dx_lesions", ["lesion_1", "lesion_2"])):
        frames = written.read(series).pixel_array.reshape(-1, 41, 50)  # pydicom: one frame a segment
        seg = hd.seg.segread(written.folder / series / "IM00001.dcm")
        masks = seg.get_pixels_by_source_instance([source], combine_segments=False)
        for n, name in enumerate(names):
            np.testing.assert_array_equal(frames[n], MASKS[name].array[0])
            np.testing.assert_array_equal(masks[0, ..., n], MASKS[name].array[0])
    organs = written.read("dx_organs").SegmentSequence
    codes = [item.SegmentedPropertyTypeCodeSequence[0] for item in organs]
    assert [code.CodeValue for code in codes] == ["39607008", "25523003"]  # a whole lung has a code without a structure
    assert [c.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning for c in codes] == ["Left", "Left"]


def test_the_report_holds_the_outline_and_the_sizes_of_each_shadow(written):
    report = hd.sr.srread(written.folder / "dx_report" / "IM00001.dcm")
    groups = report.content.get_planar_roi_measurement_groups()
    lesions = written.read("dx_lesions").SegmentSequence
    assert len(groups) == 2
    for one, group, segment in zip(FINDINGS, groups, lesions, strict=True):
        values = {(m.name.meaning, m.derivation.meaning if m.derivation else "", m.unit.value): m.value
                  for m in group.get_measurements()}
        assert values == {
            ("Area", "", "mm2"): 8.04, ("Long axis", "", "mm"): 3.2, ("Short axis", "", "mm"): 3.1,
            ("Longest way of a ray through it", "", "mm"): 2.9,
            ("Volume of the body that throws the shadow", "", "mL"): 0.0137,
            ("Pixel value", "Mean", "1"): 1355.32, ("Pixel value", "Standard Deviation", "1"): 46.6,
            ("Mean value less that of the surroundings", "", "1"): 555.2, ("spiculation", "", "1"): 3.0}
        assert group.tracking_uid == segment.TrackingUID
        points = group.roi.value
        # In DICOM the middle of the first pixel is at (0.5, 0.5), column first.
        np.testing.assert_allclose(points, np.array(one.shadow.outline_ji)[:, ::-1] + 0.5, atol=1e-4)
        inside = MASKS[f"lesion_{one.number}"].array[0]
        rows, columns = np.nonzero(inside)
        np.testing.assert_allclose(points[:-1].mean(0), [columns.mean() + 0.5, rows.mean() + 0.5], atol=0.05)


def test_pixels_that_do_not_fit_are_refused_in_words(written, tmp_path):
    wide = Volume(np.full((1, 41, 50), 4096, np.uint16), GRID, "P-value")
    for image, record, words in (
            (wide, RECORDS["dx"], "BitsStored must be in 2..16 and hold values from 4096 to 4096, got 12"),
            (Volume(written.pixels[None].astype(np.float32), GRID, "P-value"), RECORDS["dx"],
             "dtype of a DX image must be uint16"),
            (wide, replace(RECORDS["dx"], modality="US"), "modality of a DICOM series must be one of CT, MR, DX")):
        with pytest.raises(DatasetError, match=words):
            write_study(tmp_path / "bad", image, record, written.study, name="x")
