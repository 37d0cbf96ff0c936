"""What lies around the bones: the outline with skin and fat, muscles, tendons and vessels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from hand_body.frame import DIGITS, Array, Frame
from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_min
from medsynth.shapes.lattice import Field, Lattice
from medsynth.shapes.sweep import Sweep, spline_mm, sweep_distance, sweep_fields
from medsynth.shapes.tubes import Tubes
from phantoms.table import read_labels

STEP_MM = 2.0
MUSCLE_STEP_MM = 1.0
SKIN_MM = 1.4  # of palm and back, epidermis and dermis (unverified; 0.5-1.5 mm, thicker in the palm)
REACH_MM = 15.0  # beyond this from the skin nothing is asked of the outline

# Half width and half depth of a finger at its knuckle, middle of the proximal phalanx, its joint, middle of the next,
# the last joint, the nail's middle and near the tip (mm, middle finger; unverified, a ring of 18-20 mm fits).
FINGER_MM = ((10.5, 10.5), (9.6, 9.4), (9.9, 9.2), (8.9, 8.4), (8.6, 7.7), (8.1, 7.5), (6.6, 6.0))
FINGER_SCALE = {"thumb": 1.16, "index": 0.98, "middle": 1.0, "ring": 0.95, "little": 0.84}
PULP_MM = 3.9  # soft tissue beyond the bone's end (Buryanov and Kotiuk 2010: 3.7-4.0, thumb 5.7)
PALMAR_MM = 1.6  # a finger's bones lie this much behind its middle

# Muscles as spindles: points of the axis and half-axes across and along the palm's normal, both in reference mm.
THENAR = (((8, -15, -12), (19, -18.5, -3), (33, -24, 9), (46, -29, 26)), (6, 12, 12, 5), (4.5, 8.5, 9, 4.5))
HYPOTHENAR = (((-15, -14, -15), (-23, -12, 0), (-31, -10.5, 22), (-38, -10, 46)), (6, 10.5, 10, 5), (5, 9, 8.5, 4.5))
ADDUCTOR = (((1, -9.5, 26), (18, -14, 28), (36, -21, 29), (48, -26, 32)), (17, 14, 10, 5), (3.4, 4.6, 4.8, 3.5))
INTEROSSEI = (
    (((25, -8, 4), (30, -10, 18), (29.5, -7, 38), (26, -2, 60)), (6, 9, 8.5, 3), (5, 8.5, 8, 3.5)),
    (((7.3, -2.5, 7), (10.5, -3.5, 24), (12.5, -3.5, 44), (13, -3, 60)), (4, 6.5, 6.5, 2.6), (5.5, 8.5, 8, 3.5)),
    (((-5.5, -2.5, 6), (-7, -3.5, 22), (-8.5, -3.5, 40), (-9, -3, 56)), (4, 6, 6, 2.6), (5.5, 8.3, 7.8, 3.5)),
    (((-16.5, -3.5, 3), (-20.5, -4.5, 18), (-24.5, -4.5, 34), (-26.5, -4, 48)), (3.8, 6, 6, 2.6), (5, 7.8, 7.3, 3.5)),
)
# One lumbrical on the thumb's side of each flexor tendon, from the carpal tunnel to the knuckle.
LUMBRICALS = (
    (((3, -11, 4), (14, -12, 26), (23, -10, 54)), (3, 4.2, 2), (2.4, 3.2, 1.6)),
    (((0, -11, 6), (4, -12, 28), (6.5, -10, 55)), (3, 4, 2), (2.4, 3, 1.6)),
    (((-4, -11, 6), (-8, -12, 26), (-12.5, -10, 50)), (3, 4, 2), (2.4, 3, 1.6)),
    (((-8, -11, 5), (-18, -12, 24), (-27, -11, 45)), (2.6, 3.6, 1.8), (2.2, 2.8, 1.5)),
)


def outline(frame: Frame, lattice: Lattice, fat_mm: float) -> Field:
    """Return the signed distance to the skin's surface."""
    palm = np.full(lattice.shape, REACH_MM, np.float32)
    for sweep in _palm(frame, fat_mm):
        palm = smooth_min(palm, sweep_distance(sweep, lattice, REACH_MM)[0], 12.0)
    fingers = np.full(lattice.shape, REACH_MM, np.float32)
    for digit in DIGITS:
        fingers = np.minimum(fingers, sweep_distance(_finger(frame, digit, fat_mm), lattice, REACH_MM)[0])
    skin = smooth_min(palm, fingers, 7.0)
    return skin + 0.5 * lattice.noise(frame.noise_seed("outline"), 22.0)


