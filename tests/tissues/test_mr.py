"""MR tissue values: against published tables typed here once more, over fields, over people, for every body."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.errors import RecipeError
from medsynth.core.seed import Seed
from medsynth.scene.body import bodies
from medsynth.tissues.contrast import enhancement_keys
from medsynth.tissues.mr import MEAN, TissueDraw, at_field, iron_ratio, material_names, numbers
from medsynth.tissues.mr_parts import (
    fat_peaks,
    gadolinium_keys,
    gadolinium_mmol_l,
    material_of,
    mr_parts,
    relaxivity,
    texture_response,
)
from medsynth.tissues.table import tissue_names

LIVING = [m for m in material_names() if any(n.quantity == "t1_ms" and n.sd > 0 for n in numbers(m))]
# T1 and T2 in ms, mean and SD, 1.5 T then 3 T: de Bazelaire 2004 (Radiology 230:652), in vivo.
BAZELAIRE = {
    "kidney": ((966, 58), (87, 4), (1142, 154), (76, 7)),
    "kidney_medulla": ((1412, 58), (85, 11), (1545, 142), (81, 8)),
    "liver": ((586, 39), (46, 6), (809, 71), (34, 4)), "spleen": ((1057, 42), (79, 15), (1328, 31), (61, 9)),
    "pancreas": ((584, 14), (46, 6), (725, 71), (43, 7)), "uterus": ((1309, 35), (117, 14), (1514, 156), (79, 10)),
    "prostate": ((1317, 85), (88, 9), (1597, 42), (74, 9)), "cervix": ((1135, 154), (58, 20), (1616, 61), (83, 7)),
}  # fmt: skip
# Stanisz 2005 (MRM 54:507), 3 T, in vitro at 37 C.
STANISZ = {"myocardium": (1471, 31, 47, 11), "blood": (1932, 85, 275, 50), "elastic_cartilage": (1168, 18, 27, 3),
           "spinal_cord": (993, 47, 78, 2)}  # fmt: skip
# In vivo at 3 T: T1 within this range over the literature (Wansapura 1999, Gelman 2001, Wright 2008, Stanisz 2005).
BRAIN_T1_3T = {"grey_matter": (1280, 1820), "white_matter": (800, 1110), "csf": (3700, 4600)}


@pytest.mark.parametrize("material", BAZELAIRE)
def test_abdominal_organs_lie_within_the_published_spread(material):
    for column, (quantity, field) in enumerate((("t1_ms", 1.5), ("t2_ms", 1.5), ("t1_ms", 3.0), ("t2_ms", 3.0))):
        mean, sd = BAZELAIRE[material][column]
        found, _ = at_field(material, quantity, field)
        assert abs(found - mean) <= sd


@pytest.mark.parametrize("material", STANISZ)
def test_tissues_lie_within_the_spread_of_the_in_vitro_study(material):
    t1, t1_sd, t2, t2_sd = STANISZ[material]
    one = MEAN.material(material, 3.0)
    assert abs(1000 * one.t1_s - t1) <= t1_sd
    assert abs(1000 * one.t2_s - t2) <= t2_sd


@pytest.mark.parametrize("material", BRAIN_T1_3T)
def test_brain_lies_within_the_literature(material):
    low, high = BRAIN_T1_3T[material]
    assert low <= 1000 * MEAN.material(material, 3.0).t1_s <= high


@pytest.mark.parametrize("material", LIVING)
def test_t1_grows_and_t2_does_not_with_the_field(material):
    low, mid, high, top = (MEAN.material(material, field) for field in (0.55, 1.5, 3.0, 7.0))
    if material not in ("csf", "water"):  # about 4 s at every field
        assert low.t1_s <= mid.t1_s < high.t1_s <= top.t1_s * 1.05
    if material not in ("fat", "cervix", "myocardium", "white_matter", "spinal_cord", "skeletal_muscle"):
        assert high.t2_s <= mid.t2_s * 1.001  # those six are published the other way round
    for one in (low, mid, high, top):
        assert 0 < one.t2_s <= one.t1_s
        assert one.t2_prime_s > 0
        assert 0 < one.pd <= 1.0
        assert 0 <= one.fat_fraction <= 1


def test_abdominal_t1_is_a_fifth_longer_at_3_t():
    organs = ("liver", "spleen", "kidney", "kidney_medulla", "pancreas", "prostate", "uterus", "cervix")
    ratios = [MEAN.material(name, 3.0).t1_s / MEAN.material(name, 1.5).t1_s for name in organs]
    assert np.mean(ratios) == pytest.approx(1.21, abs=0.05)  # de Bazelaire 2004


def test_a_field_of_the_table_gives_its_number_and_one_between_lies_between():
    assert at_field("liver", "t1_ms", 1.5)[0] == pytest.approx(586, rel=1e-12)
    assert 586 < at_field("liver", "t1_ms", 2.0)[0] < 809
    assert at_field("liver", "t2_ms", 7.0)[0] == pytest.approx(34)  # T2 stays beyond the table
    # T1 ~ B0^C beyond it, C from the two fields
    exponent = np.log(809 / 586) / np.log(2)
    assert at_field("liver", "t1_ms", 6.0)[0] == pytest.approx(809 * 2**exponent)


def test_every_tissue_has_mr_values_and_every_number_a_source():
    for tissue in tissue_names():
        MEAN.material(material_of(tissue), 3.0)
    for material in material_names():
        for number in numbers(material):
            assert number.source
            assert number.sd >= 0


def test_every_structure_of_every_body_has_mr_parts():
    used = set()
    for body in bodies().values():
        for s in body.structures():
            parts = mr_parts(s.name, s.tissue, s.mixture, s.enhancement)
            assert sum(share for _, share in parts.materials) == pytest.approx(1)
            used |= {name for name, _ in parts.materials}
            assert gadolinium_mmol_l(parts.enhancement, "portal") >= 0
    assert used <= set(material_names())


def test_structures_of_their_own_take_the_place_of_their_tissue():
    assert mr_parts("thalamus_left", "grey_matter", (("white_matter", 0.35),)).materials == (("thalamus", 1.0),)
    assert mr_parts("pallidum_calcification_left", "calcification").materials == (("calcification", 1.0),)
    caecum = mr_parts("caecum_content", "stomach_content", (("air", 0.02),))
    assert caecum.materials == (("faeces", 0.98), ("air", 0.02))
    assert mr_parts("portal_vein", "blood", (), "portal_vein").materials == (("venous_blood", 1.0),)
    assert mr_parts("aorta", "blood", (), "aorta").flow.arterial


def test_the_draw_keeps_mean_and_spread_of_the_table():
    draws = [TissueDraw(Seed(n)).material("spleen", 1.5) for n in range(1500)]
    t1 = np.array([d.t1_s for d in draws]) * 1000
    assert t1.mean() == pytest.approx(1057, abs=3 * 42 / np.sqrt(1500))
    assert t1.std() == pytest.approx(42, rel=0.1)  # a little less: draws keep within 2.5 SDs


def test_a_person_is_the_same_in_every_contrast_and_field():
    person = TissueDraw(Seed(5))
    again = TissueDraw(Seed(5))
    again.material("fat", 3.0)  # another material first moves nothing
    assert person.material("liver", 1.5) == again.material("liver", 1.5)
    ratios = [person.material("liver", field).t1_s / MEAN.material("liver", field).t1_s for field in (1.5, 3.0)]
    assert (ratios[0] > 1) == (ratios[1] > 1)


def test_values_of_a_person_are_correlated():
    people = [TissueDraw(Seed(n)) for n in range(800)]
    grey, white = ([p.material(m, 3.0) for p in people] for m in ("grey_matter", "white_matter"))

    def correlation(a, b):
        return np.corrcoef(np.log(a), np.log(b))[0, 1]

    t1, t2 = np.array([g.t1_s for g in grey]), np.array([g.t2_s for g in grey])
    assert correlation(t1, np.array([w.t1_s for w in white])) == pytest.approx(0.5, abs=0.1)
    assert correlation(t1, t2) == pytest.approx(0.5, abs=0.1)


def test_nuclei_gather_iron_with_age():
    assert iron_ratio("putamen", 45.0) == 1.0
    assert iron_ratio("putamen", 20.0) < 0.8 < 1.1 < iron_ratio("putamen", 85.0)
    old, young = (TissueDraw(age_years=age).material("putamen", 3.0) for age in (80.0, 25.0))
    assert old.t2_prime_s < young.t2_prime_s
    assert old.chi_ppm > young.chi_ppm
    assert iron_ratio("liver", 80.0) == 1.0


def test_contrast_agent_tables_hold_every_key_of_the_iodine_table():
    assert set(enhancement_keys()) <= set(gadolinium_keys())
    assert all(gadolinium_mmol_l(key, "none") == 0 for key in gadolinium_keys())
    assert relaxivity("gadobutrol", 3.0)[0] == 4.97  # Szomolanyi 2019
    assert relaxivity("gadoterate", 1.5)[0] == 3.32


def test_fat_spectrum_sums_to_one_and_lies_at_the_known_mean():
    assert sum(share for _, share, _ in fat_peaks()) == pytest.approx(1)
    main = [(ppm, share) for ppm, share, group in fat_peaks() if group == "fat"]
    assert sum(p * s for p, s in main) / sum(s for _, s in main) == pytest.approx(-3.35, abs=0.05)


@pytest.mark.parametrize(("call", "words"), [
    (lambda: numbers("liverr"), "did you mean 'liver'"), (lambda: material_of("moon_rock"), "moon_rock"),
    (lambda: MEAN.material("liver", 21.0), "0.2..7"), (lambda: gadolinium_mmol_l("moon", "portal"), "moon"),
])  # fmt: skip
def test_bad_names_and_fields_are_one_clear_error(call, words):
    with pytest.raises(RecipeError, match=words):
        call()


def test_unlisted_tissues_have_the_common_texture():
    assert texture_response("bile") == texture_response("urine")
    assert texture_response("adipose").partner == "connective_tissue"
