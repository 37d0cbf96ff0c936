"""What every layout promises: whole or nothing, links, the same bytes, never over what is not ours."""

import errno
import json
import os
import shutil

import pytest

from medsynth.core.errors import DatasetError
from medsynth.export.layouts import files
from medsynth.export.layouts.options import ExportOptions, parse_options
from medsynth.export.layouts.run import MARKER, export_dataset
from medsynth.export.layouts.source import open_source
from medsynth.export.layouts.table import LAYOUTS

NEEDS_ONE_GRID = ("nnunet", "msd", "monai")
MADE = [name for name in LAYOUTS if name != "croissant"]


def options_of(layout: str) -> ExportOptions:
    return ExportOptions(acquisitions=("ct",)) if layout in NEEDS_ONE_GRID else ExportOptions()


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file()}


@pytest.mark.parametrize("layout", MADE)
def test_an_export_repeats_byte_for_byte_and_says_that_it_is_synthetic(layout, dataset, exported, tmp_path):
    first = exported(layout, acquisitions="ct" if layout in NEEDS_ONE_GRID else "")
    again = export_dataset(dataset, layout, tmp_path / first.name, options_of(layout))
    one, two = tree(first), tree(again)
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []
    marker = json.loads((first / MARKER).read_text())
    assert (marker["layout"], marker["synthetic"], marker["cases"]) == (layout, True, 3)


def test_images_are_the_same_files_and_not_copies(dataset, exported):
    for layout, path in (("nnunet", "imagesTr/case-00000_0000.nii.gz"), ("monai", "images/case-00000_ct.nii.gz"),
                         ("msd", "imagesTr/case-00000.nii.gz")):
        assert (exported(layout, acquisitions="ct") / path).samefile(dataset / "case-00000" / "ct.nii.gz")
    assert (exported("bids") / "sub-case00000/ses-01/anat/sub-case00000_ses-01_T1w.nii.gz").samefile(
        dataset / "case-00000" / "t1w.nii.gz")
    assert (exported("dicom") / "PT000000/ST000000/SE000000/IM000000").stat().st_nlink > 1