def _finger(frame: Frame, digit: str, fat_mm: float) -> Sweep:
    """Return a digit from its knuckle to the tip of its pulp."""
    ray = frame.rays[digit]
    first, last, back = ray[1], ray[-1], -PALMAR_MM * frame.breadth
    middle = ray[2] if len(ray) == 4 else ray[1]
    tip = last.end_mm + (PULP_MM - 6.0) * frame.breadth * last.along
    stations = [first.at(-0.12, 0, back), first.at(0.45, 0, back), first.at(1.0, 0, back), middle.at(0.5, 0, back),
                last.at(-0.05, 0, back), last.at(0.55, 0, back), tip + back * last.back]  # fmt: skip
    sizes = np.array(FINGER_MM) * frame.breadth * FINGER_SCALE[digit] + fat_mm
    if len(ray) == 3:  # the thumb has one phalanx less
        stations, sizes = stations[:3] + stations[4:], np.delete(sizes, 3, axis=0)
    axis = spline_mm(stations, 4.0)
    knots = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(stations, axis=0), axis=1))])
    along = np.linspace(0, knots[-1], len(axis))
    wide, deep = (np.interp(along, knots, sizes[:, k]) for k in (0, 1))
    return Sweep(axis, np.tile(first.width, (len(axis), 1)), wide, deep, 2.2)


def _palm(frame: Frame, fat_mm: float) -> Iterable[Sweep]:
    """Return the sweeps that make up wrist and palm."""
    b = frame.breadth
    yield _spindle(frame, ((0, -1.5, -90), (0, -1.5, -40), (0.5, -2.5, -22)), (28, 30, 28), (21, 20, 18.5), fat_mm)
    for digit, wide, deep in (("index", 11, 14.5), ("middle", 10, 14.5), ("ring", 10, 14), ("little", 10, 12.5)):
        bone = frame.rays[digit][0]
        ends = [bone.at(s, 0, -3.8 * b) for s in (-0.25, 0.3, 0.7, 1.0)]
        axis = spline_mm(ends, 5.0)
        flat, thick = np.linspace(wide, wide + 1, len(axis)) * b, np.linspace(deep, deep - 2, len(axis)) * b
        yield Sweep(axis, np.tile(bone.width, (len(axis), 1)), flat + fat_mm, thick + fat_mm)
    yield _spindle(frame, ((17, -12, -16), (31, -18, 4), (43, -23, 20)), (15, 15, 12.5), (13, 13, 12), fat_mm)
    yield _spindle(frame, ((24, -9, 0), (31, -10, 18), (33, -9, 30)), (12, 11, 6), (9, 8, 5), fat_mm)
    yield _spindle(frame, ((-18, -10, -14), (-25, -9, 4), (-32, -8, 34)), (12, 13, 10), (12, 12.5, 10), fat_mm)


