"""Commands that train a refiner and refine data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth.cli.base import one_line_errors
from medsynth.cli.generate import finish

refine_app = typer.Typer(help="Refine images with every label still true (extra: diffusion).", no_args_is_help=True,
                         context_settings={"help_option_names": ["-h", "--help"]})


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

    with one_line_errors("the same command goes on from the last checkpoint"):
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
    with one_line_errors(f"finished cases are kept in {to}; the same command goes on from there"):
        part = refine_mapping(model, reference, strength, steps, acquisitions)
        summary = apply_refiner(folder, to, part, workers=workers)
    finish(summary)
