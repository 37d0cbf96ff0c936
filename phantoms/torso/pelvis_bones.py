"""Sacrum, coccyx, hip bones and the upper halves of the thigh bones, with the joints between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.sheet import Sheet, rope_distance, sheet_distance
from medsynth.shapes.sweep import Sweep, spline_mm, sweep_distance
from phantoms.torso.frame import HIP_CENTRE_MM, Frame
from phantoms.torso.table import labels

Field = NDArray[np.floating[Any]]

STEP_MM = 1.5
FAR_MM = 9.0  # distances are not needed beyond
HEAD_MM, SOCKET_MM = 24.0, 27.0  # radii of the femoral head (48 mm across) and of the bony socket (54 mm)
CORTEX_MM = 1.1  # of the flat bones; 1-2 mm at the crest (unverified)
SHAFT_CORTEX_MM = 6.0  # of the femoral shaft
JOINT_MM = 2.4  # width of the sacro-iliac joint
SHAFT_END_MM = -455.0  # below it the thigh bones are painted on a lattice of their own

# The left hip bone in reference mm; rows of a sheet run from its front edge to its back edge. Half thickness in mm.
WING = (
    [  # iliac crest from the anterior to the posterior superior spine
        [[120, -46, -303], [134, -22, -266], [127, 22, -239], [98, 66, -252], [50, 94, -300]],
        [[112, -42, -324], [117, -14, -296], [109, 20, -283], [83, 56, -286], [48, 86, -312]],
        [[104, -34, -346], [103, -10, -332], [95, 22, -322], [76, 50, -316], [49, 73, -325]],
        [[98, -20, -362], [93, 0, -360], [85, 20, -354], [70, 44, -341], [54, 64, -334]],
    ],
    [[6.0, 6.5, 5.5, 5.5, 7.0], [5.0, 2.7, 2.2, 4.0, 8.0], [7.5, 5.0, 4.0, 7.0, 8.0], [9.0, 10.0, 9.0, 8.0, 6.0]],
)
Course = tuple[list[list[float]], list[float]]
COLUMNS: tuple[Course, ...] = (  # back column, ischium with its spine, rami and body of the pubis: axis and radii
    ([[76, 42, -358], [78, 47, -386], [68, 50, -416], [57, 46, -440]], [9, 11.5, 12, 12.5]),
    ([[70, 50, -392], [58, 57, -398], [49, 60, -402]], [8, 5, 3]),
    ([[57, 42, -446], [44, 26, -446], [28, 6, -434], [11, -12, -420]], [10, 6.5, 6, 7]),
    ([[82, 0, -376], [60, -20, -378], [38, -29, -383], [14, -32, -392]], [12, 8.5, 7.5, 8.5]),
    ([[10, -32, -395], [9.5, -27, -407], [9, -20, -418]], [8.5, 8, 7.5]),
)
# The left half of the sacrum from the midline outwards, a row for each segment.
SACRUM = (
    [
        [[0, 41, -296], [20, 47, -297], [38, 56, -302], [50, 62, -308]],
        [[0, 61, -318], [20, 65, -319], [36, 70, -322], [48, 73, -325]],
        [[0, 75, -345], [17, 77, -345], [30, 78, -345], [42, 75, -344]],
        [[0, 82, -368], [13, 83, -368], [23, 81, -367], [31, 78, -364]],
        [[0, 82, -390], [8, 82, -390], [14, 81, -389], [20, 79, -386]],
    ],
    [[13, 14, 14.5, 8], [9.5, 12, 13, 8], [7.5, 10, 9.5, 6], [6, 7, 6.5, 4], [5, 5, 4.5, 3.5]],
)
ENDPLATE_MM, SACRAL_SLOPE_DEG = (0.0, 33.0, -284.0), 38.0  # 40 +- 8 degrees
CANAL_MM = [[0, 58, -290], [0, 71, -303], [0, 84, -325], [0, 92, -350], [0, 95, -372]]
ROOF_MM = [[0, 73, -294], [0, 86, -304], [0, 97, -326], [0, 103, -348], [0, 101, -370]]
CREST_KNOBS_MM = [[0, 96, -306], [0, 106, -326], [0, 109, -347]]
FORAMINA_MM = ([24, -309, 5.5], [23, -333, 5.2], [20, -357, 4.2], [16, -379, 3.4])  # x, z, radius
COCCYX: Course = ([[0, 82, -394], [0, 76, -406], [0, 66, -417], [0, 56, -424]], [8.5, 7, 5, 3.2])
SHAFT: Course = ([[131, 33, -418], [129, 31, -440], [124, 25, -500], [117, 18, -570], [110, 13, -660]],
                 [17, 16, 14.5, 14, 14])  # fmt: skip


@dataclass(frozen=True, eq=False)
class PelvisBones:
    """Distance to every bone of the pelvis (at most `FAR_MM`), and the paints."""

    bone: SampledShape
    paints: list[Paint]


def place(frame: Frame, points: ArrayLike, sign: float = 1.0) -> NDArray[np.float64]:
    """Return reference points of the left bony pelvis in this body; sign -1 gives the right side.

    A woman's outlet is wider: the lower the point, the farther out.
    """
    points = np.array(points, float)
    wider = 1 + (frame.outlet - 1) * np.clip((-365.0 - points[..., 2]) / 60.0, 0, 1)
    points[..., 0] *= sign * wider
    return frame.at(points)


def build_pelvis_bones(frame: Frame) -> PelvisBones:
    """Return the bones; built for the left side, mirrored, then roughened unevenly."""
    half = _half_lattice(frame)
    hip, sacrum, coccyx, femur = _hip(frame, half), _sacrum(frame, half), _coccyx(frame, half), _femur(frame, half)
    sacrum = smooth_min(sacrum, coccyx, 1.0)
    ball = _ball(frame, half)
    hip = np.maximum(smooth_max(hip, SOCKET_MM * frame.bone - ball, 1.5), 2.2 - half.x)
    # Both sides of the sacro-iliac joint end halfway, with an uneven gap.
    hip, sacrum = np.maximum(hip, (hip - sacrum + JOINT_MM) / 2), np.maximum(sacrum, (sacrum - hip + JOINT_MM) / 2)
    whole = Lattice((-half.high_mm[0], half.low_mm[1], half.low_mm[2]), half.high_mm, STEP_MM)
    parts = np.stack([_mirrored(part) for part in (hip, sacrum, femur)])
    owner = parts.argmin(axis=0).astype(np.uint8)
    rough = 0.45 * whole.noise(frame.noise_seed(80), 16.0) + 0.22 * whole.noise(frame.noise_seed(81), 6.0)
    bone = parts.min(axis=0) + rough
    left = np.broadcast_to(whole.x > 0, whole.shape)
    tip = np.broadcast_to(whole.z < -393.0 * frame.height, whole.shape)
    owner = np.select([owner == 0, owner == 1], [left * 1, 2 + tip], 4 + left).astype(np.uint8)
    shape = whole.shape_near(bone, owner)
    return PelvisBones(shape, _paints(frame, whole, bone, shape, owner, parts))


def _half_lattice(frame: Frame) -> Lattice:
    low, high = frame.at([0, -66, SHAFT_END_MM]), frame.at([162, 120, -230])
    floor = max(float(low[2]) - 1.5, frame.low_z_mm * frame.height - 3)
    return Lattice((0.0, float(low[1]), floor), (float(high[0]) + 4, float(high[1]) + 4, float(high[2])), STEP_MM)


def _mirrored(field: Field) -> Field:
    return np.concatenate([field[:, :, :0:-1], field], axis=2)


def _tube(frame: Frame, points: ArrayLike, radii: ArrayLike, lattice: Lattice) -> Field:
    axis = spline_mm(place(frame, points), 3.0)
    given = np.asarray(radii, float)
    radius = np.interp(np.linspace(0, 1, len(axis)), np.linspace(0, 1, len(given)), given) * frame.bone
    return rope_distance(axis, radius, lattice, FAR_MM)


def _ball(frame: Frame, lattice: Lattice) -> Field:
    """Return the distance from the middle of the left hip joint."""
    c = place(frame, HIP_CENTRE_MM)
    return np.sqrt((lattice.x - c[0]) ** 2 + (lattice.y - c[1]) ** 2 + (lattice.z - c[2]) ** 2).astype(np.float32)


def _hip(frame: Frame, lattice: Lattice) -> Field:
    """Return the left hip bone: wing, socket, and the ring of ischium and pubis around the obturator foramen."""
    wing = sheet_distance([Sheet(place(frame, WING[0]), np.array(WING[1]) * frame.bone)], lattice, FAR_MM)
    bone: Field = wing
    for points, radii in COLUMNS:
        bone = smooth_min(bone, _tube(frame, points, radii, lattice), 5.0)
    c, ball = place(frame, HIP_CENTRE_MM), _ball(frame, lattice)
    opening = np.array([0.76, -0.30, -0.58])  # to the side, 19 degrees to the front, and down
    along = (lattice.x - c[0]) * opening[0] + (lattice.y - c[1]) * opening[1] + (lattice.z - c[2]) * opening[2]
    wall = np.abs(ball - (SOCKET_MM + 4.5) * frame.bone) - 4.8 * frame.bone
    cup = smooth_max(wall, (along - 7.0 * frame.bone).astype(np.float32), 4.0)
    notch = np.hypot(lattice.x - c[0] + 8, lattice.y - c[1] + 6) - 11.0 + 0 * lattice.z  # the gap at its lower rim
    cup = np.maximum(cup, np.where(lattice.z < c[2] - 12, -notch, -20.0))
    return smooth_min(bone, np.minimum(cup, FAR_MM).astype(np.float32), 4.0)


def _sacrum(frame: Frame, lattice: Lattice) -> Field:
    """Return the left half of the sacrum: segments and wing, canal with its roof, foramina, the slanting endplate."""
    bone: Field = sheet_distance([Sheet(frame.at(SACRUM[0]), np.array(SACRUM[1]) * frame.bone)], lattice, FAR_MM)
    roof = _tube(frame, ROOF_MM, [4.5, 5, 4.5, 4, 3.5], lattice)
    side = _tube(frame, np.array(ROOF_MM) + [[17, -7, 0], [17, -9, 0], [15, -9, 0], [12, -7, 0], [9, -5, 0]],
                 [6.5, 7.5, 7, 6, 4.5], lattice)
    bone = smooth_min(bone, smooth_min(roof, side, 6.0), 5.0)
    for knob in CREST_KNOBS_MM:
        p = frame.at(knob)
        lump = np.sqrt((lattice.x / 0.6) ** 2 + (lattice.y - p[1]) ** 2 + ((lattice.z - p[2]) / 1.3) ** 2) - 6.0
        bone = smooth_min(bone, lump.astype(np.float32), 4.0)
    canal = _tube(frame, CANAL_MM, [9.5, 9, 7.5, 5.5, 3.5], lattice)
    bone = smooth_max(bone, -canal, 1.5)
    middle_y = np.interp(lattice.z.ravel(), frame.at(SACRUM[0])[::-1, 0, 2], frame.at(SACRUM[0])[::-1, 0, 1])
    for x, z, radius in FORAMINA_MM:
        p = frame.at([x, 0.0, z])
        lean = (lattice.y - middle_y[:, None, None].astype(np.float32)) * 0.25
        hole = np.hypot(lattice.x - p[0] - lean, (lattice.z - p[2] + lean) / 1.1) - radius * frame.bone
        bone = smooth_max(bone, -hole.astype(np.float32), 2.0)
    e, slope = frame.at(ENDPLATE_MM), np.radians(SACRAL_SLOPE_DEG)
    above = (lattice.z - e[2]) * np.cos(slope) - (lattice.y - e[1]) * np.sin(slope) + 0 * lattice.x
    within = np.hypot(lattice.x / 1.35, lattice.y - e[1]) - 19.0 * frame.bone + 0 * lattice.z
    return smooth_max(bone, np.minimum(above, -within).astype(np.float32), 2.5)


def _coccyx(frame: Frame, lattice: Lattice) -> Field:
    bone = _tube(frame, COCCYX[0], COCCYX[1], lattice)
    z = lattice.z / frame.height
    return bone + 1.0 * np.cos((z + 399) * 2 * np.pi / 11.0).astype(np.float32).clip(0, 1)  # three little vertebrae


def _femur(frame: Frame, lattice: Lattice) -> Field:
    """Return the left femoral head, neck and trochanters, and the shaft down to the lattice's end."""
    head = _ball(frame, lattice) - HEAD_MM * frame.bone
    c = np.array(HIP_CENTRE_MM)
    neck = _tube(frame, [c, c + [18, 4, -11], c + [36, 9, -24]], [18, 15.5, 18], lattice)
    greater = _tube(frame, [[133, 35, -424], [139, 42, -408], [140, 46, -395]], [16, 14, 10], lattice)
    lesser = _tube(frame, [[124, 38, -440], [113, 46, -446], [110, 48, -449]], [10, 7.5, 5.5], lattice)
    shaft = _tube(frame, SHAFT[0], SHAFT[1], lattice)
    bone = smooth_min(np.minimum(head, FAR_MM), neck, 4.0)
    return smooth_min(smooth_min(bone, smooth_min(shaft, greater, 9.0), 7.0), lesser, 6.0)


