"""What structures and scenes accept, and which organ a part counts to."""

from __future__ import annotations

import pytest

from medsynth.core.errors import RecipeError
from medsynth.scene.structure import Code, Scene, Structure, organ_labels
from medsynth.scene.subject import Subject


def structure(name: str, label: int, **more) -> Structure:
    return Structure(name, label, "muscle", Code("1", "x"), **more)


def scene(*structures: Structure) -> Scene:
    return Scene(
        "test", "nowhere", Subject("female", 50, 165, 60), structures, (), {}, {}, {}, ((0, 0, 0), (1, 1, 1)), {}
    )


@pytest.mark.parametrize("label", [0, -1, 65536])
def test_labels_are_those_an_image_can_hold(label):
    with pytest.raises(RecipeError, match=r"label of rib must be in 1\.\.65535"):
        structure("rib", label)


@pytest.mark.parametrize(
    "mixture", [(("air", 1.1),), (("air", -0.1),), (("air", 0.6), ("adipose", 0.5)), (("air", float("nan")),)]
)
def test_mixtures_are_fractions_of_one(mixture):
    with pytest.raises(RecipeError, match="mixture of lung"):
        structure("lung", 1, mixture=mixture)


def test_labels_and_names_are_unique_in_a_scene():
    with pytest.raises(RecipeError, match=r"labels must be unique, got \[3\]"):
        scene(structure("a", 3), structure("b", 3))
    with pytest.raises(RecipeError, match="names must be unique"):
        scene(structure("a", 3), structure("a", 4))


def test_a_structure_is_found_by_name_and_a_wrong_name_is_told():
    one = scene(structure("a", 3), structure("b", 4))
    assert one.structure("b").label == 4
    with pytest.raises(RecipeError, match="no structure named 'c' in body 'test'"):
        one.structure("c")


def test_parts_count_to_their_organ():
    table = organ_labels((structure("rib", 10), structure("marrow", 11, part_of="rib"), structure("skin", 12)))
    assert (table[10], table[11], table[12], table[0], table[65535]) == (10, 10, 12, 0, 65535)


def test_a_part_of_an_organ_that_is_not_there_is_refused():
    with pytest.raises(RecipeError, match="part_of"):
        organ_labels((structure("marrow", 11, part_of="rib"),))
