"""Each check is broken once, in a dataset that was right, and must tell the file and what is wrong with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image, PngImagePlugin
from typer.testing import CliRunner

from medsynth.cli import app
from medsynth.core.errors import DatasetError
from medsynth.core.volume import Volume
from medsynth.dataset.checks import conformance
from medsynth.dataset.run import generate
from medsynth.dataset.validate import CHECKS, validate
from medsynth.export.nifti import FRACTION_SLOPE, read_nifti, write_nifti
from tests.dataset.conftest import stubbed

CASE = "case-00001"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A dataset of two cases with a cross-section and a projection, in every format, with twins."""
    folder = tmp_path_factory.mktemp("whole") / "data"
    with stubbed():
        recipe = {"phantom": {"body": "two_balls", "range": "all"}, "formats": ["nifti", "dicom", "png"],
                  "acquisitions": {"ct": {"modality": "stub", "voxel_mm": 2}, "pa": {"modality": "flat"}}}
        generate(recipe, 2, folder, seed=3, twin=True)
    return folder


@pytest.fixture
def data(whole, two_balls, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "data"))


def problems(folder: Path, check: str) -> list[str]:
    return [f"{p.place}: {p.message}" for p in validate(folder, [check]).problems]


def edit_json(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_dataset_as_it_was_made_has_nothing_wrong(data):
    report = validate(data)
    # The stub's radiograph is no whole DX object, and the tool says so.
    assert [f"{p.place}: {p.check}: {p.message}" for p in report.problems
            if not (p.check == "dicom" and "/dicom/pa" in p.place)] == []
    assert report.cases == 2
    assert set(report.checks) | set(report.skipped) == set(CHECKS)


def test_a_changed_missing_or_foreign_file_is_told_by_its_hash(data):
    image = data / CASE / "ct.nii.gz"
    image.write_bytes(image.read_bytes()[:-1] + b"\1")
    (data / CASE / "notes.txt").write_text("mine")
    (data / CASE / "dicom" / "ct" / "IM00003.dcm").unlink()
    (data / CASE / "preview.png").unlink()
    told = problems(data, "hashes")
    assert len(told) == 4
    for name, word in {"ct.nii.gz": "changed since", "notes.txt": "no hash", "dicom/ct": "changed since",
                       "preview.png": "missing"}.items():
        assert any(line.startswith(f"{CASE}/{name}: ") and word in line for line in told)


def cut_record(folder):
    (folder / CASE / ".record.json").unlink()


def drop_line(folder):
    manifest = folder / "manifest.jsonl"
    manifest.write_text(manifest.read_text().splitlines(keepends=True)[0])


def swap_lines(folder):
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(reversed(manifest.read_text().splitlines(keepends=True))))


def lose_case(folder):
    shutil.rmtree(folder / CASE)


def change_line(folder):
    manifest = folder / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace('"index": 1', '"index": 1, "note": 0'))


def leave_rubbish(folder):
    (folder / ".tmp-all-case-00007-x-1").mkdir()


def lose_labels(folder):
    (folder / CASE / "ct_labels.nii.gz").unlink()


def fail_finished(folder):
    row = {"case": CASE, "index": 1, "seed": 3, "error": "e", "expected": False, "trace": ""}
    (folder / "failures.jsonl").write_text(json.dumps(row) + "\n")


def forget_generation(folder):
    edit_json(folder / "dataset.json", lambda header: header.pop("generation"))


@pytest.mark.parametrize(("damage", "part"), [
    (cut_record, f"{CASE}: .record.json is missing"), (drop_line, f"{CASE} is finished but has no line"),
    (swap_lines, "once each, in order"), (lose_case, f"{CASE} has a line but no finished folder"),
    (change_line, f"the line of {CASE} differs"), (leave_rubbish, "left by a run that was killed"),
    (lose_labels, f"{CASE}/ct_labels.nii.gz: is missing"),
    (fail_finished, f"{CASE} is finished and cannot have failed"),
    (forget_generation, "generation is missing"),
])
def test_the_layout_s_rules_are_checked(data, damage, part):
    damage(data)
    assert any(part in line for line in problems(data, "layout"))


def rewrite(path: Path, change) -> None:
    image = nib.load(path)
    image = nib.Nifti1Image(np.asanyarray(image.dataobj), None, image.header.copy())
    change(image)
    nib.save(image, path)


def shift_sform(image):
    moved = image.header.get_sform() + np.array([[0, 0, 0, 0.5]] + [[0] * 4] * 3)
    image.set_sform(moved, code=1)


def shift_both(image):
    moved = image.header.get_sform() + np.array([[0, 0, 0, 0.5]] + [[0] * 4] * 3)
    image.set_sform(moved, code=1)
    image.set_qform(moved, code=1)


