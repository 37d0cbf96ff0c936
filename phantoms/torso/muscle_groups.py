"""Muscles that share one space: they compete for it, and those that do not touch are painted in one step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.lattice import Lattice
from phantoms.torso.table import labels

Field = NDArray[np.floating[Any]]

NEAR_MM = 5.0  # muscles nearer than this to each other are painted in different steps: the fat between stays sharp


def paint_in_groups(
    lattice: Lattice, settled: Mapping[str, Field], aliases: Mapping[str, str] | None = None
) -> list[Paint]:
    """Return few painting steps for many paired muscles; x tells the side.

    Parameters
    ----------
    settled : signed distance of each muscle at the nodes, after the competition.
    aliases : the structure that a field belongs to, where it is not called after it.
    """
    names, paints = labels(), []
    left = np.broadcast_to(lattice.x > 0, lattice.shape)
    for group in _groups(settled, aliases or {}):
        field = np.full(lattice.shape, 1e3, np.float32)
        owner = np.zeros(lattice.shape, np.uint8)
        table: list[int] = []
        for number, name in enumerate(group):
            closer = settled[name] < field
            field[closer], owner[closer] = settled[name][closer], 2 * number
            structure = (aliases or {}).get(name, name)
            table += [names[f"{structure}_right"], names[f"{structure}_left"]]
        owner += left
        paints.append(Paint(lattice.shape_near(field, owner), (Layer(tuple(table)),)))
    return paints


def _groups(settled: Mapping[str, Field], aliases: Mapping[str, str]) -> list[list[str]]:
    """Colour the map of neighbours greedily; parts of one structure may share a group."""
    coarse = {name: np.ascontiguousarray(field[::2, ::2, ::2]) < NEAR_MM for name, field in settled.items()}
    groups: list[list[str]] = []
    for name, near in coarse.items():
        for group in groups:
            if all(aliases.get(o, o) == aliases.get(name, name) or not np.any(near & coarse[o]) for o in group):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups
