"""What a person may choose about an export, checked once for all layouts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from medsynth.core.errors import DatasetError, expected

Labels = Literal["organs", "lesions", "both"]
LABELS: tuple[Labels, ...] = ("organs", "lesions", "both")


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is exported, and how.

    Attributes
    ----------
    acquisitions : names; empty for all.
    labels : organs, lesions or both; None for what the layout takes by default.
    window : of CT pictures: `composite`, `lung`, `soft`, `bone`, or centre and width in HU.
    every : of pictures of slices: every how manieth.
    masks : how COCO has masks: run lengths or polygons.
    parts : of label images: a class for each part of a family (core, rim, oedema ...) rather than for the family.
    name, number : of the dataset in nnU-Net.
    folds : of cross-validation in MONAI's list.
    shard_cases : cases in a shard of WebDataset.
    chunk : edge of a Zarr chunk in voxels.
    """

    acquisitions: tuple[str, ...] = ()
    labels: Labels | None = None
    window: str = "composite"
    every: int = 1
    masks: Literal["rle", "polygon"] = "rle"
    parts: bool = False
    name: str = ""
    number: int = 1
    folds: int = 5
    shard_cases: int = 100
    chunk: int = 64


def parse_options(acquisitions: Sequence[str], labels: str | None, assignments: Sequence[str],
                  known: Sequence[str]) -> ExportOptions:
    """Return the options of a command line.

    Parameters
    ----------
    acquisitions : names, also several with commas between them.
    assignments : `key=value` of the layout's own options.
    known : the keys that the layout has.

    Raises
    ------
    DatasetError
        If one cannot be used.
    """
    names = tuple(dict.fromkeys(name.strip() for one in acquisitions for name in one.split(",") if name.strip()))
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or key not in known:
            what = f"KEY=VALUE with one of {', '.join(known)}" if known else "absent: this layout has none"
            raise DatasetError(expected("option", assignment, what))
        values[key] = _PARSERS[key](key, value)
    return replace(ExportOptions(names, check_labels(labels)), **values)


def check_labels(labels: str | None) -> Labels | None:
    """Return which labels are meant."""
    if labels is None:
        return None
    for known in LABELS:
        if labels == known:
            return known
    raise DatasetError(expected("labels", labels, f"one of {', '.join(LABELS)}"))


def _whole(low: int, high: int) -> Callable[[str, str], int]:
    def parse(key: str, value: str) -> int:
        if not value.isdecimal() or not low <= int(value) <= high:
            raise DatasetError(expected(key, value, f"a whole number in {low}..{high}"))
        return int(value)

    return parse


def _one_of(*words: str) -> Callable[[str, str], str]:
    def parse(key: str, value: str) -> str:
        if value not in words:
            raise DatasetError(expected(key, value, f"one of {', '.join(words)}"))
        return value

    return parse


def _name(key: str, value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]+", value):
        raise DatasetError(expected(key, value, "letters and digits"))
    return value


def _window(_key: str, value: str) -> str:
    from medsynth.export.layouts.pictures import window_of

    window_of(value)
    return value


def _yes_or_no(key: str, value: str) -> bool:
    if value not in ("yes", "no"):
        raise DatasetError(expected(key, value, "yes or no"))
    return value == "yes"


_PARSERS: Mapping[str, Callable[[str, str], Any]] = {
    "parts": _yes_or_no, "window": _window, "every": _whole(1, 10000), "masks": _one_of("rle", "polygon"),
    "name": _name, "number": _whole(1, 999), "folds": _whole(1, 100), "shard_cases": _whole(1, 1000000),
    "chunk": _whole(8, 1024)}
