"""What every command shares: one line per error, exit code 2 for input that cannot be used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from medsynth.core.errors import MedsynthError

EXIT_FAILED_CASES = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

# What the command line itself refuses: unknown options, words where a number is expected, missing arguments.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]

RecipeArgument = Annotated[str, typer.Argument(metavar="RECIPE", help="A built-in name or a YAML file.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Change one value, e.g. acquisitions.ct.kvp=100. Repeatable."),
]


class OneLineErrors(TyperGroup):
    """The commands; a call that cannot be understood is told in one line, like every other bad input."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command and leave the program with its exit code."""
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except UsageError as error:
            words = " ".join(str(error.format_message()).split())  # type: ignore[attr-defined]
            leave(f"error: {words} (see medsynth --help)", EXIT_BAD_INPUT)
        except (KeyboardInterrupt, typer.Abort):
            leave("interrupted", EXIT_INTERRUPTED)
        sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def one_line_errors(interrupted: str = "") -> Iterator[None]:
    """Turn input that cannot be used, and Ctrl-C, into one line and an exit code."""
    try:
        yield
    except MedsynthError as error:
        leave(f"error: {' '.join(str(error).split())}", EXIT_BAD_INPUT)
    except KeyboardInterrupt:
        leave(f"interrupted; {interrupted}".rstrip("; "), EXIT_INTERRUPTED)


def leave(line: str, code: int) -> NoReturn:
    """Print one line to the error stream and leave the program."""
    typer.echo(line, err=True)
    sys.exit(code)
