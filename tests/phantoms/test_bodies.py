"""What every installed body promises, on coarse voxels."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from medsynth.core.errors import RecipeError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.body import bodies
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Scene
from medsynth.scene.subject import Subject
from tests.phantoms import abdomen_people, head_people, knee_people, people, trunk_people

BODIES = bodies()
STEPS = 64  # voxels along a body's longest side


def someone(name: str) -> tuple[Subject, dict]:
    """A person of a sex that the body has, and the spec drawn for her or him."""
    for sex in ("male", "female"):
        subject = Subject(sex, 52.0, 170.0, 76.0)
        try:
            return subject, dict(BODIES[name].sample_spec(subject, rng=Seed(11).child(name).rng()))
        except RecipeError:
            continue
    raise AssertionError(f"{name} is for nobody")


# People that other tests of these bodies look at, too: built once.
PEOPLE = {
    "thorax": lambda: people.built("man"),
    "abdomen": lambda: abdomen_people.built("man"),
    "pelvis": lambda: trunk_people.built("pelvis", "man", 2.5),
    "torso": lambda: trunk_people.built("torso", "man", 3.0),
    "head": lambda: head_people.built("man"),
    "knee": lambda: knee_people.knee("man"),
}


@cache
def built(name: str) -> Scene:
    return PEOPLE[name]().scene if name in PEOPLE else BODIES[name].build(*someone(name))


def grid_of(scene: Scene) -> Grid:
    """Coarse voxels over the body and a little air beside it; planes that a body is cut at are the grid's ends."""
    low, high = (np.array(end) for end in scene.bounds_mm)
    step = float((high - low).max() / STEPS)
    low[:2] -= 2 * step
    high[:2] += 2 * step
    ranges = np.array(list(scene.scan_range_mm.values()))
    low[2], high[2] = max(low[2], ranges.min()), min(high[2], ranges.max())
    return Grid.covering(low, high, (step, step, step))


@cache
def voxels(name: str) -> Phantom:
    return rasterize(built(name), grid_of(built(name)))


@pytest.fixture(params=sorted(BODIES))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_spec_is_plain_json_with_a_version(name):
    _, spec = someone(name)
    assert json.loads(json.dumps(spec, allow_nan=False)) == spec
    assert isinstance(spec["version"], int)


def test_the_same_random_numbers_draw_the_same_spec(name):
    assert someone(name) == someone(name)


def test_every_structure_of_a_scene_is_one_that_its_body_announces(name):
    announced = {s.name: s for s in BODIES[name].structures()}
    for structure in built(name).structures:
        one = announced[structure.name]
        assert (one.label, one.code, one.part_of) == (structure.label, structure.code, structure.part_of), one.name
        assert one.laterality in ("", structure.laterality), one.name  # a body of one side may leave it to the spec


def test_every_painting_step_paints_a_structure(name):
    scene = built(name)
    known = {s.label for s in scene.structures}
    for paint in scene.paints:
        for layer in paint.layers:  # a table of owners may name what lies beyond the body's range
            assert known & set((layer.label,) if isinstance(layer.label, int) else layer.label)


def test_every_label_in_the_voxels_is_a_structure(name):
    phantom = voxels(name)
    found = set(np.unique(phantom.labels)) | set(np.unique(phantom.neighbour[phantom.fraction > 0]))
    assert found - {0} <= {s.label for s in phantom.structures}
    assert len(found) > 1


def test_the_air_around_a_body_does_not_reach_inside_it(name):
    """Every room of background voxels opens to the side of the grid; air inside a body is a structure of its own."""
    air = voxels(name).labels == 0
    rooms, count = ndimage.label(air)
    open_ = np.unique(np.concatenate([side.ravel() for side in (rooms[:, 0], rooms[:, -1], rooms[:, :, 0],
                                                                 rooms[:, :, -1], rooms[0], rooms[-1])]))
    closed = sorted(set(range(1, count + 1)) - set(open_.tolist()))
    assert not closed, [(number, int((rooms == number).sum())) for number in closed]


def test_ranges_landmarks_and_the_skin_lie_where_the_body_is(name):
    scene = built(name)
    low, high = (np.array(end) for end in scene.bounds_mm)
    assert set(scene.scan_range_mm) == set(BODIES[name].scan_ranges)
    for bottom, top in scene.scan_range_mm.values():
        assert low[2] - 10 <= bottom < top <= high[2] + 10
    for at in scene.landmarks.values():
        assert np.all(np.array(at) >= low - 1)
        assert np.all(np.array(at) <= high + 1)
    assert "body" in scene.fields
    filled = np.argwhere(voxels(name).labels > 0)
    edge = voxels(name).grid.world_mm(filled)
    step = voxels(name).grid.spacing_mm[0]
    assert np.all(edge.min(0)[:2] >= low[:2] - step)
    assert np.all(edge.max(0)[:2] <= high[:2] + step)


# A thorax is built again by another process (`test_thorax_spec.py`); the torso runs the builders of the whole trunk.
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BODIES.keys() - {"thorax", "abdomen", "pelvis"}), indirect=True)
def test_the_same_spec_builds_the_same_voxels(name):
    scene = built(name)
    spec = PEOPLE[name]().spec if name in PEOPLE else someone(name)[1]
    scene = BODIES[name].build(scene.subject, json.loads(json.dumps(spec)))
    again, first = rasterize(scene, grid_of(scene)), voxels(name)
    assert again.grid == first.grid
    for part in ("labels", "neighbour", "fraction", "texture"):
        assert np.array_equal(getattr(again, part), getattr(first, part)), part
