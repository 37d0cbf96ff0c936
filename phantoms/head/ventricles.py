"""The ventricles: lateral ones with their three horns, third, aqueduct, fourth; their volume is matched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.lattice import Field, Lattice
from medsynth.shapes.sweep import Sweep, spline_mm, sweep_distance
from phantoms.head.brain_space import BrainSpace
from phantoms.head.callosum import callosum_distance

Array = NDArray[np.float32]
Rows = tuple[tuple[float, ...], ...]

# Axis and half-axes (across, upright) of the left lateral ventricle, reference mm. Frontal horn, body, atrium and
# temporal horn are one tube; the occipital horn leaves the atrium. Tuned on a sketch to 17 ml with third and fourth.
LATERAL: Rows = (
    (8.5, -43.0, 5.0, 2.6, 3.6),
    (6.8, -35.0, 9.0, 3.8, 5.6),
    (6.0, -22.0, 14.5, 4.4, 5.4),
    (7.5, -7.0, 18.0, 5.0, 4.2),
    (10.5, 7.0, 19.0, 5.2, 4.2),
    (17.0, 19.0, 15.5, 4.8, 5.2),
    (25.0, 27.0, 7.0, 4.4, 6.2),
    (31.0, 25.0, -5.0, 3.0, 4.0),
    (33.5, 12.0, -13.5, 2.6, 1.9),
    (31.5, -1.0, -18.0, 2.8, 1.9),
    (28.5, -8.0, -19.0, 2.0, 1.6),
)
OCCIPITAL: Rows = (
    (24.0, 28.0, 7.0, 4.0, 5.4),
    (26.0, 42.0, 6.0, 3.0, 4.2),
    (23.0, 56.0, 4.5, 1.8, 2.8),
    (20.5, 67.0, 4.0, 0.8, 1.2),
)
MONRO: Rows = ((5.5, -14.0, 11.0, 2.0, 2.0), (1.0, -11.0, 6.5, 1.6, 1.6))
AQUEDUCT: Rows = ((0.0, 15.5, -1.0, 1.2, 1.6), (0.0, 20.5, -8.5, 0.8, 0.9), (0.0, 24.5, -16.0, 1.0, 1.0),
                  (0.0, 29.0, -22.0, 2.2, 1.4))
SEPTUM_MM = 0.8  # half the thickness of what parts the lateral ventricles


def tube(space: BrainSpace, rows: Rows, sign: int = 1, grow: float = 1.0) -> Sweep:
    """Return the sweep of a table of (x, y, z, across, upright) at reference size; `sign` -1 mirrors it."""
    table = np.array(rows)
    points = space.at(table[:, :3] * [sign, 1, 1])
    dense = spline_mm(np.concatenate([points, table[:, 3:] * space.scale * grow], axis=1), 1.5)
    half = np.maximum(dense[:, 3:], 0.3)
    tangent = np.gradient(dense[:, :3], axis=0)
    across = np.where(np.abs(tangent[:, :1]) > 0.85 * np.linalg.norm(tangent, axis=1, keepdims=True),
                      [[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]])
    return Sweep(dense[:, :3], across, half[:, 0], half[:, 1])


def offset_for(lattice: Lattice, field: Field, target_ml: float, low: float = -4.0, high: float = 9.0) -> float:
    """Return what to subtract from a distance so that its inside has `target_ml` (root finding)."""
    near = field[(field > low - lattice.step_mm) & (field < high + lattice.step_mm)]
    inner = np.count_nonzero(field <= low - lattice.step_mm) * lattice.step_mm**3 / 1000
    for _ in range(24):
        middle = (low + high) / 2
        inside = np.clip(0.5 - (near - middle) / lattice.step_mm, 0, 1).sum(dtype=np.float64)
        if inside * lattice.step_mm**3 / 1000 + inner > target_ml:
            high = middle
        else:
            low = middle
    return (low + high) / 2


@dataclass(frozen=True, eq=False)
class Ventricles:
    """Distances on the deep lattice: all ventricles together, and 0 right, 1 left lateral, 2 third, 3 fourth."""

    distance_mm: Array
    owner: NDArray[np.uint8]
    lateral_mm: Array


def build_ventricles(
    space: BrainSpace, lattice: Lattice, spec: Mapping[str, float], keep_out: Array, seed: int
) -> Ventricles:
    """Return the ventricles, cut by what bulges into them (`keep_out`: caudate, thalamus, hippocampus), by volume."""
    x, y, z = space.axes(lattice)
    scale = np.float32(space.scale)
    wave = 0.5 * lattice.noise(seed, 18.0) + 0.35 * lattice.noise(seed + 1, 40.0)
    callosum = (callosum_distance(x, y, z)[0] * scale).astype(np.float32)
    sides = []
    for sign in (-1, 1):
        pair = [sweep_distance(tube(space, rows, sign), lattice, 20.0)[0] for rows in (LATERAL, OCCIPITAL)]
        sides.append(smooth_min(pair[0], pair[1], 3.0) + wave)
    septum = ((SEPTUM_MM - np.abs(x)) * scale).astype(np.float32)
    cut = np.maximum(np.maximum(-keep_out, -callosum), np.broadcast_to(septum, lattice.shape))
    raw = np.minimum(sides[0], sides[1])
    # Frontal horns, bodies and atria grow most, temporal and occipital horns less.
    pliant = (0.35 + 0.65 * np.clip((z + 10.0) / 16.0, 0, 1)) * (1 - 0.55 * np.clip((y - 30.0) / 14.0, 0, 1))
    pliant = np.broadcast_to(pliant, lattice.shape).astype(np.float32)
    low, high = -3.0, 16.0
    for _ in range(12):
        grown = np.float32((low + high) / 2)
        lateral = smooth_max(raw - grown * pliant, cut, 1.0)
        if lattice.volume_ml(lateral) > float(spec["lateral_ml"]):
            high = float(grown)
        else:
            low = float(grown)
    third = _third(space, lattice, float(spec["third_width_mm"]))
    monro = np.minimum(*(sweep_distance(tube(space, MONRO, sign), lattice, 8.0)[0] for sign in (-1, 1)))
    third = np.minimum(third, monro)
    third = (third - np.float32(offset_for(lattice, third, float(spec["third_ml"]), -1.5, 2.5))).astype(np.float32)
    aqueduct = sweep_distance(tube(space, AQUEDUCT), lattice, 8.0)[0]
    fourth = _fourth(space, lattice)
    fourth = (fourth - np.float32(offset_for(lattice, fourth, float(spec["fourth_ml"]), -2.0, 3.0))).astype(np.float32)
    fourth = np.minimum(fourth, aqueduct)
    everything = np.minimum(np.minimum(lateral, third), fourth)
    owner = np.where(lateral <= everything, (lattice.x > 0), np.where(third <= everything, 2, 3)).astype(np.uint8)
    return Ventricles(everything, owner, lateral)


def _third(space: BrainSpace, lattice: Lattice, width_mm: float) -> Array:
    """Return the slit between the thalami with its recesses; they touch in its middle (massa intermedia)."""
    x, y, z = space.axes(lattice)
    outline = np.hypot((y - 1.5) / 15.0, (z - 2.0 + 0.18 * (y - 2)) / 11.0) - 1
    infundibulum = np.hypot((y + 9.0) / 3.0, (z + 9.0) / 7.0) - 1
    profile = smooth_min((outline * 10.5).astype(np.float32), (infundibulum * 3.0).astype(np.float32), 4.0)
    adhesion = 3.4 - np.hypot(y - 1.0, z - 4.0)
    profile = np.maximum(profile, adhesion)
    slit = np.abs(x) * space.x_scale - width_mm / 2 * np.clip(-profile / 5.0, 0.45, 1.0)
    return np.maximum(slit, profile * space.scale).astype(np.float32)


def _fourth(space: BrainSpace, lattice: Lattice) -> Array:
    """Return the tent between pons, medulla and cerebellum: floor in front, its top behind."""
    x, y, z = space.axes(lattice)
    along = np.interp(np.ravel(z), [-56.0, -46.0, -34.0, -24.0, -18.0], [1.5, 4.0, 6.6, 3.6, 1.2]).reshape(z.shape)
    floor = np.interp(np.ravel(z), [-56.0, -46.0, -34.0, -24.0, -18.0], [34.0, 30.5, 27.5, 27.0, 26.5]).reshape(z.shape)
    deep = np.interp(np.ravel(z), [-56.0, -44.0, -33.0, -24.0, -18.0], [0.8, 3.6, 11.0, 5.0, 1.5])
    roof = floor + deep.reshape(z.shape)
    middle, half = (floor + roof) / 2, (roof - floor) / 2
    level = np.maximum(np.abs(y - middle) - half, np.abs(x) - along * (1 - 0.5 * np.clip((y - floor) / 12.0, 0, 1)))
    level = np.maximum(level, np.maximum(-54.0 - z, z + 19.0))
    return (level * space.scale).astype(np.float32)
