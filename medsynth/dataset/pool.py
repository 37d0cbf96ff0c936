"""Worker processes: jobs go out, outcomes and stages come back. Light to import: workers set their limits first."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for_sentinels
from multiprocessing.queues import SimpleQueue
from typing import TypeVar

from medsynth.core.errors import DatasetError

Job = TypeVar("Job")
Outcome = TypeVar("Outcome")
_POLL_S = 0.1
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

_stages: SimpleQueue[Stage] | None = None  # the worker's way to tell its stages; set once, when the worker starts


@dataclass(frozen=True, slots=True)
class Stage:
    """What a case is at: `name` is a step such as "anatomy", or "done", "kept", "failed"."""

    case: str
    name: str


Report = Callable[[Stage], None]


def in_process(run: Callable[[Job, Report], Outcome], jobs: Sequence[Job],
               report: Report) -> Generator[Outcome, None, None]:
    """Give the outcome of each job, one after the other, in this process."""
    for job in jobs:
        yield run(job, report)


def in_workers(run: Callable[[Job, Report], Outcome], jobs: Sequence[Job], workers: int,
               report: Report) -> Generator[Outcome, None, None]:
    """Give the outcomes of `jobs` as they come, from `workers` fresh processes that share the cores.

    Raises
    ------
    DatasetError
        If a worker died, mostly for want of memory.
    """
    context = multiprocessing.get_context("spawn")
    stages: SimpleQueue[Stage] = context.SimpleQueue()
    threads = max(1, (os.cpu_count() or 1) // workers)
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, context, _start_worker, (stages, threads))
    try:
        yield from _outcomes(pool, run, jobs, workers, stages, report)
    except BrokenProcessPool as error:
        raise DatasetError(
            "a worker process died: too little memory, or a script without `if __name__ == \"__main__\":`; "
            "finished cases are kept; try fewer workers") from error
    except BaseException:
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _outcomes(pool: ProcessPoolExecutor, run: Callable[[Job, Report], Outcome], jobs: Sequence[Job], workers: int,
              stages: SimpleQueue[Stage], report: Report) -> Generator[Outcome, None, None]:
    """Keep twice as many jobs in the pool as there are workers, and hand on what comes back."""
    waiting = iter(jobs)
    running: set[Future[Outcome]] = set()
    while True:
        for job in itertools.islice(waiting, 2 * workers - len(running)):
            running.add(pool.submit(_run_in_worker, run, job))
        while not stages.empty():
            report(stages.get())
        if not running:
            return
        done, running = wait(running, timeout=_POLL_S, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


def _start_worker(stages: SimpleQueue[Stage], threads: int) -> None:
    """Limit the threads of this worker before any library starts them; leave Ctrl-C to the main process."""
    global _stages
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _stages = stages
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker as soon as the main process is gone, even when that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_sentinels([parent.sentinel])
        os._exit(1)


def _run_in_worker(run: Callable[[Job, Report], Outcome], job: Job) -> Outcome:
    return run(job, _tell)


def _tell(stage: Stage) -> None:
    if _stages is not None:
        _stages.put(stage)
