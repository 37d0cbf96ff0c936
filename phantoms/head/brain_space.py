"""The brain's own coordinates: reference millimetres of a large head, stretched to the individual's inner skull.

Origin: the midline, halfway between the anterior and the posterior commissure. x left, y back, z up; the plane through
both commissures is level. Reference positions are rough MNI-like ones (y back from the mid-commissural point).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.shapes.lattice import Field, Lattice

# The reference inner skull: half width, front, back and top, mm.
HALF_WIDTH_MM, FRONT_MM, BACK_MM, TOP_MM = 71.0, -85.0, 95.0, 82.0


@dataclass(frozen=True, slots=True)
class BrainSpace:
    """Stretch from reference to individual millimetres along each axis, and the shift along y."""

    x_scale: float
    y_scale: float
    z_scale: float
    y_shift_mm: float

    @classmethod
    def fitted(cls, lattice: Lattice, inside: Field) -> BrainSpace:
        """Return the space of an intracranial cavity: its half width, length and height above the commissures."""
        x, y, z = (axis.ravel() for axis in (lattice.x, lattice.y, lattice.z))
        upper = inside[(z > -5) & (z < 40)] < 0
        across, along = x[upper.any(axis=(0, 1))], y[upper.any(axis=(0, 2))]
        top = float(z[(inside < 0).any(axis=(1, 2))].max())
        y_scale = (along.max() - along.min()) / (BACK_MM - FRONT_MM)
        middle = (along.max() + along.min()) / 2 - y_scale * (BACK_MM + FRONT_MM) / 2
        return cls((across.max() - across.min()) / 2 / HALF_WIDTH_MM, float(y_scale), top / TOP_MM, float(middle))

    @property
    def scale(self) -> float:
        """Mean stretch, for lengths without a direction."""
        return float((self.x_scale * self.y_scale * self.z_scale) ** (1 / 3))

    def at(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return individual positions (..., 3) of reference positions (..., 3)."""
        stretch = np.array([self.x_scale, self.y_scale, self.z_scale])
        return np.asarray(points, float) * stretch + [0.0, self.y_shift_mm, 0.0]

    def axes(self, lattice: Lattice) -> tuple[Field, Field, Field]:
        """Return the reference coordinates of a lattice's nodes along x, y, z (broadcastable)."""
        return lattice.x / self.x_scale, (lattice.y - self.y_shift_mm) / self.y_scale, lattice.z / self.z_scale
