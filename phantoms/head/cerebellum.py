"""The cerebellum: hemispheres and vermis under the tentorium, cut into folia; its white tree and the dentate nuclei."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.lattice import Field, Lattice
from medsynth.shapes.sampled import SampledShape
from phantoms.head.brain_space import BrainSpace
from phantoms.head.cortex_hull import ball
from phantoms.head.cortex_kernels import redistance
from phantoms.head.meninges import Tentorium
from phantoms.head.ventricles import offset_for

Array = NDArray[np.float32]

# Period, depth and half width of the fissures of three orders, reference mm: lobules 10-15 mm, folia 1.5-3 mm apart.
FISSURES = ((14.0, 24.0, 0.60), (6.6, 14.0, 0.42), (3.2, 6.5, 0.34))
CORTEX_MM = 1.25
STEP_MM = 0.8


@dataclass(frozen=True, eq=False)
class Cerebellum:
    """The cerebellum on its lattice: its surface; its cortex's measure (white matter beyond -1); sides; nuclei."""

    lattice: Lattice
    surface_mm: Array
    owner: NDArray[np.uint8]
    dentate_mm: Array


def build_cerebellum(
    space: BrainSpace, inside: SampledShape, tentorium: Tentorium, target_ml: float, seed: int
) -> Cerebellum:
    """Return the cerebellum with a drawn volume."""
    low, high = space.at([-58.0, 16.0, -70.0]), space.at([58.0, 92.0, 2.0])
    lattice = Lattice(tuple(low.tolist()), tuple(high.tolist()), STEP_MM)
    x, y, z = space.axes(lattice)
    side = np.abs(x)
    scale = np.float32(space.scale)
    hull = _hull(space, lattice, inside, tentorium, target_ml)
    wave = [lattice.noise(seed + n, w) for n, w in enumerate((16.0, 24.0, 11.0))]
    surface = np.maximum(hull, -scale * _fissures(side, y, z, -hull / scale, wave))
    redistance(surface, STEP_MM, 4.0)
    surface -= np.float32(offset_for(lattice, surface, target_ml, -1.5, 1.5))
    # A crumpled sheet of grey in each hemisphere's white core.
    dentate = np.abs(ball(side, y, z, (14.0, 44.0, -36.0), (6.5, 9.0, 4.5)) + 0.6 * wave[2]) - 0.75
    owner = np.where(side < 6.0 + 1.6 * wave[2], 2, np.broadcast_to(x > 0, lattice.shape)).astype(np.uint8)
    return Cerebellum(lattice, surface, owner, (dentate * scale).astype(np.float32))


def _hull(
    space: BrainSpace, lattice: Lattice, inside: SampledShape, tentorium: Tentorium, target_ml: float
) -> Array:
    """Return the distance to the cerebellum without fissures: two hemispheres and the vermis with the culmen between.

    The fissures take about a tenth of it.
    """
    x, y, z = space.axes(lattice)
    side = np.abs(x)
    scale = np.float32(space.scale)
    vault = inside.distance_mm(lattice.points_mm) + np.float32(2.0)
    tent = ((z - tentorium.height(side, y) + 1.5) * 0.8 * scale).astype(np.float32)
    hemispheres = ball(side, y, z, (26.0, 53.0, -37.0), (29.0, 31.0, 25.0))
    vermis = ball(side, y, z, (0.0, 50.0, -30.0), (12.0, 22.0, 24.0))
    culmen = ball(side, y, z, (0.0, 41.0, -15.0), (17.0, 13.0, 13.0))
    middle = np.minimum(vermis, culmen)
    hull = smooth_min((hemispheres * scale).astype(np.float32), (middle * scale).astype(np.float32), 7.0)
    hull = smooth_max(smooth_max(hull, tent, 4.0), vault, 4.0)
    notch = 4.0 * np.exp(-((side / 3.5) ** 2)) * np.clip((y - 62.0) / 10.0, 0, 1)  # falx cerebelli
    hull = (hull + notch * scale).astype(np.float32)
    hull -= np.float32(offset_for(lattice, hull, target_ml * 1.10, -6.0, 6.0))
    return smooth_max(hull, tent, 2.0).astype(np.float32)


def _fissures(side: Field, y: Field, z: Field, depth: Field, wave: list[Array]) -> Array:
    """Return the distance to the fissures of all orders in reference mm, negative in them.

    They are sheets through a line in front, in the roof of the fourth ventricle, so that they fan out like a tree's
    branches in a sagittal cut; the line bends forward and down to the sides, which makes them arcs elsewhere.
    """
    bend = np.minimum(side, 45.0) ** 2
    behind = y - 31.0 + 0.011 * bend + wave[0]
    above = z + 31.0 + 0.010 * bend + wave[1]
    arc = (np.arctan2(above, behind) * 24.0 + 0.9 * wave[0]).astype(np.float32)
    spread = np.clip(np.hypot(behind, above) / 24.0, 0.3, 1.35)
    cut = np.full(arc.shape, 9.0, np.float32)
    for (period, deepest, half), shift in zip(FISSURES, (0.0, 0.37, 0.21), strict=True):
        turns = arc / period + shift
        across = np.abs(turns - np.floor(turns) - 0.5) * period * spread - half
        end = depth - deepest * (1 + 0.25 * wave[2])
        gap = np.sqrt(np.maximum(across, 0) ** 2 + np.maximum(end, 0) ** 2) + np.minimum(np.maximum(across, end), 0)
        cut = np.minimum(cut, gap.astype(np.float32))
    return cut
