"""The venous sinuses of the dura, the deep veins, and the veins over the convexity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medsynth.shapes.tubes import Tubes
from phantoms.head.meninges import ATTACHED_Z_MM, RIDGE_Y_MM, RIDGE_Z_MM, Tentorium
from phantoms.head.vessel_paths import Bed, Points, joined, path_mm, tubes_along

# Where the sagittal sinus runs, as angles about the cavity's middle in the midsagittal plane: 0 forward, 90 up.
SAGITTAL_DEG = np.linspace(12.0, 186.0, 60)
CENTRE_MM = (0.0, 8.0, 2.0)
SIGMOID_MM = ((54.0, 36.0, -27.0), (53.0, 34.0, -36.0), (45.0, 30.0, -45.0), (34.0, 24.0, -52.0), (27.0, 19.0, -55.0))
INFERIOR_MM = ((0.0, -48.0, 24.0), (0.0, -34.0, 32.0), (0.0, -12.0, 35.5), (0.0, 8.0, 33.5), (0.0, 24.0, 24.0),
               (0.0, 28.0, 6.5))
DEEP_VEINS_MM = (
    ((2.0, -9.0, 10.0), (2.2, 2.0, 13.5), (2.0, 14.0, 12.0), (0.8, 23.0, 8.0), (0.0, 28.0, 6.5)),
    ((16.0, 6.0, -14.0), (15.0, 16.0, -9.0), (9.0, 24.0, 0.0), (0.0, 28.0, 6.5)),
)


def onto_wall(bed: Bed, direction: Points, depth_mm: Points | float) -> Points:
    """Return points (n, 3) at a depth under the dura along directions from the cavity's middle."""
    centre = bed.space.at(CENTRE_MM)
    unit = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    low, high = np.zeros(len(unit)), np.full(len(unit), 130.0)
    for _ in range(14):
        middle = (low + high) / 2
        outside = bed.cavity.distance_mm(centre + middle[:, None] * unit) > -np.asarray(depth_mm)
        low, high = np.where(outside, low, middle), np.where(outside, middle, high)
    return np.asarray(centre + low[:, None] * unit, np.float64)


def build_sinuses(bed: Bed, tent: Tentorium, spec: Mapping[str, Any]) -> dict[str, Tubes]:
    """Return sinuses and veins by name. The sagittal sinus widens from 1.5 to 4.5 mm radius towards the back."""
    angle = np.radians(SAGITTAL_DEG)
    radius = np.interp(SAGITTAL_DEG, (12, 60, 120, 186), (0.9, 2.1, 3.3, 4.3))
    forward = np.stack([0 * angle, -np.cos(angle), np.sin(angle)], axis=1)
    sagittal = onto_wall(bed, forward, 0.55 * radius)
    found = {"superior_sagittal_sinus": _along(sagittal, radius)}
    torcular = sagittal[-1]
    shift = tent.shift_mm
    ridge = [
        (0.0, y, z + shift * float(np.clip((y - 34) / 40, 0, 1)))
        for y, z in zip(RIDGE_Y_MM, RIDGE_Z_MM, strict=True)
        if y > 30
    ]
    straight = np.concatenate([bed.space.at([[0.0, 28.0, 6.5], *ridge[:-1]]), torcular[None]])
    found["straight_sinus"] = tubes_along(path_mm(straight, 0.0, 1), 1.9, 2.5)
    found["inferior_sagittal_sinus"] = tubes_along(path_mm(bed.space.at(INFERIOR_MM), 0.3, 17), 0.5, 0.9)
    vein = [path_mm(bed.space.at(np.array(rows) * [sign, 1, 1]), 0.6, 31) for rows in DEEP_VEINS_MM for sign in (-1, 1)]
    found["internal_cerebral_veins"] = joined([tubes_along(p, 0.8, 1.3) for p in vein])
    seed = int(spec["seed"]) + 9000
    for side, sign in (("right", -1), ("left", 1)):
        girth = float(spec["right_transverse"]) if sign < 0 else 2 - float(spec["right_transverse"])
        girth = float(np.clip(girth, 0.45, 1.5))
        turn = np.radians(np.linspace(4.0, 62.0, 14))  # from the back to the side
        level = bed.space.at([0.0, 0.0, ATTACHED_Z_MM + shift])[2] - bed.space.at(CENTRE_MM)[2]
        back = np.stack([sign * np.sin(turn), np.cos(turn), np.full(len(turn), level / 75.0)], axis=1)
        wall = onto_wall(bed, back, 2.0 * girth)
        found[f"transverse_sinus_{side}"] = tubes_along(
            path_mm(np.concatenate([torcular[None], wall]), 0.5, seed), 3.4 * girth, 3.7 * girth
        )
        down = np.concatenate([wall[-1:], bed.space.at(np.array(SIGMOID_MM) * [sign, 1, 1])])
        path = path_mm(down, 0.5, seed + 5)
        level_mm = bed.cavity.distance_mm(path)
        path = path - np.clip(level_mm + 2.0, -8, 8)[:, None] * _inward(bed, path)
        found[f"sigmoid_sinus_{side}"] = tubes_along(path, 3.7 * girth, 3.9 * girth)
    found["cortical_veins"] = _cortical_veins(bed, sagittal, seed)
    return found


def _inward(bed: Bed, points: Points) -> Points:
    step = 0.8
    moves = np.eye(3) * step
    field = bed.cavity.distance_mm
    gradient = np.stack([field(points + m) - field(points - m) for m in moves], axis=1)
    return np.asarray(gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 0.5))


def _along(points: Points, radii: Points) -> Tubes:
    return Tubes(points[:-1], points[1:], radii[:-1], radii[1:], np.arange(-1, len(points) - 2))


def _cortical_veins(bed: Bed, sagittal: Points, seed: int) -> Tubes:
    """Return bridging veins: up the convexity and forward into the sagittal sinus."""
    rng = np.random.Generator(np.random.PCG64(seed))
    parts = []
    for sign in (-1, 1):
        for node in np.linspace(9, 44, 8) + rng.uniform(-1.5, 1.5, 8):
            start = sagittal[round(float(node))] - bed.space.at(CENTRE_MM)
            across = np.radians(np.linspace(0, rng.uniform(38, 62), 6))[1:]
            lean = rng.uniform(0.1, 0.5) * np.linspace(0, 1, 6)[1:]
            height = np.linalg.norm(start)
            rows = start[None] * np.cos(across)[:, None] + np.stack(
                [sign * height * np.sin(across), height * lean, 0 * across], axis=1
            )
            points = np.concatenate([sagittal[round(float(node))][None], onto_wall(bed, rows, 1.6)])
            path = bed.settled(path_mm(points, 1.5, int(rng.integers(1, 2**30))), 0.8)
            parts.append(tubes_along(path, 1.3, 0.6))
    return joined(parts)
