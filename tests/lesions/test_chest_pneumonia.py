"""Consolidation and ground-glass pneumonia in ellipsoid lungs: volume, borders, open bronchi, lobes."""

from dataclasses import replace

import numpy as np
import pytest

from medsynth.acquire.ct.fast import image_phantom
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.errors import PlacementError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.lesions.chest.ground_glass import severity
from medsynth.lesions.families import family
from medsynth.scene.structure import Layer, Paint, Structure
from medsynth.shapes.tubes import Tubes
from tests.lesions.inserted import Inserted, specs_of
from tests.lesions.lungs import CODE, LOBES, lungs_scene

BRONCHI = 40


@pytest.fixture(scope="module")
def scene():
    """Lungs with a straight bronchus in each lower lobe."""
    lungs = lungs_scene()
    starts = np.array([[-70.0, 0.0, -40.0], [70.0, 0.0, -20.0]])
    tubes = Tubes(starts, starts - [0, 0, 40], np.full(2, 2.5), np.full(2, 2.0), np.full(2, -1))
    air = Structure("bronchi", BRONCHI, "air", CODE)
    return replace(lungs, structures=(*lungs.structures, air),
                   paints=(*lungs.paints, Paint(tubes, (Layer(BRONCHI),), tuple(range(11, 16)))))


@pytest.fixture(scope="module")
def consolidated(scene):
    spec = specs_of(scene, "consolidation", 4, lobes={"lobe_right_lower": 1}, share=0.6, edge_mm=5,
                    bronchograms={"probability": 1}, consolidation_hu=30)[0]
    return Inserted(scene, spec, 1.5)


def test_a_consolidation_has_the_share_of_its_lobe_that_was_asked_for(consolidated):
    lobe = consolidated.before("lobe_right_lower").sum() * consolidated.grid.voxel_volume_mm3 / 1000
    assert consolidated.ml() == pytest.approx(0.6 * lobe, rel=0.03)


def test_a_consolidation_ends_at_the_fissure_and_leaves_vessels_and_bronchi_alone(consolidated):
    others = consolidated.before("lobe_right_upper", "lobe_right_middle", "pulmonary", "bronchi", "body")
    assert consolidated.part()[others == 1].max() == 0
    air = consolidated.ill.occupancy(BRONCHI).sum() / consolidated.before("bronchi").sum()
    assert air == pytest.approx(1, abs=0.05)


def test_without_bronchograms_the_bronchi_within_are_filled(scene, consolidated):
    filled = Inserted(scene, {**consolidated.spec, "bronchograms": False}, grid=consolidated.grid)
    air, left = consolidated.ill.occupancy(BRONCHI).sum(), filled.ill.occupancy(BRONCHI).sum()
    assert left < 0.7 * air
    assert filled.ml("fluid") == pytest.approx((air - left) * filled.grid.voxel_volume_mm3 / 1000, rel=0.1)


def test_the_free_edge_is_hazy_and_the_middle_airless(consolidated):
    haze, airless = consolidated.part("ground_glass"), consolidated.part("solid")
    open_lung = consolidated.ill.occupancy(13) > 0.99
    beside = np.zeros_like(open_lung)
    for axis in range(3):
        for step in (-1, 1):
            beside |= np.roll(open_lung, step, axis)
    assert haze.sum() > 0.03 * airless.sum()
    assert np.count_nonzero(beside & (airless > 0.9)) < 0.01 * np.count_nonzero(beside & (haze > 0.2))


def test_ct_numbers_are_those_asked_for(consolidated):
    at = consolidated.grid.world_mm(np.argwhere(consolidated.part("solid") > 0.99)).mean(axis=0)
    slab = Grid.covering((-175, -125, at[2] - 6), (175, 125, at[2] + 6), (3.0, 2.5, 2.5))
    here = Inserted(consolidated.scene, consolidated.spec, grid=slab)
    protocol = CtProtocol(mas=400, slice_thickness_mm=3, increment_mm=3, pixel_mm=2.5)
    hu = image_phantom(here.ill, here.healthy, protocol, seed=Seed(1)).image.array
    assert hu[here.part("solid") > 0.99].mean() == pytest.approx(30, abs=6)


@pytest.mark.parametrize("kind", ["consolidation", "ground_glass_pneumonia"])
def test_a_spec_alone_rebuilds_the_lesion(scene, kind):
    spec = specs_of(scene, kind, 3, count=1)[0]
    grid = Grid.covering((-140, -90, -120), (140, 90, 120), (4.0,) * 3)
    first, second = (Inserted(scene, spec, grid=grid).ill for _ in range(2))
    assert np.array_equal(first.labels, second.labels)
    assert np.array_equal(first.fraction, second.fraction)


def test_fifty_pneumonias_have_their_volume_and_stay_in_their_lobes(scene):
    grid = Grid.covering((-140, -90, -120), (140, 90, 120), (3.0,) * 3)
    for seed in range(25):
        for kind in ("consolidation", "ground_glass_pneumonia"):
            spec = specs_of(scene, kind, seed, count=1)[0]
            one = Inserted(scene, spec, grid=grid)
            assert one.ml() == pytest.approx(spec["volume_ml"], rel=0.05), spec
            assert one.part()[one.before(spec["lobe"]) == 0].max() == 0


def test_ground_glass_is_peripheral_and_lets_vessels_show(scene):
    near, deep = (specs_of(scene, "ground_glass_pneumonia", 6, count=1, peripheral=p, lobes={"lobe_left_lower": 1},
                           share=0.2)[0] for p in (1.0, 0.0))
    depth = []
    for spec in (near, deep):
        one = Inserted(scene, spec)
        depth.append(-scene.fields["lung_left"].distance_mm(one.grid.world_mm(np.argwhere(one.part() > 0.5))).mean())
        assert one.part()[one.before("pulmonary") == 1].max(initial=0) == 0
    assert depth[0] < 0.7 * depth[1]


def test_bilateral_pneumonia_is_on_both_sides_and_else_on_one(scene):
    for seed in range(10):
        for both, sides in ((1, 2), (0, 1)):
            specs = specs_of(scene, "ground_glass_pneumonia", seed, count=2, bilateral={"probability": both})
            assert len({spec["lobe"].split("_")[1] for spec in specs}) == sides


def test_a_lobe_has_one_diffuse_disease_at_most(scene):
    first = specs_of(scene, "consolidation", 1, count=3)
    second = specs_of(scene, "ground_glass_pneumonia", 1, taken=tuple(first), count={
        "distribution": "uniform", "low": 5, "high": 5.5}, bilateral={"probability": 1})
    assert len({spec["lobe"] for spec in (*first, *second)}) == 5
    with pytest.raises(PlacementError, match="consolidation found no lobe left"):
        specs_of(scene, "consolidation", 1, taken=tuple(second), count=4)


def test_severity_scores_follow_the_published_steps():
    # Pan 2020: below 5 % of a lobe 1, 5-25 % 2, 26-49 % 3, 50-75 % 4, above 75 % 5.
    assert [severity(share) for share in (0, 0.03, 0.1, 0.3, 0.6, 0.9)] == [0, 1, 2, 3, 4, 5]


def test_lobes_are_drawn_by_their_weights(scene):
    options = family("consolidation").options()
    drawn = [specs_of(scene, "consolidation", seed)[0]["lobe"] for seed in range(300)]
    for lobe in LOBES:
        assert drawn.count(lobe) / 300 == pytest.approx(options.lobes[lobe] / sum(options.lobes.values()), abs=0.08)
