"""One case of a run, from its number to its finished folder; the same in this process and in a worker."""

from __future__ import annotations

import hashlib
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsynth.core.errors import MedsynthError
from medsynth.dataset.case import Case, generate_case
from medsynth.dataset.executors import Report, Stage
from medsynth.dataset.folder import (
    RECORD,
    DiskError,
    canonical_json,
    case_folder,
    case_name,
    disk_errors,
    disk_fault,
)
from medsynth.dataset.recipe import Recipe
from medsynth.dataset.write import write_case


@dataclass(frozen=True)
class Job:
    """What a worker needs to know to make one case.

    Attributes
    ----------
    fingerprint : of the dataset the case belongs to.
    shard : (number from 1, of how many), or None.
    """

    recipe: Recipe
    seed: int
    index: int
    twin: bool
    out: Path
    fingerprint: str
    shard: tuple[int, int] | None


@dataclass(frozen=True)
class Failure:
    """A case that could not be made.

    Attributes
    ----------
    error : one line.
    expected : True for input that cannot be used, False for a fault of the program.
    trace : the traceback of a fault of the program, else empty.
    """

    case: str
    index: int
    seed: int
    error: str
    expected: bool
    trace: str = ""


def run_job(job: Job, report: Report) -> int | Failure:
    """Make one case and give its folder its name; return its index, or why it cannot be made.

    Raises
    ------
    DiskError
        If the disk is full or cannot be written: every other case would fail too.
    """
    name = case_name(job.index)
    try:
        case = generate_case(job.recipe, job.seed, job.index, twin=job.twin,
                             progress=lambda stage: report(Stage(name, stage)))
        report(Stage(name, "writing"))
        with disk_errors(job.out), case_folder(job.out, job.index, job.shard) as folder:
            write_case(case, folder, job.recipe.formats)
            (folder / RECORD).write_text(canonical_json(_record(case, job, folder)) + "\n", encoding="utf-8")
    except DiskError:
        raise
    except MedsynthError as error:
        return _failed(job, report, str(error), expected=True)
    except Exception as error:  # one case at fault must not stop the others
        fault = disk_fault(error)
        if fault is not None:
            with disk_errors(job.out):
                raise fault from None
        return _failed(job, report, f"{type(error).__name__}: {error}", expected=False, trace=traceback.format_exc())
    report(Stage(name, "done"))
    return job.index


def lost_job(job: Job, report: Report) -> Failure:
    """Return the failure of a case whose process died twice."""
    error = "its worker process died twice, the second time alone: too little memory (see medsynth plan), or a crash"
    return _failed(job, report, error, expected=False)


def _failed(job: Job, report: Report, error: str, *, expected: bool, trace: str = "") -> Failure:
    name = case_name(job.index)
    report(Stage(name, "failed"))
    return Failure(name, job.index, job.seed, " ".join(error.split()), expected, trace)


def _record(case: Case, job: Job, folder: Path) -> dict[str, Any]:
    """Return the case's line of the manifest."""
    design = case.annotations["specs"].get("design")
    from medsynth.dataset.refining import origin_of

    origin = origin_of(case.annotations)
    told = {} if design is None else {"design": design} | ({"split": design["split"]} if "split" in design else {})
    return {
        **origin,
        **told,
        "id": case_name(job.index),
        "index": job.index,
        "seed": job.seed,
        "fingerprint": job.fingerprint,
        "subject": case.annotations["subject"],
        "findings": case.annotations["lesions"],
        "hashes": hashes(folder),
    }


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file by its path; the files of a DICOM series count as one, in order of name."""
    sums: dict[str, Any] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        unit = path.parent if path.suffix == ".dcm" else path
        sums.setdefault(unit.relative_to(folder).as_posix(), hashlib.sha256()).update(_digest(path))
    return {name: digest.hexdigest() for name, digest in sums.items()}


def _digest(path: Path) -> bytes:
    """Return the SHA-256 of one file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
