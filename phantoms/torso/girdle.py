"""The shoulder girdle of hanging arms: where its joints lie, collar bones, shoulder blades and upper arms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sheet import Sheet, rope_distance, sheet_distance
from medsynth.shapes.sweep import Sweep, spline_mm, sweep_distance
from phantoms.torso.bone_paint import bones_paint
from phantoms.torso.frame import RIB_LAYER_MM, Frame
from phantoms.torso.table import labels

Field = NDArray[np.floating[Any]]
Points = NDArray[np.float64]

STEP_MM = 1.5
# The blade of a left shoulder: reference heights, angle from the front of its medial and its lateral border, and how
# far the lateral border stands off the ribs (mm). It lies over ribs 2-7, 33 degrees off the coronal plane, some 155 mm
# high (facts, unverified).
BLADE_Z_MM: Final = (132.0, 104.0, 78.0, 48.0, 18.0, -12.0)
MEDIAL_DEG: Final = (133.0, 147.0, 151.0, 150.0, 149.0, 143.0)
LATERAL_DEG: Final = (113.0, 104.0, 107.0, 114.0, 123.0, 137.0)
STAND_OFF_MM: Final = (8.0, 12.0, 10.0, 6.0, 3.0, 1.0)
ON_RIBS_MM = 9.0  # subscapularis between ribs and blade
PLATE_MM, MEDIAL_EDGE_MM, LATERAL_EDGE_MM = 1.1, 1.9, 4.4  # half thicknesses
ROLLED_DEG = 21.0  # how far the blade slides around the ribs when the shoulders roll forwards
HEAD_MM = 23.0  # radius of the humeral head (48 mm across in men)
ARM_MM = 312.0  # from the head's middle to the elbow's axis
ABDUCTION_DEG: Final = {1: (11.0, 30.0), 2: (30.0, 44.0)}  # least and most, arms hanging and hands on hips
CLEAR_MM = 7.0  # air between arm and chest, where the angle allows
CORTEX_MM = 1.3
SHAFT_CORTEX_MM = 4.0


@dataclass(frozen=True, eq=False)
class Shoulder:
    """Where the left shoulder's joints lie (LPS mm); the right one is its mirror image.

    Attributes
    ----------
    glenoid : middle of the socket.
    facing : unit vector out of it.
    head : middle of the humeral head.
    elbow : middle of the elbow's axis.
    tip : middle of the acromion's outer end.
    joint : where collar bone and acromion meet.
    """

    frame: Frame

    @property
    def roll_deg(self) -> float:
        """How far the blade has slid forwards around the ribs."""
        return ROLLED_DEG if self.frame.arms_down == 2 else 0.0

    @cached_property
    def blade(self) -> Points:
        """Points of the blade, (6 heights, 4 from medial to lateral, 3)."""
        rows = []
        for z, medial, lateral, off in zip(BLADE_Z_MM, MEDIAL_DEG, LATERAL_DEG, STAND_OFF_MM, strict=True):
            share = np.array([0.0, 0.34, 0.68, 1.0])
            angle = medial + (lateral - medial) * share - self.roll_deg
            # The lower corner of a rolled blade swings out further than its upper one.
            angle = angle - (self.roll_deg > 0) * 0.05 * (60.0 - z)
            out = RIB_LAYER_MM + ON_RIBS_MM + off * self.frame.width * share**1.6 - 2.0 * np.sin(np.pi * share)
            rows.append(self.frame.cavity.point_mm(angle, z * self.frame.height, out))
        return np.array(rows)

    @cached_property
    def facing(self) -> Points:
        """Unit vector out of the socket: along the blade, a little up."""
        along = self.blade[1, 3] - self.blade[1, 0]
        along[2] = 0.10 * np.linalg.norm(along)
        return np.asarray(along / np.linalg.norm(along))

    @cached_property
    def glenoid(self) -> Points:
        """Middle of the socket."""
        return np.asarray(self.blade[1, 3] + 9.0 * self.frame.bone * self.facing)

    @cached_property
    def head(self) -> Points:
        """Middle of the humeral head."""
        return np.asarray(self.glenoid + (HEAD_MM * self.frame.bone + 3.5) * self.facing)

    @cached_property
    def down(self) -> Points:
        """Unit vector from the head to the elbow: as near to the chest as it lets the arm hang."""
        least, most = ABDUCTION_DEG[self.frame.arms_down]
        z = np.array([30.0, 0.0, -40.0, -80.0]) * self.frame.height
        chest = self.frame.skin_surface.point_mm(90.0, z)[:, 0]
        forwards = -0.10 if self.frame.arms_down == 2 else 0.04
        for angle in np.arange(least, most + 0.1, 1.0):
            slope = np.tan(np.radians(angle))
            inner = self.head[0] + 6.0 + slope * (self.head[2] - z) - self.girth_mm(0.5)
            if np.all(inner - chest > CLEAR_MM):
                break
        way = np.array([np.sin(np.radians(angle)), forwards, -np.cos(np.radians(angle))])
        return np.asarray(way / np.linalg.norm(way))

    @cached_property
    def elbow(self) -> Points:
        """Middle of the elbow's axis."""
        return np.asarray(self.head + ARM_MM * self.frame.height * self.down)

    @cached_property
    def tip(self) -> Points:
        """Middle of the acromion's outer end: over the head's outer half."""
        return np.asarray(self.head + np.array([9.0, 4.0, HEAD_MM + 10.5]) * self.frame.bone)

    @cached_property
    def joint(self) -> Points:
        """Where collar bone and acromion meet: the acromion's medial edge."""
        return np.asarray(self.tip + np.array([-17.0, -7.0, 0.5]) * self.frame.bone)

    def girth_mm(self, along: float) -> float:
        """Radius of the arm with its skin at a share of its length."""
        return self.muscle_mm(along) + self.fat_mm

    def muscle_mm(self, along: float) -> float:
        """Radius of the arm's muscles at a share of its length."""
        size = 0.55 + 0.45 * self.frame.muscle
        return float(np.interp(along, [-0.1, 0.0, 0.14, 0.3, 0.55, 0.85, 1.0], [30, 43, 46, 41, 41, 36, 34]) * size)

    @property
    def fat_mm(self) -> float:
        """Thickness of fat and skin of the arm."""
        return 1.8 + max(2.5, 7.0 * self.frame.fat**0.8)

    @cached_property
    def axis(self) -> Points:
        """Points of the arm's axis from above the head to the elbow, (n, 3)."""
        start = self.head + np.array([4.0, 2.0, 0.0])
        return spline_mm(np.stack([start - 4.0 * self.down, start + 0.5 * (self.elbow - start), self.elbow]), 6.0)

    def envelope(self, lattice: Lattice, with_skin: bool) -> NDArray[np.float32]:
        """Return the distance to the arm's outline on a lattice of the left half."""
        along = np.linspace(-0.03, 1.0, len(self.axis))
        radius = np.array([self.muscle_mm(t) for t in along]) + (self.fat_mm if with_skin else 0.0)
        return rope_distance(self.axis, radius, lattice, 60.0)


