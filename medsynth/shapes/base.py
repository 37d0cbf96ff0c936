"""What a shape is: a signed distance in millimetres, negative inside, and a box that holds it."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating[Any]]
Distances = NDArray[np.floating[Any]]
Box = tuple[tuple[float, float, float], tuple[float, float, float]]


@runtime_checkable
class Shape(Protocol):
    """An implicit solid.

    Attributes
    ----------
    exact : whether `distance_mm` is the Euclidean distance; otherwise it is a bound or an approximation whose zero
        level is right and whose slope is near one, and margins or wall thicknesses taken from it are approximate.
    """

    @property
    def exact(self) -> bool:
        """Whether `distance_mm` is the Euclidean distance."""
        ...

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm at LPS points (..., 3), negative inside."""
        ...

    def bounds_mm(self) -> Box:
        """Return the LPS box (low, high) outside which no point is inside."""
        ...
