"""Amalgam fillings and gold crowns in molars, as many as a recipe asks for: `fillings` and `gold_crowns` of the spec.

They come on top of the fillings that are drawn by age (`phantoms.head.teeth`), and cover those in the same tooth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from medsynth.core.errors import RecipeError, expected
from medsynth.scene.structure import Layer, Paint, Structure
from phantoms.head.frame import Frame
from phantoms.head.table import labels
from phantoms.head.teeth import ENAMEL_MM, FAR_MM, STEP_MM, TEETH, cavity, local, placed, tooth

# First molars are filled first, crowns sit on the molars that are filled last; wisdom teeth have neither.
MOLARS: Final = ("36", "46", "16", "26", "37", "47", "17", "27")
NAMES: Final = {"fillings": "amalgam_filling", "gold_crowns": "gold_crown"}


def asked(spec: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the filled and the crowned teeth: as many as asked for and there; older specs have none.

    Raises
    ------
    RecipeError
        If a number is not whole or not between 0 and 8.
    """
    there = [name for name in MOLARS if name not in spec["teeth"]["missing"]]
    found = {}
    for key, order in (("fillings", there), ("gold_crowns", there[::-1])):
        count = spec.get(key, 0)
        if not (isinstance(count, int | float) and count == int(count) and 0 <= count <= len(MOLARS)):
            raise RecipeError(expected(f"phantom.spec.{key}", count, f"a whole number in 0..{len(MOLARS)}"))
        found[key] = tuple(order[:int(count)])
    return found


def present(structure: Structure, spec: Mapping[str, Any]) -> bool:
    """Return whether this person has the structure: amalgam and gold only where asked for."""
    teeth = asked(spec)
    return all(teeth[key] or structure.name != name for key, name in NAMES.items())


def build_fillings(frame: Frame, spec: Mapping[str, Any]) -> list[Paint]:
    """Return the paints of fillings and crowns, which lie over the teeth."""
    paints = []
    lattice = frame.box((-36, -90, -136), (36, -18, -76), STEP_MM)
    jitter = np.asarray(spec["teeth"]["jitter"], float)
    for key, teeth in asked(spec).items():
        field = np.full(lattice.shape, FAR_MM, np.float32)
        for name in teeth:
            number = TEETH.index(name)
            neck, along, up, sizes = placed(number, jitter[number])
            box, (a, b, c) = local(lattice, frame.at(neck), along, up, sizes)
            _, crown, _ = tooth(a, b, c, number % 8, sizes)
            if key == "fillings":
                part = np.maximum(cavity(a, b, c, sizes), crown)
            else:  # in place of the enamel, open towards the root
                part = np.maximum(np.maximum(crown, -crown - ENAMEL_MM), ENAMEL_MM - 0.5 - c)
            field[box] = np.minimum(field[box], part)
        if teeth:
            paints.append(Paint(lattice.shape_near(field), (Layer(labels()[NAMES[key]]),)))
    return paints
