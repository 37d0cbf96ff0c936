"""Commands that hand data sets on: to other programs, and to a PACS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth.cli.base import one_line_errors


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
    with one_line_errors():
        export_one(folder, layout, out, acquisitions=acquisitions, labels=labels, options=options, overwrite=overwrite)


def push(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A dataset, a case, or any folder of DICOM files.")],
    to: Annotated[str | None, typer.Option("--to", metavar="HOST:PORT", help="A PACS that takes C-STORE.")] = None,
    aet: Annotated[str, typer.Option("--aet", help="The PACS's application entity title.")] = "ANY-SCP",
    stow: Annotated[str | None, typer.Option("--stow", metavar="URL", help="A DICOMweb root for STOW-RS.")] = None,
) -> None:
    """Send DICOM files to a PACS; only what is marked as synthetic leaves (extra: pacs)."""
    from medsynth.export.pacs.push import push_folder

    with one_line_errors("what was sent before stays there"):
        sent = push_folder(folder, to=to, aet=aet, stow=stow)
    typer.echo(f"{sent} objects sent")


def checked_layouts(names: list[str]) -> list[str]:
    """Return the layouts to export to, before anything is made for nothing."""
    if names:
        from medsynth.export.layouts.run import layout_of

        for name in names:
            layout_of(name)
    return names


def export_one(folder: Path, layout: str, out: Path, *, acquisitions: list[str] | None = None,
               labels: str | None = None, options: list[str] | None = None, overwrite: bool = False) -> None:
    """Write one export and print where it is."""
    from medsynth.export.layouts.options import parse_options
    from medsynth.export.layouts.run import export_dataset, layout_of

    chosen = parse_options(acquisitions or [], labels, options or [], layout_of(layout).options)
    typer.echo(str(export_dataset(folder, layout, out, chosen, overwrite=overwrite)))
