"""The command that checks a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth.cli.base import EXIT_FAILED_CASES, one_line_errors


def validate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a dataset.")],
    checks: Annotated[list[str] | None, typer.Option("--check", help="Only this check. Repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Check a dataset: files, hashes, geometry, labels, annotations, DICOM, and that nobody is in it."""
    import json

    from medsynth.dataset.validate import validate as run

    with one_line_errors():
        report = run(folder, checks or None)
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=1))
    else:
        for problem in report.problems:
            typer.echo(f"{problem.place}: {problem.check}: {problem.message}")
        for name, reason in report.skipped.items():
            typer.echo(f"{name} was not checked: {reason}", err=True)
        told = f"{len(report.problems)} problems" if report.problems else "nothing wrong"
        typer.echo(f"{report.cases} cases, {', '.join(report.checks)}: {told}", err=True)
    if report.problems:
        raise typer.Exit(EXIT_FAILED_CASES)
