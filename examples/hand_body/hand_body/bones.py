"""The skeleton: long bones as sweeps with a trochlea at the joints, carpal bones that share their space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from hand_body.frame import DIGITS, GAP_MM, Array, Frame, Segment
from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_min
from medsynth.shapes.contact import compete
from medsynth.shapes.lattice import Field, Lattice
from medsynth.shapes.primitives import Ellipsoid, rotation
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.sweep import Sweep, spline_mm, sweep_distance, sweep_fields
from phantoms.table import read_labels

Point = tuple[float, float, float]

STEP_MM = 0.75
SOCKET_MM = 0.7  # what the rim of a base reaches beyond its hollow
SHEATH_MM = 1.2  # cartilage and capsule around the bones, half a joint space and a little more
FAR_MM = 4.0

# Half width and half depth in mm of base, shaft and head, by digit: metacarpal, then phalanges (unverified; read off
# radiographs, in proportion to Buryanov and Kotiuk's lengths). The tuft of the distal phalanx is flat.
SECTIONS_MM = {
    "thumb": (((7.6, 7.0), (4.9, 4.0), (7.2, 6.2)), ((6.8, 5.4), (4.2, 3.2), (5.6, 4.2)),
              ((6.0, 4.2), (3.1, 2.4), (5.0, 2.0))),
    "index": (((8.2, 7.6), (4.2, 4.3), (7.2, 7.0)), ((7.2, 6.0), (4.3, 3.5), (5.3, 4.3)),
              ((6.0, 4.6), (3.3, 2.7), (4.4, 3.2)), ((4.6, 3.2), (2.1, 1.9), (4.1, 1.7))),
    "middle": (((7.4, 8.0), (4.3, 4.5), (7.2, 7.2)), ((7.3, 6.2), (4.5, 3.7), (5.5, 4.4)),
               ((6.2, 4.8), (3.5, 2.8), (4.6, 3.3)), ((4.8, 3.3), (2.2, 2.0), (4.3, 1.8))),
    "ring": (((5.9, 6.4), (3.6, 3.9), (6.4, 6.6)), ((6.8, 5.7), (4.1, 3.4), (5.1, 4.1)),
             ((5.8, 4.5), (3.3, 2.7), (4.3, 3.1)), ((4.5, 3.2), (2.1, 1.9), (4.1, 1.7))),
    "little": (((6.4, 5.6), (3.6, 3.4), (5.9, 6.0)), ((6.2, 5.0), (3.5, 2.9), (4.5, 3.5)),
               ((5.0, 3.8), (2.7, 2.2), (3.7, 2.7)), ((4.0, 2.8), (1.8, 1.6), (3.5, 1.5))),
}  # fmt: skip
BONES = ("metacarpal", "phalanx_proximal", "phalanx_middle", "phalanx_distal")

# Carpal bones as they lie in a straight wrist: middle, semi-axes (reference mm), turn about x, y, z (degrees). Where
# they meet, they share their joint's surface, so these may overlap.
CARPALS = {
    "scaphoid": ((14.0, -3.0, -20.5), (6.2, 6.8, 12.8), (-22.0, 38.0, 0.0)),
    "lunate": ((-1.5, 0.5, -26.5), (8.3, 8.6, 7.0), (0.0, 6.0, 0.0)),
    "triquetrum": ((-15.0, 1.0, -21.5), (8.0, 6.8, 6.2), (0.0, 38.0, 0.0)),
    "pisiform": ((-17.5, -10.0, -20.5), (4.8, 4.4, 5.8), (0.0, 0.0, 0.0)),
    "trapezium": ((22.5, -5.5, -10.0), (7.6, 7.6, 7.4), (0.0, 35.0, 0.0)),
    "trapezoid": ((12.5, 2.0, -8.0), (6.2, 8.4, 6.8), (0.0, 0.0, 0.0)),
    "capitate": ((0.8, 1.0, -12.0), (7.0, 8.8, 11.8), (0.0, -3.0, 0.0)),
    "hamate": ((-12.0, 0.0, -10.5), (8.4, 7.8, 9.6), (0.0, -22.0, 0.0)),
}
# Share of each bone in the carpus, the same in men and women (Crisco 2005, doi:10.1016/j.jhsa.2004.08.012); the order
# is Patterson's 1995; the shares themselves are recalled, unverified.
CARPAL_SHARE = {
    "capitate": 0.211, "hamate": 0.165, "scaphoid": 0.157, "trapezium": 0.130, "lunate": 0.111,
    "trapezoid": 0.089, "triquetrum": 0.086, "pisiform": 0.051,
}  # fmt: skip
KNOBS: dict[str, tuple[Point, Point, tuple[float, float]]] = {
    "hamate": ((-12.5, -5.0, -8.0), (-12.0, -13.0, -7.0), (3.4, 2.8)),  # the hook
    "trapezium": ((20.0, -9.0, -11.0), (18.0, -13.5, -11.5), (2.8, 2.2)),  # the ridge
    "scaphoid": ((18.5, -7.0, -16.0), (20.0, -11.5, -15.5), (3.8, 3.2)),  # the tubercle
}
STIFFNESS_MM = {"capitate": 1.0, "metacarpals": 1.0, "pisiform": -0.5}
# The forearm's bones: points of the axis with half width and half depth; styloids are knobs at their ends.
FOREARM = {
    "radius": (((11.0, 2.0, -33.0), (14.0, 7.6)), ((10.5, 2.0, -36.0), (15.0, 9.4)), ((9.5, 2.0, -43.0), (12.8, 9.0)),
               ((8.5, 2.0, -52.0), (9.2, 7.4)), ((8.0, 2.0, -90.0), (6.8, 6.6))),
    "ulna": (((-14.5, 4.0, -37.0), (6.4, 6.4)), ((-14.5, 4.0, -39.5), (8.0, 7.8)), ((-14.0, 4.0, -46.0), (6.2, 6.2)),
             ((-13.5, 4.0, -56.0), (5.6, 5.8)), ((-13.0, 4.0, -90.0), (6.0, 6.2))),
}  # fmt: skip
STYLOIDS: dict[str, tuple[Point, Point, tuple[float, float]]] = {
    "radius": ((20.5, 1.0, -36.0), (23.5, 0.0, -27.5), (5.4, 3.0)),
    "ulna": ((-19.0, 6.5, -39.0), (-20.5, 7.5, -31.5), (3.0, 2.0)),
}


@dataclass(frozen=True, eq=False)
class Bones:
    """Bones as one shape; its owner is the index in `names`."""

    lattice: Lattice
    shape: SampledShape
    names: tuple[str, ...]

    def paints(self, near_joints: Field | float, cortex_mm: float, inside: tuple[int, ...]) -> list[Paint]:
        """Return cartilage and capsule where `near_joints` is negative, then cortex and marrow of every bone.

        They cover the labels `inside` alone: a bone never comes through the skin.
        """
        labels = read_labels("hand_body")
        cortex, marrow = (tuple(labels[f"{name}{end}"] for name in self.names) for end in ("", "_marrow"))
        sheath = np.maximum(self.shape.values_mm - SHEATH_MM, near_joints)
        return [
            Paint(self.lattice.shape_of(sheath), (Layer(labels["joint_tissue"]),), inside),
            Paint(self.shape, (Layer(cortex), Layer(marrow, cortex_mm)), inside),
        ]


def build_bones(frame: Frame, lattice: Lattice, carpus_ml: float) -> tuple[Bones, Bones]:
    """Return long and carpal bones; the lattice of the hand has `STEP_MM`, the carpus has the volume `carpus_ml`."""
    sweeps, owners = _long_bones(frame)
    names = tuple(dict.fromkeys(owners))
    plain = sweep_fields(sweeps, lattice, FAR_MM)
    owner = np.array([names.index(name) for name in owners], np.uint8)[plain.owner]
    smooth = gaussian_filter(plain.values_mm, 0.5)  # the creases between a shaft and its trochlea
    for digit, ray in frame.rays.items():
        for n, base in enumerate(_kinds(digit)[1:]):
            socket = _trochlea(frame, digit, n, ray[n])
            _carve(smooth, owner == names.index(f"{base}_{digit}"), lattice, socket)
    long = Bones(lattice, lattice.shape_of(_rough(frame, lattice, smooth), owner), names)
    low, high = frame.at([(-30, -22, -40), (36, 16, 3)])
    wrist = Lattice(tuple(low.tolist()), tuple(high.tolist()), STEP_MM)
    fields = _carpals(frame, wrist, wrist.sample(lattice.shape_of(smooth)), carpus_ml)
    stack = np.stack(list(fields.values()))
    merged = wrist.shape_of(_rough(frame, wrist, stack.min(axis=0)), stack.argmin(axis=0).astype(np.uint8))
    return long, Bones(wrist, merged, tuple(fields))


def _carve(bone: Field, mine: NDArray[np.bool_], lattice: Lattice, socket: Sweep) -> None:
    """Hollow out a base, in place, so that it fits the trochlea that it moves on and leaves the joint's space."""
    low, high = socket.bounds_mm()
    near = Lattice(tuple(np.subtract(low, 6).tolist()), tuple(np.add(high, 6).tolist()), lattice.step_mm)
    first = np.rint(np.subtract(near.origin_mm, lattice.origin_mm)[::-1] / lattice.step_mm).astype(int)
    part = tuple(slice(a, a + n) for a, n in zip(first, near.shape, strict=True))
    hollow = GAP_MM - sweep_distance(socket, near, 6.0)[0]
    bone[part] = np.where(mine[part], np.maximum(bone[part], hollow), bone[part])


