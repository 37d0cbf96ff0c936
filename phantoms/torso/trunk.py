"""Skin, fat, breasts and the muscles of the chest wall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.primitives import Ellipsoid, rotation
from medsynth.shapes.sampled import SampledShape
from phantoms.torso.arms import add_arms
from phantoms.torso.frame import PERINEUM_Z_MM, Frame
from phantoms.torso.table import labels
from phantoms.torso.walls import build_walls

F32 = NDArray[np.float32]
Field = NDArray[np.floating[Any]]

SKIN_MM = 1.8
THIGHS_FROM_MM = -330.0  # reference height below which thighs and buttocks shape the outline


@dataclass(frozen=True, eq=False)
class Trunk:
    """Signed distances of the nested surfaces at the nodes of the body lattice; `arms` the muscles of hanging arms."""

    skin: F32
    muscle: F32
    cavity: F32
    angle: F32
    arms: F32 | None = None


def build_trunk(frame: Frame, breast_ml: float) -> tuple[Trunk, list[Paint]]:
    """Return the trunk's surfaces and the paints of skin, fat, breasts and muscles."""
    lattice = frame.lattice
    slow, mid = lattice.noise(frame.noise_seed(1), 55.0), lattice.noise(frame.noise_seed(2), 40.0)
    fine = lattice.noise(frame.noise_seed(3), 16.0)
    cavity = smooth_max(lattice.sample(frame.cavity) - 1.4 * mid, _back_wall(frame, lattice), 6.0)
    muscle = np.minimum(lattice.sample(frame.muscle_surface) - 1.2 * mid - 0.5 * fine, cavity - 4.0)
    skin = np.minimum(lattice.sample(frame.skin_surface) - 1.3 * slow, muscle - 2.2)
    if frame.low_z_mm < THIGHS_FROM_MM:
        cavity, muscle, skin = _lower_body(frame, cavity, muscle, skin, mid, slow)
    arms = None
    if frame.arms_down:
        muscle, skin, arms = add_arms(frame, muscle, skin, slow, mid)
    around = np.abs(((frame.cavity.angle_deg(lattice.points_mm) + 180) % 360) - 180).astype(np.float32)
    glands: dict[str, SampledShape] = {}
    if frame.high_z_mm > -40.0:
        skin, glands = _breasts(frame, skin, muscle, breast_ml, fine)
    trunk = Trunk(skin, muscle, cavity, around, arms)
    names = labels()
    paints = [Paint(lattice.shape_near(skin), (Layer(names["skin"]), Layer(names["subcutaneous_fat"], SKIN_MM)))]
    paints += [Paint(shape, (Layer(names[f"breast_{side}"]),)) for side, shape in glands.items()]
    return trunk, paints + build_walls(frame, trunk, fine)


def _back_wall(frame: Frame, lattice: Lattice) -> Field:
    """Return how far behind the lumbar back wall a node lies: the transverse processes, then the flank's curve."""
    z = lattice.z.ravel()
    share = np.clip((-105 - z / frame.height) / 35, 0, 1) * np.clip((z / frame.height + 300) / 40, 0, 1)
    middle = frame.spine_y_mm(z) + 30.0 + 70.0 * (1 - share)
    bow = np.float32(24.0) * (lattice.x / np.float32(80.0 * frame.width)) ** 2
    return (lattice.y - middle[:, None, None] - bow).astype(np.float32)


