"""What a recipe's design makes of one case: a pure function of recipe, seed and index, so that shards agree.

Shares that must be exact are dealt over `design.size` cases at once (`deal`); everything else is drawn for each case.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from medsynth.core.errors import RecipeError, expected
from medsynth.core.seed import Seed
from medsynth.dataset.deal import Indices, deal, joined, shuffled
from medsynth.dataset.design_parts import SUBJECT, ClassPart, DesignPart, HeldOutPart, QuotaPart, Varied
from medsynth.dataset.parts import checked
from medsynth.dataset.reading import apply_overrides
from medsynth.dataset.recipe import Recipe, load_recipe
from medsynth.scene.population import subject_at
from medsynth.scene.subject import LIMITS, Subject

# The four numbers that decide a subject, in the order of `subject_at`.
_DRAWS = ("subject.age_years", "subject.sex", "subject.height_cm", "subject.bmi")
_AGES = (18.0, 90.0)  # of the population, where a recipe asks for no other


@dataclass(frozen=True)
class CaseDesign:
    """One case of a design.

    Attributes
    ----------
    recipe : of this case alone, without a design.
    subject : the person.
    told : what the manifest tells of it: class, stratum, quotas, split, values, lesions.
    """

    recipe: Recipe
    subject: Subject
    told: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _Table:
    """What was dealt over all cases: (n,) numbers of class, stratum and split; by quota (n,) whether a case has it."""

    classes: Indices
    strata: Indices
    splits: Indices
    quotas: dict[str, Indices]


def case_design(recipe: Recipe, seed: int, index: int) -> CaseDesign:
    """Return case `index` of a recipe with a design.

    Raises
    ------
    RecipeError
        If the index is beyond the design's size, or if what was drawn cannot be.
    """
    design = recipe.design
    if design is None:
        raise RecipeError("design is missing")
    if design.size is not None and index >= design.size:
        raise RecipeError(expected("index", index, f"< {design.size}, the size of the design"))
    place = _place(design, seed, index)
    overrides = _values(design, seed, index, place)
    told_values = {path: value for path, value in overrides.items() if not path.startswith(SUBJECT)}
    overrides |= _subject(recipe, design, place, overrides)
    case_recipe = varied_recipe(recipe, overrides)
    subject = subject_at(case_recipe.subject.constraints(), _draws(design, seed, index))
    present = _present(design, place, subject, len(recipe.lesions), seed, index)
    lesions = tuple(part for number, part in enumerate(case_recipe.lesions) if number in present)
    told = {name: value for name, value in place.items() if value not in (None, [])}
    if recipe.lesions:
        told["lesions"] = sorted(present)
    if told_values:
        told["values"] = told_values
    return CaseDesign(case_recipe.model_copy(update={"lesions": lesions}), subject, told)


def varied_recipe(recipe: Recipe, overrides: Mapping[str, Any]) -> Recipe:
    """Return the recipe without its design and with these values, checked."""
    data = {key: value for key, value in recipe.resolved().items() if key != "design"}
    return load_recipe(apply_overrides(data, overrides))


def check_design(recipe: Recipe) -> None:
    """Raise for a design that names what is not there, or that has values which the recipe cannot take."""
    design = recipe.design
    if design is None:
        return
    groups: dict[str, ClassPart | QuotaPart] = {f"classes.{name}": part for name, part in design.classes.items()}
    groups |= {f"quotas.{name}": quota for name, quota in design.quotas.items()}
    named = [(f"design.{where}.lesions", number) for where, part in groups.items() for number in part.lesions or ()]
    named += [(f"design.prevalence.{at}.lesion", one.lesion) for at, one in enumerate(design.prevalence)]
    for where, number in named:
        if number >= len(recipe.lesions):
            raise RecipeError(expected(where, number, f"an entry of the {len(recipe.lesions)} in lesions, from 0"))
    sets = [(f"design.vary.{path}", path, varied) for path, varied in design.vary.items()]
    sets += [(f"design.{where}.set.{path}", path, _as_varied(value, f"design.{where}.set.{path}"))
             for where, part in groups.items() for path, value in part.set.items()]
    for where, path, varied in sets:
        for value in varied.extremes:
            try:
                varied_recipe(recipe, {path: value})
            except RecipeError as error:
                raise RecipeError(f"{where}: {error}") from error
    known = {*_DRAWS, *design.vary}
    for first, second, _ in design.correlations:
        for path in (first, second):
            if path not in known:
                raise RecipeError(expected("design.correlations", path, f"one of {', '.join(sorted(known))}"))
    for held in design.held_out:
        if held.path not in design.vary and held.path.removeprefix(SUBJECT) not in (*LIMITS, "sex"):
            raise RecipeError(expected("design.held_out path", held.path, "in design.vary, or of the subject"))
    _correlation(design)
    for split in design.splits or [None]:  # what is left over must be something
        for path, varied in design.vary.items():
            _restricted(varied, path, design, split)
        varied_recipe(recipe, _held_subject(recipe, design, split, {}))


def _place(design: DesignPart, seed: int, index: int) -> dict[str, Any]:
    """Return class, stratum, quotas and split of a case."""
    cells = _cells(design)
    if design.size is None:
        names = (("class", list(design.classes), [part.share for part in design.classes.values()]),
                 ("split", list(design.splits), list(design.splits.values())))
        place: dict[str, Any] = {
            kind: Varied(choice=tuple(options), weights=tuple(shares)).at(_uniform(seed, kind, index))
            if options else None for kind, options, shares in names}
        at = int(_uniform(seed, "stratum", index) * len(cells))
        return {**place, "stratum": cells[at] or None, "quotas": []}
    table = _table(design.model_dump_json(), seed)
    classes, splits = list(design.classes), list(design.splits)
    return {"class": classes[table.classes[index]] if classes else None,
            "split": splits[table.splits[index]] if splits else None,
            "stratum": cells[table.strata[index]] or None,
            "quotas": [name for name, dealt in table.quotas.items() if dealt[index]]}


@lru_cache(maxsize=4)
def _table(design_json: str, seed: int) -> _Table:
    """Deal everything that is exact; once in a process, since it is the same for all cases."""
    design = DesignPart.model_validate_json(design_json)
    size, root = design.size or 0, Seed(seed).child("design")
    nothing = np.zeros(size, np.int64)
    shares = [part.share for part in design.classes.values()]
    classes = deal(shares, nothing, root.child("classes")) if shares else nothing
    strata = deal([1.0] * len(_cells(design)), classes, root.child("strata"))
    groups, quotas = joined(classes, strata), {}
    for name, part in design.quotas.items():
        count = part.count if part.count is not None else round((part.share or 0) * size)
        if count > size:
            raise RecipeError(expected(f"design.quotas.{name}.count", count, f"<= {size}, the size of the design"))
        quotas[name] = deal([size - count, count], groups, root.child("quotas", name))
        groups = joined(groups, quotas[name])
    splits = deal(list(design.splits.values()), groups, root.child("splits")) if design.splits else nothing
    return _Table(classes, strata, splits, quotas)


def _cells(design: DesignPart) -> list[dict[str, Any]]:
    """Return every combination of the strata, as values of the subject's fields."""
    options = [[(name, value) for value in values] if name == "sex"
               else [(name, {"min": low, "max": high}) for low, high in itertools.pairwise(values)]
               for name, values in design.strata.items()]
    return [dict(cell) for cell in itertools.product(*options)]


