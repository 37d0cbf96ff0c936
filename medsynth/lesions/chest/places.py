"""Words for places in a lung: side, lobe and bronchopulmonary segment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.lesions.chest.lungs import Region

UPPER_THIRD, FRONT, MIDDLE = 0.62, 0.45, 0.5  # shares of a lobe's box where segments meet: unverified


def segment_of(lobe: Region, point_mm: NDArray[np.floating]) -> str:
    """Return the bronchopulmonary segment that a point of a lobe lies in.

    Segments have no borders that can be seen; here they meet at fixed shares of the lobe's box (unverified).
    """
    low, high = (lobe.points_mm[lobe.tissue > 0.5].reshape(-1, 3).min(0),
                 lobe.points_mm[lobe.tissue > 0.5].reshape(-1, 3).max(0))
    x, y, z = ((np.asarray(point_mm) - low) / np.maximum(high - low, 1)).tolist()
    lateral = x if lobe.side == "left" else 1 - x
    if lobe.name == "lobe_right_upper":
        return "apical" if z > UPPER_THIRD else "anterior" if y < FRONT else "posterior"
    if lobe.name == "lobe_right_middle":
        return "lateral" if lateral > MIDDLE else "medial"
    if lobe.name == "lobe_left_upper":
        if z < 0.3:
            return "inferior lingular"
        if z < 0.5:
            return "superior lingular"
        return "anterior" if y < FRONT else "apicoposterior"
    return _basal(lobe.side, lateral, y, z)


def _basal(side: str, lateral: float, y: float, z: float) -> str:
    """Return the segment of a lower lobe."""
    if z > UPPER_THIRD:
        return "superior"
    if y > 0.65:
        return "posterior basal"
    if lateral > 0.6:
        return "lateral basal"
    if side == "left":
        return "anteromedial basal"
    return "anterior basal" if y < FRONT else "medial basal"


def lobe_word(name: str) -> str:
    """Return the word for a lobe.

    Examples
    --------
    >>> lobe_word("lobe_right_lower")
    'right lower lobe'
    """
    _, side, part = name.split("_")
    return f"{side} {part} lobe"
