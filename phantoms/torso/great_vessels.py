"""Aorta and vena cava below the diaphragm, and the iliac and femoral vessels they divide into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sheet import rope_distance
from medsynth.shapes.sweep import Sweep, spline_mm
from phantoms.torso.frame import Frame
from phantoms.torso.table import labels

Field = NDArray[np.floating[Any]]
Course = tuple[Sequence[Sequence[float]], Sequence[float]]

STEP_MM = 2.0
WALL_MM = 1.1
AORTIC_HIATUS_MM = -92.0  # T12: where the aorta's name changes
# Left-sided courses in reference mm with radii; the common ones differ from side to side. Calibres: common iliac
# artery 10.5 mm, external 7-8, internal 6-7, femoral 8-9 (facts; unverified but for the first).
COMMON: Mapping[str, Course] = {
    "common_iliac_artery_right": (
        [[3, -18, -233], [-6, -17, -248], [-20, -12, -272], [-38, 4, -296], [-46, 12, -308]], [6.6, 5.6, 5.3, 5, 4.8]),
    "common_iliac_artery_left": (
        [[7, -18, -233], [15, -17, -248], [27, -11, -272], [41, 3, -296], [47, 12, -308]], [6.6, 5.6, 5.3, 5, 4.8]),
    "common_iliac_vein_right": (
        [[-15, -11, -258], [-22, -4, -274], [-36, 10, -296], [-46, 20, -312]], [8.4, 7.2, 6.8, 6.4]),
    "common_iliac_vein_left": (
        [[-12, -11, -258], [2, -5, -271], [22, 4, -286], [38, 14, -299], [47, 21, -313]], [8, 6.2, 6.4, 6.8, 6.4]),
}
PAIRED: Mapping[str, Course] = {
    "external_iliac_artery": (
        [[46, 11, -306], [52, -2, -330], [59, -23, -352], [68, -42, -374], [74, -50, -389]], [4.3, 4, 4, 4, 4.2]),
    "internal_iliac_artery": ([[47, 11, -307], [49, 27, -325], [49, 42, -345], [48, 50, -362]], [3.5, 3.2, 2.7, 2.2]),
    "femoral_artery": (
        [[74, -50, -388], [77, -50, -405], [80, -42, -440], [82, -28, -490], [80, -14, -560], [76, -4, -650]],
        [4.4, 4.5, 4.0, 3.6, 3.4, 3.2]),
    "external_iliac_vein": (
        [[47, 20, -311], [49, 8, -332], [52, -14, -354], [58, -34, -376], [62, -43, -390]], [6, 5.6, 5.6, 5.6, 5.8]),
    "internal_iliac_vein": ([[48, 21, -312], [53, 34, -330], [53, 48, -347], [51, 54, -364]], [4.2, 3.8, 3.2, 2.4]),
    "femoral_vein": (
        [[62, -43, -389], [66, -44, -406], [72, -36, -440], [77, -20, -490], [79, -6, -560], [78, 4, -650]],
        [5.8, 5.8, 5.2, 4.6, 4.2, 4.0]),
}  # fmt: skip


def pelvic_tubes(frame: Frame, wander_mm: NDArray[np.float64]) -> dict[str, Sweep]:
    """Return iliac and femoral vessels by name; wander_mm : (2, 3) shift of each side's external iliac's middle.

    Old arteries are longer than their way: they bend.
    """
    made = {}
    courses = dict(COMMON)
    for name, (points, radii) in PAIRED.items():
        for side, sign in (("right", -1), ("left", 1)):
            moved = np.array(points, float)
            if name == "external_iliac_artery":
                moved[1:3] += wander_mm[int(sign > 0)]
            courses[f"{name}_{side}"] = ((moved * [sign, 1, 1]).tolist(), radii)
    for name, (points, radii) in courses.items():
        axis = spline_mm(frame.at(points), 4.0)
        radius = np.interp(np.linspace(0, 1, len(axis)), np.linspace(0, 1, len(radii)), radii) * frame.vessel
        made[name] = Sweep.round(axis, radius)
    return made


def paint_great_vessels(frame: Frame, sweeps: Mapping[str, Sweep], plaque: float) -> list[Paint]:
    """Return veins, then arteries with their walls, then calcified plaques in those.

    plaque : how much of the arteries' walls is calcified, 0-1.
    """
    arteries = [n for n in sweeps if n == "descending_aorta" or "iliac_artery" in n or n.startswith("femoral_artery")]
    veins = [n for n in sweeps if n == "inferior_vena_cava" or "iliac_vein" in n or n.startswith("femoral_vein")]
    names = labels()
    lattice = _lattice(frame, [sweeps[n] for n in (*arteries, *veins)])
    rough = 0.25 * lattice.noise(frame.noise_seed(46), 12.0)
    paints = []
    blue, owner = _union(lattice, {n: sweeps[n] for n in veins})
    paints.append(Paint(lattice.shape_near(blue + rough, owner), (Layer(tuple(names[n] for n in veins)),)))
    red, owner = _union(lattice, {n: sweeps[n] for n in arteries})
    below = (owner == arteries.index("descending_aorta")) & (lattice.z < AORTIC_HIATUS_MM * frame.height)
    owner = np.where(below, len(arteries), owner).astype(np.uint8)
    inner = tuple(names[n] for n in (*arteries, "abdominal_aorta"))
    thoracic = names["aortic_wall"]
    outer = tuple(thoracic if n == "descending_aorta" else names["iliac_artery_wall"] for n in arteries)
    outer = (*outer, names["abdominal_aorta_wall"])
    shape = lattice.shape_near(red + rough, owner)
    paints.append(Paint(shape, (Layer(outer), Layer(inner, WALL_MM))))
    if plaque > 0.01:
        paints.append(_plaques(frame, lattice, red + rough, plaque, (*outer, *inner)))
    return paints


def _lattice(frame: Frame, sweeps: Sequence[Sweep]) -> Lattice:
    ends = np.concatenate([np.stack(sweep.bounds_mm()) for sweep in sweeps])
    low, high = ends.min(0) - 6, ends.max(0) + 6
    low[2] = max(low[2], frame.low_z_mm * frame.height - 4)
    high[2] = min(high[2], frame.high_z_mm * frame.height + 4)
    return Lattice(tuple(low.tolist()), tuple(high.tolist()), STEP_MM)


def _union(lattice: Lattice, sweeps: Mapping[str, Sweep]) -> tuple[Field, NDArray[np.uint8]]:
    field = np.full(lattice.shape, 8.0, np.float32)
    owner = np.zeros(lattice.shape, np.uint8)
    for number, sweep in enumerate(sweeps.values()):
        own = rope_distance(sweep.points_mm, sweep.first_mm, lattice, 8.0)
        owner[own < field] = number
        field = np.minimum(field, own)
    return field, owner


def _plaques(frame: Frame, lattice: Lattice, field: Field, share: float, over: tuple[int, ...]) -> Paint:
    """Return thin shells of calcium in the walls, where a noise is high: more and larger ones with age."""
    patch = lattice.noise(frame.noise_seed(47), 11.0) + 0.5 * lattice.noise(frame.noise_seed(48), 26.0)
    # Dorsal wall and divisions calcify first.
    where = (2.9 - 2.2 * share) - patch + 0.006 * (lattice.z + 240 * frame.height)
    shell = np.abs(field + 1.0) - 0.9
    return Paint(lattice.shape_near(np.maximum(shell, 1.6 * where)), (Layer(labels()["arterial_plaque"]),), over)

