"""The outer surface: scalp, face with nose, ears, and neck; skin and the fat beneath it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.lattice import unit_slope
from medsynth.shapes.loft import PolarLoft
from phantoms.head.frame import Frame, Space
from phantoms.head.muscles import temporalis_mm
from phantoms.head.table import labels

Field = NDArray[np.floating[Any]]

SKIN_MM = 1.6  # 1.2 at the forehead to 1.5 at the occiput (weak source); the face about 1.5
SCALP_MM = 5.8  # skin, fat, galea and loose tissue: 5-7 mm (unverified)
OVER_BONE_MM = 4.0  # least cover of the facial bones
SOFTNESS_MM = 3.0  # edges of the bones do not show through the skin
ANGLES_DEG = np.arange(0.0, 181.0, 15.0)
AXIS_Y_MM = -5.0

# Half contours of the skin at reference heights, front midline to back midline: (x, y) in reference mm. Soft-tissue
# profile after cephalometric means (nasion, subnasale, lips, pogonion; unverified), widths after bizygomatic 137 and
# bigonial 105 mm.
CONTOURS: Final[dict[float, tuple[tuple[float, float], ...]]] = {
    -156: ((0, -42), (10, -42), (22, -38), (34, -32), (44, -22), (52, -10), (59, 6), (63, 28), (63, 54), (51, 76),
           (33, 90), (0, 97)),
    -150: ((0, -66), (10, -64), (20, -55), (32, -42), (42, -29), (51, -14), (58, 4), (61, 26), (61, 50), (50, 73),
           (33, 87), (0, 94)),
    -143: ((0, -77), (11, -76), (22, -66), (34, -50), (44, -32), (52, -16), (58, 4), (61, 24), (61, 48), (50, 70),
           (33, 84), (0, 91)),
    -136: ((0, -79), (12, -78), (24, -69), (36, -53), (46, -34), (54, -17), (58, 2), (60, 22), (60, 45), (50, 66),
           (33, 82), (0, 88)),
    -122: ((0, -82), (12, -82), (26, -75), (41, -58), (51, -38), (58, -18), (61, 0), (61, 20), (60, 42), (50, 60),
           (33, 76), (0, 82)),
    -112: ((0, -91), (12, -89), (26, -80), (41, -63), (52, -43), (59, -23), (62, -3), (62, 18), (61, 40), (51, 59),
           (33, 74), (0, 79)),
    -100: ((0, -92), (12, -91), (27, -82), (42, -67), (53, -47), (60, -26), (64, -6), (64, 17), (63, 39), (53, 57),
           (35, 71), (0, 77)),
    -90: ((0, -90), (15, -89), (30, -82), (45, -68), (56, -49), (62, -28), (66, -8), (66, 15), (65, 38), (56, 56),
          (36, 71), (0, 78)),
    -75: ((0, -88), (15, -88), (30, -83), (47, -71), (59, -53), (66, -33), (69, -12), (69, 10), (68, 35), (61, 53),
          (40, 71), (0, 80)),
    -60: ((0, -87), (15, -88), (30, -86), (50, -79), (62, -66), (71, -46), (75, -22), (74, 0), (71, 25), (63, 50),
          (41, 73), (0, 84)),
    -46: ((0, -89), (14, -87), (30, -83), (49, -78), (58, -69), (67, -51), (75, -26), (77, 8), (71, 42), (45, 73),
          (0, 89)),
    -34: ((0, -91), (14, -88), (30, -87), (46, -81), (56, -71), (65, -52), (74, -26), (77, 8), (69, 46), (42, 77),
          (0, 90)),
    -22: ((0, -95), (14, -94), (30, -92), (47, -86), (57, -75), (65, -56), (72, -32), (75, 8), (66, 48), (40, 74),
          (0, 86)),
    -8: ((0, -84), (20, -82), (40, -70), (52, -50), (60, -30), (62, -5), (62, 20), (54, 46), (34, 68), (0, 78)),
}
# What a unit of `Frame.fat` adds to the radii, front to back: cheeks, under the chin and the neck, mm.
FAT_GAIN_MM: Final = {-156: (9, 9, 9, 8, 7, 7, 8, 9, 9, 8), -130: (4, 6, 7, 8, 7, 6, 6, 7, 8, 8),
                      -100: (2, 4, 6, 7, 6, 5, 5, 5, 6, 6), -60: (1, 2, 3, 4, 3, 2, 2, 2, 3, 3),
                      -30: (0.5, 1, 1, 1, 1, 1, 1, 1, 1.5, 2), 0: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0)}
# Profile of the nose: z, y of its ridge, half width, reference mm; 50 mm long, 35 mm wide at the wings.
NOSE_MM: Final = np.array([(-32, -91, 6.5), (-40, -94, 8), (-50, -99.5, 9.5), (-60, -105.5, 11.5), (-68, -111, 14),
                           (-73, -113.5, 16.5), (-78, -111, 18), (-83, -102, 17), (-87, -92, 14)], float)


def build_skin(frame: Frame, space: Space, skull: Field, face_bones: Field) -> tuple[NDArray[np.float32], list[Paint]]:
    """Return the distance to the skin, given those to brain case and facial bones, and the paints of skin and fat."""
    names = labels()
    lattice = space.lattice
    temple = np.maximum(temporalis_mm(frame, space), 0) ** 1.5 / 9.0 * np.clip((space.z + 46) / 30, 0, 1)
    scalp = skull - temple - (SCALP_MM + 1.6 * (frame.fat - 1)) - 0.5 * lattice.noise(frame.noise_seed(20), 40.0)
    face = lattice.sample(face_loft(frame)) - 0.8 * lattice.noise(frame.noise_seed(21), 45.0)
    face = smooth_max(face, 0.6 * (space.z + 10.0) * frame.height, 20.0)
    skin = gaussian_filter(np.asarray(smooth_min(scalp, face, 12.0), np.float32), 4.0 / lattice.step_mm)
    skin = _over_bones(skin, face_bones, lattice.step_mm)
    nose = _nose(space) * frame.size
    skin = smooth_min(skin, nose, 4.0)
    skin = _hollows(frame, space, skin)
    ears = _ears(space) * frame.size
    plates = np.maximum(ears, 1.5 - skin)
    skin = np.asarray(smooth_min(skin, ears, 2.0), np.float32)
    return skin, [
        Paint(lattice.shape_of(skin), (Layer(names["skin"]), Layer(names["subcutaneous_fat"], SKIN_MM))),
        Paint(lattice.shape_of(plates, space.left), (Layer((names["auricle_right"], names["auricle_left"])),)),
        Paint(lattice.shape_of(np.maximum(nose + 2.4, skin + 2.0)), (Layer(names["nasal_cartilage"]),)),
    ]


def _over_bones(skin: Field, bones: Field, step_mm: float) -> Field:
    """Push the skin out where facial bones come too near, softly so that their edges do not show through."""
    near = bones < bones.max() - 0.01
    push = np.where(near, np.clip(skin - bones + OVER_BONE_MM, 0, 6), 0)
    pushed = skin - gaussian_filter(np.asarray(push, np.float32), SOFTNESS_MM / step_mm)
    return np.where(near, np.minimum(pushed, bones - OVER_BONE_MM / 2), pushed)


def face_loft(frame: Frame) -> PolarLoft:
    """Return the loft through `CONTOURS` in this head."""
    levels = sorted(CONTOURS)
    gain_levels = sorted(FAT_GAIN_MM)
    radii = []
    for z in levels:
        points = np.array(CONTOURS[z], float)
        widen = np.interp(z, (-130, -60, -20), (frame.neck, frame.jaw, 1.0))
        points = points * (frame.width * widen, frame.depth) - (0, AXIS_Y_MM * frame.depth)
        angle = np.degrees(np.arctan2(points[:, 0], -points[:, 1]))
        radius = np.interp(ANGLES_DEG, angle, np.hypot(*points.T))
        gains = np.array([FAT_GAIN_MM[g] for g in gain_levels])
        gain = [np.interp(z, gain_levels, column) for column in gains.T]
        radii.append(radius + (frame.fat - 1) * np.interp(ANGLES_DEG, np.linspace(0, 180, 10), gain))
    heights = frame.at(np.array([[0.0, AXIS_Y_MM, z] for z in levels]))
    table = np.array(radii)
    return PolarLoft(heights[:, 2], heights[:, :2], ANGLES_DEG, table, table)


def _nose(space: Space) -> Field:
    """Return the distance to the outer nose: a ridge that widens to the wings."""
    field = np.full(space.lattice.shape, 30.0, np.float32)
    box, s = space.part((-20, -116, -90), (20, -80, -30))
    z = s.z
    ridge = np.interp(z, NOSE_MM[::-1, 0], NOSE_MM[::-1, 1]).astype(np.float32)
    half = np.interp(z, NOSE_MM[::-1, 0], NOSE_MM[::-1, 2]).astype(np.float32)
    u, v = s.side / half, np.maximum(-82.0 - s.y, 0) / (-82.0 - ridge)
    level = (u**1.9 + v**1.9) ** np.float32(1 / 1.9)
    nose = unit_slope((level - 1) * half * 0.8, s.lattice.step_mm)
    ends = np.maximum(np.maximum(-88.0 - z, z + 30.0), s.y + 78.0)
    field[box] = smooth_max(nose, ends, 3.0)
    return field


def _hollows(frame: Frame, space: Space, skin: Field) -> Field:
    """Sink the eye sockets' inner corners and the fold under the lower lip; part the lips a little."""
    box, s = space.part((-50, -100, -130), (50, -60, -26))
    corner = np.exp(-(((s.side - 17) / 8) ** 2 + ((s.z + 37) / 9) ** 2))
    slit = np.exp(-(((s.z + 107 - 0.03 * s.side**2 * 0.1) / 1.6) ** 2)) * np.clip((26 - s.side) / 6, 0, 1)
    skin = np.array(skin, np.float32)
    skin[box] += (4.0 * corner + 3.5 * slit) * frame.size * (s.y < -70)
    return skin


