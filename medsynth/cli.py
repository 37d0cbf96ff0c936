"""The command line: thin, one line per error, exit code 2 for input that cannot be used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from medsynth.core.errors import MedsynthError
from medsynth.core.version import __version__

if TYPE_CHECKING:
    from medsynth.dataset.run import Summary

EXIT_FAILED_CASES = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

# What the command line itself refuses: unknown options, words where a number is expected, missing arguments.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


class OneLineErrors(TyperGroup):
    """The commands; a call that cannot be understood is told in one line, like every other bad input."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command and leave the program with its exit code."""
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except UsageError as error:
            words = " ".join(str(error.format_message()).split())  # type: ignore[attr-defined]
            _leave(f"error: {words} (see medsynth --help)", EXIT_BAD_INPUT)
        except (KeyboardInterrupt, typer.Abort):
            _leave("interrupted", EXIT_INTERRUPTED)
        sys.exit(code if isinstance(code, int) else 0)


app = typer.Typer(
    name="medsynth",
    cls=OneLineErrors,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Kind(StrEnum):
    """What `medsynth list` can list."""

    PHANTOMS = "phantoms"
    LESIONS = "lesions"
    RECIPES = "recipes"
    TISSUES = "tissues"
    PROTOCOLS = "protocols"
    LAYOUTS = "layouts"


RecipeArgument = Annotated[str, typer.Argument(metavar="RECIPE", help="A built-in name or a YAML file.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Change one value, e.g. acquisitions.ct.kvp=100. Repeatable."),
]


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


@app.command("list")
def list_(
    kind: Annotated[Kind | None, typer.Argument(help="What to list; everything when left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """List phantoms, lesions, recipes, tissues, protocols or layouts."""
    import json

    from medsynth.dataset.listing import listing

    with _one_line_errors():
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


@app.command()
def show(recipe: RecipeArgument, assignments: SetOption = None) -> None:
    """Show the resolved recipe, with every default filled in, as YAML."""
    import yaml

    from medsynth.dataset.reading import parse_assignments
    from medsynth.dataset.recipe import load_recipe

    with _one_line_errors():
        resolved = load_recipe(recipe, overrides=parse_assignments(assignments or [])).resolved()
    typer.echo(yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True).rstrip())


@app.command()
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

    with _one_line_errors(f"finished cases are kept in {out}; the same command goes on from there"):
        wanted = _layouts(layouts or [])
        part = parse_shard(shard) if shard is not None else None
        checked = load_recipe(recipe, overrides=parse_assignments(assignments or []))
        with shown(len(range(part[0] - 1, count, part[1])) if part else count) as progress:
            summary = run(checked, count, out, seed=seed, workers=workers, formats=formats, twin=twin, shard=part,
                          cluster=cluster, retry_failed=retry_failed, progress=progress)
        for layout in wanted if summary.made + summary.kept else ():
            _export(out, layout, out.with_name(f"{out.name}-{layout}"), overwrite=True)
    _finish(summary)


@app.command()
def insert(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A NIfTI file, or a folder with one DICOM series.")],
    lesion: Annotated[str, typer.Option("-l", "--lesion", metavar="LESION", help="See medsynth list lesions.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder, absent or empty.")],
    at: Annotated[str | None, typer.Option("--at", metavar="X,Y,Z", help="Centre, LPS mm.")] = None,
    within: Annotated[str | None, typer.Option("--in", metavar="MASK[:LABEL]", help="Where it may grow.")] = None,
    diameter_mm: Annotated[float | None, typer.Option("--diameter-mm", metavar="D", help="Of the lesion.")] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Equal seeds give equal files.")] = 0,
    modality: Annotated[str | None, typer.Option("--modality", help="ct, mri or xray; else the file tells.")] = None,
    contrast: Annotated[float | None, typer.Option(
        "--contrast", help="HU above the surroundings (CT), or signal over theirs (MR).")] = None,
    weighting: Annotated[str, typer.Option("--weighting", metavar="PRESET", help="MR preset of the image's contrast."
                                           )] = "brain-t1w",
    phase: Annotated[str, typer.Option("--phase", help="Contrast phase of a CT: none, arterial, portal.")] = "none",
    kvp: Annotated[float, typer.Option("--kvp", help="Tube voltage of a CT.")] = 120.0,
    assignments: SetOption = None,
) -> None:
    """Put a lesion of the catalogue into your own CT, MR or X-ray image, with the image's own sharpness and noise."""
    from medsynth.dataset.reading import parse_assignments
    from medsynth.insertion.command import run_insert

    with _one_line_errors("nothing was written"):
        written = run_insert(image, lesion, out, at=at, within=within, diameter_mm=diameter_mm, seed=seed,
                             modality=modality, contrast=contrast, weighting=weighting, phase=phase, kvp=kvp,
                             assignments=parse_assignments(assignments or []))
    typer.echo(str(written))


@app.command()
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

    with _one_line_errors():
        checked = load_recipe(recipe, overrides=parse_assignments(assignments or []))
        found = run(checked, count, seed=seed, workers=workers, formats=formats, twin=twin)
    free = free_disk_bytes(out or Path())
    if as_json:
        typer.echo(json.dumps({**found.as_json(), "free_disk_bytes": free}, indent=1))
    else:
        typer.echo("\n".join(found.lines(free)))
    if free is not None and found.size_bytes > free:
        typer.echo(f"warning: the dataset is larger than what is free in {out or Path()}", err=True)


@app.command()
def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Shards of one dataset.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder of the whole.")],
) -> None:
    """Join shards that were made in different folders; files are linked, not copied."""
    from medsynth.dataset.merge import merge as run

    with _one_line_errors():
        merged = run(folders, out)
    typer.echo(str(merged.out))


@app.command()
def validate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a dataset.")],
    checks: Annotated[list[str] | None, typer.Option("--check", help="Only this check. Repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Check a dataset: files, hashes, geometry, labels, annotations, DICOM, and that nobody is in it."""
    import json

    from medsynth.dataset.validate import validate as run

    with _one_line_errors():
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


def _layouts(names: list[str]) -> list[str]:
    """Return the layouts to export to, before anything is made for nothing."""
    if names:
        from medsynth.export.layouts.run import layout_of

        for name in names:
            layout_of(name)
    return names


def _export(folder: Path, layout: str, out: Path, *, acquisitions: list[str] | None = None, labels: str | None = None,
            options: list[str] | None = None, overwrite: bool = False) -> None:
    from medsynth.export.layouts.options import parse_options
    from medsynth.export.layouts.run import export_dataset, layout_of

    chosen = parse_options(acquisitions or [], labels, options or [], layout_of(layout).options)
    typer.echo(str(export_dataset(folder, layout, out, chosen, overwrite=overwrite)))


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that medsynth generate made.")],
    layout: Annotated[str, typer.Option("--layout", metavar="NAME", help="E.g. nnunet; see medsynth list layouts.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR2", help="The new folder.")],
    acquisitions: Annotated[
        list[str] | None,
        typer.Option("--acquisition", metavar="NAME", help="Images to take, e.g. t1w,flair; else all.")] = None,
    labels: Annotated[str | None, typer.Option("--labels", help="organs, lesions or both.")] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="KEY=VALUE", help="Of the layout, e.g. window=lung. Repeatable.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
) -> None:
    """Write a dataset in the layout of another program, by hard links where files stay as they are."""
    with _one_line_errors():
        _export(folder, layout, out, acquisitions=acquisitions, labels=labels, options=options, overwrite=overwrite)


@app.command()
def push(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A dataset, a case, or any folder of DICOM files.")],
    to: Annotated[str | None, typer.Option("--to", metavar="HOST:PORT", help="A PACS that takes C-STORE.")] = None,
    aet: Annotated[str, typer.Option("--aet", help="The PACS's application entity title.")] = "ANY-SCP",
    stow: Annotated[str | None, typer.Option("--stow", metavar="URL", help="A DICOMweb root for STOW-RS.")] = None,
) -> None:
    """Send DICOM files to a PACS; only what is marked as synthetic leaves (extra: pacs)."""
    from medsynth.export.pacs.push import push_folder

    with _one_line_errors("what was sent before stays there"):
        sent = push_folder(folder, to=to, aet=aet, stow=stow)
    typer.echo(f"{sent} objects sent")


refine_app = typer.Typer(help="Refine images with every label still true (extra: diffusion).", no_args_is_help=True,
                         context_settings={"help_option_names": ["-h", "--help"]})
app.add_typer(refine_app, name="refine")


@refine_app.command("train")
def refine_train(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="MODEL", help="New model, *.safetensors.")],
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Dataset of quick and full images")] = None,
    real: Annotated[Path | None, typer.Option("--real", metavar="DIR2", help="NAME.nii.gz, NAME_labels.nii.gz")] = None,
    quick: Annotated[str | None, typer.Option("--quick", help="Acquisition; else the one of the fast tier.")] = None,
    full: Annotated[str | None, typer.Option("--full", help="Acquisition; else the one of the physics tier.")] = None,
    modality: Annotated[str, typer.Option("--modality", help="Of real images alone: CT or MR.")] = "CT",
    licence: Annotated[str, typer.Option("--licence", help="Of the weights, for the model card.")] = "unstated",
    steps: Annotated[int, typer.Option("--steps", help="Of the optimiser.")] = 2000,
    batch: Annotated[int, typer.Option("--batch", help="Patches in a step.")] = 8,
    patch: Annotated[int, typer.Option("--patch", help="Pixels of a patch's side.")] = 64,
    rate: Annotated[float, typer.Option("--rate", help="Of learning.")] = 1e-3,
    channels: Annotated[str, typer.Option("--channels", help="Of the network by level, multiples of 8.")] = "16,32,32",
    neighbours: Annotated[int, typer.Option("--neighbours", help="Slices seen on either side; 0: 2D.")] = 1,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Equal seeds give equal weights on a CPU.")] = 0,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda or auto.")] = "cpu",
    force: Annotated[bool, typer.Option("--force", help="Train on generated or falsely real data, too.")] = False,
) -> None:
    """Train a refiner; the same command goes on with a training that was interrupted."""
    from medsynth.dataset.refine_train import parse_channels, train_refiner

    def told(step: int, loss: float) -> None:
        typer.echo(f"step {step} of {steps}: loss {loss:.4f}", err=True)

    with _one_line_errors("the same command goes on from the last checkpoint"):
        options = {"steps": steps, "batch": batch, "patch": patch, "rate": rate, "neighbours": neighbours, "seed": seed,
                   "device": device, "channels": parse_channels(channels)}
        typer.echo(str(train_refiner(out, data=data, real=real, quick=quick, full=full, modality=modality,
                                     licence=licence, force=force, options=options, progress=told)))