def _paints(
    frame: Frame, lattice: Lattice, bone: Field, shape: SampledShape, owner: NDArray[np.uint8], parts: Field
) -> list[Paint]:
    """Return the two shafts, then cartilage, cortex and marrow of the pelvis."""
    names = labels()
    hip, sacrum, femur = parts
    c = place(frame, HIP_CENTRE_MM)
    x, z = lattice.x, lattice.z
    from_head = np.sqrt((np.abs(x) - c[0]) ** 2 + (lattice.y - c[1]) ** 2 + (z - c[2]) ** 2)
    joints = np.minimum(np.maximum(hip, sacrum), np.maximum(np.maximum(hip, femur), from_head - 30)) - JOINT_MM
    disc = np.maximum(np.abs(x) - 4.0, np.maximum(hip - 1.6, np.maximum(lattice.y, z + 380 * frame.height)))
    kind = np.where(np.maximum(hip, sacrum) < np.maximum(hip, femur), 0, 2)
    kind = np.where(disc < joints, 4, kind + (x > 0)).astype(np.uint8)
    soft = ("sacroiliac_cartilage_right", "sacroiliac_cartilage_left", "hip_cartilage_right", "hip_cartilage_left")
    cartilage = Layer(tuple(names[n] for n in (*soft, "pubic_symphysis")))
    bones = ("hip_bone_right", "hip_bone_left", "sacrum", "coccyx", "femur_right", "femur_left")
    # The neck's cortex thickens towards the shaft.
    down = np.clip((-404.0 - z / frame.height) / 45.0, 0, 1)
    cortex = np.where(owner >= 4, 1.2 + (SHAFT_CORTEX_MM - 1.2) * down, CORTEX_MM) * frame.bone
    inner = owner + 2 * ((owner >= 4) & (down > 0.75))
    marrow = (*(f"{n}_marrow" for n in bones), "femur_right_medulla", "femur_left_medulla")
    return [
        *_shafts(frame),
        Paint(lattice.shape_near(np.minimum(joints, disc), kind), (cartilage,)),
        Paint(shape, (Layer(tuple(names[n] for n in bones)),)),
        Paint(lattice.shape_near(bone + cortex, inner.astype(np.uint8)), (Layer(tuple(names[n] for n in marrow)),)),
    ]


