"""The pancreas with its parts, its lobules and its duct."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_min
from medsynth.shapes.tubes import Tubes
from phantoms.torso.table import labels
from phantoms.torso.viscera_space import Course, Field, Space, capsules, tube_along

# Head in the duodenum's loop, neck before the confluence of the portal vein at L1-L2, body over the spine, tail to the
# spleen's hilum. AP: head up to 30, body 25, tail 20 mm; 12-15 cm long.
PANCREAS: Course = (
    [[-35, -33, -160], [-32, -38, -144], [-20, -44, -130], [-4, -46, -121], [20, -40, -111], [43, -24, -102],
     [63, -9, -95], [82, 9, -88]],
    [10.5, 12, 11, 9.0, 10, 10, 9.5, 8],
)  # fmt: skip
UNCINATE: Course = ([[-32, -34, -160], [-20, -32, -160], [-8, -33, -158]], [10, 8, 5])
PARTS = ("pancreas_head", "pancreas_neck", "pancreas_body", "pancreas_tail")
PART_ENDS = (0.30, 0.44, 0.74)  # shares of the gland's length
DUCT_MM = (1.6, 1.2, 0.8)  # radius in head, body, tail: 3.5, 2.5 and 1.5 mm wide at most


def pancreas_field(space: Space, size: float) -> tuple[Field, Field]:
    """Return the gland before it meets its neighbours, with lobules at its edge, and the arc length along it."""
    gland, arc = space.distance(space.tube(PANCREAS, size), 18.0)
    hook, _ = space.distance(space.tube(UNCINATE, size), 18.0)
    lobules = 1.9 * space.noise[9.0] + 1.0 * space.noise[15.0]
    return (smooth_min(gland, hook, 4.0) + lobules).astype(np.float32), arc


def pancreas_parts(space: Space, arc: Field) -> NDArray[np.uint8]:
    """Return the part (0 head, 1 neck, 2 body, 3 tail) at every node."""
    axis = space.tube(PANCREAS).points_mm
    length = float(np.linalg.norm(np.diff(axis, axis=0), axis=1).sum())
    return np.digitize(arc, np.array(PART_ENDS) * length).astype(np.uint8)


def pancreatic_duct(space: Space) -> Tubes:
    """Return the main duct from the tail to the papilla."""
    points = np.array(PANCREAS[0])[::-1]
    course = np.concatenate([points[:-1], [[-38, -30, -156], [-44, -25, -158]]])
    radii = np.interp(np.linspace(0, 1, len(course)), [0, 0.5, 1], DUCT_MM[::-1])
    return capsules(tube_along(space.frame.at(course), radii, 4.0))


def paint_pancreas(space: Space, pancreas: Field, arc: Field, duct: Tubes) -> list[Paint]:
    """Return the gland in its parts, and the duct in it."""
    names = labels()
    parts = tuple(names[part] for part in PARTS)
    return [
        Paint(space.part(pancreas, pancreas_parts(space, arc)), (Layer(parts),)),
        Paint(duct, (Layer(names["pancreatic_duct"]),), over=parts),
    ]
