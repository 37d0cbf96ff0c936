"""The thorax's table of structures: what data sets rely on."""

from __future__ import annotations

import re

import pytest
from pydicom.sr._concepts_dict import concepts

from medsynth.scene.structure import Structure
from medsynth.tissues.contrast import enhancement_keys
from medsynth.tissues.table import tissue_names
from phantoms.thorax import BODY

STRUCTURES = BODY.structures()
BY_NAME = {s.name: s for s in STRUCTURES}
# Labels that data sets already hold: a change of any would give old masks a new meaning.
STABLE = {
    "skin": 1,
    "lobe_right_upper": 50,
    "lobe_right_middle": 51,
    "lobe_right_lower": 52,
    "lobe_left_upper": 53,
    "lobe_left_lower": 54,
    "trachea": 60,
    "left_ventricle": 80,
    "myocardium": 84,
    "ascending_aorta": 90,
    "vertebra_T8": 138,
    "rib_right_1": 301,
    "rib_left_12": 332,
    "liver": 500,
    "spleen": 520,
}


def _meanings() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for codes in concepts["SCT"].values():
        for value, (meaning, _) in codes.items():
            found.setdefault(value, set()).add(meaning)
    return found


def test_labels_and_names_are_unique_and_labels_fit_16_bits():
    assert len({s.label for s in STRUCTURES}) == len({s.name for s in STRUCTURES}) == len(STRUCTURES)
    assert all(0 < s.label < 65536 for s in STRUCTURES)


def test_labels_that_data_sets_hold_do_not_change():
    assert {name: BY_NAME[name].label for name in STABLE} == STABLE


def test_every_snomed_code_is_in_the_dicom_dictionary_with_its_meaning():
    meanings = _meanings()
    wrong = [(s.name, s.code) for s in STRUCTURES if s.code.meaning not in meanings.get(s.code.value, set())]
    assert not wrong


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda s: s.name)
def test_laterality_is_what_the_name_says_and_never_against_the_code(structure: Structure):
    found = re.findall(r"(?<![a-z])(left|right)(?![a-z])", structure.name)
    heart = structure.name in ("left_ventricle", "right_ventricle", "left_atrium", "right_atrium")
    assert structure.laterality == ("" if heart else "".join(found))
    for side, other in (("left", "right"), ("right", "left")):
        if side in structure.code.meaning.lower().split():
            assert other not in structure.name


def test_every_sided_structure_has_its_twin_on_the_other_side():
    alone = {"lobe_right_middle"}
    for s in STRUCTURES:
        if s.laterality and s.name not in alone:
            other = s.name.replace("left", "%").replace("right", "left").replace("%", "right")
            assert other in BY_NAME
            assert (BY_NAME[other].tissue, BY_NAME[other].mixture) == (s.tissue, s.mixture)


def test_tissues_mixtures_and_contrast_columns_exist():
    tissues, columns = set(tissue_names()), {*enhancement_keys(), ""}
    for s in STRUCTURES:
        assert {s.tissue, *(name for name, _ in s.mixture)} <= tissues, s.name
        assert s.enhancement in columns, s.name


def test_parts_belong_to_an_organ_of_their_own_side_that_is_no_part_itself():
    for s in STRUCTURES:
        if s.part_of:
            assert BY_NAME[s.part_of].part_of == "", s.name
            assert BY_NAME[s.part_of].laterality == s.laterality, s.name


def test_the_chest_has_what_a_chest_ct_shows():
    wanted = {
        "skin",
        "subcutaneous_fat",
        "spinal_cord",
        "sternum_body",
        "manubrium",
        "trachea",
        "esophagus",
        "thymus",
        "pulmonary_artery",
        "pulmonary_vein",
        "superior_vena_cava",
        "inferior_vena_cava",
        "azygos_vein",
        "liver",
        "hepatic_vein",
        "portal_vein",
        "stomach",
        "stomach_gas",
        "spleen",
        "diaphragm",
        "mediastinal_lymph_nodes",
    }
    wanted |= {f"rib_{side}_{n}" for side in ("left", "right") for n in range(1, 13)}
    wanted |= {"vertebra_C7", "vertebra_L1", *(f"vertebra_T{n}" for n in range(1, 13))}
    assert wanted <= set(BY_NAME)
