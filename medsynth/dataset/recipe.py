"""The recipe: everything that decides what a dataset holds, checked before anything runs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, InstanceOf, SerializeAsAny, model_serializer

from medsynth.core.errors import RecipeError, expected
from medsynth.core.seed import Seed
from medsynth.dataset.course import CoursePart
from medsynth.dataset.design_parts import DesignPart, hoisted
from medsynth.dataset.difficulty import DifficultyPart
from medsynth.dataset.parts import FormatsPart, NiftiOptions, Part, PhantomPart, SubjectPart, checked
from medsynth.dataset.reading import apply_overrides, read_recipe
from medsynth.dataset.refine_part import RefinePart, pinned
from medsynth.dataset.tables import MODALITIES
from medsynth.dataset.wording import check_finite, did_you_mean, unknown_key
from medsynth.lesions.families import FAMILIES
from medsynth.scene.body import GROUP, load_body
from medsynth.scene.population import sample_subject

_ACQUISITION_NAME = re.compile(r"[a-z0-9_-]+")
# These endings name the files beside an image, e.g. ct_labels.nii.gz.
_RESERVED_ENDINGS = ("_labels", "_lesions", "_masks", "_lesion_fraction", "_lesion_parts", "_thickness", "_twin")
_RESERVED_NAMES = ("annotations", "preview")  # of the files of every case
_BESIDE_OPTIONS = ("course", "difficulty")  # keys of a lesion entry that are not its family's


class LesionPart(Part):
    """One entry of the list of lesions: the family and its own options; flat in the file."""

    kind: str
    options: SerializeAsAny[InstanceOf[BaseModel]]
    course: CoursePart | None = None
    difficulty: DifficultyPart | None = None

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        flat = {"kind": self.kind, **self.options.model_dump(mode="json", exclude={"family"})}
        for name in _BESIDE_OPTIONS:
            part = getattr(self, name)
            if part is not None:
                flat[name] = part.model_dump(mode="json", exclude_none=True)
        return flat


class Recipe(Part):
    """A whole recipe. Make it with `load_recipe`, which checks every part with the model of its own family.

    Attributes
    ----------
    name, description : for people; they change nothing in the images.
    acquisitions : protocol by name; the name becomes the file name.
    refine : what changes the look of images, and how far.
    visits : day of each acquisition that is not made on the first day; the lesions' `course` goes by it.
    """

    name: str = "custom"
    description: str = ""
    phantom: PhantomPart
    subject: SubjectPart = SubjectPart()
    lesions: tuple[InstanceOf[LesionPart], ...] = ()
    acquisitions: Annotated[dict[str, SerializeAsAny[InstanceOf[BaseModel]]], Field(min_length=1)]
    visits: dict[str, Annotated[float, Field(ge=0)]] = Field(default={})
    refine: InstanceOf[RefinePart] | None = None
    design: DesignPart | None = None
    formats: FormatsPart = FormatsPart(nifti=NiftiOptions())

    def resolved(self) -> dict[str, Any]:
        """Return the recipe with every default filled in, as JSON values; `load_recipe` reads it back."""
        data = self.model_dump(mode="json")
        data["subject"] = {key: value for key, value in data["subject"].items() if value is not None}
        data["formats"] = {key: value for key, value in data["formats"].items() if value is not None}
        if not data["phantom"]["spec"]:
            del data["phantom"]["spec"]
        if not self.visits:
            del data["visits"]
        if self.design is None:
            del data["design"]
        else:
            data["design"] = self.design.model_dump(mode="json", exclude_defaults=True)
        if self.refine is not None:
            data["refine"] = self.refine.model_dump(mode="json", exclude_none=True)
        return data

    def fingerprint(self) -> str:
        """Return a hash of all that decides the files: equal recipes give equal fingerprints."""
        data = {key: value for key, value in self.resolved().items() if key not in ("name", "description")}
        if self.refine is not None:
            data["refine"] = {key: value for key, value in self.refine.as_kept().items()
                              if key not in ("model", "reference")}
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def load_recipe(source: str | Path | Mapping[str, Any] | Recipe, *,
                overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Return the checked recipe of a built-in name, a YAML file or a mapping.

    Parameters
    ----------
    source : e.g. `"chest-ct-nodules"`, `"mine.yaml"`, `{"phantom": {"body": "thorax"}, ...}`.
    overrides : dotted path -> value, e.g. `{"acquisitions.ct.kvp": 100, "lesions.0.count": 3}`.

    Raises
    ------
    RecipeError
        One line that names the field's path, its value and what was expected.
    """
    if isinstance(source, Recipe):
        data, name = source.resolved(), source.name
    elif isinstance(source, Mapping):
        data, name = dict(source), "custom"
    else:
        data, name = read_recipe(source), Path(str(source)).stem
    data = apply_overrides({"name": name, **data}, overrides or {})
    check_finite(data)
    recipe = _recipe(hoisted(data))
    if recipe.design is not None:
        from medsynth.dataset.design import check_design

        check_design(recipe)
    return recipe


