"""Small parts of the brain, and what age brings: plexus, glands, chiasm, calcifications, white matter lesions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.tubes import Tubes
from phantoms.head.brain_space import BrainSpace
from phantoms.head.vessel_paths import joined, path_mm, tubes_along

Array = NDArray[np.float32]

# The choroid plexus of the left lateral ventricle from the foramen of Monro to the temporal horn: x, y, z and radius.
PLEXUS = np.array(
    [(4.5, -11.0, 11.5, 0.7), (7.5, 0.0, 16.5, 1.0), (13.0, 12.0, 16.0, 1.2), (20.0, 22.0, 11.5, 2.2),
     (25.5, 24.5, 5.0, 2.6), (29.5, 21.0, -3.0, 1.5), (31.5, 10.0, -12.0, 0.9)]
)
GLOMUS = (24.5, 24.5, 6.5)
PINEAL = ((0.0, 18.5, 2.0), (0.0, 22.5, 0.5))
CHIASM = (((10.0, -25.0, -15.5), (0.0, -16.5, -12.5)), ((0.0, -16.5, -12.5), (10.0, -8.0, -11.0), (17.0, 2.0, -8.0)))
STALK_TOP = (0.0, -10.5, -10.5)


def choroid_plexus(space: BrainSpace, seed: int) -> dict[str, Tubes]:
    """Return the plexus of each lateral ventricle: a few strands that wind about one another."""
    found = {}
    for side, sign in (("right", -1), ("left", 1)):
        points = space.at(PLEXUS[:, :3] * [sign, 1, 1])
        strands = []
        for n in range(3):
            path = path_mm(points, 1.1, seed + 10 * n + sign)
            along = np.linspace(0, 1, len(path))
            radii = np.interp(along, np.linspace(0, 1, len(PLEXUS)), PLEXUS[:, 3]) * space.scale * (0.9 - 0.15 * n)
            strands.append(Tubes(path[:-1], path[1:], radii[:-1], radii[1:], np.arange(-1, len(path) - 2)))
        found[side] = joined(strands)
    return found


def crumbs(centre_mm: NDArray[np.float64], spread_mm: float, count: int, radius_mm: float, seed: int) -> Tubes:
    """Return a cluster of calcified grains about a point."""
    rng = np.random.Generator(np.random.PCG64(seed))
    start = centre_mm + spread_mm * np.clip(rng.standard_normal((count, 3)), -1.6, 1.6)
    end = start + 0.8 * rng.standard_normal((count, 3))
    radius = radius_mm * np.exp(0.35 * rng.standard_normal(count))
    return Tubes(start, end, radius, 0.8 * radius, np.full(count, -1, np.int64))


def calcifications(space: BrainSpace, spec: Mapping[str, Any], seed: int) -> dict[str, Tubes]:
    """Return the calcified grains of this subject by structure: plexus, pineal, falx, pallidum."""
    found = {}
    for n, (side, sign) in enumerate((("right", -1), ("left", 1))):
        if spec["choroid_calcified"]:
            centre = space.at(np.array(GLOMUS) * [sign, 1, 1])
            found[f"choroid_plexus_calcification_{side}"] = crumbs(centre, 2.0, 14, 0.75, seed + n)
        if spec["pallidum_calcified"]:
            centre = space.at(np.array([20.0, -11.0, 0.0]) * [sign, 1, 1])
            found[f"pallidum_calcification_{side}"] = crumbs(centre, 1.6, 8, 0.6, seed + 2 + n)
    if spec["pineal_calcified"]:
        found["pineal_calcification"] = crumbs(space.at([0.0, 20.5, 1.2]), 1.0, 6, 0.9, seed + 4)
    if spec["falx_calcified"]:
        found["falx_calcification"] = crumbs(space.at([0.0, -48.0, 46.0]), 2.5, 7, 0.6, seed + 5)
    return found


def glands(space: BrainSpace, sella_mm: NDArray[np.float64]) -> dict[str, Tubes]:
    """Return pineal, pituitary with its stalk, and the optic chiasm with its tracts."""
    pineal = np.asarray(space.at(PINEAL))
    gland = np.stack([sella_mm + [-3.2, 0, 0.5], sella_mm + [3.2, 0, 0.5]])
    stalk = np.stack([sella_mm + [0, 0, 2.0], np.asarray(space.at(STALK_TOP))])
    optic = [
        tubes_along(path_mm(space.at(np.array(rows) * [sign, 1, 1]), 0.0, 1), 2.1, 1.9)
        for rows in CHIASM for sign in (-1, 1)
    ]
    return {
        "pineal": tubes_along(pineal, 2.8, 2.2),
        "pituitary": joined([tubes_along(gland, 3.3, 3.3), tubes_along(stalk, 1.3, 0.9)]),
        "optic_chiasm": joined(optic),
    }


def white_matter_lesions(
    space: BrainSpace, lattice: Lattice, lateral_mm: Array, ribbon: SampledShape, depth: float, volume_ml: float,
    seed: int,
) -> SampledShape | None:
    """Return caps at the ventricles' horns, thin bands along their bodies and scattered foci, with a drawn volume.

    A rim of 4 mm under the cortex is spared. `ribbon` is the cortex's own measure, white matter beyond `-depth`.
    """
    if volume_ml < 0.05:
        return None
    y = space.axes(lattice)[1]
    white = ribbon.distance_mm(lattice.points_mm) + np.float32(depth)
    spared = white + 3.0
    horns = np.clip((-y - 33.0) / 8.0, 0, 1) + np.clip((y - 20.0) / 8.0, 0, 1)
    rough = lattice.noise(seed, 13.0)
    reach = 0.3 + horns + 0.35 * rough
    foci = 6.2 - 2.2 * lattice.noise(seed + 1, 11.0) - 0.8 * rough
    low, high = 0.0, 14.0
    for _ in range(12):
        grown = (low + high) / 2
        level = np.minimum(lateral_mm - grown * reach, (foci - 0.3 * grown) * 2.5)
        level = np.maximum(np.maximum(level, spared), 0.3 - lateral_mm).astype(np.float32)
        if lattice.volume_ml(level) > volume_ml:
            high = grown
        else:
            low = grown
    return lattice.shape_of(level, np.broadcast_to(lattice.x > 0, lattice.shape).astype(np.uint8))
