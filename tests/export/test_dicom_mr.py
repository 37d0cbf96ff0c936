"""MR series and their sidecars, judged by programs of other people."""

from __future__ import annotations

import json
from dataclasses import replace

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from medsynth.core.errors import DatasetError
from medsynth.core.scanner import ScannerRecord
from medsynth.core.volume import Volume
from medsynth.export.dicom.study import write_study
from medsynth.export.nifti import write_nifti
from medsynth.export.sidecar import sidecar, write_sidecar

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
SCANNER = ScannerRecord("MR", "T2w TSE", {
    "ScanningSequence": ("SE", "IR"), "SequenceVariant": ("SK", "OSP"), "ScanOptions": ("FS", "PFP"),
    "MRAcquisitionType": "2D", "RepetitionTime": 9000.0, "EchoTime": 93.5, "InversionTime": 2500.0, "FlipAngle": 90.0,
    "EchoTrainLength": 16, "MagneticFieldStrength": 3.0, "ImagingFrequency": 127.7, "ImagedNucleus": "1H",
    "NumberOfAverages": 2, "PixelBandwidth": 200.0, "InPlanePhaseEncodingDirection": "ROW", "SliceThickness": 2.0,
    "SpacingBetweenSlices": 2.5, "AcquisitionMatrix": (0, 256, 192, 0), "BodyPartExamined": "HEAD",
    "SequenceName": "*tse2d", "PercentSampling": 80.0, "DiffusionBValue": 0.0}, (1000.0, 2000.0),
    sidecar={"EffectiveEchoSpacing": 0.0005})
OFFSET = 500  # the phantom of these tests has values below 0, signals have none


def as_mr(case):
    image = Volume((case.image.array + OFFSET).astype(np.uint16), case.image.grid, "signal")
    findings = tuple(replace(f, mean_hu=None, sd_hu=None, contrast_hu=None, mean_signal=900.5, sd_signal=20.25,
                             contrast_signal=-55.0) for f in case.findings)
    return replace(case, image=image, scanner=SCANNER, findings=findings)


@pytest.fixture
def mr(case):
    return as_mr(case)


@pytest.fixture
def axial_mr(axial_case):
    return as_mr(axial_case)


def errors(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("Error")]


def phase_of(mr) -> Volume:
    return Volume((np.pi * np.sin(mr.image.array / 700.0)).astype(np.float32), mr.image.grid, "phase_rad")


def itk_points(image: sitk.Image, lps_points) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return lps_points(image.GetSize(), affine)


def test_series_segmentation_and_report_have_no_error_and_lie_where_the_phantom_is(mr, tmp_path, tool, phantom_value,
                                                                                   lps_points):
    paths = write_study(tmp_path, mr.image, mr.scanner, mr.study, organs=mr.organs, structures=mr.structures,
                        lesions=mr.lesions, findings=mr.findings, name="t2w")
    paths += write_study(tmp_path, phase_of(mr), mr.scanner, mr.study, name="t2w_phase", number=2)
    for path in [paths[0], *paths[-len(mr.image.array) - 3:][:4]]:
        assert errors(tool("dciodvfy", "-new", path)) == []
    assert errors(tool("dcentvfy", *paths)) == []
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "t2w")))
    array = sitk.GetArrayFromImage(image).T
    np.testing.assert_allclose(array, phantom_value(itk_points(image, lps_points)) + OFFSET, atol=1)


