"""How deep the sulci are: by place, by name, and by the room there is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.lattice import Field, Lattice
from phantoms.head.brain_space import BrainSpace
from phantoms.head.cortex_folds import Named, Surface
from phantoms.head.cortex_hull import joined_mm
from phantoms.head.cortex_kernels import gather

DEPTH_MM, SECOND_DEPTH_MM = 24.0, 4.5  # reference mm; the sulci of the first kind become 15-20 mm deep
ROOM = 0.8  # the deepest sulcus as a part of the hemisphere's own depth under it


def smoothstep(low: float, high: float, value: Field) -> Field:
    """Return 0 at `low` and before, 1 at `high` and beyond, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def sulcal_depths(
    space: BrainSpace, lattice: Lattice, surface: Surface, named: Named, depth_scale: float, seed: int
) -> tuple[Field, Field]:
    """Return the depth of the sulci at the surface's nodes in mm, and how far (0-1) these lie where none can be.

    Sulci of the medial wall are shallower (cingulate shallowest); none cut the callosum, the diencephalon, or the
    inner face of the temporal lobe.
    """
    shift, stretch = (0.0, space.y_shift_mm, 0.0), (space.x_scale, space.y_scale, space.z_scale)
    x, y, z = ((surface.foot_mm[:, n] - shift[n]) / stretch[n] for n in range(3))
    wall = smoothstep(10, 4, x)
    window = wall * smoothstep(1.15, 0.9, np.hypot((y + 8) / 41, (z - 3) / 22))
    hilum = smoothstep(21, 17, x) * smoothstep(-4, -9, z) * smoothstep(-22, -16, y) * smoothstep(34, 28, y)
    joined = np.empty((len(x), 1), np.float32)
    gather(np.ascontiguousarray(joined_mm(space, lattice)[..., None], np.float32), surface.cell, joined)
    window = np.maximum(np.maximum(window, hilum), smoothstep(4.0, 1.0, joined[:, 0]))
    varied = np.clip(1 + 0.16 * lattice.noise(seed, 36.0)[surface.near], 0.5, 1.25)
    depth = depth_scale * DEPTH_MM * space.scale * varied * (1 - 0.3 * wall)
    depth = depth + named.near * (named.depth_mm - depth)
    return np.minimum(depth, ROOM * surface.half_thickness_mm) * (1 - window), window


def second_order(
    lattice: Lattice, surface: Surface, first: NDArray[np.float32], spacing_mm: float, seed: int
) -> Field:
    """Return the depth of the short sulci on the crowns between the first ones, mm at the surface's nodes.

    They are fewer on the medial wall.
    """
    level, slopes = first[surface.near][:, 0], first[surface.near][:, 1:]
    number = 2 * np.pi / spacing_mm
    across = np.arctan2(np.linalg.norm(slopes, axis=1) / number, -level) / number
    presence = np.clip(0.15 + 0.6 * lattice.noise(seed, 24.0)[surface.near], 0, 1.3)
    presence *= 1 - 0.6 * smoothstep(10, 4, surface.foot_mm[:, 0])
    return SECOND_DEPTH_MM * presence * smoothstep(2.5, 4.5, across)
