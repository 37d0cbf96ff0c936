"""Adults as they are: sex, age, height and weight drawn from published statistics, within what a recipe asks for.

Height is normal, and body mass index follows its published percentiles; both by sex and age (US adults, NHANES
2021-2023). The two are nearly independent, so that weight is correlated with height as it is in the population.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr, ndtri, ndtri_exp

from medsynth.core.errors import RecipeError, expected
from medsynth.scene.subject import LIMITS, SEXES, Sex, Subject, checked

Bound = float | tuple[float, float] | None
Interval = tuple[float, float]
Floats = NDArray[np.float64]

# corr(ln BMI, ln height), from the 5th, 50th and 95th percentiles of weight, height and BMI of the same survey.
BMI_HEIGHT_CORRELATION: Final[Mapping[Sex, float]] = {"male": 0.05, "female": -0.08}

_AGES_YEARS: Interval = (18.0, 90.0)
_PERCENTILES = (5, 10, 25, 50, 75, 90, 95)
_HEIGHT_STEPS = 401


@dataclass(frozen=True, slots=True)
class SubjectConstraints:
    """What is known of a person: None = sampled, a number = fixed, (low, high) = sampled in between.

    Raises
    ------
    RecipeError
        If a number is outside what any adult has, or low > high.
    """

    sex: Sex | None = None
    age_years: Bound = None
    height_cm: Bound = None
    weight_kg: Bound = None
    bmi: Bound = None

    def __post_init__(self) -> None:
        if self.sex is not None and self.sex not in SEXES:
            raise RecipeError(expected("subject.sex", self.sex, "'female' or 'male'"))
        for name in LIMITS:
            self.interval(name)

    def interval(self, name: str) -> Interval:
        """Return the (low, high) of a field; `LIMITS`, or the population's ages, where nothing is asked for."""
        bound = getattr(self, name)
        if bound is None:
            return _AGES_YEARS if name == "age_years" else LIMITS[name]
        if not isinstance(bound, tuple | list):
            return (checked(name, bound),) * 2
        if len(bound) != 2:
            raise RecipeError(expected(f"subject.{name}", bound, "a number or two: low and high"))
        low, high = checked(name, bound[0]), checked(name, bound[1])
        if low > high:
            raise RecipeError(expected(f"subject.{name}", bound, "low <= high"))
        return low, high


def sample_subject(constraints: SubjectConstraints | None = None, *, rng: np.random.Generator) -> Subject:
    """Return an adult drawn from the population within `constraints`.

    Age is uniform over 18..90 years (or the range asked for), so that every age is seen equally often. Sex (where
    free), height and BMI follow the population of that age, truncated to the constraints; no draw is rejected.

    Raises
    ------
    RecipeError
        If no adult meets the constraints together.
    """
    draws = rng.random(4)  # always as many, so that fixing one number leaves the other draws alone
    return subject_at(constraints or SubjectConstraints(), draws.tolist())


def subject_at(asked: SubjectConstraints, draws: Sequence[float]) -> Subject:
    """Return the adult at these places of the population within `asked`.

    Parameters
    ----------
    draws : age, sex, height and body mass index, each as a share of 0 to 1 of its (conditional) distribution.

    Raises
    ------
    RecipeError
        If no adult meets the constraints together.
    """
    low_cm, high_cm = _possible_heights(asked)
    heights = np.linspace(low_cm, high_cm, _HEIGHT_STEPS if high_cm > low_cm else 1)
    age = _between(*asked.interval("age_years"), draws[0])
    by_sex = {sex: _height_log_density(heights, sex, age, asked) for sex in SEXES if asked.sex in (None, sex)}
    sex = _choose_sex({s: _log_integral(density) for s, density in by_sex.items()}, draws[1])
    height = _draw_along(heights, by_sex[sex], draws[2])
    bmi = _draw_bmi(height, sex, age, asked, draws[3])
    low_kg, high_kg = asked.interval("weight_kg")
    return Subject(sex, age, height, min(max(bmi * (height / 100) ** 2, low_kg), high_kg))


def height_mean_sd_cm(sex: Sex, age_years: float) -> tuple[float, float]:
    """Return mean and standard deviation of height in cm at this age (linear between the middles of decades)."""
    ages, rows = _table("height.csv")[sex]
    mean, sd = (float(np.interp(age_years, ages, [float(row[name]) for row in rows])) for name in ("mean_cm", "sd_cm"))
    return mean, sd


