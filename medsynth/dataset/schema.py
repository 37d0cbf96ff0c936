"""The JSON schema of a recipe file, for editors and programs; published as recipe.schema.json beside this file."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from medsynth.dataset.course import CoursePart
from medsynth.dataset.design_parts import DesignPart
from medsynth.dataset.difficulty import DifficultyPart
from medsynth.dataset.parts import FormatsPart, PhantomPart, SubjectPart
from medsynth.dataset.refine_part import RefinePart
from medsynth.dataset.tables import MODALITIES
from medsynth.lesions.families import FAMILIES

_PARTS: tuple[type[BaseModel], ...] = (PhantomPart, SubjectPart, DesignPart, FormatsPart, CoursePart,
                                      DifficultyPart, RefinePart)


def build_schema() -> dict[str, Any]:
    """Return the schema with the options of every modality and lesion family in the tables."""
    protocols = {name: modality.protocol() for name, modality in MODALITIES.items()}
    options = {name: family.options for name, family in FAMILIES.items()}
    models = [*_PARTS, *protocols.values(), *options.values()]
    places, definitions = models_json_schema([(model, "validation") for model in models])
    of = {model: place for (model, _), place in places.items()}
    parts: dict[str, Any] = definitions["$defs"]
    for kind, model in options.items():
        _add_kind(parts[_target(of[model])], kind)
        _add_short_forms(parts[_target(of[model])])
        parts[_target(of[model])]["properties"] |= {"course": of[CoursePart], "difficulty": of[DifficultyPart]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "medsynth recipe",
        "type": "object",
        "additionalProperties": False,
        "required": ["phantom", "acquisitions"],
        "properties": {
            "name": {"type": "string"},
            "description": {"type": "string"},
            "phantom": of[PhantomPart],
            "subject": _or_null(of[SubjectPart]),
            "lesions": _or_null({"type": "array", "items": _any_of([of[model] for model in options.values()])}),
            "acquisitions": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": False,
                "patternProperties": {"^[a-z0-9_-]+$": _any_of([of[model] for model in protocols.values()])},
            },
            "visits": {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}},
            "refine": _or_null(of[RefinePart]),
            "design": _or_null(of[DesignPart]),
            "formats": _or_null({"anyOf": [of[FormatsPart], {"type": "string"}, {
                "type": "array", "minItems": 1, "items": {"enum": list(FormatsPart.model_fields)}}]}),
        },
        "$defs": parts,
    }


def published_schema() -> dict[str, Any]:
    """Return the schema that comes with this version as a file."""
    text = (files("medsynth") / "dataset" / "recipe.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _target(reference: dict[str, Any]) -> str:
    return str(reference["$ref"]).rsplit("/", 1)[-1]


def _add_kind(definition: dict[str, Any], kind: str) -> None:
    """Put `kind`, by which a recipe names the family, in the place of the family's own word."""
    definition["properties"].pop("family", None)
    definition["properties"] = {"kind": {"const": kind}, **definition["properties"]}
    definition["required"] = ["kind", *definition.get("required", [])]


def _add_short_forms(definition: dict[str, Any]) -> None:
    """Let a number or `{min, max}` stand for a distribution, as the loader does."""
    bounds = {"type": "object", "additionalProperties": False, "required": ["min", "max"],
              "properties": {"min": {"type": "number"}, "max": {"type": "number"}}}
    for name, schema in definition["properties"].items():
        if schema.get("discriminator", {}).get("propertyName") == "distribution":
            definition["properties"][name] = {"anyOf": [schema, {"type": "number"}, bounds]}


def _any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


if __name__ == "__main__":  # renews the published file: python -m medsynth.dataset.schema
    Path(__file__).with_name("recipe.schema.json").write_text(
        json.dumps(build_schema(), indent=1) + "\n", encoding="utf-8")
