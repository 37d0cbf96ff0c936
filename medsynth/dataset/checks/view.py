"""What every check looks at: one finished case, and the problems found in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from medsynth.dataset.folder import RECORD
from medsynth.dataset.tables import MODALITIES


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes
    ----------
    check : which check found it, e.g. `"geometry"`.
    place : path below the dataset's folder.
    message : one line: the thing, what was expected, and what is there.
    """

    check: str
    place: str
    message: str


@dataclass(frozen=True)
class CaseView:
    """One case folder with what the dataset says of it; files are read when they are asked for."""

    root: Path
    folder: Path
    header: Mapping[str, Any]

    @cached_property
    def record(self) -> Mapping[str, Any]:
        """The case's line of the manifest, empty when it cannot be read."""
        return _json(self.folder / RECORD)

    @cached_property
    def annotations(self) -> Mapping[str, Any]:
        """The content of annotations.json, empty when it cannot be read."""
        return _json(self.folder / "annotations.json")

    @property
    def acquisitions(self) -> Mapping[str, Mapping[str, Any]]:
        """What the recipe says of each acquisition."""
        found: Mapping[str, Mapping[str, Any]] = self.header.get("recipe", {}).get("acquisitions", {})
        return found

    @property
    def formats(self) -> Mapping[str, Any]:
        """The formats of the recipe, by name."""
        found: Mapping[str, Any] = self.header.get("recipe", {}).get("formats", {})
        return found

    def is_projection(self, name: str) -> bool:
        """Tell whether structures overlap in the images of an acquisition."""
        modality = MODALITIES.get(str(self.acquisitions[name].get("modality")))
        return modality is not None and modality.projection

    def place(self, path: Path) -> str:
        """Return a path as problems name it."""
        return path.relative_to(self.root).as_posix()

    def problem(self, check: str, path: Path, message: str) -> Problem:
        """Return a problem with a file of this case."""
        return Problem(check, self.place(path), message)


def _json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
