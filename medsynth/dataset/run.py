"""Many cases: in parallel, resumable, with the same bytes for any number of workers."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from medsynth.core.errors import DatasetError, RecipeError, expected
from medsynth.core.version import __version__
from medsynth.dataset.folder import (
    canonical_json,
    case_name,
    disk_errors,
    finished_indices,
    locked,
    manifest_lock,
    record_of,
    remove_stale,
    write_atomically,
)
from medsynth.dataset.job import Failure, Job, run_job
from medsynth.dataset.pool import Report, Stage, in_process, in_workers
from medsynth.dataset.recipe import Recipe, check_whole, load_recipe, with_formats
from medsynth.dataset.tables import MODALITIES
from medsynth.scene.body import load_body

_MANIFEST_EVERY_S = 5.0  # the manifest is renewed this often while cases come in, and at the end
_LIBRARIES = ("numpy", "scipy", "numba", "pydicom", "highdicom")


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    made, kept : number of cases made now, and of those that were finished before.
    failures : the cases that could not be made.
    """

    out: Path
    made: int
    kept: int
    failures: tuple[Failure, ...]


def generate(recipe: Recipe | str | Path | Mapping[str, Any], count: int = 1, out: str | Path = "dataset", *,
             seed: int = 0, workers: int = 1, formats: str | Sequence[str] | None = None, twin: bool = False,
             shard: tuple[int, int] | None = None, progress: Callable[[Stage], None] | None = None) -> Summary:
    """Make cases 0 to `count - 1` in the folder `out`; what is finished there already is kept.

    Parameters
    ----------
    seed : >= 0; with the case's number it decides everything that is drawn.
    workers : processes; the files are the same for any number of them.
    formats : e.g. `["nifti", "dicom"]` instead of the recipe's own.
    twin : write each case without its lesions too.
    shard : (number from 1, of how many): make that part of the cases alone, e.g. one task of a cluster's job array.
    progress : called with each stage of each case.

    Raises
    ------
    RecipeError
        If the recipe or an argument cannot be used.
    DatasetError
        If `out` holds another dataset, is being written to, or cannot be written.
    """
    checked = load_recipe(recipe)
    if formats is not None:
        names = formats if isinstance(formats, str) else list(formats)
        checked = with_formats(checked, names)
    _check_numbers(count, seed, workers, shard)
    folder, report = Path(out), progress or _silent
    with locked(folder, shard):
        with disk_errors(folder):
            remove_stale(folder, shard)
            fingerprint = _open_dataset(folder, checked, seed, twin)
        own = [index for index in range(count) if shard is None or index % shard[1] == shard[0] - 1]
        kept = [index for index in own if record_of(folder, index, fingerprint) is not None]
        for index in kept:
            report(Stage(case_name(index), "kept"))
        pending = sorted(set(own) - set(kept))
        jobs = [Job(checked, seed, index, twin, folder, fingerprint, shard) for index in pending]
        failures = tuple(_run(jobs, workers, report, folder, own))
    return Summary(folder, len(jobs) - len(failures), len(kept), failures)


def _silent(stage: Stage) -> None:
    """Ignore a stage."""


def _check_numbers(count: int, seed: int, workers: int, shard: tuple[int, int] | None) -> None:
    for name, value, least in (("count", count, 0), ("seed", seed, 0), ("workers", workers, 1)):
        check_whole(name, value, least)
    if shard is not None and not 1 <= shard[0] <= shard[1]:
        raise RecipeError(expected("shard", f"{shard[0]}/{shard[1]}", "I/N with I from 1 to N"))


def _run(jobs: list[Job], workers: int, report: Report, out: Path, own: list[int]) -> list[Failure]:
    """Run the jobs and keep the manifest and the list of failures; both are right also after an interruption."""
    failures: list[Failure] = []
    written_s = time.monotonic()
    outcomes = (in_process(run_job, jobs, report) if min(workers, len(jobs)) <= 1
                else in_workers(run_job, jobs, min(workers, len(jobs)), report))
    try:
        with contextlib.closing(outcomes) as results:
            for failure in results:
                if failure is not None:
                    failures.append(failure)
                if time.monotonic() - written_s > _MANIFEST_EVERY_S:
                    _write_lists(out, own, failures)
                    written_s = time.monotonic()
    except BaseException:
        with contextlib.suppress(OSError):
            remove_stale(out, jobs[0].shard)
            _write_lists(out, own, failures)
        raise
    with disk_errors(out):
        _write_lists(out, own, failures)
    return sorted(failures, key=lambda failure: failure.index)