def mirrored(points: Points, sign: float) -> Points:
    """Return the points of the left side, or mirrored to the right one."""
    return points * np.array([sign, 1.0, 1.0])


def girdle_paints(frame: Frame) -> list[Paint]:
    """Return collar bones, shoulder blades and upper arms of both sides."""
    shoulder, paints = Shoulder(frame), []
    for side, sign in (("right", -1.0), ("left", 1.0)):
        paints += _clavicle(frame, shoulder, side, sign)
    for side, sign in (("right", -1.0), ("left", 1.0)):
        paints += _blade_and_arm(frame, shoulder, side, sign)
    return paints


def clavicle_axis(frame: Frame, shoulder: Shoulder) -> Points:
    """Return the left collar bone's S-shaped axis from the breastbone to the acromion."""
    top = frame.cavity.point_mm(0.0, MANUBRIUM_NOTCH_MM * frame.height)
    start = np.array([24.0 * frame.width, float(top[1]) - 7.0, (MANUBRIUM_NOTCH_MM + 1.0) * frame.height])
    chord = shoulder.joint - start
    knots = [start]
    # Convex to the front in its medial two thirds, to the back in its lateral one; it bows up a little.
    for t, front, up in ((0.2, 7.0, 1.0), (0.4, 9.0, 3.0), (0.62, 0.0, 3.5), (0.82, -8.0, 2.0)):
        knots.append(start + t * chord + np.array([0.0, -front, up]))
    return spline_mm(np.stack([*knots, shoulder.joint - np.array([3.0, 0, 0])]), 4.0)


