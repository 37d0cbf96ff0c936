"""The classes of pictures: what detectors are trained to find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medsynth.export.layouts.labels import targets_of, wanted_labels
from medsynth.export.layouts.options import ExportOptions
from medsynth.export.layouts.source import Source


@dataclass(frozen=True, slots=True)
class Classes:
    """Classes by where they come from.

    Attributes
    ----------
    names : in order; their places from 0 or 1 on are their numbers.
    kinds : class -> `"organ"` or `"lesion"`.
    labels : label in cross-sections -> class.
    flat : structure in projections -> class.
    lesions : family -> class.
    """

    names: tuple[str, ...]
    kinds: Mapping[str, str]
    labels: Mapping[int, str]
    flat: Mapping[str, str]
    lesions: Mapping[str, str]


def classes_of(source: Source, options: ExportOptions) -> Classes:
    """Return the classes that occur in the dataset."""
    targets = targets_of(source, options, wanted_labels(source, options))
    organs = [row for row in targets.rows if row.kind == "organ"]
    return Classes(tuple(row.name for row in targets.rows), {row.name: row.kind for row in targets.rows},
                   {row.label: row.name for row in organs if row.label}, {row.name: row.name for row in organs},
                   {row.name: row.name for row in targets.rows if row.kind == "lesion"})
