"""Placing files: a hard link where the bytes are equal, and text that repeats."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

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


def write_text(path: Path, text: str) -> None:
    """Write a text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
