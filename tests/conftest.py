"""Settings of all tests: property tests draw the same examples in every run; a body is built in one worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("medsynth", deadline=None, derandomize=True)
settings.load_profile("medsynth")

BODIES = ("thorax", "abdomen", "pelvis", "torso", "head", "knee", "breast")
APART = ("extreme", "limits", "every_adult")  # in the names of tests that build somebody of their own


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group tests for `--dist loadgroup`: those that share a built body, or a module's fixtures, share a worker."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    module, _, test = item.nodeid.partition("::")
    settings_of = getattr(item, "callspec", None)
    if settings_of is not None and any(word in test for word in APART):
        return f"{module}[{settings_of.id}]"
    stem = Path(module).stem
    first = stem.removeprefix("test_").split("_")[0]
    if stem == "test_bodies" and settings_of is not None:
        first = settings_of.params["name"]
    return first if first in BODIES else module
