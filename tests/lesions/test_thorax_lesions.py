"""Emboli, rib fractures and nodes: they need a chest with arteries, ribs and a mediastinum."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Grid
from medsynth.lesions.chest.embolism import LEVELS
from medsynth.lesions.chest.lymph_node import recist_class
from tests.lesions.inserted import Inserted, specs_of
from tests.lesions.lungs import lungs_scene
from tests.phantoms.people import built


@pytest.fixture(scope="module")
def scene():
    return built("man").scene


def test_emboli_lie_in_arteries_of_their_level_and_nowhere_else(scene):
    tree = scene.vessels["pulmonary_arteries"]
    specs = specs_of(scene, "pulmonary_embolism", 3, count=5, levels={"lobar": 1, "segmental": 1})
    assert len(specs) == 5
    for spec in specs:
        low, high = LEVELS[spec["level"]]
        assert low <= tree.start_radii_mm[spec["start"]] < high
    one = Inserted(scene, specs[0], 0.8)
    assert one.ml() > 0.02
    assert one.part()[one.before("pulmonary_arter") == 0].max() == 0
    for first in range(5):  # no two in one place
        for second in range(first):
            assert np.linalg.norm(np.subtract(specs[first]["centre_mm"], specs[second]["centre_mm"])) > 3


def test_a_saddle_embolus_bridges_both_main_arteries(scene):
    spec = specs_of(scene, "pulmonary_embolism", 1, saddle={"probability": 1}, count=0)[0]
    one = Inserted(scene, spec, 1.5)
    x = one.grid.world_mm(np.argwhere(one.part() > 0.5))[:, 0]
    assert x.min() < -8
    assert x.max() > 12
    assert ndimage.label(one.part() > 0.3, np.ones((3, 3, 3)))[1] == 1
    words = one.lesion.attributes
    assert words["rsna_central_pe"]
    assert words["rsna_leftsided_pe"]
    assert words["rsna_rightsided_pe"]
    assert one.lesion.host == "pulmonary_artery"


def test_fifty_emboli_are_found_without_overlap_of_their_words(scene):
    for seed in range(50):
        for spec in specs_of(scene, "pulmonary_embolism", seed, count=1):
            assert spec["side"] in ("left", "right", "both")
            if spec["start"] >= 0:
                assert (spec["centre_mm"][0] > 0) == (spec["side"] == "left")
                assert f"_{spec['side']}_" in spec["lobe"]


def test_a_body_without_arteries_refuses_emboli():
    bare = replace(lungs_scene(), vessels={})
    with pytest.raises(PlacementError, match="needs pulmonary arteries"):
        specs_of(bare, "pulmonary_embolism", 1)


def test_a_fracture_parts_its_rib_and_a_step_moves_the_end(scene):
    spec = specs_of(scene, "rib_fracture", 2, count=1, gap_mm=1.5, step_mm=0, age_days=0, ribs={"6": 1, "7": 1})[0]
    centre = np.asarray(spec["centre_mm"])
    grid = Grid.covering(centre - 12, centre + 12, (0.5,) * 3)
    flat, stepped = (Inserted(scene, {**spec, "step_mm": step}, grid=grid) for step in (0.0, 3.0))
    bone = flat.before(spec["rib"])
    assert flat.part()[bone == 0].max() == 0
    whole, broken = (ndimage.label(one > 0.5)[1] for one in (bone, flat.before(spec["rib"], phantom=flat.ill)))
    sizes = np.sort(np.bincount(ndimage.label(flat.before(spec["rib"], phantom=flat.ill) > 0.5)[0].ravel())[1:])
    assert broken >= whole + 1
    assert sizes[-2] > 0.2 * sizes[-1]
    beyond = (grid.points_mm() - centre) @ np.asarray(spec["along"])
    far, near = (beyond > 3) & (beyond < 8), (beyond < -3) & (beyond > -8)
    moved = []
    for side in (far, near):
        places = [grid.world_mm(np.argwhere((one.before(spec["rib"], phantom=one.ill) > 0.5) & side)).mean(0)
                  for one in (flat, stepped)]
        moved.append((places[1] - places[0]) @ np.asarray(spec["across"]))
    assert moved[0] > 1.2
    assert abs(moved[1]) < 0.5
    assert stepped.lesion.attributes["type"] == "displaced"


def test_callus_comes_with_age(scene):
    spec = specs_of(scene, "rib_fracture", 2, count=1, step_mm=0, ribs={"6": 1})[0]
    volume = {}
    for days in (2, 30, 80):
        one = Inserted(scene, {**spec, "age_days": float(days)}, 0.8)
        volume[days] = one.ml("bone") if "bone" in one.labels else 0.0
        assert one.part()[one.before("lobe_") == 1].max() == 0
    assert volume[2] == 0 < volume[30] < volume[80]


def test_nodes_have_their_size_and_break_into_no_vessel(scene):
    for spec in specs_of(scene, "thoracic_lymph_node", 3, count=2, short_axis_mm=16, elongation=1.2):
        one = Inserted(scene, spec, 1.0)
        assert one.ml() == pytest.approx(np.pi / 6000 * 16**3 * 1.2 * 1.08, rel=0.05), spec
        kept = one.before("ascending", "aortic", "superior_vena", "trachea", "bronchi") == 1
        assert one.part()[kept].max(initial=0) == 0


def test_nodes_are_classed_by_their_short_axis_as_recist_does():
    assert [recist_class(mm) for mm in (9.9, 10, 14.9, 15)] == ["normal", "non-target", "non-target", "target"]


def test_upright_effusion_and_supine_pneumothorax_fit_a_real_lung(scene):
    for kind, name, posture in (("pleural_effusion", "fluid", "upright"), ("pneumothorax", "gas", "supine")):
        spec = specs_of(scene, kind, 1, sides={"left": 1}, posture=posture, volume_ml=500)[0]
        one = Inserted(scene, spec, 3.0)
        assert one.ml(name) == pytest.approx(500, rel=0.05)
        assert one.part(name)[one.before("heart", "descending_aorta", "rib", "left_ventricle") == 1].max() == 0
