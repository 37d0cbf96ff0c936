"""The person: sex, age, height and weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sex = Literal["female", "male"]


@dataclass(frozen=True, slots=True)
class Subject:
    """An adult; every size of a body follows from these numbers and a residual spread.

    Attributes
    ----------
    sex : "female" or "male".
    age_years, height_cm, weight_kg : plain numbers.
    """

    sex: Sex
    age_years: float
    height_cm: float
    weight_kg: float

    @property
    def bmi(self) -> float:
        """Body mass index in kg/m^2."""
        return self.weight_kg / (self.height_cm / 100) ** 2

    @property
    def bsa_m2(self) -> float:
        """Body surface area in m^2 (Du Bois and Du Bois 1916)."""
        return float(0.007184 * self.height_cm**0.725 * self.weight_kg**0.425)
