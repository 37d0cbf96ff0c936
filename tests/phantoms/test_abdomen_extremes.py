"""Abdomens at the limits of age, height and weight: nothing crashes, leaks or swallows its neighbours."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medsynth.core.errors import RecipeError
from medsynth.core.seed import Seed
from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject
from phantoms.torso import ABDOMEN
from phantoms.torso.viscera import sample_viscera
from tests.phantoms.people import Person, whole_grid

LIMITS = (
    ("female", 18.0, 140.0, 34.0), ("male", 95.0, 165.0, 48.0), ("male", 30.0, 205.0, 82.0),
    ("male", 40.0, 175.0, 138.0), ("female", 60.0, 160.0, 115.0),
)  # fmt: skip


@pytest.fixture(scope="module", params=LIMITS, ids=lambda v: f"{v[0]}-{v[1]:.0f}-{v[2]:.0f}-{v[3]:.0f}")
def person(request: pytest.FixtureRequest) -> Person:
    subject = Subject(*request.param)
    spec = json.loads(json.dumps(ABDOMEN.sample_spec(subject, rng=Seed(3).child("limits").rng())))
    scene = ABDOMEN.build(subject, spec)
    return Person(subject, spec, scene, rasterize(scene, whole_grid(scene, 4.0)))


@pytest.mark.slow
def test_organs_keep_their_volumes_at_the_limits(person: Person):
    volume = person.phantom.volumes_ml()
    liver = volume["liver"] + volume["hepatic_vein"]
    assert liver == pytest.approx(person.spec["liver_ml"], rel=0.25)
    for organ, tolerance in (("kidney_right", 0.1), ("kidney_left", 0.1), ("pancreas", 0.3), ("gallbladder", 0.25)):
        assert volume[organ] == pytest.approx(person.spec[f"{organ}_ml"], rel=tolerance), organ
    for organ in ("spleen", "stomach"):
        assert 0.45 < volume[organ] / person.spec[f"{organ}_ml"] < 1.15, organ
    assert volume["small_bowel"] > 100
    assert volume["colon"] > 150
    assert volume["duodenum"] > 15


@pytest.mark.slow
def test_centrelines_stay_in_the_body_at_the_limits(person: Person):
    low = float(person.phantom.grid.origin_mm[2])
    for name in ("colon", "small_bowel", "ureter_right", "ureter_left"):
        points = person.scene.vessels[name].starts_mm
        assert np.isfinite(points).all()
        shown = points[points[:, 2] > low + 6]
        assert np.mean(person.scene.fields["body"].distance_mm(shown) < -3) > 0.99, name


def _volumes(sex: str, key: str, count: int = 400) -> np.ndarray:
    subject = Subject(sex, 45.0, 176.0 if sex == "male" else 163.0, 78.0 if sex == "male" else 64.0)
    return np.array([sample_viscera(subject, rng=Seed(n).child("draw").rng())[key] for n in range(count)])


@pytest.mark.parametrize(("sex", "key", "mean", "spread"), [
    ("male", "kidney_right_ml", 174.0, (0.09, 0.20)), ("female", "kidney_right_ml", 138.0, (0.09, 0.20)),
    ("male", "pancreas_ml", 77.9, (0.18, 0.35)), ("female", "pancreas_ml", 77.9, (0.18, 0.35)),
    ("male", "spleen_ml", 198.0, (0.25, 0.50)), ("female", "spleen_ml", 198.0, (0.25, 0.50)),
    ("male", "gallbladder_ml", 25.0, (0.25, 0.55)), ("male", "stomach_ml", 400.0, (0.15, 0.40)),
])  # fmt: skip
def test_drawn_volumes_have_the_published_mean_and_spread(sex: str, key: str, mean: float, spread: tuple):
    """Kidney J Clin Med 2024;13:769, pancreas 204 trauma CTs, spleen Caglar 2014, stomach ICRP 89."""
    drawn = _volumes(sex, key)
    assert drawn.mean() == pytest.approx(mean, rel=0.10)
    assert spread[0] < drawn.std() / drawn.mean() < spread[1]


def test_the_pancreas_shrinks_and_its_fat_grows_with_age():
    def mean(age: float, key: str) -> float:
        subject = Subject("male", age, 176.0, 78.0)
        return float(np.mean([sample_viscera(subject, rng=Seed(n).rng())[key] for n in range(100)]))

    assert mean(85.0, "pancreas_ml") < 0.85 * mean(35.0, "pancreas_ml")
    assert mean(85.0, "pancreas_fat") > mean(35.0, "pancreas_fat") + 0.05
    assert mean(85.0, "kidney_left_ml") < mean(35.0, "kidney_left_ml")


def test_a_spec_without_a_number_of_the_abdomen_is_refused():
    subject = Subject("male", 45.0, 176.0, 78.0)
    spec = dict(ABDOMEN.sample_spec(subject, rng=Seed(1).rng())) | {"version": 2}
    with pytest.raises(RecipeError, match="version"):
        ABDOMEN.build(subject, spec)
