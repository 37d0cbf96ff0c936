"""Arteries and veins of the neck up to the skull base, with calcified plaque at the carotid forks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.sweep import spline_mm
from medsynth.shapes.tubes import Tubes
from phantoms.head.assembly import SIDES
from phantoms.head.frame import Frame
from phantoms.head.table import labels

# Axis of the left vessels (reference mm) and radii along it. Common carotid 6-6.5, internal 5, jugular 10-14 mm wide
# (unverified); vertebral artery 3.9 mm at its start.
VESSELS: Final[dict[str, tuple[list[tuple[float, float, float]], tuple[float, ...]]]] = {
    "internal_jugular_vein": ([(33, 14, -162), (34, 16, -138), (33, 15, -112), (31, 14, -88), (29, 13, -68),
                               (27, 14, -56)], (6.4, 6.2, 5.6, 4.8, 4.2, 3.6)),
    "common_carotid_artery": ([(24, 11, -162), (25, 9, -146), (26.5, 7.5, -131), (27.5, 7.5, -124)],
                              (3.3, 3.3, 3.4, 4.2)),
    "internal_carotid_artery": ([(27.5, 7.5, -125), (30, 9.5, -115), (29.5, 10, -100), (28, 9, -84), (27, 7.5, -68),
                                 (26.5, 5.5, -54), (25.5, 4, -45)], (4.0, 3.3, 2.6, 2.5, 2.5, 2.5, 2.4)),
    "external_carotid_artery": ([(27, 6, -124), (27.5, 1, -114), (32, -2, -102), (41, -1, -88), (48.5, 0, -74),
                                 (52, 0, -62)], (2.6, 2.3, 2.1, 1.9, 1.6, 1.2)),
    "vertebral_artery": ([(16.5, 30, -162), (16.5, 26.0, -143), (16, 22.5, -126), (16, 20, -109), (18, 20.5, -96),
                          (27, 21.5, -86), (29.5, 20.5, -75), (27, 29, -68.5), (19, 33.5, -67.5), (11, 29, -62.5),
                          (7, 23, -55)], (1.9, 1.8, 1.8, 1.8, 1.8, 1.8, 1.8, 1.8, 1.7, 1.6, 1.6)),
}


def build_vessels(frame: Frame, spec: Mapping[str, Any]) -> tuple[dict[str, Tubes], list[Paint]]:
    """Return the vessels by name and their paints; calibres and bends differ from side to side."""
    names, tubes, paints = labels(), {}, []
    for kind, (points, radii) in VESSELS.items():
        for number, (side, sign) in enumerate(SIDES):
            sway = np.asarray(spec["vessels"]["sway_mm"][number], float)
            bend = np.sin(np.pi * np.linspace(0, 1, len(points)))[:, None] * np.array([sway[0], sway[1], 0.0])
            loose = 1.0 if kind != "vertebral_artery" else 0.0
            path = (np.asarray(points, float) + loose * bend) * (sign, 1, 1)
            scale = float(spec["vessels"]["calibre"][kind][number]) * frame.size
            tubes[f"{kind}_{side}"] = tube(frame, path, np.asarray(radii) * scale)
            paints.append(Paint(tubes[f"{kind}_{side}"], (Layer(names[f"{kind}_{side}"]),)))
    for side, sign in SIDES:
        for angle, height, size, length in spec["vessels"]["plaque"][side]:
            common = tubes[f"{'internal' if height > 0 else 'common'}_carotid_artery_{side}"]
            index = min(int(abs(height)), len(common.starts_mm) - 1)
            index = index if height > 0 else len(common.starts_mm) - 1 - index
            reach = float(common.start_radii_mm[index])
            start = common.starts_mm[index] + reach * np.array([np.sin(angle), np.cos(angle), 0.0])
            end = start + [0.6 * length * np.cos(angle) * sign, -0.6 * length * np.sin(angle), length]
            paints.append(Paint(
                Tubes(start[None], end[None], np.array([size]), np.array([0.7 * size]), np.array([-1])),
                (Layer(names[f"carotid_calcification_{side}"]),)))
    return tubes, paints


def tube(frame: Frame, points: Any, radii_mm: Any) -> Tubes:
    """Return the tube along reference points whose radius in mm is given at each of them."""
    knots = frame.at(points)
    axis = spline_mm(knots, 1.5)
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    radius = np.interp(np.linspace(0, at[-1], len(axis)), at, radii_mm)
    return Tubes(axis[:-1], axis[1:], radius[:-1], radius[1:], np.arange(-1, len(axis) - 2))
