"""The truth of a projection image: structures overlap in it, so that each has a shadow of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import GeometryError, expected

# A pixel belongs to a structure through which its ray runs at least this far, or half of the longest way where that is
# less.
MASK_MM = 0.3


@dataclass(frozen=True, eq=False)
class Shadow:
    """How much of each ray runs through one structure, cropped to the pixels that it reaches.

    Attributes
    ----------
    first_ji : row and column of `thickness_mm[0, 0]` in the image.
    thickness_mm : (rows, columns) float32, length of each pixel's ray inside the structure.
    """

    first_ji: tuple[int, int]
    thickness_mm: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.thickness_mm.ndim != 2 or min(self.first_ji) < 0:
            what = "a 2D array at rows and columns >= 0"
            raise GeometryError(expected("shadow", (self.thickness_mm.shape, self.first_ji), what))

    @property
    def level_mm(self) -> float:
        """The thickness from which on a pixel belongs to the structure."""
        return min(MASK_MM, 0.5 * float(self.thickness_mm.max(initial=0.0)))

    def inside(self) -> NDArray[np.bool_]:
        """Return which pixels of `thickness_mm` belong to the structure."""
        return (self.thickness_mm > 0) & (self.thickness_mm >= self.level_mm)

    def full(self, shape_ji: tuple[int, int]) -> NDArray[np.float32]:
        """Return the thickness in mm on the whole image, (rows, columns) float32."""
        image = np.zeros(shape_ji, np.float32)
        (row, column), (rows, columns) = self.first_ji, self.thickness_mm.shape
        image[row:row + rows, column:column + columns] = self.thickness_mm
        return image


@dataclass(frozen=True, eq=False)
class Projection:
    """What is true of a projection image.

    Attributes
    ----------
    structures : by organ's name, parts included.
    lesions : by lesion number.
    keypoints : named places as (row, column) of the image, fractional; pixel centres are whole numbers.
    measures : what follows from them (JSON values), e.g. the cardiothoracic ratio.
    """

    structures: Mapping[str, Shadow]
    lesions: Mapping[int, Shadow] = field(default_factory=dict)
    keypoints: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    measures: Mapping[str, Any] = field(default_factory=dict)
