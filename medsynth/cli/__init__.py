"""The command line: thin, quick to start; each command imports what it needs."""

from __future__ import annotations

from typing import Annotated

import typer

from medsynth.cli.base import OneLineErrors
from medsynth.cli.check import validate
from medsynth.cli.generate import generate, merge
from medsynth.cli.images import insert
from medsynth.cli.layouts import export, push
from medsynth.cli.recipes import list_, plan, show
from medsynth.cli.refine import refine_app
from medsynth.core.version import __version__

app = typer.Typer(
    name="medsynth",
    cls=OneLineErrors,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"medsynth {__version__}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - typer calls it back
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")] = False,
) -> None:
    """Labelled synthetic medical images from anatomy and physics, with no patient data."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command("list")(list_)
for command in (show, generate, plan, merge, validate, export, push, insert):
    app.command()(command)
app.add_typer(refine_app, name="refine")
