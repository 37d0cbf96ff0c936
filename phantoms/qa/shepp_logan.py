"""The three-dimensional Shepp-Logan head: ten ellipsoids whose values add up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medsynth.shapes.blend import Intersection
from medsynth.shapes.primitives import Ellipsoid, rotation
from phantoms.qa.design import Design, number
from phantoms.qa.truth import Part

# Kak and Slaney, Principles of Computerized Tomographic Imaging (1988), table 3.1: name -> semi-axes, centre (x, y, z;
# head radius 1), turn about z in degrees, value added relative to water.
ELLIPSOIDS: dict[str, tuple[tuple[float, ...], tuple[float, ...], float, float]] = {
    "a": ((0.69, 0.92, 0.90), (0.0, 0.0, 0.0), 0.0, 2.00),
    "b": ((0.6624, 0.874, 0.88), (0.0, 0.0, 0.0), 0.0, -0.98),
    "c": ((0.41, 0.16, 0.21), (-0.22, 0.0, -0.25), 108.0, -0.02),
    "d": ((0.31, 0.11, 0.22), (0.22, 0.0, -0.25), 72.0, -0.02),
    "e": ((0.21, 0.25, 0.50), (0.0, 0.35, -0.25), 0.0, 0.02),
    "f": ((0.046, 0.046, 0.046), (0.0, 0.10, -0.25), 0.0, 0.02),
    "g": ((0.046, 0.023, 0.02), (-0.08, -0.65, -0.25), 0.0, 0.01),
    "h": ((0.046, 0.023, 0.02), (0.06, -0.65, -0.25), 90.0, 0.01),
    "i": ((0.056, 0.04, 0.10), (0.06, -0.105, 0.625), 90.0, 0.02),
    "j": ((0.056, 0.056, 0.10), (0.0, 0.10, 0.625), 0.0, -0.02),
}
# The only pairs inside the brain that overlap (checked by tests); there both values are added.
OVERLAPS = (("c", "e"), ("e", "f"))
DEFAULTS = {"scale_mm": 100.0}


def value(*letters: str) -> float:
    """Return the value relative to water where these ellipsoids overlap, skull and brain included."""
    return sum(ELLIPSOIDS[letter][3] for letter in dict.fromkeys(("a", "b", *letters)))


def ellipsoid(letter: str, scale_mm: float) -> Ellipsoid:
    """Return an ellipsoid in LPS.

    The table's y axis is the front of the head, ours the back: y and the sense of the turn change sign. Its z axis is
    taken to point to the top of the head.
    """
    radii, (x, y, z), turn, _ = ELLIPSOIDS[letter]
    first, second, third = (scale_mm * r for r in radii)
    return Ellipsoid((scale_mm * x, -scale_mm * y, scale_mm * z), (first, second, third), rotation(z_deg=-turn))


def design(spec: Mapping[str, Any]) -> Design:
    """Return the head; `scale_mm` is the length of one unit of the table: 100 gives a head of 14 x 18 x 18 cm."""
    scale = number(spec, "scale_mm", 10, 300)
    solids = {letter: ellipsoid(letter, scale) for letter in ELLIPSOIDS}
    hosts = {"a": (), "b": ("sl_a",)}
    parts = [Part(f"sl_{x}", (solids[x],), hosts.get(x, ("sl_b",))) for x in ELLIPSOIDS]
    for x, y in OVERLAPS:  # the later of the two stands there; what of it lies in the earlier one is both
        both = (Intersection(solids[x], solids[y]),)
        parts.append(Part(f"sl_{x}{y}", both, (f"sl_{x}", f"sl_{y}"), over=(f"sl_{y}",), drawn=solids[x]))
    details = {
        "value_relative_to_water": {x: ELLIPSOIDS[x][3] for x in ELLIPSOIDS},
        "sum_relative_to_water": {
            "sl_a": ELLIPSOIDS["a"][3], **{f"sl_{x}": value(x) for x in ELLIPSOIDS if x != "a"},
            **{f"sl_{x}{y}": value(x, y) for x, y in OVERLAPS},
        },
    }
    return Design(tuple(parts), 0.88 * scale, details)
