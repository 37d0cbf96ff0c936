"""The trunk's own coordinates: reference millimetres of a 175 cm man, scaled to the individual.

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

VERTEBRAE = ("C7", *(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6)))

# Heights of the vertebral bodies' middles, reference mm, T8 = 0: posterior body heights of Panjabi 1991 (recalled,
# unverified) plus discs of 4-7 mm, of 8-11.5 mm in the loins.
VERTEBRA_Z_MM = np.array(
    [169.0, 150.5, 130.6, 110.0, 89.0, 68.0, 46.2, 23.5, 0.0, -24.0, -49.3, -75.5, -103.5, -134.0, -166.0, -199.0]
    + [-233.0, -267.0]
)
# Half width, half depth and height of the bodies, mm (Panjabi 1991 means of the two endplates, recalled, unverified).
VERTEBRA_HALF_WIDTH_MM = np.array(
    [11.3, 13.0, 13.2, 12.8, 12.8, 13.1, 13.8, 14.4, 15.2, 16.2, 17.2, 18.8, 20.6, 21.4, 22.2, 23.2, 24.0, 24.4]
)
VERTEBRA_HALF_DEPTH_MM = np.array(
    [8.8, 9.7, 10.4, 11.6, 12.2, 12.7, 13.3, 14.0, 14.3, 15.1, 15.6, 16.0, 16.6, 17.4, 17.5, 17.5, 17.4, 17.2]
)
VERTEBRA_HEIGHT_MM = np.array(
    [13.2, 15.0, 16.2, 16.6, 17.0, 17.2, 18.0, 18.8, 19.4, 20.0, 20.9, 22.0, 23.3, 24.4, 24.9, 24.6, 24.6, 25.4]
)
# The spine's curve at the bodies' middles (reference z, y), recumbent: 37 degrees of lordosis from T12 to S1 (PMC, 627
# adults). Below L5 it runs on through the sacrum's first segment.
SPINE_Z_MM = np.array(
    [-330.0, -298.0, -267.0, -233.0, -199.0, -166.0, -135.0, -75.0, -15.0, 40.0, 75.0, 110.0, 140.0, 170.0, 200.0]
)
SPINE_Y_MM = np.array([64.0, 38.0, 19.5, 10.5, 9.0, 12.5, 17.5, 27.0, 34.0, 37.5, 37.0, 33.0, 27.0, 20.0, 14.0])
SPINE_MEAN_Y_MM = 25.0  # a round back is rounder about this line

# Where parts of the pelvis lie, reference mm: levels of 3D CT and of surface anatomy, the hip axis 107 mm below and
# 25 mm in front of the sacral endplate (pelvic tilt 13 degrees), heads 176 mm apart.
HIP_CENTRE_MM = (88.0, 22.0, -389.0)
SYMPHYSIS_TOP_MM, SYMPHYSIS_BOTTOM_MM = (0.0, -34.0, -388.0), (0.0, -16.0, -424.0)
BIFURCATION_Z_MM = -236.0  # of the aorta, at L4; the veins join one vertebra lower
PERINEUM_Z_MM = -468.0  # skin between the thighs
RIB_LAYER_MM = 10.0  # ribs and intercostal muscles, just outside the cavity
# Axis of the rectum and anal canal in the hollow of the sacrum, from the rectosigmoid junction (S3) to the anus.
RECTUM_MM = ((2.0, 48.0, -335.0), (-3.0, 57.0, -358.0), (2.0, 58.0, -385.0), (0.0, 46.0, -412.0), (0.0, 38.0, -428.0),
             (0.0, 50.0, -452.0), (0.0, 56.0, -470.0))


# Levels (reference z) of the trunk tables, the axis of the polar coordinates there, and the inner wall's radii at
# ANGLES_DEG from the front: chest wall, abdominal wall, inner face of the ilium (psoas and iliacus lie inside), true
# pelvis. Tuned on sketches; the dome of the apices after the T1-T4 internal widths, the pelvis after an inlet of
# 120 x 110 mm and 95 mm between the spines.
LEVELS_MM = np.array(
    [-640.0, -500.0, -470.0, -445.0, -420.0, -395.0, -365.0, -335.0, -290.0, -245.0]
    + [-195.0, -135.0, -75.0, -15.0, 45.0, 85.0, 115.0, 138.0, 155.0, 170.0, 200.0]
)
AXIS_Y_MM = np.array(
    [26.0, 26.0, 25.0, 25.0, 24.0, 22.0, 20.0, 15.0, 6.0, 0.0]
    + [0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 6.0, 12.0, 16.0, 18.0, 20.0]
)
CAVITY_MM = np.array(
    [
        [16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16],
        [18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18],
        [22, 22, 22, 23, 24, 24, 24, 24, 24, 24, 24, 24, 24],
        [30, 30, 32, 34, 36, 37, 37, 36, 35, 33, 32, 31, 30],
        [36, 37, 38, 39, 39, 38, 37, 36, 35, 34, 34, 35, 37],
        [50, 50, 48, 46, 44, 42, 41, 41, 40, 40, 41, 43, 45],
        [78, 77, 73, 67, 59, 51, 47, 45, 43, 43, 44, 48, 51],
        [82, 84, 89, 95, 86, 65, 55, 51, 48, 47, 50, 53, 55],
        [84, 86, 92, 104, 113, 104, 84, 72, 66, 65, 68, 60, 54],
        [87, 85, 85, 90, 105, 118, 116, 104, 91, 79, 69, 61, 55],
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
# Thickness of the wall (bones, muscles) outside it, and of the fat outside that at a BMI of 25. Below the hips the
# thighs (THIGH_...) take over.
WALL_MM = np.array(
    [
        [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4],
        [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4],
        [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4],
        [6, 10, 18, 24, 30, 34, 36, 36, 34, 28, 20, 12, 8],
        [10, 16, 35, 57, 77, 92, 101, 102, 97, 88, 71, 42, 16],
        [12, 18, 37, 60, 80, 98, 108, 110, 107, 100, 89, 65, 22],
        [11, 14, 25, 43, 65, 87, 102, 108, 106, 98, 86, 68, 43],
        [11, 12, 16, 22, 42, 77, 94, 101, 101, 95, 79, 60, 40],
        [12, 13, 14, 16, 20, 38, 61, 72, 74, 71, 58, 57, 54],
        [12, 13, 14, 15, 18, 23, 26, 32, 38, 45, 52, 56, 52],
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
        [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4],
        [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4],
        [8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8],
        [26, 22, 16, 14, 14, 15, 17, 20, 22, 22, 20, 18, 16],
        [36, 30, 20, 15, 13, 13, 15, 19, 24, 28, 30, 30, 26],
        [34, 31, 23, 17, 14, 14, 17, 22, 26, 30, 32, 32, 26],
        [25, 26, 24, 19, 15, 15, 19, 24, 28, 31, 32, 26, 12],
        [22, 24, 24, 21, 17, 17, 20, 24, 28, 32, 33, 25, 9],
        [20, 23, 24, 22, 20, 20, 23, 27, 31, 33, 31, 22, 8],
        [18, 21, 22, 21, 19, 18, 20, 23, 27, 29, 27, 17, 6],
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
BELLY_FAT_EXPONENT = 0.70  # gives waists and hips their slopes on BMI (NHANES 2021-2023)
CHEST_FAT_GAIN = 0.12  # how much faster than the belly's the chest wall's fat grows, per unit of `Frame.fat` above 1

# The left thigh: levels, the axis (x, y) there, the muscles' radii towards the outer and the inner side, and the fat
# outside them at a BMI of 25 in a man (thigh girth 57 cm below the buttock, 52 cm at its middle; unverified).
THIGH_LEVELS_MM = np.array([-640.0, -560.0, -500.0, -455.0, -425.0, -400.0])
THIGH_AXIS_MM = np.array([[93.0, 14.0], [95.0, 18.0], [95.0, 22.0], [95.0, 24.0], [96.0, 26.0], [98.0, 30.0]])
THIGH_OUTER_MM = np.array(
    [
        [75, 76, 77, 77, 76, 74, 71, 70, 70, 71, 72, 72, 72],
        [80, 82, 83, 83, 82, 79, 76, 75, 77, 79, 80, 80, 80],
        [80, 83, 85, 86, 85, 81, 77, 77, 80, 84, 86, 87, 87],
        [74, 78, 82, 85, 84, 80, 76, 77, 82, 88, 92, 93, 92],
        [60, 64, 68, 70, 70, 68, 66, 68, 74, 80, 84, 84, 82],
        [34, 36, 38, 40, 40, 40, 40, 42, 46, 50, 52, 52, 50],
    ],
    float,
)
THIGH_INNER_MM = np.array(
    [
        [75, 74, 73, 72, 73, 74, 75, 75, 75, 74, 73, 72, 72],
        [80, 78, 76, 76, 78, 80, 82, 82, 82, 82, 81, 80, 80],
        [80, 77, 75, 75, 78, 81, 83, 84, 85, 86, 87, 87, 87],
        [74, 71, 69, 69, 73, 78, 82, 84, 86, 88, 91, 92, 92],
        [60, 58, 56, 56, 58, 62, 66, 70, 74, 78, 81, 82, 82],
        [34, 34, 34, 34, 36, 38, 40, 42, 44, 47, 49, 50, 50],
    ],
    float,
)
THIGH_FAT_MM = np.array(
    [
        [9, 9, 9, 9, 9, 9, 9, 9, 10, 10, 10, 10, 10],
        [9, 9, 9, 9, 10, 10, 10, 11, 12, 12, 12, 12, 12],
        [10, 10, 10, 10, 11, 12, 13, 14, 15, 16, 16, 16, 16],
        [11, 11, 11, 12, 13, 15, 17, 19, 21, 22, 22, 22, 22],
        [10, 10, 10, 11, 12, 14, 16, 18, 20, 22, 22, 22, 22],
        [8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8],
    ],
    float,
)

# The wall from the armpit up with hanging arms, without the arms themselves: shoulders slope from the neck to the tips
# of the shoulder blades (biacromial breadth 40 cm in men), above them is the neck. Working values.
SHOULDERS_FROM_MM = 85.0
ARMS_SHOWN_MM = 250.0  # from the midline: what lies farther out is not built
SHOULDER_WALL_MM = np.array(
    [
        [15, 19, 28, 33, 34, 35, 37, 42, 46, 46, 45, 46, 48],
        [17, 23, 34, 45, 50, 50, 48, 50, 53, 53, 51, 50, 50],
        [26, 32, 40, 48, 60, 70, 74, 74, 69, 62, 56, 54, 52],
        [32, 34, 36, 38, 46, 58, 66, 66, 62, 58, 56, 58, 54],
        [38, 37, 34, 30, 27, 27, 30, 36, 44, 52, 58, 59, 54],
        [38, 35, 29, 24, 21, 19, 20, 25, 33, 43, 53, 58, 56],
    ],
    float,
)


@dataclass(frozen=True, eq=False)
class Frame:
    """Scales and individual numbers that every part of the trunk is placed by.

    Attributes
    ----------
    width, depth, height : scales of x, y and z of the chest and belly against the reference.
    fat : thickness of subcutaneous fat against the reference at a BMI of 25.
    muscle : the same of the muscular wall.
    belly_mm : what visceral fat adds to the abdominal cavity's radius.
    kyphosis : scale of the spine's curve about its mean.
    tilt : left-right asymmetry as a fraction of the radii.
    bone : scale of bone sections.
    vessel : scale of vessel calibres.
    seed : chooses the noise.
    pelvis_width, pelvis_depth : scales of x and y from the iliac crests down.
    hip_fat : by how much more fat than `fat` tells lies on buttocks, hips and thighs (women: about 0.6).
    outlet : width of the lower bony pelvis against a man's (women: about 1.12).
    low_z_mm, high_z_mm : reference heights between which the body is built.
    arms_down : 0 arms raised, 1 hanging, 2 hands on hips with the shoulders rolled forwards.
    heart_narrow : width of the heart against the one lying down; upright it hangs, narrower and longer.
    heart_lift_mm : by how much the diaphragm lifts the heart.
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
    pelvis_width: float = 1.0
    pelvis_depth: float = 1.0
    hip_fat: float = 0.0
    outlet: float = 1.0
    low_z_mm: float = float(LEVELS_MM[0])
    high_z_mm: float = float(LEVELS_MM[-1])
    arms_down: int = 0
    heart_narrow: float = 1.0
    heart_lift_mm: float = 0.0

    def scales(self, reference_z_mm: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the scales of x and y at reference heights: the chest's, then from L4 down the pelvis's."""
        share = _smooth(np.clip((-150.0 - np.asarray(reference_z_mm, float)) / 110.0, 0, 1))
        return (
            self.width + (self.pelvis_width - self.width) * share,
            self.depth + (self.pelvis_depth - self.depth) * share,
        )

    def at(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return reference points (..., 3) in this body."""
        points = np.asarray(points, float)
        width, depth = self.scales(points[..., 2])
        return points * np.stack([width, depth, np.full_like(width, self.height)], axis=-1)

    def noise_seed(self, number: int) -> int:
        """Return the seed of a noise field of this body."""
        return (self.seed * 1009 + number) % (1 << 31)

    @cached_property
    def vertebra_z_mm(self) -> NDArray[np.float64]:
        """Heights of the vertebral bodies' middles."""
        return VERTEBRA_Z_MM * self.height

    @cached_property
    def _spine(self) -> PchipInterpolator:
        round_back = _smooth(np.clip((SPINE_Z_MM + 235.0) / 100.0, 0, 1))  # the pelvis does not follow
        y = SPINE_Y_MM + (SPINE_Y_MM - SPINE_MEAN_Y_MM) * (self.kyphosis - 1) * round_back
        return PchipInterpolator(SPINE_Z_MM * self.height, y * self.scales(SPINE_Z_MM)[1])

    def spine_y_mm(self, z_mm: ArrayLike) -> NDArray[np.float64]:
        """Return y of the vertebral bodies' middles at heights z; below S2 the sacrum's place stands in."""
        return np.asarray(self._spine(np.clip(z_mm, SPINE_Z_MM[0] * self.height, SPINE_Z_MM[-1] * self.height)))

    def _loft(self, radii: NDArray[np.float64]) -> PolarLoft:
        skew = 1 + self.tilt * np.sin(np.radians(2 * ANGLES_DEG))
        centres = np.stack([np.zeros_like(AXIS_Y_MM), AXIS_Y_MM * self.scales(LEVELS_MM)[1]], axis=1)
        return PolarLoft(LEVELS_MM * self.height, centres, ANGLES_DEG, radii * skew, radii * (2 - skew))

    def _stretch(self, levels_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        t = np.radians(ANGLES_DEG)
        width, depth = (scale[:, None] for scale in self.scales(levels_mm))
        return np.hypot(width * np.sin(t), depth * np.cos(t))

    @cached_property
    def _cavity_radii(self) -> NDArray[np.float64]:
        t = np.radians(ANGLES_DEG)
        below = np.clip((-60.0 - LEVELS_MM) / 120.0, 0, 1) * np.clip((LEVELS_MM + 350.0) / 90.0, 0, 1)
        front = 0.75 + 0.25 * np.cos(t)  # visceral fat pushes the front and the flanks, hardly the back
        bony = np.clip((-215.0 - LEVELS_MM) / 60.0, 0, 1)[:, None] * np.clip((ANGLES_DEG - 50) / 25, 0, 1)
        return (
            CAVITY_SCALE * CAVITY_MM * self._stretch(LEVELS_MM) + self.belly_mm * below[:, None] * front * (1 - bony)
        )

    @cached_property
    def _wall_radii(self) -> NDArray[np.float64]:
        """Thickness of the wall: muscle in the belly, half bone in the pelvis."""
        bony = _smooth(np.clip((-230.0 - LEVELS_MM) / 60.0, 0, 1))[:, None]
        wall = WALL_MM
        if self.arms_down:
            wall = np.concatenate([WALL_MM[LEVELS_MM < SHOULDERS_FROM_MM], SHOULDER_WALL_MM])
        return wall * ((1 - bony) * self.muscle + bony * self._stretch(LEVELS_MM) * (0.6 + 0.4 * self.muscle))

    @cached_property
    def cavity(self) -> PolarLoft:
        """Inner surface of the ribs, of the abdominal wall and the iliac wings, of the true pelvis."""
        return self._loft(self._cavity_radii)

    @cached_property
    def muscle_surface(self) -> PolarLoft:
        """Outer surface of the muscles, thighs apart."""
        return self._loft(self._cavity_radii + self._wall_radii)

    @property
    def _belly_fat(self) -> float:
        """Fat of belly, hips and thighs against the reference: it grows less steeply than the chest's does."""
        return float(min(self.fat, 1.0) * max(self.fat, 1.0) ** BELLY_FAT_EXPONENT)

    @cached_property
    def skin_surface(self) -> PolarLoft:
        """Outer surface of the skin, breasts and thighs apart."""
        above = np.clip((LEVELS_MM + 135.0) / 60.0, 0, 1)[:, None]  # a belly grows inwards too, a chest wall does not
        hips = _smooth(np.clip((-190.0 - LEVELS_MM) / 130.0, 0, 1))[:, None] * np.clip((ANGLES_DEG - 30) / 60, 0.25, 1)
        gain = (1 + above * CHEST_FAT_GAIN * max(self.fat - 1, 0)) * (1 + hips * self.hip_fat)
        layer = above * self.fat + (1 - above) * self._belly_fat
        fat = np.maximum(FAT_MM * layer * gain, 2.5)
        return self._loft(self._cavity_radii + self._wall_radii + fat + 1.8)

    def _thigh(self, sign: float, fat: float) -> PolarLoft:
        """Return a thigh's muscles with this share of its fat; sign: 1 left, -1 right."""
        width, depth = self.scales(THIGH_LEVELS_MM)
        girth = (0.5 + 0.5 * self.muscle) * self._stretch(THIGH_LEVELS_MM)
        layer = fat * np.maximum(THIGH_FAT_MM * self._belly_fat**0.85 * (1 + self.hip_fat), 2.5) + 1.8 * fat
        outer, inner = THIGH_OUTER_MM * girth + layer, THIGH_INNER_MM * girth + layer
        centres = np.stack([sign * THIGH_AXIS_MM[:, 0] * width, THIGH_AXIS_MM[:, 1] * depth], axis=1)
        left, right = (outer, inner) if sign > 0 else (inner, outer)
        return PolarLoft(THIGH_LEVELS_MM * self.height, centres, ANGLES_DEG, left, right)

    @cached_property
    def thigh_muscles(self) -> tuple[PolarLoft, PolarLoft]:
        """Outer surfaces of the muscles of the right and the left thigh."""
        return self._thigh(-1.0, 0.0), self._thigh(1.0, 0.0)

    @cached_property
    def thigh_skins(self) -> tuple[PolarLoft, PolarLoft]:
        """Outer surfaces of the skin of the right and the left thigh."""
        return self._thigh(-1.0, 1.0), self._thigh(1.0, 1.0)

    @cached_property
    def lattice(self) -> Lattice:
        """The 3 mm lattice of the whole built body."""
        low_z, high_z = self.low_z_mm * self.height, self.high_z_mm * self.height
        lofts = [self.skin_surface, *(self.thigh_skins if self.low_z_mm < -390 else ())]
        around = np.arange(0, 360, 3.0)[:, None]
        surface = [loft.point_mm(around, np.arange(low_z, high_z, 10.0)[None]).reshape(-1, 3) for loft in lofts]
        low = np.min([points.min(0) for points in surface], axis=0) - 16
        high = np.max([points.max(0) for points in surface], axis=0) + 16
        front = 30.0 if high_z > -60.0 else 0.0  # room for breasts
        if self.arms_down:
            side = max(float(high[0]), ARMS_SHOWN_MM * self.width)
            low[0], high[0] = -side, side
        return Lattice((float(low[0]), float(low[1]) - front, low_z), (float(high[0]), float(high[1]), high_z), 3.0)


def _smooth(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 0..1 eased at both ends."""
    return share * share * (3 - 2 * share)
