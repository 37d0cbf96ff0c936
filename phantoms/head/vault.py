"""The brain case: outer and inner table with diploe between, its bones parted by wavy sutures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max
from medsynth.shapes.lattice import unit_slope
from phantoms.head.frame import Frame, Space
from phantoms.head.table import labels

Field = NDArray[np.floating[Any]]

OUTER_TABLE_MM, INNER_TABLE_MM = 1.6, 1.2  # 1.5-2.0 and 1.0-1.5 (unverified)
BONES = ("frontal_bone", "parietal_bone_right", "parietal_bone_left", "occipital_bone", "temporal_bone_right",
         "temporal_bone_left", "sphenoid_bone")
SUTURE_MM = 0.65  # half the width of an open suture


def thickness_mm(frame: Frame, space: Space) -> Field:
    """Return the thickness of the brain case around the nodes: thin at the temples and the floors, thick behind."""
    x, y, z, side = space.x, space.y, space.z, space.side
    lattice = space.lattice
    t = frame.vault_mm + 0.5 * lattice.noise(frame.noise_seed(30), 45.0) + 0.2 * lattice.noise(frame.noise_seed(31), 20)
    t += frame.frontal_mm * np.clip((-50 - y) / 25, 0, 1)
    t += 1.0 * np.clip((y - 55) / 25, 0, 1) * np.clip((z + 30) / 20, 0, 1)
    squama = np.exp(-(((z + 12) / 24) ** 2) - ((y + 2) / 42) ** 2) * np.clip((side - 46) / 10, 0, 1)
    t -= (frame.vault_mm - 4.2) * squama
    front = np.clip((-36 - y) / 12, 0, 1) * np.clip((14 - z) / 14, 0, 1) * np.clip((side - 36) / 8, 0, 1)
    t += (4.5 - t) * front * 0.9
    t -= 1.0 * np.exp(-((x / 5) ** 2)) * np.clip((z - 40) / 20, 0, 1)  # the sagittal sinus grooves the inner table
    floor = np.clip((-13 - z) / 4, 0, 1) * np.clip((-26 - y) / 4, 0, 1) * np.clip((62 - side) / 6, 0, 1)
    floor *= np.clip((y + 80) / 6, 0, 1)
    t += (1.6 - t) * floor  # orbital roofs 0.5-1.5 mm, cribriform plate thinner still
    middle = np.clip((-36 - z) / 5, 0, 1) * np.clip((30 - y) / 10, 0, 1)
    t += (3.0 - t) * middle
    lower = np.clip((-32 - z) / 18, 0, 1) * np.clip((y - 36) / 12, 0, 1)
    t += (4.5 - t) * lower
    t += 6.0 * np.exp(-((x / 9) ** 2) - ((y - 92) / 14) ** 2 - ((z + 20) / 9) ** 2)  # external occipital protuberance
    t += 2.5 * np.exp(-((x / 3.5) ** 2)) * np.clip((y - 60) / 20, 0, 1) * np.exp(-(((z + 40) / 18) ** 2))
    return np.maximum(t, 1.2)


def outer_surface(frame: Frame, space: Space, inner: Field) -> Field:
    """Return the distance to the skull's outer surface: the inner table's, moved out by the bone's thickness."""
    outer = inner - thickness_mm(frame, space)
    hole = (np.sqrt((space.x / 15.0) ** 2 + ((space.y - 29.0) / 17.0) ** 2) - 1) * 15.0
    hole = np.maximum(hole, space.z + 50.0)
    return smooth_max(outer, -hole, 2.0)


def build_vault(frame: Frame, space: Space, inner: Field, outer: Field, openness: float) -> dict[str, list[Paint]]:
    """Return the paints of the brain case by stage: `cortex`, `diploe`, and `inner` (inner table and sutures)."""
    names = labels()
    lattice = space.lattice
    owner, seam = _bones(frame, space)
    shape = lattice.shape_of(outer, owner)
    bones = tuple(names[b] for b in BONES)
    diploe = tuple(names[f"{b}_diploe"] for b in BONES)
    suture = np.maximum(np.maximum(seam - SUTURE_MM * openness, outer + 0.2), -inner + 1.0)
    return {
        "cortex": [Paint(shape, (Layer(bones),))],
        "diploe": [Paint(shape, (Layer(diploe, OUTER_TABLE_MM),))],
        "inner": [
            Paint(lattice.shape_of(inner - INNER_TABLE_MM, owner), (Layer(bones),), over=diploe),
            Paint(lattice.shape_of(suture), (Layer(names["sutures"]),), over=(*bones, *diploe)),
        ],
    }


def _bones(frame: Frame, space: Space) -> tuple[NDArray[np.uint8], Field]:
    """Return which bone of `BONES` a node belongs to, and the distance to the nearest suture's surface."""
    lattice = space.lattice
    x, y, z, side = space.x, space.y, space.z, space.side
    slow = 1.6 * lattice.noise(frame.noise_seed(32), 26.0)
    quick = 0.7 * lattice.noise(frame.noise_seed(33), 7.0)
    coronal = (y + 34 + 0.10 * side - 0.42 * (z - 40)) * 0.9 + slow + quick  # bregma at y -17, pterion at y -35
    sagittal = x + 0.6 * slow + 1.4 * quick
    lambdoid = (y - 78 + 0.52 * side - 0.35 * (z - 34)) * 0.85 - slow + 1.3 * quick  # lambda at (78, 34)
    squamous = (z + 2 - 16 * (1 - ((y - 2) / 34) ** 2)) * 0.8 + slow + 0.4 * quick
    wing = (y + 27 - 0.15 * (z + 20)) + 0.6 * slow + 0.6 * quick
    temporal = (squamous < 0) & (wing > 0) & (side > 20) & (lambdoid < 6) & (y < 46)
    frontal = (coronal < 0) & (z > -20 + 0.14 * np.maximum(side - 20, 0))
    occipital = (lambdoid > 0) | ((y > 4) & (z < -30) & ~temporal)
    owner = np.where(x > 0, 2, 1).astype(np.uint8)
    owner[np.broadcast_to(occipital, owner.shape)] = 3
    left = np.broadcast_to(temporal, owner.shape)
    owner[left] = np.where(x > 0, 5, 4)[left] if x.shape == owner.shape else 4
    owner[frontal & ~temporal] = 0
    owner[(wing < 0) & ~frontal & (z < 4) | ((z < -12) & (side < 22) & (y < 2))] = 6
    top = z > np.where(coronal < 0, 400.0, -6)
    coronal, lambdoid, squamous = (
        unit_slope(field, lattice.step_mm, low=0.4) for field in (coronal, lambdoid, squamous))
    seam = np.abs(coronal) + np.where((z > 2) & ~temporal, 0, 99)
    seam = np.minimum(seam, np.abs(sagittal) + np.where(top & (coronal > 0) & (lambdoid < 0), 0, 99))
    seam = np.minimum(seam, np.abs(lambdoid) + np.where((z > -26) & ~temporal, 0, 99))
    seam = np.minimum(seam, np.abs(squamous) + np.where((wing > 0) & (lambdoid < 0) & (z > -20), 0, 99))
    return owner, np.asarray(seam, np.float32)
