"""The page about adding a body: its code runs, and what it quotes stands in the example."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml

from medsynth.dataset.recipe import Recipe

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-body.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
sys.path.insert(0, str(ROOT / "examples" / "hand_body"))


def test_every_python_block_runs_in_order():
    names: dict[str, object] = {}
    blocks = [code for language, _, code in BLOCKS if language == "python"]
    assert len(blocks) >= 8
    for number, code in enumerate(blocks):
        try:
            exec(compile(code, f"adding-a-body.md block {number + 1}", "exec"), names)
        except Exception as error:
            pytest.fail(f"block {number + 1} fails with {error!r}:\n{code}")


def test_quoted_lines_stand_in_the_files_they_are_quoted_from():
    quoted = [(title, code) for language, title, code in BLOCKS if title and language in ("toml", "csv")]
    assert len(quoted) == 2
    for title, code in quoted:
        lines = (ROOT / title).read_text(encoding="utf-8").splitlines()
        assert [line for line in code.splitlines() if line and line not in lines] == [], title


def test_the_recipe_has_the_parts_of_a_recipe():
    (recipe,) = [yaml.safe_load(code) for language, _, code in BLOCKS if language == "yaml"]
    assert set(recipe) <= set(Recipe.model_fields)


def test_files_that_the_page_names_exist():
    for name in re.findall(r"`((?:tests|examples|medsynth)/[\w/.]+)`", PAGE):
        assert (ROOT / name).exists(), name
