"""The plan against the run that it foretells."""

from __future__ import annotations

import json
import time

import pytest
import yaml
from typer.testing import CliRunner

from medsynth.cli import app
from medsynth.core.errors import DatasetError
from medsynth.dataset.plan import Measure, _extrapolated, plan
from medsynth.dataset.run import generate
from tests.dataset.test_run import with_ct


def test_files_and_bytes_are_within_a_quarter_of_the_run_and_time_is_near(stub_recipe, tmp_path):
    recipe = with_ct({**stub_recipe, "formats": ["nifti", "dicom"]}, slow_s=0.3, voxel_mm=8)
    found = plan(recipe, 6, workers=1, seed=3)
    began = time.perf_counter()
    generate(recipe, 6, tmp_path, workers=1, seed=3)
    seconds = time.perf_counter() - began
    files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith(".lock")
             and path.name != ".manifest-lock"]
    assert found.files == pytest.approx(len(files), rel=0.25)
    assert found.size_bytes == pytest.approx(sum(path.stat().st_size for path in files), rel=0.25)
    # The bar of a quarter is measured in benchmarks/engine.py; tests run beside each other, on busy machines.
    assert 1.8 <= found.seconds <= 2 * seconds + 5
    assert found.measured == 4


def test_later_cases_tell_the_time_and_the_first_one_the_start():
    measured = [[Measure(5.0, 10, 100, 7), Measure(2.0, 10, 300, 8)],
                [Measure(7.0, 12, 200, 9), Measure(4.0, 12, 200, 9)]]
    found = _extrapolated("x", 100, 2, measured)
    assert (found.case_seconds, found.start_seconds, found.seconds) == (3.0, 3.0, 3.0 + 3.0 * 50)
    assert (found.files, found.size_bytes, found.peak_memory_bytes) == (1100 + 4, 20000, 9)


def test_the_command_leaves_nothing_behind_and_has_a_form_for_programs(stub_recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "t"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "t").mkdir()
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(yaml.safe_dump(stub_recipe))
    told = CliRunner().invoke(app, ["plan", str(recipe), "-n", "1000", "--workers", "1", "-o", str(tmp_path / "data")])
    assert told.exit_code == 0, told.output
    for word in ("1,000 cases, 1 worker", "files", "GB are free", "time", "in a temporary folder"):
        assert word in told.stdout
    found = json.loads(CliRunner().invoke(app, ["plan", str(recipe), "-n", "7", "--workers", "1", "--json"]).stdout)
    assert found["count"] == 7
    assert found["files"] == 7 * (found["files"] - 4) // 7 + 4
    assert list((tmp_path / "t").iterdir()) == []
    assert not (tmp_path / "data").exists()


def test_a_case_that_cannot_be_made_is_one_line(stub_recipe):
    with pytest.raises(DatasetError, match="case-00000 cannot be made: diameter_mm"):
        plan(with_ct(stub_recipe, fails="input", failing_index=0), 4, workers=1)