MANUBRIUM_NOTCH_MM = 121.0


def _clavicle(frame: Frame, shoulder: Shoulder, side: str, sign: float) -> list[Paint]:
    axis = mirrored(clavicle_axis(frame, shoulder), sign)
    along = np.linspace(0, 1, len(axis))
    high = np.interp(along, [0, 0.08, 0.25, 0.6, 0.85, 1], [11.5, 9.5, 7.0, 6.4, 6.4, 5.8]) * frame.bone
    deep = np.interp(along, [0, 0.08, 0.25, 0.6, 0.85, 1], [11.0, 8.8, 7.0, 6.8, 9.6, 9.2]) * frame.bone
    lattice = Lattice(tuple((axis.min(0) - 15).tolist()), tuple((axis.max(0) + 15).tolist()), STEP_MM)
    field, _ = sweep_distance(Sweep(axis, np.tile([0, 1.0, 0], (len(axis), 1)), deep, high), lattice, 8.0)
    field = field + 0.35 * lattice.noise(frame.noise_seed(33), 9.0)
    return [bones_paint(lattice, {f"clavicle_{side}": field}, 2.0)]


def _blade_and_arm(frame: Frame, shoulder: Shoulder, side: str, sign: float) -> list[Paint]:
    points = shoulder.blade.reshape(-1, 3)
    corners = np.concatenate([points, [shoulder.tip, shoulder.head, shoulder.joint]])
    low, high = corners.min(0) - 34.0, corners.max(0) + 34.0
    lattice = _side(tuple(low.tolist()), tuple(high.tolist()), sign)
    arm, _ = _humerus(frame, shoulder, lattice, sign)
    blade = np.maximum(_blade(frame, shoulder, lattice, sign), 3.2 - arm)
    made = [bones_paint(lattice, {f"scapula_{side}": blade}, CORTEX_MM)]
    reach = 34.0 * frame.bone
    ends = np.stack([shoulder.head, shoulder.elbow])
    low, high = ends.min(0) - reach, ends.max(0) + reach
    low[2] = max(float(low[2]), frame.low_z_mm * frame.height - 4.0)
    high[0] = min(float(high[0]), float(frame.lattice.high_mm[0]) + 6.0)
    shaft = _side(tuple(low.tolist()), tuple(high.tolist()), sign)
    bone, medulla = _humerus(frame, shoulder, shaft, sign)
    names = labels()
    return [
        *made,
        Paint(shaft.shape_near(bone), (Layer(names[f"humerus_{side}"]),)),
        Paint(shaft.shape_near(np.maximum(medulla, bone + 1.0)), (Layer(names[f"humerus_{side}_marrow"]),)),
    ]


def _side(low: tuple[float, float, float], high: tuple[float, float, float], sign: float) -> Lattice:
    if sign > 0:
        return Lattice(low, high, STEP_MM)
    return Lattice((-high[0], low[1], low[2]), (-low[0], high[1], high[2]), STEP_MM)


