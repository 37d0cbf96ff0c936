"""The leg around the knee: deep fascia stretched over muscles and bones, fat and skin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import CubicSpline, PchipInterpolator

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_min
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.loft import PolarLoft
from medsynth.shapes.sampled import SampledShape
from phantoms.knee.frame import BOTTOM_MM, MARGIN_MM, SOFT_STEP_MM, TOP_MM, KneeFrame
from phantoms.knee.table import labels

Field = NDArray[np.floating[Any]]

SKIN_MM = 1.6  # skin of the leg, 1.3-2 mm (unverified)
FASCIA_MM = 0.7
HULL_SHARE = 0.85  # how far the fascia bridges the hollows between muscles, tendons and bones
AXIS_V_MM = 6.0  # axis of the leg behind the middle of the plateau
_ANGLES_DEG = np.arange(0.0, 181.0, 10.0)
# Fat under the skin of a man at a BMI of 25, mm: rows are reference heights, columns front, outside, back, inside.
FAT_W_MM = np.array([-90.0, -40.0, -10.0, 12.0, 36.0, 62.0, 96.0])
FAT_MM = np.array(
    [
        [2.8, 3.8, 5.5, 5.5],
        [2.6, 3.8, 5.5, 6.5],
        [3.4, 4.5, 6.5, 8.0],
        [3.8, 5.0, 7.5, 9.0],
        [3.0, 5.5, 8.0, 9.0],
        [5.0, 5.5, 7.5, 8.5],
        [6.5, 6.0, 7.5, 9.0],
    ]
)


@dataclass(frozen=True, eq=False)
class Leg:
    """The lattice of the whole leg, its surfaces there, and the lofts behind them."""

    lattice: Lattice
    skin: Field
    fascia: Field
    fascia_surface: PolarLoft
    fat_mm: NDArray[np.float64]

    def under_skin(self, angle_deg: float, z_mm: NDArray[np.float64], depth: float) -> NDArray[np.float64]:
        """Return points under the skin: `depth` 0 is the fascia, 1 the skin; angle 90 outside, 270 inside."""
        rows = np.array([np.interp(angle_deg, np.arange(0, 361, 10.0), fat) for fat in self.fat_mm])
        fat = np.interp(z_mm, self.fascia_surface.levels_mm, rows)
        return self.fascia_surface.point_mm(np.full_like(z_mm, angle_deg), z_mm, depth * fat)


def fat_mm(frame: KneeFrame) -> NDArray[np.float64]:
    """Return the thickness of the fat (levels, angles every 10 degrees) in mm; bony spots gain less."""
    around = CubicSpline(np.arange(0, 361, 90.0), np.append(FAT_MM, FAT_MM[:, :1], axis=1), axis=1, bc_type="periodic")
    reference = np.maximum(around(np.arange(0, 361, 10.0)), 2.0)
    power = np.clip((reference - 1.5) / 4.5, 0.45, 1.0)
    return np.asarray(np.maximum(reference * frame.fat**power, 1.2))


def build_leg(frame: KneeFrame, contents: SampledShape) -> tuple[Leg, list[Paint]]:
    """Wrap the contents (bones, muscles, cords as one shape), and return the leg with its paints."""
    z = np.arange(BOTTOM_MM - MARGIN_MM, TOP_MM + MARGIN_MM + 1, 6.0) * frame.height
    radii = _wrapped(frame, contents, z)
    fat = np.asarray(PchipInterpolator(FAT_W_MM, fat_mm(frame), axis=0)(np.clip(z / frame.height, -90, 96)))
    rounded = np.maximum(_wrapped(frame, _rounded(frame, contents), z) + 2.5, radii + fat)
    outer = ndimage.gaussian_filter(rounded[:, :-1], (1.0, 1.7), mode=("nearest", "wrap")) + SKIN_MM
    fascia_surface, skin_surface = _loft(frame, z, radii), _loft(frame, z, np.append(outer, outer[:, :1], axis=1))
    reach = float(outer.max()) + 8
    low, high = (BOTTOM_MM * frame.height, TOP_MM * frame.height)
    middle = AXIS_V_MM * frame.depth
    lattice = Lattice((-reach, middle - reach, low), (reach, middle + reach, high), SOFT_STEP_MM)
    inside = lattice.sample(contents)
    slow, fine = lattice.noise(frame.noise_seed(60), 38.0), lattice.noise(frame.noise_seed(61), 14.0)
    fascia = smooth_min(lattice.sample(fascia_surface), np.asarray(inside - 0.9, np.float32), 5.0)
    skin = lattice.sample(skin_surface) - (0.5 + 0.25 * min(frame.fat, 3.0)) * slow - 0.2 * fine
    skin = smooth_min(skin, fascia - 1.5 - SKIN_MM, 8.0)
    names = labels()
    paints = [
        Paint(lattice.shape_of(skin), (Layer(names["skin"]), Layer(names["subcutaneous_fat"], SKIN_MM))),
        Paint(lattice.shape_of(fascia), (Layer(names["deep_fascia"]), Layer(names["intermuscular_fat"], FASCIA_MM))),
    ]
    return Leg(lattice, skin, fascia, fascia_surface, fat), paints


def _rounded(frame: KneeFrame, contents: SampledShape) -> SampledShape:
    """Return the contents with the round front of a knee: fat fills the hollows beside the patellar tendon."""
    lattice = Lattice(contents.origin_mm, tuple((np.asarray(contents.origin_mm) + contents.step_mm
                                                 * (np.array(contents.values_mm.shape[::-1]) - 1)).tolist()),
                      contents.step_mm)  # fmt: skip
    u, v, w = frame.reference(lattice)
    front = np.sqrt(((u - 1.0) / 49.0) ** 2 + ((v + 10.0) / 39.0) ** 2 + ((w - 14.0) / 68.0) ** 2)
    return lattice.shape_of(np.minimum(contents.values_mm, (front - 1) * 38.0 * frame.bone))


def _loft(frame: KneeFrame, z: NDArray[np.float64], radii: NDArray[np.float64]) -> PolarLoft:
    centres = np.tile([0.0, AXIS_V_MM * frame.depth], (len(z), 1))
    return PolarLoft(z, centres, _ANGLES_DEG, radii[:, :19], radii[:, :17:-1])


def _wrapped(frame: KneeFrame, contents: SampledShape, z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the radii (levels, angles every 10 degrees) of a tight stocking over the contents."""
    angle = np.radians(np.arange(0.0, 360.0, 5.0))[:, None]
    r = np.arange(12.0, 120.0, 1.0)
    points = np.empty((len(z), angle.size, r.size, 3), np.float32)
    points[..., 0] = r * np.sin(angle)
    points[..., 1] = AXIS_V_MM * frame.depth - r * np.cos(angle)
    points[..., 2] = z[:, None, None]
    outer = np.where(contents.distance_mm(points) < 0.8, r, 12.0).max(axis=-1)
    closed = ndimage.grey_closing(np.pad(outer, ((0, 0), (12, 12)), mode="wrap"), (5, 11))[:, 12:-12]
    taut = HULL_SHARE * _convex(outer) + (1 - HULL_SHARE) * closed
    smooth = ndimage.gaussian_filter(taut, (1.6, 2.0), mode=("nearest", "wrap")) + 0.8
    return np.asarray(np.append(smooth, smooth[:, :1], axis=1)[:, ::2])


def _convex(radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the radii (levels, angles) of each level's convex hull, from its support function."""
    angle = np.linspace(0, 2 * np.pi, radii.shape[1], endpoint=False)
    cosine = np.cos(angle[:, None] - angle)
    support = (radii[:, None, :] * cosine).max(axis=-1)
    facing = np.where(cosine > 0.05, 1 / np.maximum(cosine, 0.05), np.inf)
    return np.asarray((support[:, None, :] * facing).min(axis=-1))
