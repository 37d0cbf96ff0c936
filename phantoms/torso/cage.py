"""Ribs, costal cartilage, breastbone, collarbones, shoulder blades and the heads of the upper arms (arms raised)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.sweep import Sweep, spline_mm, sweep_distance, sweep_fields
from phantoms.torso.bone_paint import bones_paint
from phantoms.torso.frame import RIB_LAYER_MM, Frame
from phantoms.torso.girdle import girdle_paints
from phantoms.torso.table import labels

Field = NDArray[np.floating[Any]]

STEP_MM = 1.5
RIB_STEP_MM = 2.0  # lattice of the ribs: their sections are 7 mm and more across
# Rib by rib: fall from the joint to the front end (reference mm), angle of that end from the front (degrees),
# and half the thickness and half the height of the section (mm). Section 6-9 x 10-16 mm (unverified); falls and ends
# follow the pump-handle slope of 25-45 degrees.
FALL_MM = np.array([34, 54, 72, 84, 92, 98, 101, 100, 96, 88, 62, 36], float)
END_DEG = np.array([34, 27, 26, 29, 34, 40, 47, 55, 63, 73, 98, 124], float)
HALF_THICK_MM = np.array([3.2, 3.3, 3.5, 3.7, 3.9, 4.0, 4.1, 4.1, 4.0, 3.8, 3.5, 3.0])
HALF_HIGH_MM = np.array([7.5, 6.6, 6.4, 6.5, 6.7, 6.9, 7.0, 7.0, 6.8, 6.5, 6.0, 5.0])
CORTEX_MM = 0.75  # 0.5-1.4 mm; the eye judges a rib by its grey middle
MANUBRIUM_TOP_Z_MM, ANGLE_Z_MM, XIPHOID_Z_MM = 124.0, 74.0, -28.0  # T2-3, T4-5 and T9


@dataclass(frozen=True, eq=False)
class Cage:
    """Ribs as a shape (owner 0-11 right, 12-23 left) with their axes, and the breastbone."""

    ribs: SampledShape
    axes: dict[str, NDArray[np.float64]]


def build_cage(frame: Frame, jitter: NDArray[np.float64], calcified: float) -> tuple[Cage, list[Paint]]:
    """Return the rib cage and its paints; jitter : (2, 12) mm of each rib's height, right then left."""
    names = labels()
    z = frame.vertebra_z_mm
    low, high = frame.cavity.bounds_mm()
    width = frame.cavity.radius_mm(90.0, np.linspace(low[2], high[2], 60)).max() + 14
    front = frame.cavity.point_mm(0.0, np.linspace(low[2], high[2], 60))[:, 1].min() - 18
    back = frame.cavity.point_mm(150.0, np.linspace(low[2], high[2], 60))[:, 1].max() + 26
    lattice = Lattice((-width, float(front), float(z[12]) - 80), (width, float(back), float(z[1]) + 22), RIB_STEP_MM)
    ribs, gristle, axes = [], [], {}
    for side, sign in (("right", -1.0), ("left", 1.0)):
        for n in range(12):
            axis, outward = _rib_axis(frame, n, sign, float(jitter[int(sign > 0), n]))
            axes[f"rib_{side}_{n + 1}"] = axis
            ribs.append(_rib(frame, n, axis, outward))
    for sign in (-1.0, 1.0):
        side = "right" if sign < 0 else "left"
        gristle.append([_cartilage(frame, n, sign, axes[f"rib_{side}_{n + 1}"][-1]) for n in range(10)])
    shape = sweep_fields(ribs, lattice, margin_mm=3.0)
    rough = 0.25 * lattice.noise(frame.noise_seed(30), 9.0)
    shape = SampledShape(shape.values_mm + rough, shape.origin_mm, shape.step_mm, shape.owner)
    paints = []
    for side, sweeps in zip(("right", "left"), gristle, strict=True):
        ends = np.concatenate([np.stack(sweep.bounds_mm()) for sweep in sweeps])
        near = Lattice(tuple((ends.min(0) - 6).tolist()), tuple((ends.max(0) + 6).tolist()), RIB_STEP_MM)
        field = sweep_fields(sweeps, near, margin_mm=3.0)
        paints.append(Paint(field, (Layer(names[f"costal_cartilage_{side}"]),)))
    order = [f"rib_{side}_{n}" for side in ("right", "left") for n in range(1, 13)]
    paints.append(
        Paint(
            shape, (Layer(tuple(names[r] for r in order)), Layer(tuple(names[f"{r}_marrow"] for r in order), CORTEX_MM))
        )
    )
    del calcified
    paints += _sternum(frame)
    paints += girdle_paints(frame) if frame.arms_down else [*_clavicles(frame), *_shoulders(frame)]
    return Cage(shape, axes), paints


