"""Emphysema, atelectasis and cavities in ellipsoid lungs."""

import numpy as np
import pytest

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Grid
from medsynth.lesions.chest.cavity import t_size
from medsynth.lesions.chest.emphysema import grade
from medsynth.lesions.chest.gravity import height_mm
from tests.lesions.inserted import Inserted, specs_of
from tests.lesions.lungs import lungs_scene

GRID = Grid.covering((-140, -90, -120), (140, 90, 120), (3.0,) * 3)


@pytest.fixture(scope="module")
def scene():
    return lungs_scene()


@pytest.mark.parametrize("kind", ["centrilobular", "paraseptal", "mixed"])
def test_emphysema_takes_the_share_of_the_lung_that_was_asked_for(scene, kind):
    spec = specs_of(scene, "emphysema", 2, types={kind: 1}, sides={"left": 1}, share=0.08)[0]
    one = Inserted(scene, spec, 1.5)
    lung = one.before("lobe_left", "pulmonary").sum() * one.grid.voxel_volume_mm3 / 1000
    assert one.ml() == pytest.approx(0.08 * lung, rel=0.06)
    assert one.part()[one.before("body", "pulmonary") == 1].max() == 0


def test_emphysema_prefers_the_tips_and_spares_no_vessel_less(scene):
    high, even = (Inserted(scene, specs_of(scene, "emphysema", 3, types={"centrilobular": 1}, sides={"right": 1},
                                           share=0.15, upper=upper)[0], grid=GRID) for upper in (1, 0))
    assert high.centroid_mm()[2] > even.centroid_mm()[2] + 20


def test_words_for_emphysema_follow_the_fleischner_steps():
    assert [grade(share) for share in (0.002, 0.02, 0.1, 0.3)] == ["trace", "mild", "moderate", "confluent"]


def test_both_lungs_have_about_the_share_asked_for(scene):
    specs = specs_of(scene, "emphysema", 1, share=0.1)
    assert [spec["side"] for spec in specs] == ["right", "left"]
    with pytest.raises(PlacementError, match="has one already"):
        specs_of(scene, "emphysema", 1, taken=tuple(specs))


def test_a_plate_is_as_thin_as_asked_and_stays_in_its_lobe(scene):
    spec = specs_of(scene, "atelectasis", 5, types={"plate": 1}, lobes={"lobe_left_lower": 1}, thickness_mm=4,
                    length_mm=60)[0]
    one = Inserted(scene, {**spec, "centre_mm": (72.0, 0.0, -55.0), "normal": (0.0, 0.0, 1.0)}, 1.0)
    thick = one.part().sum(axis=0)
    # Square to its own slope a plate is thickest in its middle.
    assert np.quantile(thick[thick > 1.5], 0.9) == pytest.approx(4.0, abs=0.9)
    assert one.part()[one.before("lobe_left_lower") == 0].max() == 0
    wide = np.count_nonzero(thick > 0.5)
    assert wide == pytest.approx(np.pi / 4 * 60**2, rel=0.35)


@pytest.mark.parametrize("lobe", ["lobe_right_upper", "lobe_left_lower"])
def test_a_collapsed_lobe_shrinks_and_its_neighbour_takes_the_room(scene, lobe):
    spec = specs_of(scene, "atelectasis", 1, types={"lobar": 1}, lobes={lobe: 1}, left_share=0.3)[0]
    one = Inserted(scene, spec, grid=GRID)
    before = one.before(lobe).sum() * GRID.voxel_volume_mm3 / 1000
    assert one.ml() == pytest.approx(0.3 * before, rel=0.05)
    assert one.before(lobe, phantom=one.ill).sum() * GRID.voxel_volume_mm3 / 1000 < 0.06 * before
    neighbour = {"lobe_right_upper": "lobe_right_lower", "lobe_left_lower": "lobe_left_upper"}[lobe]
    gained = (one.before(neighbour, phantom=one.ill) - one.before(neighbour)).sum() * GRID.voxel_volume_mm3 / 1000
    assert gained == pytest.approx(0.7 * before, rel=0.15)


@pytest.mark.parametrize("posture", ["supine", "upright", "left_decubitus"])
def test_the_fluid_level_in_a_cavity_is_level(scene, posture):
    spec = specs_of(scene, "lung_cavity", 4, diameter_mm=40, fluid_level={"probability": 1, "low": 0.5, "high": 0.5},
                    posture=posture, wall_share=0.15, types={"abscess": 1})[0]
    one = Inserted(scene, spec, 1.0)
    fluid, gas = (height_mm(one.grid.world_mm(np.argwhere(one.part(name) > 0.5)), posture) for name in ("fluid", "gas"))
    assert fluid.max() <= gas.min() + 1.1
    assert np.ptp(fluid) > 8 < np.ptp(gas)


def test_fifty_cavities_have_their_volume_stay_in_the_lung_and_are_walled(scene):
    for seed in range(50):
        spec = specs_of(scene, "lung_cavity", seed)[0]
        one = Inserted(scene, spec, max(1.2, spec["diameter_mm"] / 24))
        assert one.ml() == pytest.approx(np.pi / 6000 * spec["diameter_mm"] ** 3, rel=0.05), spec
        assert one.part()[one.before("body") == 1].max(initial=0) == 0
        hollow, lung = one.part("gas") > 0.5, one.ill.occupancy(*range(11, 16)) > 0.9
        assert not any((np.roll(hollow, step, axis) & lung).any() for axis in range(3) for step in (-1, 1)), spec


def test_t_classes_by_size_follow_the_eighth_edition():
    sizes = (10, 11, 25, 35, 45, 60, 75)
    assert [t_size(mm) for mm in sizes] == ["T1a", "T1b", "T1c", "T2a", "T2b", "T3", "T4"]


def test_cavities_that_find_no_room_are_refused(scene):
    with pytest.raises(PlacementError, match="lung_cavity found no place for one of diameter_mm"):
        specs_of(scene, "lung_cavity", 1, diameter_mm=70, count=14)
