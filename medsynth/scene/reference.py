"""What a body of this sex, age and size is expected to measure, from published statistics, and how far people spread.

Each function gives the mean; an individual is the mean times a log-normal factor with the coefficient of variation in
`RESIDUAL_CV` (volumes) or plus a normal deviate with the standard deviation in `RESIDUAL_SD_CM` (girths, diameters).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from medsynth.core.errors import RecipeError, expected
from medsynth.scene.subject import Sex, Subject

# Spread that remains when the regression is known, as a fraction of the mean.
RESIDUAL_CV: Final[Mapping[str, float]] = {
    "lung": 0.12,  # GLI 2021, about 12 % of predicted
    "liver": 0.17,  # SD of 219 ml about 1281 ml in adults of one population; see `expected_liver_ml`
    "heart": 0.15,  # end-diastolic volumes spread by 18 % in 108 healthy adults (Hudsmith 2005), part of it by size
    "spleen": 0.44,  # 198 +- 88 ml (Caglar 2014)
}

RESIDUAL_SD_CM: Final[Mapping[str, float]] = {
    "waist": 5.0,  # waist about its line on BMI, from r of about 0.93 and an SD of 16 cm
    "effective_diameter": 1.9,  # r = 0.88 with BMI (doi:10.1186/s41747-018-0070-5)
    "chest_ap": 1.5,  # an assumption: total SD of 3 cm, BMI's share taken out
    "chest_lateral": 1.5,  # as above
}

# ICRP Publication 89: reference height (cm), weight (kg), heart with blood (g).
_ICRP: Final[Mapping[Sex, tuple[float, float, float]]] = {"male": (176.0, 73.0, 840.0), "female": (163.0, 60.0, 620.0)}

# GLI 2021, total lung capacity in litres: constant, factor of ln age (years), factor of ln height (cm).
_GLI_TLC: Final[Mapping[Sex, tuple[float, float, float]]] = {
    "male": (-10.5861, 0.1433, 2.3155), "female": (-10.1128, 0.1062, 2.2259)}

_BLOOD_AND_MUSCLE_G_PER_ML = 1.06  # ICRP Publication 89: blood 1.06, myocardium 1.05


def expected_lung_ml(subject: Subject) -> float:
    """Return the volume of both lungs on a supine CT at full inspiration, in ml.

    Total lung capacity of GLI 2021 (ln TLC linear in ln age and ln height; Hall 2021, doi:10.1183/13993003.00289-2020),
    taken at 50 years for every adult, since total lung capacity does not change with age (ECSC 1993), times 0.90: lungs
    are 10.9 % larger standing than supine (Respiration 2020).
    """
    constant, of_age, of_height = _GLI_TLC[subject.sex]
    litres = math.exp(constant + of_age * math.log(50.0) + of_height * math.log(subject.height_cm))
    return 0.90 * 1000.0 * litres


def expected_liver_ml(subject: Subject) -> float:
    """Return the liver volume in ml: 1267.28 BSA - 794.41 (Vauthey 2002, doi:10.1053/jlts.2002.31654; Western adults).

    Kept at 500 ml or more; the regression covers body surface areas from about 1.2 to 2.6 m^2.
    """
    return max(500.0, 1267.28 * subject.bsa_m2 - 794.41)


def expected_heart_ml(subject: Subject) -> float:
    """Return the volume of the heart with its blood, without pericardial fat, in ml.

    ICRP Publication 89 reference heart (840 g of a man, 620 g of a woman) scaled by height^0.75, the rule of the httk
    virtual population for organs, and by BMI^0.425, the weight exponent of body surface area, to which
    cardiac volumes are proportional.
    """
    height_cm, weight_kg, mass_g = _ICRP[subject.sex]
    size = (subject.height_cm / height_cm) ** 0.75 * (subject.bmi / (weight_kg / (height_cm / 100) ** 2)) ** 0.425
    return mass_g / _BLOOD_AND_MUSCLE_G_PER_ML * size


def expected_spleen_ml(subject: Subject) -> float:
    """Return the spleen volume in ml: 198 (Caglar 2014); sex, age and size do not tell it (Prassopoulos 1997)."""
    del subject
    return 198.0


def expected_waist_cm(subject: Subject) -> float:
    """Return the waist circumference in cm.

    A line on BMI through the medians, with the slope between the 5th and 95th percentiles of both, and what age adds at
    equal BMI from the means at 20-29 and 60-69 years (NHANES 2021-2023, doi:10.15620/cdc/174595).
    """
    if subject.sex == "male":
        return 100.9 + (133.2 - 79.3) / (42.1 - 20.9) * (subject.bmi - 28.2) + 0.15 * (subject.age_years - 50.0)
    return 95.7 + (129.2 - 73.8) / (44.9 - 19.7) * (subject.bmi - 28.3) + 0.12 * (subject.age_years - 50.0)


def expected_effective_diameter_cm(subject: Subject) -> float:
    """Return the abdomen's effective diameter, sqrt(AP x lateral), in cm.

    0.76 BMI + 9.4, r = 0.88 (Eur Radiol Exp 2018, doi:10.1186/s41747-018-0070-5).
    """
    return 0.76 * subject.bmi + 9.4


def expected_chest_diameters_cm(subject: Subject) -> tuple[float, float]:
    """Return the outer AP and lateral diameter of the chest at mid-sternum in cm, arms up, without breasts.

    At a BMI of 25: 23 x 34 cm in men and 21 x 30 cm in women; +0.6 and +0.7 cm per BMI unit. Working values, not a
    published norm; they put the effective diameter of the median man at 30 cm, as chest CT dose surveys find.
    """
    ap_cm, lateral_cm = {"male": (23.0, 34.0), "female": (21.0, 30.0)}[subject.sex]
    above = subject.bmi - 25.0
    return ap_cm + 0.6 * above, lateral_cm + 0.7 * above


def expected_chest_girth_cm(subject: Subject) -> float:
    """Return the girth of the chest at mid-sternum in cm: the perimeter of the ellipse of its two diameters."""
    return ellipse_perimeter(*expected_chest_diameters_cm(subject))


def ellipse_perimeter(width: float, depth: float) -> float:
    """Return the perimeter of an ellipse from its two diameters, by Ramanujan's first formula (error below 0.1 %).

    Examples
    --------
    >>> round(ellipse_perimeter(2.0, 2.0), 6)
    6.283185
    """
    a, b = width / 2, depth / 2
    return math.pi * (3 * (a + b) - math.sqrt((3 * a + b) * (a + 3 * b)))


def individual_factor(organ: str, *, rng: np.random.Generator) -> float:
    """Return a log-normal factor of mean 1 with the residual spread of this organ, within 2.5 standard deviations."""
    if organ not in RESIDUAL_CV:
        raise RecipeError(expected("organ", organ, f"one of {sorted(RESIDUAL_CV)}"))
    sigma = math.sqrt(math.log(1 + RESIDUAL_CV[organ] ** 2))
    return math.exp(sigma * float(np.clip(rng.normal(), -2.5, 2.5)) - sigma**2 / 2)
