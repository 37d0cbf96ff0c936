"""The frame of one person: girth of the chest and height of the diaphragm that give the lungs their drawn volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medsynth.core.errors import RecipeError, expected
from medsynth.scene.subject import Subject
from medsynth.shapes.primitives import Ellipsoid
from phantoms.torso import heart, lungs
from phantoms.torso.frame import Frame
from phantoms.torso.trunk import Trunk

REFERENCE_HEIGHT_CM = 175.0
# Measured over sampled adults (benchmarks/population.py): the built lungs over their quick estimate, and the heart's
# drawn volume over what the diaphragm and the great vessels leave of it.
ESTIMATE_BIAS, HEART_SURPLUS = 1.08, 1.18
# Standing CT lungs are 10.9 % larger than supine ones (Respiration 2020). The rest are working values: the ribs' share
# of a breath, the heart's width upright and lying (its shape as built is that of a flat, wide chest), how far it
# spreads on the raised diaphragm and rides on it.
UPRIGHT_LUNGS, RIBS_CLOSE = 1.109, 0.14
RADIOGRAPH_BIAS = 0.94  # the fat that fills the clefts of the mediastinum there (`heart`), measured as ESTIMATE_BIAS
UPRIGHT_HEART, LYING_HEART, HEART_SPREADS, HEART_RIDES = 0.78, 0.85, 0.24, 0.60
CHEST_LOW_MM = -260.0  # the estimate looks at the chest alone, so that every body of a person has the same girth


@dataclass(frozen=True, eq=False)
class Fit:
    """The frame with the built range, the shift of the diaphragm in mm, and the heart's linear scale."""

    frame: Frame
    shift_mm: float
    heart_scale: float


def fitted_frame(subject: Subject, spec: Mapping[str, Any], low_z_mm: float, high_z_mm: float) -> Fit:
    """Find the chest girth, then the diaphragm's height, that give the lungs their volume; and the heart's size."""
    girth, shift, turn = 1.0, 0.0, float(spec["heart_turn_deg"])
    wanted = float(spec["lung_ml"])
    drawn = HEART_SURPLUS * float(spec["heart_ml"])
    scale = (drawn / heart.heart_volume_ml(_frame(subject, spec, 1.0), 1.0, turn)) ** (1 / 3)
    for _ in range(3):
        have = _lung_ml(_frame(subject, spec, girth), spec, shift, scale)
        girth = float(np.clip(girth * (wanted / have) ** 0.42, 0.84, 1.16))
    for _ in range(2):
        have = _lung_ml(_frame(subject, spec, girth), spec, shift, scale)
        shift -= float(np.clip((wanted - have) * 1000 / (44000 * girth**2), -30, 30))
        shift = float(np.clip(shift, -34, 40))
    frame = replace(_frame(subject, spec, girth), low_z_mm=low_z_mm, high_z_mm=high_z_mm)
    radiograph = positioned(spec)
    if radiograph == Position():
        return Fit(frame, shift, scale)
    return _breathed(subject, spec, Fit(frame, shift, scale), radiograph)


@dataclass(frozen=True, slots=True)
class Position:
    """How somebody is placed: the spec's `arms_down`, `breath` and `upright`.

    Attributes
    ----------
    arms_down : 0 raised, 1 hanging, 2 hands on hips with the shoulders rolled forwards.
    breath : volume of the lungs against a full inspiration in the same position.
    upright : 0 lying on the back, 1 standing or sitting.
    """

    arms_down: int = 0
    breath: float = 1.0
    upright: int = 0


def positioned(spec: Mapping[str, Any]) -> Position:
    """Return how the person is placed; older specs are arms up, full inspiration, on the back.

    Raises
    ------
    RecipeError
        If `arms_down` is none of 0, 1, 2, `upright` none of 0, 1, or `breath` outside 0.45 to 1.
    """
    arms, breath, upright = spec.get("arms_down", 0), spec.get("breath", 1.0), spec.get("upright", 0)
    if arms not in (0, 1, 2):
        what = "0 (raised), 1 (hanging) or 2 (hands on hips)"
        raise RecipeError(expected("phantom.spec.arms_down", arms, what))
    if isinstance(breath, bool) or not isinstance(breath, int | float) or not 0.45 <= breath <= 1.0:
        raise RecipeError(expected("phantom.spec.breath", breath, "0.45 to 1 (full inspiration)"))
    if upright not in (0, 1):
        raise RecipeError(expected("phantom.spec.upright", upright, "0 (lying) or 1 (upright)"))
    return Position(int(arms), float(breath), int(upright))


