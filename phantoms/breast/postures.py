"""The breast's postures for mammography: between paddle and support from above (CC) and obliquely (MLO)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import RecipeError, expected
from medsynth.scene.structure import Posture
from medsynth.shapes.base import Box
from medsynth.shapes.warp import Composed, Warp
from phantoms.breast.compression import Compression, Mounded, MusclePull, TurnedChest
from phantoms.breast.frame import BREAST_AT_DEG, CAGE_HALF_DEPTH_MM, CAGE_HALF_WIDTH_MM, BreastFrame
from phantoms.breast.mound import BEHIND_MM, Mound

# Compressed thickness: 59 +- 16 mm in 2831 women, MLO thicker than CC by 9 % in 250 (48 and 44 mm). How it follows the
# volume, and that dense breasts yield less, are working values.
THICKNESS_MM, VOLUME_ML, VOLUME_POWER, OBLIQUE_THICKER = 56.0, 650.0, 0.36, 1.08
OF_CLASS: Final[Mapping[str, float]] = {"A": 0.97, "B": 1.0, "C": 1.04, "D": 1.08}
THICKNESS_LIMITS_MM = (22.0, 105.0)
# The curved chest is laid along the straight edge of the plates: the woman turns a little towards the tube stand.
TURN_DEG: Final[Mapping[str, float]] = {"cc": 24.0, "mlo": 22.0}
EDGE_MM: Final[Mapping[str, float]] = {"cc": 14.0, "mlo": 21.0}  # before the ribs, where the plates end
PULL_MM, PULL_OVER_MM, MUSCLE_MM = 36.0, 82.0, 13.0
FALL_FROM_MM = 4.0  # above the lower end of the flattened base, where the chest below begins to fall back
MARGIN_MM, BELOW_MM = 4.0, 16.0  # around what is imaged; the skin of the chest runs out of the image below it


def mammographic_postures(frame: BreastFrame, mound: Mound, spec: Mapping[str, Any]) -> dict[str, Posture]:
    """Return the postures `cc` and `mlo` of a left breast.

    Raises
    ------
    RecipeError
        If `mlo_deg` lies outside 30 to 70 degrees, or `compression` outside 0.5 to 1.6.
    """
    angle, factor = float(spec.get("mlo_deg", 48.0)), float(spec.get("compression", 1.0))
    if not 30.0 <= angle <= 70.0:
        raise RecipeError(expected("phantom.spec.mlo_deg", angle, "30 to 70 degrees"))
    if not 0.5 <= factor <= 1.6:
        raise RecipeError(expected("phantom.spec.compression", factor, "0.5 to 1.6 times the usual thickness"))
    usual = THICKNESS_MM * (frame.volume_ml / VOLUME_ML) ** VOLUME_POWER * OF_CLASS[spec["density_class"]] * factor
    turn = np.radians(angle)
    return {
        "cc": _posture(frame, mound, "cc", (0.0, 0.0, -1.0), usual, "craniocaudal: pressed from above"),
        "mlo": _posture(frame, mound, "mlo", (float(np.sin(turn)), 0.0, -float(np.cos(turn))), OBLIQUE_THICKER * usual,
                        f"mediolateral oblique at {angle:.0f} degrees: pressed from above and the middle"),
    }  # fmt: skip


def nipple_line_end(mound: Mound) -> tuple[float, float, float]:
    """Return where the line from the nipple straight back into the breast meets the pectoral muscle."""
    steps = np.arange(0.0, 400.0, 0.5)[:, None]
    line = mound.nipple_mm - steps * mound.towards
    before = mound.lattice.shape_of(mound.pectoral).distance_mm(line)
    x, y, z = line[int(np.argmax(before <= 0))].tolist()
    return x, y, z


def _posture(
    frame: BreastFrame, mound: Mound, name: str, axis: tuple[float, float, float], thickness_mm: float, words: str
) -> Posture:
    thickness = float(np.clip(thickness_mm, *THICKNESS_LIMITS_MM))
    half = frame.radius_mm + 0.5
    round_ = Mounded(BEHIND_MM, mound.projection_mm + BEHIND_MM, half, half * frame.tall, frame.blunt, frame.outward_mm,
                     frame.droop_mm)  # fmt: skip
    press = Compression(round_, axis, thickness)
    warp: Warp = press
    if name == "mlo":
        at = np.radians(BREAST_AT_DEG)
        a, b = CAGE_HALF_WIDTH_MM * frame.chest, CAGE_HALF_DEPTH_MM * frame.chest
        nipple = press.along @ (mound.nipple_mm + press.displacement_mm(mound.nipple_mm[None])[0])
        pull = MusclePull(tuple(press.along.tolist()), float(nipple) - 4.0, PULL_OVER_MM, PULL_MM,
                          MUSCLE_MM * frame.muscle, (a, b, -a * float(np.sin(at)), b * float(np.cos(at))))  # fmt: skip
        warp = Composed((press, pull))
    lower = press.lowest_mm + FALL_FROM_MM
    turned = TurnedChest(tuple(press.along.tolist()), float(np.tan(np.radians(TURN_DEG[name]))), lower)
    warp = Composed((warp, turned))
    middle = press.middle_mm
    plates = middle - thickness / 2, middle + thickness / 2
    return Posture(words, warp, _box(mound, warp, press, thickness), axis, plates, (0.0, -1.0, 0.0), EDGE_MM[name])


def _box(mound: Mound, warp: Warp, press: Compression, thickness_mm: float) -> Box:
    """Return the LPS box of the breast between the plates."""
    nodes: NDArray[np.int64] = np.argwhere(mound.inside[::2, ::2, ::2] < 1.0)[:, ::-1]
    points = np.asarray(mound.lattice.origin_mm) + 2 * nodes * mound.lattice.step_mm
    points = np.concatenate([points, mound.nipple_mm[None] + 8.0 * mound.towards])
    moved = points + warp.displacement_mm(points)
    along = moved @ press.along
    back, front = float(moved[:, 1].max()), float(moved[:, 1].min())
    corners = []
    for s in (float(along.min()) - BELOW_MM, float(along.max())):
        for c in (press.middle_mm - thickness_mm / 2, press.middle_mm + thickness_mm / 2):
            corners.append(s * press.along + c * np.asarray(press.axis))
    low, high = np.min(corners, axis=0) - MARGIN_MM, np.max(corners, axis=0) + MARGIN_MM
    return ((float(low[0]), front - MARGIN_MM, float(low[2])), (float(high[0]), back + MARGIN_MM, float(high[2])))
