"""Directions of a knee, whichever leg it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.lesions.host import Host
from medsynth.scene.structure import Scene

Array = NDArray[np.float64]


def outwards(scene: Scene) -> float:
    """Return the sign of x that points away from the other leg."""
    return 1.0 if laterality(scene) == "left" else -1.0


def laterality(scene: Scene) -> str:
    """Return the side of this knee."""
    return next(s.laterality for s in scene.structures if s.name == "femur")


def filled_mm(part: Host) -> Array:
    """Return the LPS middles (n, 3) of a host's voxels that are at least half full."""
    return np.asarray(part.grid.world_mm(np.argwhere(part.share >= 0.5).astype(float)))
