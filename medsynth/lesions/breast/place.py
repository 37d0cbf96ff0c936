"""Where in the breast: hosts, and the words that readers use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.grid import Vector
from medsynth.lesions.host import Host, host, labels_of
from medsynth.scene.structure import Scene

Array = NDArray[np.float64]

GLAND = ("fibroglandular_tissue", "ducts")
BREAST = ("breast_fat", *GLAND, "cooper_ligaments")
COVERED = (*BREAST, "breast_veins")
CENTRAL_MM = 10.0  # from the nipple's axis: neither inner nor outer, neither upper nor lower
NEAR_GLAND_MM = 4.0
FAT_SHARE = 0.03  # how likely a place far from glandular tissue is


def breast_of(scene: Scene) -> Host:
    """Return the breast without its skin as a host."""
    return host(scene, *BREAST)


def gland_weight(scene: Scene) -> NDArray[np.float32]:
    """Return how likely a lesion is at each voxel of `breast_of`: lesions arise in or near glandular tissue."""
    whole = breast_of(scene)
    share = whole.occupancy(scene, *GLAND)
    spread = ndimage.gaussian_filter(share, NEAR_GLAND_MM / whole.grid.spacing_mm[0])
    return np.asarray(spread + np.float32(FAT_SHARE), np.float32)


def covered_labels(scene: Scene) -> tuple[int, ...]:
    """Return the labels that a lesion of the breast may cover."""
    return labels_of(scene, *COVERED)


def breast_words(scene: Scene, centre_mm: Vector) -> dict[str, str | int | float]:
    """Return quadrant, hour of the clock face, depth and distance from the nipple.

    The clock is that of a person who faces the patient: three o'clock is towards the patient's left.
    """
    nipple = np.asarray(scene.landmarks["nipple"])
    back = np.asarray(scene.landmarks["posterior_nipple_line_end"])
    side = next(s.laterality for s in scene.structures if s.name == "nipple")
    left, up = np.asarray(centre_mm)[[0, 2]] - nipple[[0, 2]]
    outer = left if side == "left" else -left
    upper_lower = "" if abs(up) < CENTRAL_MM else "upper" if up > 0 else "lower"
    inner_outer = "" if abs(outer) < CENTRAL_MM else "outer" if outer > 0 else "inner"
    hour = round(float(np.degrees(np.arctan2(left, up))) / 30) % 12 or 12
    axis = back - nipple
    depth = float((np.asarray(centre_mm) - nipple) @ axis / (axis @ axis))
    words = "anterior" if depth < 1 / 3 else "middle" if depth < 2 / 3 else "posterior"
    return {"laterality": side, "quadrant": "_".join(part for part in (upper_lower, inner_outer) if part) or "central",
            "clock_hour": hour, "depth": words,
            "nipple_distance_mm": round(float(np.linalg.norm(np.asarray(centre_mm) - nipple)), 1)}