def _humerus(frame: Frame, shoulder: Shoulder, lattice: Lattice, sign: float) -> tuple[Field, Field]:
    """Return the bone and its marrow cavity: ball, tubercles, neck, shaft, and the broad lower end with its hollows."""
    b = frame.bone
    down = shoulder.down
    out = np.array([1.0, 0.0, 0.0]) - down[0] * down
    out /= np.linalg.norm(out)
    front = np.cross(down, out)
    front *= -np.sign(front[1])
    head = shoulder.head
    root = head + b * (15.0 * out + 6.0 * down)
    length = float(np.linalg.norm(shoulder.elbow - root))

    def at(t: float) -> Points:
        return np.asarray(root + t * length * (shoulder.elbow - root) / length)

    axis = spline_mm(np.stack([at(0.02), at(0.12), at(0.3), at(0.6), at(0.85), at(0.95)]), 5.0)
    along = np.linspace(0.02, 0.95, len(axis))
    places = [0, 0.06, 0.12, 0.2, 0.4, 0.7, 0.82, 0.9, 0.95]
    wide = np.interp(along, places, [19, 17, 14, 12.4, 11.4, 11, 13.5, 19, 24]) * b
    deep = np.interp(along, places, [18, 17, 14, 12.2, 11.2, 9.8, 8.4, 7, 6]) * b
    mirror = mirrored(axis, sign)
    shaft, arc = sweep_distance(
        Sweep(mirror, np.tile(mirrored(out, sign), (len(axis), 1)), wide, deep), lattice, 14.0)
    ball = _sphere(lattice, mirrored(head, sign), HEAD_MM * b)
    greater = _sphere(lattice, mirrored(root + b * (5.0 * out - 11.0 * down), sign), 12.0 * b)
    lesser = _sphere(lattice, mirrored(root + b * (-4.0 * out - 2.0 * down + 13.0 * front), sign), 8.0 * b)
    roll = spline_mm(np.stack([shoulder.elbow - 21 * b * out, shoulder.elbow, shoulder.elbow + 20 * b * out]), 3.0)
    trochlea = rope_distance(mirrored(roll, sign), np.interp(np.linspace(0, 1, len(roll)), [0, .3, .55, .8, 1],
                                                             [11, 12.5, 8.5, 11, 10]) * b, lattice, 14.0)  # fmt: skip
    bone = smooth_min(smooth_min(shaft, ball, 5.0), smooth_min(greater, lesser, 3.0), 4.0)
    bone = smooth_min(bone, trochlea, 5.0) + 0.35 * lattice.noise(frame.noise_seed(36), 14.0)
    # Cortex 4 mm in the shaft, thin at both ends.
    share = arc / max(float(np.linalg.norm(axis[-1] - axis[0])), 1.0)
    cortex = np.interp(share, [0.0, 0.08, 0.18, 0.3, 0.7, 0.85, 1.0], [1.2, 1.4, 2.6, 4.0, 4.2, 2.4, 1.3]) * b
    cortex = np.where(shaft < 13.5, cortex, 1.3)
    return np.asarray(bone, np.float32), np.asarray(bone + cortex, np.float32)


def _sphere(lattice: Lattice, middle: Points, radius: float) -> Field:
    x, y, z = (axis - np.float32(m) for axis, m in zip((lattice.x, lattice.y, lattice.z), middle, strict=True))
    return np.asarray(np.sqrt(x * x + y * y + z * z) - np.float32(radius), np.float32)


