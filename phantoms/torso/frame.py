"""The thorax's own coordinates: reference millimetres of a 175 cm man, scaled to the individual.

Origin: the midline at the height of the middle of the T8 vertebral body, halfway between breastbone and back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from medsynth.shapes.lattice import Lattice
from medsynth.shapes.loft import PolarLoft

ANGLES_DEG = np.arange(0.0, 181.0, 15.0)

VERTEBRAE = ("C7", *(f"T{n}" for n in range(1, 13)), "L1", "L2", "L3")

# Heights of the vertebral bodies' middles, reference mm, T8 = 0: posterior body heights of Panjabi 1991 (recalled,
# unverified) plus discs of 4-7 mm.
VERTEBRA_Z_MM = np.array(
    [169.0, 150.5, 130.6, 110.0, 89.0, 68.0, 46.2, 23.5, 0.0, -24.0, -49.3, -75.5, -103.5, -134.0, -166.0, -199.0]
)
# Half width, half depth and height of the bodies, mm (Panjabi 1991 means of the two endplates, recalled, unverified).
VERTEBRA_HALF_WIDTH_MM = np.array(
    [11.3, 13.0, 13.2, 12.8, 12.8, 13.1, 13.8, 14.4, 15.2, 16.2, 17.2, 18.8, 20.6, 21.4, 22.2, 23.2]
)
VERTEBRA_HALF_DEPTH_MM = np.array(
    [8.8, 9.7, 10.4, 11.6, 12.2, 12.7, 13.3, 14.0, 14.3, 15.1, 15.6, 16.0, 16.6, 17.4, 17.5, 17.5]
)
VERTEBRA_HEIGHT_MM = np.array(
    [13.2, 15.0, 16.2, 16.6, 17.0, 17.2, 18.0, 18.8, 19.4, 20.0, 20.9, 22.0, 23.3, 24.4, 24.9, 24.6]
)

# Levels (reference z) of the trunk tables, the axis of the polar coordinates there, and the inner chest wall's radii
# at ANGLES_DEG from the front. Lower rows tuned on sketches; the dome of the apices after the T1-T4 internal widths.
LEVELS_MM = np.array([-260.0, -195.0, -135.0, -75.0, -15.0, 45.0, 85.0, 115.0, 138.0, 155.0, 170.0, 200.0])
AXIS_Y_MM = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 6.0, 12.0, 16.0, 18.0, 20.0])
CAVITY_MM = np.array(
    [
        [88, 86, 84, 88, 104, 120, 124, 117, 102, 89, 75, 63, 55],
        [90, 88, 86, 92, 108, 124, 128, 120, 105, 91, 76, 63, 55],
        [92, 90, 91, 98, 113, 127, 131, 125, 111, 95, 78, 63, 55],
        [91, 91, 95, 105, 119, 130, 134, 129, 117, 103, 87, 69, 57],
        [88, 90, 96, 107, 120, 131, 135, 132, 122, 110, 94, 73, 59],
        [82, 85, 92, 103, 115, 124, 128, 126, 118, 107, 93, 73, 58],
        [74, 77, 85, 95, 105, 112, 115, 112, 105, 97, 86, 69, 54],
        [64, 66, 71, 79, 88, 95, 97, 94, 87, 81, 73, 60, 47],
        [46, 48, 54, 62, 70, 75, 76, 73, 67, 62, 57, 48, 38],
        [33, 35, 40, 47, 54, 58, 58, 54, 49, 45, 41, 36, 30],
        [23, 24, 27, 32, 37, 40, 40, 37, 33, 30, 28, 25, 22],
        [20, 21, 23, 26, 29, 31, 31, 29, 26, 24, 22, 20, 18],
    ],
    float,
)
CAVITY_SCALE = 1.085  # gives a 175 cm man his expected lungs and chest width
# Thickness of the chest wall (ribs, muscles) outside it, and of the fat outside that at a BMI of 25.
WALL_MM = np.array(
    [
        [11, 12, 13, 15, 20, 23, 24, 24, 26, 32, 43, 54, 50],
        [11, 12, 13, 15, 19, 22, 23, 23, 25, 31, 42, 53, 49],
        [12, 12, 13, 15, 17, 19, 20, 21, 23, 29, 39, 50, 48],
        [13, 13, 13, 14, 16, 18, 20, 22, 25, 30, 37, 47, 50],
        [14, 15, 17, 19, 21, 22, 24, 26, 28, 31, 36, 44, 52],
        [15, 17, 24, 29, 28, 27, 30, 35, 39, 40, 39, 44, 50],
        [15, 19, 30, 37, 40, 43, 50, 56, 56, 51, 46, 47, 48],
        [17, 23, 36, 50, 64, 76, 84, 82, 74, 64, 54, 52, 50],
        [26, 32, 46, 68, 94, 114, 118, 110, 94, 76, 62, 57, 52],
        [34, 40, 54, 80, 114, 138, 142, 130, 108, 86, 68, 61, 54],
        [40, 46, 60, 90, 130, 156, 160, 146, 120, 94, 72, 63, 54],
        [42, 48, 62, 92, 132, 158, 162, 148, 122, 96, 74, 64, 54],
    ],
    float,
)
FAT_MM = np.array(
    [
        [18, 21, 22, 21, 19, 18, 19, 21, 24, 26, 24, 16, 6],
        [16, 19, 20, 19, 17, 16, 17, 19, 22, 24, 22, 15, 5],
        [12, 15, 16, 15, 13, 12, 13, 15, 18, 20, 18, 12, 5],
        [9, 11, 12, 12, 11, 10, 11, 12, 13, 14, 13, 10, 6],
        [7, 9, 11, 12, 11, 10, 10, 11, 11, 11, 11, 9, 7],
        [6, 8, 11, 12, 11, 11, 11, 12, 12, 11, 10, 9, 8],
        [6, 8, 10, 11, 11, 11, 11, 12, 12, 11, 10, 9, 8],
        [6, 7, 9, 10, 10, 10, 10, 11, 11, 10, 10, 9, 8],
        [7, 8, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 8],
        [7, 8, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
        [7, 8, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
        [7, 8, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
    ],
    float,
)
CHEST_FAT_GAIN = 0.12  # how much faster than the belly's the chest wall's fat grows, per unit of `Frame.fat` above 1
# The spine's curve at the bodies' middles (reference z, y), recumbent.
SPINE_Z_MM = np.array([-265.0, -195.0, -135.0, -75.0, -15.0, 40.0, 75.0, 110.0, 140.0, 170.0, 200.0])
SPINE_Y_MM = np.array([6.0, 10.0, 18.0, 27.0, 34.0, 37.5, 37.0, 33.0, 27.0, 20.0, 14.0])


@dataclass(frozen=True, eq=False)
class Frame:
    """Scales and individual numbers that every part of the thorax is placed by.

    Attributes
    ----------
    width, depth, height : scales of x, y and z against the reference.
    fat : thickness of subcutaneous fat against the reference at a BMI of 25.
    muscle : the same of the muscular wall.
    belly_mm : what visceral fat adds to the abdominal cavity's radius.
    kyphosis : scale of the spine's curve about its mean.
    tilt : left-right asymmetry as a fraction of the radii.
    bone : scale of bone sections.
    vessel : scale of vessel calibres.
    seed : chooses the noise.
    """

    width: float
    depth: float
    height: float
    fat: float
    muscle: float
    belly_mm: float
    kyphosis: float
    tilt: float
    bone: float
    vessel: float
    seed: int

    def at(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return reference points (..., 3) in this body."""
        return np.asarray(points, float) * (self.width, self.depth, self.height)

    def noise_seed(self, number: int) -> int:
        """Return the seed of a noise field of this body."""
        return (self.seed * 1009 + number) % (1 << 31)

    @cached_property
    def vertebra_z_mm(self) -> NDArray[np.float64]:
        """Heights of the vertebral bodies' middles."""
        return VERTEBRA_Z_MM * self.height

    def spine_y_mm(self, z_mm: ArrayLike) -> NDArray[np.float64]:
        """Return y of the vertebral bodies' middles at heights z."""
        mean = float(np.mean(SPINE_Y_MM))
        y = mean + (SPINE_Y_MM - mean) * self.kyphosis
        return np.asarray(
            PchipInterpolator(SPINE_Z_MM * self.height, y * self.depth)(
                np.clip(z_mm, SPINE_Z_MM[0] * self.height, SPINE_Z_MM[-1] * self.height)
            )
        )

    def _loft(self, radii: NDArray[np.float64]) -> PolarLoft:
        skew = 1 + self.tilt * np.sin(np.radians(2 * ANGLES_DEG))
        centres = np.stack([np.zeros_like(AXIS_Y_MM), AXIS_Y_MM * self.depth], axis=1)
        return PolarLoft(LEVELS_MM * self.height, centres, ANGLES_DEG, radii * skew, radii * (2 - skew))

    @cached_property
    def _cavity_radii(self) -> NDArray[np.float64]:
        t = np.radians(ANGLES_DEG)
        stretch = np.hypot(self.width * np.sin(t), self.depth * np.cos(t))
        below = np.clip((-60.0 - LEVELS_MM) / 120.0, 0, 1)[:, None]
        front = 0.75 + 0.25 * np.cos(t)  # visceral fat pushes the front and the flanks, hardly the back
        return CAVITY_SCALE * CAVITY_MM * stretch + self.belly_mm * below * front

    @cached_property
    def cavity(self) -> PolarLoft:
        """Inner surface of the ribs, of the abdominal wall below."""
        return self._loft(self._cavity_radii)

    @cached_property
    def muscle_surface(self) -> PolarLoft:
        """Outer surface of the muscles."""
        return self._loft(self._cavity_radii + WALL_MM * self.muscle)

    @cached_property
    def skin_surface(self) -> PolarLoft:
        """Outer surface of the skin, breasts apart."""
        above = np.clip((LEVELS_MM + 135.0) / 60.0, 0, 1)[:, None]  # a belly grows inwards too, a chest wall does not
        fat = np.maximum(FAT_MM * self.fat * (1 + above * CHEST_FAT_GAIN * max(self.fat - 1, 0)), 2.5)
        return self._loft(self._cavity_radii + WALL_MM * self.muscle + fat + 1.8)

    @cached_property
    def lattice(self) -> Lattice:
        """The 3 mm lattice of the whole body."""
        z = LEVELS_MM * self.height
        low, high = self.skin_surface.bounds_mm()
        table = self.skin_surface.point_mm(np.arange(0, 360, 3.0)[:, None], np.arange(z[0], z[-1], 10.0)[None])
        low = table.reshape(-1, 3).min(0) - 16
        high = table.reshape(-1, 3).max(0) + 16
        return Lattice(
            (float(low[0]), float(low[1]) - 30, float(z[0])), (float(high[0]), float(high[1]), float(z[-1])), 3.0
        )
