"""Commands that make data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medsynth.cli.base import EXIT_BAD_INPUT, EXIT_FAILED_CASES, RecipeArgument, SetOption, one_line_errors
from medsynth.cli.layouts import checked_layouts, export_one

if TYPE_CHECKING:
    from medsynth.dataset.run import Summary


def generate(
    recipe: RecipeArgument,
    count: Annotated[int, typer.Option("-n", "--count", metavar="N", help="Number of cases.")] = 1,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder of the dataset.")] = Path("dataset"),
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Equal seeds give equal files.")] = 0,
    workers: Annotated[int | None, typer.Option(
        "--workers", metavar="W", help="Processes; changes no byte. Else what cores and memory bear.")] = None,
    formats: Annotated[str | None, typer.Option("--formats", help="E.g. nifti,dicom; else the recipe's.")] = None,
    assignments: SetOption = None,
    shard: Annotated[str | None, typer.Option(
        "--shard", metavar="I/N", help="Part I of N, 1/N to N/N; `auto`: what the array job says.")] = None,
    cluster: Annotated[str | None, typer.Option(
        "--cluster", metavar="ADDRESS", help="Let the workers of a Dask scheduler make the cases.")] = None,
    retry_failed: Annotated[bool, typer.Option(
        "--retry-failed", help="Try the cases of failures.jsonl again; else they are left alone.")] = False,
    twin: Annotated[bool, typer.Option("--twin", help="Write each case without its lesions too.")] = False,
    layouts: Annotated[
        list[str] | None,
        typer.Option("--layout", metavar="NAME", help="Then export to DIR-NAME, by links. Repeatable.")] = None,
) -> None:
    """Make a dataset; cases that are finished in DIR are kept, so the same command resumes."""
    from medsynth.dataset.reading import parse_assignments, parse_shard
    from medsynth.dataset.recipe import load_recipe
    from medsynth.dataset.run import generate as run
    from medsynth.dataset.screen import shown

    with one_line_errors(f"finished cases are kept in {out}; the same command goes on from there"):
        wanted = checked_layouts(layouts or [])
        part = parse_shard(shard) if shard is not None else None
        checked = load_recipe(recipe, overrides=parse_assignments(assignments or []))
        with shown(len(range(part[0] - 1, count, part[1])) if part else count) as progress:
            summary = run(checked, count, out, seed=seed, workers=workers, formats=formats, twin=twin, shard=part,
                          cluster=cluster, retry_failed=retry_failed, progress=progress)
        for layout in wanted if summary.made + summary.kept else ():
            export_one(out, layout, out.with_name(f"{out.name}-{layout}"), overwrite=True)
    finish(summary)


def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Shards of one dataset.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder of the whole.")],
) -> None:
    """Join shards that were made in different folders; files are linked, not copied."""
    from medsynth.dataset.merge import merge as run

    with one_line_errors():
        merged = run(folders, out)
    typer.echo(str(merged.out))


def finish(summary: Summary) -> None:
    """Tell what failed, print the folder, and leave with the code that tells."""
    failures = summary.failures
    if failures:
        first = failures[0]
        if len(failures) == 1 and summary.made == 0:
            told = f"{first.case}: {first.error}"
        else:
            told = f"{len(failures)} cases failed, the first is {first.case}: {first.error}"
        typer.echo(f"error: {told} (see {summary.out / 'failures.jsonl'}; --retry-failed tries again)", err=True)
    typer.echo(str(summary.out))
    if failures:
        raise typer.Exit(EXIT_BAD_INPUT if any(failure.expected for failure in failures) else EXIT_FAILED_CASES)
