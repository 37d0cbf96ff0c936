"""manifest.jsonl and failures.jsonl: a line is appended as a case ends, and both are put in order when a run ends.

The records in the case folders are the truth; a line that a kill or a power cut kept out comes back from there.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medsynth.dataset.folder import (
    canonical_json,
    finished_indices,
    manifest_lock,
    record_text,
    write_atomically,
)
from medsynth.dataset.job import Failure

MANIFEST, FAILURES = "manifest.jsonl", "failures.jsonl"
_ID = re.compile(rb'"id": "case-(\d+)"')


class Journal:
    """Both lists of one dataset folder; several shards may hold one each."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def made(self, index: int) -> None:
        """Add the line of a case that is finished now."""
        self._append(MANIFEST, record_text(self.out, index))

    def failed(self, failure: Failure) -> None:
        """Add the line of a case that could not be made."""
        self._append(FAILURES, canonical_json(asdict(failure)))

    def _append(self, name: str, line: str) -> None:
        with manifest_lock(self.out):  # and opened anew: another shard may have put the file in order meanwhile
            handle = os.open(self.out / name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                size = os.fstat(handle).st_size
                whole = size == 0 or os.pread(handle, 1, size - 1) == b"\n" if hasattr(os, "pread") else True
                data = (("" if whole else "\n") + line + "\n").encode()
                while data:
                    data = data[os.write(handle, data):]
            finally:
                os.close(handle)

    def known_failures(self) -> dict[int, Failure]:
        """Return the cases that could not be made, by index."""
        return {row["index"]: Failure(**row) for row in failure_rows(self.out)}

    def settle(self, visit: Callable[[Mapping[str, Any]], None] | None = None,
               then: Callable[[], None] | None = None) -> None:
        """Put both lists in order: every finished case once, rising; failures without those that are made by now.

        Parameters
        ----------
        visit : called with each record, rising.
        then : called when both are in order, before another shard may change them.
        """
        with manifest_lock(self.out):
            lines = _rising_lines(self.out, visit)
            write_atomically(self.out / MANIFEST, lines)
            finished = set(finished_indices(self.out))
            rows = {row["index"]: row for row in failure_rows(self.out) if row["index"] not in finished}
            path = self.out / FAILURES
            if rows:
                write_atomically(path, (canonical_json(row) + "\n" for _, row in sorted(rows.items())))
            else:
                path.unlink(missing_ok=True)
            if then is not None:
                then()

    def forget_failures(self, indices: Collection[int]) -> None:
        """Take cases off the list of failures, before they are tried again."""
        with manifest_lock(self.out):
            rows = [row for row in failure_rows(self.out) if row["index"] not in indices]
            write_atomically(self.out / FAILURES, (canonical_json(row) + "\n" for row in rows))


def failure_rows(out: Path) -> Iterator[dict[str, Any]]:
    """Give the rows of failures.jsonl, none when it is absent; a line that was cut off is left out."""
    with contextlib.suppress(OSError):
        for line in (out / FAILURES).read_bytes().splitlines():
            with contextlib.suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict) and isinstance(row.get("index"), int):
                    yield {name: row[name] for name in Failure.__dataclass_fields__ if name in row}


def manifest_rows(out: Path) -> Iterator[dict[str, Any]]:
    """Give the records of manifest.jsonl in order."""
    with (out / MANIFEST).open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _rising_lines(out: Path, visit: Callable[[Mapping[str, Any]], None] | None) -> Iterator[str]:
    """Give the line of every finished case: from the manifest where it has it, else from the case's folder."""
    places = _places(out / MANIFEST)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context((out / MANIFEST).open("rb")) if places else None
        for index in finished_indices(out):
            if index in places and file is not None:
                file.seek(places[index])
                text = file.readline().decode()
            else:
                text = record_text(out, index) + "\n"
            try:
                record = json.loads(text)
            except ValueError:  # a damaged case of another shard, or beyond this run's count
                continue
            if visit is not None:
                visit(record)
            yield text


def _places(manifest: Path) -> dict[int, int]:
    """Return where the line of each case begins; of several lines the last counts, and none that was cut off."""
    places: dict[int, int] = {}
    with contextlib.suppress(FileNotFoundError), manifest.open("rb") as file:
        at = 0
        for line in file:
            found = _ID.search(line) if line.endswith(b"}\n") else None
            if found is not None:
                places[int(found[1])] = at
            at += len(line)
    return places