def bmi_at_z(z: float | Floats, sex: Sex, age_years: float) -> Floats:
    """Return the body mass index at normal score `z` (any shape) of this sex and age.

    ln BMI is linear in z between the published percentiles, and beyond them goes on with the slope of the outer
    quarter, which puts the 99th percentile of men near 50 kg/m^2.
    """
    knots_z, knots = _bmi_knots(sex, age_years)
    return np.exp(np.interp(z, knots_z, knots))


def bmi_z(bmi: float | Floats, sex: Sex, age_years: float) -> Floats:
    """Return the normal score of a body mass index (any shape); the inverse of `bmi_at_z`."""
    knots_z, knots = _bmi_knots(sex, age_years)
    return np.asarray(np.interp(np.log(bmi), knots, knots_z))


def _bmi_knots(sex: Sex, age_years: float) -> tuple[Floats, Floats]:
    ages, rows = _table("bmi.csv")[sex]
    table = np.log([[float(row[f"p{p}"]) for p in _PERCENTILES] for row in rows])
    ln_bmi = np.array([np.interp(age_years, ages, column) for column in table.T])
    z = ndtri(np.array(_PERCENTILES) / 100)
    far = 40.0
    low = ln_bmi[0] - (far + z[0]) * (ln_bmi[2] - ln_bmi[0]) / (z[2] - z[0])
    high = ln_bmi[-1] + (far - z[-1]) * (ln_bmi[-1] - ln_bmi[-3]) / (z[-1] - z[-3])
    return np.concatenate([[-far], z, [far]]), np.concatenate([[low], ln_bmi, [high]])


@cache
def _table(name: str) -> dict[str, tuple[list[float], list[dict[str, str]]]]:
    """Return for each sex the middle ages in years and the rows of a data file."""
    text = files("medsynth.scene").joinpath("data", name).read_text(encoding="utf-8")
    found: dict[str, tuple[list[float], list[dict[str, str]]]] = {}
    for row in csv.DictReader(text.splitlines()):
        ages, rows = found.setdefault(row["sex"], ([], []))
        ages.append((float(row["age_low_years"]) + float(row["age_high_years"]) + 1) / 2)
        rows.append(row)
    return found


def _possible_heights(asked: SubjectConstraints) -> Interval:
    """Return the heights in cm at which height, weight and BMI can be met together."""
    (low_cm, high_cm), (low_kg, high_kg), (low_bmi, high_bmi) = (
        asked.interval(name) for name in ("height_cm", "weight_kg", "bmi"))
    low = max(low_cm, 100 * (low_kg / high_bmi) ** 0.5)
    high = min(high_cm, 100 * (high_kg / low_bmi) ** 0.5)
    # Rounded input may contradict itself a little: 175 cm, 80 kg and a BMI of 26.1 are one person.
    if low > high * 1.003:
        given = [f"{name} {_spoken(getattr(asked, name))}" for name in ("height_cm", "weight_kg", "bmi")
                 if getattr(asked, name) is not None]
        raise RecipeError(f"subject must be possible: no adult of {low_cm:g}..{high_cm:g} cm has {' and '.join(given)}")
    if low > high:
        return (min(max((low + high) / 2, low_cm), high_cm),) * 2
    return low, high


def _spoken(bound: Bound) -> str:
    return f"{bound[0]:g}..{bound[1]:g}" if isinstance(bound, tuple | list) else f"{bound:g}"


def _bmi_interval(height_cm: Floats, asked: SubjectConstraints) -> tuple[Floats, Floats]:
    """Return the lowest and highest BMI that weight and BMI constraints allow at each height (n,)."""
    (low_kg, high_kg), (low_bmi, high_bmi) = asked.interval("weight_kg"), asked.interval("bmi")
    square_m2 = (height_cm / 100) ** 2
    return np.maximum(low_bmi, low_kg / square_m2), np.minimum(high_bmi, high_kg / square_m2)


