"""Sizes and densities of breasts against published ones, and what they follow."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medsynth.core.errors import RecipeError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject
from phantoms.breast import BODY
from phantoms.breast.body import glandular_fraction
from tests.phantoms.breast_people import SUBJECTS, spec_of, voxels
from tests.phantoms.resolution import at_two_and_one_mm, equal_labels, volume_changes

EXTREMES = [(18, 17, "prone"), (18, 45, "upright"), (95, 17, "upright"), (95, 45, "prone")]  # every pair of limits


def population(count: int) -> list[tuple[Subject, dict]]:
    """Women as NHANES finds them: 57 +- 16 years, 161 +- 7 cm, BMI 28.5 +- 7."""
    rng = Seed(11).child("women").rng()
    found = []
    for _ in range(count):
        age, height = float(np.clip(rng.normal(55, 15), 20, 90)), float(np.clip(rng.normal(161, 7), 140, 185))
        bmi = float(np.clip(rng.lognormal(np.log(28), 0.24), 16, 50))
        subject = Subject("female", age, height, bmi * (height / 100) ** 2)
        found.append((subject, BODY.sample_spec(subject, rng=rng)))
    return found


def test_density_classes_are_as_common_as_in_women():
    # About 10, 40, 40 and 10 % of American women have class A, B, C and D.
    classes = [spec["density_class"] for _, spec in population(600)]
    for kind, share in zip("ABCD", (0.10, 0.40, 0.40, 0.10), strict=True):
        assert classes.count(kind) / len(classes) == pytest.approx(share, abs=0.07), kind


def test_glandular_share_over_women_is_as_published():
    # Mean 19.3 % (13.7-25.6 % by group), 80 % below 27 %, 95 % below 45 % (Yaffe 2009, doi:10.1118/1.3250863).
    share = np.array([glandular_fraction(spec) for _, spec in population(600)])
    assert 0.137 < share.mean() < 0.256
    assert np.mean(share < 0.27) == pytest.approx(0.80, abs=0.10)
    assert np.mean(share < 0.45) > 0.93


def test_fatty_breasts_are_large_and_dense_ones_small():
    # 1149, 690, 485 and 364 ml (SD 258-421) in 403 women of class A to D.
    women = population(900)
    means = [np.mean([s["volume_ml"] for _, s in women if s["density_class"] == kind]) for kind in "ABCD"]
    assert means == sorted(means, reverse=True)
    for mean, published, sd in zip(means, (1149, 690, 485, 364), (421, 372, 308, 258), strict=True):
        assert abs(mean - published) < sd


def test_density_falls_and_volume_rises_with_age_and_weight():
    women = population(600)
    share = np.array([glandular_fraction(s) for _, s in women])
    volume = np.array([s["volume_ml"] for _, s in women])
    age, bmi = np.array([w.age_years for w, _ in women]), np.array([w.bmi for w, _ in women])
    assert -0.6 < np.corrcoef(share, age)[0, 1] < -0.15
    assert -0.7 < np.corrcoef(share, bmi)[0, 1] < -0.2
    assert np.corrcoef(volume, bmi)[0, 1] > 0.5


def test_a_man_is_refused():
    man = Subject("male", 50.0, 175.0, 80.0)
    with pytest.raises(RecipeError, match=r"subject\.sex must be 'female'"):
        BODY.sample_spec(man, rng=Seed(1).rng())
    spec = spec_of(SUBJECTS["fatty"], "man")
    with pytest.raises(RecipeError, match=r"subject\.sex"):
        BODY.build(man, spec)


def test_bad_specs_are_refused():
    spec = spec_of(SUBJECTS["dense"], "bad")
    for key, value in (("version", 2), ("side", "middle"), ("position", "supine"), ("density_class", "E")):
        with pytest.raises(RecipeError, match=key):
            BODY.build(SUBJECTS["dense"], spec | {key: value})


def test_a_spec_is_json_and_rebuilds_the_same_breast():
    spec = spec_of(SUBJECTS["dense"], "again")
    assert json.loads(json.dumps(spec)) == spec
    first, second = (voxels(BODY.build(SUBJECTS["dense"], spec), 4.0) for _ in range(2))
    assert np.array_equal(first.labels, second.labels)
    assert np.array_equal(first.texture, second.texture)


def test_a_right_breast_is_the_mirror_image_of_a_left_one():
    spec = spec_of(SUBJECTS["dense"], "mirror")
    left, right = (BODY.build(SUBJECTS["dense"], spec | {"side": side}) for side in ("left", "right"))
    grid = Grid.covering((-80, -80, -60), (80, 50, 80), (2.0, 2.0, 2.0))
    a, b = rasterize(left, grid), rasterize(right, grid)
    assert np.mean(a.organ_image() == b.organ_image()[..., ::-1]) > 0.99


@pytest.mark.slow
@pytest.mark.parametrize(("age", "bmi", "position"), EXTREMES)
def test_extreme_women_have_whole_breasts(age: float, bmi: float, position: str):
    subject = Subject("female", age, 160.0 if bmi > 20 else 172.0, bmi * (1.60 if bmi > 20 else 1.72) ** 2)
    spec = spec_of(subject, f"{age}{bmi}") | {"position": position}
    scene = BODY.build(subject, spec)
    ml = voxels(scene, 2.0).volumes_ml()
    assert {name for name, volume in ml.items() if volume <= 0} <= {"breast_veins", "axillary_lymph_nodes"}
    held = (ml["fibroglandular_tissue"] + ml["ducts"]) / spec["volume_ml"]
    assert held == pytest.approx(glandular_fraction(spec), rel=0.12, abs=0.006)  # strands are thinner than these voxels


@pytest.mark.slow
def test_one_and_two_millimetres_hold_the_same_volumes_and_labels():
    subject = SUBJECTS["dense"]
    coarse, fine = at_two_and_one_mm(BODY.build(subject, spec_of(subject, "resolution")), "breast")
    off = volume_changes(coarse, fine, 10.0)
    assert {n: d for n, d in off.items() if n in ("lung", "breast_fat") and abs(d) > 0.01} == {}
    # Air, thin skin and fat meet in one voxel, and this slim woman's fat is 6 mm thick.
    films = ("intermuscular_fat", "pleura", "cooper_ligaments", "subcutaneous_fat")
    assert {n: d for n, d in off.items() if abs(d) > 0.05 and n not in films} == {}
    assert equal_labels(coarse, fine) > 0.97
