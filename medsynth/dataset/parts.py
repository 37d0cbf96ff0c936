"""Parts of a recipe that no scanner and no lesion family knows: body, subject, formats."""

from __future__ import annotations

from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError, model_serializer, model_validator

from medsynth.dataset.wording import recipe_error
from medsynth.scene.population import SubjectConstraints

Model = TypeVar("Model", bound=BaseModel)


class Part(BaseModel):
    """A part of a recipe: frozen, finite numbers, and no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Bounded(Part):
    """A number between `min` and `max`; a plain number in a recipe fixes it."""

    min: float
    max: float

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, data: object) -> object:
        if isinstance(data, int | float) and not isinstance(data, bool):
            return {"min": data, "max": data}
        return data

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min must be <= max, got {self.min:g} > {self.max:g}")
        return self

    @property
    def plain(self) -> float | tuple[float, float]:
        """The number, or (min, max)."""
        return self.min if self.min == self.max else (self.min, self.max)

    @model_serializer
    def _as_written(self) -> float | dict[str, float]:
        return self.min if self.min == self.max else {"min": self.min, "max": self.max}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the schema of both spellings: a number, or a mapping."""
        return {"anyOf": [{"type": "number"}, handler(core_schema)]}


class PhantomPart(Part):
    """Which body, and which part of it is scanned; `spec` fixes numbers of the body that are drawn otherwise."""

    body: str
    range: str | None = None
    spec: dict[str, Any] = {}


class SubjectPart(Part):
    """What is known of the person: absent = sampled, a number = fixed, `{min, max}` = sampled in between."""

    sex: Literal["female", "male"] | None = None
    age_years: Bounded | None = None
    height_cm: Bounded | None = None
    weight_kg: Bounded | None = None
    bmi: Bounded | None = None

    def constraints(self) -> SubjectConstraints:
        """Return what the population is drawn within; raises for numbers that no adult has."""
        bounds = {name: getattr(self, name) for name in ("age_years", "height_cm", "weight_kg", "bmi")}
        return SubjectConstraints(sex=self.sex, **{name: bound and bound.plain for name, bound in bounds.items()})


class NiftiOptions(Part):
    """NIfTI files, fast gzip; nothing to choose yet."""


class DicomOptions(Part):
    """DICOM image series, SEG and SR; `segmentation` and `organs` say how lesion and organ SEG store their masks."""

    segmentation: Literal["binary", "labelmap"] = "binary"
    organs: Literal["labelmap", "binary", "none"] = "labelmap"


class PngOptions(Part):
    """Grayscale PNG of projections, 16 bits; nothing to choose yet."""


class FormatsPart(Part):
    """Which files are written: a list of names, or a mapping from names to options (null: not written)."""

    nifti: NiftiOptions | None = None
    dicom: DicomOptions | None = None
    png: PngOptions | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_names(cls, data: object) -> object:
        if isinstance(data, str):
            data = [name.strip() for name in data.split(",") if name.strip()]
        if not isinstance(data, list | tuple):
            return data
        return {str(name): {} for name in data}

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.names:
            raise ValueError(f"at least one of {', '.join(type(self).model_fields)} is needed")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The formats that are written."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)

    def only(self, names: str | list[str] | tuple[str, ...]) -> FormatsPart:
        """Return these formats alone, with the options they have here."""
        chosen = checked(FormatsPart, list(names) if not isinstance(names, str) else names, ("formats",))
        return FormatsPart(**{name: getattr(self, name) or getattr(chosen, name) for name in chosen.names})


def checked(model: type[Model], data: Any, path: tuple[str | int, ...]) -> Model:
    """Return `data` as `model`; `path` is where it stands in the recipe."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise recipe_error(error, model, path) from None
