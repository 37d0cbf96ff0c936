"""Worker processes on this machine. Each has a pipe of its own, so that one that dies costs its own case alone."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, TypeVar

from medsynth.core.errors import DatasetError
from medsynth.dataset.executors import Outcome, Report, Stage, Work
from medsynth.dataset.machine import limited_threads, usable_cores

Job = TypeVar("Job")
_END_S = 5.0  # how long a worker may take to end by itself


class ProcessPool:
    """Fresh processes that share the cores; a job whose worker died is tried once more, alone, at the end.

    Raises
    ------
    DatasetError
        From `outcomes`, if workers cannot even start.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.threads = max(1, usable_cores() // workers)

    def outcomes(self, work: Work[Job, Outcome], jobs: Sequence[Job],
                 report: Report) -> Generator[Outcome, None, None]:
        """Give the outcomes as they come."""
        once: list[Job] = []
        twice: list[Job] = []
        yield from _Crew(work, jobs, self.workers, self.threads, once).outcomes(report)
        # With all the memory there is: whoever dies here dies of itself.
        yield from _Crew(work, once, 1, usable_cores(), twice).outcomes(report)
        for job in twice:
            yield work.lost(job, report)


@dataclass(eq=False)
class _Worker(Generic[Job]):
    """A process, the pipe to it, and what it is at."""

    process: SpawnProcess
    pipe: Connection
    job: Job | None = None
    started: bool = False


@dataclass(frozen=True)
class _Started:
    """A worker's first word."""


@dataclass(frozen=True)
class _Finished:
    outcome: Any


@dataclass(frozen=True)
class _Raised:
    error: BaseException


class _Crew(Generic[Job, Outcome]):
    """The workers of one pass over the jobs; those whose worker died are added to `dead`."""

    def __init__(self, work: Work[Job, Outcome], jobs: Sequence[Job], workers: int, threads: int,
                 dead: list[Job]) -> None:
        self.work, self.waiting, self.threads, self.dead = work, deque(jobs), threads, dead
        self.size = min(workers, len(jobs))
        self.crew: list[_Worker[Job]] = []

    def outcomes(self, report: Report) -> Generator[Outcome, None, None]:
        try:
            for _ in range(self.size):
                self._start()
            while self.crew:
                at: dict[Any, _Worker[Job]] = {worker.pipe: worker for worker in self.crew}
                for pipe in wait_for(list(at)):
                    yield from self._hear(at[pipe], report)
        except BaseException:
            for worker in self.crew:
                worker.process.terminate()
            raise
        finally:
            for worker in list(self.crew):
                self._dismiss(worker)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        pipe, other = context.Pipe()
        process = context.Process(target=_serve, args=(other, self.work.run), daemon=True)
        with limited_threads(self.threads):
            process.start()
        other.close()  # so that the pipe ends with the worker
        self.crew.append(_Worker(process, pipe))

    def _hear(self, worker: _Worker[Job], report: Report) -> Iterator[Outcome]:
        """Take one message; a worker that is done or new gets its next job before anything else happens."""
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        if isinstance(message, Stage):
            report(message)
        elif isinstance(message, _Raised):
            raise message.error
        else:
            worker.job, worker.started = None, True
            self._employ(worker)
            if isinstance(message, _Finished):
                yield message.outcome

    def _employ(self, worker: _Worker[Job]) -> None:
        if not self.waiting:
            self._dismiss(worker)
            return
        worker.job = self.waiting.popleft()
        with contextlib.suppress(OSError):  # it died just now: its pipe tells
            worker.pipe.send(worker.job)

    def _bury(self, worker: _Worker[Job]) -> None:
        self._dismiss(worker)
        if not worker.started:
            raise DatasetError("a worker process died as it started: too little memory, or a script without "
                               "`if __name__ == \"__main__\":`; finished cases are kept")
        if worker.job is not None:
            self.dead.append(worker.job)
        if self.waiting:
            self._start()

    def _dismiss(self, worker: _Worker[Job]) -> None:
        self.crew.remove(worker)
        worker.pipe.close()
        worker.process.join(_END_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def _serve(pipe: Connection, run: Callable[[Any, Report], Any]) -> None:
    """Be a worker: do what comes until the pipe ends. Ctrl-C is left to the main process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        pipe.send(_Started())
        while True:
            job = pipe.recv()
            try:
                message: _Finished | _Raised = _Finished(run(job, pipe.send))
            except Exception as error:  # it ends the run, over there
                message = _Raised(error)
            pipe.send(message)


def _end_with_parent() -> None:
    """End this worker as soon as the main process is gone, even when that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)