@refine_app.command("apply")
def refine_apply(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A dataset; it stays as it is.")],
    model: Annotated[Path | None, typer.Option("--model", metavar="MODEL", help="Of medsynth refine train.")] = None,
    reference: Annotated[Path | None, typer.Option("--reference", metavar="DIR2", help="Match this texture.")] = None,
    strength: Annotated[float, typer.Option("--strength", metavar="S", help="0 to 1.")] = 0.5,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR3", help="Else DIR-refined.")] = None,
    steps: Annotated[int, typer.Option("--steps", help="Of the model from noise to image.")] = 4,
    acquisitions: Annotated[list[str] | None, typer.Option("--acquisition", help="Repeatable; else all.")] = None,
    workers: Annotated[int, typer.Option("--workers", metavar="W", help="Processes; changes no byte.")] = 1,
) -> None:
    """Make a dataset once more, refined; what the gate rejects stays as the physics made it."""
    from medsynth.dataset.refine_apply import apply_refiner, refine_mapping

    to = out or folder.with_name(f"{folder.name}-refined")
    with _one_line_errors(f"finished cases are kept in {to}; the same command goes on from there"):
        part = refine_mapping(model, reference, strength, steps, acquisitions)
        summary = apply_refiner(folder, to, part, workers=workers)
    _finish(summary)


def _finish(summary: Summary) -> None:
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


@contextmanager
def _one_line_errors(interrupted: str = "") -> Iterator[None]:
    """Turn input that cannot be used, and Ctrl-C, into one line and an exit code."""
    try:
        yield
    except MedsynthError as error:
        _leave(f"error: {' '.join(str(error).split())}", EXIT_BAD_INPUT)
    except KeyboardInterrupt:
        _leave(f"interrupted; {interrupted}".rstrip("; "), EXIT_INTERRUPTED)


def _leave(line: str, code: int) -> NoReturn:
    typer.echo(line, err=True)
    sys.exit(code)
