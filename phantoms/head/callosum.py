"""Corpus callosum, septum pellucidum, fornix and the commissures."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.shapes.lattice import Field
from medsynth.shapes.sweep import spline_mm

# The callosum's middle line in the midsagittal plane from the rostrum's tip to the splenium: y, z and half thickness,
# reference mm. Length 75.6 +- 4.5, height 24.6 +- 3.4; genu 10.9, body 5.7, splenium 10.0 thick (MRI, n = 200).
MIDLINE = np.array(
    [
        [-27.0, -6.0, 0.8],
        [-36.0, -6.5, 1.7],
        [-42.5, 0.0, 4.4],
        [-41.0, 10.0, 4.9],
        [-31.0, 18.5, 3.7],
        [-16.0, 23.8, 3.0],
        [2.0, 25.2, 2.9],
        [15.0, 21.5, 3.0],
        [23.5, 15.5, 4.2],
        [26.5, 8.5, 4.6],
    ]
)


TABLE_LOW_MM, TABLE_STEP_MM, TABLE_SHAPE = (-90.0, -70.0), 0.5, (330, 380)  # y, z of its first node; (z, y) nodes


@lru_cache
def _midsagittal() -> NDArray[np.float32]:
    """Return distance to the plate and height above the arch at the midline, (2, z, y) every `TABLE_STEP_MM`."""
    line = spline_mm(MIDLINE, 2.0)
    y = TABLE_LOW_MM[0] + TABLE_STEP_MM * np.arange(TABLE_SHAPE[1])[None, :]
    z = TABLE_LOW_MM[1] + TABLE_STEP_MM * np.arange(TABLE_SHAPE[0])[:, None]
    best, above = np.full(TABLE_SHAPE, np.inf), np.zeros(TABLE_SHAPE)
    for a, b in pairwise(line):
        axis = b[:2] - a[:2]
        v, w = y - a[0], z - a[1]
        t = np.clip((v * axis[0] + w * axis[1]) / (axis @ axis), 0, 1)
        half = a[2] + (b[2] - a[2]) * t
        gap = np.hypot(v - axis[0] * t, w - axis[1] * t)
        nearer = gap - half < best
        best = np.where(nearer, gap - half, best)
        above = np.where(nearer, gap * np.sign(w * axis[0] - v * axis[1]) - half, above)
    return np.stack([best, above]).astype(np.float32)


def callosum_distance(x: Field, y: Field, z: Field) -> tuple[Field, Field]:
    """Return the distance to the callosum's plate and the height above its upper surface, at reference coordinates.

    To the sides its fibres turn: the body's up, the genu's forward (forceps minor), the splenium's back (forceps
    major). The height is positive above the arch, negative in it and under it.
    """
    beside = np.maximum(np.abs(x) - 4.0, 0.0) ** 2
    turned_y = y - 0.028 * beside * np.clip((y + 8.0) / 26.0, -1, 1)
    turned_z = z - 0.016 * beside * np.clip((z - 4.0) / 14.0, 0, 1)
    places = np.stack(np.broadcast_arrays(turned_z - TABLE_LOW_MM[1], turned_y - TABLE_LOW_MM[0])) / TABLE_STEP_MM
    both = [ndimage.map_coordinates(table, places, order=1, mode="nearest") for table in _midsagittal()]
    thinner = 0.04 * np.abs(x)
    return both[0] + thinner, both[1] + thinner
