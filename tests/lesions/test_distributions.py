"""Distributions draw what they say, and refuse what cannot be."""

import numpy as np
import pytest
from pydantic import ValidationError

from medsynth.core.seed import Seed
from medsynth.lesions.distributions import LogNormal, Poisson, Trait, Uniform, choose
from medsynth.lesions.lung_nodule_options import LungNoduleOptions


def test_log_normal_has_the_median_and_spread_asked_for():
    rng = Seed(1).rng()
    draws = np.log([LogNormal(median=6.5, sigma=0.45, low=0.1, high=500).sample(rng=rng) for _ in range(4000)])
    assert np.median(draws) == pytest.approx(np.log(6.5), abs=0.03)
    assert draws.std() == pytest.approx(0.45, rel=0.05)
    assert abs(np.mean((draws - draws.mean()) ** 3)) / draws.std() ** 3 < 0.15


def test_log_normal_stays_within_its_limits_and_keeps_its_shape_there():
    rng = Seed(2).rng()
    draws = np.array([LogNormal(median=6.5, sigma=0.45, low=3, high=10).sample(rng=rng) for _ in range(2000)])
    assert draws.min() >= 3
    assert draws.max() <= 10
    # No pile at the limits, which clipping would make.
    assert (draws > 9.99).mean() < 0.005


def test_poisson_has_its_mean_and_respects_its_limits():
    rng = Seed(3).rng()
    draws = [Poisson(mean=2.0, high=20).sample(rng=rng) for _ in range(4000)]
    assert np.mean(draws) == pytest.approx(2.0, rel=0.05)
    assert np.var(draws) == pytest.approx(2.0, rel=0.1)
    assert {Poisson(mean=2.0, low=1, high=3).sample(rng=rng) for _ in range(200)} == {1, 2, 3}


def test_traits_are_present_as_often_as_asked():
    rng = Seed(4).rng()
    draws = np.array([Trait(probability=0.3, low=0.4, high=0.6).sample(rng=rng) for _ in range(3000)])
    assert (draws > 0).mean() == pytest.approx(0.3, abs=0.03)
    assert draws[draws > 0].min() >= 0.4


def test_choose_follows_the_weights_and_never_draws_weight_0():
    rng = Seed(5).rng()
    drawn = [choose({"a": 0.0, "b": 3.0, "c": 1.0, "d": 0.0}, rng=rng) for _ in range(4000)]
    assert set(drawn) == {"b", "c"}
    assert drawn.count("b") / 4000 == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("options", [
    {"diameter_mm": -1}, {"diameter_mm": float("nan")}, {"diameter_mm": float("inf")}, {"diameter_mm": True},
    {"diametre_mm": 5}, {"count": -1}, {"count": 1.5}, {"types": {"solid": 0}}, {"types": {"cubic": 1}},
    {"lobes": {"lobe_left_middle": 1}}, {"types": {"solid": -1, "part_solid": 2}}, {"peripheral_preference": 2},
    {"diameter_mm": {"distribution": "uniform", "low": 9, "high": 3}}, {"ground_glass_hu": 200},
    {"diameter_mm": {"distribution": "log_normal", "median": 6, "sigma": 0, "low": 3, "high": 9}}])
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(ValidationError):
        LungNoduleOptions(**options)


def test_a_plain_number_and_a_mapping_both_name_a_distribution():
    assert LungNoduleOptions(diameter_mm=8).diameter_mm.range == (8, 8)
    spread = LungNoduleOptions(diameter_mm={"distribution": "uniform", "low": 4, "high": 6}).diameter_mm
    assert spread == Uniform(low=4, high=6)


def test_options_survive_json():
    options = LungNoduleOptions(diameter_mm=8, count={"distribution": "poisson", "mean": 2, "high": 5})
    assert LungNoduleOptions.model_validate_json(options.model_dump_json()) == options
