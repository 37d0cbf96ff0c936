"""The breast's outer shape: a mound on the chest wall with an axillary tail, a nipple, and its volume matched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.lattice import Lattice, unit_slope
from medsynth.shapes.primitives import Capsule
from phantoms.breast.frame import SKIN_MM, BreastFrame, Field, cage_mm, muscle_mm, region
from phantoms.breast.table import labels

BEHIND_MM = 16.0  # depth of the mound's middle behind the rib surface
TAIL_MM = ((26.0, 6.0, 34.0), (60.0, 24.0, 88.0))  # axis of the axillary tail
NIPPLE_RADIUS_MM, NIPPLE_LENGTH_MM, AREOLA_RADIUS_MM = 5.5, 9.0, 20.0  # 10-12 mm wide; areola 35-45 mm across
COARSE_MM, BISECTIONS = 4.0, 11


@dataclass(frozen=True, eq=False)
class Mound:
    """The breast's surfaces at the nodes of its lattice.

    Attributes
    ----------
    skin : distance to the outer surface of the skin, without the nipple's tip.
    pectoral : distance outwards from the muscles.
    cage : distance outwards from the ribs.
    inside : distance to the breast: under the skin, before the muscles, within its base.
    nipple_mm : the point on the skin from which the nipple rises, and the direction it points in.
    """

    lattice: Lattice
    skin: Field
    pectoral: Field
    cage: Field
    inside: Field
    nipple_mm: NDArray[np.float64]
    towards: NDArray[np.float64]


def build_mound(frame: BreastFrame) -> Mound:
    """Return the mound whose breast has the frame's volume: its projection is found by bisection."""
    low, high = 8.0, 260.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        coarse = region(frame, middle, COARSE_MM)
        *_, inside = _surfaces(frame, coarse, middle)
        low, high = (middle, high) if coarse.volume_ml(inside) < frame.volume_ml else (low, middle)
    projection = (low + high) / 2
    lattice = region(frame, projection, frame.step_mm)
    skin, pectoral, cage, inside = _surfaces(frame, lattice, projection)
    apex, towards = _apex(frame, lattice, skin, projection)
    return Mound(lattice, skin, pectoral, cage, inside, apex, towards)


def _surfaces(frame: BreastFrame, lattice: Lattice, projection_mm: float) -> tuple[Field, Field, Field, Field]:
    """Return skin, pectoral, cage and inside at the nodes."""
    cage = cage_mm(frame, lattice)
    pectoral = np.asarray(cage - muscle_mm(frame, lattice), np.float32)
    chest = pectoral - np.float32(frame.fat_mm + SKIN_MM * frame.skin)
    mound = _ellipsoid(frame, lattice, projection_mm)
    tail = lattice.sample(Capsule(*TAIL_MM, 0.24 * frame.radius_mm, 0.16 * frame.radius_mm)) - 4.0
    # Above, the breast rises gently from the chest; below, it meets it in a fold.
    above = np.clip(lattice.z / frame.radius_mm + 0.5, 0, 1)
    skin = smooth_min(chest, mound, 10.0) * (1 - above) + smooth_min(chest, mound, 34.0) * above
    skin = smooth_min(np.asarray(skin, np.float32), np.asarray(tail, np.float32), 26.0)
    slow, fine = lattice.noise(frame.noise_seed(1), 70.0), lattice.noise(frame.noise_seed(2), 24.0)
    skin = unit_slope(skin, lattice.step_mm, 0.5, 2.0) - 1.2 * slow - 0.25 * fine
    base = smooth_min(mound, np.asarray(tail + 3.0, np.float32), 20.0) - 7.0
    inside = np.maximum(np.maximum(skin, -pectoral), base)
    return skin, pectoral, cage, inside


def _ellipsoid(frame: BreastFrame, lattice: Lattice, projection_mm: float) -> Field:
    """Return the distance to the mound: a blunt half ellipsoid whose middle line sags and leans."""
    depth = projection_mm + BEHIND_MM
    forward = np.clip((BEHIND_MM - lattice.y) / depth, 0, 1.3)
    x = lattice.x - frame.outward_mm * forward
    z = lattice.z + frame.droop_mm * forward**1.5
    upper = 1 + (0.10 if frame.position == "upright" else 0.0) * np.clip(z / frame.radius_mm, 0, 1)
    # A hanging breast is a little narrower at its root than an ellipsoid.
    waist = 1 - 0.05 * np.sin(np.pi * np.clip(forward, 0, 1))
    plan = np.hypot(x / (frame.radius_mm * waist), z / (frame.radius_mm * frame.tall * upper * waist))
    level = (plan**frame.blunt + np.abs((lattice.y - BEHIND_MM) / depth) ** frame.blunt) ** (1 / frame.blunt)
    return np.asarray((level - 1) * min(frame.radius_mm, depth), np.float32)


def _apex(
    frame: BreastFrame, lattice: Lattice, skin: Field, projection_mm: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the nipple rises from the skin, and where it points."""
    i = int(np.argmin(np.abs(lattice.x.ravel() - frame.outward_mm)))
    k = int(np.argmin(np.abs(lattice.z.ravel() + frame.droop_mm)))
    j = int(np.argmax(skin[k, :, i] < 0))
    del projection_mm
    step = 4
    near = skin[k - step : k + step + 1, j - step : j + step + 1, i - step : i + step + 1]
    normal = np.array([np.gradient(near, axis=axis).mean() for axis in (2, 1, 0)], float)
    point = np.array([lattice.x.ravel()[i], lattice.y.ravel()[j], lattice.z.ravel()[k]], float)
    return point, normal / np.linalg.norm(normal)


def skin_paints(frame: BreastFrame, mound: Mound) -> list[Paint]:
    """Return the paints of skin, areola and nipple, and of the fat inside."""
    lattice, names = mound.lattice, labels()
    tip = mound.nipple_mm + 0.55 * NIPPLE_LENGTH_MM * mound.towards
    root = mound.nipple_mm - 0.6 * NIPPLE_LENGTH_MM * mound.towards
    nipple = lattice.sample(Capsule(tuple(root.tolist()), tuple(tip.tolist()), NIPPLE_RADIUS_MM, NIPPLE_RADIUS_MM - 1))
    from_nipple = np.linalg.norm(lattice.points_mm - mound.nipple_mm.astype(np.float32), axis=-1)
    outer = smooth_min(mound.skin, np.asarray(nipple, np.float32), 3.0)
    thickness = SKIN_MM * frame.skin * (1 + 0.12 * lattice.noise(frame.noise_seed(3), 30.0))
    thickness += 1.1 * np.clip((AREOLA_RADIUS_MM + 2 - from_nipple) / 5.0, 0, 1)  # the areola is thicker
    fat = smooth_max(mound.skin + thickness, np.asarray(0.8 - nipple, np.float32), 1.5)
    uneven = 2.0 * lattice.noise(frame.noise_seed(4), 12.0)
    owner = np.where(from_nipple + uneven < AREOLA_RADIUS_MM, np.where(nipple < 1.0, 2, 1), 0).astype(np.uint8)
    breast = (mound.inside < 1.0).astype(np.uint8)
    return [
        Paint(lattice.shape_of(outer, owner), (Layer((names["skin"], names["areola"], names["nipple"])),)),
        Paint(lattice.shape_of(fat, breast), (Layer((names["subcutaneous_fat"], names["breast_fat"])),)),
    ]
