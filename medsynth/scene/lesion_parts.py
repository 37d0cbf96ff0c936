"""Labels of the parts of lesions: above every anatomical label, ten to a lesion."""

from __future__ import annotations

from medsynth.core.errors import RecipeError, expected
from medsynth.scene.structure import Structure

FIRST_LESION_LABEL = 20000
LAST_LESION_NUMBER = (65535 - FIRST_LESION_LABEL) // 10 - 1

# Part -> last digit of its label. A strand (pleural tag) belongs to the scene, not to the lesion's mask.
PART_INDEX = {"solid": 1, "ground_glass": 2, "calcification": 3, "spicules": 4, "strand": 5}


def part_label(number: int, part: str) -> int:
    """Return the structure label of a part of lesion `number`.

    Examples
    --------
    >>> part_label(3, "ground_glass")
    20032
    """
    if not 1 <= number <= LAST_LESION_NUMBER:
        raise RecipeError(expected("number of a lesion", number, f"in 1..{LAST_LESION_NUMBER}"))
    return FIRST_LESION_LABEL + 10 * number + PART_INDEX[part]


def part_labels(structures: tuple[Structure, ...], number: int) -> dict[str, int]:
    """Return part -> label of the parts that count to lesion `number` among these structures."""
    name = f"lesion_{number}"
    part_of_index = {index: part for part, index in PART_INDEX.items()}
    return {part_of_index[s.label % 10]: s.label for s in structures if name in (s.name, s.part_of)}
