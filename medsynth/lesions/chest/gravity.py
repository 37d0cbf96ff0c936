"""Which way is up: postures of a patient as directions of the body."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from medsynth.core.grid import Vector

Posture = Literal["supine", "prone", "upright", "left_decubitus", "right_decubitus"]
POSTURES: tuple[str, ...] = get_args(Posture)

# LPS unit vectors against gravity. In left decubitus the patient lies on the left side.
UP: dict[str, Vector] = {"supine": (0.0, -1.0, 0.0), "prone": (0.0, 1.0, 0.0), "upright": (0.0, 0.0, 1.0),
                         "left_decubitus": (-1.0, 0.0, 0.0), "right_decubitus": (1.0, 0.0, 0.0)}


def height_mm(points_mm: NDArray[np.floating], posture: str) -> NDArray[np.float64]:
    """Return the height (...) above LPS (0, 0, 0) of points (..., 3) in a posture.

    Examples
    --------
    >>> float(height_mm(np.array([0.0, -40.0, 5.0]), "supine"))
    40.0
    """
    return np.asarray(points_mm, float) @ np.asarray(UP[posture])
