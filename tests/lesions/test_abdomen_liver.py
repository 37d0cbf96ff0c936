"""Liver lesions: what they look like in each phase, fat, and the words of readers."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.acquire.ct.hu import structure_hu
from medsynth.lesions.abdomen.liver_words import li_rads, size_gate
from medsynth.lesions.abdomen.steatosis import adipose_share
from medsynth.lesions.families import build_lesions
from medsynth.scene.structure import Code, Measured, Structure
from medsynth.tissues.mr import MEAN
from tests.lesions.trunk import by_part, drawn, grown
from tests.phantoms.abdomen_people import built


@pytest.fixture(scope="module")
def scene():
    return built("man").scene


def contrast(scene, structure, phase):
    return structure_hu(structure, 120.0, phase) - structure_hu(scene.structure("liver"), 120.0, phase)


def test_a_hepatocellular_carcinoma_flushes_washes_out_and_shows_its_capsule(scene):
    _, (lesion,) = grown(scene, "liver_lesion", count=1, types={"hcc": 1}, diameter_mm=34, capsule={"probability": 1},
                         arterial_enhancement=1, washout=1, native_hu=46)
    parts = by_part(lesion)
    assert contrast(scene, parts[""], "arterial") > 20
    assert contrast(scene, parts[""], "portal") < -10
    assert contrast(scene, parts["capsule"], "portal") > contrast(scene, parts[""], "portal") + 25
    assert lesion.attributes["type"] == "hcc"


def test_without_washout_it_stays_at_the_livers_level(scene):
    _, (lesion,) = grown(scene, "liver_lesion", count=1, types={"hcc": 1}, diameter_mm=24, washout=0, native_hu=46)
    assert abs(contrast(scene, by_part(lesion)[""], "portal")) < 12


def test_metastases_are_dark_in_the_portal_phase_and_cysts_hold_water(scene):
    _, lesions = grown(scene, "liver_lesion", count=5, types={"metastasis": 1}, diameter_mm=16)
    for lesion in lesions:
        parts = by_part(lesion)
        assert -80 <= contrast(scene, parts["core"], "portal") < contrast(scene, parts[""], "portal") <= -8
    _, cysts = grown(scene, "liver_lesion", count=5, types={"cyst": 1}, diameter_mm=12)
    for cyst in cysts:  # <= 20 HU, and no contrast enters
        assert -5 <= structure_hu(by_part(cyst)[""], 120.0, "none") <= 20
        assert structure_hu(by_part(cyst)[""], 120.0, "portal") == structure_hu(by_part(cyst)[""], 120.0, "none")


def test_a_haemangioma_fills_from_its_border_as_bright_as_blood(scene):
    _, (lesion,) = grown(scene, "liver_lesion", count=1, types={"haemangioma": 1}, diameter_mm=30)
    parts = by_part(lesion)
    nodules, filling, centre = parts["rim"], parts["solid"], parts[""]
    aorta = structure_hu(scene.structure("abdominal_aorta"), 120.0, "portal")
    assert structure_hu(nodules, 120.0, "portal") == pytest.approx(aorta, rel=0.2)
    assert contrast(scene, nodules, "arterial") > 80 > 0 > contrast(scene, filling, "arterial")
    assert contrast(scene, filling, "portal") > 0 > contrast(scene, centre, "portal")
    hot, tumour, liver = (MEAN.material(name, 1.5).t2_s for name in ("haemangioma", "tumour", "liver"))
    assert hot > 1.2 * tumour > 2 * liver  # brighter than a solid tumour on T2


def test_fat_lowers_the_ct_number_as_published():
    """-1.4 to -1.8 HU per percent of PDFF without contrast (e.g. Pickhardt 2018); 40 HU is about 15 to 20 percent."""
    code = Code("1", "x")

    def hu(fat):
        plain = Structure("liver", 500, "liver", code)
        return structure_hu(Structure("liver", 500, "liver", code, mixture=(("adipose", adipose_share(plain, fat)),)),
                            120.0, "none")

    slope = (hu(0.30) - hu(0.08)) / 22
    assert -1.9 < slope < -1.2
    assert 15 < hu(0.25) < 35


def test_steatosis_covers_the_liver_but_what_it_spares(scene):
    spec = drawn(scene, "steatosis", fat_fraction=0.2, patterns={"diffuse": 1}, sparing=1)[0]
    spared, whole = (build_lesions([spec | {"spared": value}], scene)[0] for value in (True, False))
    middle = np.array([spec["centre_mm"]])
    assert whole.paints[0].shape.distance_mm(middle)[0] < 0 < spared.paints[0].shape.distance_mm(middle)[0]
    assert spared.attributes["grade"] == "moderate"
    assert spared.structures[0].enhancement == "liver"


def test_li_rads_follows_its_table():
    yes, no = True, False
    table = [(25, yes, yes, no, "LR-5"), (25, yes, no, no, "LR-4"), (25, no, no, no, "LR-3"), (25, no, yes, no, "LR-4"),
             (15, yes, yes, no, "LR-5"), (15, yes, no, yes, "LR-4"), (15, yes, no, no, "LR-3"), (15, no, yes, no,
                                                                                                 "LR-3"),
             (15, no, yes, yes, "LR-4"), (8, yes, yes, no, "LR-4"), (8, yes, no, no, "LR-3")]
    for size, aphe, washout, capsule, category in table:
        assert li_rads(size, aphe=aphe, washout=washout, capsule=capsule) == category
    assert [size_gate(mm) for mm in (9.9, 10, 19.9, 20)] == ["< 10 mm", "10-19 mm", "10-19 mm", ">= 20 mm"]


def test_words_come_from_what_was_measured(scene):
    _, (lesion,) = grown(scene, "liver_lesion", count=1, types={"hcc": 1}, diameter_mm=24, washout=1,
                         arterial_enhancement=1)
    small = Measured(0.5, 9.0, 8.0, 8.5, 9.5, 0.0, 0.9, None, None, None, {})
    assert lesion.classify(small)["size_gate"] == "< 10 mm"
    assert lesion.classify(small)["li_rads"] == "LR-4"


def test_segments_can_be_asked_for(scene):
    for spec in drawn(scene, "liver_lesion", count=4, diameter_mm=8, segments={4: 1}):
        assert spec["segment"] == "IV"
