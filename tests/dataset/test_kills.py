"""A small form of benchmarks/kills.py: SIGKILL at random moments."""

from __future__ import annotations

import pytest

from benchmarks.kills import torture


@pytest.mark.slow
def test_runs_that_are_killed_leave_no_half_case_and_end_in_the_same_bytes(tmp_path):
    found = torture(tmp_path, kills=8, workers=1, count=6, longest_s=0.4)
    assert found["faults"] == []
    assert found["same bytes at the end"]
    assert found["last run's status"] == 0
    assert found["interrupted"] >= 3