def _breathed(subject: Subject, spec: Mapping[str, Any], full: Fit, position: Position) -> Fit:
    """Let the breath out, or stand up: ribs close a little, the diaphragm moves until the lungs have their volume."""
    out = 1 - position.breath
    girth = full.frame.depth / (1 - float(spec["chest_shape"])) * (1 - RIBS_CLOSE * out)
    wanted = float(spec["lung_ml"]) * position.breath * (UPRIGHT_LUNGS if position.upright else 1.0)
    shift = full.shift_mm
    still = UPRIGHT_HEART if position.upright else LYING_HEART if position.arms_down else 1.0
    narrow = still + HEART_SPREADS * out
    lean = replace(_frame(subject, spec, girth), heart_narrow=min(narrow, 0.98))
    for _ in range(4):
        lift = HEART_RIDES * (shift - full.shift_mm)
        have = RADIOGRAPH_BIAS * _lung_ml(replace(lean, heart_lift_mm=lift), spec, shift, full.heart_scale)
        shift -= float(np.clip((wanted - have) * 1000 / (44000 * girth**2), -40, 40))
        shift = float(np.clip(shift, -46, 120))
    lift = HEART_RIDES * (shift - full.shift_mm)
    frame = replace(lean, low_z_mm=full.frame.low_z_mm, high_z_mm=full.frame.high_z_mm, heart_lift_mm=lift,
                    arms_down=position.arms_down)  # fmt: skip
    return Fit(frame, shift, full.heart_scale)


def _frame(subject: Subject, spec: Mapping[str, Any], girth: float) -> Frame:
    height = subject.height_cm / REFERENCE_HEIGHT_CM
    return Frame(
        width=girth * (1 + spec["chest_shape"]),
        depth=girth * (1 - spec["chest_shape"]),
        height=height,
        fat=spec["fat"],
        muscle=spec["muscle"],
        belly_mm=spec["belly_mm"],
        kyphosis=spec["kyphosis"],
        tilt=spec["tilt"],
        bone=spec["bone"] * height**0.5,
        vessel=spec["vessel"] * height**0.3,
        seed=int(spec["seed"]) % 99991,
        pelvis_width=spec["pelvis_width"],
        pelvis_depth=spec["pelvis_depth"],
        hip_fat=spec["hip_fat"],
        outlet=spec["outlet"],
        low_z_mm=CHEST_LOW_MM,
    )


def _lung_ml(frame: Frame, spec: Mapping[str, Any], shift: float, scale: float) -> float:
    """Estimate the lungs' volume on an 8 mm lattice with a plain mediastinum."""
    lattice = replace(frame.lattice, step_mm=8.0)
    points = lattice.points_mm
    cavity = lattice.sample(frame.cavity)
    angle = np.abs(((frame.cavity.angle_deg(points) + 180) % 360) - 180).astype(np.float32)
    above = lungs.diaphragm_height(frame, lattice, Trunk(cavity, cavity, cavity, angle), shift, tuple(spec["dome_mm"]))
    pleura = np.maximum(2.2 - above, cavity + 1.5)
    y = frame.spine_y_mm(lattice.z.ravel())[:, None, None]
    column = (np.sqrt((lattice.x / 24) ** 2 + ((lattice.y - y - 5) / 25) ** 2) - 1) * 22
    middle = lattice.sample(
        Ellipsoid(tuple(frame.at([3, -14, 95]).tolist()), tuple((np.array([36, 42, 78]) * frame.width).tolist()))
    )
    middle_mm = frame.at([15, -32, -10]) + [0.0, 0.0, frame.heart_lift_mm]
    hull = lattice.sample(Ellipsoid(tuple(middle_mm.tolist()), (68 * scale, 50 * scale, 64 * scale)))
    return ESTIMATE_BIAS * lattice.volume_ml(np.maximum(pleura, -np.minimum(np.minimum(column, middle), hull)))