def test_files_are_copied_where_the_file_system_has_no_links(dataset, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(files.os, "link", refuse)
    out = export_dataset(dataset, "nnunet", tmp_path / "Dataset001_A", ExportOptions(("ct",)))
    image = out / "imagesTr" / "case-00000_0000.nii.gz"
    assert image.read_bytes() == (dataset / "case-00000" / "ct.nii.gz").read_bytes()
    assert image.stat().st_nlink == 1


def test_a_taken_folder_is_an_error_and_only_an_export_of_ours_is_replaced(dataset, tmp_path):
    mine, ours = tmp_path / "mine", tmp_path / "ours"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(DatasetError, match=str(mine)):
            export_dataset(dataset, "msd", mine, ExportOptions(("ct",)), overwrite=overwrite)
    assert (mine / "thesis.txt").read_text() == "years of work"
    export_dataset(dataset, "msd", ours, ExportOptions(("ct",)))
    with pytest.raises(DatasetError, match="--overwrite"):
        export_dataset(dataset, "msd", ours, ExportOptions(("ct",)))
    export_dataset(dataset, "monai", ours, ExportOptions(("ct",)), overwrite=True)
    assert (ours / "datalist.json").exists()
    assert not (ours / "imagesTr").exists()
    for inside in (dataset, dataset.parent):
        with pytest.raises(DatasetError, match="another folder than the dataset's own"):
            export_dataset(dataset, "msd", inside, overwrite=True)


def test_a_failing_export_leaves_nothing_and_keeps_the_earlier_one(dataset, tmp_path, monkeypatch):
    out = export_dataset(dataset, "webdataset", tmp_path / "shards")
    before = tree(out)
    monkeypatch.setattr("medsynth.export.layouts.webdataset.write_json", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_dataset(dataset, "webdataset", out, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["shards"]
    assert tree(out) == before


def test_input_that_cannot_be_used_is_told_in_one_line(dataset, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="a folder that medsynth generate made"):
        export_dataset(tmp_path / "empty", "msd", tmp_path / "out")
    with pytest.raises(DatasetError, match=r"layout must be one of nnunet, msd.*'nnUNet'"):
        export_dataset(dataset, "nnUNet", tmp_path / "out")
    with pytest.raises(DatasetError, match=r"acquisition must be one of coarse, ct, dwi.*'t1'"):
        export_dataset(dataset, "bids", tmp_path / "out", ExportOptions(("t1",)))
    undescribed = shutil.copytree(dataset, tmp_path / "undescribed", ignore=shutil.ignore_patterns("croissant.json"))
    with pytest.raises(DatasetError, match=r"no croissant\.json"):
        export_dataset(undescribed, "croissant", tmp_path / "out")
    shutil.rmtree(undescribed)
    for wrong in ("window=deep", "window=40,-1", "every=0", "masks=holes", "masks", "colour=red"):
        with pytest.raises(DatasetError, match=wrong.split("=")[0]):
            parse_options([], None, [wrong], LAYOUTS["coco"].options)
    with pytest.raises(DatasetError, match="labels must be one of organs, lesions, both, got 'all'"):
        parse_options([], "all", [], ())
    assert list(tmp_path.iterdir()) == [tmp_path / "empty"]


def test_missing_files_are_named_with_what_makes_them(dataset, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(dataset, bare)
    shutil.rmtree(bare / "case-00001" / "dicom")
    (bare / "case-00002" / "ct.nii.gz").unlink()
    with pytest.raises(DatasetError, match=r"case-00001/dicom is missing; make the dataset with --formats dicom"):
        export_dataset(bare, "dicom", tmp_path / "out")
    with pytest.raises(DatasetError, match=r"case-00002/ct.nii.gz is missing; make the dataset with --formats nifti"):
        export_dataset(bare, "nnunet", tmp_path / "out", ExportOptions(("ct",)))
    shutil.rmtree(bare / "case-00000")
    with pytest.raises(DatasetError, match="case-00000 is in the manifest but not on the disk"):
        open_source(bare)
    (bare / "manifest.jsonl").write_text("")
    with pytest.raises(DatasetError, match="holds no finished case"):
        open_source(bare)


def test_croissant_is_the_folder_as_it_is(dataset, tmp_path):
    whole = tmp_path / "whole"
    files.place_tree(dataset, whole)
    (whole / "croissant.json").write_text("{}")
    out = export_dataset(whole, "croissant", tmp_path / "out")
    assert set(tree(out)) - {MARKER} == set(tree(whole))


def test_the_order_of_the_manifest_changes_nothing(dataset, tmp_path):
    turned = tmp_path / "turned"
    files.place_tree(dataset, turned)
    lines = (turned / "manifest.jsonl").read_text().splitlines(keepends=True)
    (turned / "manifest.jsonl").unlink()
    (turned / "manifest.jsonl").write_text("".join([*reversed(lines), lines[0]]))
    assert [case.name for case in open_source(turned).cases] == [f"case-{n:05d}" for n in range(3)]
    outs = [export_dataset(data, "monai", tmp_path / f"{data.name}-out" / "a", ExportOptions(("ct",)))
            for data in (dataset, turned)]
    assert tree(outs[0]) == tree(outs[1])


def test_names_of_splits_that_nobody_knows_are_kept_from_training(dataset, tmp_path):
    held = tmp_path / "held"
    files.place_tree(dataset, held)
    rows = [json.loads(line) for line in (held / "manifest.jsonl").read_text().splitlines()]
    (held / "manifest.jsonl").unlink()
    splits = ("training", "held_out_scanner", None)
    (held / "manifest.jsonl").write_text("".join(json.dumps({**row, "split": split}) + "\n"
                                                 for row, split in zip(rows, splits, strict=True)))
    assert [(case.split, case.divided) for case in open_source(held).cases] == [
        ("train", True), ("test", True), ("train", False)]
