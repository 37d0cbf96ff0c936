"""Cases on a cluster: a Dask scheduler hands them to its workers. Dask (extra `cluster`) is imported here alone."""

from __future__ import annotations

import itertools
import os
import platform
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from medsynth.core.errors import DatasetError
from medsynth.dataset.executors import Outcome, Report, Stage, Work
from medsynth.dataset.header import HEADER
from medsynth.dataset.machine import THREAD_VARIABLES

if TYPE_CHECKING:
    from distributed import Client, Future

Job = TypeVar("Job")
_CONNECT_S = 30
_AHEAD = 2  # cases in the scheduler's hands, for each of its threads

_one_at_a_time = threading.Lock()  # numba's threads must not be entered twice in one process


class DaskCluster:
    """The workers of a Dask scheduler; they must see the dataset's folder under the same path.

    A case whose worker died is given to another; one that loses more of them than the scheduler allows
    (`distributed.scheduler.allowed-failures`, 3 by default) is recorded as failed.

    Raises
    ------
    DatasetError
        From `outcomes`, if Dask is not installed, nobody answers at the address, or the folder is not shared.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def outcomes(self, work: Work[Job, Outcome], jobs: Sequence[Job],
                 report: Report) -> Generator[Outcome, None, None]:
        """Give the outcomes as they come."""
        from distributed import KilledWorker

        with _connected(self.address) as client:
            waiting = iter(jobs)
            running: dict[Future[Any], Job] = {}
            ended: SimpleQueue[Future[Any]] = SimpleQueue()
            try:
                while True:
                    for job in itertools.islice(waiting, max(0, _AHEAD * _threads(client) - len(running))):
                        future = client.submit(_task, work.run, _absolute(job), pure=False)
                        running[future] = job
                        future.add_done_callback(ended.put)
                    if not running:
                        return
                    future = ended.get()
                    job = running.pop(future)
                    try:
                        outcome, stages = future.result()
                    except KilledWorker:
                        outcome, stages = work.lost(job, report), []
                    for stage in stages:
                        report(stage)
                    yield outcome
            finally:
                client.cancel(list(running))


def _connected(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        raise DatasetError("--cluster needs Dask: pip install medsynth-toolkit[cluster]") from error
    try:
        return Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise DatasetError(f"no Dask scheduler answers at {address}: {' '.join(str(error).split())}") from error


def _threads(client: Client) -> int:
    """Return how many threads the workers have now: they may come and go."""
    return max(1, sum(client.nthreads().values()))


def _absolute(job: Job) -> Job:
    """Return the job with the folder's whole path: workers run elsewhere."""
    out: Path = job.out  # type: ignore[attr-defined]
    return replace(job, out=out.resolve())  # type: ignore[type-var]


def _task(run: Callable[[Any, Report], Any], job: Any) -> tuple[Any, list[Stage]]:
    """Run one job on a worker; return its outcome and its last stage."""
    if not (job.out / HEADER).exists():
        raise DatasetError(f"worker on {platform.node()} does not see {job.out}: the folder must lie on a file "
                           "system that all workers share")
    stages: list[Stage] = []
    with _one_at_a_time:
        _limit_threads()
        outcome = run(job, stages.append)
    return outcome, stages[-1:]


def _limit_threads() -> None:
    """Use the threads that Dask gave this worker, where the environment does not tell."""
    if not any(name in os.environ for name in THREAD_VARIABLES if name.startswith("NUMBA")):
        import numba
        from distributed import get_worker

        numba.set_num_threads(min(get_worker().state.nthreads, numba.get_num_threads()))