def _lower_body(
    frame: Frame, cavity: Field, muscle: Field, skin: Field, mid: Field, slow: Field
) -> tuple[Field, Field, Field]:
    """Close the cavity with the pelvic floor, the trunk with the perineum, and add the thighs."""
    lattice = frame.lattice
    count = int(np.searchsorted(lattice.z.ravel(), THIGHS_FROM_MM * frame.height))
    part = Lattice(lattice.low_mm, (lattice.high_mm[0], lattice.high_mm[1], float(lattice.z[count, 0, 0])), 3.0)
    count = part.shape[0]
    cavity, muscle, skin = cavity.copy(), muscle.copy(), skin.copy()
    x, y, z = part.x, part.y, part.z
    cavity[:count] = smooth_max(cavity[:count], pelvic_floor_z_mm(frame, part) - z, 6.0)
    base = (PERINEUM_Z_MM + 6.0) * frame.height - z + np.float32(0.10) * np.abs(x)
    own = smooth_max(muscle[:count], (base + 6.0).astype(np.float32), 10.0)
    cover = smooth_max(skin[:count], base.astype(np.float32), 14.0)
    between = np.float32(0.9) - np.abs(x) + 0 * z  # thighs touch, skin on skin; they do not merge
    for sign, meat, outside in zip((-1.0, 1.0), frame.thigh_muscles, frame.thigh_skins, strict=True):
        own = smooth_min(own, part.sample(meat) - 1.0 * mid[:count], 10.0)
        thigh = part.sample(outside) - 1.0 * slow[:count]
        cover = smooth_min(cover, smooth_max(thigh, np.float32(0.9) - np.float32(sign) * x, 12.0), 16.0)
    open_below = np.clip((PERINEUM_Z_MM * frame.height + 14 - z) / 14, 0, 1)
    cover = np.maximum(cover, np.where(open_below > 0, between - 6 * (1 - open_below), -20.0))
    # The natal cleft: deep between the buttocks, gone above the sacrum.
    depth = np.interp(z.ravel() / frame.height, [-480, -440, -400, -365, -335], [44, 40, 30, 13, 0])
    back = frame.skin_surface.point_mm(170.0, z.ravel())[:, 1]
    start = (back - depth)[:, None, None].astype(np.float32)
    groove = np.abs(x - 1.0) - 0.6 - 0.16 * np.maximum(y - start - 6, 0)
    cleft = np.maximum(groove, start - y)
    cover = np.where(depth[:, None, None] > 0, smooth_max(cover, -cleft.astype(np.float32), 5.0), cover)
    muscle[:count] = np.maximum(own, cover + 4.0)
    skin[:count] = cover
    cavity[:count] = np.maximum(cavity[:count], muscle[:count] + 4.0)
    return cavity, muscle, skin


def pelvic_floor_z_mm(frame: Frame, lattice: Lattice) -> Field:
    """Return the height of the pelvic floor: a funnel from the side walls down to the anal canal."""
    width, depth = (float(s) for s in frame.scales(-420.0))
    x, y = lattice.x / width, lattice.y / depth
    reach = np.sqrt((x / 46) ** 2 + ((y - 26) / 58) ** 2)
    return ((-438.0 + 34.0 * np.minimum(reach, 1.3) ** 2) * frame.height).astype(np.float32)


def _breasts(frame: Frame, skin: F32, muscle: F32, breast_ml: float, fine: F32) -> tuple[F32, dict[str, SampledShape]]:
    """Lay a breast on each side of the chest, flattened and fallen to the side as in a supine body."""
    lattice, glands = frame.lattice, {}
    for side, sign in (("right", -1), ("left", 1)):
        flat = (breast_ml / 300.0) ** (1 / 3)
        middle = frame.skin_surface.point_mm(sign * 47.0, 14.0 * frame.height, -10.0)
        mound = Ellipsoid(tuple(middle.tolist()), (64 * flat, 44 * flat, 62 * flat), rotation(0, 0, sign * 40.0))
        distance = lattice.sample(mound)
        if breast_ml > 60:
            skin = smooth_min(skin, distance, 22.0).astype(np.float32)
        core = Ellipsoid(
            tuple((middle + [sign * 2.0, -6.0 * flat, -3.0]).tolist()),
            (40 * flat, 24 * flat, 38 * flat),
            rotation(0, 0, sign * 40.0),
        )
        lobules = lattice.noise(frame.noise_seed(4 + (sign > 0)), 22.0)
        gland = lattice.sample(core) + 7.0 * flat * lobules + 3.5 * fine
        glands[side] = lattice.shape_near(np.maximum(np.maximum(gland, skin + 9.0), 4.0 - muscle))
    return skin, glands
