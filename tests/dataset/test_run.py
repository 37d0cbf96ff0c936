from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medsynth.core.errors import DatasetError, RecipeError
from medsynth.dataset import job as job_module
from medsynth.dataset.folder import DiskError, locked
from medsynth.dataset.run import generate


def tree(folder: Path) -> dict[str, bytes]:
    """Every file that a user sees, and the records, by relative path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith((".lock", ".manifest-lock"))}


def case_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("case-*"))


def manifest_ids(folder: Path) -> list[str]:
    return [json.loads(line)["id"] for line in (folder / "manifest.jsonl").read_text().splitlines()]


def hidden_leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".") and not path.name.startswith(
        (".lock", ".manifest-lock"))]


def with_ct(recipe, **settings):
    return {**recipe, "acquisitions": {"ct": {"modality": "stub", **settings}}}


def test_files_are_the_same_bytes_for_one_and_two_workers(stub_recipe, tmp_path):
    recipe = {**stub_recipe, "formats": ["nifti", "dicom"]}
    generate(recipe, 3, tmp_path / "one", seed=5, workers=1, twin=True)
    generate(recipe, 3, tmp_path / "two", seed=5, workers=2, twin=True)
    one, two = tree(tmp_path / "one"), tree(tmp_path / "two")
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []
    assert {"case-00002/ct.nii.gz", "case-00002/twin/ct.nii.gz", "case-00002/dicom/ct/IM00001.dcm"} <= one.keys()


def test_cases_differ_from_each_other_and_with_the_seed(stub_recipe, tmp_path):
    generate(stub_recipe, 2, tmp_path / "a", seed=1)
    generate(stub_recipe, 1, tmp_path / "b", seed=2)
    images = [(tmp_path / p / "ct.nii.gz").read_bytes() for p in ("a/case-00000", "a/case-00001", "b/case-00000")]
    assert len(set(images)) == 3


def test_numbers_that_a_recipe_fixes_replace_the_drawn_ones_in_every_case(stub_recipe, tmp_path):
    drawn, fixed = tmp_path / "drawn", tmp_path / "fixed"
    generate(stub_recipe, 2, drawn, seed=1)
    generate({**stub_recipe, "phantom": {**stub_recipe["phantom"], "spec": {"radius_mm": 9.5}}}, 2, fixed, seed=1)
    for case in case_names(fixed):
        specs = [json.loads((at / case / "annotations.json").read_text())["specs"]["anatomy"] for at in (drawn, fixed)]
        assert specs[0]["radius_mm"] != 9.5
        assert specs[1] == {**specs[0], "radius_mm": 9.5}


def test_a_case_does_not_depend_on_how_many_are_asked_for_or_on_the_shard(stub_recipe, tmp_path):
    generate(stub_recipe, 4, tmp_path / "whole", seed=3)
    for number in (2, 1):
        generate(stub_recipe, 4, tmp_path / "parts", seed=3, shard=(number, 2))
    assert tree(tmp_path / "whole") == tree(tmp_path / "parts")


def test_growing_a_dataset_keeps_its_finished_cases(stub_recipe, tmp_path):
    generate(stub_recipe, 2, tmp_path)
    before = (tmp_path / "case-00001" / "ct.nii.gz").stat().st_mtime_ns
    summary = generate(stub_recipe, 3, tmp_path)
    assert (summary.made, summary.kept) == (1, 2)
    assert (tmp_path / "case-00001" / "ct.nii.gz").stat().st_mtime_ns == before
    assert manifest_ids(tmp_path) == ["case-00000", "case-00001", "case-00002"]


@pytest.mark.parametrize("damage", ["file", "record", "folder"])
def test_a_damaged_case_starts_over(stub_recipe, tmp_path, damage):
    generate(stub_recipe, 2, tmp_path)
    whole = tree(tmp_path)
    case = tmp_path / "case-00001"
    if damage == "file":
        (case / "ct.nii.gz").unlink()
    elif damage == "record":
        (case / ".record.json").write_text("{")
    else:
        case.rename(tmp_path.parent / f"{tmp_path.name}-moved")
    assert generate(stub_recipe, 2, tmp_path).made == 1
    assert tree(tmp_path) == whole
    assert hidden_leftovers(tmp_path) == []


@pytest.mark.parametrize(("change", "part"), [
    ({"seed": 2}, "seed: 1 there, 2 here"),
    ({"twin": True}, "twin: False there, True here"),
    ({"formats": ["dicom"]}, "formats"),
])
def test_another_dataset_in_the_same_folder_is_refused(stub_recipe, tmp_path, change, part):
    generate(stub_recipe, 1, tmp_path, seed=1)
    before = tree(tmp_path)
    with pytest.raises(DatasetError, match="holds another dataset") as caught:
        generate(stub_recipe, 1, tmp_path, **{"seed": 1, **change})
    assert part in str(caught.value)
    assert tree(tmp_path) == before


def test_another_recipe_in_the_same_folder_is_refused_with_the_value_that_differs(stub_recipe, tmp_path):
    generate(stub_recipe, 1, tmp_path)
    with pytest.raises(DatasetError, match=r"recipe.acquisitions.ct.kvp: 120.0 there, 100.0 here"):
        generate(with_ct(stub_recipe, kvp=100), 1, tmp_path)


def test_foreign_case_folders_are_not_touched(stub_recipe, tmp_path):
    (tmp_path / "case-00000").mkdir()
    (tmp_path / "case-00000" / "mine.txt").write_text("mine")
    with pytest.raises(DatasetError, match=r"no dataset.json"):
        generate(stub_recipe, 1, tmp_path)
    assert (tmp_path / "case-00000" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("workers", [1, 2])
def test_one_failing_case_does_not_stop_the_others(stub_recipe, tmp_path, workers):
    summary = generate(with_ct(stub_recipe, fails="fault"), 3, tmp_path, workers=workers)
    assert [failure.case for failure in summary.failures] == ["case-00001"]
    assert case_names(tmp_path) == manifest_ids(tmp_path) == ["case-00000", "case-00002"]
    row, = [json.loads(line) for line in (tmp_path / "failures.jsonl").read_text().splitlines()]
    assert row["case"] == "case-00001"
    assert row["error"] == "ZeroDivisionError: a fault of the program"
    assert "two_balls.py" in row["trace"]
    assert not row["expected"]


def test_failures_for_bad_input_carry_one_line_and_no_trace(stub_recipe, tmp_path):
    failure, = generate(with_ct(stub_recipe, fails="input"), 2, tmp_path).failures
    assert failure.expected
    assert failure.trace == ""
    assert "diameter_mm must be smaller than its host" in failure.error


def test_failures_are_left_alone_until_they_are_asked_for_and_forgotten_when_they_succeed(
        stub_recipe, two_balls, tmp_path, monkeypatch):
    recipe = with_ct(stub_recipe, fails="fault")
    assert generate(recipe, 2, tmp_path).failures
    before = (tmp_path / "failures.jsonl").read_bytes()
    monkeypatch.setattr(two_balls, "_fail", lambda how: None)
    again = generate(recipe, 2, tmp_path)
    assert (again.made, again.kept, [f.case for f in again.failures]) == (0, 1, ["case-00001"])
    assert (tmp_path / "failures.jsonl").read_bytes() == before
    assert not generate(recipe, 2, tmp_path, retry_failed=True).failures
    assert not (tmp_path / "failures.jsonl").exists()
    assert manifest_ids(tmp_path) == ["case-00000", "case-00001"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_stops_with_one_line_and_keeps_finished_cases(stub_recipe, tmp_path, workers):
    recipe = with_ct(stub_recipe, fails="space", failing_index=4)
    with pytest.raises(DiskError, match="No space left on device") as caught:
        generate(recipe, 8, tmp_path, workers=workers)
    assert "\n" not in str(caught.value)
    assert len(case_names(tmp_path)) >= 3  # the fifth case begins when three are done
    assert "case-00004" not in case_names(tmp_path)
    assert manifest_ids(tmp_path) == case_names(tmp_path)
    assert hidden_leftovers(tmp_path) == []


def test_a_disk_that_fills_up_while_files_are_written_leaves_no_half_case(stub_recipe, tmp_path, monkeypatch):
    generate(stub_recipe, 1, tmp_path)

    def half_written(case, folder, formats):
        (folder / "ct.nii.gz").write_bytes(b"half")
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(job_module, "write_case", half_written)
    with pytest.raises(DiskError, match="No space left"):
        generate(stub_recipe, 2, tmp_path)
    assert case_names(tmp_path) == ["case-00000"]
    assert hidden_leftovers(tmp_path) == []


def test_an_unwritable_place_is_one_line(stub_recipe, tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("/proc/nowhere", tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DiskError, match="cannot write to") as caught:
            generate(stub_recipe, 1, place)
        assert "\n" not in str(caught.value)


def test_a_case_that_kills_its_worker_is_tried_again_alone_and_then_recorded_as_failed(stub_recipe, tmp_path):
    summary = generate(with_ct(stub_recipe, fails="death", failing_index=1), 5, tmp_path / "dead", workers=2)
    failure, = summary.failures
    assert failure.case == "case-00001"
    assert "died twice" in failure.error
    assert case_names(tmp_path / "dead") == [f"case-0000{i}" for i in (0, 2, 3, 4)] == manifest_ids(tmp_path / "dead")
    assert hidden_leftovers(tmp_path / "dead") == []
    row, = (json.loads(line) for line in (tmp_path / "dead" / "failures.jsonl").read_text().splitlines())
    assert row["index"] == 1


def test_a_worker_killed_once_costs_no_case(stub_recipe, tmp_path):
    generate(stub_recipe, 4, tmp_path / "whole")
    mark = tmp_path / "mark"
    recipe = with_ct(stub_recipe, fails="death once", mark=str(mark), failing_index=2)
    summary = generate(recipe, 4, tmp_path / "killed", workers=2)
    assert mark.exists()
    assert (summary.made, summary.failures) == (4, ())
    images = [[(folder / name / "ct.nii.gz").read_bytes() for name in case_names(folder)]
              for folder in (tmp_path / "whole", tmp_path / "killed")]
    assert images[0] == images[1]


def test_a_script_without_a_main_guard_is_one_line(stub_recipe, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import json, two_balls\nfrom medsynth.dataset.run import generate\n"
                      f"generate(json.loads({json.dumps(stub_recipe)!r}), 2, {str(tmp_path / 'data')!r}, workers=2)\n")
    done = subprocess.run([sys.executable, str(script)], env={**os.environ, "TWO_BALLS_STUB": "1"}, text=True,
                          capture_output=True, timeout=120)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert "a worker process died as it started" in last
    assert "__main__" in last


def test_a_line_that_a_power_cut_left_half_written_is_made_whole(stub_recipe, tmp_path):
    generate(stub_recipe, 3, tmp_path)
    before, manifest = tree(tmp_path), tmp_path / "manifest.jsonl"
    lines = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(lines[2] + lines[0] + lines[1][:50])
    assert generate(stub_recipe, 3, tmp_path).kept == 3
    assert tree(tmp_path) == before


def test_lines_are_there_while_a_run_goes_on(stub_recipe, tmp_path):
    seen = []

    def look(stage):
        if stage.name == "anatomy":
            seen.append(len(manifest_ids(tmp_path)) if (tmp_path / "manifest.jsonl").exists() else 0)

    generate(with_ct(stub_recipe, fails="fault", failing_index=1), 4, tmp_path, progress=look)
    assert seen == [0, 1, 1, 2]
    generate(with_ct(stub_recipe, fails="fault", failing_index=1), 5, tmp_path, progress=look)
    assert seen[4:] == [3]


def test_a_second_run_in_the_same_folder_is_refused(stub_recipe, tmp_path):
    with locked(tmp_path, None), pytest.raises(DatasetError, match="another run is writing"):
        generate(stub_recipe, 1, tmp_path)
    with locked(tmp_path, (1, 2)):
        with pytest.raises(DatasetError, match="another run is writing"):
            generate(stub_recipe, 1, tmp_path)
        with pytest.raises(DatasetError, match="another run is writing"):
            generate(stub_recipe, 1, tmp_path, shard=(1, 2))
        assert generate(stub_recipe, 2, tmp_path, shard=(2, 2)).made == 1


@pytest.mark.parametrize(("numbers", "part"), [
    ({"count": -1}, "count"), ({"count": 1.5}, "count"), ({"seed": -1}, "seed"), ({"seed": True}, "seed"),
    ({"workers": 0}, "workers"), ({"shard": (3, 2)}, "shard"), ({"formats": ["png"]}, "formats"),
    ({"formats": ""}, "formats"),
])
def test_bad_arguments_are_refused_before_anything_is_written(stub_recipe, tmp_path, numbers, part):
    with pytest.raises(RecipeError, match=part):
        generate(stub_recipe, **{"count": 1, "out": tmp_path / "data", **numbers})
    assert not (tmp_path / "data").exists()


def test_stages_of_every_case_are_told_also_from_workers(stub_recipe, tmp_path):
    for workers in (1, 2):
        stages: dict[str, list[str]] = {}
        generate(stub_recipe, 2, tmp_path / str(workers), workers=workers,
                 progress=lambda stage, told=stages: told.setdefault(stage.case, []).append(stage.name))
        names = ["anatomy", "lesions", "ct", "annotations", "writing", "done"]
        assert stages == {"case-00000": names, "case-00001": names}


def heed_ctrl_c() -> None:
    """Undo what a background shell job passes on: there SIGINT is ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(recipe, count: int, out: Path, workers: int) -> subprocess.Popen[bytes]:
    code = ("import json, sys, two_balls\nfrom medsynth.dataset.run import generate\n"
            "if __name__ == '__main__':\n"
            f"    generate(json.loads({json.dumps(recipe)!r}), {count}, {str(out)!r}, seed=4, workers={workers})\n")
    script = out.parent / f"start-{out.name}.py"
    script.write_text(code)
    with (out.parent / "errors.txt").open("w") as errors:
        return subprocess.Popen([sys.executable, str(script)], env={**os.environ, "TWO_BALLS_STUB": "1"},
                                stderr=errors, start_new_session=True, preexec_fn=heed_ctrl_c)


