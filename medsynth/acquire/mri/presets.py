"""Named protocols as data: what a preset sets, and how a recipe's own settings go over it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from medsynth.core.errors import expected


@cache
def _presets() -> Mapping[str, Mapping[str, Any]]:
    text = files("medsynth.acquire.mri").joinpath("data", "protocols.yaml").read_text(encoding="utf-8")
    loaded: Mapping[str, Mapping[str, Any]] = yaml.safe_load(text)
    return loaded


def presets() -> dict[str, str]:
    """Return every preset's name with what it is in words."""
    return {name: str(row["words"]) for name, row in _presets().items()}


def preset_settings(name: object) -> Mapping[str, Any]:
    """Return the settings of a preset.

    Raises
    ------
    ValueError
        If there is none of this name (pydantic turns it into the recipe's error).
    """
    if not isinstance(name, str) or name not in _presets():
        near = difflib.get_close_matches(str(name), _presets(), n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(expected("preset", name, f"one of {', '.join(_presets())}") + hint)
    settings: Mapping[str, Any] = _presets()[name]["settings"]
    return settings


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the settings of `over`; groups of settings are merged key by key."""
    found = dict(base)
    for key, value in over.items():
        inner = found.get(key)
        found[key] = merged(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return found
