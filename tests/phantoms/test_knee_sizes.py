"""Sizes of knees against published ones, and what they follow."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from scipy import ndimage

from medsynth.core.errors import RecipeError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject
from phantoms.knee import BODY
from tests.phantoms.knee_people import SUBJECTS, knee, spec_of, voxels
from tests.phantoms.resolution import at_two_and_one_mm, equal_labels, volume_changes

EXTREMES = list(product(("male", "female"), (18, 95), (150, 200), (17, 45)))
CARTILAGE = ("femoral_cartilage", "tibial_cartilage_medial", "tibial_cartilage_lateral", "patellar_cartilage")


def width_mm(name: str, bone: str) -> float:
    across = knee(name).points_mm(bone)[:, 0]
    return float(np.ptp(across))


def test_bones_of_a_man_and_a_woman_are_as_wide_as_published():
    # Bicondylar, plateau and patellar width: about 84, 77 and 45 mm in men, 11 to 13 % less in women (unverified).
    for bone, wide in (("femur", 85.0), ("tibia", 77.0), ("patella", 45.0)):
        man, woman = width_mm("man", bone), width_mm("woman", bone)
        assert man == pytest.approx(wide, rel=0.10), bone
        assert 0.80 < woman / man < 0.97, bone


def test_cartilage_of_a_man_lies_in_the_published_range():
    # All plates of 27 healthy men: 16.6 to 31.4 ml, mean thickness 1.57 to 2.43 mm (PMID 11237657).
    ml = knee("man").phantom.volumes_ml()
    assert 16.6 < sum(ml[name] for name in CARTILAGE) < 31.4
    thick = ndimage.distance_transform_edt(knee("man").mask(*CARTILAGE))
    assert thick.max() < 4.0
    female = knee("woman").phantom.volumes_ml()
    assert 0.5 < sum(female[name] for name in CARTILAGE) / sum(ml[name] for name in CARTILAGE) < 0.95


def test_sizes_follow_height_sex_age_and_weight():
    rng = Seed(8).child("knees").rng()

    def mean(key: str, *person: float | str) -> float:
        return float(np.mean([BODY.sample_spec(Subject(*person), rng=rng)[key] for _ in range(60)]))

    assert mean("width", "male", 40, 190, 85) > 1.05 * mean("width", "male", 40, 165, 65)
    assert mean("width", "male", 40, 170, 70) > 1.02 * mean("width", "female", 40, 170, 70)
    assert mean("fat", "female", 40, 165, 65) > 1.3 * mean("fat", "male", 40, 165, 65)
    assert mean("fat", "male", 40, 170, 110) > 1.8 * mean("fat", "male", 40, 170, 70)
    assert mean("mineral", "female", 80, 165, 65) < 0.8 * mean("mineral", "female", 30, 165, 65)
    assert mean("femoral_mm", "male", 80, 175, 75) < 0.9 * mean("femoral_mm", "male", 30, 175, 75)


def test_a_spec_is_json_and_rebuilds_the_same_knee():
    subject = SUBJECTS["man"]
    spec = spec_of(subject, "again")
    assert spec["version"] == 1
    assert json.loads(json.dumps(spec)) == spec
    first, second = (voxels(BODY.build(subject, spec), 3.0) for _ in range(2))
    assert np.array_equal(first.labels, second.labels)
    assert np.array_equal(first.texture, second.texture)


def test_a_right_knee_is_the_mirror_image_of_a_left_one():
    subject = SUBJECTS["woman"]
    left, right = (BODY.build(subject, spec_of(subject, "mirror", side)) for side in ("left", "right"))
    assert left.bounds_mm[0][0] == pytest.approx(-right.bounds_mm[1][0])
    for name, (x, y, z) in left.landmarks.items():
        assert right.landmarks[name] == pytest.approx((-x, y, z))
    grid = Grid.covering((-90, -80, -60), (90, 100, 80), (2.0, 2.0, 2.0))
    a, b = rasterize(left, grid), rasterize(right, grid)
    assert np.mean(a.organ_image() == b.organ_image()[..., ::-1]) > 0.99


def test_bad_specs_are_refused():
    subject = SUBJECTS["man"]
    spec = spec_of(subject, "bad")
    with pytest.raises(RecipeError, match="version"):
        BODY.build(subject, spec | {"version": 2})
    with pytest.raises(RecipeError, match="side"):
        BODY.build(subject, spec | {"side": "middle"})


@pytest.mark.slow
@pytest.mark.parametrize(("sex", "age", "height", "bmi"), EXTREMES)
def test_extreme_adults_have_whole_knees(sex: str, age: float, height: float, bmi: float):
    subject = Subject(sex, age, height, bmi * (height / 100) ** 2)
    phantom = voxels(BODY.build(subject, spec_of(subject, f"{sex}{age}{height}{bmi}")), 2.0)
    ml = phantom.volumes_ml()
    thin = {"arterial_calcification"}
    assert {name for name, volume in ml.items() if volume <= 0} <= thin
    body = phantom.labels > 0
    assert all(np.array_equal(ndimage.binary_fill_holes(body[k]), body[k]) for k in range(0, len(body), 6))
    organ = phantom.organ_image()
    names = {s.name: s.label for s in phantom.structures}
    assert not (ndimage.binary_dilation(organ == names["femur"]) & (organ == names["tibia"])).any()


@pytest.mark.slow
def test_one_and_two_millimetres_hold_the_same_volumes_and_labels():
    coarse, fine = at_two_and_one_mm(knee("man").scene, "knee")
    off = volume_changes(coarse, fine, 20.0)
    solid = ("femur", "tibia", "subcutaneous_fat")
    assert {n: d for n, d in off.items() if n in solid and abs(d) > 0.01} == {}
    assert {n: d for n, d in off.items() if abs(d) > 0.05 and n not in ("deep_fascia", "joint_capsule")} == {}
    assert equal_labels(coarse, fine) > 0.97