def _spindle(
    frame: Frame, points: ArrayLike, wide: Sequence[float], deep: Sequence[float], more_mm: float = 0.0
) -> Sweep:
    """Return a sweep along reference points with the half-axis `wide` across the palm and `deep` along its normal."""
    axis = spline_mm(frame.at(points), 4.0)
    knots, along = np.linspace(0, 1, len(wide)), np.linspace(0, 1, len(axis))
    first, second = (np.interp(along, knots, half) * frame.breadth + more_mm for half in (wide, deep))
    tangent = np.gradient(axis, axis=0)
    across = np.cross(tangent, [0.0, 1.0, 0.0])
    return Sweep(axis, across, first, second)


def cover_paints(lattice: Lattice, skin: Field) -> list[Paint]:
    """Return skin and the fat under it, which fills whatever is painted over later."""
    labels = read_labels("hand_body")
    layers = (Layer(labels["skin"]), Layer(labels["subcutaneous_fat"], SKIN_MM))
    return [Paint(lattice.shape_of(skin), layers)]


def muscle_paints(frame: Frame, lattice: Lattice, skin: Field) -> list[Paint]:
    """Return the muscles of the palm, kept inside the fat."""
    labels = read_labels("hand_body")
    spindles = {
        "adductor_pollicis": ADDUCTOR, "thenar_muscles": THENAR, "hypothenar_muscles": HYPOTHENAR,
        **{f"interosseous_{n + 1}": shape for n, shape in enumerate(INTEROSSEI)},
    }  # fmt: skip
    owners = [*spindles, *("lumbricals" for _ in LUMBRICALS)]
    sweeps = [_spindle(frame, *shape) for shape in (*spindles.values(), *LUMBRICALS)]
    merged = sweep_fields(sweeps, lattice, 6.0)
    ripple = 0.6 * lattice.noise(frame.noise_seed("muscle"), 9.0) + 0.3 * lattice.noise(frame.noise_seed("fibre"), 4.0)
    field = np.maximum(merged.values_mm + ripple, skin + SKIN_MM + 1.6)
    return [Paint(lattice.shape_of(field, merged.owner), (Layer(tuple(labels[name] for name in owners)),))]


def tendon_paints(frame: Frame, inside: tuple[int, ...]) -> list[Paint]:
    """Return the tendons: flexors through the carpal tunnel, extensors over the back of the hand."""
    labels = read_labels("hand_body")
    flexors, extensors = [], []
    for n, digit in enumerate(DIGITS):
        ray, b = frame.rays[digit], frame.breadth
        row = -12.5 - 1.2 * (n % 2)  # in the tunnel they lie in two rows
        tunnel = frame.at([(7 - 3.4 * n, -13.5, -60), (6.5 - 3.0 * n, row, -20), (7 - 3.6 * n, -13, -4)])
        palm = [*tunnel, ray[0].at(0.9, 0, -10.5 * b)]
        if digit == "thumb":
            palm = [*tunnel[:2], ray[0].at(0.25, -6 * b, -9 * b), ray[0].at(0.95, 0, -8.5 * b)]
        finger = [s.at(t, 0, -d * b) for s, d in zip(ray[1:], (7.2, 6.0, 4.4), strict=False) for t in (0.25, 0.75)]
        flexors.append((_path([*palm, *finger[:-1]]), 2.3 * b))
        if digit == "thumb":
            wrist = frame.at([(17, 12, -60), (22, 6, -20)])
        else:
            wrist = frame.at([(6 - 3.2 * n, 14, -60), (8 - 4.0 * n, 11.5, -18)])
        back = [s.at(t, 0, d * b) for s, d in zip(ray, (7.2, 5.6, 4.6, 3.4), strict=False) for t in (0.3, 0.9)]
        extensors.append((_path([*wrist, *back[:-1]]), 1.5 * b))
    for x, y in ((17.0, 12.5), (22.5, 8.0), (-20.0, 8.5)):  # wrist extensors and the thumb's long abductor
        extensors.append((_path(frame.at([(x, y, -60), (x, y, -30), (x - np.sign(x) * 2, y - 1.5, -4)])), 1.9))
    for x, y in ((14.0, -15.5), (-17.0, -14.0)):  # wrist flexors
        flexors.append((_path(frame.at([(x, y, -60), (x, y, -34), (x, y + 1.5, -14)])), 2.1))
    return [
        Paint(_tubes(flexors), (Layer(labels["flexor_tendons"]),), inside),
        Paint(_tubes(extensors), (Layer(labels["extensor_tendons"]),), inside),
    ]


