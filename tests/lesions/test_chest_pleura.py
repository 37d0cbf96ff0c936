"""Effusion and pneumothorax in ellipsoid lungs: volume, gravity, meniscus, the visceral line, the shift."""

import numpy as np
import pytest

from medsynth.core.errors import PlacementError, RecipeError
from medsynth.core.grid import Grid
from medsynth.lesions.chest.effusion import size_class
from medsynth.lesions.chest.gravity import POSTURES, UP, height_mm
from medsynth.lesions.families import family
from tests.lesions.inserted import Inserted, specs_of
from tests.lesions.lungs import CENTRES, RADII, lungs_scene

GRID = Grid.covering((-140, -90, -120), (140, 90, 120), (3.0,) * 3)


@pytest.fixture(scope="module")
def scene():
    return lungs_scene()


@pytest.mark.parametrize("posture", POSTURES)
def test_free_fluid_lies_lowest_and_air_highest(scene, posture):
    up = np.asarray(UP[posture])
    reach = float(np.abs(up) @ RADII)
    for kind, name, sign in (("pleural_effusion", "fluid", -1), ("pneumothorax", "gas", 1)):
        spec = specs_of(scene, kind, 2, posture=posture, sides={"left": 1}, volume_ml=400)[0]
        one = Inserted(scene, spec, grid=GRID)
        inside = height_mm(GRID.world_mm(np.argwhere(one.part(name) > 0.5)), posture) - up @ CENTRES["left"]
        assert sign * inside.mean() > 0.25 * reach
        assert (sign * inside).min() > -0.75 * reach  # none at the other end
        assert (sign * inside).max() > 0.9 * reach


def test_fifty_effusions_and_pneumothoraces_have_their_volume_and_stay_in_the_lung(scene):
    for seed in range(25):
        posture = POSTURES[seed % len(POSTURES)]
        for kind, name in (("pleural_effusion", "fluid"), ("pneumothorax", "gas")):
            sides = {("left", "right")[seed % 2]: 1}
            spec = specs_of(scene, kind, seed, sides=sides, posture=posture, volume_ml=[250, 400, 700][seed % 3])[0]
            one = Inserted(scene, spec, grid=GRID)
            assert one.ml(name) == pytest.approx(spec["volume_ml"], rel=0.05), spec
            assert one.part()[one.before("body") == 1].max() == 0
            other = "left" if spec["side"] == "right" else "right"
            assert one.part()[one.before(f"lobe_{other}") > 0.5].max() == 0


@pytest.mark.parametrize(("kind", "name"), [("pleural_effusion", "fluid"), ("pneumothorax", "gas")])
def test_small_ones_keep_their_volume(scene, kind, name):
    one = Inserted(scene, specs_of(scene, kind, 2, sides={"left": 1}, volume_ml=80)[0], 1.5)
    assert one.ml(name) == pytest.approx(80, rel=0.05)


def test_upright_fluid_climbs_the_side_wall(scene):
    spec = specs_of(scene, "pleural_effusion", 1, sides={"right": 1}, posture="upright", volume_ml=600,
                    atelectasis_mm=0)[0]
    one = Inserted(scene, spec, 2.0)
    fluid = one.part("fluid") > 0.5
    x = one.grid.world_mm(np.argwhere(fluid))
    middle = x[(np.abs(x[:, 0] - CENTRES["right"][0]) < 6) & (np.abs(x[:, 1]) < 10), 2].max()
    wall = x[(x[:, 0] < CENTRES["right"][0] - 30) & (np.abs(x[:, 1]) < 10), 2].max()
    assert wall > middle + 8


def test_no_vessel_is_left_in_fluid_or_air_but_in_collapsed_lung(scene):
    spec = specs_of(scene, "pleural_effusion", 1, sides={"left": 1}, volume_ml=900, atelectasis_mm=15)[0]
    one = Inserted(scene, spec, grid=GRID)
    vessels = one.before("pulmonary") > 0.5
    assert one.part("fluid")[vessels].max() > 0.5  # covered, not left in it
    assert one.ill.occupancy(30)[one.part("fluid") > 0.5].max() < 0.5
    air = Inserted(scene, specs_of(scene, "pneumothorax", 1, sides={"left": 1}, volume_ml=900)[0], grid=GRID)
    assert air.ill.occupancy(30)[air.part("gas") > 0.5].max() < 0.5
    assert one.part("change").sum() > 0.05 * one.part("fluid").sum()


def test_a_thin_line_lies_between_air_and_lung(scene):
    one = Inserted(scene, specs_of(scene, "pneumothorax", 3, sides={"right": 1}, rim_mm=30, posture="upright")[0], 1.0)
    gas, line = one.part("gas") > 0.9, one.part("wall")
    beside = np.zeros_like(gas)
    for axis in range(3):
        for step in (-2, 2):
            beside |= np.roll(gas, step, axis)
    lung = one.ill.occupancy(*range(11, 16)) > 0.9
    near = beside & lung
    assert near.any()
    # Air does not touch lung: a voxel of line lies between (two steps away already lung).
    touching = sum(np.count_nonzero(np.roll(gas, step, axis) & lung) for axis in range(3) for step in (-1, 1))
    assert touching < 0.02 * np.count_nonzero(near)
    assert line.max() > 0.3


def test_a_rim_asked_for_is_there_at_the_tip(scene):
    small, large = (Inserted(scene, specs_of(scene, "pneumothorax", 3, sides={"right": 1}, rim_mm=rim,
                                             posture="upright")[0], grid=GRID).lesion.attributes for rim in (12, 40))
    assert small["apex_mm"] < 20 < large["apex_mm"] < 60
    assert (small["accp"], large["accp"]) == ("small", "large")
    with pytest.raises(ValueError, match="volume_ml or rim_mm"):
        specs_of(scene, "pneumothorax", 1, rim_mm=10, volume_ml=100)


def test_tension_moves_the_middle_away_and_leaves_the_wall(scene):
    spec = {**specs_of(scene, "pneumothorax", 3, sides={"left": 1}, volume_ml=800)[0], "shift_mm": 15.0}
    warp = family("pneumothorax").insert(spec, scene, 1).pushes[0].warp
    moved = warp.displacement_mm(np.array([[0.0, 0, 0], [-133.0, 0, 0], [133.0, 0, 0], [0, 0, 130.0]]))
    assert moved[0] == pytest.approx([-15, 0, 0], abs=1.0)  # to the right: -x
    assert np.abs(moved[1:]).max() < 0.3


def test_what_does_not_fit_is_refused_in_one_line(scene):
    for kind in ("pleural_effusion", "pneumothorax"):
        with pytest.raises(PlacementError, match=f"lesions.{kind} of 9000 ml does not fit the left side"):
            specs_of(scene, kind, 1, sides={"left": 1}, volume_ml=9000)
        first = specs_of(scene, kind, 1, sides={"left": 1}, volume_ml=100)
        with pytest.raises(PlacementError, match="side"):
            specs_of(scene, kind, 1, taken=tuple(first), sides={"left": 1}, volume_ml=100)
    with pytest.raises(RecipeError, match="spec of lesion 1"):
        family("pleural_effusion").insert({"kind": "pleural_effusion"}, scene, 1)


def test_size_classes_follow_what_radiographs_show():
    assert [size_class(ml) for ml in (50, 200, 600, 1500, 2500)] == ["trace", "small", "moderate", "large", "massive"]


def test_probability_leaves_patients_without(scene):
    count = sum(len(specs_of(scene, "pneumothorax", seed, probability=0.3)) for seed in range(200))
    assert 36 < count < 86
