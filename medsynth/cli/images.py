"""Commands about people's own images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth.cli.base import SetOption, one_line_errors


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

    with one_line_errors("nothing was written"):
        written = run_insert(image, lesion, out, at=at, within=within, diameter_mm=diameter_mm, seed=seed,
                             modality=modality, contrast=contrast, weighting=weighting, phase=phase, kvp=kvp,
                             assignments=parse_assignments(assignments or []))
    typer.echo(str(written))
