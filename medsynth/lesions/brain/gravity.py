"""Which way is down: the direction in which blood settles, by the patient's posture."""

from __future__ import annotations

from typing import Literal

from medsynth.core.grid import Vector

Posture = Literal["supine", "prone", "upright", "left_decubitus", "right_decubitus"]

DOWN: dict[Posture, Vector] = {"supine": (0.0, 1.0, 0.0), "prone": (0.0, -1.0, 0.0), "upright": (0.0, 0.0, -1.0),
                               "left_decubitus": (1.0, 0.0, 0.0), "right_decubitus": (-1.0, 0.0, 0.0)}


def down(posture: Posture) -> Vector:
    """Return the LPS unit vector that points to the floor.

    Examples
    --------
    >>> down("supine")
    (0.0, 1.0, 0.0)
    """
    return DOWN[posture]