def _blade(frame: Frame, shoulder: Shoulder, lattice: Lattice, sign: float) -> Field:
    """Return the shoulder blade: plate with thick borders, neck and socket, spine, acromion and coracoid."""
    b = frame.bone

    def rope(points: list[Points], radii: list[float]) -> Field:
        axis = spline_mm(mirrored(np.stack(points), sign), 2.0)
        return rope_distance(axis, np.interp(np.linspace(0, 1, len(axis)), np.linspace(0, 1, len(radii)), radii) * b,
                             lattice, 10.0)  # fmt: skip

    half = np.tile([MEDIAL_EDGE_MM, PLATE_MM, PLATE_MM + 0.6, LATERAL_EDGE_MM], (len(BLADE_Z_MM), 1)) * b
    half[0] = [2.4, 1.6, 1.6, 3.0]
    half[-1] = [3.2, 3.0, 3.0, 3.6]
    plate = sheet_distance([Sheet(mirrored(shoulder.blade, sign), half)], lattice, 10.0)
    middle = shoulder.blade[1]
    socket, out = shoulder.glenoid, shoulder.facing
    neck = rope([middle[2], middle[3], socket - 4.0 * b * out], [5.0, 9.0, 12.5])
    # The socket: a shallow pear, 37 x 27 mm.
    axes, at = (lattice.x, lattice.y, lattice.z), mirrored(socket, sign)
    rel = [axis - np.float32(m) for axis, m in zip(axes, at, strict=True)]
    o = mirrored(out, sign)
    depth = rel[0] * o[0] + rel[1] * o[1] + rel[2] * o[2]
    across = np.sqrt(np.maximum(rel[0] ** 2 + rel[1] ** 2 - (rel[0] * o[0] + rel[1] * o[1]) ** 2, 0))
    pear = (np.sqrt((across / (13.5 * b)) ** 2 + (rel[2] / (18.5 * b)) ** 2) - 1) * 13.5 * b
    cup = smooth_max(np.abs(depth + 3.0 * b) - 4.5 * b, pear, 3.0)
    ball = _sphere(lattice, mirrored(shoulder.head, sign), (HEAD_MM + 2.8) * b)
    cup = np.maximum(cup, -ball)
    # The spine rises from the medial border and ends in the acromion, which turns to the front over the head.
    root = shoulder.blade[1, 0] * 0.75 + shoulder.blade[2, 0] * 0.25
    back = np.cross(out, [0.0, 0.0, 1.0])
    back *= np.sign(back[1])
    rise = root + 0.55 * (socket - root) + back * 17.0 * b + [0, 0, 6.0]
    corner = shoulder.tip + np.array([-6.0, 24.0, -4.0]) * b
    crest = Sheet(mirrored(np.stack([
        np.stack([root, root + 0.5 * (socket - root), socket - 12 * out + back * 4.0]),
        np.stack([root + back * 2.0 + [0, 0, 2.0], rise, corner]),
    ]), sign), np.array([[1.6, 1.8, 2.4], [3.0, 3.6, 4.2]]) * b)  # fmt: skip
    ridge = sheet_distance([crest], lattice, 10.0)
    roof = Sheet(mirrored(np.stack([
        np.stack([corner + np.array([-12.0, -2.0, 0.0]) * b, shoulder.tip + np.array([-14.0, 4.0, 1.5]) * b,
                  shoulder.tip + np.array([-13.0, -15.0, 0.0]) * b]),
        np.stack([corner + np.array([5.0, -4.0, -1.0]) * b, shoulder.tip + np.array([6.0, 2.0, -2.0]) * b,
                  shoulder.tip + np.array([-2.0, -17.0, -1.5]) * b]),
    ]), sign), np.full((2, 3), 4.0) * b)  # fmt: skip
    acromion = sheet_distance([roof], lattice, 10.0)
    # The coracoid: from the neck's top up and forwards, then a hook to the side.
    base = socket - 16.0 * b * out + np.array([0.0, -6.0, 15.0]) * b
    hook = np.array([[0.0, 0.0, -6.0], [2.0, -14.0, 12.0], [12.0, -27.0, 9.0], [21.0, -34.0, 1.0]])
    coracoid = rope(list(base + hook * b), [9.0, 7.5, 6.0, 6.5])
    field = smooth_min(smooth_min(plate, neck, 5.0), smooth_min(ridge, acromion, 4.0), 4.0)
    field = smooth_min(smooth_min(field, coracoid, 4.0), cup, 3.0)
    return np.asarray(field + 0.3 * lattice.noise(frame.noise_seed(37), 8.0), np.float32)
