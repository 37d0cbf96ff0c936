"""Kidneys, bile, pancreas, adrenals, vessels and the cavity: what each family's lesions do there."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medsynth.acquire.ct.hu import structure_hu
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.lesions.abdomen.aorta import aorta
from medsynth.lesions.distributions import choose
from medsynth.lesions.families import build_lesions, family
from medsynth.scene.rasterize import rasterize, with_lesions
from medsynth.scene.structure import Measured
from medsynth.tissues.mr import MEAN
from tests.lesions.trunk import by_part, drawn, grown, painted
from tests.phantoms.abdomen_people import built


@pytest.fixture(scope="module")
def scene():
    return built("man").scene


@pytest.mark.parametrize(("composition", "low", "high"), [("uric_acid", 200, 500), ("calcium_oxalate", 800, 1500),
                                                          ("struvite", 450, 900), ("cystine", 450, 900)])
def test_stones_have_the_ct_numbers_of_their_composition(scene, composition, low, high):
    specs, lesions = grown(scene, "kidney_stone", count=3, compositions={composition: 1}, sites={"calyx": 1},
                           diameter_mm=3)
    for spec, lesion in zip(specs, lesions, strict=True):
        hu = structure_hu(lesion.structures[0], 120.0, "none")
        assert low < hu < high
        assert hu == pytest.approx(spec["stone_hu"], rel=0.06)
        assert lesion.attributes["composition"] == composition


def test_calcium_gains_more_at_low_voltage_than_uric_acid(scene):
    """The dual-energy sign: HU at 80 kVp over HU at 140 kVp is near 1 for uric acid and far above for calcium."""
    ratios = {}
    for composition in ("uric_acid", "calcium_oxalate"):
        _, (stone,) = grown(scene, "kidney_stone", count=1, compositions={composition: 1}, sites={"calyx": 1},
                            diameter_mm=4)
        low, high = (structure_hu(stone.structures[0], kv, "none") for kv in (80.0, 140.0))
        ratios[composition] = low / high
    assert ratios["uric_acid"] < 1.13 < 1.3 < ratios["calcium_oxalate"]


def test_an_obstructing_stone_dilates_what_lies_above_it(scene):
    _, (stone,) = grown(scene, "kidney_stone", count=1, sites={"upj": 1}, diameter_mm=8, dilation=2.0)
    _, (loose,) = grown(scene, "kidney_stone", count=1, sites={"calyx": 1}, diameter_mm=8)
    assert stone.attributes["hydronephrosis"]
    assert stone.changes
    assert not loose.changes
    side = stone.host.removeprefix("kidney_")
    tubes = scene.vessels[f"ureter_{side}"]
    middle = (tubes.starts_mm[stone.spec["capsule"]] + tubes.ends_mm[stone.spec["capsule"]]) / 2
    box = Grid.covering(middle - 22, middle + 22, (0.8,) * 3)
    healthy = rasterize(scene, box)
    _, anatomy = with_lesions(healthy, scene, [stone])
    label = scene.structure(f"ureter_{side}").label
    assert anatomy.occupancy(label).sum() > 1.8 * healthy.occupancy(label).sum()


def test_bosniak_classes_have_the_looks_that_define_them(scene):
    for grade, wall, septa in (("I", 2, (0, 0)), ("IIF", 3, (3, 8)), ("III", None, (1, 8))):
        for spec in drawn(scene, "kidney_cyst", count=3, bosniak={grade: 1}, diameter_mm=30):
            assert septa[0] <= spec["septa"] <= septa[1]
            assert spec["wall_mm"] <= wall if wall else spec["wall_mm"] >= 4
    _, (cyst,) = grown(scene, "kidney_cyst", count=1, bosniak={"IV": 1}, diameter_mm=36)
    assert cyst.attributes["nodule"]
    gain = [structure_hu(by_part(cyst)[part], 120.0, "portal") - structure_hu(by_part(cyst)[part], 120.0, "none")
            for part in ("solid", "wall", "")]
    assert gain[0] > 20
    assert gain[1] > 20
    assert gain[2] == 0


def test_renal_carcinomas_differ_by_phase_and_are_staged_by_size(scene):
    peak = {}
    for kind in ("clear_cell", "papillary", "chromophobe"):
        _, (mass,) = grown(scene, "renal_mass", types={kind: 1}, diameter_mm=26)
        peak[kind] = structure_hu(by_part(mass)[""], 120.0, "arterial")
    assert peak["clear_cell"] > peak["chromophobe"] + 40 > peak["papillary"] + 60
    for size, word in ((39, "T1a"), (41, "T1b"), (71, "T2a"), (101, "T2b")):
        assert mass.classify(Measured(1, size, size, size, size, 0, 1, None, None, None, {}))["tnm_size_class"] == word
    kinds = [choose(family("renal_mass").options().types, rng=Seed(n).rng()) for n in range(400)]
    assert 0.55 < kinds.count("clear_cell") / 400 < 0.75


@pytest.mark.parametrize(("posture", "axis", "sign"), [("supine", 1, 1), ("prone", 1, -1), ("upright", 2, -1),
                                                       ("left_decubitus", 0, 1)])
def test_gallstones_lie_where_the_bile_is_low(scene, posture, axis, sign):
    where = {one: np.mean([s["centre_mm"] for s in drawn(scene, "gallstones", count=4, diameter_mm=4, posture=one)],
                          axis=0)
             for one in (posture, {"supine": "prone", "prone": "supine", "upright": "supine",
                                   "left_decubitus": "right_decubitus"}[posture])}
    here, there = where.values()
    assert sign * (here[axis] - there[axis]) > 4


def test_pancreatic_cancer_dams_up_the_duct_above_it_only(scene):
    (spec,), (lesion,) = grown(scene, "pancreatic_cancer", sites={"neck": 1, "body": 1}, diameter_mm=20, duct_mm=6,
                               iso_share=0, contrast_hu=40, atrophy=0)
    duct = scene.vessels["pancreatic_duct"]
    _, anatomy, healthy = painted(scene, lesion, nodes=30)
    label = scene.structure("pancreatic_duct").label

    def width(phantom, capsule):
        middle = (duct.starts_mm[capsule] + duct.ends_mm[capsule]) / 2
        grid = Grid.covering(middle - 7, middle + 7, (0.5,) * 3)
        return float(with_lesions(rasterize(scene, grid), scene,
                                  [phantom])[1].occupancy(label).sum()) if phantom else float(
            rasterize(scene, grid).occupancy(label).sum())

    above, below = max(spec["capsule"] - 6, 1), min(spec["capsule"] + 6, len(duct.parents) - 2)
    assert width(lesion, above) > 3 * width(None, above)
    assert width(lesion, below) == pytest.approx(width(None, below))
    assert not np.array_equal(anatomy.labels, healthy.labels)


def test_the_gland_withers_upstream(scene):
    (spec,) = drawn(scene, "pancreatic_cancer", sites={"head": 1}, diameter_mm=18, atrophy=0.45)
    (lesion,) = build_lesions([spec | {"duct_mm": 1.0}], scene)
    grid = Grid.covering(*(np.asarray(end) for end in scene.fields["pancreas"].bounds_mm()), (2.5,) * 3)
    labels = [s.label for s in scene.structures if "pancreas" in (s.name, s.part_of)]
    healthy = rasterize(scene, grid)
    _, withered = with_lesions(healthy, scene, [lesion])
    ratio = withered.occupancy(*labels).sum() / healthy.occupancy(*labels).sum()
    assert 0.4 < ratio < 0.9


def test_pancreatic_cancer_has_the_published_share_of_iso_attenuating_tumours_and_places(scene):
    options = family("pancreatic_cancer").options()
    assert 0.11 <= options.iso_share <= 0.14
    sites = [choose(options.sites, rng=Seed(n).rng()) for n in range(600)]
    assert sites.count("head") / 600 == pytest.approx(2 / 3, abs=0.06)
    pancreas = structure_hu(scene.structure("pancreas"), 120.0, "portal")
    _, (iso,) = grown(scene, "pancreatic_cancer", iso_share=1, sites={"head": 1})
    assert pancreas - structure_hu(iso.structures[0], 120.0, "portal") == pytest.approx(7, abs=9)


def test_lipid_rich_adenomas_lose_signal_and_ct_number(scene):
    for kind, low, high in (("adenoma_lipid_rich", -20, 10.5), ("adenoma_lipid_poor", 10, 33), ("myelolipoma", -95,
                                                                                                -25)):
        for lesion in grown(scene, "adrenal_nodule", count=2, types={kind: 1}, diameter_mm=12)[1]:
            structure = lesion.structures[0]
            assert low <= structure_hu(structure, 120.0, "none") <= high
            assert lesion.attributes["lipid_rich"] == (kind != "adenoma_lipid_poor")
            assert "adipose" in (structure.tissue, *(name for name, _ in structure.mixture))


def test_ascites_has_its_volume_and_gathers_where_it_is_low(scene):
    low, high = (np.asarray(end) for end in scene.bounds_mm)
    healthy = rasterize(scene, Grid.covering(low, high, (3.0,) * 3))
    middles = {}
    for posture in ("supine", "prone"):
        _, (lesion,) = grown(scene, "ascites", volume_ml=500, posture=posture)
        ill, _ = with_lesions(healthy, scene, [lesion])
        share = ill.occupancy(lesion.structures[0].label)
        assert share.sum() * 0.027 == pytest.approx(500, rel=0.05)
        middles[posture] = float(np.average(np.indices(share.shape)[1], weights=share)) * 3.0
    assert middles["supine"] > middles["prone"] + 8


def test_an_aneurysm_is_as_wide_as_asked_for_and_its_neighbours_give_way(scene):
    (spec,), (lesion,) = grown(scene, "aortic_aneurysm", diameter_mm=50, thrombus={"probability": 1})
    ill, _, _ = painted(scene, lesion, nodes=30)
    whole = ill.occupancy(*(s.label for s in lesion.structures))
    assert np.sqrt(4 / np.pi * whole.sum(axis=(1, 2)).max()) * ill.grid.spacing_mm[0] == pytest.approx(50, rel=0.05)
    parts = {s.name.rpartition("_")[2]: float(ill.occupancy(s.label).sum()) for s in lesion.structures}
    assert parts["clot"] > 0.1 * parts["blood"] > 0
    warp = lesion.pushes[0].warp
    points = np.asarray(spec["centre_mm"]) + Seed(2).rng().uniform(-60, 60, (6000, 3))
    bone = points[scene.fields["spine"].distance_mm(points) < -3]
    assert len(bone) > 100
    assert np.abs(warp.displacement_mm(bone)).max() < 0.2
    assert np.linalg.norm(warp.displacement_mm(points), axis=1).max() > 3
    assert lesion.classify(Measured(1, 60, 56, 58, 60, 0, 1, None, None, None, {}))["repair_threshold"]
    line = aorta(scene)
    assert line.z_mm[0] < spec["centre_mm"][2] < line.z_mm[-1]


def test_a_dissection_leaves_the_true_lumen_its_share_and_stays_within_the_aorta(scene):
    (spec,), (lesion,) = grown(scene, "aortic_dissection", true_share=0.35, thrombosed=0, extent=0.6)
    middle = np.asarray(spec["centre_mm"])
    healthy = rasterize(scene, Grid.covering(middle - 20, middle + 20, (0.7,) * 3))
    ill, anatomy = with_lesions(healthy, scene, [lesion])
    blood = [s.label for s in scene.structures if s.name in ("abdominal_aorta", "descending_aorta")]
    before, left = healthy.occupancy(*blood).sum(), ill.occupancy(*blood).sum()
    assert left / before == pytest.approx(0.35 - 0.05, abs=0.09)  # the flap takes its part
    own = ill.occupancy(*(s.label for s in lesion.structures))
    assert own.sum() == pytest.approx(before - left, rel=0.02)
    assert anatomy is healthy


def test_nodes_have_the_short_axis_asked_for(scene):
    for spec in drawn(scene, "lymphadenopathy", count=3, short_axis_mm=16, elongation=1.5):
        axes = np.sort(np.asarray(spec["axes"])) * spec["diameter_mm"]
        assert axes == pytest.approx([16, 16, 24], rel=1e-3)


def test_the_new_mr_materials_have_the_signs_that_readers_use():
    one = {n: MEAN.material(n, 3.0) for n in ("cyst_fluid", "old_blood", "fibrous_tumour", "liver", "kidney", "uterus",
                                             "prostate_cancer", "prostate_peripheral_zone", "tumour")}
    assert one["cyst_fluid"].t2_s > 5 * one["tumour"].t2_s
    assert one["old_blood"].t1_s < 0.5 * one["cyst_fluid"].t1_s  # bright on T1
    assert one["fibrous_tumour"].t2_s < 0.6 * one["uterus"].t2_s  # a fibroid is dark in the womb
    assert one["prostate_cancer"].t2_s < 0.6 * one["prostate_peripheral_zone"].t2_s
    assert one["prostate_cancer"].adc_mm2_s < 1e-3 < one["prostate_peripheral_zone"].adc_mm2_s


def test_an_inflamed_appendix_is_as_wide_as_asked_for_in_streaky_fat():
    woman = built("woman").scene
    _, (lesion,) = grown(woman, "appendicitis", diameter_mm=12, stone=1, stranding=0.3)
    ill, _, _ = painted(woman, lesion, nodes=70)
    parts = by_part(lesion)
    body = ill.occupancy(*(s.label for part, s in parts.items() if part != "strand")) >= 0.5
    depth = ndimage.distance_transform_edt(body, sampling=ill.grid.spacing_mm)
    assert 2 * depth.max() == pytest.approx(12, abs=2.0)
    assert -90 < structure_hu(parts["strand"], 120.0, "none") < -40  # fat with water in it
    assert parts["strand"].part_of == "abdominal_fat"  # not the lesion's


def test_obstructed_loops_are_wide_and_gas_lies_on_top_in_every_posture(scene):
    for posture, axis, sign in (("supine", 1, -1), ("upright", 2, 1)):
        (spec,), (lesion,) = grown(scene, "bowel_obstruction", diameter_mm=32, posture=posture, extent=0.15)
        ill, _, _ = painted(scene, lesion, nodes=60)
        parts = by_part(lesion)
        gas, fluid = (ill.occupancy(parts[p].label) > 0.5 for p in ("gas", ""))
        middle = [ill.grid.world_mm(np.argwhere(mask).astype(float)).mean(0)[axis] for mask in (gas, fluid)]
        assert sign * (middle[0] - middle[1]) > 4
        depth = ndimage.distance_transform_edt(ill.occupancy(*(s.label for s in lesion.structures)) > 0.5,
                                               sampling=ill.grid.spacing_mm)
        assert 26 < 2 * depth.max() < 50  # loops that touch are wider together
        assert len(spec["gas"]) == lesion.attributes["levels"]
