"""The cluster executor on a real Dask scheduler with two worker processes."""

from __future__ import annotations

import os
import threading
import time
import warnings

import pytest

from medsynth.core.errors import DatasetError
from medsynth.dataset.run import generate
from tests.dataset.test_run import case_names, hidden_leftovers, manifest_ids, tree, with_ct

# Dask closes its sockets and loops in its own time.
pytestmark = [pytest.mark.slow,
              pytest.mark.filterwarnings("ignore::ResourceWarning"),
              pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
              pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def two_workers(two_balls, tmp_path, monkeypatch):
    """A scheduler and two worker processes, on loopback, that keep nothing elsewhere."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("TWO_BALLS_STUB", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with distributed.LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
                                      local_directory=str(tmp_path / "dask")) as cluster:
            yield cluster


def kill_a_worker(cluster, out, after_cases: int) -> threading.Thread:
    """Kill a worker process, without a word to anybody, as soon as some cases are there."""
    def wait_and_kill():
        deadline = time.monotonic() + 120
        while len(case_names(out)) < after_cases and time.monotonic() < deadline:
            time.sleep(0.02)
        pids = [worker.process.pid for worker in cluster.workers.values()]
        os.kill(pids[0], 9)

    thread = threading.Thread(target=wait_and_kill, daemon=True)
    thread.start()
    return thread


def test_a_dataset_completes_to_the_same_bytes_when_a_worker_of_the_cluster_is_killed(stub_recipe, two_workers,
                                                                                      tmp_path):
    recipe = with_ct(stub_recipe, slow_s=0.2)
    generate(recipe, 10, tmp_path / "here", seed=2)
    out = tmp_path / "there"
    out.mkdir()
    before = {worker.process.pid for worker in two_workers.workers.values()}
    thread = kill_a_worker(two_workers, out, 3)
    summary = generate(recipe, 10, out, seed=2, cluster=two_workers.scheduler_address)
    thread.join()
    assert {worker.process.pid for worker in two_workers.workers.values()} != before
    assert (summary.made, summary.failures) == (10, ())
    assert tree(out) == tree(tmp_path / "here")
    assert hidden_leftovers(out) == []
    # And one case that fails, or no cluster at all, ends as it does elsewhere.
    failing = generate(with_ct(stub_recipe, fails="fault"), 3, tmp_path / "faulty",
                       cluster=two_workers.scheduler_address)
    assert [failure.case for failure in failing.failures] == ["case-00001"]
    assert manifest_ids(tmp_path / "faulty") == ["case-00000", "case-00002"]


def test_a_cluster_that_does_not_answer_is_one_line(stub_recipe, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("medsynth.dataset.cluster._CONNECT_S", 0.3)
    with pytest.raises(DatasetError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        generate(stub_recipe, 1, tmp_path / "d", cluster="tcp://127.0.0.1:9")
