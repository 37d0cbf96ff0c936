"""Kidneys with pyramids, sinus and pelvis, the ureters, and the adrenal glands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.core.seed import Seed
from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.blend import smooth_max
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.primitives import Ellipsoid, rotation
from medsynth.shapes.sweep import Sweep, spline_mm, sweep_fields
from medsynth.shapes.tree_edit import concatenate
from medsynth.shapes.tubes import Tubes
from phantoms.torso.table import labels
from phantoms.torso.viscera_space import FAR_MM, Field, Space, capsules, pushed_inside, pushed_together, tube_along

SIDES: tuple[tuple[str, int], ...] = (("right", -1), ("left", 1))
# Middles in reference mm: T12-L3, the right one 1-2 cm lower. The poles diverge downwards along the psoas; the hilum
# looks forward and inward, its plane 42-44 degrees to the coronal one.
CENTRE = {"right": (-68.0, 24.5, -155.0), "left": (67.0, 25.5, -138.0)}
TURN_DEG = {"right": (12.0, -16.0, 0.0), "left": (10.0, 15.0, 0.0)}
FORWARD = 0.80  # how far the hilum looks forward against inward
HALF_MM = (28.0, 24.5, 54.0)  # towards the hilum, across it, along: a kidney of 11 x 5.6 x 4.9 cm
REFERENCE_ML = 146.0  # of a kidney of these half-axes
CORTEX_MM = 5.6  # 6.6 +- 1.9 (BMC Urol 2009), less the columns' share
PYRAMID_SLOPE = np.tan(np.radians(30.0))  # of a pyramid's side
URETER_MM = 2.1  # radius; 4.3-4.4 mm wide, 95 % below 6.9

# Ureters: on the psoas, medial to the tips of the transverse processes, over the iliac bifurcation, along the pelvic
# wall and inward to the bladder. Reference mm of the left one; the right one is mirrored.
URETER = [[36, -2, -180], [34, -10, -205], [32, -12, -240], [33, -14, -280], [42, 2, -320], [46, 14, -350]]
BLADDER_CORNER = (17.0, 12.0, -390.0)


def kidney_axes(space: Space, side: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a kidney's middle and its axes as columns: towards the hilum, across it, along (upwards)."""
    sign = -1 if side == "right" else 1
    along = np.asarray(rotation(*TURN_DEG[side]))[:, 2]
    inward = np.array([-sign * 1.0, -FORWARD, 0.0])
    inward -= (inward @ along) * along
    inward /= np.linalg.norm(inward)
    moved = space.moved_mm.get(f"kidney_{side}", np.zeros(3))
    return space.frame.at(CENTRE[side]) + moved, np.stack([inward, np.cross(along, inward), along], axis=1)