def _kinds(digit: str) -> tuple[str, ...]:
    return BONES if digit != "thumb" else (BONES[0], BONES[1], BONES[3])


def _rough(frame: Frame, lattice: Lattice, bone: Field) -> Field:
    """Return a bone with the unevenness of its surface."""
    noise = 0.16 * lattice.noise(frame.noise_seed("bone"), 6.0) + 0.08 * lattice.noise(frame.noise_seed("fine"), 2.5)
    return np.where(bone < 3.0, bone + noise, bone)


def joints(frame: Frame, lattice: Lattice) -> Field:
    """Return the distance to the surroundings of the joints of long bones: a ball around each."""
    balls = [(s.start_mm, 7.5 - 0.9 * n) for ray in frame.rays.values() for n, s in enumerate(ray)]
    balls += [(frame.at(stations[0][0]), 14.0) for stations in FOREARM.values()]
    sweeps = [Sweep.round(np.stack([at - [0, 0, 0.5], at, at + [0, 0, 0.5]]), r * frame.breadth) for at, r in balls]
    return sweep_fields(sweeps, lattice, 1.5).values_mm


def _long_bones(frame: Frame) -> tuple[list[Sweep], list[str]]:
    """Return the sweeps of all long bones and the bone that each belongs to."""
    sweeps, owners = [], []
    for digit in DIGITS:
        for n, (kind, segment) in enumerate(zip(_kinds(digit), frame.rays[digit], strict=True)):
            base, shaft, head = (np.array(s) * frame.breadth for s in SECTIONS_MM[digit][n])
            socket = replace(segment, start_mm=segment.start_mm - SOCKET_MM * segment.along) if n else segment
            parts = [_shaft(socket, base, shaft, head, kind)]
            if kind in BONES[:3]:
                parts.append(_trochlea(frame, digit, n, segment))
            sweeps += parts
            owners += [f"{kind}_{digit}"] * len(parts)
    for name, stations in FOREARM.items():
        points, sizes = (np.array([station[k] for station in stations]) for k in (0, 1))
        axis = spline_mm(frame.at(points), 2.5)
        wide, deep = (np.interp(-axis[:, 2], -frame.at(points)[:, 2], half) for half in (frame.breadth * sizes).T)
        start, end, radii = STYLOIDS[name]
        forearm = Sweep(axis, np.tile([1.0, 0, 0], (len(axis), 1)), wide, deep, 2.6)
        sweeps += [forearm, _cone(frame, start, end, radii)]
        owners += [name, name]
    return sweeps, owners


