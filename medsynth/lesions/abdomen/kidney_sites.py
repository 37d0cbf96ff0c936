"""Where masses of the kidney grow: in the cortex, away from the sinus, into the kidney or out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.grid import Vector
from medsynth.lesions.abdomen.focal import organ, part_at, roomy_place, whole_of
from medsynth.lesions.host import Host, host, point
from medsynth.lesions.placement import taken_balls
from medsynth.scene.structure import Scene

KIDNEYS = ("kidney_right*", "kidney_left*")
ROOM = (*KIDNEYS, "abdominal_fat", "renal_artery_*", "renal_vein_*")  # what a mass that leaves the kidney may replace
SINUS_MM = (4.0, 14.0)  # distance from the sinus below which, and from which on, a place is unlikely and likely


def mass_site(kind: str, scene: Scene, diameter_mm: float, depth_mm: float, reach_mm: float,
              taken: Sequence[Mapping[str, Any]], *, rng: np.random.Generator) -> tuple[Vector, str]:
    """Return the middle of a mass and its kidney.

    Parameters
    ----------
    depth_mm : of the middle below the kidney's surface; negative outside.

    Raises
    ------
    PlacementError
        If none of the places tried is free.
    """
    kidneys = host(scene, *KIDNEYS)
    depth = min(depth_mm, float(kidneys.depth_mm.max()) - 4)
    low = max(depth - 1, 0.0)
    at = roomy_place(kind, kidneys, room(scene), diameter_mm, reach_mm, taken_balls(*taken), rng=rng,
                     outwards_mm=max(-depth, 0.0), weight=_away_from_sinus(scene, kidneys),
                     depths_mm=((low, low + 2.5), (0.0, low + 6)))
    side = whole_of(scene, part_at(scene, kidneys, at.tolist()))
    return point(at), side


def room(scene: Scene) -> Host:
    """Return kidneys and the fat around them."""
    return organ(scene, *ROOM)


def _away_from_sinus(scene: Scene, kidneys: Host) -> NDArray[np.float32]:
    sinus = kidneys.occupancy(scene, "kidney_*_sinus", "renal_artery_*", "renal_vein_*", "ureter_*") >= 0.5
    if not sinus.any():
        return np.ones(sinus.shape, np.float32)
    distance = ndimage.distance_transform_edt(~sinus, sampling=kidneys.grid.spacing_mm)
    return np.clip((distance - SINUS_MM[0]) / (SINUS_MM[1] - SINUS_MM[0]), 0.002, 1).astype(np.float32)


def pole_word(scene: Scene, kidney: str, centre_mm: Sequence[float]) -> str:
    """Return "upper", "middle" or "lower": the third of a kidney, by its voxels' heights."""
    where = host(scene, f"{kidney}*")
    k = np.flatnonzero((where.share >= 0.5).any(axis=(1, 2)))
    low, high = np.sort(where.grid.world_mm(np.array([[k[0], 0, 0], [k[-1], 0, 0]], float))[:, 2]).tolist()
    share = (centre_mm[2] - low) / max(high - low, 1e-6)
    return "lower" if share < 1 / 3 else "middle" if share < 2 / 3 else "upper"
