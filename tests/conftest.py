"""Settings of all tests: property tests draw the same examples in every run; a body is built in one worker."""

from __future__ import annotations

import os
from pathlib import Path

import numba
import pytest
from hypothesis import settings

settings.register_profile("medsynth", deadline=None, derandomize=True)
settings.load_profile("medsynth")

if "PYTEST_XDIST_WORKER" in os.environ:  # workers fill the cores; tests of many threads set them and put this back
    numba.set_num_threads(1)

BODIES = ("thorax", "abdomen", "pelvis", "torso", "head", "knee", "breast")
APART = ("extreme", "limits", "every_adult")  # in the names of tests that build somebody of their own
# Tests of a scanner share compiled loops: the first test that needs one compiles it, in each worker that runs such.
SCANNERS = ("tests/acquire/ct", "tests/acquire/mri", "tests/acquire/xray")
# The longest groups start first, so that workers finish together.
LONGEST = ("thorax", *SCANNERS, "head", "torso", "abdomen", "pelvis", "tests/dataset/test_chest.py", "knee", "breast",
           "tests/dataset/test_run.py", "tests/examples/test_hand_body.py", "tests/lesions/test_lung_nodule.py")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the tests of a group together, the longest groups first."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(_group(item.nodeid), len(place)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """With `--dist loadgroup`, give tests of a group to one worker, in their order.

    xdist's own groups rename tests, which pytest 9.2 does not let it do: every test was a group of its own.
    """
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Grouped(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    config.option.loadscopereorder = False
    return Grouped(config, log)


def _group(nodeid: str) -> str:
    """Return the group of a test: those that share a built body, a scanner's loops, or a module's fixtures."""
    module, _, test = nodeid.partition("::")
    setting = test.partition("[")[2].removesuffix("]")
    if setting and any(word in test for word in APART):
        return f"{module}[{setting}]"
    for folder in SCANNERS:
        if module.startswith(folder):
            return folder
    stem = Path(module).stem
    first = setting if stem == "test_bodies" else stem.removeprefix("test_").split("_")[0]
    return first if first in BODIES else module
