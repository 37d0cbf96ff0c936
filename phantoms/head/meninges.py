"""Dura, falx, tentorium and the venous sinuses they carry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsynth.shapes.lattice import Field, Lattice
from phantoms.head.brain_space import BrainSpace

# Height of the tentorium over its ridge (the straight sinus) and over the incisura's free edge, reference mm, by y:
# about 0 at the apex, falling at 40-45 degrees to the transverse sinus.
RIDGE_Y_MM = (-10.0, 5.0, 20.0, 34.0, 60.0, 88.0)
RIDGE_Z_MM = (-20.0, -15.0, -6.0, 4.0, -6.5, -20.0)
ATTACHED_Z_MM = -25.0


def petrous_y(x: Field) -> Field:
    """Return the reference y of the petrous ridge, which parts the middle from the posterior fossa, at |x|."""
    return 0.72 * (np.maximum(x, 10.0) - 12.0) + 3.0


@dataclass(frozen=True, slots=True)
class Tentorium:
    """The tent over the cerebellum; `shift_mm` raises its back and its sides (reference mm)."""

    shift_mm: float = 0.0

    @classmethod
    def fitted(cls, space: BrainSpace, lattice: Lattice, inside: Field, below_ml: float) -> Tentorium:
        """Return the tent that leaves the posterior fossa `below_ml` (root finding)."""
        x, y, z = space.axes(lattice)
        low, high = -12.0, 8.0
        for _ in range(8):
            tent = cls((low + high) / 2)
            room = np.maximum(inside, np.maximum(z - tent.height(np.abs(x), y), petrous_y(np.abs(x)) - y))
            if lattice.volume_ml(room) > below_ml:
                high = tent.shift_mm
            else:
                low = tent.shift_mm
        return cls((low + high) / 2)

    def height(self, x: Field, y: Field) -> Field:
        """Return the reference height at |x|, y."""
        ridge = np.interp(np.ravel(y), RIDGE_Y_MM, RIDGE_Z_MM).reshape(np.shape(y))
        ridge = ridge + self.shift_mm * np.clip((y - 34.0) / 40.0, 0, 1)
        edge = ATTACHED_Z_MM + self.shift_mm
        return edge + (ridge - edge) * (1 - np.clip(x / 52.0, 0, 1) ** 0.85) + 0 * x