def _rib_axis(frame: Frame, n: int, sign: float, jitter_mm: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a rib's axis from its head to the front end, and outward directions along it."""
    joint_z = frame.vertebra_z_mm[n + 1] + (8.0 if 1 <= n <= 9 else 3.0) * frame.height
    t = np.linspace(0, 1, 14)
    angle = 150.0 + (END_DEG[n] - 150.0) * t
    fall = FALL_MM[n] * frame.height * t ** (1.12 if n > 1 else 0.9)
    z = joint_z - 6.0 * frame.height - fall + jitter_mm * np.sin(np.pi * t)
    shaft = frame.cavity.point_mm(sign * angle, z, RIB_LAYER_MM / 2 + 0.3)
    y = float(frame.spine_y_mm(joint_z))
    head = [[sign * 14.0 * frame.bone, y + 10.0, joint_z + 1], [sign * 31.0, y + 27.0, joint_z - 2.0]]
    axis = spline_mm(np.concatenate([head, shaft]), 4.0)
    centre = np.concatenate([frame.cavity.centre_mm(axis[:, 2]), axis[:, 2:]], axis=1)
    outward = axis - centre
    outward[:, 2] = 0
    outward[:, 1] *= 1.5
    return axis, outward


def _rib(frame: Frame, n: int, axis: NDArray[np.float64], outward: NDArray[np.float64]) -> Sweep:
    """Give the rib its section: a rounded box, rounder at the neck, wider at the front end."""
    along = np.linspace(0, 1, len(axis))
    thick = HALF_THICK_MM[n] * (1 + 0.08 * np.sin(9 * along + n)) * frame.bone
    high = (
        HALF_HIGH_MM[n]
        - 1.6 * np.exp(-12 * along)
        + 0.5 * np.sin(7 * along + 2 * n)
        + 1.2 * np.clip(along - 0.85, 0, 1) / 0.15
    ) * frame.bone
    if n == 0:  # the first rib lies flat
        thick, high = high, thick
    return Sweep(axis, outward, thick, high, exponent=2.4)


def _cartilage(frame: Frame, n: int, sign: float, end: NDArray[np.float64]) -> Sweep:
    """Lead a rib's cartilage to the breastbone (1-7), or to the cartilage above (8-10)."""
    if n < 7:
        notch = np.array([104, 74, 52, 32, 13, -4, -16.0])[n] * frame.height
        reach = np.array([24, 18, 16, 16, 17, 18, 15.0])[n] * frame.width
        goal = np.array([sign * reach, frame.cavity.point_mm(0.0, notch)[1] - 7.0, notch])
        via = np.radians([0.35, 0.7])
        del via
        angles = np.linspace(END_DEG[n], 9.0, 5)[1:-1] if n else np.array([24.0])
        z = end[2] + (notch - end[2]) * np.linspace(0, 1, len(angles) + 2)[1:-1] ** (1.0 if n < 4 else 1.7)
        dip = -np.array([0, 0, 0, 2, 6, 10, 13.0])[n] * np.sin(np.pi * np.linspace(0, 1, len(angles) + 2)[1:-1])
        path = np.concatenate([[end], frame.cavity.point_mm(sign * angles, z + dip, RIB_LAYER_MM / 2), [goal]])
    else:
        angles = np.linspace(END_DEG[n], END_DEG[n] - 22, 4)[1:]
        z = end[2] + np.array([4.0, 14.0, 26.0]) * frame.height
        path = np.concatenate([[end], frame.cavity.point_mm(sign * angles, z, RIB_LAYER_MM / 2)])
    axis = spline_mm(path, 4.0)
    outward = axis * [1, 1, 0]
    taper = np.linspace(1.0, 0.8, len(axis)) * frame.bone
    return Sweep(axis, outward, 4.2 * taper, 6.6 * taper, exponent=2.2)


def _sternum(frame: Frame) -> list[Paint]:
    """Return manubrium and body: flat rounded bones in the front wall, joined at an angle."""
    top, angle, tip = (v * frame.height for v in (MANUBRIUM_TOP_Z_MM, ANGLE_Z_MM, XIPHOID_Z_MM))
    y = [float(frame.cavity.point_mm(0.0, z)[1]) for z in (top, angle, tip)]
    lattice = Lattice((-40.0, min(y) - 24, tip - 14), (40.0, max(y) + 12, top + 12), STEP_MM)
    front = frame.cavity.point_mm(0.0, lattice.z.ravel())[:, 1][:, None, None].astype(np.float32)
    rough = 0.7 * lattice.noise(frame.noise_seed(31), 18.0) + 0.3 * lattice.noise(frame.noise_seed(32), 7.0)
    z = lattice.z
    depth = lattice.y - (front - 7.5) - 0.0009 * lattice.x**2
    parts = {}
    for name, ends, widths, half in (
        ("manubrium", (angle + 1.0, top), ([0, 0.35, 0.75, 1], [15, 19, 27, 25]), 5.8),
        ("sternum_body", (tip, angle - 2.0), ([0, 0.1, 0.35, 0.8, 1], [6, 12, 18, 15, 16]), 5.2),
    ):
        share = ((z - ends[0]) / (ends[1] - ends[0])).ravel()
        width = np.interp(share, *widths)[:, None, None].astype(np.float32) * frame.width
        notch = 5.0 * np.exp(-((lattice.x / 11.0) ** 2)) if name == "manubrium" else 0.0
        level = ((np.abs(lattice.x) / width) ** 2.7 + (np.abs(depth) / half) ** 2.7) ** (1 / 2.7)
        parts[name] = smooth_max((level - 1) * half, np.maximum(ends[0] - z, z - ends[1] + notch), 3.0) + rough
    return [bones_paint(lattice, parts, 0.9)]


def _clavicles(frame: Frame) -> list[Paint]:
    """Return the collarbones, running up and out to the raised shoulders."""
    names, paints = labels(), []
    for side, sign in (("right", -1.0), ("left", 1.0)):
        top = frame.cavity.point_mm(0.0, MANUBRIUM_TOP_Z_MM * frame.height)
        start = np.array([sign * 21 * frame.width, top[1] - 8, 124 * frame.height])
        path = start + np.array(
            [[0, 0, 0], [sign * 28, -4, 11], [sign * 62, 12, 24], [sign * 94, 34, 34], [sign * 122, 40, 42]]
        ) * (frame.width, frame.depth, frame.height)
        axis = spline_mm(path, 4.0)
        along = np.linspace(0, 1, len(axis))
        radius = (5.6 + 4.2 * np.exp(-9 * along) + 1.8 * along) * frame.bone
        flat = radius * (1 - 0.25 * along)
        lattice = Lattice(tuple((axis.min(0) - 14).tolist()), tuple((axis.max(0) + 14).tolist()), STEP_MM)
        field, _ = sweep_distance(Sweep(axis, np.tile([0, 1.0, 0], (len(axis), 1)), radius, flat), lattice, 6.0)
        field = field + 0.3 * lattice.noise(frame.noise_seed(33), 9.0)
        paints.append(
            Paint(
                lattice.shape_near(field),
                (Layer(names[f"clavicle_{side}"]), Layer(names[f"clavicle_{side}_marrow"], 1.5)),
            )
        )
    return paints


def _shoulders(frame: Frame) -> list[Paint]:
    """Return shoulder blades lying on the ribs, turned up with the arms, and the humeral heads."""
    paints = []
    for side, sign in (("right", -1.0), ("left", 1.0)):
        joint = frame.cavity.point_mm(sign * 96.0, 140.0 * frame.height) + [sign * 62.0 * frame.width, 6.0, 8.0]
        axis_ball = spline_mm(joint + np.array([[sign * 13, 0, 4.0], [sign * 30, -6, 30], [sign * 44, -10, 66]]), 2.0)
        low = np.minimum(
            axis_ball.min(0) - 32, frame.cavity.point_mm(sign * 158.0, np.array([-12.0, 120.0])).min(0) - 40
        )
        high = np.maximum(
            axis_ball.max(0) + 32, frame.cavity.point_mm(sign * 158.0, np.array([-12.0, 120.0])).max(0) + 40
        )
        lattice = Lattice(tuple(low.tolist()), tuple(high.tolist()), STEP_MM + 0.5)
        blade = _blade(frame, lattice, sign, joint)
        radius = np.interp(np.linspace(0, 1, len(axis_ball)), [0, 0.25, 0.45, 1], [23, 22, 14, 11.5]) * frame.bone
        arm, _ = sweep_distance(Sweep.round(axis_ball, radius), lattice, 8.0)
        arm = arm + 0.4 * lattice.noise(frame.noise_seed(36), 14.0)
        blade = np.maximum(blade, 3.0 - arm)
        paints.append(bones_paint(lattice, {f"scapula_{side}": blade, f"humerus_{side}": arm}, 1.4))
    return paints


def _blade(frame: Frame, lattice: Lattice, sign: float, joint: NDArray[np.float64]) -> Field:
    """Return a shoulder blade: a thin curved plate with thick borders, a spine, and the neck to the joint."""
    wall = lattice.sample(frame.cavity) - (RIB_LAYER_MM + 9.0)
    z = lattice.z / frame.height
    angle = np.abs(((frame.cavity.angle_deg(lattice.points_mm) + 180) % 360) - 180)
    # With raised arms the blade's medial border slants: the lower corner moves out to the side.
    medial = np.interp(z.ravel(), [-8, 40, 112], [126, 142, 152])[:, None, None]
    lateral = np.interp(z.ravel(), [-8, 20, 80, 112], [121, 112, 106, 108])[:, None, None]
    inside = np.maximum(
        np.maximum((angle - medial) * 2.3, (lateral - angle) * 2.3), np.maximum(-8 - z, z - 112) * frame.height
    )
    border = np.abs(angle - lateral) * 2.3
    half = 1.3 + 3.2 * np.exp(-((border / 7.0) ** 2)) + 1.0 * np.exp(-(((angle - medial) * 2.3 / 6.0) ** 2))
    bend = wall + 2.5 * lattice.noise(frame.noise_seed(34 + (sign > 0)), 45.0)
    plate = smooth_max(np.abs(bend) - half, inside, 3.0)
    root = frame.cavity.point_mm(sign * 147.0, 88.0 * frame.height, RIB_LAYER_MM + 12.0)
    ridge = spline_mm(
        [root, (root + joint) / 2 + [sign * 6, 20, 8], joint + [sign * 2, 24, 14], joint + [sign * 24, 12, 26]], 2.0
    )
    ridge_field, _ = sweep_distance(
        Sweep(ridge, np.tile([0, 0, 1.0], (len(ridge), 1)), np.full(len(ridge), 3.4), np.full(len(ridge), 7.5)),
        lattice,
        8.0,
    )
    neck_start = frame.cavity.point_mm(sign * 112.0, 100.0 * frame.height, RIB_LAYER_MM + 10.0)
    neck = spline_mm([neck_start, (neck_start + joint) / 2 + [0, 2, -2], joint - [sign * 13, 0, 2]], 2.0)
    radius = np.linspace(6.0, 11.5, len(neck))
    neck_field, _ = sweep_distance(Sweep.round(neck, radius), lattice, 8.0)
    return smooth_min(smooth_min(plate, ridge_field, 4.0), neck_field, 5.0) + 0.25 * lattice.noise(
        frame.noise_seed(37), 8.0
    )
