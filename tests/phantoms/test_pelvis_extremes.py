"""Whoever the population may bring has a pelvis: small and tall, thin and heavy, young and old."""

from __future__ import annotations

import pytest

from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject
from phantoms.torso import PELVIS
from tests.phantoms.people import whole_grid
from tests.phantoms.resolution import at_two_and_one_mm, equal_labels, volume_changes
from tests.phantoms.trunk_people import built, spec_of

# sex, age, height, body mass index
EXTREMES = [("female", 18, 145, 17.0), ("female", 95, 145, 45.0), ("male", 95, 160, 17.5), ("male", 60, 200, 45.0)]
SOLID = ("femur", "gluteus", "psoas", "bladder", "prostate", "uterus", "subcutaneous_fat")


@pytest.mark.slow
@pytest.mark.parametrize(("sex", "age", "height", "bmi"), EXTREMES)
def test_extreme_adults_have_whole_pelves(sex: str, age: float, height: float, bmi: float):
    subject = Subject(sex, age, height, bmi * (height / 100) ** 2)
    spec = spec_of(PELVIS, subject, "extreme")
    scene = PELVIS.build(subject, spec)
    volume = rasterize(scene, whole_grid(scene, 3.0)).volumes_ml()
    organ, drawn = ("prostate", spec["prostate_ml"]) if sex == "male" else ("uterus", spec["uterus_ml"])
    have = volume[organ] + (volume["cervix"] if sex == "female" else 0.0)
    assert have == pytest.approx(drawn, rel=0.25)
    assert spec["bladder_ml"] * 0.75 < volume["bladder"] < spec["bladder_ml"] * 1.9
    for bone, least in (("hip_bone_left", 120), ("sacrum", 70), ("femur_right", 60)):
        assert volume[bone] > least
    assert all(volume[f"gluteus_maximus_{side}"] > 200 for side in ("left", "right"))


@pytest.mark.slow
@pytest.mark.parametrize("who", ["man", "woman"])
def test_one_and_two_millimetres_hold_the_same_pelvis(who: str):
    coarse, fine = at_two_and_one_mm(built("pelvis", who, 2.5).scene, "pelvis")
    off = volume_changes(coarse, fine, 5.0)
    assert {n: d for n, d in off.items() if n.startswith(SOLID) and abs(d) > 0.01} == {}
    # The wing of the ilium is 5 mm thick: cortex, marrow and muscle meet in one voxel.
    assert max(abs(off[n]) for n in ("hip_bone_left", "hip_bone_right", "sacrum")) < 0.03
    assert equal_labels(coarse, fine) > 0.97
