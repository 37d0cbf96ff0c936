"""The smooth hull of each hemisphere, which the sulci are carved into, and its free fissures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.shapes.blend import smooth_max, smooth_min
from medsynth.shapes.lattice import Field, Lattice
from medsynth.shapes.primitives import Capsule, Ellipsoid
from medsynth.shapes.sampled import SampledShape
from phantoms.head.brain_space import BrainSpace
from phantoms.head.callosum import callosum_distance
from phantoms.head.cortex_kernels import redistance
from phantoms.head.meninges import petrous_y, tentorium_z

HULL_STEP_MM = 2.0
GAP_MM = 2.0  # of cerebrospinal fluid over the gyri, before the volume is matched
Box = tuple[NDArray[np.float64], NDArray[np.float64]]


def side_lattice(space: BrainSpace) -> Lattice:
    """Return the lattice of one hemisphere: x is the distance from the midline."""
    low, high = space.at([-6.0, -92.0, -54.0]), space.at([77.0, 102.0, 90.0])
    return Lattice(tuple((low - 2).tolist()), tuple((high + 2).tolist()), HULL_STEP_MM)


def hemisphere_hull(
    space: BrainSpace, lattice: Lattice, inside: SampledShape, sign: int, spec: Mapping[str, Any], noise_seed: int
) -> Field:
    """Return the distance to one hemisphere without its sulci (negative inside), on a lattice of |x|.

    The vault and the fossae shape it from outside, the tentorium from below; a capsule is the temporal lobe, parted
    from the frontal one by the stem of the Sylvian fissure. In the middle the hull goes across the midline where
    callosum, septum and diencephalon join the hemispheres.
    """
    x, y, z = (axis.astype(np.float32) for axis in space.axes(lattice))
    scale = space.scale
    points = lattice.points_mm * np.array([sign, 1, 1], np.float32)
    vault = inside.distance_mm(points) + GAP_MM
    base = np.interp(y.ravel(), [-30, -14, 8, 30], [-32, -20, -12, -12]).reshape(y.shape)
    behind = 1 / (1 + np.exp(-(y - petrous_y(np.abs(x)) - 3) / 2.5))
    tent = tentorium_z(np.abs(x), y) + 2.0
    over_tent = (tent * behind + (1 - behind) * -70.0 - z) * 0.8
    upper = smooth_max(-(z - base - 0 * x).astype(np.float32), np.float32(-200.0), 1.0) * scale
    temporal = _capsule(x, y, z, (39.0, -20.0, -23.0), (43.0, 38.0, -12.0), 19.5, 23.0) * scale
    body = smooth_min(np.broadcast_to(upper, lattice.shape).astype(np.float32), temporal.astype(np.float32), 6.0)
    hull = smooth_max(smooth_max(vault.astype(np.float32), body, 6.0), (over_tent * scale).astype(np.float32), 6.0)
    wave = lattice.noise(noise_seed, 35.0) * np.float32(0.35)
    medial = np.broadcast_to((1.6 - x) * space.x_scale, lattice.shape) + wave
    hull = smooth_max(hull, medial.astype(np.float32), 3.0)
    return smooth_min(hull, joined_mm(space, lattice).astype(np.float32), 2.0)


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