def _write_lists(out: Path, own: list[int], failures: list[Failure]) -> None:
    """Write manifest.jsonl from the finished folders, and failures.jsonl (none: no file)."""
    with manifest_lock(out):
        lines = (_record_line(out, index) for index in finished_indices(out))
        write_atomically(out / "manifest.jsonl", "".join(f"{line}\n" for line in lines))
        path, tried = out / "failures.jsonl", {case_name(index) for index in own}
        # Those of other shards stay.
        rows = [row for row in _rows(path) if row.get("case") not in tried] + [asdict(failure) for failure in failures]
        if rows:
            rows.sort(key=lambda row: int(row["index"]))
            write_atomically(path, "".join(f"{canonical_json(row)}\n" for row in rows))
        else:
            path.unlink(missing_ok=True)


def _record_line(out: Path, index: int) -> str:
    return (out / case_name(index) / ".record.json").read_text(encoding="utf-8").strip()


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Give the rows of a file of JSON lines, none when it is absent."""
    with contextlib.suppress(OSError, ValueError):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def _open_dataset(out: Path, recipe: Recipe, seed: int, twin: bool) -> str:
    """Write dataset.json, or check that the one that is there is of the same dataset; return the fingerprint."""
    header = _header(recipe, seed, twin)
    path = out / "dataset.json"
    if path.exists():
        try:
            present = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DatasetError(f"{path} is no JSON; choose another folder") from error
        if not isinstance(present, dict) or present.get("fingerprint") != header["fingerprint"]:
            raise DatasetError(f"{out} holds another dataset ({_difference(present, header)}); choose another folder")
    elif any(out.glob("case-*")):
        raise DatasetError(f"{out} holds case folders but no dataset.json; choose another folder")
    else:
        write_atomically(path, canonical_json(header, indent=1) + "\n")
    return str(header["fingerprint"])


def _header(recipe: Recipe, seed: int, twin: bool) -> dict[str, Any]:
    """Return what dataset.json tells; nothing in it depends on the number of cases, of workers or on the time."""
    structures = set(load_body(recipe.phantom.body).structures())
    for protocol in recipe.acquisitions.values():
        structures.update(MODALITIES[str(protocol.modality)].structures())  # type: ignore[attr-defined]
    deciding = [recipe.fingerprint(), str(seed), str(twin), __version__]
    return {
        "generator": "medsynth",
        "recipe": recipe.resolved(),
        "seed": seed,
        "twin": twin,
        "fingerprint": hashlib.sha256("\n".join(deciding).encode()).hexdigest(),
        "versions": {"medsynth": __version__, "python": platform.python_version(),
                     **{name: version(name) for name in _LIBRARIES}},
        "labels": [
            {"name": s.name, "label": s.label, "part_of": s.part_of, "laterality": s.laterality,
             "snomed_code": s.code.value, "snomed_meaning": s.code.meaning}
            for s in sorted(structures, key=lambda s: s.label)
        ],
    }


def _difference(there: object, here: Mapping[str, Any], path: str = "") -> str:
    """Return the first place where two headers differ, e.g. `recipe.acquisitions.ct.kvp: 120 there, 100 here`."""
    if isinstance(there, Mapping):
        for key in sorted({*there, *here} - {"fingerprint", "name", "description", "labels"}):
            old, new = there.get(key), here.get(key)
            if old != new and key == "versions":
                return "made by another version of medsynth or its libraries"
            if old != new and isinstance(old, Mapping) and isinstance(new, Mapping):
                return _difference(old, new, f"{path}{key}.")
            if old != new:
                return f"{path}{key}: {old!r} there, {new!r} here"
    return "its dataset.json differs"