@pytest.mark.parametrize(("file", "change", "part"), [
    ("ct.nii.gz", shift_sform, "sform and qform must be equal, but differ by up to 0.5 mm"),
    ("ct_labels.nii.gz", shift_both, "sform must be that of ct.nii.gz"),
    ("ct.nii.gz", shift_both, "away from the grid of annotations.json"),
    ("pa_masks/ball.nii.gz", shift_both, "sform must be that of pa.nii.gz"),
    ("twin/ct.nii.gz", lambda image: image.set_qform(None, code=0), "codes"),
    ("ct_lesions.nii.gz", lambda image: image.header.set_xyzt_units("meter"), "units must be mm"),
])
def test_geometry_is_checked(data, file, change, part):
    rewrite(data / CASE / file, change)
    told = problems(data, "geometry")
    assert any((part in line or (part == "codes" and "qform_code must be 1" in line)) and file.split("/")[-1] in line
               for line in told)


def test_an_image_cut_short_is_no_readable_file(data):
    path = data / CASE / "ct_lesions.nii.gz"
    path.write_bytes(path.read_bytes()[:40])
    assert any("ct_lesions.nii.gz: is no readable NIfTI" in line for line in problems(data, "geometry"))


def test_a_label_that_the_table_lacks_is_told(data):
    path = data / CASE / "ct_labels.nii.gz"
    volume = read_nifti(path)
    array = volume.array.copy()
    array[0, 0, 0] = 77
    write_nifti(Volume(array, volume.grid, "label"), path)
    assert any("got [77]" in line for line in problems(data, "labels"))


def test_two_structures_of_one_label_are_told(data):
    edit_json(data / "dataset.json", lambda header: header["labels"].append(header["labels"][0]))
    assert any("each number once" in line for line in problems(data, "labels"))


def test_an_organ_s_volume_that_its_voxels_do_not_have_is_told(data):
    path = data / CASE / "ct_labels.nii.gz"
    volume = read_nifti(path)
    array = volume.array.copy()
    array[array.shape[0] // 2:] = 0  # half of the body is gone
    write_nifti(Volume(array, volume.grid, "label"), path)
    assert any("body of ct" in line for line in problems(data, "annotations"))


def test_a_mask_that_does_not_have_the_box_of_the_annotations_is_told(data):
    path = data / CASE / "pa_masks" / "ball.nii.gz"
    volume = read_nifti(path)
    array = volume.array.copy()
    array[0, 0, 0] = 1
    write_nifti(Volume(array, volume.grid, "label"), path)
    line, = problems(data, "annotations")
    assert line.startswith(f"{CASE}/pa_masks/ball.nii.gz")


def plant_lesion(folder: Path) -> dict:
    """Two cubes of 2 mm voxels, one with a half-full layer: volumes and boxes by counting."""
    volume = read_nifti(folder / CASE / "ct_lesions.nii.gz")
    numbers, fraction = np.zeros(volume.array.shape, np.uint16), np.zeros(volume.array.shape, np.uint8)
    numbers[4:8, 4:8, 4:8], fraction[4:8, 4:8, 4:8] = 1, 255
    fraction[8, 4:8, 4:8] = 51  # 0.2 of each
    numbers[12:14, 10:12, 10:12], fraction[12:14, 10:12, 10:12] = 2, 255
    write_nifti(Volume(numbers, volume.grid, "label"), folder / CASE / "ct_lesions.nii.gz")
    write_nifti(Volume(fraction, volume.grid, "fraction"), folder / CASE / "ct_lesion_fraction.nii.gz",
                slope=FRACTION_SLOPE)
    voxel_ml = 0.008
    rows = [{"id": 1, "volume_ml": (64 + 16 * 0.2) * voxel_ml, "box_kji": [[4, 4, 4], [8, 8, 8]],
             "centre_kji": [5.6, 5.5, 5.5], "diameters_mm": {"max_3d": 14.0}},
            {"id": 2, "volume_ml": 8 * voxel_ml, "box_kji": [[12, 10, 10], [14, 12, 12]],
             "centre_kji": [12.5, 10.5, 10.5], "diameters_mm": {"max_3d": 7.0}}]
    rows = [{**row, "shadow": None, "kind": "cube"} for row in rows]
    edit_json(folder / CASE / "annotations.json", lambda told: told.update(lesions=rows))
    edit_json(folder / CASE / ".record.json", lambda told: told.update(findings=rows))
    return rows[0]


def set_lesion(folder: Path, number: int, **values) -> None:
    for file, key in (("annotations.json", "lesions"), (".record.json", "findings")):
        edit_json(folder / CASE / file, lambda told, key=key: told[key][number].update(values))


def test_lesions_that_their_masks_confirm_pass(data):
    plant_lesion(data)
    assert problems(data, "annotations") == []


@pytest.mark.parametrize(("number", "values", "part"), [
    (0, {"volume_ml": 0.6}, "ml together"), (1, {"box_kji": [[12, 10, 10], [14, 12, 15]]}, "lesion 2 of ct: box_kji"),
    (1, {"id": 3}, "does not tell: [2]"),
])
def test_a_lesion_s_numbers_are_measured_again(data, number, values, part):
    plant_lesion(data)
    set_lesion(data, number, **values)
    assert any(part in line for line in problems(data, "annotations"))


def test_volume_that_stands_with_the_wrong_lesion_is_told(data):
    first = plant_lesion(data)
    set_lesion(data, 0, volume_ml=first["volume_ml"] - 0.05)
    set_lesion(data, 1, volume_ml=8 * 0.008 + 0.05)
    told = problems(data, "annotations")
    assert any("lesion 1 of ct: volume_ml" in line for line in told)
    assert any("lesion 2 of ct: volume_ml" in line for line in told)


def edit_dicom(path: Path, change) -> None:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)