def _shaft(segment: Segment, base: Array, shaft: Array, head: Array, kind: str) -> Sweep:
    """Return base, shaft and head of a long bone, a little bowed towards the back of the hand."""
    length = float(np.linalg.norm(segment.end_mm - segment.start_mm))
    last = 0.6 if kind == "phalanx_distal" else 0.75
    first, final = min(base), last * min(head)  # a sweep is rounded beyond its ends by the lesser half-axis
    where = np.array([0.6 * first, first, first + 0.06 * length + 0.5, max(0.34 * length, first + 0.1 * length + 1.0),
                      0.54 * length, 0.7 * length, 0.86 * length, length - final])  # fmt: skip
    where = np.minimum(where, length - final - 0.4 * np.arange(7, -1, -1))
    size = [0.6 * base, base, 0.86 * base, 0.35 * base + 0.65 * shaft, shaft, 0.9 * shaft + 0.1 * head,
            0.35 * shaft + 0.65 * head, last * head]  # fmt: skip
    if kind == "phalanx_distal":  # the shaft ends in a flat tuft
        where[6], size[5], size[6] = 0.84 * length, 0.75 * shaft + 0.25 * head, head
    along = np.linspace(where[0], where[-1], max(12, int(length / 2.0)))
    wide, deep = (np.interp(along, where, [s[k] for s in size]) for k in (0, 1))
    bow = (1.6 if kind == "metacarpal" else 0.7) * np.sin(np.pi * along / length)
    axis = segment.start_mm + along[:, None] * segment.along + bow[:, None] * segment.back
    return Sweep(axis, np.tile(segment.width, (len(axis), 1)), wide, deep, 2.3)


