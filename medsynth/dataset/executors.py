"""What runs the cases of a dataset: one small protocol, and the executor that runs them in this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

Job = TypeVar("Job")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Stage:
    """What a case is at: `name` is a step such as "anatomy", or "done", "kept", "failed"."""

    case: str
    name: str


Report = Callable[[Stage], None]


@dataclass(frozen=True)
class Work(Generic[Job, Outcome]):
    """What is done with a job.

    Attributes
    ----------
    run : does it, in whatever process; a function that can be named from there. What it raises ends the run.
    lost : the outcome of a job whose process died twice, e.g. for want of memory; called in the main process.
    """

    run: Callable[[Job, Report], Outcome]
    lost: Callable[[Job, Report], Outcome]


class Executor(Protocol):
    """Runs jobs somewhere."""

    def outcomes(self, work: Work[Any, Outcome], jobs: Sequence[Any],
                 report: Report) -> Generator[Outcome, None, None]:
        """Give one outcome per job as they come, in any order; closing the generator ends what still runs."""
        ...


class InProcess:
    """One job after the other, in this process, with all its cores."""

    def outcomes(self, work: Work[Job, Outcome], jobs: Sequence[Job],
                 report: Report) -> Generator[Outcome, None, None]:
        """Give the outcome of each job in order."""
        for job in jobs:
            yield work.run(job, report)
