"""The trunk's structures and labels, and which of them each body shows."""

from __future__ import annotations

import csv
from functools import lru_cache, partial
from importlib import resources

from medsynth.scene.structure import Structure
from phantoms.table import read_labels, read_structures

PACKAGE = "phantoms.torso"

structures = partial(read_structures, PACKAGE)
labels = partial(read_labels, PACKAGE)


@lru_cache
def structures_of(body: str) -> tuple[Structure, ...]:
    """Return the structures that a body may hold: those whose column `bodies` names its initial, or nothing."""
    text = resources.files(PACKAGE).joinpath("structures.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    shown = {row["name"] for row in rows if not row["bodies"] or body == "torso" or body[0] in row["bodies"]}
    return tuple(s for s in structures() if s.name in shown)
