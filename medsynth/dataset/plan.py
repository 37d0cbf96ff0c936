"""`medsynth plan`: what a run will take, from cases that are made for it in a temporary folder and thrown away."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medsynth.core.errors import DatasetError, RecipeError, expected
from medsynth.dataset.executors import InProcess, Report, Stage, Work
from medsynth.dataset.folder import case_name
from medsynth.dataset.header import open_dataset
from medsynth.dataset.job import Failure, Job, run_job
from medsynth.dataset.machine import default_workers
from medsynth.dataset.pool import ProcessPool
from medsynth.dataset.recipe import Recipe, check_whole, load_recipe, with_formats

_ENOUGH_S = 12.0  # a worker measures cases until it has spent this long, ...
_MOST_CASES = 4  # ... or has made this many, of which the first also loads the program
_FILES_BESIDE = 4  # dataset.json, manifest.jsonl, README.md, croissant.json


@dataclass(frozen=True)
class Measure:
    """One case that was made: its time, its files, and the most memory its process had by then (None: not told)."""

    seconds: float
    files: int
    size_bytes: int
    peak_memory_bytes: int | None


@dataclass(frozen=True)
class Plan:
    """What `count` cases will take.

    Attributes
    ----------
    files, size_bytes, seconds : of the whole dataset.
    case_seconds : of one case in one of `workers` workers that are all busy.
    start_seconds : what each worker takes once, to load the program.
    peak_memory_bytes : the most that one worker had; None where the system does not tell.
    measured : number of cases this was measured on.
    """

    recipe: str
    count: int
    workers: int
    files: int
    size_bytes: int
    seconds: float
    case_seconds: float
    start_seconds: float
    peak_memory_bytes: int | None
    measured: int

    def as_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return asdict(self)

    def lines(self, free_bytes: int | None = None) -> list[str]:
        """Return the plan in words."""
        tight = "" if free_bytes is None else f" ({free_bytes / 1e9:,.1f} GB are free)"
        memory = "" if self.peak_memory_bytes is None else f"{self.peak_memory_bytes / 1024**3:.1f} GiB a worker"
        told = [f"recipe   {self.recipe}, {self.count:,} cases, {self.workers} worker{'s' * (self.workers > 1)}",
                f"files    {self.files:,}", f"disk     {self.size_bytes / 1e9:,.3g} GB{tight}",
                f"time     {spoken(self.seconds)}", f"memory   {memory}" if memory else "",
                f"measured on {self.measured} case{'s' * (self.measured > 1)} made in a temporary folder: "
                f"{self.case_seconds:.2g} s and {self.size_bytes / max(self.count, 1) / 1e6:.3g} MB a case"]
        return [line for line in told if line]


def plan(recipe: Recipe | str | Path | Mapping[str, Any], count: int, *, seed: int = 0, workers: int | None = None,
         formats: str | Sequence[str] | None = None, twin: bool = False) -> Plan:
    """Make some of the first cases, as many at once as the run will, and return what `count` of them will take.

    Raises
    ------
    RecipeError
        If the recipe or an argument cannot be used.
    DatasetError
        If a case cannot be made.
    """
    for name, value, least in (("count", count, 1), ("seed", seed, 0)):
        check_whole(name, value, least)
    if workers is not None and workers < 1:
        raise RecipeError(expected("workers", workers, "a whole number >= 1"))
    checked = load_recipe(recipe)
    if formats is not None:
        checked = with_formats(checked, formats if isinstance(formats, str) else list(formats))
    crew = max(1, min(default_workers() if workers is None else workers, count))
    with tempfile.TemporaryDirectory(prefix="medsynth-plan-") as place:
        folder = Path(place)
        fingerprint = open_dataset(folder, checked, seed, twin)
        trials = [_Trial(tuple(Job(checked, seed, index, twin, folder, fingerprint, None)
                               for index in range(worker, count, crew)[:_MOST_CASES])) for worker in range(crew)]
        work: Work[_Trial, list[Measure] | Failure] = Work(_measure, _lost)
        runs = ProcessPool(crew) if crew > 1 else InProcess()
        outcomes = list(runs.outcomes(work, trials, _silent))
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            raise DatasetError(f"{outcome.case} cannot be made: {outcome.error}")
    return _extrapolated(checked.name, count, crew, [measures for measures in outcomes
                                                     if not isinstance(measures, Failure)])


@dataclass(frozen=True)
class _Trial:
    """The cases of one worker."""

    jobs: tuple[Job, ...]


def _measure(trial: _Trial, report: Report) -> list[Measure] | Failure:
    """Make cases one after the other, and measure each."""
    measures: list[Measure] = []
    began = time.perf_counter()
    for job in trial.jobs:
        start = time.perf_counter()
        outcome = run_job(job, report)
        if isinstance(outcome, Failure):
            return outcome
        seconds = time.perf_counter() - start
        files = [path for path in (job.out / case_name(job.index)).rglob("*") if path.is_file()]
        measures.append(Measure(seconds, len(files), sum(path.stat().st_size for path in files), _peak_bytes()))
        shutil.rmtree(job.out / case_name(job.index))
        if time.perf_counter() - began > _ENOUGH_S:
            break
    return measures


def _lost(trial: _Trial, report: Report) -> Failure:  # noqa: ARG001 - as `Work` calls it
    job = trial.jobs[0]
    return Failure(case_name(job.index), job.index, job.seed, "its worker process died: too little memory", False)


def _silent(stage: Stage) -> None:
    """Ignore a stage."""


def _extrapolated(name: str, count: int, crew: int, measured: list[list[Measure]]) -> Plan:
    """Return the plan: a worker's later cases tell how long one takes, its first one what loading adds."""
    cases = [measure for measures in measured for measure in measures]
    later = [measure.seconds for measures in measured for measure in measures[1:]]
    first = sum(measures[0].seconds for measures in measured) / len(measured)
    each = sum(later) / len(later) if later else first
    start = max(first - each, 0.0)
    peaks = [measure.peak_memory_bytes for measure in cases if measure.peak_memory_bytes is not None]
    files = sum(measure.files for measure in cases) / len(cases)
    size = sum(measure.size_bytes for measure in cases) / len(cases)
    return Plan(name, count, crew, round(files * count) + _FILES_BESIDE, round(size * count),
                start + each * count / crew, each, start, max(peaks) if peaks else None, len(cases))


def _peak_bytes() -> int | None:
    """Return the most memory that this process has had."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def spoken(seconds: float) -> str:
    """Return a time in words, e.g. `3 h 20 min`.

    Examples
    --------
    >>> spoken(45), spoken(200), spoken(12000)
    ('45 s', '3.3 min', '3 h 20 min')
    """
    if seconds < 100:
        return f"{seconds:.2g} s"
    if seconds < 6000:
        return f"{seconds / 60:.2g} min"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
