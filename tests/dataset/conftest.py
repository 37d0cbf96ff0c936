"""The stub body and scanner of `stub/`, installed for the tests of this folder and for the processes they start."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

from medsynth.dataset.tables import MODALITIES

STUB = Path(__file__).parent / "stub"


@pytest.fixture
def two_balls(monkeypatch):
    """Install the stub distribution, here and in child processes."""
    monkeypatch.syspath_prepend(str(STUB))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(STUB), str(STUB.parents[2])]))
    module = importlib.import_module("two_balls")
    for name in ("stub", "flat", "echo"):
        monkeypatch.setitem(MODALITIES, name, getattr(module, name.upper()))
    return module


@pytest.fixture
def stub_recipe(two_balls):
    """Return a recipe that takes milliseconds."""
    return {"phantom": {"body": "two_balls", "range": "all"}, "acquisitions": {"ct": {"modality": "stub"}},
            "formats": ["nifti"]}
