"""The distal femur: two condyles with spiral profiles, trochlear groove, intercondylar notch, metaphysis and shaft."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator

from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.lattice import Lattice, unit_slope
from phantoms.knee.frame import BONE_STEP_MM, MARGIN_MM, TOP_MM, KneeFrame

Field = NDArray[np.floating[Any]]
Profile = NDArray[np.float64]

# Middle of the sagittal profiles: near the axis through the epicondyles, reference (y, z).
AXIS_V_MM, AXIS_W_MM = 4.0, 30.0
# Sagittal profiles (y back, z up) of the bone through the medial condyle, the groove and the lateral condyle, from the
# top of the trochlea forwards, down and back. The radius of curvature falls from 38 mm in front to 18 mm behind, as in
# the femoral J-curve; condylar depth 63 and 65 mm of a man (Mahfouz 2012, recalled, unverified).
MEDIAL_MM = [
    (-25, 53),
    (-29, 45),
    (-31, 36),
    (-31, 28),
    (-28.5, 19),
    (-22, 11.5),
    (-14, 7),
    (-6, 5),
    (2, 4.5),
    (10, 5.8),
    (18, 9.5),
    (25, 16),
    (29.8, 24),
    (31, 32),
    (29.5, 39),
    (25.5, 45),
    (19, 49),
    (12, 51),
    (2, 53),
    (-12, 55),
]
LATERAL_MM = [
    (-28, 57),
    (-33, 49),
    (-35.5, 40),
    (-35, 31),
    (-31.5, 21.5),
    (-25.5, 13.5),
    (-16, 7.6),
    (-6, 5.3),
    (4, 5),
    (12, 6.6),
    (19, 10.3),
    (25.5, 16.5),
    (29.3, 24),
    (30, 32),
    (28.5, 38),
    (24.5, 43.5),
    (18, 47),
    (11, 49),
    (2, 52),
    (-12, 55),
]
GROOVE_MM = [
    (-23.5, 58),
    (-26.5, 50),
    (-28, 41),
    (-28, 32),
    (-26, 23),
    (-21, 15.5),
    (-12, 11),
    (2, 10),
    (12, 12),
    (20, 18),
    (24, 27),
    (22, 38),
    (15, 46),
    (2, 52),
    (-12, 55),
]
CONDYLE_U_MM, GROOVE_U_MM = 21.0, 0.5  # where the condyles' profiles and the groove run
MEDIAL_U_MM, LATERAL_U_MM = -41.5, 40.5  # sides of the condyles; 85 mm over the epicondyles of a man (unverified)

# Shaft: reference heights, middle (outwards, back), half width and half depth, cortex. It leans outwards by 5 degrees.
SHAFT_W_MM = np.array([36.0, 44.0, 52.0, 62.0, 75.0, 90.0, 110.0])
SHAFT_MM = np.array(
    [
        [-0.5, -7.0, 34.0, 18.0], [0.0, -8.5, 32.0, 18.5], [0.5, -9.8, 28.5, 18.5], [1.5, -10.8, 23.8, 17.8],
        [3.0, -11.0, 19.6, 16.8], [4.5, -11.0, 17.2, 16.2], [6.5, -10.5, 15.6, 15.8],
    ]
)  # fmt: skip
CORTEX_W_MM, CORTEX_MM = (30.0, 48.0, 60.0, 72.0, 84.0, 100.0), (1.0, 1.1, 1.5, 2.5, 4.0, 5.5)


def femur_lattice(frame: KneeFrame) -> Lattice:
    """Return the lattice of the distal femur."""
    return frame.lattice((-52, -46, -4), (52, 44, TOP_MM + MARGIN_MM), BONE_STEP_MM)


def femur(frame: KneeFrame, lattice: Lattice) -> Field:
    """Return the signed distance of the bone, cartilage apart."""
    u, v, w = frame.reference(lattice)
    lift = (frame.femoral_mm + frame.tibial_mm - 4.6) / frame.height  # thick cartilage keeps the bones apart
    w = w - np.float32(lift)
    field = smooth_min(_condyles(frame, u, v, w), _shaft(u, v, w), 9.0)
    field = smooth_min(field, _epicondyles(u, v, w), 6.0)
    field = smooth_max(field, -notch(frame, u, v, w), 4.0)
    rough = 0.35 * lattice.noise(frame.noise_seed(1), 17.0) + 0.12 * lattice.noise(frame.noise_seed(2), 6.0)
    return unit_slope(np.asarray(field * frame.bone, np.float32), lattice.step_mm, 0.5, 6.0) + rough


def polar(v: Field, w: Field) -> tuple[Field, Field]:
    """Return radius and angle (degrees; 0 front, 90 down, 180 back) about the axis of the profiles."""
    back, down = v - np.float32(AXIS_V_MM), np.float32(AXIS_W_MM) - w
    return np.hypot(back, down), np.degrees(np.arctan2(down, -back)) % 360


def _radii(points: list[tuple[float, float]]) -> Profile:
    """Return the profile's radius at every whole degree, 0..360."""
    v, w = np.asarray(points, float).T
    radius, angle = polar(v, w)
    order = np.argsort(angle)
    angle, radius = angle[order], radius[order]
    knots = np.concatenate([angle, [angle[0] + 360]])
    around = CubicSpline(knots, np.concatenate([radius, radius[:1]]), bc_type="periodic")
    return np.asarray(around(angle[0] + (np.arange(361) - angle[0]) % 360))


