"""The person: sex, age, height and weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from medsynth.core.errors import RecipeError, expected

Sex = Literal["female", "male"]

SEXES: Final[tuple[Sex, Sex]] = ("female", "male")

# What a body can be built for: adults, a little beyond the 1st and 99th percentiles of the population on both sides.
LIMITS: Final[dict[str, tuple[float, float]]] = {
    "age_years": (18.0, 95.0),
    "height_cm": (130.0, 220.0),
    "weight_kg": (30.0, 250.0),
    "bmi": (12.0, 80.0),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """An adult; every size of a body follows from these numbers and a residual spread.

    Attributes
    ----------
    sex : "female" or "male".
    age_years, height_cm, weight_kg : plain numbers.

    Raises
    ------
    RecipeError
        If a number is not finite or outside `LIMITS`, the body mass index included.
    """

    sex: Sex
    age_years: float
    height_cm: float
    weight_kg: float

    def __post_init__(self) -> None:
        if self.sex not in SEXES:
            raise RecipeError(expected("subject.sex", self.sex, "'female' or 'male'"))
        for name in ("age_years", "height_cm", "weight_kg"):
            object.__setattr__(self, name, checked(name, getattr(self, name)))
        checked("bmi", round(self.bmi, 6))  # a BMI asked for at the limit must survive the rounding of its weight

    @property
    def bmi(self) -> float:
        """Body mass index in kg/m^2."""
        return self.weight_kg / (self.height_cm / 100) ** 2

    @property
    def bsa_m2(self) -> float:
        """Body surface area in m^2 (Du Bois and Du Bois 1916)."""
        return float(0.007184 * self.height_cm**0.725 * self.weight_kg**0.425)


def checked(name: str, value: object) -> float:
    """Return the value of a subject's field as a float, or raise RecipeError if no adult has it."""
    low, high = LIMITS[name]
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not low <= number <= high or isinstance(value, bool | str):
        raise RecipeError(expected(f"subject.{name}", value, f"a number in {low:g}..{high:g}"))
    return number
