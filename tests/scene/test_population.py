"""Sampled adults against the published tables they come from, and constraints that must hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsynth.core.errors import RecipeError
from medsynth.core.seed import Seed
from medsynth.scene.population import SubjectConstraints, bmi_at_z, bmi_z, sample_subject
from medsynth.scene.subject import LIMITS, Sex, Subject

# NCHS Series 3 No 50 (NHANES 2021-2023): mean and percentiles of the age groups, as printed there.
HEIGHT_CM = {
    ("male", 20): (176.3, 162.0, 188.1),
    ("male", 40): (176.4, 162.3, 189.9),
    ("male", 60): (174.7, 161.8, 186.6),
    ("female", 20): (163.5, 153.2, 174.6),
    ("female", 40): (161.7, 149.8, 172.1),
    ("female", 60): (160.5, 149.6, 171.2),
}
BMI = {
    ("male", 20): (18.9, 27.0, 39.6),
    ("male", 40): (22.2, 28.9, 45.0),
    ("male", 60): (21.2, 28.3, 39.9),
    ("female", 20): (18.6, 25.5, 45.6),
    ("female", 40): (19.7, 28.5, 45.6),
    ("female", 60): (20.0, 28.8, 42.5),
}


def people(count: int, **constraints: object) -> list[Subject]:
    asked = SubjectConstraints(**constraints)  # type: ignore[arg-type]
    return [sample_subject(asked, rng=Seed(11).child("person", n).rng()) for n in range(count)]


def column(subjects: list[Subject], name: str) -> np.ndarray:
    return np.array([getattr(s, name) for s in subjects])


@pytest.mark.parametrize(("sex", "age"), list(HEIGHT_CM))
def test_heights_of_a_decade_have_the_published_mean_and_percentiles(sex: Sex, age: int) -> None:
    heights = column(people(1000, sex=sex, age_years=(age, age + 10)), "height_cm")
    mean, p5, p95 = HEIGHT_CM[sex, age]
    assert abs(heights.mean() - mean) < 0.9  # three standard errors, and the slope within the decade
    assert np.percentile(heights, 5) == pytest.approx(p5, abs=2.5)
    assert np.percentile(heights, 95) == pytest.approx(p95, abs=2.5)


@pytest.mark.parametrize(("sex", "age"), list(BMI))
def test_bmi_of_a_decade_has_the_published_percentiles(sex: Sex, age: int) -> None:
    bmi = column(people(1000, sex=sex, age_years=(age, age + 10)), "bmi")
    p5, p50, p95 = BMI[sex, age]
    assert np.percentile(bmi, 50) == pytest.approx(p50, rel=0.035)
    assert np.percentile(bmi, 5) == pytest.approx(p5, rel=0.05)
    assert np.percentile(bmi, 95) == pytest.approx(p95, rel=0.08)


@pytest.mark.parametrize(
    ("sex", "weight_kg", "p5_kg", "p95_kg", "correlation"),
    [("male", 90.3, 60.9, 131.8, 0.43), ("female", 77.9, 50.7, 119.2, 0.26)],
)
def test_weight_follows_although_only_height_and_bmi_were_given(
    sex: Sex, weight_kg: float, p5_kg: float, p95_kg: float, correlation: float
) -> None:
    """Weight is not in our tables: its published mean, percentiles and tie to height are an independent check."""
    subjects = people(2000, sex=sex, age_years=(20, 80))
    height, weight = column(subjects, "height_cm"), column(subjects, "weight_kg")
    assert weight.mean() == pytest.approx(weight_kg, rel=0.03)
    assert np.percentile(weight, 5) == pytest.approx(p5_kg, rel=0.05)
    assert np.percentile(weight, 95) == pytest.approx(p95_kg, rel=0.05)
    assert np.corrcoef(np.log(height), np.log(weight))[0, 1] == pytest.approx(correlation, abs=0.06)


def test_two_hundred_people_vary_as_people_do() -> None:
    subjects = people(200)
    men = [s for s in subjects if s.sex == "male"]
    women = [s for s in subjects if s.sex == "female"]
    assert 70 < len(men) < 130
    assert 12 < column(men, "height_cm").mean() - column(women, "height_cm").mean() < 16  # 13.9 cm published
    assert column(subjects, "age_years").min() < 22
    assert column(subjects, "age_years").max() > 86
    assert abs(column(subjects, "age_years").mean() - 54) < 5
    assert np.corrcoef(column(men, "height_cm"), column(men, "weight_kg"))[0, 1] > 0.2
    assert np.corrcoef(column(women, "height_cm"), column(women, "weight_kg"))[0, 1] > 0.05


def test_bmi_and_its_normal_score_are_inverse_far_into_the_tails() -> None:
    z = np.linspace(-6, 6, 49)
    for sex in ("male", "female"):
        for age in (18.0, 37.3, 90.0):
            bmi = bmi_at_z(z, sex, age)
            assert np.all(np.diff(bmi) > 0)
            np.testing.assert_allclose(bmi_z(bmi, sex, age), z, atol=1e-9)


def test_the_same_stream_gives_the_same_person_and_another_gives_another() -> None:
    one, again, other = (sample_subject(rng=Seed(3).child("case", n).rng()) for n in (0, 0, 1))
    assert one == again
    assert one != other


def test_fixing_one_number_leaves_the_other_draws_alone() -> None:
    free = sample_subject(rng=Seed(5).rng())
    fixed = sample_subject(SubjectConstraints(sex=free.sex), rng=Seed(5).rng())
    assert (fixed.age_years, fixed.height_cm) == (free.age_years, pytest.approx(free.height_cm))


bounds = {
    name: st.one_of(
        st.none(),
        st.floats(low, high),
        st.tuples(st.floats(low, high), st.floats(low, high)).map(lambda pair: (min(pair), max(pair))),
    )
    for name, (low, high) in LIMITS.items()
}


@settings(max_examples=300)
@given(st.sampled_from([None, "female", "male"]), st.fixed_dictionaries(bounds), st.integers(0, 9))
def test_whatever_is_asked_for_is_met_or_refused_in_one_line(sex: Sex | None, asked: dict[str, object], n: int) -> None:
    constraints = SubjectConstraints(sex, **asked)  # type: ignore[arg-type]
    try:
        subject = sample_subject(constraints, rng=Seed(n).rng())
    except RecipeError as error:
        assert str(error).startswith("subject")  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
        heights, weights, masses = (constraints.interval(name) for name in ("height_cm", "weight_kg", "bmi"))
        lightest, heaviest = (masses[end] * (heights[end] / 100) ** 2 for end in (0, 1))
        assert heaviest < weights[0] or lightest > weights[1]
        return
    assert sex in (None, subject.sex)
    for name in LIMITS:
        low, high = constraints.interval(name)
        slack = 0.004 * high if name != "age_years" else 1e-9  # three fixed numbers may contradict a little
        assert low - slack <= getattr(subject, name) <= high + slack


def test_a_bounded_number_is_spread_over_its_range_and_not_piled_at_the_ends() -> None:
    weights = column(people(300, sex="female", weight_kg=(65, 75)), "weight_kg")
    assert weights.min() < 65.5
    assert weights.max() > 74.5
    assert abs(weights.mean() - 70) < 1
    assert len(np.unique(weights)) == 300


def test_a_very_tall_person_is_nearly_always_a_man_and_a_fixed_weight_moves_the_height() -> None:
    assert np.mean([s.sex == "male" for s in people(200, height_cm=(188, 200))]) > 0.97
    light, heavy = (column(people(200, sex="male", weight_kg=kg), "height_cm").mean() for kg in (55, 120))
    assert 160 < light < heavy - 8 < 178  # 174.5 cm is the mean


def test_sampling_within_a_tiny_corner_of_the_population_needs_no_luck() -> None:
    for subject in people(20, sex="male", age_years=90, height_cm=(205, 206), bmi=(55, 56)):
        assert 205 <= subject.height_cm <= 206
        assert 55 <= subject.bmi <= 56 + 1e-9


def test_numbers_that_agree_after_rounding_are_one_person() -> None:
    subject = people(1, height_cm=175, weight_kg=80, bmi=26.1)[0]
    assert (subject.height_cm, subject.weight_kg) == (175, 80)


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        (
            {"bmi": 15, "weight_kg": 150, "height_cm": 150},
            "no adult of 150..150 cm has height_cm 150 and weight_kg 150 and bmi 15",
        ),
        ({"bmi": (14, 15), "weight_kg": (150, 160)}, "no adult of 130..220 cm has weight_kg 150..160 and bmi 14..15"),
        ({"age_years": 5}, r"subject.age_years must be a number in 18..95, got 5"),
        ({"age_years": (10, 30)}, "subject.age_years must be"),
        ({"bmi": math.nan}, "subject.bmi must be"),
        ({"weight_kg": math.inf}, "subject.weight_kg must be"),
        ({"weight_kg": "80"}, "subject.weight_kg must be"),
        ({"height_cm": (190, 180)}, "subject.height_cm must be low <= high"),
        ({"height_cm": (170, 180, 190)}, "subject.height_cm must be"),
        ({"sex": "unknown"}, "subject.sex must be"),
    ],
)
def test_an_impossible_person_is_refused_with_the_reason(constraints: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        people(1, **constraints)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (("male", 17.9, 175, 80), "age_years"),
        (("male", 40, 1.75, 80), "height_cm"),
        (("male", 40, 175, 0), "weight_kg"),
        (("male", 40, 175, math.nan), "weight_kg"),
        (("male", 40, 200, 30), "bmi"),
        (("m", 40, 175, 80), "sex"),
        (("male", None, 175, 80), "age_years"),
    ],
)
def test_a_subject_beyond_any_adult_is_refused(values: tuple[object, ...], field: str) -> None:
    with pytest.raises(RecipeError, match=f"^subject.{field} must be"):
        Subject(*values)  # type: ignore[arg-type]