def _height_log_density(heights_cm: Floats, sex: Sex, age_years: float, asked: SubjectConstraints) -> Floats:
    """Return the log density (n,) of height among those people who meet the constraints, up to a constant."""
    mean, sd = height_mean_sd_cm(sex, age_years)
    score = (heights_cm - mean) / sd
    low, high = _bmi_interval(heights_cm, asked)
    log_density = -0.5 * score**2
    if (asked.interval("weight_kg")[0] == asked.interval("weight_kg")[1]
            or asked.interval("bmi")[0] == asked.interval("bmi")[1]):
        return log_density + _bmi_log_density((low + high) / 2, score, sex, age_years)
    return log_density + _log_between(*(_bmi_residual(b, score, sex, age_years) for b in (low, high)))


def _bmi_residual(bmi: float | Floats, height_score: float | Floats, sex: Sex, age_years: float) -> Floats:
    """Return the part of BMI's normal score that height does not tell, as a normal score."""
    rho = BMI_HEIGHT_CORRELATION[sex]
    return (bmi_z(bmi, sex, age_years) - rho * np.asarray(height_score)) / np.sqrt(1 - rho**2)


def _bmi_log_density(bmi: Floats, height_score: Floats, sex: Sex, age_years: float) -> Floats:
    """Return the log density (n,) of ln BMI given height, up to a constant."""
    step = 1e-4
    slope = (bmi_z(bmi * (1 + step), sex, age_years) - bmi_z(bmi * (1 - step), sex, age_years)) / (2 * step)
    return -0.5 * _bmi_residual(bmi, height_score, sex, age_years) ** 2 + np.log(slope)


def _draw_bmi(height_cm: float, sex: Sex, age_years: float, asked: SubjectConstraints, uniform: float) -> float:
    low, high = (float(bound[0]) for bound in _bmi_interval(np.array([height_cm]), asked))
    if low >= high:
        return (low + high) / 2
    mean, sd = height_mean_sd_cm(sex, age_years)
    score, rho = (height_cm - mean) / sd, BMI_HEIGHT_CORRELATION[sex]
    low_z, high_z = (float(_bmi_residual(b, score, sex, age_years)) for b in (low, high))
    residual = _truncated_normal(low_z, high_z, uniform)
    bmi = float(bmi_at_z(rho * score + np.sqrt(1 - rho**2) * residual, sex, age_years))
    return min(max(bmi, low), high)


def _log_between(low: Floats, high: Floats) -> Floats:
    """Return ln P(low < z < high) of a normal score, exact in both tails; -inf where high <= low."""
    flip = low > 0  # in the upper tail, use the mirrored lower one
    low, high = np.where(flip, -high, low), np.where(flip, -low, high)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.minimum(log_ndtr(low) - log_ndtr(high), 0.0)
        return np.where(high > low, log_ndtr(high) + np.log1p(-np.exp(gap)), -np.inf)


def _truncated_normal(low: float, high: float, uniform: float) -> float:
    """Return the normal score between `low` and `high` at this fraction of their probability, exact in both tails."""
    if low > 0:
        return -_truncated_normal(-high, -low, 1 - uniform)
    if low > -5:
        below, above = ndtr(low), ndtr(high)
        z = float(ndtri(below + (above - below) * uniform))
    else:
        share = np.exp(np.minimum(log_ndtr(low) - log_ndtr(high), 0.0))
        z = float(ndtri_exp(log_ndtr(high) + np.log(share + (1 - share) * max(uniform, 1e-300))))
    return min(max(z, low), high)


def _log_integral(log_density: Floats) -> float:
    peak = float(log_density.max())
    return peak + float(np.log(np.exp(log_density - peak).sum())) if np.isfinite(peak) else -np.inf


def _choose_sex(log_weight: Mapping[Sex, float], uniform: float) -> Sex:
    """Return a sex by its weight; both as likely where neither is likely at all."""
    sexes = list(log_weight)
    peak = max(log_weight.values())
    weight = [np.exp(log_weight[sex] - peak) if np.isfinite(peak) else 1.0 for sex in sexes]
    return sexes[0] if len(sexes) == 1 or uniform * sum(weight) < weight[0] else sexes[1]


def _draw_along(values: Floats, log_density: Floats, uniform: float) -> float:
    """Return the value at this fraction of the area under a density given at evenly spaced values (n,)."""
    if len(values) == 1 or not np.isfinite(log_density.max()):
        return float(values[len(values) // 2])
    density = np.exp(log_density - log_density.max())
    area = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return float(np.interp(uniform * area[-1], area, values))


def _between(low: float, high: float, uniform: float) -> float:
    return low + (high - low) * uniform
