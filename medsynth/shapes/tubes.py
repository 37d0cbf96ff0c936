"""Tubes: many thin capsules with a radius at each end, as vessels, airways and wires are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import GeometryError


@dataclass(frozen=True, eq=False)
class Tubes:
    """Capsules from `starts_mm` to `ends_mm` with linearly changing radius.

    Attributes
    ----------
    starts_mm, ends_mm : (n, 3) LPS points.
    start_radii_mm, end_radii_mm : (n,) mm.
    parents : (n,) index of the capsule each one continues, -1 at a root.
    walls_mm : (n,) thickness of the wall around these (lumen) radii, or None for solid tubes.
    """

    starts_mm: NDArray[np.float64]
    ends_mm: NDArray[np.float64]
    start_radii_mm: NDArray[np.float64]
    end_radii_mm: NDArray[np.float64]
    parents: NDArray[np.int64]
    walls_mm: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        n = len(self.starts_mm)
        shapes = (
            self.starts_mm.shape,
            self.ends_mm.shape,
            self.start_radii_mm.shape,
            self.end_radii_mm.shape,
            self.parents.shape,
        )
        if shapes != ((n, 3), (n, 3), (n,), (n,), (n,)):
            raise GeometryError(f"tubes need (n, 3) points and (n,) radii and parents, got {shapes}")
        if not (np.all(self.start_radii_mm > 0) and np.all(self.end_radii_mm > 0)):
            raise GeometryError("radii of tubes must be > 0 mm and not NaN")
        if self.walls_mm is not None and (self.walls_mm.shape != (n,) or (n and not self.walls_mm.min() >= 0)):
            raise GeometryError(f"walls_mm must be (n,) and >= 0, got shape {self.walls_mm.shape}")

    @property
    def lengths_mm(self) -> NDArray[np.float64]:
        """Length of each capsule's axis in mm, (n,)."""
        length: NDArray[np.float64] = np.linalg.norm(self.ends_mm - self.starts_mm, axis=1)
        return length
