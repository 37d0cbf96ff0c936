"""Every body's table of structures: names, labels, codes and tissues that data sets rely on."""

from __future__ import annotations

import re

import pytest
from pydicom.sr._concepts_dict import concepts

from medsynth.scene.body import bodies
from medsynth.scene.structure import Structure
from medsynth.tissues.contrast import enhancement_keys
from medsynth.tissues.table import tissue_names

TABLES = {name: body.structures() for name, body in bodies().items()}
# Named after a side of the heart, not of the body; and what lies on one side alone.
CHAMBERS = {"left_ventricle", "right_ventricle", "left_atrium", "right_atrium"}
UNPAIRED = {"lobe_right_middle"}


@pytest.fixture(params=sorted(TABLES))
def table(request: pytest.FixtureRequest) -> tuple[Structure, ...]:
    return TABLES[request.param]


def _meanings() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for codes in concepts["SCT"].values():
        for value, (meaning, _) in codes.items():
            found.setdefault(value, set()).add(meaning)
    return found


def test_labels_and_names_are_unique_and_labels_fit_16_bits(table: tuple[Structure, ...]):
    assert len({s.label for s in table}) == len({s.name for s in table}) == len(table)
    assert all(0 < s.label < 20000 for s in table)


def test_a_label_means_the_same_structure_in_every_body():
    meaning: dict[int, tuple[str, str]] = {}
    for table in TABLES.values():
        for s in table:
            assert meaning.setdefault(s.label, (s.name, s.code.value)) == (s.name, s.code.value)


def test_every_snomed_code_is_in_the_dicom_dictionary_with_its_meaning(table: tuple[Structure, ...]):
    meanings = _meanings()
    wrong = [(s.name, s.code) for s in table if s.code.meaning not in meanings.get(s.code.value, set())]
    assert not wrong


def test_laterality_is_what_the_name_says_and_never_against_the_code(table: tuple[Structure, ...]):
    for s in table:
        found = re.findall(r"(?<![a-z])(left|right)(?![a-z])", s.name)
        assert s.laterality == ("" if s.name in CHAMBERS else "".join(found)), s.name
        for side, other in (("left", "right"), ("right", "left")):
            if side in s.code.meaning.lower().split():
                assert other not in s.name


def test_every_sided_structure_has_its_twin_on_the_other_side(table: tuple[Structure, ...]):
    by_name = {s.name: s for s in table}
    for s in table:
        if s.laterality and s.name not in UNPAIRED:
            other = s.name.replace("left", "%").replace("right", "left").replace("%", "right")
            assert other in by_name, s.name
            assert (by_name[other].tissue, by_name[other].mixture) == (s.tissue, s.mixture)


def test_tissues_mixtures_and_contrast_columns_exist(table: tuple[Structure, ...]):
    tissues, columns = set(tissue_names()), {*enhancement_keys(), ""}
    for s in table:
        assert {s.tissue, *(name for name, _ in s.mixture)} <= tissues, s.name
        assert s.enhancement in columns, s.name


def test_parts_belong_to_an_organ_of_their_own_side_that_is_no_part_itself(table: tuple[Structure, ...]):
    by_name = {s.name: s for s in table}
    for s in table:
        if s.part_of:
            assert by_name[s.part_of].part_of == "", s.name
            assert by_name[s.part_of].laterality == s.laterality, s.name