def vessels(frame: Frame, lattice: Lattice, skin: Field) -> dict[str, Tubes]:
    """Return arteries and the veins of the back by name, with radii of 0.5 to 1.4 mm (unverified)."""
    b = frame.breadth
    radial = frame.at([(17.5, -15, -60), (19, -14, -36), (26.5, -3, -24), (27.5, 6, -10), (20, 5, 3), (17, -5, 6)])
    ulnar = frame.at([(-15, -17, -60), (-15, -17.5, -34), (-13, -17, -14), (-9, -15.5, 2)])
    arch = frame.at([(-9, -15.5, 2), (-8, -15, 16), (2, -14.5, 25), (13, -14.5, 22), (20, -16, 8)])
    branches = []
    for digit in DIGITS:
        ray = frame.rays[digit]
        for side in (-1.0, 1.0):
            share, wide, deep = (0.6, 5.0, 9.0) if digit == "thumb" else (0.75, 7.0, 11.0)
            along = [ray[0].at(share, side * wide * b, -deep * b)]
            along += [
                s.at(t, side * w * b, -4.2 * b)
                for s, w in zip(ray[1:], (6.3, 5.8, 4.6), strict=False)
                for t in (0.15, 0.8)
            ]
            branches.append((_path(along), 0.55))
    veins = []
    for x in (14.0, 2.0, -9.0, -21.0):
        sway = np.random.Generator(np.random.PCG64(frame.noise_seed(f"vein{x}"))).uniform(-3, 3, 4)
        across = np.array([0.6, 1.0, 1.1, 1.3]) * x + sway
        run = _path(frame.at([(a, 0.0, z) for a, z in zip(across, (-46, -16, 16, 46), strict=True)]))
        run[:, 1] = _back_of_hand(lattice, skin, run, 2.6)
        veins.append((run, 0.9))
    return {
        "radial_artery": _tubes([(_path(radial), 1.3)]),
        "ulnar_artery": _tubes([(_path(ulnar), 1.3)]),
        "palmar_arch": _tubes([(_path(arch), 1.0)]),
        "digital_arteries": _tubes(branches),
        "dorsal_veins": _tubes(veins),
    }


def _back_of_hand(lattice: Lattice, skin: Field, points: Array, deep_mm: float) -> Array:
    """Return y of the back of the hand, `deep_mm` under the skin, at the x and z of points."""
    i, j = (np.rint((points[:, a] - lattice.origin_mm[a]) / lattice.step_mm).astype(int) for a in (0, 2))
    inside = skin[j, :, i] < -deep_mm  # (points, nodes along y)
    last = inside.shape[1] - 1 - np.argmax(inside[:, ::-1], axis=1)
    return np.convolve(np.pad(lattice.y.ravel()[last], 3, mode="edge"), np.full(7, 1 / 7), "valid")


def _path(points: ArrayLike) -> Array:
    return spline_mm(points, 2.0)


def _tubes(paths: Sequence[tuple[Array, float]]) -> Tubes:
    """Return capsules along paths of constant radius; each one continues the one before it."""
    starts = np.concatenate([path[:-1] for path, _ in paths])
    ends = np.concatenate([path[1:] for path, _ in paths])
    radii = np.concatenate([np.full(len(path) - 1, radius) for path, radius in paths])
    first = np.cumsum([0, *(len(path) - 1 for path, _ in paths)])[:-1]
    parents = np.arange(len(starts)) - 1
    parents[first] = -1
    return Tubes(starts, ends, radii, radii, parents)