def with_formats(recipe: Recipe, names: str | list[str] | tuple[str, ...]) -> Recipe:
    """Return the recipe with these formats alone."""
    changed = recipe.model_copy(update={"formats": recipe.formats.only(names)})
    _check_formats(changed)
    return changed


def check_whole(name: str, value: object, least: int) -> None:
    """Raise unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise RecipeError(expected(name, value, f"a whole number >= {least}"))


def _recipe(data: Mapping[str, Any]) -> Recipe:
    """Check every part with its own model, then the whole."""
    for key in data:
        if key not in Recipe.model_fields:
            raise unknown_key((str(key),), Recipe.model_fields)
    parts = dict(data)
    parts["lesions"] = _lesions(data.get("lesions") or [])
    if "acquisitions" in data:
        phantom = data.get("phantom")
        scan_range = phantom.get("range") if isinstance(phantom, Mapping) else None
        parts["acquisitions"] = _acquisitions(data["acquisitions"], scan_range)
    for key, default in (("subject", {}), ("formats", ["nifti"])):
        if parts.get(key) is None:
            parts[key] = default
    if data.get("refine") is not None:
        flat = {name for name, modality in MODALITIES.items() if modality.projection}
        part = checked(RefinePart, data["refine"], ("refine",))
        parts["refine"] = pinned(part, parts.get("acquisitions") or {}, flat)
    recipe = checked(Recipe, parts, ())
    _check_body(recipe)
    _check_formats(recipe)
    _check_visits(recipe)
    someone = sample_subject(recipe.subject.constraints(), rng=Seed(0).rng())  # raises where no adult meets them
    if recipe.phantom.spec:
        _check_spec(recipe.phantom, load_body(recipe.phantom.body).sample_spec(someone, rng=Seed(0).rng()))
    return recipe


def _check_visits(recipe: Recipe) -> None:
    """Check that visits and difficulties are of acquisitions that there are."""
    names = list(recipe.acquisitions)
    asked = {f"visits.{name}": name for name in recipe.visits}
    asked |= {f"lesions.{n}.difficulty.acquisition": part.difficulty.acquisition
              for n, part in enumerate(recipe.lesions) if part.difficulty is not None}
    for path, name in asked.items():
        if name not in names:
            raise RecipeError(expected(path, name, f"one of the acquisitions {', '.join(names)}"))
    if any(part.course is not None for part in recipe.lesions) and not recipe.visits:
        raise RecipeError("lesions: a course needs visits, e.g. visits: {followup: 90}")


def _check_formats(recipe: Recipe) -> None:
    """Check that what is written as pictures is flat."""
    if recipe.formats.png is not None and not any(
            MODALITIES[str(protocol.modality)].projection for protocol in recipe.acquisitions.values()):  # type: ignore[attr-defined]
        flat = [name for name, modality in MODALITIES.items() if modality.projection]
        raise RecipeError(f"formats: png is for projections alone, and needs an acquisition of modality "
                          f"{' or '.join(flat)}; got {', '.join(recipe.acquisitions)}")


def _check_body(recipe: Recipe) -> None:
    """Check that the body is installed and has the ranges that are scanned."""
    name = recipe.phantom.body
    bodies = sorted(entry.name for entry in entry_points(group=GROUP))
    if name not in bodies:
        raise RecipeError(expected("phantom.body", name, "an installed body") + did_you_mean(name, bodies))
    ranges = load_body(name).scan_ranges
    asked = {"phantom.range": recipe.phantom.range}
    asked |= {f"acquisitions.{key}.scan_range": getattr(protocol, "scan_range", None)
              for key, protocol in recipe.acquisitions.items()}
    for path, value in asked.items():
        if value is not None and value not in ranges:
            raise RecipeError(expected(path, value, f"a range of {name}") + did_you_mean(value, ranges))


def _check_spec(phantom: PhantomPart, drawn: Mapping[str, Any]) -> None:
    """Check that what the recipe fixes are numbers that the body draws."""
    known = {key: value for key, value in drawn.items() if key not in ("version", "seed")}
    for key, value in phantom.spec.items():
        if key not in known:
            raise unknown_key(("phantom", "spec", key), known)
        if _form(value) != _form(known[key]):
            raise RecipeError(expected(f"phantom.spec.{key}", value, f"of the form of {known[key]!r}"))


def _form(value: object) -> object:
    """Return what two JSON values must share to stand in for each other: numbers, words, or lists of such."""
    if isinstance(value, list | tuple):
        return [_form(part) for part in value]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def _lesions(entries: object) -> tuple[LesionPart, ...]:
    """Check each entry of the list with the options of its family."""
    if not isinstance(entries, list | tuple):
        raise RecipeError(expected("lesions", entries, "a list"))
    return tuple(_lesion(entry, index) for index, entry in enumerate(entries))


def _lesion(entry: object, index: int) -> LesionPart:
    path = ("lesions", index)
    kind, options = _named_by("kind", entry, path, list(FAMILIES))
    beside = {key: options.pop(key) for key in _BESIDE_OPTIONS if key in options}
    options = {key: _uniform_if_bounded(value) for key, value in options.items()}
    course, difficulty = beside.get("course"), beside.get("difficulty")
    return LesionPart(
        kind=kind, options=checked(FAMILIES[kind].options, options, path),
        course=None if course is None else checked(CoursePart, course, (*path, "course")),
        difficulty=None if difficulty is None else checked(DifficultyPart, difficulty, (*path, "difficulty")))


def _uniform_if_bounded(value: object) -> object:
    """Return `{min, max}` in the families' own words: a uniform distribution."""
    if isinstance(value, Mapping) and set(value) == {"min", "max"}:
        return {"distribution": "uniform", "low": value["min"], "high": value["max"]}
    return value


