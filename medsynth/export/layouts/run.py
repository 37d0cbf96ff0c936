"""Exporting a dataset folder: the whole layout or nothing, and never over what is not ours."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict
from pathlib import Path

from medsynth.core.errors import DatasetError, expected
from medsynth.core.version import __version__
from medsynth.export.layouts.files import write_json
from medsynth.export.layouts.options import ExportOptions
from medsynth.export.layouts.source import Source, open_source
from medsynth.export.layouts.table import LAYOUTS, Layout

MARKER = "medsynth-export.json"  # in every export: what it is, and that it may be replaced


def layout_of(name: str) -> Layout:
    """Return a layout by its name.

    Raises
    ------
    DatasetError
        If there is none.
    """
    if name not in LAYOUTS:
        raise DatasetError(expected("layout", name, f"one of {', '.join(LAYOUTS)}"))
    return LAYOUTS[name]


def export_dataset(folder: str | Path, layout: str, out: str | Path, options: ExportOptions | None = None, *,
                   overwrite: bool = False) -> Path:
    """Write the dataset in `folder` in another layout and return the new folder.

    It appears as a whole or not at all; the same dataset gives the same bytes. Files that stay as they are become hard
    links: they are the same files.

    Parameters
    ----------
    layout : a name of `LAYOUTS`.
    out : the new folder.
    overwrite : replace an earlier export of medsynth in `out`; anything else there stays an error.

    Raises
    ------
    DatasetError
        If the dataset, the layout or an option cannot be used, or `out` is taken.
    """
    wanted, chosen, target = layout_of(layout), options or ExportOptions(), Path(out)
    source = open_source(Path(folder))
    _check_target(target, source, overwrite)
    temporary = target.with_name(f".tmp-{target.name}-{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        wanted.write()(source, chosen, temporary, target.name)
        write_json(temporary / MARKER, _marker(source, layout, chosen))
        _rename(temporary, target)
    except OSError as error:
        raise DatasetError(f"cannot write to {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _check_target(target: Path, source: Source, overwrite: bool) -> None:
    here, there = target.resolve(), source.folder.resolve()
    if here == there or here in there.parents:
        raise DatasetError(expected("-o", str(target), "another folder than the dataset's own"))
    if not target.exists():
        return
    if not overwrite:
        raise DatasetError(f"{target} exists already; name another folder, or replace an earlier export by --overwrite")
    if not (target / MARKER).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise DatasetError(f"{target} is no export of medsynth ({MARKER} is missing) and is not replaced; "
                           "name another folder")


def _rename(temporary: Path, target: Path) -> None:
    """Give the finished folder its name; an earlier export there goes only then."""
    if not target.exists():
        temporary.rename(target)
        return
    replaced = temporary.with_name(f"{temporary.name}-replaced")
    target.rename(replaced)
    temporary.rename(target)
    shutil.rmtree(replaced, ignore_errors=True)


def _marker(source: Source, layout: str, options: ExportOptions) -> dict[str, object]:
    return {"generator": "medsynth", "version": __version__, "layout": layout, "options": asdict(options),
            "synthetic": True, "statement": "computed from an anatomical model; no patient, no scanner",
            "dataset": source.title, "seed": source.header.get("seed"),
            "fingerprint": source.header.get("fingerprint"), "cases": len(source.cases)}
