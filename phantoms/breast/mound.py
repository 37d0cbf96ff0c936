"""The breast's outer shape: a mound on the chest wall with an axillary tail, a nipple, and its volume matched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.core.grid import Vector
from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_min
from medsynth.shapes.lattice import Lattice, unit_slope
from phantoms.breast.frame import SKIN_MM, BreastFrame, Field, cage_mm, muscle_mm, region
from phantoms.breast.table import labels

BEHIND_MM = 16.0  # depth of the mound's middle behind the rib surface
TAIL_MM = ((26.0, 4.0, 34.0), (60.0, 25.0, 88.0))  # axis of the axillary tail
NIPPLE_RADIUS_MM, NIPPLE_HEIGHT_MM, AREOLA_RADIUS_MM = 5.0, 6.5, 20.0  # 10-12 mm wide; areola 35-45 mm across
STEP_MM, COARSE_MM, BISECTIONS = 2.0, 4.0, 11


@dataclass(frozen=True, eq=False)
class Mound:
    """The breast's surfaces at the nodes of a lattice.

    Attributes
    ----------
    skin : distance to the outer surface of the skin, without the nipple.
    pectoral : distance outwards from the muscles.
    cage : distance outwards from the ribs.
    inside : distance to the breast: under the skin, before the muscles, within its base.
    nipple_mm : the point on the skin from which the nipple rises.
    towards : the direction it points in.
    projection_mm : how far the mound reaches forwards of the ribs.
    """

    lattice: Lattice
    skin: Field
    pectoral: Field
    cage: Field
    inside: Field
    nipple_mm: NDArray[np.float64]
    towards: NDArray[np.float64]
    projection_mm: float

    def on(self, lattice: Lattice) -> Mound:
        """Return the same surfaces at the nodes of another lattice."""
        skin, pectoral, cage, inside = (
            lattice.sample(self.lattice.shape_of(field)) for field in (self.skin, self.pectoral, self.cage, self.inside)
        )
        return Mound(lattice, skin, pectoral, cage, inside, self.nipple_mm, self.towards, self.projection_mm)

    def close(self, step_mm: float, margin_mm: float = 5.0) -> Mound:
        """Return the surfaces on the box of the breast alone, at a finer step."""
        low, high = self.lattice.shape_of(self.inside - margin_mm).bounds_mm()
        return self.on(Lattice(low, high, step_mm))


def build_mound(frame: BreastFrame) -> Mound:
    """Return the mound whose breast has the frame's volume: its projection is found by bisection."""
    low, high = 8.0, 260.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        coarse = region(frame, middle, COARSE_MM)
        *_, inside = _surfaces(frame, coarse, middle)
        low, high = (middle, high) if coarse.volume_ml(inside) < frame.volume_ml else (low, middle)
    lattice = region(frame, (low + high) / 2, STEP_MM)
    skin, pectoral, cage, inside = _surfaces(frame, lattice, (low + high) / 2)
    apex, towards = _apex(frame, lattice, skin)
    return Mound(lattice, skin, pectoral, cage, inside, apex, towards, (low + high) / 2)


def _surfaces(frame: BreastFrame, lattice: Lattice, projection_mm: float) -> tuple[Field, Field, Field, Field]:
    """Return skin, pectoral, cage and inside at the nodes."""
    cage = cage_mm(frame, lattice)
    pectoral = np.asarray(cage - muscle_mm(frame, lattice), np.float32)
    chest = pectoral - np.float32(frame.fat_mm + SKIN_MM * frame.skin)
    mound = _ellipsoid(frame, lattice, projection_mm)
    start, end = TAIL_MM
    tail = distance_to_axis(lattice, start, end) - 0.16 * frame.radius_mm - 1.0
    # Above, the breast rises gently from the chest; below, it meets it in a fold. Hanging, it is round about.
    soft = 30.0 if frame.position == "upright" else 18.0
    above = np.clip(lattice.z / frame.radius_mm + 0.5, 0, 1)
    skin = smooth_min(chest, mound, 9.0) * (1 - above) + smooth_min(chest, mound, soft) * above
    skin = smooth_min(np.asarray(skin, np.float32), np.asarray(tail, np.float32), 20.0)
    slow, fine = lattice.noise(frame.noise_seed(1), 70.0), lattice.noise(frame.noise_seed(2), 24.0)
    skin = unit_slope(skin, lattice.step_mm, 0.5, 2.0) - 1.2 * slow - 0.25 * fine
    base = smooth_min(mound, np.asarray(tail + 3.0, np.float32), 12.0) - 4.0
    inside = np.maximum(np.maximum(skin, -pectoral), base)
    return skin, pectoral, cage, inside


