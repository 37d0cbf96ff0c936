"""A water cylinder of any size, with or without a wall of acrylic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medsynth.core.errors import RecipeError, expected
from medsynth.shapes.primitives import Cylinder
from phantoms.qa.design import Design, number
from phantoms.qa.truth import Part

# The usual acceptance phantom of a CT: 20 cm of water in a thin acrylic wall (IEC 61223-3-5 leaves the size open).
DEFAULTS = {"diameter_mm": 200.0, "length_mm": 120.0, "wall_mm": 5.0}


def design(spec: Mapping[str, Any]) -> Design:
    """Return the cylinder; `diameter_mm` and `length_mm` are of the outside, `wall_mm` may be 0."""
    radius, half = number(spec, "diameter_mm", 10, 600) / 2, number(spec, "length_mm", 5, 1000) / 2
    wall = number(spec, "wall_mm", 0, 100)
    if wall >= min(radius, half):
        raise RecipeError(expected("spec.wall_mm", wall, f"less than {min(radius, half):g}, which leaves no water"))
    middle = (0.0, 0.0, 0.0)
    water = Part("qa_water", (Cylinder(middle, radius - wall, half - wall),), ("qa_wall",) if wall else ())
    shell = (Part("qa_wall", (Cylinder(middle, radius, half),)),) if wall else ()
    return Design((*shell, water), max(half - wall - 5.0, half / 2), {"water_diameter_mm": 2 * (radius - wall)})
