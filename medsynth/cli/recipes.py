"""Commands about recipes: what there is, what one holds, what a run would take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from medsynth.cli.base import RecipeArgument, SetOption, one_line_errors


class Kind(StrEnum):
    """What `medsynth list` can list."""

    PHANTOMS = "phantoms"
    LESIONS = "lesions"
    RECIPES = "recipes"
    TISSUES = "tissues"
    PROTOCOLS = "protocols"
    LAYOUTS = "layouts"


def list_(
    kind: Annotated[Kind | None, typer.Argument(help="What to list; everything when left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """List phantoms, lesions, recipes, tissues, protocols or layouts."""
    import json

    from medsynth.dataset.listing import listing

    with one_line_errors():
        found = {name: listing(name) for name in ([kind.value] if kind else [k.value for k in Kind])}
    if as_json:
        typer.echo(json.dumps(found[kind.value] if kind else found, indent=1, ensure_ascii=False))
        return
    for name, rows in found.items():
        if kind is None:
            typer.echo(f"{name}:")
        width = max((len(row["name"]) for row in rows), default=0)
        for row in rows:
            typer.echo(f"  {row['name']:<{width}}  {row['description']}".rstrip())


def show(recipe: RecipeArgument, assignments: SetOption = None) -> None:
    """Show the resolved recipe, with every default filled in, as YAML."""
    import yaml

    from medsynth.dataset.reading import parse_assignments
    from medsynth.dataset.recipe import load_recipe

    with one_line_errors():
        resolved = load_recipe(recipe, overrides=parse_assignments(assignments or [])).resolved()
    typer.echo(yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True).rstrip())


def plan(
    recipe: RecipeArgument,
    count: Annotated[int, typer.Option("-n", "--count", metavar="N", help="Number of cases.")] = 1,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="Its folder: is there room?")] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="That of the run.")] = 0,
    workers: Annotated[int | None, typer.Option("--workers", metavar="W", help="Processes of the run.")] = None,
    formats: Annotated[str | None, typer.Option("--formats", help="E.g. nifti,dicom; else the recipe's.")] = None,
    assignments: SetOption = None,
    twin: Annotated[bool, typer.Option("--twin", help="Each case without its lesions too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Tell files, disk, time and memory of a run, from a few cases made in a temporary folder."""
    import json

    from medsynth.dataset.machine import free_disk_bytes
    from medsynth.dataset.plan import plan as run
    from medsynth.dataset.reading import parse_assignments
    from medsynth.dataset.recipe import load_recipe

    with one_line_errors():
        checked = load_recipe(recipe, overrides=parse_assignments(assignments or []))
        found = run(checked, count, seed=seed, workers=workers, formats=formats, twin=twin)
    free = free_disk_bytes(out or Path())
    if as_json:
        typer.echo(json.dumps({**found.as_json(), "free_disk_bytes": free}, indent=1))
    else:
        typer.echo("\n".join(found.lines(free)))
    if free is not None and found.size_bytes > free:
        typer.echo(f"warning: the dataset is larger than what is free in {out or Path()}", err=True)
