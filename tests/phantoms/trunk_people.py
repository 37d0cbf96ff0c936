"""People that the tests of pelvis and torso look at."""

from __future__ import annotations

import json
from functools import cache

from medsynth.core.seed import Seed
from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject
from phantoms.torso import PELVIS, TORSO
from phantoms.torso.body import TrunkBody
from tests.phantoms.people import Person, whole_grid

SUBJECTS = {"man": Subject("male", 62.0, 176.0, 82.0), "woman": Subject("female", 38.0, 164.0, 66.0)}
BODIES = {"pelvis": PELVIS, "torso": TORSO}


def spec_of(body: TrunkBody, subject: Subject, name: str) -> dict:
    return json.loads(json.dumps(body.sample_spec(subject, rng=Seed(8).child("trunk-test", name).rng())))


@cache
def built(body: str, who: str, step_mm: float) -> Person:
    """Build one of `SUBJECTS` and its voxels."""
    subject = SUBJECTS[who]
    spec = spec_of(BODIES[body], subject, who)
    scene = BODIES[body].build(subject, spec)
    return Person(subject, spec, scene, rasterize(scene, whole_grid(scene, step_mm)))
