"""Organs that touch: neighbours compete for the space between them and share a wall with a thin, uneven gap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.shapes.shape_kernels import rank_rivals, yield_to_rivals

Field = NDArray[np.floating[Any]]

FAR_MM = 1000.0  # where no rival is


def compete(fields: Mapping[str, Field], stiffness_mm: Mapping[str, float], gap_mm: Field | float) -> dict[str, Field]:
    """Let every shape yield to its nearest neighbour so that both end at the surface halfway between them.

    Parameters
    ----------
    fields : signed distance of each shape at the same nodes, mm, with slope near one. They may overlap.
    stiffness_mm : by how much a shape moves the shared wall towards its softer neighbours (missing: 0).
    gap_mm : what is left free between two neighbours; an uneven one that reaches 0 looks natural.

    Returns
    -------
    The fields after the competition: each is the larger of the shape itself and half the difference to its nearest
    rival plus half the gap.
    """
    shape = np.broadcast_shapes(*(field.shape for field in fields.values()))
    flat = {name: np.ascontiguousarray(np.broadcast_to(field, shape), np.float32).reshape(-1)
            for name, field in fields.items()}
    size = int(np.prod(shape))
    nearest, second = np.full(size, FAR_MM, np.float32), np.full(size, FAR_MM, np.float32)
    winner = np.full(size, -1, np.int16)
    for number, (name, field) in enumerate(flat.items()):
        rank_rivals(field, np.float32(stiffness_mm.get(name, 0.0)), number, nearest, second, winner)
    gap = np.asarray(gap_mm, np.float32)
    gap = np.ascontiguousarray(np.broadcast_to(gap, shape)).reshape(-1) if gap.ndim else gap.reshape(1)
    settled: dict[str, Field] = {}
    for number, (name, field) in enumerate(flat.items()):
        out = np.empty(size, np.float32)
        yield_to_rivals(field, np.float32(stiffness_mm.get(name, 0.0)), number, nearest, second, winner, gap, out)
        settled[name] = out.reshape(shape)
    return settled
