"""Heads at the edges of the population build, with every part inside its host."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject
from phantoms.head import BODY

PEOPLE = [
    Subject("female", 18.0, 140.0, 34.0), Subject("male", 95.0, 200.0, 180.0), Subject("female", 95.0, 150.0, 100.0),
    Subject("male", 18.0, 215.0, 80.0),
]
HARD = ("frontal_bone", "parietal", "occipital_bone", "temporal_bone", "mandible", "maxilla", "zygoma", "vertebra")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(PEOPLE)))
def test_extreme_people_have_whole_heads(number: int):
    subject = PEOPLE[number]
    scene = BODY.build(subject, BODY.sample_spec(subject, rng=Seed(31).child("extremes", number).rng()))
    phantom = rasterize(scene, Grid.covering(*scene.bounds_mm, (3.0, 3.0, 3.0)))
    volumes = phantom.volumes_ml()
    assert all(np.isfinite(v) for v in volumes.values())
    for name in ("mandible", "maxilla", "eye_left", "tongue", "masseter_right", "vertebra_C2", "parietal_bone_left"):
        assert volumes[name] > 0, name
    hard = np.isin(phantom.labels, [s.label for s in scene.structures if s.name.startswith(HARD)])
    air = phantom.labels == 0
    touching = hard[1:-1, 1:-1, 1:-1] & (air[1:-1, :-2, 1:-1] | air[1:-1, 2:, 1:-1] | air[1:-1, 1:-1, :-2])
    assert np.count_nonzero(touching) <= 0.002 * np.count_nonzero(hard)  # no bone lies bare
