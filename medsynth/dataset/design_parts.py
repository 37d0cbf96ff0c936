"""The part `design` of a recipe: how the cases of a dataset differ from each other, by rule rather than by chance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from medsynth.dataset.parts import Part

Covariate = Literal["age_years", "height_cm", "weight_kg", "bmi", "female", "male"]
Share = Annotated[float, Field(ge=0, le=1)]
SUBJECT = "subject."
_KINDS = ("choice", "uniform", "log_uniform")


class Varied(Part):
    """A value that differs between cases: one of `choice` (with `weights`), or a number of `uniform`, `log_uniform`.

    `whole` rounds numbers.
    """

    choice: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None
    weights: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    uniform: tuple[float, float] | None = None
    log_uniform: tuple[float, float] | None = None
    whole: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in _KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"one of {', '.join(_KINDS)} is needed, got {' and '.join(given) or 'none'}")
        if self.weights is not None and (self.choice is None or len(self.weights) != len(self.choice)
                                         or sum(self.weights) <= 0):
            raise ValueError("weights must be as many as there are values in choice, and not all 0")
        if self.choice is None and not self.ends[0] <= self.ends[1]:
            raise ValueError(f"{given[0]} must be [low, high], got {list(self.ends)}")
        if self.log_uniform is not None and self.log_uniform[0] <= 0:
            raise ValueError(f"log_uniform must be > 0, got {list(self.log_uniform)}")
        return self

    @property
    def ends(self) -> tuple[Any, Any]:
        """The lowest and the highest number, or the first and the last choice."""
        return self.uniform or self.log_uniform or ((self.choice or (None,))[0], (self.choice or (None,))[-1])

    @property
    def extremes(self) -> tuple[Any, ...]:
        """Every choice, or both ends."""
        return self.choice or self.ends

    def at(self, share: float) -> Any:
        """Return the value at this share, 0 to 1, of the distribution."""
        if self.choice is not None:
            weights = self.weights or (1.0,) * len(self.choice)
            left = share * sum(weights)
            for value, weight in zip(self.choice, weights, strict=True):
                left -= weight
                if left < 0 and weight > 0:
                    return value
            return [value for value, weight in zip(self.choice, weights, strict=True) if weight > 0][-1]
        low, high = self.ends
        number = (low + (high - low) * share if self.uniform is not None
                  else math.exp(math.log(low) + (math.log(high) - math.log(low)) * share))
        return round(number) if self.whole else number


class ClassPart(Part):
    """One class of a partition: `share` of the cases has these `lesions` (entries of the recipe's list) alone."""

    share: Share
    lesions: tuple[Annotated[int, Field(ge=0)], ...] | None = None
    set: dict[str, Any] = Field(default={})


class QuotaPart(Part):
    """What exactly this `share`, or `count`, of the cases has: `lesions` that no other has, values to `set`."""

    share: Share | None = None
    count: Annotated[int, Field(ge=0)] | None = None
    lesions: tuple[Annotated[int, Field(ge=0)], ...] = ()
    set: dict[str, Any] = Field(default={})

    @model_validator(mode="after")
    def _how_many(self) -> Self:
        if (self.share is None) == (self.count is None):
            raise ValueError("share or count is needed, and not both")
        return self


class PrevalencePart(Part):
    """A lesion entry that is there with probability 1 / (1 + exp(-(intercept + sum of coefficient x covariate)))."""

    lesion: Annotated[int, Field(ge=0)]
    intercept: float
    coefficients: dict[Covariate, float] = Field(default={})


class HeldOutPart(Part):
    """Values that the cases of one split alone have, and all of them have: `values`, or numbers of `min` to `max`."""

    split: str
    path: str
    values: tuple[Any, ...] | None = None
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if (self.values is None) == (self.min is None and self.max is None):
            raise ValueError("values, or min and max, are needed, and not both")
        return self


def _pairs(value: Any) -> Any:
    return tuple(tuple(entry) if isinstance(entry, list) else entry for entry in value or ())


class DesignPart(Part):
    """How a dataset is composed.

    Attributes
    ----------
    size : number of cases over which shares are exact; needed for `quotas` and `latin_hypercube`.
    vary : dotted path in the recipe -> its distribution.
    classes : a partition of the cases.
    quotas : shares of the cases, each independent of the others and of the classes.
    prevalence : lesion entries whose presence depends on the subject.
    strata : field of the subject -> its sexes, or the edges of its ranges; every combination as often.
    splits : name -> share. A case is one subject with all its images, so that no subject is in two splits.
    held_out : what one split alone has.
    latin_hypercube : spread the subject and what varies evenly over their ranges.
    correlations : (path, path, correlation of their normal scores).
    """

    size: Annotated[int, Field(ge=1)] | None = None
    vary: dict[str, Varied] = Field(default={})
    classes: dict[str, ClassPart] = Field(default={})
    quotas: dict[str, QuotaPart] = Field(default={})
    prevalence: tuple[PrevalencePart, ...] = ()
    strata: dict[Literal["sex", "age_years", "height_cm", "weight_kg", "bmi"], tuple[Any, ...]] = Field(default={})
    splits: dict[str, Share] = Field(default={})
    held_out: tuple[HeldOutPart, ...] = ()
    latin_hypercube: bool = False
    correlations: Annotated[tuple[tuple[str, str, Annotated[float, Field(gt=-1, lt=1)]], ...],
                            BeforeValidator(_pairs)] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, needs in (("quotas", bool(self.quotas)), ("latin_hypercube", self.latin_hypercube)):
            if needs and self.size is None:
                raise ValueError(f"size is missing: {name} are exact over a number of cases that must be known")
        for name, shares in (("classes", [part.share for part in self.classes.values()]),
                             ("splits", list(self.splits.values()))):
            if shares and abs(sum(shares) - 1) > 1e-6:
                raise ValueError(f"{name} must have shares that sum to 1, got {sum(shares):g}")
        for held in self.held_out:
            if held.split not in self.splits:
                raise ValueError(f"held_out must name one of the splits, got {held.split!r}")
        if self.latin_hypercube and self.correlations:
            raise ValueError("correlations must be empty with latin_hypercube")
        for name, edges in self.strata.items():
            if name != "sex" and (len(edges) < 2 or list(edges) != sorted(edges)):
                raise ValueError(f"strata.{name} must be rising edges, got {list(edges)}")
        return self


def hoisted(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return recipe data in which `{choice: ...}` and `{uniform: ...}` in acquisitions stand in `design.vary`."""
    found: dict[str, Any] = {}

    def without(value: Any, path: str) -> Any:
        if not isinstance(value, Mapping):
            return value
        if set(value) & set(_KINDS) and set(value) <= set(Varied.model_fields):
            found[path] = dict(value)
            kind = next(name for name in _KINDS if name in value)
            return value[kind][0] if isinstance(value[kind], list | tuple) and value[kind] else None
        return {key: without(part, f"{path}.{key}") for key, part in value.items()}

    acquisitions = without(data.get("acquisitions"), "acquisitions")
    if not found:
        return dict(data)
    design = dict(data.get("design") or {})
    design["vary"] = {**found, **(design.get("vary") or {})}
    return {**data, "acquisitions": acquisitions, "design": design}
