"""People that the tests of the abdomen look at."""

from __future__ import annotations

import json
from functools import cache

from medsynth.core.seed import Seed
from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject
from phantoms.torso import ABDOMEN
from tests.phantoms.people import Person, whole_grid

SUBJECTS = {"man": Subject("male", 50.0, 177.0, 81.0), "woman": Subject("female", 44.0, 164.0, 65.0)}


def spec_of(subject: Subject, name: str) -> dict:
    return json.loads(json.dumps(ABDOMEN.sample_spec(subject, rng=Seed(9).child("abdomen-test", name).rng())))


@cache
def built(who: str) -> Person:
    """Build one of `SUBJECTS` and its voxels at 2.5 mm."""
    subject = SUBJECTS[who]
    spec = spec_of(subject, who)
    scene = ABDOMEN.build(subject, spec)
    return Person(subject, spec, scene, rasterize(scene, whole_grid(scene, 2.5)))