def wait_for_cases(folder: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(2400):  # a busy machine that compiles first
        if len(case_names(folder)) >= count:
            return
        assert process.poll() is None, (folder.parent / "errors.txt").read_text()
        time.sleep(0.05)
    pytest.fail("no case was finished in time")


def living(group: int) -> list[str]:
    """Processes of a group that still run (state, parent and group are fields 3 to 5 of /proc/PID/stat)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = path.read_text().rpartition(")")
            if rest.split()[0] != "Z" and int(rest.split()[2]) == group:
                found.append(name)
    return found


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_resumes_to_the_same_bytes_and_shows_nothing_half_written(stub_recipe, tmp_path, workers):
    recipe = with_ct(stub_recipe, slow_s=0.15)
    generate(recipe, 6, tmp_path / "whole", seed=4)
    out = tmp_path / "killed"
    process = start(recipe, 6, out, workers)
    wait_for_cases(out, 2, process)
    process.kill()
    process.wait()
    time.sleep(0.5)  # orphaned workers must end by themselves
    finished = case_names(out)
    assert 2 <= len(finished) < 6
    assert all((out / name / ".record.json").exists() for name in finished)
    summary = generate(recipe, 6, out, seed=4, workers=workers)
    assert summary.kept == len(finished)
    assert tree(out) == tree(tmp_path / "whole")
    assert hidden_leftovers(out) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_keeps_finished_cases_and_ends_the_workers(stub_recipe, tmp_path, workers):
    process = start(with_ct(stub_recipe, slow_s=0.3), 40, tmp_path / "data", workers)
    wait_for_cases(tmp_path / "data", 1, process)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=20)
    assert process.returncode != 0
    assert manifest_ids(tmp_path / "data") == case_names(tmp_path / "data")
    assert hidden_leftovers(tmp_path / "data") == []
    deadline = time.monotonic() + 5
    while living(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert living(process.pid) == []
