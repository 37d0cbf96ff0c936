"""Stomach, duodenum and spleen: soft neighbours of the left upper quadrant that mould each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max
from medsynth.shapes.primitives import Ellipsoid, rotation
from phantoms.torso.table import labels
from phantoms.torso.viscera_space import Course, Field, Space

# From the cardia over the fundus, which lies far back in a supine body, to the pylorus right of L1.
STOMACH: Course = (
    [[19, 5, -52], [34, 18, -46], [56, 14, -54], [66, -20, -78], [61, -54, -103], [38, -66, -124], [10, -62, -134],
     [-16, -56, -130], [-32, -48, -124]],
    [8, 18, 31, 32, 27, 22, 17, 12.5, 8.5],
)  # fmt: skip
# Bulb backwards, down the right side of L2-L3, across under the superior mesenteric vessels, up to the jejunum at L2.
DUODENUM: Course = (
    [[-33, -47, -123], [-44, -38, -120], [-54, -26, -128], [-57, -22, -150], [-54, -26, -174], [-40, -34, -190],
     [-14, -41, -194], [10, -41, -188], [25, -34, -174], [32, -36, -160]],
    [10, 12, 12.5, 12, 12, 11, 9, 9, 10.5, 11],
)  # fmt: skip
WALL_MM = 3.4  # 3-5 mm in the body of the stomach, more in the antrum
FOLD_MM = 2.0


def stomach_field(space: Space, size: float) -> tuple[Field, Field]:
    """Return the stomach before it meets its neighbours, and the arc length along it."""
    field, arc = space.distance(space.tube(STOMACH, size), 22.0)
    return (field + 3.0 * space.noise[46.0] + 1.4 * space.noise[30.0]).astype(np.float32), arc


def duodenum_field(space: Space, size: float) -> Field:
    """Return the duodenum before it meets its neighbours."""
    field, _ = space.distance(space.tube(DUODENUM, 0.95 * size), 20.0)
    return np.asarray(field + 1.2 * space.noise[30.0] + 0.7 * space.noise[15.0], np.float32)


def spleen_field(space: Space, size: float) -> Field:
    """Return the spleen before it meets its neighbours: convex to the ribs, hollow towards the stomach."""
    frame = space.frame
    half = (46 * size**0.5, 44 * size**0.5, 56 * size)  # a large spleen is above all a long one
    bulk = Ellipsoid(tuple(frame.at([98, 36, -86 - 25 * (size - 1)]).tolist()), half, rotation(10, 0, -25))
    hollow = Ellipsoid(tuple(frame.at([38, -4, -78]).tolist()), (46, 44, 72))
    field = smooth_max(space.lattice.sample(bulk), -space.lattice.sample(hollow), 9.0)
    return np.asarray(field + 2.0 * space.noise[46.0] + 1.2 * space.noise[30.0], np.float32)


def paint_stomach(space: Space, stomach: Field, arc: Field, spec: Mapping[str, Any]) -> list[Paint]:
    """Return the wall with its folds, the content, and the gas that lies on it."""
    names = labels()
    whole = max(float(arc.max()), 1.0)
    thick = WALL_MM + 2.0 * np.clip((arc - 0.72 * whole) / (0.2 * whole), 0, 1)  # the antrum's muscle
    swing = np.sin(arc / 3.5 + 2.0 * space.noise[30.0] + 1.4 * space.noise[15.0])
    folds = FOLD_MM * np.maximum(swing, 0) * np.clip(0.6 + 0.5 * space.noise[15.0], 0, 1.2)
    lumen = (stomach + thick + folds).astype(np.float32)
    y = np.broadcast_to(space.lattice.y, space.lattice.shape)
    level = np.quantile(y[lumen < 0], float(spec["stomach_gas"])) if np.any(lumen < 0) else -200.0
    gas = smooth_max(lumen + np.float32(0.3), y - np.float32(level), 0.5)
    return [
        Paint(space.part(stomach), (Layer(names["stomach"]),)),
        Paint(space.part(lumen), (Layer(names["stomach_content"]),)),
        Paint(space.part(gas), (Layer(names["stomach_gas"]),)),
    ]


def paint_duodenum(space: Space, duodenum: Field) -> list[Paint]:
    """Return the duodenum's wall with its folds, and what little fluid and gas is in it."""
    names = labels()
    slack = 2.0 + 1.6 * np.clip(space.noise[46.0] + 0.4 + 0.8 * space.noise[9.0], 0, 2.5)
    lumen = (duodenum + slack).astype(np.float32)
    return [
        Paint(space.part(duodenum), (Layer(names["duodenum"]),)),
        Paint(space.part(lumen), (Layer(names["duodenum_content"]),)),
    ]
