"""Bones with cortex and marrow, several in one painting step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Layer, Paint
from medsynth.shapes.lattice import Lattice
from phantoms.torso.table import labels

Field = NDArray[np.floating[Any]]


def bones_paint(lattice: Lattice, parts: Mapping[str, Field], cortex_mm: float) -> Paint:
    """Paint bones that do not touch in one step, with cortex and marrow."""
    names = labels()
    field = np.minimum.reduce(list(parts.values()))
    owner = np.zeros(lattice.shape, np.uint8)
    for number, own in enumerate(parts.values()):
        owner[own == field] = number
    layers = Layer(tuple(names[n] for n in parts)), Layer(tuple(names[f"{n}_marrow"] for n in parts), cortex_mm)
    return Paint(lattice.shape_near(field, owner), layers)
