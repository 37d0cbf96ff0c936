"""Reading the package's data tables."""

from __future__ import annotations

import csv
from importlib.resources import files


def read_table(name: str) -> list[dict[str, str]]:
    """Return the rows of `medsynth/tissues/data/<name>` as dictionaries; lines that start with # are comments."""
    text = files("medsynth.tissues").joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