def _shafts(frame: Frame) -> list[Paint]:
    """Return the shafts from below the lesser trochanter to the end of the built range."""
    names, paints = labels(), []
    top = (SHAFT_END_MM + 14.0) * frame.height  # the upper bone is painted over this end
    if frame.low_z_mm * frame.height > top - 30:
        return []
    for side, sign in (("right", -1.0), ("left", 1.0)):
        axis = spline_mm(place(frame, SHAFT[0], sign), 4.0)
        radius = np.interp(axis[:, 2], place(frame, SHAFT[0])[::-1, 2], SHAFT[1][::-1]) * frame.bone
        inside = axis[axis[:, 2] < top + 20]
        low, high = inside.min(0) - 24, inside.max(0) + 24
        lattice = Lattice((float(low[0]), float(low[1]), max(float(low[2]), frame.low_z_mm * frame.height - 3)),
                          (float(high[0]), float(high[1]), top), 2.0)
        field, _ = sweep_distance(Sweep.round(axis, radius), lattice, 9.0)
        field = np.maximum(field + 0.4 * lattice.noise(frame.noise_seed(82), 20.0), lattice.z - top + 1.0)
        layers = (Layer(names[f"femur_{side}"]), Layer(names[f"femur_{side}_medulla"], SHAFT_CORTEX_MM * frame.bone))
        paints.append(Paint(lattice.shape_of(field), layers))
    return paints
