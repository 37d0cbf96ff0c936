"""Haemorrhages of the head: volumes, hosts, levels, ages, and what they refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medsynth.acquire.ct.hu import structure_hu
from medsynth.core.errors import PlacementError
from medsynth.core.seed import Seed
from medsynth.lesions.brain.blood import blood_part, faded_hu, stage_of
from medsynth.lesions.brain.cranium import midline
from medsynth.lesions.brain.extra_axial import bone_at
from medsynth.lesions.brain.intraventricular import graeb
from medsynth.lesions.brain.subdural import SUBDURAL
from medsynth.lesions.families import FAMILIES, family
from medsynth.lesions.host import host, labels_of
from medsynth.scene.rasterize import rasterize
from medsynth.tissues.mr import MEAN
from tests.lesions.heads import BESIDE, filled_mm, grown, scene_of, truth, volumes_ml

# BHSD as fitted by InSilicoICH: quantiles 5, 25, 50, 75, 95 % of volume (ml) and mean CT number, typed once more.
PUBLISHED = {
    "intraparenchymal_haemorrhage": ((0.4, 4.0, 8.9, 17.3, 59), (33, 42, 48, 54, 61)),
    "intraventricular_haemorrhage": ((0.2, 1.4, 2.6, 5.1, 19), (26, 34, 39, 46, 56)),
    "subdural_haemorrhage": ((0.6, 3.5, 6.3, 12, 56), (27, 43, 52, 59, 69)),
    "subarachnoid_haemorrhage": ((0.3, 0.6, 1.0, 1.6, 4.7), (31, 39, 43, 49, 58)),
    "epidural_haemorrhage": ((2.1, 6.3, 13.6, 22, 40), (37, 49, 56, 63, 73)),
}  # fmt: skip
BLEEDS = {
    "intraparenchymal_haemorrhage": ({"volume_ml": 18, "sites": {"basal_ganglia": 1}}, 18),
    "subdural_haemorrhage": ({"volume_ml": 25, "level": {"probability": 1, "low": 1, "high": 1}}, 25),
    "epidural_haemorrhage": ({"volume_ml": 20}, 20),
    "subarachnoid_haemorrhage": ({"volume_ml": 3, "origins": {"middle_cerebral_left": 1}}, 3),
    "intraventricular_haemorrhage": ({"volume_ml": 3}, 3),
}


def options_of(kind: str) -> str:
    return json.dumps(BLEEDS[kind][0])


@pytest.mark.parametrize("kind", PUBLISHED)
def test_volumes_and_ct_numbers_of_bleeds_are_distributed_as_published(kind):
    options, rng, count = family(kind).options(), Seed(3).child(kind).rng(), 2000
    for distribution, quantiles in zip((options.volume_ml, options.fresh_hu), PUBLISHED[kind], strict=True):
        drawn = np.array([distribution.sample(rng=rng) for _ in range(count)])
        shares = [(drawn <= q).mean() for q in quantiles]
        assert np.abs(np.subtract(shares, (0.05, 0.25, 0.5, 0.75, 0.95))).max() < 1.36 / np.sqrt(count)  # KS, 5 %


@pytest.mark.parametrize("kind", BLEEDS)
def test_a_bleed_has_the_volume_asked_for_and_its_spec_rebuilds_it(kind):
    found = volumes_ml(truth(kind, 4, options_of(kind)))
    assert sum(v for part, v in found.items() if part not in BESIDE) == pytest.approx(BLEEDS[kind][1], rel=0.05)
    first = grown(kind, 4, options_of(kind))
    again = family(kind).insert(json.loads(json.dumps(first.spec)), scene_of(), 1)
    assert again.attributes == first.attributes
    points = filled_mm(truth(kind, 4, options_of(kind)))[::50]
    for a, b in zip(first.paints, again.paints, strict=True):
        assert np.array_equal(a.shape.distance_mm(points), b.shape.distance_mm(points))


@pytest.mark.parametrize("kind", ["subdural_haemorrhage", "epidural_haemorrhage"])
def test_blood_outside_the_brain_keeps_to_its_side_and_takes_no_bone(kind):
    scene, phantom = scene_of(), truth(kind, 4, options_of(kind))
    side = midline(scene).left_mm(filled_mm(phantom))
    assert side.min() > 0 or side.max() < 0
    bones = [s.label for s in scene.structures if s.tissue in ("cortical_bone", "red_marrow")]
    healthy = rasterize(scene, phantom.grid)
    before, after = healthy.occupancy(*bones), phantom.occupancy(*bones)
    assert np.quantile(np.abs(after - before)[before > 0], 0.98) < 0.35  # voxels that a third structure enters
    assert float(after.sum()) == pytest.approx(float(before.sum()), rel=0.02)


def test_a_subdural_crosses_sutures_and_an_epidural_does_not():
    scene = scene_of()
    bones = {kind: {bone_at(scene, at) for at in filled_mm(truth(kind, 4, options_of(kind)))[::20]}
             for kind in ("subdural_haemorrhage", "epidural_haemorrhage")}
    assert len(bones["subdural_haemorrhage"]) > 1
    assert bones["epidural_haemorrhage"] == {grown("epidural_haemorrhage", 4, options_of("epidural_haemorrhage"))
                                             .attributes["bone"]}


def test_an_epidural_is_a_lens_and_a_subdural_a_crescent():
    def flatness(kind: str) -> float:
        points = filled_mm(truth(kind, 4, options_of(kind)))
        lesion = grown(kind, 4, options_of(kind))
        return float(np.ptp(points, axis=0).max()) / lesion.attributes["thickness_mm"]

    assert flatness("epidural_haemorrhage") < 5
    assert flatness("subdural_haemorrhage") > 8


def test_plasma_floats_on_settled_cells():
    phantom = truth("subdural_haemorrhage", 4, options_of("subdural_haemorrhage"))
    cells, plasma = (filled_mm(phantom, part)[:, 1] for part in ("blood", "fluid"))
    assert cells.min() > plasma.max() - 1.5  # supine: the back is down
    lesion = grown("subdural_haemorrhage", 4, options_of("subdural_haemorrhage"))
    dense, thin = (structure_hu(s, 120.0, "none") for s in lesion.structures)
    assert dense > thin + 10


def test_a_mass_shifts_the_midline_away_from_it():
    for kind in ("subdural_haemorrhage", "epidural_haemorrhage", "intraparenchymal_haemorrhage"):
        assert 0.5 < grown(kind, 4, options_of(kind)).attributes["midline_shift_mm"] < 15


def test_subarachnoid_blood_lies_in_fluid_only():
    scene, phantom = scene_of(), truth("subarachnoid_haemorrhage", 4, options_of("subarachnoid_haemorrhage"))
    healthy = rasterize(scene, phantom.grid)
    fluid = healthy.occupancy(*labels_of(scene, "subarachnoid_csf"))
    blood = phantom.occupancy(*(s.label for s in phantom.structures if s.name == "lesion_1"))
    assert (blood <= fluid + 0.01).all()


@pytest.mark.parametrize(("posture", "axis"), [("supine", (0, 1, 0)), ("prone", (0, -1, 0)),
                                               ("left_decubitus", (1, 0, 0)), ("upright", (0, 0, -1))])
def test_blood_in_a_ventricle_settles_by_posture(posture, axis):
    options = json.dumps({"volume_ml": 1.5, "sides": {"left": 1}, "posture": posture})
    phantom = truth("intraventricular_haemorrhage", 2, options)
    labels = labels_of(scene_of(), "lateral_ventricle_left")
    water = phantom.grid.world_mm(np.argwhere(phantom.occupancy(*labels) > 0.9).astype(float)) @ np.array(axis)
    blood = filled_mm(phantom) @ np.array(axis)
    assert blood.min() > np.quantile(water, 0.98) - 1.6
    assert volumes_ml(phantom)["blood"] == pytest.approx(1.5, rel=0.05)


def test_blood_fades_in_ct_and_changes_in_mr_with_its_age():
    assert faded_hu(60, 1) == 60
    assert 20 < faded_hu(60, 20) < 35
    for age in (0.2, 2.0, 5.0, 14.0, 60.0):
        part = blood_part(1, SUBDURAL, age, 45.0)
        assert structure_hu(part, 120.0, "none") == pytest.approx(45.0, abs=2.0)
    hours, days, week, weeks = (MEAN.material(f"bleed_{stage_of(age)}", 1.5) for age in (0.2, 2.0, 5.0, 14.0))
    white = MEAN.material("white_matter", 1.5)
    assert days.t2_s < white.t2_s < hours.t2_s  # Bradley 1993: dark in T2 from deoxyhaemoglobin on
    assert week.t1_s < white.t1_s < days.t1_s  # bright in T1 from methaemoglobin on
    assert week.t2_s < white.t2_s < weeks.t2_s  # bright in T2 once it is free


def test_graeb_counts_chambers_and_how_full_they_are():
    assert graeb({"lateral_ventricle_left": 0.02}) == 1
    assert graeb({"lateral_ventricle_left": 0.9, "lateral_ventricle_right": 0.2, "fourth_ventricle": 0.9}) == 7


@pytest.mark.parametrize(("kind", "options", "words"), [
    ("intraventricular_haemorrhage", {"volume_ml": 140}, "140.0"),
    ("intraparenchymal_haemorrhage", {"volume_ml": 60, "sites": {"pons": 1}}, "pons"),
    ("subarachnoid_haemorrhage", {"volume_ml": 600, "origins": {"convexity": 1}}, "convexity"),
])
def test_a_bleed_without_a_place_is_refused_by_name(kind, options, words):
    one = family(kind)
    with pytest.raises(PlacementError, match=f"(?s){kind}.*{words}"):
        one.sample_specs(one.options.model_validate(options), scene_of(), rng=Seed(1).rng())


def test_random_bleeds_of_default_options_all_find_a_place_and_deep_ones_start_in_their_site():
    scene, sites = scene_of(), {"basal_ganglia": ("putamen_*", "pallidum_*"), "thalamus": ("thalamus_*",)}
    for kind, count in (("intraparenchymal_haemorrhage", 12), ("intraventricular_haemorrhage", 50)):
        one = FAMILIES[kind]
        for seed in range(count):
            (spec,) = one.sample_specs(one.options(), scene, rng=Seed(seed).child(kind).rng())
            if spec.get("site") in sites:
                assert host(scene, *sites[spec["site"]]).depth_at(np.array([spec["centre_mm"]]))[0] > -1
