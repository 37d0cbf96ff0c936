"""export, push and `generate --layout` as commands."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from medsynth.cli import app


def call(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def recipe_file(stub_recipe, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(stub_recipe))
    return path


def test_generate_exports_by_links_and_again_when_the_dataset_has_grown(recipe_file, tmp_path):
    data = tmp_path / "data"
    for count in (1, 2):
        done = call("generate", recipe_file, "-n", count, "-o", data, "--layout", "nnunet", "--layout", "webdataset")
        assert done.exit_code == 0, done.output
        folder, = (tmp_path / "data-nnunet").glob("Dataset001_*")
        assert json.loads((folder / "dataset.json").read_text())["numTraining"] == count
    assert (folder / "imagesTr" / "case-00001_0000.nii.gz").samefile(data / "case-00001" / "ct.nii.gz")
    assert (tmp_path / "data-webdataset" / "train-000000.tar").exists()
    assert done.stdout.splitlines() == [str(tmp_path / "data-nnunet"), str(tmp_path / "data-webdataset"), str(data)]


def test_a_layout_that_does_not_exist_is_told_before_a_case_is_made(recipe_file, tmp_path):
    done = call("generate", recipe_file, "-o", tmp_path / "data", "--layout", "nnunet", "--layout", "dicomdir")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: layout must be one of nnunet, msd")
    assert not (tmp_path / "data").exists()


def test_export_takes_options_and_tells_bad_ones_in_one_line(recipe_file, tmp_path):
    call("generate", recipe_file, "-o", tmp_path / "data")
    done = call("export", tmp_path / "data", "--layout", "coco", "-o", tmp_path / "out", "--option", "window=soft",
                "--option", "every=4", "--labels", "organs", "--acquisition", "ct")
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'out'}\n")
    assert json.loads((tmp_path / "out" / "medsynth-export.json").read_text())["options"]["every"] == 4
    for wrong in (["--option", "shard_cases=2"], ["--labels", "bones"], ["--acquisition", "mr"], []):
        failed = call("export", tmp_path / "data", "--layout", "coco", "-o", tmp_path / "out", *wrong)
        assert failed.exit_code == 2
        line, = failed.stderr.strip().splitlines()
        assert line.startswith("error: ")
    again = call("export", tmp_path / "data", "--layout", "coco", "-o", tmp_path / "out", "--overwrite")
    assert again.exit_code == 0


def test_layouts_are_listed_with_their_options():
    rows = {row["name"]: row for row in json.loads(call("list", "layouts", "--json").stdout)}
    assert {"nnunet", "msd", "monai", "bids", "coco", "yolo", "dicom", "webdataset", "zarr", "croissant"} == set(rows)
    assert rows["coco"]["options"] == ["window", "every", "masks"]
