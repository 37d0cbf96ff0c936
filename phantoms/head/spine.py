"""The upper cervical spine: atlas, axis with dens, C3 to C6, discs, spinal canal and cord."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from phantoms.head.assembly import Assembly, Field
from phantoms.head.frame import CORD_MM, Frame, Space
from phantoms.head.table import labels

STEP_MM = 1.0
SHELL_MM = 0.9  # cortex 0.5-1.2 mm (unverified)
FAR_MM = 8.0
# Middles of the bodies of C3-C6 in the midline, reference mm: heights of 11 mm and discs of 5-6 mm.
BODIES_MM = {"C3": (18.0, -109.5), "C4": (20.5, -126.5), "C5": (24.0, -143.5), "C6": (28.5, -160.5)}
HALF_WIDTH_MM, HALF_DEPTH_MM, HALF_HEIGHT_MM = 10.0, 7.8, 5.9  # C3-6: 23 x 15 mm, 11 mm high
AXIS_BASE_Z_MM = -101.0
CANAL_MM = np.array([(-52, 29.5, 14.0, 15.0), (-62, 30.5, 14.0, 14.5), (-72, 32.0, 13.0, 11.5), (-82, 32.5, 11.5, 9.0),
                     (-94, 33.5, 11.0, 8.0), (-109, 34.3, 11.0, 7.6), (-126, 36.8, 11.2, 7.4), (-143, 40.2, 11.4, 7.3),
                     (-162, 44.8, 11.5, 7.3)])  # z, y of the middle, half width, half depth


def build_spine(frame: Frame) -> tuple[list[Paint], list[Paint]]:
    """Return the paints of canal, cord and discs, and those of the vertebrae in front of everything."""
    names = labels()
    space = frame.space(frame.box((-44, -4, -156), (44, 92, -54), STEP_MM))
    lattice = space.lattice
    bones = Assembly(frame, space)
    _add_atlas(bones)
    _add_axis(bones)
    for name, (y, z) in BODIES_MM.items():
        _add_vertebra(bones, name, y, z)
    canal, cord = _canal(space)
    size = np.float32(frame.size)
    rough = 0.35 * lattice.noise(frame.noise_seed(70), 9.0)
    bones.values = np.maximum(bones.values + rough, -(canal * size) + 0.2).astype(np.float32)
    discs, owner = _discs(space)
    discs = np.maximum(discs * size, -(canal * size) + 0.4)
    table = [names[f"disc_{a}_{b}"] for a, b in pairwise(("C2", *BODIES_MM))]
    bands = Assembly(frame, space)
    bands.sweep("craniocervical_ligaments", [(0, 13, -57), (0, 14.5, -63)], (0, 1, 0), (1.8, 3.0), (5, 6))
    bands.sweep("craniocervical_ligaments", [(0, 22.0, -60), (0, 22.5, -74), (0, 24.5, -90)], (0, 1, 0),
                (1.2, 1.6, 1.0), (7, 8, 6))
    nuchal = np.maximum(np.abs(space.x) - 0.9, np.maximum(48 - space.y, space.y - 80)).astype(np.float32)
    shape = lattice.shape_of
    inside = [
        Paint(shape(np.maximum(nuchal, space.z + 66)), (Layer(names["craniocervical_ligaments"]),)),
        Paint(shape(bands.values), (Layer(names["craniocervical_ligaments"]),)),
        Paint(shape(discs, owner), (Layer(tuple(table)),)),
        Paint(shape(canal * size), (Layer(names["epidural_fat"]), Layer(names["spinal_canal"], 1.3))),
        Paint(shape(cord * size), (Layer(names["spinal_cord"]),)),
    ]
    solid = [Paint(bones.shape(), (Layer(bones.labels(names)), Layer(bones.marrow(names), SHELL_MM)))]
    return inside, solid


def _add_atlas(bones: Assembly) -> None:
    """Add the ring of C1: front arch, lateral masses with transverse processes, back arch."""
    name = "vertebra_C1"
    bones.sweep(name, [(-14, 13, -73), (-7, 9.0, -72.5), (0, 7.0, -72), (7, 9.0, -72.5), (14, 13, -73)], (0, 1, 0),
                (3.2, 2.8, 3.4, 2.8, 3.2), (5, 5, 6, 5, 5))
    bones.blobs(name, (19, 19.5, -73), (7.5, 9.5, 8.5), (-0.3, 0))
    bones.pair(name, [(21, 26, -73.5), (21, 35, -73), (15, 44, -74.5), (6, 49, -76), (0, 50.5, -76.5)], (0, 0, 1),
               (3.0, 2.8, 3.6, 4.2, 5.0), (3.2, 2.6, 2.8, 3.0, 3.6))
    bones.pair(name, [(23, 19, -74), (32, 20, -75), (38, 21, -76)], (0, 0, 1), (4.5, 3.6, 4.2), (4.5, 3.8, 4.2))


def _add_axis(bones: Assembly) -> None:
    """Add C2: dens, body, upper facets, arch and a stout forked spinous process."""
    name = "vertebra_C2"
    bones.sweep(name, [(0, 15.5, -67), (0, 15, -74), (0, 15.5, -82)], (0, 1, 0), (4.6, 5.4, 6.2), (4.6, 5.2, 7.0))
    bones.sweep(name, [(0, 15.5, -84), (0, 15.5, -92), (0, 15.8, AXIS_BASE_Z_MM + 3)], (0, 1, 0), (7.0, 7.2, 7.2),
                (9, 9, 10), 2.6)
    bones.blobs(name, (16, 18.5, -84.5), (8.5, 9.0, 5.5), (-0.2, 0))
    bones.pair(name, [(14, 22, -90), (17, 31, -91), (19, 36, -97)], (0, 0, 1), (5, 5, 5), (4.5, 4.5, 5))
    bones.pair(name, [(16, 33, -93), (10, 42, -92), (0, 47, -93)], (0, 0, 1), (5.5, 6.5, 7), (3.0, 3.0, 3.5))
    bones.pair(name, [(1, 46, -94), (2.5, 57, -96), (6, 64, -99)], (1, 0, 0), (3.4, 3.4, 2.6), (7, 6.0, 3.6))
    bones.pair(name, [(18, 19, -92), (25, 21, -96)], (0, 0, 1), (3.0, 2.6), (3, 2.6))


def _add_vertebra(bones: Assembly, level: str, y: float, z: float) -> None:
    """Add one of C3-C6: a body with hooked upper edges, articular pillars, arch, transverse and spinous processes."""
    name = f"vertebra_{level}"
    box, s = bones.space.part((-13, y - 10, z - 9), (13, y + 10, z + 9))
    u, v, w = s.x / HALF_WIDTH_MM, (s.y - y - 0.12 * (s.z - z)) / HALF_DEPTH_MM, s.z - z
    level_xy = (np.abs(u) ** 2.6 + np.abs(v) ** 2.6) ** np.float32(1 / 2.6)
    waist = 0.9 + 0.1 * np.minimum((w / HALF_HEIGHT_MM) ** 2, 1.3)
    hooks = 2.6 * np.clip((np.abs(u) - 0.62) / 0.38, 0, 1) * (w > 0) * np.clip(1.3 - np.abs(v), 0, 1)
    ends = np.abs(w + 0.14 * (s.y - y)) - HALF_HEIGHT_MM - hooks
    body = np.maximum((level_xy / waist - 1) * HALF_DEPTH_MM, ends)
    bones.field(name, box, np.asarray(body, np.float32) * np.float32(bones.frame.size))
    back = y + HALF_DEPTH_MM
    bones.pair(name, [(9, back - 3, z + 1), (15, back + 3, z + 1), (19, back + 7, z)], (0, 0, 1), (3.6, 3.2, 5),
               (3, 3, 4))
    bones.pair(name, [(19, back + 2, z + 8.0), (19.5, back + 6.5, z), (19, back + 10.5, z - 7.5)], (1, 0, 0),
               (5, 5.5, 5), (4.0, 4.8, 3.8))
    bones.pair(name, [(18, back + 11, z - 3), (11, back + 17, z - 2.5), (0, back + 20.5, z - 4)], (0, 0, 1),
               (6, 6, 6.0), (2.2, 2.1, 2.6))
    bones.pair(name, [(0.8, back + 20, z - 5), (2.0, back + 28, z - 8.5), (4.5, back + 34, z - 11)], (1, 0, 0),
               (2.6, 2.6, 2.2), (5, 4.5, 3))
    bones.pair(name, [(10, y - 2, z - 1), (17, y - 2.5, z - 1.5), (23, y - 0.5, z - 3)], (0, 0, 1), (2.2, 1.8, 2.4),
               (2.4, 2.0, 2.4))
    bones.pair(name, [(23, y + 0.5, z - 3), (23.5, y + 6, z - 2), (19, back + 5, z)], (0, 0, 1), (2.0, 2.0, 3),
               (2, 2.2, 3))


def _discs(space: Space) -> tuple[Field, NDArray[np.uint8]]:
    """Return the distance to the discs from C2-C3 on, with their number; reference mm."""
    levels = [(15.8, AXIS_BASE_Z_MM + 5.0), *BODIES_MM.values()]
    field = np.full(space.lattice.shape, FAR_MM, np.float32)
    owner = np.zeros(space.lattice.shape, np.uint8)
    for number, ((y0, z0), (y1, z1)) in enumerate(pairwise(levels)):
        y, z = (y0 + y1) / 2 - 0.3, (z0 + z1) / 2
        box, s = space.part((-13, y - 10, z - 7), (13, y + 10, z + 7))
        level = ((np.abs(s.x) / 10.6) ** 2.6 + (np.abs(s.y - y) / 8.2) ** 2.6) ** np.float32(1 / 2.6)
        disc = np.maximum((level - 1) * 8.0, np.abs(s.z - z + 0.14 * (s.y - y)) - 4.5)
        closer = disc < field[box]
        field[box][closer], owner[box][closer] = disc[closer], number
    return field, owner


def _canal(space: Space) -> tuple[Field, Field]:
    """Return the distances to the spinal canal and to the cord, reference mm."""
    z = space.z
    middle, wide, deep = (np.interp(z, CANAL_MM[::-1, 0], CANAL_MM[::-1, n]).astype(np.float32) for n in (1, 2, 3))
    canal = (np.hypot(space.x / wide, (space.y - middle) / deep) - 1) * deep
    cord = np.array(CORD_MM, float)[::-1]
    behind = np.interp(z, cord[:, 2], cord[:, 1]).astype(np.float32)
    wide = np.interp(z, (-158, -120, -90, -50), (6.6, 6.3, 5.8, 6.2)).astype(np.float32)  # cord 8 x 13 mm (unverified)
    thin = np.interp(z, (-158, -120, -90, -50), (3.9, 3.9, 4.1, 5.5)).astype(np.float32)
    inside = (np.hypot(space.x / wide, (space.y - behind) / thin) - 1) * thin
    return canal, np.maximum(inside, space.z + 58.0)
