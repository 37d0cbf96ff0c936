"""Placing files: a hard link where the bytes are equal, and text that repeats."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Self, TextIO

# What file systems say that have no hard links, or not to there.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EACCES, errno.ENOSYS}


def place(source: Path, target: Path) -> None:
    """Give a file a second name; copy it where the file system cannot."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copyfile(source, target)


def place_tree(source: Path, target: Path) -> None:
    """Place every file below a folder, hidden ones left out."""
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        if path.is_file() and not any(part.startswith(".") for part in inside.parts):
            place(path, target / inside)


def write_json(path: Path, value: Any) -> None:
    """Write JSON in the order of its keys."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


class Rows:
    """Rows of a JSON list on the disk, while the block lasts: a list may be larger than the memory."""

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self._file = tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, row: dict[str, Any]) -> None:
        """Add one row."""
        self._file.write(",\n" if self.count else "\n")
        self._file.write(json.dumps(row, ensure_ascii=False, allow_nan=False))
        self.count += 1

    def copy_to(self, target: TextIO) -> None:
        """Write the list to a file."""
        self._file.seek(0)
        target.write("[")
        shutil.copyfileobj(self._file, target)
        target.write("\n]")


def write_json_lists(path: Path, head: dict[str, Any], lists: dict[str, Rows]) -> None:
    """Write a JSON object with the keys of `head` and then the lists."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(head, ensure_ascii=False, allow_nan=False)[:-1])
        for key, rows in lists.items():
            file.write(f",\n{json.dumps(key)}: ")
            rows.copy_to(file)
        file.write("}\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
