"""Corpus callosum, septum pellucidum, fornix and the commissures."""

from __future__ import annotations

import numpy as np

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


def callosum_distance(x: Field, y: Field, z: Field) -> tuple[Field, Field]:
    """Return the distance to the callosum's plate and the height above its upper surface, at reference coordinates.

    Away from the midline the plate thins out. The height is positive above the arch, negative in it and under it.
    """
    line = spline_mm(MIDLINE, 2.0)
    yy, zz = np.broadcast_arrays(y, z)
    best, above = np.full(yy.shape, np.inf), np.zeros(yy.shape)
    for a, b in zip(line[:-1], line[1:], strict=True):
        axis = b[:2] - a[:2]
        v, w = yy - a[0], zz - a[1]
        t = np.clip((v * axis[0] + w * axis[1]) / (axis @ axis), 0, 1)
        half = a[2] + (b[2] - a[2]) * t
        gap = np.hypot(v - axis[0] * t, w - axis[1] * t)
        nearer = gap - half < best
        best = np.where(nearer, gap - half, best)
        above = np.where(nearer, gap * np.sign(w * axis[0] - v * axis[1]) - half, above)
    return best + 0.05 * np.abs(x), above + 0.05 * np.abs(x)
