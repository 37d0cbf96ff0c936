"""The structures of a body from the data file in its package: `structures.csv`."""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib import resources

from medsynth.scene.structure import Code, Structure, Texture


def _numbers(text: str) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(v) for v in item.split(":")) for item in text.split(";") if item)


@lru_cache
def read_structures(package: str) -> tuple[Structure, ...]:
    """Return every structure of the body in `package`, e.g. `"phantoms.torso"`, in the order of its file."""
    text = resources.files(package).joinpath("structures.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    found = []
    for row in rows:
        mixture = tuple(
            (name, float(part)) for name, part in (item.split(":") for item in row["mixture"].split(";") if item)
        )
        texture = Texture(_numbers(row["octaves"]), _numbers(row["ridges"]))  # type: ignore[arg-type]
        found.append(
            Structure(
                row["name"],
                int(row["label"]),
                row["tissue"],
                Code(row["snomed"], row["meaning"]),
                row["laterality"],  # type: ignore[arg-type]
                row["part_of"],
                texture,
                row["enhancement"],
                mixture,
            )
        )
    return tuple(found)


@lru_cache
def read_labels(package: str) -> dict[str, int]:
    """Return the label of each structure of the body in `package` by name."""
    return {s.name: s.label for s in read_structures(package)}
