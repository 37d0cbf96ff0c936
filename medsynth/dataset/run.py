"""Many cases: in parallel, resumable, with the same bytes for any number of workers and any executor."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsynth.core.errors import RecipeError, expected
from medsynth.core.progress import silent
from medsynth.dataset.executors import Executor, InProcess, Report, Stage, Work
from medsynth.dataset.finish import finish
from medsynth.dataset.folder import RECORD, case_name, disk_errors, locked, record_of, remove_stale
from medsynth.dataset.header import open_dataset
from medsynth.dataset.job import Failure, Job, lost_job, run_job
from medsynth.dataset.journal import Journal
from medsynth.dataset.machine import default_workers
from medsynth.dataset.recipe import Recipe, check_whole, load_recipe, with_formats

_WORK: Work[Job, int | Failure] = Work(run_job, lost_job)


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    made, kept : number of cases made now, and of those that were finished before.
    failures : the cases that could not be made, those of earlier runs that were not tried again included.
    """

    out: Path
    made: int
    kept: int
    failures: tuple[Failure, ...]


def generate(recipe: Recipe | str | Path | Mapping[str, Any], count: int = 1, out: str | Path = "dataset", *,
             seed: int = 0, workers: int | None = 1, formats: str | Sequence[str] | None = None, twin: bool = False,
             shard: tuple[int, int] | None = None, cluster: str | None = None, retry_failed: bool = False,
             progress: Callable[[Stage], None] | None = None) -> Summary:
    """Make cases 0 to `count - 1` in the folder `out`; what is finished there already is kept.

    Parameters
    ----------
    seed : >= 0; with the case's number it decides everything that is drawn.
    workers : processes; the files are the same for any number of them. None: what cores and memory bear.
    formats : e.g. `["nifti", "dicom"]` instead of the recipe's own.
    twin : write each case without its lesions too.
    shard : (number from 1, of how many): make that part of the cases alone, e.g. one task of a cluster's job array.
    cluster : address of a Dask scheduler, e.g. `"tcp://10.0.0.1:8786"`; its workers make the cases, in place of ours.
    retry_failed : try the cases of failures.jsonl again, which are left alone otherwise.
    progress : called with each stage of each case.

    Raises
    ------
    RecipeError
        If the recipe or an argument cannot be used.
    DatasetError
        If `out` holds another dataset, is being written to, or cannot be written; or if the cluster cannot be used.
    """
    checked = load_recipe(recipe)
    if formats is not None:
        names = formats if isinstance(formats, str) else list(formats)
        checked = with_formats(checked, names)
    _check_numbers(count, seed, workers, shard)
    if checked.design is not None and checked.design.size is not None and count > checked.design.size:
        raise RecipeError(expected("count", count, f"<= {checked.design.size}, the size of the recipe's design"))
    folder, report = Path(out), progress or silent
    with locked(folder, shard):
        journal = Journal(folder)
        own = [index for index in range(count) if shard is None or index % shard[1] == shard[0] - 1]
        with disk_errors(folder):
            remove_stale(folder, shard)
            fingerprint = open_dataset(folder, checked, seed, twin)
            if retry_failed:
                journal.forget_failures(own)
        kept = [index for index in own if record_of(folder, index, fingerprint) is not None]
        unmade = set(own) - set(kept)
        known = {index: failure for index, failure in journal.known_failures().items() if index in unmade}
        for index in kept:
            report(Stage(case_name(index), "kept"))
        for index in known:
            report(Stage(case_name(index), "failed"))
        jobs = [Job(checked, seed, index, twin, folder, fingerprint, shard) for index in sorted(unmade - set(known))]
        failures = _run(jobs, executor(workers, cluster, len(jobs)), report, journal, shard)
    together = sorted([*known.values(), *failures], key=lambda failure: failure.index)
    return Summary(folder, len(jobs) - len(failures), len(kept), tuple(together))


def executor(workers: int | None, cluster: str | None, jobs: int) -> Executor:
    """Return what runs this many jobs: a cluster, this process, or worker processes."""
    if cluster is not None:
        from medsynth.dataset.cluster import DaskCluster

        return DaskCluster(cluster)
    wanted = min(default_workers() if workers is None else workers, jobs)
    if wanted <= 1:
        return InProcess()
    from medsynth.dataset.pool import ProcessPool

    return ProcessPool(wanted)


def _check_numbers(count: int, seed: int, workers: int | None, shard: tuple[int, int] | None) -> None:
    for name, value, least in (("count", count, 0), ("seed", seed, 0), ("workers", workers, 1)):
        if value is not None:
            check_whole(name, value, least)
    if shard is not None and not 1 <= shard[0] <= shard[1]:
        raise RecipeError(expected("shard", f"{shard[0]}/{shard[1]}", "I/N with I from 1 to N"))


def _run(jobs: list[Job], runs: Executor, report: Report, journal: Journal,
         shard: tuple[int, int] | None) -> list[Failure]:
    """Run the jobs and keep the lists; both are right also after an interruption."""
    failures: list[Failure] = []
    for job in jobs:  # a folder that has its name but is damaged counts as absent until it is made anew
        with contextlib.suppress(OSError):
            (journal.out / case_name(job.index) / RECORD).unlink()
    try:
        with contextlib.closing(runs.outcomes(_WORK, jobs, report)) as outcomes:
            for outcome in outcomes:
                with disk_errors(journal.out):
                    if isinstance(outcome, Failure):
                        failures.append(outcome)
                        journal.failed(outcome)
                    else:
                        journal.made(outcome)
    except BaseException:
        with contextlib.suppress(OSError):
            _close(journal, shard)
        raise
    with disk_errors(journal.out):
        _close(journal, shard)
    return failures


def _close(journal: Journal, shard: tuple[int, int] | None) -> None:
    """Leave the folder in order."""
    remove_stale(journal.out, shard)
    finish(journal)
