"""The free fissures, which no fold pattern gives: the Sylvian fissure with the insula, and the callosal sulcus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.lattice import Field, Lattice, unit_slope
from phantoms.head.brain_space import BrainSpace
from phantoms.head.callosum import callosum_distance

# Height of the Sylvian fissure's sheet by y, reference mm: from its stem behind the sphenoid wing up and back.
SYLVIAN_Y_MM = (-40.0, -30.0, -12.0, 8.0, 24.0, 34.0)
SYLVIAN_Z_MM = (-17.0, -9.0, -1.0, 6.0, 13.0, 22.0)
INSULA_X_MM = 37.5


def fissures(
    space: BrainSpace, lattice: Lattice, hull: Field, own: Mapping[str, Any], width_mm: float, seeds: Sequence[int]
) -> NDArray[np.float32]:
    """Return (level, limit, half width) of each free fissure of one side, (z, y, x, 9), in mm."""
    x, y, z = space.axes(lattice)
    scale = space.scale
    waves = [lattice.noise(seed, wavelength) for seed, wavelength in zip(seeds, (30.0, 30.0, 22.0, 24.0), strict=True)]
    back = float(own["sylvian_mm"])
    height = np.interp(y.ravel(), SYLVIAN_Y_MM, SYLVIAN_Z_MM).reshape(y.shape)
    sheet = (z - height - 0.10 * (x - 50.0)) * 0.9 + 2.1 * waves[0] + 0.7 * waves[3]
    limit = np.maximum(np.maximum(INSULA_X_MM - 1 - x, -(y + 39.0)), y - 33.0 - back)
    # Behind the insula the fissure is only a deep sulcus.
    behind = np.clip((y - 10.0) / 12.0, 0, 1)
    limit = np.maximum(limit, behind * (-hull / scale - 19.0) + (1 - behind) * -50.0)
    bulge = 0.012 * ((z - 2.0) ** 2 + 0.45 * (y + 12.0) ** 2)
    short_gyri = 0.8 * lattice.noise(seeds[1] + 1, 12.0)
    cleft = x - INSULA_X_MM + bulge + 1.2 * waves[1] + short_gyri
    rim = np.sqrt(((y + 11.0 - 0.35 * (z - 3)) / 26.0) ** 2 + ((z - 3.0) / 16.5) ** 2)
    rim_limit = (rim - 1.0) * 17.0 + 1.5 * waves[2]
    over = callosum_distance(x, y, z)[1] - 0.9
    # From the rostrum round the genu, over the body and round the splenium.
    ends = np.maximum(-y - 50.0, -10.0 - z)
    callosal_limit = np.maximum(np.maximum(x - 6.5 + 2.5 * waves[2], -4.0 - x), ends)
    half = width_mm / 2
    valley = 1.6 * np.exp(-(((y + 30.0) / 12.0) ** 2) - ((x - 40.0) / 9.0) ** 2)  # the Sylvian cistern
    parts: list[tuple[Field, Field, Field | float]] = [
        (sheet * scale, limit * scale, 0.75 * half + 0.25 + valley),
        (cleft * scale, rim_limit * scale, 0.8 * half + 0.3),
        (over * scale, callosal_limit * scale, 0.6 * half + 0.2),
    ]
    out = np.empty((*lattice.shape, 9), np.float32)
    for n, (level, end, width) in enumerate(parts):
        full = np.broadcast_to(level, lattice.shape).astype(np.float32)
        out[..., 3 * n] = unit_slope(full, lattice.step_mm, 0.5, 3.0)  # else it gapes where its waves lie flat
        out[..., 3 * n + 1], out[..., 3 * n + 2] = end, width
    return out
