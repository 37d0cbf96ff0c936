"""Psoas, iliacus, quadratus lumborum and the crura: muscles inside the abdominal cavity's wall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sheet import Sheet, rope_distance, sheet_distance
from medsynth.shapes.sweep import spline_mm
from phantoms.torso.frame import Frame
from phantoms.torso.pelvis_bones import WING, place
from phantoms.torso.table import labels

Field = NDArray[np.floating[Any]]

TOP_MM, BOTTOM_MM = -60.0, -460.0
STEP_MM = 2.5
REACH_MM = 12.0
# Left psoas: x, y in front of (+ behind) the middle of the vertebral bodies down to L5, then free points; radii.
# 15-18 cm^2 at L3-L4 in men (facts, unverified).
PSOAS = (
    [[24, 12, -122], [28, 13, -150], [34, 11, -185], [39, 10, -220], [44, 8, -258], [53, 6, -300], [64, -4, -336],
     [78, -18, -368], [88, -16, -392], [101, 8, -424], [112, 38, -444]],
    [4.0, 10.0, 16.5, 20.5, 22.5, 20.5, 18.0, 16.0, 15.0, 11.5, 6.0],
)  # fmt: skip
# Iliacus: a layer on the inner face of the iliac wing, a column from its front edge to its back; inward directions,
# half thickness row by row down the wing, and where it joins the psoas.
INWARD = np.array([[-0.95, -0.10, 0.10], [-0.95, -0.25, 0.15], [-0.80, -0.50, 0.20], [-0.60, -0.75, 0.20]])
ILIACUS_HALF_MM = [[3.5, 4.5, 4.5, 3.5], [6.0, 8.0, 8.0, 6.0], [8.5, 10.0, 9.5, 7.0], [9.0, 10.0, 9.0, 7.0]]
ILIACUS_END = [[90, -20, -378], [88, -14, -374], [84, -8, -368], [80, -2, -362]]
QUADRATUS = (
    [[[40, 40, -108], [56, 50, -106]], [[40, 40, -150], [64, 50, -150]], [[42, 44, -195], [74, 52, -195]],
     [[50, 50, -240], [88, 56, -238]]],
    [[3, 3], [5, 4], [6.5, 5.5], [6, 5]],
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Loins:
    """The muscles' common distance on a lattice of their own, and the paints."""

    lattice: Lattice
    field: Field
    paints: list[Paint]


def build_loins(frame: Frame) -> Loins | None:
    """Return the muscles beside and before the lumbar spine; None where the built range has none."""
    low = max(BOTTOM_MM, frame.low_z_mm) * frame.height
    high = min(TOP_MM, frame.high_z_mm) * frame.height
    if high - low < 12.0:
        return None
    ends_low, ends_high = place(frame, [0, -62, -368]), place(frame, [132, 84, -300])
    half = Lattice((0.0, float(ends_low[1]), low), (float(ends_high[0]), float(ends_high[1]), high), STEP_MM)
    lattice = Lattice((-half.high_mm[0], half.low_mm[1], half.low_mm[2]), half.high_mm, STEP_MM)
    fields = {name: np.concatenate([f[:, :, :0:-1], f], axis=2) for name, f in _half(frame, half).items()}
    crura = _crura(frame, lattice)
    wobble = 0.9 * lattice.noise(frame.noise_seed(72), 30.0) + 0.3 * lattice.noise(frame.noise_seed(73), 12.0)
    left = np.broadcast_to(lattice.x > 0, lattice.shape)
    return Loins(lattice, np.minimum.reduce([*fields.values(), crura]) + wobble,
                 _paints(lattice, {name: f + wobble for name, f in fields.items()}, crura + 0.5 * wobble, left))


def _half(frame: Frame, lattice: Lattice) -> Mapping[str, Field]:
    size = 0.25 + 0.75 * frame.muscle
    points = np.array(PSOAS[0], float)
    axis = place(frame, points)
    lumbar = points[:, 2] > -270
    axis[lumbar, 1] = frame.spine_y_mm(axis[lumbar, 2]) + points[lumbar, 1] - 2.0
    axis = spline_mm(axis, 6.0)
    radius = np.interp(np.linspace(0, 1, len(axis)), np.linspace(0, 1, len(PSOAS[1])), PSOAS[1]) * size
    psoas = rope_distance(axis, radius, lattice, REACH_MM)
    iliacus = sheet_distance([_iliacus(frame, size)], lattice, REACH_MM, 7.0)
    rows = np.array(QUADRATUS[0], float)
    rows[..., 1] -= 40.0
    quadratus = place(frame, rows)
    quadratus[..., 1] += frame.spine_y_mm(quadratus[..., 2]) + 28.0
    square = sheet_distance([Sheet(quadratus, np.array(QUADRATUS[1]) * size)], lattice, REACH_MM, 7.0)
    gap = 0.8
    return {
        "psoas": psoas,
        "iliacus": np.maximum(iliacus, (iliacus - psoas + gap) / 2),
        "quadratus_lumborum": np.maximum(square, (square - psoas + gap) / 2),
    }


def _iliacus(frame: Frame, size: float) -> Sheet:
    """Return the sheet of the left iliacus, resting on the wing's inner face."""
    wing, bone = np.array(WING[0], float)[:, :4], np.array(WING[1], float)[:, :4]
    wing[0], bone[0] = (wing[0] + 2 * wing[1]) / 3, bone[1]
    half = np.array(ILIACUS_HALF_MM) * size
    rows = wing[:3] + (bone[:3] + half[:3] + 0.5)[..., None] * INWARD
    return Sheet(place(frame, np.concatenate([rows, [ILIACUS_END]])), half)


def _crura(frame: Frame, lattice: Lattice) -> Field:
    """Return the crura of the diaphragm: 10-12 mm thick on the right at L1, 8-10 on the left (unverified)."""
    y = frame.spine_y_mm(lattice.z.ravel())[:, None, None].astype(np.float32)
    z = lattice.z / frame.height
    wide, deep = 22.5 * frame.bone, 18.5 * frame.bone
    around = (np.sqrt((lattice.x / wide) ** 2 + ((lattice.y - y) / deep) ** 2) - 1) * 20.0
    half = 3.0 + 1.2 * (lattice.x < 0) - 0.03 * np.maximum(-120 - z, 0)
    crus = np.maximum(np.abs(around - 4.2) - half, np.maximum(np.abs(z + 124) - 56, lattice.y - y - 1))
    return np.maximum(crus, 6.0 - np.abs(lattice.x - 7)).astype(np.float32)  # the aorta passes between them


def _paints(lattice: Lattice, fields: Mapping[str, Field], crura: Field, left: NDArray[np.bool_]) -> list[Paint]:
    names = labels()

    def pair(name: str) -> tuple[int, int]:
        return names[f"{name}_right"], names[f"{name}_left"]

    rest = np.minimum(np.minimum(fields["iliacus"], fields["quadratus_lumborum"]), crura)
    owner = np.where(rest == crura, 4, 2 * (rest == fields["quadratus_lumborum"]) + left).astype(np.uint8)
    table = (*pair("iliacus"), *pair("quadratus_lumborum"), names["diaphragm"])
    return [
        Paint(lattice.shape_near(rest, owner), (Layer(table),)),
        Paint(lattice.shape_near(fields["psoas"], left.astype(np.uint8)), (Layer(pair("psoas")),)),
    ]
