"""Everything between neck and diaphragm, in the order in which each part must respect the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.core.seed import Seed
from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.base import Shape
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.primitives import Ellipsoid
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.tubes import Tubes
from phantoms.torso import heart, lungs
from phantoms.torso.fitting import Fit
from phantoms.torso.frame import Frame
from phantoms.torso.table import labels
from phantoms.torso.trunk import Trunk

Field = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Chest:
    """Shapes, trees and paints of the chest; `behind` is painted before the bones, `front` after them."""

    fields: Mapping[str, Shape]
    trees: Mapping[str, Tubes]
    behind: list[Paint]
    front: list[Paint]


def build_chest(
    fit: Fit, trunk: Trunk, above: Field, spine: SampledShape, spec: Mapping[str, Any], seed: Seed, *, whole: bool
) -> Chest:
    """Return heart, vessels, lungs and what lies between; only what reaches the abdomen where not `whole`."""
    frame, lattice, names = fit.frame, fit.frame.lattice, labels()
    diaphragm = lattice.shape_of(above)
    turn, fat = float(spec["heart_turn_deg"]), float(spec["fat"]) ** 0.5
    middle = heart.build_mediastinum(frame, spine, diaphragm, fit.heart_scale, turn, float(spec["aorta"]), fat)
    outline = lattice.sample(middle.outline)
    lung = lungs.lung_field(frame, lattice, trunk, above, outline)
    breath = lungs.build_lungs(frame, lattice, lung, middle.tubes, spec["lobe_share"], seed, whole=whole)
    muscle = np.maximum(np.abs(above) - 1.2 - 0.4 * lattice.noise(frame.noise_seed(70), 16.0), trunk.cavity - 0.5)
    behind = [
        Paint(lattice.shape_near(trunk.cavity), (Layer(names["mediastinal_fat"]),)),
        Paint(lattice.shape_near(muscle), (Layer(names["diaphragm"]),)),
    ]
    front = list(middle.paints)
    if whole:
        behind.append(_neck(frame, trunk))
        front = [*_glands(frame, middle, seed), *heart.paint_shoulder_vessels(middle.tubes), *front]
    fields: dict[str, Shape] = {**breath.fields, "heart": middle.hull, "diaphragm": _coarse(diaphragm)}
    return Chest(fields, breath.trees, behind, [*front, *breath.paints])


def _coarse(shape: SampledShape) -> SampledShape:
    """Return a smooth shape on every other node: an eighth of the memory."""
    values = np.ascontiguousarray(shape.values_mm[::2, ::2, ::2])
    return SampledShape(values, shape.origin_mm, 2 * shape.step_mm)


def _neck(frame: Frame, trunk: Trunk) -> Paint:
    """Muscles that close the neck above the lungs' tips: sternomastoid and scalene groups, prevertebral muscle."""
    names = labels()
    whole = frame.lattice
    nodes = whole.z.ravel()
    first = int(np.searchsorted(nodes, 96.0 * frame.height))
    lattice = Lattice((whole.low_mm[0], whole.low_mm[1], float(nodes[first]) + 0.25), whole.high_mm, whole.step_mm)
    z = lattice.z / frame.height
    x, y = np.abs(lattice.x) / frame.width, lattice.y / frame.depth
    wave = 1.4 * lattice.noise(frame.noise_seed(71), 18.0)
    strap = (np.sqrt(((x - 26 - 0.25 * (z - 150)) / 13) ** 2 + ((y + 32 - 0.1 * (z - 150)) / 7.5) ** 2) - 1) * 8
    scalene = (np.sqrt(((x - 34 + 0.2 * (z - 150)) / 13) ** 2 + ((y - 10) / 13) ** 2) - 1) * 12
    before = frame.spine_y_mm(lattice.z.ravel())[:, None, None] / frame.depth - 13
    longus = (np.sqrt(((x - 11) / 9) ** 2 + ((y - before) / 5.0) ** 2) - 1) * 5
    cuts = [
        np.maximum(field + wave, (start - z) * frame.height)
        for field, start in ((strap, 126.0), (scalene, 142.0), (longus, 100.0))
    ]
    field = np.maximum(np.minimum.reduce(cuts), trunk.muscle[first:] + 1.0)
    side = np.broadcast_to(lattice.x > 0, lattice.shape).astype(np.uint8)
    return Paint(lattice.shape_near(field, side), (Layer((names["neck_muscles_right"], names["neck_muscles_left"])),))


def _glands(frame: Frame, middle: heart.Mediastinum, seed: Seed) -> list[Paint]:
    """Thymus remnant, thyroid lobes and a few lymph nodes."""
    names, paints = labels(), []
    rng = seed.child("nodes").rng()
    thymus = Ellipsoid(tuple(frame.at([6, -52, 62]).tolist()), (20.0, 6.5, 30.0))
    paints.append(Paint(thymus, (Layer(names["thymus"]),), over=(names["mediastinal_fat"],)))
    for side, sign in (("right", -1), ("left", 1)):
        lobe = Ellipsoid(tuple(frame.at([sign * 17, -16, 182]).tolist()), (8.5, 9.5, 24.0))
        paints.append(Paint(lobe, (Layer(names[f"thyroid_{side}"]),)))
    nodes = [(np.asarray(centre), float(rng.uniform(1.6, 3.6))) for centre in middle.lymph_nodes]
    armpit = []
    for sign in (-1, 1):
        for _ in range(5):
            base = frame.cavity.point_mm(
                sign * rng.uniform(78, 96), frame.height * rng.uniform(70, 112), rng.uniform(20, 40)
            )
            armpit.append((base, float(rng.uniform(1.8, 3.8))))
    for name, found, over in (
        ("mediastinal_lymph_nodes", nodes, "mediastinal_fat"),
        ("axillary_lymph_nodes", armpit, "intermuscular_fat"),
    ):
        paints.append(Paint(beans(found), (Layer(names[name]),), over=(names[over],)))
    return paints


def beans(nodes: list[tuple[NDArray[np.float64], float]]) -> Tubes:
    """Return lymph nodes as short capsules: (middle, half the short axis in mm) of each."""
    centres = np.array([centre for centre, _ in nodes], float)
    short = np.array([half for _, half in nodes])
    along = np.stack([0.2 * short, 0.3 * short, 0.7 * short], axis=1)
    return Tubes(centres - along, centres + along, short, short, np.full(len(nodes), -1, np.int64))
