from __future__ import annotations

import os

import pytest

from medsynth.core.errors import RecipeError
from medsynth.dataset import machine
from medsynth.dataset.machine import GIB, default_workers, limited_threads
from medsynth.dataset.reading import parse_shard, shard_of_array_job


@pytest.mark.parametrize(("cores", "free_gib", "workers"), [
    (8, 64, 8), (8, 17, 4), (8, 1, 1), (1, 64, 1), (4, None, 4)])
def test_workers_are_what_cores_and_memory_bear(monkeypatch, cores, free_gib, workers):
    monkeypatch.setattr(machine, "usable_cores", lambda: cores)
    monkeypatch.setattr(machine, "free_memory_bytes", lambda: None if free_gib is None else free_gib * GIB)
    assert default_workers(4.0) == workers


def test_the_limit_of_a_container_counts(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text(f"{3 * GIB}\n")
    (tmp_path / "memory.current").write_text(f"{GIB}\n")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert machine.free_memory_bytes() <= 2 * GIB
    (tmp_path / "memory.max").write_text("max\n")
    assert machine._left_in_group() is None


def test_threads_are_limited_for_children_alone_and_a_stricter_wish_stays(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("NUMBA_NUM_THREADS", "64")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with limited_threads(2):
        assert [os.environ[name] for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS")] == [
            "1", "2", "2"]
    assert os.environ["NUMBA_NUM_THREADS"] == "64"
    assert "MKL_NUM_THREADS" not in os.environ


@pytest.mark.parametrize(("variables", "shard"), [
    ({"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "8"}, (5, 8)),
    ({"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "7"}, (1, 8)),
    ({"SLURM_ARRAY_TASK_ID": "30", "SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_MAX": "50",
      "SLURM_ARRAY_TASK_STEP": "10"}, (3, 5)),
    ({"SGE_TASK_ID": "2", "SGE_TASK_FIRST": "1", "SGE_TASK_LAST": "4", "SGE_TASK_STEPSIZE": "1"}, (2, 4)),
    ({"SGE_TASK_ID": "undefined", "PBS_ARRAY_INDEX": "3", "MEDSYNTH_SHARDS": "9"}, (3, 9)),
    ({"PBS_ARRAYID": "0", "MEDSYNTH_SHARDS": "9", "MEDSYNTH_FIRST": "0"}, (1, 9)),
])
def test_the_shard_of_an_array_job_is_read_from_its_variables(variables, shard):
    assert shard_of_array_job(variables) == shard


@pytest.mark.parametrize(("variables", "part"), [
    ({}, "--shard 1/8"), ({"SLURM_ARRAY_TASK_ID": "5"}, "SLURM_ARRAY_TASK_MIN"),
    ({"PBS_ARRAY_INDEX": "3"}, "MEDSYNTH_SHARDS"), ({"PBS_ARRAY_INDEX": "9", "MEDSYNTH_SHARDS": "4"}, "9/4"),
])
def test_an_array_job_that_tells_too_little_is_one_line(variables, part):
    with pytest.raises(RecipeError, match=part):
        shard_of_array_job(variables)


def test_auto_reads_the_environment(monkeypatch):
    for name, value in {"TASK_ID": "2", "TASK_MIN": "1", "TASK_MAX": "3", "TASK_STEP": "1"}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_{name}", value)
    assert parse_shard("auto") == (2, 3)
