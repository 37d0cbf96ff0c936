"""The stub body and scanner of `stub/`, installed for the tests of this folder and for the processes they start."""

from __future__ import annotations

import contextlib
import importlib
import os
from pathlib import Path

import pytest

from medsynth.dataset.tables import MODALITIES

STUB = Path(__file__).parent / "stub"


@contextlib.contextmanager
def stubbed():
    """Install the stub distribution, here and in child processes, which use this checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUB))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(STUB), str(STUB.parents[2])]))
        module = importlib.import_module("two_balls")
        for name in ("stub", "flat", "echo"):
            patch.setitem(MODALITIES, name, getattr(module, name.upper()))
        yield module


@pytest.fixture
def two_balls():
    """Install the stub distribution for one test."""
    with stubbed() as module:
        yield module


@pytest.fixture
def stub_recipe(two_balls):
    """Return a recipe that takes milliseconds."""
    return {"phantom": {"body": "two_balls", "range": "all"}, "acquisitions": {"ct": {"modality": "stub"}},
            "formats": ["nifti"]}