def _acquisitions(entries: object, scan_range: object) -> dict[str, BaseModel]:
    """Check each named acquisition with the protocol of its modality; the phantom's range is the default of theirs."""
    if not isinstance(entries, Mapping):
        raise RecipeError(expected("acquisitions", entries, "a mapping from names to protocols"))
    found: dict[str, BaseModel] = {}
    for name, entry in entries.items():
        taken = str(name).endswith(_RESERVED_ENDINGS) or name in _RESERVED_NAMES
        if taken or not _ACQUISITION_NAME.fullmatch(str(name)):
            rule = (f"of a-z, 0-9, _ and -, not end in {', '.join(_RESERVED_ENDINGS)}, and not be "
                    f"{' or '.join(_RESERVED_NAMES)}")
            raise RecipeError(expected("the name of an acquisition", name, rule))
        path = ("acquisitions", str(name))
        modality, _ = _named_by("modality", entry, path, list(MODALITIES))
        protocol = MODALITIES[modality].protocol()
        default = {"scan_range": scan_range} if scan_range is not None and "scan_range" in protocol.model_fields else {}
        found[str(name)] = checked(protocol, {**default, **entry}, path)
    return found


def _named_by(key: str, entry: object, path: tuple[str | int, ...], known: list[str]) -> tuple[str, dict[str, Any]]:
    """Return the table key of an entry and the rest of it."""
    where = ".".join(str(part) for part in path)
    if not isinstance(entry, Mapping):
        raise RecipeError(expected(where, entry, "a mapping"))
    if key not in entry:
        raise RecipeError(f"{where}.{key} is missing{did_you_mean('', known)}")
    if entry[key] not in known:
        raise RecipeError(expected(f"{where}.{key}", entry[key], f"one of {known}") + did_you_mean(entry[key], known))
    return str(entry[key]), {name: value for name, value in entry.items() if name != key}
