"""Veins under the skin, the vessels beside and behind the breast, and lymph nodes in the armpit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.primitives import Ellipsoid, rotation
from medsynth.shapes.sweep import spline_mm
from medsynth.shapes.tree_edit import concatenate
from medsynth.shapes.tubes import Tubes
from phantoms.breast.frame import BreastFrame, Field
from phantoms.breast.mound import TAIL_MM, Mound
from phantoms.breast.table import labels

VEIN_DEPTH_MM = 5.0  # below the skin's surface
STEEPEST_MM = 16.0
HILUM_MM = 2.0


def chain(points_mm: NDArray[np.float64], start_mm: float, end_mm: float) -> Tubes:
    """Return one unbranched tube along points, its radius changing evenly."""
    n = len(points_mm) - 1
    radius = np.linspace(start_mm, end_mm, n + 1)
    return Tubes(points_mm[:-1], points_mm[1:], radius[:-1], radius[1:], np.arange(-1, n - 1))


def build_vessels(
    frame: BreastFrame, mound: Mound, *, rng: np.random.Generator
) -> tuple[dict[str, Tubes], list[Paint]]:
    """Return vessels by name, and the paints of vessels and lymph nodes."""
    names = labels()
    veins = [vein for _ in range(7) if (vein := _superficial(frame, mound, rng)) is not None]
    side = spline_mm(np.array([(64, 22, 92), (58, 18, 62), (55, 14, 28), (52, 12, -4), (48, 9, -30)], float), 3.0)
    into = spline_mm(np.array([(55, 14, 28), (46, 2, 22), (34, -8, 14), (22, -18, 8)], float), 3.0)
    inner_x = float(mound.lattice.x.ravel()[0]) + 12.0
    inner = spline_mm(np.array([(inner_x, _depth(mound, inner_x, z), z) for z in (95, 60, 25, -10, -45, -80)]), 3.0)
    tubes = {
        "lateral_thoracic_vessels": concatenate(chain(side, 1.5, 0.9), chain(into, 0.9, 0.5)),
        "internal_thoracic_vessels": concatenate(chain(inner, 1.5, 1.2), chain(inner + [3.5, 0.0, 0.0], 1.2, 1.0)),
    }
    if veins:
        tubes["breast_veins"] = concatenate(*veins)
    fat = tuple(names[n] for n in ("subcutaneous_fat", "breast_fat", "cooper_ligaments", "intermuscular_fat",
                                   "fibroglandular_tissue", "intercostal_muscles"))  # fmt: skip
    paints = [Paint(tube, (Layer(names[name]),), over=fat) for name, tube in tubes.items()]
    return tubes, [*paints, _nodes(mound, rng)]


def _depth(mound: Mound, x: float, z: float) -> float:
    """Return y just behind the ribs at (x, z)."""
    lattice = mound.lattice
    i = int(np.argmin(np.abs(lattice.x.ravel() - x)))
    k = int(np.argmin(np.abs(lattice.z.ravel() - z)))
    return float(lattice.y.ravel()[int(np.argmax(mound.cage[k, :, i] < -9.0))])


def _superficial(frame: BreastFrame, mound: Mound, rng: np.random.Generator) -> Tubes | None:
    """Return a vein that winds under the skin from the edge of the breast towards the areola."""
    lattice = mound.lattice
    turn = rng.uniform(-0.9, 3.6) + np.cumsum(rng.normal(0, 0.16, 12))
    reach = np.linspace(1.05, rng.uniform(0.3, 0.55), 12) * frame.radius_mm
    x = mound.nipple_mm[0] + reach * np.cos(turn)
    z = mound.nipple_mm[2] + reach * np.sin(turn) * frame.tall
    found: list[tuple[float, float, float]] = []
    for a, b in zip(x, z, strict=True):
        i, k = int(np.argmin(np.abs(lattice.x.ravel() - a))), int(np.argmin(np.abs(lattice.z.ravel() - b)))
        under = np.flatnonzero(mound.skin[k, :, i] < -VEIN_DEPTH_MM)
        if found and under.size and abs(float(lattice.y.ravel()[under[0]]) - found[-1][1]) > STEEPEST_MM:
            break  # the skin is too steep for a course drawn over its plan
        if under.size and mound.pectoral[k, under[0], i] > 3.0:
            found.append((a, float(lattice.y.ravel()[under[0]]), b))
    if len(found) < 5:
        return None
    points = np.array(found)
    points[1:-1] = (points[:-2] + 2 * points[1:-1] + points[2:]) / 4
    return chain(spline_mm(points, 3.0), rng.uniform(1.0, 1.5), 0.5)


def _nodes(mound: Mound, rng: np.random.Generator) -> Paint:
    """Return a few bean-shaped nodes with a fatty hilum in the axillary tail."""
    middle = np.array(TAIL_MM[1])
    lattice = Lattice(tuple((middle - 34).tolist()), tuple((middle + [30, 30, 26]).tolist()), 1.0)
    field: Field = np.full(lattice.shape, 30.0, np.float32)
    for _ in range(int(rng.integers(3, 6))):
        at = middle + rng.uniform((-16, -6, -22), (6, 8, 6))
        short = float(rng.uniform(2.4, 4.2))
        turn = rotation(*(float(a) for a in rng.uniform(-60, 60, 3)))
        node = Ellipsoid(tuple(at.tolist()), (short, 1.3 * short, 1.9 * short), turn)
        field = np.minimum(field, lattice.sample(node))
    inside = np.maximum(lattice.sample(mound.lattice.shape_of(mound.skin)) + 4.0,
                        2.0 - lattice.sample(mound.lattice.shape_of(mound.pectoral)))  # fmt: skip
    names = labels()
    layers = (Layer(names["axillary_lymph_nodes"]), Layer(names["axillary_lymph_node_hila"], HILUM_MM))
    return Paint(lattice.shape_of(np.maximum(field, inside)), layers)
