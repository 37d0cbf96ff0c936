"""BIDS, WebDataset and OME-Zarr, by the validator, the reader and the library that people use."""

import gc
import gzip
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medsynth.core.errors import DatasetError
from medsynth.export.layouts.files import place_tree
from medsynth.export.layouts.options import ExportOptions
from medsynth.export.layouts.run import export_dataset
from medsynth.export.layouts.zarr import mean, mode, pyramid


def bids_issues(folder: Path) -> list[dict]:
    """What bids-validator-deno says, offline."""
    tool = Path(sys.executable).parent / "bids-validator-deno"
    done = subprocess.run([tool, folder, "--format", "json"], capture_output=True, text=True, check=False)
    return json.loads(done.stdout)["issues"]["issues"]


def test_the_bids_validator_finds_no_error_in_data_and_derivative(exported):
    folder = exported("bids")
    for part in (folder, folder / "derivatives" / "labels"):
        issues = bids_issues(part)
        assert [issue for issue in issues if issue["severity"] == "error"] == []
        assert issues  # it did look: recommended keys that a simulation has not


def test_the_bids_validator_bites(exported, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(exported("bids"), broken)
    (broken / "sub-case00000/ses-01/dwi/sub-case00000_ses-01_dwi.bval").unlink()
    assert any(issue["severity"] == "error" for issue in bids_issues(broken))


def test_contrasts_have_their_bids_names_and_what_has_none_is_source_data(dataset, exported):
    folder = exported("bids")
    session = folder / "sub-case00001" / "ses-01"
    assert {path.name for path in session.rglob("*.nii.gz")} == {
        "sub-case00001_ses-01_T1w.nii.gz", "sub-case00001_ses-01_T2w.nii.gz",
        "sub-case00001_ses-01_acq-coarse_PDw.nii.gz", "sub-case00001_ses-01_dwi.nii.gz"}
    source = folder / "sourcedata" / "sub-case00001" / "ses-01"
    assert {path.name for path in source.iterdir()} == {"ct.nii.gz", "pa.nii.gz"}
    told = json.loads((session / "anat" / "sub-case00001_ses-01_T2w.json").read_text())
    assert (told["EchoTime"], told["SyntheticData"]) == (0.095, True)
    people = (folder / "participants.tsv").read_text().splitlines()
    assert len(people) == 4
    assert people[1].startswith("sub-case00000\t")
    labels = folder / "derivatives/labels/sub-case00000/ses-01/anat/sub-case00000_ses-01_desc-T1wLesions_dseg"
    assert Path(f"{labels}.nii.gz").samefile(dataset / "case-00000" / "t1w_lesions.nii.gz")
    assert Path(f"{labels}.tsv").read_text() == "index\tname\n1\ttumour 1\n2\tcyst 2\n"
    assert "synthetic" in json.loads((folder / "dataset_description.json").read_text())["GeneratedBy"][0][
        "Description"].lower()


def test_diffusion_is_one_file_with_a_volume_for_each_b_value(dataset, exported):
    folder = exported("bids") / "sub-case00000" / "ses-01" / "dwi"
    image = np.asarray(nib.load(folder / "sub-case00000_ses-01_dwi.nii.gz").dataobj)
    names = ("dwi_b0", "dwi_b500", "dwi")
    for number, name in enumerate(names):
        np.testing.assert_array_equal(image[..., number], np.asarray(nib.load(
            dataset / "case-00000" / f"{name}.nii.gz").dataobj))
    assert (folder / "sub-case00000_ses-01_dwi.bval").read_text().split() == ["0", "500", "1000"]
    directions = np.loadtxt(folder / "sub-case00000_ses-01_dwi.bvec")
    np.testing.assert_array_equal(np.linalg.norm(directions, axis=0), [0, 1, 1])


def test_bids_without_mr_is_an_error(dataset, tmp_path):
    with pytest.raises(DatasetError, match="no MR image with a name in BIDS"):
        export_dataset(dataset, "bids", tmp_path / "out", ExportOptions(("ct", "pa")))


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # webdataset's own
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
def test_webdataset_gives_every_file_of_every_case(dataset, exported):
    import webdataset

    folder = exported("webdataset")
    assert json.loads((folder / "shards.json").read_text())["shards"] == {
        "train-000000.tar": 1, "val-000000.tar": 1, "test-000000.tar": 1}
    sample, = webdataset.WebDataset(str(folder / "train-000000.tar"), shardshuffle=False)
    gc.collect()  # the file that it leaves open is closed here, in this test
    assert sample["__key__"] == "case-00000"
    case = dataset / "case-00000"
    for key, file in (("ct.nii.gz", "ct.nii.gz"), ("ct_labels.nii.gz", "ct_labels.nii.gz"), ("t1w.json", "t1w.json"),
                      ("pa_masks.ball.nii.gz", "pa_masks/ball.nii.gz"), ("annotations.json", "annotations.json")):
        assert sample[key] == (case / file).read_bytes()
    image = nib.Nifti1Image.from_bytes(gzip.decompress(sample["ct.nii.gz"]))
    assert image.shape == nib.load(case / "ct.nii.gz").shape
    assert json.load(io.BytesIO(sample["json"]))["synthetic"] is True


def test_shards_hold_as_many_cases_as_asked_for(dataset, tmp_path):
    merged = tmp_path / "merged"
    place_tree(dataset, merged)
    rows = [json.loads(line) for line in (merged / "manifest.jsonl").read_text().splitlines()]
    (merged / "manifest.jsonl").unlink()
    (merged / "manifest.jsonl").write_text("".join(json.dumps({**row, "split": ""}) + "\n" for row in rows))
    out = export_dataset(merged, "webdataset", tmp_path / "out", ExportOptions(shard_cases=2))
    assert json.loads((out / "shards.json").read_text())["shards"] == {"train-000000.tar": 2, "train-000001.tar": 1}


def test_zarr_reads_image_and_labels_of_every_level(dataset, exported):
    import zarr

    group = zarr.open_group(exported("zarr") / "case-00000" / "ct.zarr", mode="r")
    head = group.attrs["multiscales"][0]
    assert head["version"] == "0.4"
    assert [axis["name"] for axis in head["axes"]] == ["z", "y", "x"]
    np.testing.assert_array_equal(group["0"][:], np.asarray(nib.load(dataset / "case-00000" / "ct.nii.gz").dataobj).T)
    assert head["datasets"][0]["coordinateTransformations"][0]["scale"] == [4.0, 4.0, 4.0]
    labels = group["labels"]
    assert labels.attrs["labels"] == ["organs", "lesions"]
    for kind, file in (("organs", "ct_labels"), ("lesions", "ct_lesions")):
        np.testing.assert_array_equal(labels[kind]["0"][:],
                                      np.asarray(nib.load(dataset / "case-00000" / f"{file}.nii.gz").dataobj).T)
        table = labels[kind].attrs["image-label"]
        assert {row["label-value"] for row in table["colors"]} == {1, 2}


def test_a_level_of_the_pyramid_lies_where_the_one_before_lies(tmp_path):
    import zarr

    ramp = np.indices((150, 131, 20))[1].astype(np.float32)
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    levels = pyramid(group, ramp, (1.0, 1.0, 4.0), 64, mean)
    assert [group[row["path"]].shape for row in levels] == [(150, 131, 20), (75, 66, 20)]
    scale, shift = (row[kind] for row, kind in zip(levels[1]["coordinateTransformations"], ("scale", "translation"),
                                                   strict=True))
    assert (scale, shift) == ([2.0, 2.0, 4.0], [0.5, 0.5, 0.0])
    # A value that is the place in mm stays the place in mm; the last row is the repeated edge.
    np.testing.assert_allclose(group["1"][0, :-1, 0], np.arange(65) * scale[1] + shift[1])


def test_labels_are_reduced_to_the_most_frequent_and_never_mixed():
    blocks = np.array([[[[1, 1, 2, 2, 2, 7, 7, 9]]], [[[300, 300, 0, 0, 5, 6, 7, 8]]]], np.uint16)
    assert mode(blocks).ravel().tolist() == [2, 0]
