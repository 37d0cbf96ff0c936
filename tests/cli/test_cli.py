from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from typer.testing import CliRunner

from medsynth import __version__
from medsynth.cli import app
from medsynth.dataset.reading import built_in_recipes

HEAVY = ("numpy", "scipy", "numba", "pydicom", "highdicom", "nibabel", "pydantic", "yaml", "PIL", "torch", "xraylib")


@pytest.fixture
def recipe_file(stub_recipe, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(stub_recipe))
    return str(path)


def call(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def refused(*arguments: object) -> str:
    """The one line on standard error of a command that must end with exit code 2."""
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    line, = result.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert "Traceback" not in result.output
    return line


def test_generate_prints_the_folder_alone_when_piped(recipe_file, tmp_path):
    result = call("generate", recipe_file, "-n", 2, "-o", tmp_path / "data", "--seed", 3)
    assert result.exit_code == 0
    assert result.stdout == f"{tmp_path / 'data'}\n"
    assert result.stderr == ""
    header = json.loads((tmp_path / "data" / "dataset.json").read_text())
    assert header["seed"] == 3
    assert header["recipe"]["name"] == "mine"
    assert [row["name"] for row in header["labels"]] == ["body", "ball"]
    assert all(row["snomed_code"].isdigit() for row in header["labels"])
    assert len((tmp_path / "data" / "manifest.jsonl").read_text().splitlines()) == 2


def test_set_and_formats_reach_the_files(recipe_file, tmp_path):
    call("generate", recipe_file, "-o", tmp_path / "d", "--set", "acquisitions.ct.kvp=90", "--formats", "dicom")
    header = json.loads((tmp_path / "d" / "dataset.json").read_text())
    assert header["recipe"]["acquisitions"]["ct"]["kvp"] == 90
    assert list(header["recipe"]["formats"]) == ["dicom"]
    names = {path.name for path in (tmp_path / "d" / "case-00000").iterdir()}
    assert "dicom" in names
    assert "ct.nii.gz" not in names


def test_shards_together_make_the_whole(recipe_file, tmp_path):
    for part in ("1/3", "3/3", "2/3"):
        assert call("generate", recipe_file, "-n", 4, "-o", tmp_path / "d", "--shard", part).exit_code == 0
    ids = [json.loads(line)["id"] for line in (tmp_path / "d" / "manifest.jsonl").read_text().splitlines()]
    assert ids == [f"case-0000{i}" for i in range(4)]


@pytest.mark.parametrize(("arguments", "parts"), [
    (["--set", "acquisitions.ct.kvpp=1"], ["acquisitions.ct.kvpp", "did you mean 'kvp'"]),
    (["--set", "acquisitions.ct.kvp=0"], ["acquisitions.ct.kvp must be > 0", "got 0"]),
    (["--set", "acquisitions.ct.kvp=nan"], ["acquisitions.ct.kvp", "finite"]),
    (["--set", "lesions=[{kind: lung_nodule, diameter_mm: -4}]"], ["lesions.0.diameter_mm", "-4"]),
    (["--set", "nonsense"], ["--set", "KEY.PATH=VALUE"]),
    (["--formats", "nifty"], ["formats.nifty", "did you mean 'nifti'"]),
    (["--shard", "3/2"], ["--shard", "3/2"]),
    (["--workers", "0"], ["workers must be a whole number >= 1", "0"]),
    (["--seed", "-1"], ["seed", "-1"]),
    (["-n", "-1"], ["count", "-1"]),
])
def test_bad_input_is_one_line_and_exit_code_2(recipe_file, tmp_path, arguments, parts):
    line = refused("generate", recipe_file, "-o", tmp_path / "d", *arguments)
    for part in parts:
        assert part in line
    assert not (tmp_path / "d").exists()


def test_unknown_recipes_and_unwritable_places_are_one_line(recipe_file, tmp_path):
    assert "did you mean 'chest-ct'" in refused("show", "chest-tc")
    assert "cannot write to" in refused("generate", recipe_file, "-o", recipe_file)
    assert "cannot write to /proc/x" in refused("generate", recipe_file, "-o", "/proc/x")


def test_a_lesion_that_finds_no_place_is_one_line_with_exit_code_2(recipe_file, tmp_path):
    line = refused("generate", recipe_file, "-o", tmp_path / "d", "--set", "acquisitions.ct.fails=input",
                   "--set", "acquisitions.ct.failing_index=0")
    assert "case-00000: diameter_mm must be smaller than its host" in line
    assert "failures.jsonl" in line


def test_a_fault_of_the_program_is_one_line_with_exit_code_1_and_keeps_the_other_cases(recipe_file, tmp_path):
    result = call("generate", recipe_file, "-n", 3, "-o", tmp_path / "d", "--set", "acquisitions.ct.fails=fault")
    assert result.exit_code == 1
    assert result.stdout == f"{tmp_path / 'd'}\n"
    line, = result.stderr.splitlines()
    assert "ZeroDivisionError" in line
    assert "Traceback" not in line
    assert sorted(path.name for path in (tmp_path / "d").glob("case-*")) == ["case-00000", "case-00002"]


def heed_ctrl_c() -> None:
    """Undo what a background shell job passes on: there SIGINT is ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_is_one_line_with_exit_code_130(recipe_file, tmp_path):
    code = "import two_balls; from medsynth.cli import app; app()"
    arguments = ["generate", recipe_file, "-n", "50", "-o", str(tmp_path / "d"), "--set", "acquisitions.ct.slow_s=0.2"]
    with subprocess.Popen([sys.executable, "-c", code, *arguments], text=True, stderr=subprocess.PIPE,
                          stdout=subprocess.PIPE, env={**os.environ, "TWO_BALLS_STUB": "1"},
                          preexec_fn=heed_ctrl_c) as process:
        deadline = time.monotonic() + 60
        while not list((tmp_path / "d").glob("case-*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.startswith("interrupted; finished cases are kept")
    assert len(errors.splitlines()) == 1


def test_show_gives_yaml_that_generate_reads_back(recipe_file, tmp_path):
    shown = call("show", recipe_file, "--set", "subject.sex=female").stdout
    again = tmp_path / "again.yaml"
    again.write_text(shown)
    assert call("show", again).stdout == shown
    assert yaml.safe_load(shown)["subject"] == {"sex": "female"}


@pytest.mark.parametrize("kind", ["lesions", "recipes", "tissues", "protocols"])
def test_lists_are_names_with_descriptions_also_as_json(kind):
    rows = json.loads(call("list", kind, "--json").stdout)
    assert rows
    assert all(row["name"] and row["description"] for row in rows)
    text = call("list", kind).stdout
    assert all(row["name"] in text for row in rows)


def test_list_of_phantoms_shows_those_of_third_parties(two_balls, monkeypatch):
    monkeypatch.setattr("medsynth.scene.body.bodies", lambda: {"two_balls": two_balls.BODY})
    row, = json.loads(call("list", "phantoms", "--json").stdout)
    structures = row.pop("structures")
    assert row == {"name": "two_balls", "description": "Two balls, for tests", "ranges": ["all"],
                   "spec": ["radius_mm"], "covariates": {}}
    assert [(s["name"], s["label"], s["organ"]) for s in structures] == [("body", 1, "body"), ("ball", 2, "ball")]
    assert structures[1]["snomed"] == "10200004"


def test_list_of_phantoms_tells_what_of_a_subject_each_body_follows():
    rows = {row["name"]: row for row in json.loads(call("list", "phantoms", "--json").stdout)}
    thorax = rows["thorax"]
    assert set(thorax["covariates"]) == {"sex", "age_years", "height_cm", "weight_kg"}
    assert thorax["covariates"]["age_years"] == {"min": 18.0, "max": 95.0}
    assert "liver_ml" in thorax["spec"]
    by_name = {s["name"]: s for s in thorax["structures"]}
    assert by_name["rib_left_5_marrow"]["organ"] == "rib_left_5"
    assert by_name["rib_left_5"]["laterality"] == "left"
    assert rows["qa-water"]["covariates"] == {}
    assert rows["qa-water"]["spec"] == ["diameter_mm", "length_mm", "wall_mm"]


def test_list_of_recipes_has_every_built_in_one():
    assert [row["name"] for row in json.loads(call("list", "recipes", "--json").stdout)] == built_in_recipes()


@pytest.mark.parametrize(("arguments", "parts"), [
    (["list", "tissue"], ["tissue", "recipes"]),
    (["generate"], ["RECIPE"]),
    (["generate", "chest-ct", "--seed", "abc"], ["--seed", "integer"]),
    (["generate", "chest-ct", "--wrokers", "2"], ["--wrokers", "--workers"]),
    (["genrate", "chest-ct"], ["genrate", "generate"]),
])
def test_a_call_that_cannot_be_understood_is_one_line(arguments, parts):
    line = refused(*arguments)
    for part in parts:
        assert part in line


def test_no_arguments_show_the_help():
    result = call()
    assert result.exit_code == 0
    assert "generate" in result.stdout


def test_version_is_printed():
    assert call("--version").stdout == f"medsynth {__version__}\n"


@pytest.mark.parametrize("statement", ["import medsynth", "import medsynth.cli", "import medsynth.dataset.pool"])
def test_importing_loads_nothing_heavy(statement):
    code = f"{statement}; import sys; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_lists_the_commands_and_no_others():
    text = call("--help").stdout
    for command in ("list", "show", "generate", "insert", "plan", "merge", "validate", "export", "push", "refine"):
        assert command in text
    for later in ("review",):
        assert later not in text