def set_value(keyword, value):
    return lambda dataset: setattr(dataset, keyword, value)


def add_private(dataset):
    dataset.private_block(0x0011, "ACME", create=True).add_new(1, "LO", "Jane Roe")


def nested(dataset):
    dataset.ContributingEquipmentSequence[0].OperatorsName = "Roe^Jane"


@pytest.mark.parametrize(("change", "part"), [
    (set_value("PatientName", "Roe^Jane"), "PatientName must be SYNTH^"),
    (set_value("PatientID", "12345"), "PatientID must be SYNTH-"),
    (set_value("PatientBirthDate", "19700101"), "PatientBirthDate"),
    (set_value("StudyDate", "20260101"), "StudyDate"),
    (set_value("AccessionNumber", "A1"), "AccessionNumber"),
    (set_value("InstitutionName", "St. Elsewhere"), "InstitutionName must be empty"),
    (set_value("ReferringPhysicianName", "Doe^John"), "ReferringPhysicianName"),
    (set_value("StudyInstanceUID", "1.2.840.113619.2.55.3"), "StudyInstanceUID must begin with 2.25."),
    (set_value("SyntheticData", "NO"), "SyntheticData"),
    (add_private, "private element"), (nested, "OperatorsName"),
])
def test_a_planted_person_is_found(data, change, part):
    path = data / CASE / "dicom" / "ct" / "IM00002.dcm"
    edit_dicom(path, change)
    told = problems(data, "identity")
    assert any(part in line and "IM00002" in line for line in told)


def test_a_person_in_another_file_is_found(data):
    rewrite(data / CASE / "ct.nii.gz", lambda image: image.header.__setitem__("descrip", b"Roe^Jane 1970"))
    rewrite(data / CASE / "ct_lesions.nii.gz", lambda image: image.header.__setitem__("aux_file", b"roe_jane"))
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "Jane Roe")
    with Image.open(data / CASE / "preview.png") as picture:
        picture.save(data / CASE / "preview.png", pnginfo=text)
    edit_json(data / CASE / "annotations.json", lambda told: told.update(
        PatientName="Jane Roe", note="/home/jane/scans"))
    told = problems(data, "identity")
    for part in ("ct.nii.gz: descrip", "ct_lesions.nii.gz: aux_file", "preview.png: text 'Comment'",
                 "annotations.json: PatientName", "annotations.json: holds a path of a machine: /home/jane/scans"):
        assert any(part in line for line in told), part


def test_an_object_that_does_not_conform_is_told_where_the_tool_is_there(data, monkeypatch):
    edit_dicom(data / CASE / "dicom" / "ct" / "IM00001.dcm", lambda dataset: dataset.__delattr__("PatientPosition"))
    assert any("PatientPosition" in line for line in problems(data, "dicom"))
    monkeypatch.setattr(conformance, "TOOL", "no-such-tool")
    report = validate(data, ["dicom"])
    assert "dicom" in report.skipped
    assert "dicom" not in report.checks


def test_the_command_lists_what_is_wrong_and_leaves_with_1(data):
    most = [word for name in CHECKS if name != "dicom" for word in ("--check", name)]
    right = CliRunner().invoke(app, ["validate", str(data), *most])
    assert (right.exit_code, right.stdout) == (0, "")
    assert "nothing wrong" in right.stderr
    (data / CASE / "ct.nii.gz").unlink()
    wrong = CliRunner().invoke(app, ["validate", str(data), *most])
    assert wrong.exit_code == 1
    assert f"{CASE}/ct.nii.gz: layout: is missing" in wrong.stdout.splitlines()
    told = json.loads(CliRunner().invoke(app, ["validate", "--json", *most, str(data)]).stdout)
    assert not told["ok"]
    assert {"check": "hashes", "place": f"{CASE}/ct.nii.gz", "message": "is missing"} in told["problems"]


def test_what_is_no_dataset_is_one_line(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DatasetError, match="is no"):
            validate(folder)
