"""What radiologists say of a lung nodule: LIDC-IDRI scales and the Lung-RADS category, from measured truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medsynth.scene.structure import Measured

# |contrast| / SD of the surroundings x sqrt(diameter / 6 mm) above which the next of the five grades begins.
# unverified: chosen so that a clean 6 mm solid nodule is obvious and a faint one among vessels extremely subtle.
SUBTLETY_STEPS = (1.0, 2.0, 4.0, 7.0)
BENIGN_PATTERNS = ("diffuse", "central", "popcorn", "laminated")
SUBSOLID_LIMIT_MM = 30.0


def lung_rads(nodule: str, mean_mm: float, solid_mean_mm: float = 0.0, *, calcification: str = "none",
              smooth_at_pleura: bool = False) -> str:
    """Return the Lung-RADS v2022 category of a nodule at a baseline screen.

    Parameters
    ----------
    nodule : `"solid"`, `"part_solid"` or `"ground_glass"`.
    mean_mm : mean of long and short axis; rounded to one decimal here, as the rules ask.
    solid_mean_mm : that of the solid part of a part-solid nodule.
    smooth_at_pleura : solid, smooth and on the pleura or a fissure (below 10 mm: category 2).

    References
    ----------
    Christensen et al. 2024, doi:10.1016/j.jacr.2023.09.009 (ACR Lung-RADS v2022).
    """
    size, solid = round(mean_mm, 1), round(solid_mean_mm, 1)
    if calcification in BENIGN_PATTERNS:
        return "1"
    if nodule == "ground_glass":
        return "2" if size < SUBSOLID_LIMIT_MM else "3"
    if nodule == "part_solid":
        if size < 6:
            return "2"
        return "3" if solid < 6 else "4A" if solid < 8 else "4B"
    if smooth_at_pleura and size < 10:
        return "2"
    return "2" if size < 6 else "3" if size < 8 else "4A" if size < 15 else "4B"


def subtlety(cnr: float | None, mean_mm: float) -> int:
    """Return the LIDC subtlety, 1 extremely subtle to 5 obvious, from contrast-to-noise ratio and size."""
    if cnr is None:
        return 1
    return 1 + int(np.searchsorted(SUBTLETY_STEPS, abs(cnr) * np.sqrt(mean_mm / 6), side="right"))


def sphericity(axis_ratio: float) -> int:
    """Return the LIDC sphericity, 1 linear, 3 ovoid, 5 round, from the smallest over the largest principal axis."""
    return 1 + int(np.clip(round(4 * (axis_ratio - 0.35) / 0.5), 0, 4))


def nodule_classes(known: Mapping[str, Any], measured: Measured) -> dict[str, Any]:
    """Return what readers call a nodule of these attributes and measurements: subtlety, sphericity, Lung-RADS.

    The scales are those of CT: without HU nothing is returned.
    """
    if measured.mean_hu is None:
        return {}
    smooth = known["attachment"] in ("juxtapleural", "perifissural") and known["lidc_spiculation"] == 1
    category = lung_rads(known["type"], measured.mean_diameter_mm, measured.solid_mean_mm,
                         calcification=known["calcification_pattern"],
                         smooth_at_pleura=smooth and known["lidc_lobulation"] <= 2)
    return {"lidc_subtlety": subtlety(measured.cnr, measured.mean_diameter_mm),
            "lidc_sphericity": sphericity(measured.axis_ratio), "lung_rads": category}
