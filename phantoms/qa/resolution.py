"""Point, line and edge: a bead, a wire and a slanted block to measure spread functions with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medsynth.shapes.primitives import Capsule, Cylinder, RoundBox, Sphere, rotation
from phantoms.qa.design import Design, number
from phantoms.qa.truth import Part

# A bead of 0.28 mm is usual. Common phantoms have tungsten beads and wires; steel does not saturate twelve bits where
# partial volumes mix linearly, and a wire of 0.2 mm spans enough of the phantom's steps of 1/255 of a voxel.
DEFAULTS = {"diameter_mm": 160.0, "length_mm": 60.0, "bead_mm": 0.28, "wire_mm": 0.2, "slant_deg": 5.0}
BEAD_AT_MM, WIRE_X_MM, BLOCK_AT_MM, BLOCK_HALF_MM = (0.0, -45.0, 0.0), 45.0, (-20.0, 15.0, 0.0), (20.0, 20.0, 20.0)


def design(spec: Mapping[str, Any]) -> Design:
    """Return the object: bead at the top, wire along z at the right of the image, block turned by `slant_deg`."""
    radius, half = number(spec, "diameter_mm", 140, 500) / 2, number(spec, "length_mm", 50, 500) / 2
    bead, wire = number(spec, "bead_mm", 0.05, 1.2) / 2, number(spec, "wire_mm", 0.01, 1.2) / 2
    slant = number(spec, "slant_deg", -45, 45)
    host = ("resolution_body",)
    reach = half - 5.0
    line = Capsule((WIRE_X_MM, 0.0, -reach), (WIRE_X_MM, 0.0, reach), wire, wire)
    block = RoundBox(BLOCK_AT_MM, BLOCK_HALF_MM, 0.0, rotation(z_deg=slant))
    parts = (
        Part("resolution_body", (Cylinder((0.0, 0.0, 0.0), radius, half),)),
        Part("resolution_block", (block,), host),
        Part("resolution_wire", (line,), host),
        Part("resolution_bead", (Sphere(BEAD_AT_MM, bead),), host, lattice_mm=bead / 8),
    )
    marks = {"bead": BEAD_AT_MM, "wire": (WIRE_X_MM, 0.0, 0.0), "block": BLOCK_AT_MM}
    return Design(parts, 20.0, {"slant_deg": slant}, marks)
