"""The smooth hull of each hemisphere, which the sulci are carved into, and its free fissures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.lattice import Field, Lattice
from medsynth.shapes.sampled import SampledShape
from phantoms.head.brain_space import BrainSpace
from phantoms.head.callosum import callosum_distance
from phantoms.head.meninges import Tentorium, petrous_y

HULL_STEP_MM = 2.0
Array = NDArray[np.float32]


def side_lattice(space: BrainSpace) -> Lattice:
    """Return the lattice of one hemisphere: x is the distance from the midline."""
    low, high = space.at([-6.0, -92.0, -54.0]), space.at([77.0, 102.0, 90.0])
    return Lattice(tuple((low - 2).tolist()), tuple((high + 2).tolist()), HULL_STEP_MM)


@dataclass(frozen=True, eq=False)
class Outline:
    """One hemisphere's hull in parts: `vault_mm` bounds it outside, `body_mm` below and medially, `joined_mm` joins."""

    vault_mm: Array
    body_mm: Array
    joined_mm: Array

    def hull(self, gap_mm: float) -> Array:
        """Return the distance to the hull with this much fluid between it and the dura."""
        return smooth_min(smooth_max(self.vault_mm + np.float32(gap_mm), self.body_mm, 6.0), self.joined_mm, 2.0)


def outline(
    space: BrainSpace, lattice: Lattice, inside: SampledShape, tent: Tentorium, sign: int, noise_seed: int
) -> Outline:
    """Return one hemisphere without its sulci, on a lattice of |x|.

    The vault and the fossae shape it from outside, the tentorium from below; the temporal lobe is parted from the
    frontal one by the stem of the Sylvian fissure. In the middle the hull goes across the midline where callosum,
    septum and diencephalon join the hemispheres.
    """
    x, y, z = (axis.astype(np.float32) for axis in space.axes(lattice))
    scale = np.float32(space.scale)
    vault = inside.distance_mm(lattice.points_mm * np.array([sign, 1, 1], np.float32)).astype(np.float32)
    # Under the vault's middle line lies the superior sagittal sinus.
    vault += (3.2 * scale * np.exp(-((x / 6.0) ** 2)) * np.clip((z + 12.0) / 8.0, 0, 1)).astype(np.float32)
    base = np.interp(y.ravel(), [-30, -14, 8, 24, 38], [-32, -20, -12, -12, -45]).reshape(y.shape)
    behind = 1 / (1 + np.exp(-(y - petrous_y(np.abs(x)) - 3) / 2.5))
    roof = tent.height(np.abs(x), y) + 1.5
    over_tent = ((roof * behind + (1 - behind) * -70.0 - z) * 0.8 * scale).astype(np.float32)
    upper = np.broadcast_to(((base + 0 * x - z) * scale).astype(np.float32), lattice.shape)
    temporal = _capsule(x, y, z, (41.0, -20.0, -25.0), (46.0, 38.0, -15.0), 24.0, 27.0) * scale
    temporal = smooth_max(temporal.astype(np.float32), np.broadcast_to((17.5 - x) * scale, lattice.shape), 5.0)
    body = smooth_max(smooth_min(upper, temporal, 6.0), over_tent, 5.0)
    wave = lattice.noise(noise_seed, 35.0) * np.float32(0.35)
    medial = np.broadcast_to((1.6 - x) * space.x_scale, lattice.shape) + wave
    body = smooth_max(body, medial.astype(np.float32), 3.0)
    return Outline(vault, body, joined_mm(space, lattice).astype(np.float32))


def fitted_gap_mm(lattice: Lattice, outlines: Sequence[Outline], hull_ml: float) -> float:
    """Return the fluid's thickness with which the hulls of both sides hold `hull_ml` (root finding)."""
    own = np.broadcast_to(lattice.x >= 0, lattice.shape)
    low, high = 0.3, 9.0
    for _ in range(8):
        gap = (low + high) / 2
        volume = sum(lattice.volume_ml(np.where(own, o.hull(gap), 9.0)) for o in outlines)
        if volume > hull_ml:
            low = gap
        else:
            high = gap
    return (low + high) / 2


def _capsule(x: Field, y: Field, z: Field, a: tuple[float, ...], b: tuple[float, ...], ra: float, rb: float) -> Field:
    axis = np.subtract(b, a)
    t = np.clip(((x - a[0]) * axis[0] + (y - a[1]) * axis[1] + (z - a[2]) * axis[2]) / (axis @ axis), 0, 1)
    gap = np.sqrt((x - a[0] - t * axis[0]) ** 2 + (y - a[1] - t * axis[1]) ** 2 + (z - a[2] - t * axis[2]) ** 2)
    return gap - (ra + (rb - ra) * t)


def ball(x: Field, y: Field, z: Field, centre: tuple[float, ...], radii: tuple[float, ...]) -> Field:
    """Return about the distance to an ellipsoid at x, y, z."""
    u, v, w = ((axis - c) / r for axis, c, r in zip((x, y, z), centre, radii, strict=True))
    level = np.sqrt(u * u + v * v + w * w)
    slope = np.sqrt((u / radii[0]) ** 2 + (v / radii[1]) ** 2 + (w / radii[2]) ** 2) + 1e-6
    return level * (level - 1) / slope


def joined_mm(space: BrainSpace, lattice: Lattice) -> Field:
    """Return the distance to what joins the hemispheres: callosum, septum, fornix and diencephalon."""
    x, y, z = space.axes(lattice)
    middle = np.minimum(
        ball(x, y, z, (0.0, 2.0, 2.0), (17.0, 24.0, 16.0)), ball(x, y, z, (0.0, -12.0, 11.0), (14.0, 30.0, 12.0))
    )
    middle = np.minimum(middle, ball(x, y, z, (0.0, -24.0, -4.0), (9.0, 11.0, 8.0)))
    return np.minimum(middle, np.maximum(callosum_distance(x, y, z)[0], np.abs(x) - 14)) * space.scale