def settle_kidneys(space: Space, spec: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Return by how much each kidney moves, by name, so that it lies in its fat and not in wall, psoas or spine."""
    moved = {}
    for side, _ in SIDES:
        centre, axes = kidney_axes(space, side)
        half = np.array(HALF_MM) * (float(spec[f"kidney_{side}_ml"]) / REFERENCE_ML) ** (1 / 3)
        turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        ball = np.concatenate([
            np.stack([r * np.cos(turn), r * np.sin(turn), np.full(12, z)], axis=1)
            for z, r in ((-0.85, 0.53), (-0.5, 0.87), (0.0, 1.0), (0.5, 0.87), (0.85, 0.53))
        ])  # fmt: skip
        shift = pushed_together(space, centre + (ball * half) @ axes.T, 3.5)
        moved[f"kidney_{side}"] = np.clip(shift, -22, 22) * [1.0, 1.0, 0.3]  # hardly up or down
    return moved


def _local(space: Space, side: str) -> tuple[tuple[slice, slice, slice], Space, Field]:
    """Return the nodes around a kidney and their places on its own axes; the poles bend towards the hilum."""
    centre, axes = kidney_axes(space, side)
    cut, near = space.window(centre - [58, 58, 84], centre + [58, 58, 84])
    warp = 2.4 * near.noise[46.0]
    points = near.lattice.points_mm + np.stack([warp, -warp, 0.6 * warp], axis=-1)
    local = (points - centre.astype(np.float32)) @ axes.astype(np.float32)
    local[..., 0] -= 0.0026 * local[..., 2] ** 2 - 2.5
    return cut, near, local


def kidney_fields(space: Space, spec: Mapping[str, Any]) -> dict[str, Field]:
    """Return both kidneys before they meet their neighbours."""
    made = {}
    for side, _ in SIDES:
        size = (float(spec[f"kidney_{side}_ml"]) / REFERENCE_ML) ** (1 / 3)
        cut, near, local = _local(space, side)
        bean = Ellipsoid((0.0, 0.0, 0.0), tuple(size * v for v in HALF_MM)).distance_mm(local)
        hilum = Ellipsoid((33.0 * size, 0.0, 0.0), (18.0 * size, 8.5 * size, 17.0 * size)).distance_mm(local)
        field = np.full(space.lattice.shape, FAR_MM, np.float32)
        field[cut] = smooth_max(bean, -hilum, 6.0) + 0.9 * near.noise[30.0]
        made[f"kidney_{side}"] = field
    return made


def upper_fat(space: Space, side: str) -> Sweep:
    """Return the cone of fat from a kidney's upper pole to its adrenal gland."""
    centre, axes = kidney_axes(space, side)
    sign = -1 if side == "right" else 1
    path = [centre + axes @ [2.0, 0.0, 40.0], *space.frame.at([[sign * 31, 17, -100], [sign * 27, 21, -84]])]
    return tube_along(path, [13.0, 9.0, 5.0])


def paint_kidneys(space: Space, settled: Mapping[str, Field], spec: Mapping[str, Any], seed: Seed) -> list[Paint]:
    """Return cortex, pyramids and sinus of both kidneys."""
    names, paints = labels(), []
    for side, _ in SIDES:
        cut, near, local = _local(space, side)
        kidney = settled[f"kidney_{side}"][cut]
        size = (float(spec[f"kidney_{side}_ml"]) / REFERENCE_ML) ** (1 / 3)
        sinus = _sinus(near, local, kidney, size, float(spec["sinus_fat"]))
        cones = _pyramids(local, size, seed.child("pyramids", side).rng())
        medulla = np.maximum(np.maximum(cones + 0.8 * near.noise[9.0], kidney + CORTEX_MM), 0.3 - sinus)
        own = (names[f"kidney_{side}"],)
        paints += [
            Paint(near.part(kidney), (Layer(names[f"kidney_{side}"]),)),
            Paint(near.part(medulla), (Layer(names[f"kidney_{side}_medulla"]),), over=own),
            Paint(near.part(sinus), (Layer(names[f"kidney_{side}_sinus"]),),
                  over=(*own, names[f"kidney_{side}_medulla"])),
        ]  # fmt: skip
    return paints


def _sinus(near: Space, local: Field, kidney: Field, size: float, fat: float) -> Field:
    """Return the sinus: a cleft from the hilum to the middle, with a pocket between every two pyramids."""
    half = (19.0 * size, (10.0 + 5.0 * fat) * size, 33.0 * size)
    cleft = Ellipsoid((9.0 * size, 0.0, 0.0), half).distance_mm(local) + 2.4 * near.noise[15.0]
    open_side = np.clip((local[..., 0] - 8 * size) / (10 * size), 0, 1) * np.clip(2 - np.abs(local[..., 2]) / 12, 0, 1)
    covered = kidney + 10.0 - 2.0 * fat - 30.0 * open_side  # parenchyma 15 mm thick everywhere but at the hilum
    return smooth_max(cleft, covered.astype(np.float32), 3.0).astype(np.float32)


def papillae(size: float, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the tips (n, 3) and directions (n, 3) of 8-12 pyramids on the kidney's own axes."""
    rows = int(rng.integers(4, 6))
    tips, ways = [], []
    for row in range(rows):
        z = (row - (rows - 1) / 2) / (rows - 1) * 2
        for across in (-1.0, 1.0):
            tilt = rng.normal(0, 0.12, 3)
            tips.append([4.0 * (1 - abs(z)) + rng.normal(0, 1), across * 4.5, 24.0 * z + rng.normal(0, 1.5)])
            ways.append(np.array([-0.75 + 0.35 * abs(z), across * 0.85, 0.95 * z]) + tilt)
    for pole in (-1.0, 1.0):
        tips.append([3.0, 0.0, pole * 25.0])
        ways.append(np.array([0.1, 0.0, pole]) + rng.normal(0, 0.1, 3))
    way = np.array(ways)
    return size * np.array(tips), way / np.linalg.norm(way, axis=1, keepdims=True)


def _pyramids(local: Field, size: float, rng: np.random.Generator) -> Field:
    """Return the union of the cones that open from the papillae to the cortex."""
    field = np.full(local.shape[:-1], FAR_MM, np.float32)
    for tip, way in zip(*papillae(size, rng), strict=True):
        away = local - tip.astype(np.float32)
        along = away @ way.astype(np.float32)
        across = np.sqrt(np.maximum(np.einsum("...i,...i", away, away) - along**2, 0))
        cone = np.maximum((across - 2.5 - along * PYRAMID_SLOPE) * 0.87, -along)
        np.minimum(field, cone, out=field)
    return field


def collecting_system(space: Space, spec: Mapping[str, Any], seed: Seed) -> dict[str, Tubes]:
    """Return each side's calyces, renal pelvis and ureter, as urine-filled tubes."""
    made = {}
    for side, sign in SIDES:
        size = (float(spec[f"kidney_{side}_ml"]) / REFERENCE_ML) ** (1 / 3)
        centre, axes = kidney_axes(space, side)
        tips, _ = papillae(size, seed.child("pyramids", side).rng())
        hub, gate = np.array([13.0, 2.0, -2.0]) * size, np.array([30.0, 3.0, -6.0]) * size
        parts = []
        for tip in tips[::2]:
            path = np.array([tip + [2.0, 0, 0], 0.55 * tip + 0.45 * hub, hub])
            parts.append(capsules(tube_along(centre + path @ axes.T, [2.0, 1.5, 2.4], 3.0)))
        pelvis = centre + np.array([hub, 0.5 * (hub + gate), gate]) @ axes.T
        down = space.frame.at([[sign * x, y, z] for x, y, z in URETER])
        down = down[down[:, 2] < pelvis[-1, 2] - 12]
        corner = space.frame.at([sign * BLADDER_CORNER[0], *BLADDER_CORNER[1:]])
        rest = pushed_inside(space, np.concatenate([down, corner[None]]), URETER_MM + 2.5)
        course = np.concatenate([pelvis, rest])
        radii = [3.6, 4.6, 3.2, *[URETER_MM] * (len(course) - 3)]
        parts.append(capsules(tube_along(course, radii, 4.0)))
        made[f"ureter_{side}"] = concatenate(*parts)
    return made


def paint_adrenals(space: Space, spec: Mapping[str, Any]) -> list[Paint]:
    """Return both adrenal glands: a ridge with two thin limbs that open backwards, like a Y turned over."""
    names, paints = labels(), []
    size = float(spec["adrenal"])
    for side, sign in SIDES:
        c = space.frame.at([-29, 13, -99] if sign < 0 else [33, 12, -102])
        limbs: list[Sweep] = []
        for path, radii in (
            ([[-sign * 2, -13, 4], [0, -4, 1], [sign * 1, 4, -3], [sign * 2, 13, -9]], (3.2, 2.6, 2.1, 1.6)),
            ([[0, -6, 1], [sign * 5, 1, -3], [sign * 9, 8, -8], [sign * 11, 14, -13]], (2.8, 2.2, 2.0, 1.5)),
        ):
            axis = spline_mm(c + np.array(path, float), 2.0)
            along = np.interp(np.linspace(0, 1, len(axis)), np.linspace(0, 1, 4), radii)
            width = size * (1.36 if sign < 0 else 1.12) * along
            # A limb is a leaf: thin across, 20-40 mm high.
            upright = np.broadcast_to([0.0, 0.0, 1.0], axis.shape).copy()
            limbs.append(Sweep(axis, upright, 4.2 * width, width))
        low, high = c - [24, 30, 32], c + [24, 30, 32]
        lattice = Lattice(tuple(low.tolist()), tuple(high.tolist()), 1.5)
        field = sweep_fields(limbs, lattice, 8.0).values_mm + 0.3 * lattice.noise(space.frame.noise_seed(78), 9.0)
        paints.append(
            Paint(lattice.shape_of(field), (Layer(names[f"adrenal_{side}"]),), over=(names["abdominal_fat"],))
        )
    return paints