def _trochlea(frame: Frame, digit: str, n: int, segment: Segment) -> Sweep:
    """Return the joint's surface of a head: a roller across the finger with two condyles, or a ball for a knuckle."""
    head, round_head = np.array(SECTIONS_MM[digit][n][2]) * frame.breadth, n == 0
    radius = head[1] * (0.86 if round_head else 0.92)
    centre = segment.end_mm - radius * segment.along - 0.06 * radius * segment.back
    reach = max(head[0] - (0.86 if round_head else 0.8) * radius, 0.8)
    across = np.linspace(-reach, reach, 7)
    waist = 1.0 if round_head else 0.88
    profile = radius * (waist + (1 - waist) * np.abs(across / reach) ** 1.5)
    return Sweep.round(centre + across[:, None] * segment.width, profile * np.linspace(1.0, 0.98, 7))


def _carpals(frame: Frame, lattice: Lattice, long: Field, carpus_ml: float) -> Mapping[str, Field]:
    """Return the carpal bones after they have shared the wrist; each is inflated until it has its volume."""
    grow = dict.fromkeys(CARPALS, 0.0)
    gap = np.maximum(1.5 + 0.25 * lattice.noise(frame.noise_seed("gap"), 5.0), 0.9)
    plain = {name: _carpal(frame, lattice, name) for name in CARPALS}
    settled: Mapping[str, Field] = plain
    for _ in range(6):
        fields = {name: field - grow[name] for name, field in plain.items()}
        settled = compete({**fields, "metacarpals": long}, STIFFNESS_MM, gap)
        for name in CARPALS:
            wanted, have = CARPAL_SHARE[name] * carpus_ml, lattice.volume_ml(settled[name])
            across = (wanted * 1000) ** (1 / 3)
            grow[name] += float(np.clip(0.5 * across * np.log(wanted / have) / 2.2, -1.0, 1.0))
    return {name: settled[name] for name in CARPALS}


def _carpal(frame: Frame, lattice: Lattice, name: str) -> Field:
    """Return one carpal bone alone."""
    middle, radii, turn = CARPALS[name]
    scale = (frame.breadth * frame.breadth * frame.length) ** (1 / 3)
    first, second, third = (scale * r for r in radii)
    solid = Ellipsoid(tuple(frame.at(middle).tolist()), (first, second, third), rotation(*turn))
    bone = lattice.sample(solid) + 0.5 * lattice.noise(frame.noise_seed(name), 8.0)
    if name in KNOBS:  # what points to the palm
        bone = smooth_min(bone, sweep_distance(_cone(frame, *KNOBS[name]), lattice, 5.0)[0], 3.0)
    return bone


def _cone(frame: Frame, start: Point, end: Point, radii: tuple[float, float]) -> Sweep:
    """Return a rounded cone between two reference points."""
    share = np.linspace(0, 1, 6)
    axis = frame.at(start) + share[:, None] * (frame.at(end) - frame.at(start))
    return Sweep.round(axis, frame.breadth * np.interp(share, (0, 1), radii))
