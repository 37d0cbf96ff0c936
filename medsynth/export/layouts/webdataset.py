"""WebDataset shards: plain tar files, a case's files side by side as CASE.name; the same bytes every time."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from medsynth.export.layouts.files import write_json
from medsynth.export.layouts.options import ExportOptions
from medsynth.export.layouts.source import Source, SourceCase, Split

_MODE = 0o644
_SPLITS: tuple[Split, ...] = ("train", "val", "test")


def write(source: Source, options: ExportOptions, out: Path, name: str) -> None:
    """Write `train-000000.tar` ..., and how many cases each holds (shards.json)."""
    sizes: dict[str, int] = {}
    for split in _SPLITS:
        cases = list(source.of_split(split))
        for number, first in enumerate(range(0, len(cases), options.shard_cases)):
            shard = f"{split}-{number:06d}.tar"
            sizes[shard] = _write_shard(cases[first:first + options.shard_cases], options, out / shard)
    write_json(out / "shards.json", {"name": name, "synthetic": True, "shards": sizes,
                                     "labels": [{"name": row.name, "label": row.label} for row in source.structures]})


def _write_shard(cases: list[SourceCase], options: ExportOptions, path: Path) -> int:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as shard:
        for case in cases:
            for key, file in _files(case, options):
                with file.open("rb") as content:
                    shard.addfile(_entry(f"{case.name}.{key}", file.stat().st_size), content)
            text = json.dumps({"id": case.name, "split": case.split, "subject_id": case.person, "visit": case.visit,
                               "synthetic": True}, sort_keys=True).encode()
            shard.addfile(_entry(f"{case.name}.json", len(text)), io.BytesIO(text))
    return len(cases)


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, _MODE, 0
    return entry


def _files(case: SourceCase, options: ExportOptions) -> Iterator[tuple[str, Path]]:
    """Give key and path of a case's files, in order; a folder's name becomes a part of the key."""
    yield "annotations.json", case.file("annotations.json")
    wanted = options.labels or "both"
    for one in case.acquisitions(options.acquisitions).values():
        names = [f"{one.name}.nii.gz", f"{one.name}.json"]
        if wanted != "lesions":
            names += [f"{one.name}_labels.nii.gz", f"{one.name}_masks"]
        if wanted != "organs":
            names += [f"{one.name}_lesions.nii.gz"]
        case.file(names[0])
        for name in names:
            path = case.folder / name
            for file in sorted(path.iterdir()) if path.is_dir() else [path] if path.exists() else []:
                yield (f"{name}.{file.name}" if path.is_dir() else name), file
