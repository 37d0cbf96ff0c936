"""Organs that touch: neighbours compete for the space between them and share a wall with a thin, uneven gap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]


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
    nearest = second = None
    winner: NDArray[np.int16] | None = None
    biased = {name: field - stiffness_mm.get(name, 0.0) for name, field in fields.items()}
    for number, field in enumerate(biased.values()):
        if nearest is None or second is None or winner is None:
            nearest, second = field.copy(), np.full_like(field, 1e3)
            winner = np.zeros(field.shape, np.int16)
            continue
        ahead = field < nearest
        second = np.where(ahead, nearest, np.minimum(second, field))
        winner[ahead] = number
        nearest = np.minimum(nearest, field)
    settled = {}
    half_gap = np.asarray(gap_mm) * np.float32(0.5)
    for number, (name, field) in enumerate(biased.items()):
        assert nearest is not None and second is not None and winner is not None  # noqa: S101 (for the type checker)
        rival = np.where(winner == number, second, nearest)
        settled[name] = np.maximum(fields[name], (field - rival) * np.float32(0.5) + half_gap)
    return settled
