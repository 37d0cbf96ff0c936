"""A shift of the mediastinum: heart, great vessels and trachea move sideways between ribs, spine and breastbone."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from medsynth.lesions.host import host
from medsynth.scene.structure import Push, Scene
from medsynth.shapes.base import Points
from medsynth.shapes.lattice_warp import lattice_warp
from medsynth.shapes.sampled import SampledShape

STEP_MM = 5.0
FADE_MM = 52.0  # depth below the chest wall from which on the shift is whole
NECK_MM = 30.0  # below the tips of the lungs the shift dies out


def mediastinal_shift(scene: Scene, away_from: str, shift_mm: float) -> Push:
    """Return the push that moves the mediastinum away from a side; ribs, spine and breastbone stay.

    Parameters
    ----------
    away_from : `"left"` or `"right"`.
    shift_mm : of the mediastinum's middle; the lung of that side grows wider, the other one narrower.
    """
    lungs = host(scene, "lobe_*")
    filled = lungs.share >= 0.5
    between = _between(filled)
    between &= np.asarray(lungs.phantom.labels > 0)
    if "spine" in scene.fields:
        between &= np.asarray(scene.fields["spine"].distance_mm(lungs.grid.points_mm())) > 4.0
    depth = ndimage.distance_transform_edt(np.pad(between, 1), sampling=lungs.grid.spacing_mm)[1:-1, 1:-1, 1:-1]
    inside = SampledShape(np.ascontiguousarray(-depth, np.float32), lungs.grid.origin_mm, lungs.grid.spacing_mm[0])
    at = lungs.grid.world_mm(np.argwhere(between))
    low, high = at.min(0) - STEP_MM, at.max(0) + STEP_MM
    sign = 1.0 if away_from == "right" else -1.0

    def moves(points: Points) -> Points:
        share = np.clip(-np.asarray(inside.distance_mm(points), float) / FADE_MM, 0, 1)
        out = np.zeros(points.shape)
        out[..., 0] = sign * shift_mm * share * share * (3 - 2 * share)
        return out

    warp = lattice_warp(moves, (tuple(low.tolist()), tuple(high.tolist())), STEP_MM)
    return Push(warp, warp.bounds_mm)


def _between(filled: np.ndarray) -> np.ndarray:
    """Return what lies in rows (along x) between the outermost lung voxels, where both lungs are."""
    before = np.maximum.accumulate(filled, axis=2)
    behind = np.maximum.accumulate(filled[:, :, ::-1], axis=2)[:, :, ::-1]
    between: np.ndarray = before & behind
    return between