def _uniform(seed: int, name: str, index: int) -> float:
    return float(Seed(seed).child("case", index, "design", name).rng().random())


@lru_cache(maxsize=64)
def _order(size: int, seed: int, name: str) -> Indices:
    return shuffled(size, Seed(seed).child("design", "latin", name))


def _share(design: DesignPart, seed: int, name: str, index: int) -> float:
    """Return how far along its distribution a case is in what is called `name`: 0 to 1."""
    if design.latin_hypercube and design.size is not None:
        return float((_order(design.size, seed, name)[index] + _uniform(seed, name, index)) / design.size)
    paths = _correlated(design)
    if name not in paths:
        return _uniform(seed, name, index)
    scores = ndtri([min(max(_uniform(seed, path, index), 1e-12), 1 - 1e-12) for path in paths])
    return float(ndtr(_correlation(design)[paths.index(name)] @ scores))


def _correlated(design: DesignPart) -> list[str]:
    return sorted({path for first, second, _ in design.correlations for path in (first, second)})


def _correlation(design: DesignPart) -> Any:
    """Return the lower triangle that makes independent normal scores correlated (Cholesky)."""
    paths = _correlated(design)
    matrix = np.eye(len(paths))
    for first, second, value in design.correlations:
        a, b = paths.index(first), paths.index(second)
        matrix[a, b] = matrix[b, a] = value
    try:
        return np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError as error:
        raise RecipeError("design.correlations cannot all be at once: they are not positive definite") from error


def _draws(design: DesignPart, seed: int, index: int) -> tuple[float, ...]:
    """Return the subject's four numbers; without reason to do otherwise, those it has without a design."""
    plain = Seed(seed).child("case", index, "subject").rng().random(4)
    spread = set(_DRAWS) if design.latin_hypercube else set(_correlated(design))
    return tuple(_share(design, seed, name, index) if name in spread else float(own)
                 for name, own in zip(_DRAWS, plain, strict=True))


def _values(design: DesignPart, seed: int, index: int, place: Mapping[str, Any]) -> dict[str, Any]:
    """Return what varies, by path: first what all cases have, then what the class and the quotas set."""
    values = {path: _restricted(varied, path, design, place["split"]).at(_share(design, seed, path, index))
              for path, varied in design.vary.items()}
    groups: list[tuple[str, ClassPart | QuotaPart]] = [
        (f"class {name}", design.classes[name]) for name in [place["class"]] if name is not None]
    groups += [(f"quota {name}", design.quotas[name]) for name in place["quotas"]]
    for where, part in groups:
        for path, value in part.set.items():
            values[path] = _as_varied(value, f"{where}: {path}").at(_uniform(seed, f"{where} {path}", index))
    return values


