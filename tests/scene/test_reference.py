"""Expected sizes against published means that the formulas were not taken from, and against reference adults."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ellipe

from medsynth.core.errors import RecipeError
from medsynth.core.seed import Seed
from medsynth.scene.population import SubjectConstraints, sample_subject
from medsynth.scene.reference import (
    RESIDUAL_CV,
    ellipse_perimeter,
    expected_chest_diameters_cm,
    expected_chest_girth_cm,
    expected_effective_diameter_cm,
    expected_heart_ml,
    expected_liver_ml,
    expected_lung_ml,
    expected_spleen_ml,
    expected_waist_cm,
    individual_factor,
)
from medsynth.scene.subject import Sex, Subject

ICRP_MAN, ICRP_WOMAN = Subject("male", 50, 176, 73), Subject("female", 50, 163, 60)  # ICRP Publication 89


@pytest.mark.parametrize(
    ("height_cm", "sex"), [(165, "male"), (175, "male"), (185, "male"), (155, "female"), (170, "female")]
)
def test_the_supine_lung_is_nine_tenths_of_another_survey_s_capacity(height_cm: float, sex: Sex) -> None:
    metres = height_cm / 100
    ecsc_litres = 7.99 * metres - 7.08 if sex == "male" else 6.60 * metres - 5.79  # ECSC 1993
    assert expected_lung_ml(Subject(sex, 40, height_cm, 70)) / 1000 == pytest.approx(0.9 * ecsc_litres, rel=0.05)


def test_the_liver_of_the_reference_adults_weighs_what_icrp_says() -> None:
    assert expected_liver_ml(ICRP_MAN) * 1.05 == pytest.approx(1800, rel=0.10)
    assert expected_liver_ml(ICRP_WOMAN) * 1.05 == pytest.approx(1400, rel=0.10)


def test_the_heart_of_the_reference_adults_weighs_what_icrp_says() -> None:
    assert expected_heart_ml(ICRP_MAN) * 1.06 == pytest.approx(840)
    assert expected_heart_ml(ICRP_WOMAN) * 1.06 == pytest.approx(620)


def test_the_spleen_is_one_size_for_all() -> None:
    assert expected_spleen_ml(ICRP_MAN) == expected_spleen_ml(ICRP_WOMAN) == 198.0


@pytest.mark.parametrize(
    ("sex", "mean_cm", "p5_cm", "p95_cm", "young_cm", "old_cm"),
    [("male", 103.0, 79.3, 133.2, 95.1, 105.4), ("female", 97.9, 73.8, 129.2, 90.5, 100.3)],
)
def test_waists_of_the_population_are_those_of_the_survey(
    sex: Sex, mean_cm: float, p5_cm: float, p95_cm: float, young_cm: float, old_cm: float
) -> None:
    def waists(low: float, high: float) -> np.ndarray:
        asked = SubjectConstraints(sex, age_years=(low, high))
        return np.array([expected_waist_cm(sample_subject(asked, rng=Seed(2).child(n).rng())) for n in range(600)])

    everyone = waists(20, 80)
    assert everyone.mean() == pytest.approx(mean_cm, rel=0.03)
    assert np.percentile(everyone, 5) == pytest.approx(p5_cm, rel=0.06)
    assert np.percentile(everyone, 95) == pytest.approx(p95_cm, rel=0.06)
    assert waists(20, 30).mean() == pytest.approx(young_cm, rel=0.03)
    assert waists(60, 70).mean() == pytest.approx(old_cm, rel=0.03)


def test_waist_over_height_of_the_median_adult_is_that_of_an_older_survey() -> None:
    man, woman = Subject("male", 47, 176, 28.2 * 1.76**2), Subject("female", 47, 161.5, 28.3 * 1.615**2)
    assert expected_waist_cm(man) / man.height_cm == pytest.approx(0.569, abs=0.02)  # NHANES 2011-2014
    assert expected_waist_cm(woman) / woman.height_cm == pytest.approx(0.586, abs=0.02)


def test_the_abdomen_s_effective_diameter_agrees_with_its_waist() -> None:
    """For an ellipse half as deep again as wide, pi times the effective diameter is 4 to 6 % short of the girth."""
    for subject in (Subject("male", 50, 176, 88), Subject("female", 50, 162, 75)):
        assert np.pi * expected_effective_diameter_cm(subject) == pytest.approx(expected_waist_cm(subject), rel=0.08)


def test_bigger_people_have_bigger_organs() -> None:
    short, tall = Subject("male", 50, 165, 25 * 1.65**2), Subject("male", 50, 190, 25 * 1.90**2)
    lean, heavy = Subject("male", 50, 175, 65), Subject("male", 50, 175, 110)
    for expected in (expected_lung_ml, expected_liver_ml, expected_heart_ml):
        assert expected(tall) > 1.05 * expected(short)
    for expected in (
        expected_liver_ml,
        expected_heart_ml,
        expected_waist_cm,
        expected_chest_girth_cm,
        expected_effective_diameter_cm,
    ):
        assert expected(heavy) > 1.05 * expected(lean)
    assert expected_lung_ml(heavy) == expected_lung_ml(lean)


def test_sizes_stay_positive_and_in_order_over_everyone() -> None:
    for n in range(200):
        subject = sample_subject(rng=Seed(1).child(n).rng())
        ap_cm, lateral_cm = expected_chest_diameters_cm(subject)
        assert 13 < ap_cm < lateral_cm < 70
        assert 500 <= expected_liver_ml(subject) < 4000
        assert 300 < expected_heart_ml(subject) < 1600
        assert 2500 < expected_lung_ml(subject) < 9000


def test_the_perimeter_of_an_ellipse_matches_the_elliptic_integral() -> None:
    for width, depth in ((36.0, 24.0), (34.0, 17.0), (40.0, 39.0)):
        exact = 2 * width * ellipe(1 - (depth / width) ** 2)
        assert ellipse_perimeter(width, depth) == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize("organ", sorted(RESIDUAL_CV))
def test_individual_factors_have_mean_one_and_the_stated_spread(organ: str) -> None:
    rng = Seed(4).child(organ).rng()
    factors = np.array([individual_factor(organ, rng=rng) for _ in range(4000)])
    assert factors.mean() == pytest.approx(1, abs=0.03)
    assert factors.std() == pytest.approx(RESIDUAL_CV[organ], rel=0.10)


def test_an_unknown_organ_is_refused() -> None:
    with pytest.raises(RecipeError, match="organ must be one of"):
        individual_factor("soul", rng=Seed(0).rng())
