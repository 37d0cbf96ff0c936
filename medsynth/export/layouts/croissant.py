"""The dataset folder as it is, beside the Croissant metadata that describes it."""

from __future__ import annotations

from pathlib import Path

from medsynth.core.errors import DatasetError
from medsynth.export.layouts.files import place_tree
from medsynth.export.layouts.options import ExportOptions
from medsynth.export.layouts.source import Source


def write(source: Source, options: ExportOptions, out: Path, name: str) -> None:  # noqa: ARG001 - as every layout
    """Place every file of the dataset.

    Raises
    ------
    DatasetError
        If the dataset has no croissant.json.
    """
    if not (source.folder / "croissant.json").is_file():
        raise DatasetError(f"{source.folder} has no croissant.json; medsynth generate writes it when a run ends")
    place_tree(source.folder, out)