def test_dcm2niix_reads_image_times_and_phase_where_our_nifti_says(mr, tmp_path, tool, phantom_value, lps_points):
    write_study(tmp_path, mr.image, mr.scanner, mr.study, name="t2w")
    (tmp_path / "out").mkdir()
    tool("dcm2niix", "-z", "n", "-f", "theirs", "-o", tmp_path / "out", tmp_path / "t2w")
    theirs = nib.load(tmp_path / "out" / "theirs.nii")
    array = np.asarray(theirs.dataobj)
    places = lps_points(array.shape, RAS_TO_LPS @ theirs.affine)
    np.testing.assert_allclose(array, phantom_value(places) + OFFSET, atol=1)
    write_nifti(mr.image, tmp_path / "ours.nii.gz")
    ours = nib.load(tmp_path / "ours.nii.gz")
    np.testing.assert_allclose(np.asarray(ours.dataobj),
                               phantom_value(lps_points(ours.shape, RAS_TO_LPS @ ours.affine)) + OFFSET, atol=1)
    told, own = json.loads((tmp_path / "out" / "theirs.json").read_text()), sidecar(mr.scanner)
    for key in ("EchoTime", "RepetitionTime", "InversionTime", "FlipAngle", "MagneticFieldStrength", "PixelBandwidth",
                "EchoTrainLength", "SliceThickness", "SpacingBetweenSlices", "MRAcquisitionType", "BodyPart"):
        assert own[key] == pytest.approx(told[key]) if isinstance(own[key], float) else own[key] == told[key]


def test_phase_is_a_series_of_its_own_in_radians(mr, tmp_path):
    phase = phase_of(mr)
    paths = write_study(tmp_path, phase, mr.scanner, mr.study, name="phase")
    assert list(pydicom.dcmread(paths[0]).ImageType)[2] == "P"
    read = sitk.ReadImage([str(path) for path in paths])
    np.testing.assert_allclose(sitk.GetArrayFromImage(read), phase.array, atol=6e-5)
    magnitude = pydicom.dcmread(write_study(tmp_path, mr.image, mr.scanner, mr.study, name="magnitude")[0])
    assert list(magnitude.ImageType)[2] == "M"
    assert "RescaleSlope" not in magnitude


def test_attributes_arrive_as_the_scanner_told_them(axial_mr, tmp_path):
    image = pydicom.dcmread(write_study(tmp_path, axial_mr.image, axial_mr.scanner, axial_mr.study, name="t2w")[0])
    for keyword, value in SCANNER.attributes.items():
        got = image[keyword].value
        assert list(got) == list(value) if isinstance(value, tuple) else got == pytest.approx(value)


def test_the_report_gives_signal_not_attenuation(axial_mr, tmp_path):
    write_study(tmp_path, axial_mr.image, axial_mr.scanner, axial_mr.study, lesions=axial_mr.lesions,
                findings=axial_mr.findings, name="t2w")
    report = hd.sr.srread(tmp_path / "t2w_report" / "IM00001.dcm")
    group = report.content.get_volumetric_roi_measurement_groups()[0]
    values = {(m.name.value, m.derivation.meaning if m.derivation else ""): m.value for m in group.get_measurements()}
    assert values["110852", "Mean"] == 900.5  # DCM: MR signal intensity
    assert values["110852", "Standard Deviation"] == 20.25
    assert values["SIGNAL_CONTRAST", ""] == -55.0
    assert not any("HU" in str(m.unit.value) or "hnsf" in m.unit.value for m in group.get_measurements())


def test_maps_of_other_quantities_have_no_series(axial_case, tmp_path):
    for array, quantity in ((np.zeros(axial_case.image.array.shape, np.float32), "T1_ms"),
                            (np.zeros(axial_case.image.array.shape, np.float32), "signal"),
                            (np.zeros(axial_case.image.array.shape, np.uint16), "label")):
        with pytest.raises(DatasetError, match="dtype of a MR image must be uint16 or int16, signal or phase_rad"):
            write_study(tmp_path / quantity, Volume(array, axial_case.image.grid, quantity), SCANNER, axial_case.study)


def test_the_sidecar_is_in_units_of_bids(tmp_path):
    write_sidecar(SCANNER, tmp_path / "t2w.json")
    told = json.loads((tmp_path / "t2w.json").read_text())
    assert (told["EchoTime"], told["RepetitionTime"], told["InversionTime"]) == (0.0935, 9.0, 2.5)  # seconds
    assert told["PhaseEncodingAxis"] == "i"  # along rows: DICOM's ROW
    assert told["ScanOptions"] == ["FS", "PFP"]
    assert told["EffectiveEchoSpacing"] == 0.0005
    assert told["SyntheticData"] is True
    assert "Units" not in told
    assert sidecar(SCANNER, "T1_ms")["Units"] == "ms"
