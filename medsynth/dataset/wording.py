"""One line for what is wrong with a recipe: the field's path, the value, what was expected, and a near name."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from pydantic import BaseModel, ValidationError

from medsynth.core.errors import RecipeError, expected

Path = tuple[str | int, ...]

# pydantic's error type -> what was expected; {..} comes from the error's own context
_EXPECTATIONS = {
    "greater_than": "> {gt}",
    "greater_than_equal": ">= {ge}",
    "less_than": "< {lt}",
    "less_than_equal": "<= {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "finite_number": "a finite number",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "string_pattern_mismatch": "text that matches {pattern}",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a number or a mapping",
    "union_tag_invalid": "a mapping with {discriminator} one of {expected_tags}",
    "union_tag_not_found": "a mapping that names its {discriminator}",
    "dataclass_type": "a mapping",
    "none_required": "null",
    "too_short": "{min_length} or more entries long",
    "too_long": "{max_length} or fewer entries long",
}


_TAGS = ("float", "int", "str", "bool", "[key]")  # what pydantic calls the plain members of a union


def dotted(path: Iterable[str | int]) -> str:
    """Return `lesions.0.count` of `("lesions", 0, "count")`."""
    return ".".join(str(part) for part in path)


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or the list of what is known when nothing is near."""
    names = [str(name) for name in known]
    near = difflib.get_close_matches(str(word), names, n=1, cutoff=0.6)
    near = near or [name for name in names if word and name.startswith(str(word))]  # age for age_years
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(names)}"


def unknown_key(path: Path, known: Iterable[str]) -> RecipeError:
    """Return the error for a key that no part of a recipe has."""
    return RecipeError(f"unknown key {dotted(path)}{did_you_mean(path[-1], known)}")


def check_finite(value: object, path: Path = ()) -> None:
    """Raise for NaN and infinity anywhere in nested mappings and lists, naming the path."""
    if isinstance(value, float) and not math.isfinite(value):
        raise RecipeError(expected(dotted(path), value, "a finite number"))
    if isinstance(value, Mapping):
        for key, part in value.items():
            check_finite(part, (*path, key))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for index, part in enumerate(value):
            check_finite(part, (*path, index))


def recipe_error(error: ValidationError, model: type[BaseModel], path: Path = ()) -> RecipeError:
    """Return the first fault that pydantic found as one line; `path` is where `model` stands in the recipe."""
    # An unknown key explains a missing one, so it is told first.
    faults = sorted(error.errors(include_url=False), key=lambda fault: fault["type"] != "extra_forbidden")
    fault = faults[0]
    inner, known = _place(model, fault["loc"])
    where = (*path, *inner)
    if fault["type"] == "extra_forbidden":
        return unknown_key(where, known)
    if fault["type"] == "missing":
        return RecipeError(f"{dotted(where)} is missing")
    context = fault.get("ctx", {})
    expectation = _EXPECTATIONS.get(fault["type"])
    if expectation is not None:
        return RecipeError(expected(dotted(where), fault["input"], expectation.format(**context)))
    message = " ".join(str(context.get("error", fault["msg"])).split())
    # The models' own messages name their field themselves: "diameter_mm must be ...".
    if message.split(" ")[0] in known:
        return RecipeError(f"{dotted((*where, message))}")
    return RecipeError(f"{dotted(where)}: {message}" if where else message)


def _place(model: type[BaseModel], loc: Path) -> tuple[Path, list[str]]:
    """Return pydantic's place without the tags that it adds for unions, and the keys that are known there."""
    candidates, kept = [model], []
    known = list(model.model_fields)
    for part in loc:
        owner = next((m for m in candidates if part in m.model_fields), None)
        if owner is not None:
            candidates = _models_in(owner.model_fields[str(part)].annotation)
        elif not isinstance(part, int) and part != loc[-1] and candidates:
            candidates = [m for m in candidates if _answers_to(m, part)] or candidates
            known = list(candidates[0].model_fields)
            continue
        elif part in _TAGS:
            continue
        if owner is not None and candidates:
            known = list(candidates[0].model_fields)
        kept.append(part)
    return tuple(kept), known


def _answers_to(model: type[BaseModel], tag: str) -> bool:
    """Tell whether a member of a union is the one that pydantic calls `tag`."""
    return model.__name__ == tag or any(field.default == tag for field in model.model_fields.values())


def _models_in(annotation: object) -> list[type[BaseModel]]:
    """Return the pydantic models in a (nested) annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
