"""The refiner in a recipe, on the command line, and what files say of it afterwards."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pydicom
import pytest

from medsynth.annotate.annotation import annotation_schema
from medsynth.cli import app
from medsynth.core.errors import MedsynthError, RecipeError
from medsynth.core.grid import Grid
from medsynth.core.volume import Volume
from medsynth.dataset.case import generate_case
from medsynth.dataset.recipe import load_recipe
from medsynth.dataset.refine_apply import apply_refiner
from medsynth.dataset.refine_train import train_refiner
from medsynth.dataset.run import generate
from medsynth.dataset.validate import validate
from medsynth.export.nifti import read_nifti, write_nifti
from tests.dataset.test_run import tree

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def pairs_recipe(stub_recipe):
    """A quiet and a noisy scan of the same balls."""
    scans = {"quick": {"modality": "stub", "noise_hu": 4}, "full": {"modality": "stub", "noise_hu": 20}}
    return {**stub_recipe, "acquisitions": {name: {**scan, "voxel_mm": 2} for name, scan in scans.items()}}


@pytest.fixture
def texture(stub_recipe, tmp_path):
    """Refine with the texture of noisier scans."""
    folder = tmp_path / "reference"
    folder.mkdir()
    rng = np.random.default_rng(0)
    array = np.rint(40 + 9 * rng.normal(size=(12, 48, 48))).astype(np.int16)
    array[:, :3] = -1000
    write_nifti(Volume(array, Grid((12, 48, 48), (2.0, 2.0, 2.0)), "HU"), folder / "one.nii.gz")
    return {**stub_recipe, "acquisitions": {"ct": {"modality": "stub", "noise_hu": 6, "voxel_mm": 2}},
            "refine": {"refiner": "texture", "reference": str(folder), "strength": 0.6}}


def test_the_verdict_and_its_numbers_stand_in_the_annotations(texture):
    case = generate_case(load_recipe(texture), 3, 0)
    told = case.annotations["acquisitions"]["ct"]["refinement"]
    jsonschema.validate(json.loads(json.dumps(case.annotations)), annotation_schema())
    bare = generate_case(load_recipe({**texture, "refine": None}), 3, 0)
    assert "refinement" not in bare.annotations["acquisitions"]["ct"]
    assert told["accepted"] == (not told["failed"])
    assert told["accepted"] == (not np.array_equal(case.images["ct"].array, bare.images["ct"].array))
    assert case.twin is None


def test_what_the_gate_rejects_is_tried_weaker_and_then_stays_as_it_was(texture, monkeypatch):
    from medsynth.refine import gate
    from medsynth.refine.texture import TextureRefiner

    def bias(self, image, truth, *, strength, seed):
        added = np.zeros(image.array.shape, np.float32)
        added[8, 10:12, 10:12] = 900
        return added

    monkeypatch.setattr(TextureRefiner, "residual", bias)
    monkeypatch.setattr(TextureRefiner, "meant_for", lambda self, image, truth, strength: self)
    case = generate_case(load_recipe({**texture, "refine": {**texture["refine"], "retries": 2}}), 3, 0)
    told = case.annotations["acquisitions"]["ct"]["refinement"]
    assert (told["accepted"], told["strength"], told["failed"]) == (False, 0.0, ["blob"])
    assert told["tried"] == [0.6, 0.42, 0.294]
    assert told["case"]["blob_sd"] > gate.Limits().blob_sd
    bare = generate_case(load_recipe({**texture, "refine": None}), 3, 0)
    assert np.array_equal(case.images["ct"].array, bare.images["ct"].array)


def test_identity_scores_one_and_stays_of_generation_zero(stub_recipe, tmp_path):
    generate({**stub_recipe, "refine": {"refiner": "identity"}}, 1, tmp_path / "a")
    row = json.loads((tmp_path / "a" / "manifest.jsonl").read_text())
    told = json.loads((tmp_path / "a/case-00000/annotations.json").read_text())["acquisitions"]["ct"]["refinement"]
    assert (row["generation"], row["made_by"]) == (0, "simulation only")
    assert (told["accepted"], told["fidelity"], told["strength"]) == (True, 1.0, 0.5)


@pytest.mark.slow
def test_a_model_trained_by_command_refines_and_every_file_says_so(pairs_recipe, tmp_path):
    pytest.importorskip("monai")
    from typer.testing import CliRunner

    generate(pairs_recipe, 2, tmp_path / "data", seed=1)
    model = tmp_path / "model.safetensors"
    train = ["refine", "train", "--data", str(tmp_path / "data"), "--quick", "quick", "--full", "full", "-o",
             str(model), "--steps", "2", "--batch", "2", "--patch", "16", "--channels", "8,8", "--licence", "CC0-1.0"]
    monkey = pytest.MonkeyPatch()
    from medsynth.dataset import refine_data

    monkey.setitem(refine_data.DICOM_MODALITY, "stub", "CT")
    done = CliRunner().invoke(app, train)
    monkey.undo()
    assert done.exit_code == 0, done.output
    assert json.loads(model.with_suffix(".json").read_text())["trained_on"][0]["generation"] == 0

    plain = {**pairs_recipe, "acquisitions": {"quick": pairs_recipe["acquisitions"]["quick"]},
             "formats": ["nifti", "dicom"]}
    generate(plain, 1, tmp_path / "plain", seed=5)
    asked = {"refiner": "diffusion", "model": str(model), "strength": 0.2, "steps": 1}
    for name, workers in (("one", 1), ("two", 2)):
        apply_refiner(tmp_path / "plain", tmp_path / name, asked, workers=workers)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    case = tmp_path / "one" / "case-00000"
    told = json.loads((case / "annotations.json").read_text())["acquisitions"]["quick"]["refinement"]
    assert told["accepted"], told
    header, row = (json.loads((tmp_path / "one" / name).read_text()) for name in ("dataset.json", "manifest.jsonl"))
    assert header["generation"] == row["generation"] == 1
    assert header["recipe"]["refine"]["model"] == "model.safetensors"  # no path of this machine
    assert len(header["recipe"]["refine"]["sha256"]) == 64
    assert "| refined | 1 of 1 cases, by a diffusion refiner" in (tmp_path / "one" / "README.md").read_text()
    assert [(p.check, p.message) for p in validate(tmp_path / "one").problems] == []
    items = pydicom.dcmread(next(iter(sorted((case / "dicom/quick").glob("*.dcm"))))).ContributingEquipmentSequence
    assert [item.PurposeOfReferenceCodeSequence[0].CodeMeaning for item in items] == [
        "Synthesizing Equipment", "Processing Equipment"]
    assert "diffusion refiner, strength 0.2" in items[1].ContributionDescription
    changed, before = (read_nifti(tmp_path / name / "case-00000/quick.nii.gz").array for name in ("one", "plain"))
    assert not np.array_equal(changed, before)
    with pytest.raises(MedsynthError, match="generation 1"):
        train_refiner(tmp_path / "again.safetensors", data=tmp_path / "one", quick="quick", full="quick")
    with pytest.raises(MedsynthError, match="simulation only"):
        apply_refiner(tmp_path / "one", tmp_path / "twice", asked)


def test_real_data_that_are_synthetic_are_refused(pairs_recipe, tmp_path):
    generate(pairs_recipe, 1, tmp_path / "data")
    with pytest.raises(MedsynthError, match="marked as synthetic"):
        train_refiner(tmp_path / "m.safetensors", real=tmp_path / "data")
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "a.nii.gz").write_bytes((tmp_path / "data/case-00000/quick.nii.gz").read_bytes())
    with pytest.raises(MedsynthError, match="marked as synthetic"):
        train_refiner(tmp_path / "m.safetensors", real=alone)


@pytest.mark.parametrize(("given", "told"), [
    ({}, "--data or --real"), ({"data": "absent"}, "no dataset"), ({"real": "absent"}, "no image")])
def test_nothing_to_train_on_is_one_line(tmp_path, given, told):
    with pytest.raises(MedsynthError, match=told):
        train_refiner(tmp_path / "m.safetensors", **{key: tmp_path / value for key, value in given.items()})


def test_a_pinned_model_must_be_that_model(texture):
    with pytest.raises(RecipeError, match=r"refine\.sha256"):
        load_recipe({**texture, "refine": {**texture["refine"], "sha256": "0" * 64}})


def test_bad_input_of_the_commands_is_one_line_with_exit_code_2(stub_recipe, tmp_path):
    from typer.testing import CliRunner

    generate(stub_recipe, 1, tmp_path / "data")
    absent = str(tmp_path / "absent.safetensors")
    for words, told in ((["apply", str(tmp_path / "none"), "--model", absent], "is no dataset"),
                        (["apply", str(tmp_path / "data"), "--model", absent], "cannot be read"),
                        (["apply", str(tmp_path / "data")], "--model or --reference"),
                        (["train", "-o", absent], "--data or --real"),
                        (["train", "-o", absent, "--data", str(tmp_path / "data")], "--quick must name an acquisition"),
                        (["train", "-o", absent, "--data", ".", "--channels", "8,x"], "--channels")):
        done = CliRunner().invoke(app, ["refine", *words])
        assert done.exit_code == 2, done.output
        lines = done.output.strip().splitlines()
        assert len(lines) == 1
        assert told in lines[0]


def test_a_dataset_of_another_version_is_not_made_again(stub_recipe, tmp_path):
    generate(stub_recipe, 1, tmp_path)
    header = json.loads((tmp_path / "dataset.json").read_text())
    (tmp_path / "dataset.json").write_text(json.dumps({**header, "fingerprint": "0" * 64}))
    with pytest.raises(MedsynthError, match="cannot be made again"):
        apply_refiner(tmp_path, tmp_path / "out", {"refiner": "identity"})
