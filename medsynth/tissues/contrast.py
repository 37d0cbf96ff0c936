"""Iodine concentration of structures by contrast phase."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal

from medsynth.core.errors import RecipeError, expected
from medsynth.tissues.reading import read_table

Phase = Literal["none", "arterial", "portal"]


@cache
def _table() -> Mapping[str, dict[str, str]]:
    return {row["key"]: row for row in read_table("iodine.csv")}


def enhancement_keys() -> tuple[str, ...]:
    """Return every key a structure's `enhancement` may name."""
    return tuple(_table())


def iodine_mg_per_ml(key: str, phase: Phase) -> float:
    """Return the iodine concentration of a structure in mg per mL of its volume; 0 for the empty key.

    Examples
    --------
    >>> iodine_mg_per_ml("liver", "none")
    0.0
    """
    if not key:
        return 0.0
    if key not in _table():
        raise RecipeError(expected("enhancement", key, f"one of {list(_table())}"))
    return float(_table()[key][phase])
