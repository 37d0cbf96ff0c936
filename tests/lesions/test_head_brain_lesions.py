"""Glioma, multiple sclerosis and stroke: volumes, hosts, directions, territories, and how they look by age."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medsynth.acquire.ct.hu import structure_hu
from medsynth.core.errors import PlacementError
from medsynth.core.seed import Seed
from medsynth.lesions.brain.cranium import midline
from medsynth.lesions.brain.multiple_sclerosis import ENHANCING
from medsynth.lesions.brain.stroke import _matter, stage_of, supplied
from medsynth.lesions.families import family
from medsynth.lesions.host import host, labels_of
from medsynth.scene.rasterize import rasterize, with_lesions
from medsynth.tissues.mr import MEAN
from tests.lesions.heads import filled_mm, grown, scene_of, truth, volumes_ml

GLIOMA = json.dumps({"core_ml": 22, "oedema_ratio": 1.5, "necrosis": 0.35, "sites": {"parietal": 1},
                     "enhancing": {"probability": 1}})
INFARCT = json.dumps({"volume_ml": 40, "age_days": 2, "territories": {"MCA": 1}, "sides": {"left": 1}})


def test_a_glioma_has_the_volumes_asked_for_core_within_rim_within_oedema():
    phantom = truth("glioma", 3, GLIOMA)
    found = volumes_ml(phantom)
    assert found["rim"] + found["core"] == pytest.approx(22, rel=0.05)
    assert found["core"] == pytest.approx(0.35 * 22, rel=0.05)
    assert found["oedema"] == pytest.approx(33, rel=0.05)
    lesion = grown("glioma", 3, GLIOMA)
    body = lesion.paints[1].shape
    assert body.distance_mm(filled_mm(phantom, "core")).max() < -0.5  # a rim all around
    assert body.distance_mm(filled_mm(phantom, "oedema")).min() > -1.5


def test_oedema_of_a_glioma_keeps_to_the_white_matter_of_its_side():
    scene, phantom = scene_of(), truth("glioma", 3, GLIOMA)
    side = np.sign(midline(scene).left_mm(np.asarray(grown("glioma", 3, GLIOMA).spec["centre_mm"])))
    lesion = grown("glioma", 3, GLIOMA)
    across = (side * midline(scene).left_mm(filled_mm(phantom, "oedema"))).min()
    assert across > -1.5 - lesion.attributes["midline_shift_mm"]
    beside = with_lesions(rasterize(scene, phantom.grid), scene, [lesion])[1]  # as the mass effect leaves it
    name = f"cerebral_white_matter_{'left' if side > 0 else 'right'}"
    far = np.isin(beside.labels, labels_of(scene, "cerebral_cortex_*", "lateral_ventricle_*"))
    oedema = phantom.occupancy(*(s.label for s in phantom.structures if s.name == "lesion_1_oedema"))
    white = beside.occupancy(*labels_of(scene, name))
    assert (oedema <= white + 0.1).mean() > 0.999
    assert float(oedema[far].sum()) < 0.08 * float(oedema.sum())  # voxels on the border


def test_a_butterfly_lies_on_both_sides_of_the_midline():
    options = json.dumps({"core_ml": 20, "oedema_ratio": 1.0, "sites": {"callosum": 1}})
    sides = midline(scene_of()).left_mm(filled_mm(truth("glioma", 1, options)))
    assert 0.15 < (sides > 0).mean() < 0.85
    assert grown("glioma", 1, options).attributes["butterfly"] is True


def test_labels_of_a_glioma_are_those_of_brats():
    attributes = grown("glioma", 3, GLIOMA).attributes
    assert [attributes[key] for key in ("brats_core", "brats_oedema", "brats_rim", "brats_2023_rim")] == [1, 2, 4, 3]


@pytest.fixture(scope="module")
def plaques():
    one = family("ms_plaque")
    return one.sample_specs(one.options(count={"distribution": "fixed", "value": 50}), scene_of(), rng=Seed(8).rng())


def test_plaques_at_the_ventricles_touch_them_and_stand_square_on_their_wall(plaques):
    ventricles, found = host(scene_of(), "lateral_ventricle_*"), 0
    for spec in plaques:
        if spec["place"] != "periventricular":
            continue
        centre, axis = np.array(spec["centre_mm"]), np.array(spec["direction"])
        half = 0.5 * spec["diameter_mm"] * spec["axes"][0]
        near = -ventricles.depth_at(centre + np.outer([-half, half], axis))
        assert near.min() < 2.0  # one end at the wall
        assert near.max() > half  # the other well away from it
        assert spec["axes"][0] > spec["axes"][1]
        found += 1
    assert found > 10


def test_plaques_lie_where_their_place_says_and_never_meet(plaques):
    white = host(scene_of(), "cerebral_white_matter_*")
    for spec in plaques:
        depth = float(white.depth_at(np.array([spec["centre_mm"]]))[0])
        if spec["place"] == "juxtacortical":
            assert -1.0 < depth < 0.5 * spec["diameter_mm"] + 1.5
        elif spec["place"] == "infratentorial":
            assert not spec["host"].startswith("cerebral")
    centres, reach = (np.array([spec[key] for spec in plaques]) for key in ("centre_mm", "reach_mm"))
    gaps = np.linalg.norm(centres[:, None] - centres, axis=-1) - reach[:, None] - reach
    assert gaps[~np.eye(len(plaques), dtype=bool)].min() > 0


def test_a_plaque_has_the_volume_asked_for():
    for place in ("periventricular", "juxtacortical"):
        options = json.dumps({"count": 1, "diameter_mm": 9, "places": {place: 1}})
        spec = grown("ms_plaque", 5, options).spec
        assert sum(volumes_ml(truth("ms_plaque", 5, options)).values()) == pytest.approx(
            np.pi / 6000 * spec["diameter_mm"] ** 3, rel=0.05)


def test_plaques_of_a_person_are_as_many_and_as_often_active_as_published():
    one, rng = family("ms_plaque").options(), Seed(2).rng()
    counts = [one.count.sample(rng=rng) for _ in range(400)]
    assert np.mean(counts) == pytest.approx(13.0, abs=0.7)  # PMC9850035
    assert ENHANCING["infratentorial"] == pytest.approx(0.072)
    assert ENHANCING["periventricular"] > ENHANCING["juxtacortical"] > ENHANCING["deep_white_matter"]


def test_an_infarct_fills_its_volume_within_its_artery_s_territory():
    scene, phantom = scene_of(), truth("ischaemic_stroke", 2, INFARCT)
    assert sum(volumes_ml(phantom).values()) == pytest.approx(40, rel=0.05)
    points = filled_mm(phantom)
    assert midline(scene).left_mm(points).min() > -2
    medium, own, _ = supplied(scene, "MCA", "left")
    at = np.rint(medium.grid.index_kji(points)).astype(int)
    assert own[tuple(np.clip(at, 0, np.subtract(own.shape, 1)).T)].mean() > 0.75  # swelling carries some beyond


def test_the_middle_artery_supplies_most_of_a_hemisphere():
    volumes = {}
    for territory in ("MCA", "ACA", "PCA"):
        medium, own, _ = supplied(scene_of(), territory, "right")
        volumes[territory] = float((own * medium.share).sum())
    assert 0.4 < volumes["MCA"] / sum(volumes.values()) < 0.75


def test_an_infarct_darkens_in_ct_loses_its_ribbon_and_restricts_diffusion_for_days():
    spec = grown("ischaemic_stroke", 2, INFARCT).spec
    model = family("ischaemic_stroke").sample_specs.__globals__["StrokeSpec"]

    def looks(age: float) -> tuple[float, float, float]:
        one = model.model_validate({**spec, "age_days": age})
        grey, white = (structure_hu(s, 120.0, "none") for s in _matter(one, 1))
        return grey, white, MEAN.material(f"infarct_{stage_of(age)}", 3.0).adc_mm2_s

    normal = MEAN.material("white_matter", 3.0).adc_mm2_s
    early, day, late = looks(0.05), looks(2.0), looks(200.0)
    assert early[0] - early[1] > 6 > abs(day[0] - day[1]) + 3  # the ribbon fades
    assert early[0] > 34 and day[0] < 27 and late[0] < 15  # noqa: PT018 - one course
    assert early[2] / normal == pytest.approx(0.7, abs=0.12)  # ADC ratio 0.77 on admission (PMC6399390)
    assert day[2] < 0.8 * normal < late[2]


def test_what_finds_no_place_is_refused_by_name():
    for kind, options, word in (("glioma", {"core_ml": 110, "sites": {"occipital": 1}, "oedema_ratio": 4}, "occipital"),
                                ("ischaemic_stroke", {"volume_ml": 220, "territories": {"ACA": 1}}, "ACA")):
        one = family(kind)
        with pytest.raises(PlacementError, match=f"{kind}.*{word}"):
            one.sample_specs(one.options.model_validate(options), scene_of(), rng=Seed(1).rng())


@pytest.mark.parametrize("artery", ["MCA", "ICA", "ACoA", "basilar"])
def test_an_aneurysm_sits_on_its_artery_with_a_neck_and_the_artery_s_blood(artery):
    options = json.dumps({"arteries": {artery: 1}, "diameter_mm": 6, "dome_over_neck": 1.6,
                          "daughter": {"probability": 0}})
    scene, lesion = scene_of(), grown("intracranial_aneurysm", 1, options)
    # The vessel of the carotid's name is its neck; the brain's arteries begin at its end.
    tubes = scene.vessels[lesion.host.replace("internal_carotid", "middle_cerebral")]
    shape = lesion.paints[0].shape
    points = np.concatenate([tubes.starts_mm, tubes.ends_mm])
    assert shape.distance_mm(points).min() < (12.0 if artery == "ICA" else 1.0)
    assert lesion.structures[0].enhancement == scene.structure(lesion.host).enhancement
    assert lesion.structures[0].tissue == "blood"
    assert volumes_ml(truth("intracranial_aneurysm", 1, options))["blood"] == pytest.approx(
        np.pi / 6 * 0.216, rel=0.2)  # less what the artery and bone keep, more the neck
    assert lesion.attributes["dome_over_neck"] == pytest.approx(1.6, abs=0.01)


def test_sizes_of_aneurysms_are_those_of_ucas():
    one, rng = family("intracranial_aneurysm").options(), Seed(4).rng()
    drawn = np.array([one.diameter_mm.sample(rng=rng) for _ in range(4000)])
    assert np.mean(np.rint(drawn) <= 3) == pytest.approx(0.248, abs=0.02)  # UCAS Japan, NEJM 2012
    assert np.mean(np.rint(drawn) == 4) == pytest.approx(0.220, abs=0.02)
    assert drawn.mean() == pytest.approx(5.7, abs=0.4)
    assert drawn.std() == pytest.approx(3.6, abs=0.6)


def test_hydrocephalus_opens_the_ventricles_and_wets_white_matter_only():
    options = json.dumps({"opening_mm": 6, "oedema_mm": 3})
    scene, lesion, phantom = scene_of(), grown("hydrocephalus", 1, options), truth("hydrocephalus", 1, options)
    assert lesion.attributes["evans_index"] > lesion.attributes["evans_index_before"] + 0.015
    assert 0.2 < lesion.attributes["evans_index_before"] < 0.36  # a healthy adult
    labels = labels_of(scene, "lateral_ventricle_*")
    healthy = rasterize(scene, phantom.grid)
    assert phantom.occupancy(*labels).sum() > 1.3 * healthy.occupancy(*labels).sum()
    cortex = labels_of(scene, "cerebral_cortex_*")
    beside = with_lesions(healthy, scene, [lesion])[1]
    assert phantom.occupancy(*cortex).sum() == pytest.approx(float(beside.occupancy(*cortex).sum()), rel=1e-3)