def condyle_share(u: Field) -> Field:
    """Return 0 in the groove, rising to 1 on the condyles."""
    t = np.clip(np.abs(u - np.float32(GROOVE_U_MM)) / 18.0, 0, 1)
    return t * t * (3 - 2 * t)


def _condyles(frame: KneeFrame, u: Field, v: Field, w: Field) -> Field:
    radius, angle = polar(v, w)
    degree = angle.astype(np.float32)
    knots = np.arange(361)
    medial, lateral, groove = (_radii(p) for p in (MEDIAL_MM, LATERAL_MM, GROOVE_MM))
    groove = np.maximum(medial, lateral) + frame.trochlea * (groove - np.maximum(medial, lateral))
    side = np.clip(u / 10.0 + 0.5, 0, 1)
    on_condyle = np.interp(degree, knots, medial) * (1 - side) + np.interp(degree, knots, lateral) * side
    share = condyle_share(u)
    ridge = on_condyle * share + np.interp(degree, knots, groove) * (1 - share)
    half = np.where(u < 0, -MEDIAL_U_MM, LATERAL_U_MM).astype(np.float32)
    beyond = np.clip((np.abs(u) - CONDYLE_U_MM) / (half - CONDYLE_U_MM), 0, 0.999)
    # Roundness towards the sides: the trochlea falls off early, the bearing surface late.
    front = np.cos(np.radians(degree))
    exponent = 2.9 - 1.2 * np.clip(front, 0, 1) ** 2 - 0.7 * np.clip(-front, 0, 1)
    surface = ridge * (1 - beyond**exponent) ** (1 / exponent)
    return np.maximum(radius - surface, np.abs(u) - half)


def _epicondyles(u: Field, v: Field, w: Field) -> Field:
    """Return the two knobs that the collateral ligaments spring from."""
    medial = np.sqrt(((u + 36.0) / 6.5) ** 2 + ((v - 3.0) / 11.0) ** 2 + ((w - 33.0) / 11.0) ** 2)
    lateral = np.sqrt(((u - 36.0) / 5.5) ** 2 + ((v - 5.0) / 9.0) ** 2 + ((w - 31.0) / 9.0) ** 2)
    return (np.minimum(medial, lateral) - 1) * 7.0


def _shaft(u: Field, v: Field, w: Field) -> Field:
    level = np.clip(w, SHAFT_W_MM[0], SHAFT_W_MM[-1]).ravel()
    middle_u, middle_v, half_u, half_v = (
        c[:, None, None].astype(np.float32) for c in PchipInterpolator(SHAFT_W_MM, SHAFT_MM)(level).T
    )
    across, back = (u - middle_u) / half_u, (v - middle_v) / half_v
    # The popliteal surface behind is flat, with the linea aspera as a ridge higher up.
    aspera = 0.16 * np.exp(-((across / 0.28) ** 2)) * np.clip((w - 66.0) / 25.0, 0, 1)
    back = np.where(back > 0, back * (1.10 - aspera), back)
    power = np.interp(w, [50.0, 90.0], [2.6, 2.05]).astype(np.float32)
    section = (np.abs(across) ** power + np.abs(back) ** power) ** (1 / power)
    return np.maximum((section - 1) * np.minimum(half_u, half_v), 34.0 - w)


def notch(frame: KneeFrame, u: Field, v: Field, w: Field) -> Field:
    """Return the distance of the arch between the condyles; its roof is Blumensaat's line."""
    # The roof rises backwards at about 50 degrees from (-15, 12) to (9, 41).
    below = 0.77 * (v + 15.0) - 0.64 * (w - 12.0)
    wall = np.abs(u - GROOVE_U_MM) - frame.notch * (9.2 + 0.06 * np.clip(below, 0, 40))
    return smooth_max(wall, -below, 9.0)


def femoral_cortex_mm(frame: KneeFrame, lattice: Lattice) -> Field:
    """Return the thickness of the cortex (nz, 1, 1), thin at the condyles, thick in the shaft."""
    _, _, w = frame.reference(lattice)
    return frame.cortex * np.interp(w, CORTEX_W_MM, CORTEX_MM).astype(np.float32)
