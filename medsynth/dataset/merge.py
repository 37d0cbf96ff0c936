"""`medsynth merge`: shards that were made in different folders become one dataset, by hard links."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medsynth.core.errors import DatasetError
from medsynth.dataset.finish import finish
from medsynth.dataset.folder import (
    canonical_json,
    case_folder,
    case_name,
    disk_errors,
    finished_indices,
    locked,
    record_text,
    remove_stale,
    write_atomically,
)
from medsynth.dataset.header import HEADER, difference, read_header
from medsynth.dataset.journal import Journal


@dataclass(frozen=True)
class Merged:
    """What a merge did: `added` cases from the shards, `kept` that the target had already."""

    out: Path
    added: int
    kept: int


def merge(shards: Sequence[str | Path], out: str | Path) -> Merged:
    """Join datasets of one fingerprint in the folder `out`, which may hold a part of them already.

    Files are linked where both folders lie on one disk, and copied else; the shards stay as they are.

    Raises
    ------
    DatasetError
        If they are not parts of one dataset, or hold different cases of one number; nothing is written then.
    """
    folders, target = [Path(shard) for shard in shards], Path(out)
    if not folders:
        raise DatasetError("merge needs at least one folder")
    header = read_header(folders[0])
    for folder in [*folders[1:], *([target] if (target / HEADER).exists() else [])]:
        other = read_header(folder)
        if other.get("fingerprint") != header.get("fingerprint") or other.get("versions") != header.get("versions"):
            raise DatasetError(f"{folder} is no part of the dataset in {folders[0]} ({difference(other, header)})")
    if not (target / HEADER).exists() and any(target.glob("case-*")):
        raise DatasetError(f"{target} holds case folders but no {HEADER}; choose another folder")
    source = _sources(folders)
    present = set(finished_indices(target)) if target.is_dir() else set()
    for index in sorted(present & set(source)):
        _compare(index, target, source[index])
    with locked(target, None), disk_errors(target):
        remove_stale(target, None)
        if not (target / HEADER).exists():
            write_atomically(target / HEADER, canonical_json(header, indent=1) + "\n")
        journal = Journal(target)
        for index in sorted(set(source) - present):
            with case_folder(target, index, None) as folder:
                _link_tree(source[index] / case_name(index), folder)
            journal.made(index)
        failed = {index: failure for folder in folders for index, failure in Journal(folder).known_failures().items()}
        for index in sorted(set(failed) - set(source) - present - set(journal.known_failures())):
            journal.failed(failed[index])
        finish(journal)
    return Merged(target, len(set(source) - present), len(present & set(source)))


def _sources(folders: Sequence[Path]) -> dict[int, Path]:
    """Return the folder that holds each case."""
    source: dict[int, Path] = {}
    for folder in folders:
        for index in finished_indices(folder):
            if index in source:
                _compare(index, source[index], folder)
            source.setdefault(index, folder)
    return source


def _compare(index: int, one: Path, other: Path) -> None:
    """Raise unless both folders hold the same case: the records have the hash of every file."""
    if record_text(one, index) != record_text(other, index):
        raise DatasetError(f"{case_name(index)} differs between {one} and {other}: one of them was made by other "
                           "versions, or changed; nothing was merged")


def _link_tree(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir()
            continue
        try:
            os.link(path, place)
        except OSError:  # another disk, or a file system without links
            shutil.copyfile(path, place)
