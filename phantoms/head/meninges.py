"""Falx and tentorium."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsynth.shapes.lattice import Field, Lattice
from medsynth.shapes.sampled import SampledShape
from phantoms.head.brain_space import BrainSpace
from phantoms.head.callosum import callosum_distance

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


FALX_MM, TENT_MM = 1.1, 1.1  # thickness; 0.7-1.2 (recalled)
OPENING_MM = (14.5, 13.0, 25.0)  # the incisura: half width, middle y and half length, reference mm


def build_falx(space: BrainSpace, cavity: SampledShape, tent: Tentorium, seed: int) -> SampledShape:
    """Return the falx: in the midline from the vault to a free edge 4-12 mm over the callosum, behind to the tent."""
    low, high = space.at([-3.0, -88.0, -26.0]), space.at([3.0, 98.0, 88.0])
    lattice = Lattice((-3.0, float(low[1]), float(low[2])), (3.0, float(high[1]), float(high[2])), 0.6)
    _, y, z = space.axes(lattice)
    _, above = callosum_distance(np.zeros((1, 1, 1)), y, z)
    edge = np.interp(np.ravel(y), (-85, -50, -10, 25, 34), (16, 14, 9, 4, 2)).reshape(y.shape) - above
    hind = tent.height(np.zeros((1, 1, 1)), y) - z
    edge = np.where(y > 32.0, np.maximum(hind, -60.0), np.maximum(edge, -14.0 - z))
    edge = edge * space.scale
    sheet = np.abs(lattice.x - 0.7 * lattice.noise(seed, 55.0)) - FALX_MM / 2  # no falx is quite flat
    inside = cavity.distance_mm(lattice.points_mm) - 0.5
    return lattice.shape_of(np.maximum(np.maximum(sheet, edge), inside).astype(np.float32))


def build_tent(space: BrainSpace, cavity: SampledShape, tent: Tentorium) -> SampledShape:
    """Return the tentorium with its opening for the midbrain."""
    low, high = space.at([-64.0, -8.0, -42.0]), space.at([64.0, 98.0, 14.0])
    lattice = Lattice(tuple(low.tolist()), tuple(high.tolist()), 1.0)
    x, y, z = space.axes(lattice)
    side = np.abs(x)
    slope = np.where(side < 52.0, 0.86, 1.0)
    sheet = np.abs(z - tent.height(side, y)) * slope * space.scale - TENT_MM / 2
    wide, middle, long = OPENING_MM
    opening = (1 - np.hypot(x / wide, (y - middle) / long)) * wide
    ahead = petrous_y(side) - y
    inside = cavity.distance_mm(lattice.points_mm) - 0.5
    edges = np.maximum(np.maximum(opening, ahead) + 0 * z, inside)
    return lattice.shape_of(np.maximum(sheet, edges).astype(np.float32))