def distance_to_axis(lattice: Lattice, start: Vector, end: Vector) -> NDArray[np.float32]:
    """Return the distance from the straight line between two points, at the nodes."""
    axes = (lattice.x, lattice.y, lattice.z)
    d = np.subtract(end, start)
    away = [axis - np.float32(a) for axis, a in zip(axes, start, strict=True)]
    t = np.clip(sum(float(step) * offset for step, offset in zip(d, away, strict=True)) / float(d @ d), 0, 1)
    square = sum((offset - t * np.float32(step)) ** 2 for step, offset in zip(d, away, strict=True))
    return np.sqrt(np.asarray(square, np.float32))


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


def _apex(frame: BreastFrame, lattice: Lattice, skin: Field) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the nipple rises from the skin, and where it points."""
    i = int(np.argmin(np.abs(lattice.x.ravel() - frame.outward_mm)))
    k = int(np.argmin(np.abs(lattice.z.ravel() + frame.droop_mm)))
    j = int(np.argmax(skin[k, :, i] < 0))
    near = skin[k - 3 : k + 4, j - 3 : j + 4, i - 3 : i + 4]
    normal = np.array([np.gradient(near, axis=axis).mean() for axis in (2, 1, 0)], float)
    point = np.array([lattice.x.ravel()[i], lattice.y.ravel()[j], lattice.z.ravel()[k]], float)
    return point, normal / np.linalg.norm(normal)


def from_point(lattice: Lattice, point_mm: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the distance from a point, at the nodes."""
    x, y, z = (axis - np.float32(p) for axis, p in zip((lattice.x, lattice.y, lattice.z), point_mm, strict=True))
    return np.asarray(np.sqrt(x * x + y * y + z * z), np.float32)


def skin_paints(frame: BreastFrame, mound: Mound) -> list[Paint]:
    """Return the paints of skin and areola, of the fat inside, and of the nipple."""
    lattice, names = mound.lattice, labels()
    from_nipple = from_point(lattice, mound.nipple_mm)
    areola = from_nipple + 2.0 * lattice.noise(frame.noise_seed(4), 12.0) < AREOLA_RADIUS_MM
    thickness = SKIN_MM * frame.skin * (1 + 0.12 * lattice.noise(frame.noise_seed(3), 30.0))
    thickness += 1.1 * np.clip((AREOLA_RADIUS_MM + 2 - from_nipple) / 5.0, 0, 1)  # the areola is thicker
    breast = (mound.inside < 1.0).astype(np.uint8)
    return [
        Paint(lattice.shape_of(mound.skin, areola.astype(np.uint8)), (Layer((names["skin"], names["areola"])),)),
        Paint(lattice.shape_of(mound.skin + thickness, breast),
              (Layer((names["subcutaneous_fat"], names["breast_fat"])),)),
        _nipple(frame, mound),
    ]  # fmt: skip


def _nipple(frame: BreastFrame, mound: Mound) -> Paint:
    """Return the paint of the nipple: a short rounded cone that widens into the areola."""
    reach = 2.5 * NIPPLE_RADIUS_MM
    lattice = Lattice(tuple((mound.nipple_mm - reach).tolist()), tuple((mound.nipple_mm + reach).tolist()), 1.0)
    tip = mound.nipple_mm + (NIPPLE_HEIGHT_MM - NIPPLE_RADIUS_MM + 1.5) * mound.towards
    root = mound.nipple_mm - 1.2 * NIPPLE_RADIUS_MM * mound.towards
    stem = distance_to_axis(lattice, tuple(root.tolist()), tuple(tip.tolist())) - NIPPLE_RADIUS_MM
    skin = lattice.sample(mound.lattice.shape_of(mound.skin))
    stem = stem + 0.3 * lattice.noise(frame.noise_seed(5), 5.0)
    collar = np.maximum(skin, from_point(lattice, mound.nipple_mm) - 1.5 * NIPPLE_RADIUS_MM)
    field = np.maximum(smooth_min(stem, np.asarray(collar, np.float32), 4.0), -6.0 - skin)
    return Paint(lattice.shape_of(field), (Layer(labels()["nipple"]),))