def _ears(space: Space) -> Field:
    """Return the distance to both auricles: a thin bent plate with a thick rim, a fold and a hollow concha."""
    field = np.full(space.lattice.shape, 30.0, np.float32)
    for sign in (-1.0, 1.0):
        low, high = sorted((sign * 66.0, sign * 98.0))
        box, s = space.part((low, -6, -78), (high, 48, -4))
        out, back, up = s.x * sign - 79.0, s.y - 20.0, s.z + 40.0
        a = 0.87 * back + 0.42 * out + 0.18 * up  # along the plate, which stands 25 degrees off the head
        c = 0.87 * out - 0.42 * back
        b = up - 0.15 * back
        level = np.sqrt((a / np.where(b < -10, 13.0, 16.5)) ** 2 + (b / 31.0) ** 2)
        fold = np.exp(-(((level - 0.55) / 0.12) ** 2)) * (a > -4)
        rim = np.exp(-(((level - 0.92) / 0.10) ** 2)) * np.clip((b + 14) / 8, 0, 1)
        bend = 1.8 * rim + 1.6 * fold - 3.2 * np.exp(-(((a + 5) / 7) ** 2 + ((b + 3) / 8) ** 2))
        half = 1.5 + 1.3 * rim + 0.6 * fold + 1.6 * np.clip((-b - 16) / 8, 0, 1)
        plate = smooth_max(np.abs(c - bend) - half, (level - 1.0) * 14.0, 2.0)
        field[box] = np.minimum(field[box], plate)
    return field
