"""Whoever the population may bring is built: small and tall, thin and heavy, young and old."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject
from phantoms.torso import BODY
from tests.phantoms.people import spec_of, whole_grid

# sex, age, height, body mass index
EXTREMES = [("female", 18, 145, 17.0), ("female", 95, 145, 45.0), ("female", 50, 185, 40.0), ("female", 90, 160, 17.0),
            ("male", 18, 155, 17.0), ("male", 40, 200, 17.0), ("male", 60, 200, 45.0), ("male", 95, 155, 40.0)]
# Lean men have no gland to speak of, wasted ones a deltoid that ends below the lattice's top, and a mediastinum that is
# full leaves no room for nodes.
MAY_VANISH = {"breast_left", "breast_right", "deltoid_left", "deltoid_right", "mediastinal_lymph_nodes",
                "arterial_plaque"}


@pytest.mark.slow
@pytest.mark.parametrize(("sex", "age", "height", "bmi"), EXTREMES)
def test_extreme_adults_are_built_whole(sex: str, age: float, height: float, bmi: float):
    subject = Subject(sex, age, height, bmi * (height / 100) ** 2)
    spec = spec_of(subject, "extreme")
    scene = BODY.build(subject, spec)
    phantom = rasterize(scene, whole_grid(scene, 4.0))
    volume = phantom.volumes_ml()
    lungs = sum(ml for name, ml in volume.items() if name.startswith("lobe_"))
    heart = sum(volume[n] for n in ("left_ventricle", "right_ventricle", "left_atrium", "right_atrium", "myocardium"))
    assert 1.04 * lungs == pytest.approx(spec["lung_ml"], rel=0.15)
    assert heart == pytest.approx(spec["heart_ml"], rel=0.3)
    assert 0.75 < volume["liver"] / spec["liver_ml"] < 1.15  # a huge one reaches below what the thorax builds
    # A large spleen in a narrow body ends where the room does (docs/anatomy-abdomen.md).
    assert 0.5 < volume["spleen"] / spec["spleen_ml"] < 1.35
    organs = {s.name for s in scene.structures if not 500 <= s.label < 1400}  # the abdomen's may lie below
    assert {name for name, ml in volume.items() if ml == 0} & organs <= MAY_VANISH
    lobes = phantom.grid.world_mm(np.argwhere(np.isin(phantom.labels, range(50, 55))))
    assert scene.fields["body"].distance_mm(lobes).max() < -6
    low, high = scene.scan_range_mm["chest"]
    assert low < lobes[:, 2].min()
    assert lobes[:, 2].max() < high