def _as_varied(value: Any, where: str) -> Varied:
    """Return a distribution, also of a value that never varies."""
    if isinstance(value, Mapping) and {"choice", "uniform", "log_uniform"} & set(value):
        return checked(Varied, value, (where,))
    return Varied(choice=(value,))


def _restricted(varied: Varied, path: str, design: DesignPart, split: str | None) -> Varied:
    """Return a distribution without what other splits hold, or of what this split holds alone."""
    for held in design.held_out:
        if held.path != path or split is None:
            continue
        if held.values is not None:
            weights = varied.weights or (1.0,) * len(varied.choice or ())
            kept = [(value, weight) for value, weight in zip(varied.choice or (), weights, strict=True)
                    if (value in held.values) == (held.split == split) and weight > 0]
            if not kept:
                raise RecipeError(f"design.held_out: {path} has no value left for split {split}")
            values, left = zip(*kept, strict=True)
            varied = varied.model_copy(update={"choice": values, "weights": left})
        else:
            if varied.choice is not None:
                raise RecipeError(f"design.held_out: {path} is chosen from values: name values, not min and max")
            kind = "uniform" if varied.uniform is not None else "log_uniform"
            varied = varied.model_copy(update={kind: _left(held, varied.ends, split)})
    return varied


def _left(held: HeldOutPart, ends: tuple[float, float], split: str | None) -> tuple[float, float]:
    """Return the part of a range that is held out, or what is left of it for other splits: at one of its ends."""
    low = max(ends[0], held.min if held.min is not None else ends[0])
    high = min(ends[1], held.max if held.max is not None else ends[1])
    if low > high:
        raise RecipeError(f"design.held_out: {held.path} has nothing in {held.min}..{held.max}")
    if held.split == split:
        return low, high
    if low <= ends[0] and high >= ends[1]:
        raise RecipeError(f"design.held_out: {held.path} has nothing left for split {split}")
    if low > ends[0] and high < ends[1]:
        raise RecipeError(f"design.held_out: {held.path} must be held out at one end of {ends[0]:g}..{ends[1]:g}, got "
                          f"{low:g}..{high:g}")
    return (ends[0], math.nextafter(low, -math.inf)) if low > ends[0] else (math.nextafter(high, math.inf), ends[1])


def _subject(recipe: Recipe, design: DesignPart, place: Mapping[str, Any],
             values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stratum and held-out values make of the subject, by path."""
    fields = {f"{SUBJECT}{name}": value for name, value in (place["stratum"] or {}).items()}
    given = {path: value for path, value in values.items() if path.startswith(SUBJECT)} | fields
    return fields | _held_subject(recipe, design, place["split"], given)


def _held_subject(recipe: Recipe, design: DesignPart, split: str | None,
                  given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for held in design.held_out:
        name = held.path.removeprefix(SUBJECT)
        if split is None or held.path in design.vary or not held.path.startswith(SUBJECT):
            continue
        if name == "sex":
            options = [sex for sex in ("female", "male") if (sex in (held.values or ())) == (held.split == split)]
            asked = given.get(held.path, recipe.subject.sex)
            kept = [sex for sex in options if asked in (None, sex)]
            if not kept:
                raise RecipeError(f"design.held_out: no sex is left for split {split}")
            if len(kept) == 1:
                found[held.path] = kept[0]
            continue
        bound = given.get(held.path, getattr(recipe.subject, name))
        ends = _AGES if name == "age_years" else LIMITS[name]
        if bound is not None:
            ends = ((bound["min"], bound["max"]) if isinstance(bound, Mapping)
                    else (bound.min, bound.max) if hasattr(bound, "min") else (bound, bound))
        low, high = _left(held, ends, split)
        found[held.path] = {"min": low, "max": high}
    return found


def _present(design: DesignPart, place: Mapping[str, Any], subject: Subject, entries: int, seed: int,
             index: int) -> set[int]:
    """Return which entries of the recipe's list of lesions a case has."""
    present = set(range(entries))
    if place["class"] is not None:
        chosen = design.classes[place["class"]].lesions
        present = present if chosen is None else set(chosen)
    for quota in design.quotas.values():
        present -= set(quota.lesions)
    for name in place["quotas"]:
        present |= set(design.quotas[name].lesions)
    covariates = {"age_years": subject.age_years, "height_cm": subject.height_cm, "weight_kg": subject.weight_kg,
                  "bmi": subject.bmi, "female": float(subject.sex == "female"), "male": float(subject.sex == "male")}
    for number, part in enumerate(design.prevalence):
        score = part.intercept + sum(value * covariates[name] for name, value in part.coefficients.items())
        if _uniform(seed, f"prevalence {number}", index) >= 1 / (1 + math.exp(-max(min(score, 700.0), -700.0))):
            present.discard(part.lesion)
    return present
