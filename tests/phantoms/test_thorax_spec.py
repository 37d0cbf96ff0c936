"""The spec alone rebuilds the body, bit for bit, anywhere."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from medsynth.core.errors import RecipeError
from medsynth.core.seed import Seed
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject
from phantoms.torso import BODY
from tests.phantoms.people import Person, spec_of, whole_grid

STEP_MM = 6.0
SCRIPT = """
import json, sys
from tests.phantoms.test_thorax_spec import digest, rebuilt
print(digest(rebuilt(json.loads(sys.stdin.read()))))
"""


def digest(phantom: Phantom) -> str:
    parts = (phantom.labels, phantom.neighbour, phantom.fraction, phantom.texture)
    return hashlib.blake2b(b"".join(a.tobytes() for a in parts)).hexdigest()


def rebuilt(saved: dict) -> Phantom:
    scene = BODY.build(Subject(**saved["subject"]), saved["spec"])
    return rasterize(scene, whole_grid(scene, STEP_MM))


def _saved(person: Person) -> dict:
    s = person.subject
    return {
        "spec": person.spec,
        "subject": {"sex": s.sex, "age_years": s.age_years, "height_cm": s.height_cm, "weight_kg": s.weight_kg},
    }


@pytest.mark.parametrize("person", ["woman"], indirect=True)
def test_another_process_with_one_thread_builds_the_same_voxels(person: Person):
    here = digest(rasterize(person.scene, whole_grid(person.scene, STEP_MM)))
    environment = {**os.environ, "NUMBA_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(_saved(person)),
        text=True,
        capture_output=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == here


def test_spec_is_json_and_follows_its_stream():
    subject = Subject("female", 30.0, 165.0, 60.0)
    spec = BODY.sample_spec(subject, rng=Seed(1).rng())
    assert json.loads(json.dumps(spec)) == spec
    assert spec == BODY.sample_spec(subject, rng=Seed(1).rng())
    assert spec != BODY.sample_spec(subject, rng=Seed(2).rng())


def test_size_and_sex_drive_the_numbers():
    def drawn(subject: Subject) -> dict:
        return spec_of(subject, "same stream")

    slim, heavy = drawn(Subject("male", 40, 175, 60)), drawn(Subject("male", 40, 175, 120))
    assert heavy["fat"] > 2 * slim["fat"]
    assert heavy["liver_ml"] > slim["liver_ml"]
    assert heavy["belly_mm"] > slim["belly_mm"]
    small, tall = drawn(Subject("female", 40, 150, 56)), drawn(Subject("female", 40, 180, 81))
    assert tall["lung_ml"] > 1.3 * small["lung_ml"]
    young, old = drawn(Subject("female", 25, 165, 65)), drawn(Subject("female", 85, 165, 65))
    assert old["aorta"] > young["aorta"]
    assert old["marrow_mineral"] < young["marrow_mineral"]
    assert old["thymus_fat"] > young["thymus_fat"]
    assert old["kyphosis"] > young["kyphosis"]


def test_a_spec_of_another_version_is_refused(person: Person):
    with pytest.raises(RecipeError, match="version"):
        BODY.build(person.subject, {**person.spec, "version": 99})
