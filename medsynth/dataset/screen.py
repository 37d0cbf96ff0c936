"""Progress on a terminal: finished cases, what each running case is at, rate and time left. Quiet when piped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from medsynth.dataset.executors import Stage

_SPEED_PERIOD_S = 3600.0  # a case takes up to a minute: the rate is taken over many


class _RateColumn(ProgressColumn):
    """Cases per minute."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed * 60:.1f} cases/min" if task.speed else "- cases/min", style="cyan")


@contextmanager
def shown(total: int) -> Iterator[Callable[[Stage], None] | None]:
    """Give the callback that draws the progress of `total` cases, or None when standard error is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (BarColumn(), MofNCompleteColumn(), _RateColumn(), TimeRemainingColumn(),
               TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, speed_estimate_period=_SPEED_PERIOD_S) as progress:
        task = progress.add_task("", total=total)
        running: dict[str, str] = {}
        left, kept, failed = total, 0, 0

        def draw(stage: Stage) -> None:
            nonlocal left, kept, failed
            if stage.name == "kept":  # not counted as work: the rate is that of new cases
                left, kept = left - 1, kept + 1
                progress.update(task, total=left)
            elif stage.name in ("done", "failed"):
                failed += stage.name == "failed"
                running.pop(stage.case, None)
                progress.advance(task)
            else:
                running[stage.case] = stage.name
            notes = [f"{case} {name}" for case, name in sorted(running.items())]
            notes += [f"{kept} kept"] * (kept > 0) + [f"[red]{failed} failed[/red]"] * (failed > 0)
            progress.update(task, description=", ".join(notes))

        yield draw
