"""Labels of the parts of lesions: above every anatomical label, twenty to a lesion; one vocabulary for all families."""

from __future__ import annotations

from medsynth.core.errors import RecipeError, expected
from medsynth.scene.structure import Structure

FIRST_LESION_LABEL = 20000
LABELS_PER_LESION = 20
LAST_LESION_NUMBER = (65000 - FIRST_LESION_LABEL) // LABELS_PER_LESION - 1  # labels from 65000 on are the scanners'

# Part -> what is added to the lesion's first label. A strand (pleural tag, stranded fat) belongs to the scene, not to
# the lesion's mask.
PART_INDEX = {
    "solid": 1,  # soft tissue of its own: a nodule, a mass
    "ground_glass": 2,
    "calcification": 3,
    "spicules": 4,
    "strand": 5,
    "rim": 6,  # the enhancing or viable border
    "core": 7,  # what is dead or dissolved within: necrosis, cavity wall's content
    "oedema": 8,
    "fluid": 9,  # cyst, effusion, ascites, pus
    "blood": 10,  # clot or liquid blood
    "gas": 11,
    "fat": 12,
    "capsule": 13,
    "wall": 14,  # of a cyst, an aneurysm, a thickened bowel
    "gap": 15,  # a fracture line, a tear
    "bone": 16,  # new or changed bone
    "clot": 17,  # in a vessel
    "change": 18,  # a host's own tissue, altered throughout: infarct, steatosis, emphysema
}
STRANDS = ("strand",)


def part_label(number: int, part: str) -> int:
    """Return the structure label of a part of lesion `number`.

    Examples
    --------
    >>> part_label(3, "ground_glass")
    20062
    """
    if not 1 <= number <= LAST_LESION_NUMBER:
        raise RecipeError(expected("number of a lesion", number, f"in 1..{LAST_LESION_NUMBER}"))
    if part not in PART_INDEX:
        raise RecipeError(expected("part of a lesion", part, f"one of {list(PART_INDEX)}"))
    return FIRST_LESION_LABEL + LABELS_PER_LESION * number + PART_INDEX[part]


def part_labels(structures: tuple[Structure, ...], number: int) -> dict[str, int]:
    """Return part -> label of the parts that count to lesion `number` among these structures."""
    name = f"lesion_{number}"
    part_of_index = {index: part for part, index in PART_INDEX.items()}
    return {part_of_index[s.label % LABELS_PER_LESION]: s.label for s in structures if name in (s.name, s.part_of)}
