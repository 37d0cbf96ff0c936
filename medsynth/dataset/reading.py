"""Recipes as text: YAML files, built-in names, and `--set key.path=value`."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from medsynth.core.errors import RecipeError, expected
from medsynth.dataset.wording import did_you_mean, dotted

_YAML_SUFFIXES = (".yaml", ".yml")


class _Loader(yaml.SafeLoader):
    """Safe YAML where `1e3` is a number (YAML 1.2) and a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.value in seen and key_node.tag != "tag:yaml.org,2002:merge":
                line = key_node.start_mark.line + 1
                raise RecipeError(f"key {key_node.value!r} stands twice in one mapping (line {line})")
            seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def parse_yaml(text: str, source: str) -> Any:
    """Return the value of YAML `text`; `source` names it in the error."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (derived from SafeLoader)
    except yaml.YAMLError as error:
        raise RecipeError(f"{source} is no valid YAML: {' '.join(str(error).split())}") from error


def built_in_recipes() -> list[str]:
    """Return the names of the recipes that come with medsynth."""
    return sorted(Path(f.name).stem for f in (files("medsynth") / "recipes").iterdir() if f.name.endswith(".yaml"))


def read_recipe(source: str | Path) -> dict[str, Any]:
    """Return the mapping of a built-in recipe or of a YAML file."""
    name = str(source)
    if name in built_in_recipes():
        text = (files("medsynth") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    elif isinstance(source, Path) or name.endswith(_YAML_SUFFIXES) or "/" in name or Path(name).is_file():
        try:
            text = Path(source).read_text(encoding="utf-8")
        except OSError as error:
            raise RecipeError(f"recipe {name} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise RecipeError(f"recipe {name} is no UTF-8 text") from error
    else:
        hint = did_you_mean(name, built_in_recipes())
        raise RecipeError(f"no recipe named {name!r}{hint} (or the path of a .yaml file)")
    data = parse_yaml(text, f"recipe {name}")
    if not isinstance(data, dict):
        raise RecipeError(expected(f"recipe {name}", data, "a mapping"))
    return data


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """Return `{"a.b": value}` of `["a.b=value"]`; values are YAML, e.g. `3`, `true`, `[1, 2]`, `{min: 4, max: 8}`."""
    parsed: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise RecipeError(expected("--set", assignment, "KEY.PATH=VALUE"))
        value = parse_yaml(text, f"--set {key}") if text.strip() else None
        parsed[key.strip()] = _number_or_text(value) if isinstance(value, str) else value
    return parsed


def apply_overrides(data: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of `data` with each dotted path set; list entries are named by index, e.g. `lesions.0.count`."""
    result: dict[str, Any] = copy.deepcopy(dict(data))
    for path, value in overrides.items():
        _assign(result, str(path).split("."), copy.deepcopy(value))
    return result


def _assign(data: dict[str, Any], keys: list[str], value: object) -> None:
    place: Any = data
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        if isinstance(place, list):
            if not key.isdigit() or int(key) >= len(place):
                name = dotted(keys[: depth + 1])
                raise RecipeError(f"{name}: there is no entry {key!r}, {dotted(keys[:depth])} has {len(place)} entries")
            index: int | str = int(key)
        elif isinstance(place, dict):
            index = key
        else:
            raise RecipeError(f"{dotted(keys)}: {dotted(keys[:depth])} is {place!r} and has no part {key!r}")
        if last:
            place[index] = value
        else:
            if isinstance(place, dict) and place.get(key) is None:
                place[index] = {}
            place = place[index]


def _number_or_text(text: str) -> float | str:
    """Return a number for `nan` and `inf`, which YAML keeps as text, so that they are refused as numbers."""
    try:
        return float(text)
    except ValueError:
        return text


def parse_shard(text: str) -> tuple[int, int]:
    """Return `(2, 8)` of `"2/8"`: the second of eight parts; of `"auto"` what the array job's variables tell."""
    if text == "auto":
        return shard_of_array_job(os.environ)
    number, _, count = text.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise RecipeError(expected("--shard", text, "I/N with I from 1 to N, e.g. 1/8, or auto"))
    return int(number), int(count)


def shard_of_array_job(variables: Mapping[str, str]) -> tuple[int, int]:
    """Return this task's number from 1 and the number of tasks of an array job of Slurm, Grid Engine or PBS.

    Slurm and Grid Engine tell the first, the last and the step of the array. PBS tells the task alone: there
    `MEDSYNTH_SHARDS` says how many there are, and the array begins at 1 (or at 0, with `MEDSYNTH_FIRST=0`).
    """
    for task, first, last, step in _ARRAY_JOBS:
        told = {name: variables.get(name, "") for name in (task, first, last)}
        if told[task].isdigit():
            missing = [name for name, value in told.items() if not value.isdigit()]
            if missing:
                raise RecipeError(f"--shard auto: {task} is set, but {missing[0]} is not a number")
            by = int(variables.get(step, "") or 1)
            low = int(told[first])
            return _checked_shard((int(told[task]) - low) // by + 1, (int(told[last]) - low) // by + 1)
    for task in ("PBS_ARRAY_INDEX", "PBS_ARRAYID"):
        if variables.get(task, "").isdigit():
            count, begin = variables.get("MEDSYNTH_SHARDS", ""), variables.get("MEDSYNTH_FIRST", "1")
            if not (count.isdigit() and begin.isdigit()):
                raise RecipeError(expected("MEDSYNTH_SHARDS", count, "the number of tasks of this array job"))
            return _checked_shard(int(variables[task]) - int(begin) + 1, int(count))
    raise RecipeError("--shard auto needs the variables of an array job (SLURM_ARRAY_TASK_ID, SGE_TASK_ID or "
                      "PBS_ARRAY_INDEX); outside of one name the shard: --shard 1/8")


# task, first, last, step
_ARRAY_JOBS = (
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP"),
    ("SGE_TASK_ID", "SGE_TASK_FIRST", "SGE_TASK_LAST", "SGE_TASK_STEPSIZE"),
)


def _checked_shard(number: int, count: int) -> tuple[int, int]:
    if not 1 <= number <= count:
        raise RecipeError(expected("--shard auto", f"{number}/{count}", "I/N with I from 1 to N"))
    return number, count
