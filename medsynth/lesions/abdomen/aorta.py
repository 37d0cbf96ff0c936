"""The abdominal aorta as lesions see it: its middle and width at every height, and shapes that follow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.errors import PlacementError
from medsynth.lesions.abdomen.focal import organ
from medsynth.scene.structure import Scene
from medsynth.shapes.base import Box, Distances, Points, Shape

Array = NDArray[np.float64]

AORTA = ("abdominal_aorta", "descending_aorta")
STEP_MM = 4.0  # of the line's nodes along z
OTHERS = ("aortic_aneurysm", "aortic_dissection")


@dataclass(frozen=True, eq=False)
class Line:
    """The aorta from below upwards.

    Attributes
    ----------
    z_mm : (n,) heights, rising.
    middle_mm : (n, 2) x, y of its middle.
    radius_mm : (n,) of the circle of its section, wall included.
    """

    z_mm: Array
    middle_mm: Array
    radius_mm: Array

    def at(self, z_mm: NDArray[np.floating[Any]] | float) -> tuple[Array, Array, Array]:
        """Return x, y and radius at heights."""
        return tuple(np.interp(z_mm, self.z_mm, v)
                     for v in (self.middle_mm[:, 0], self.middle_mm[:, 1], self.radius_mm))  # type: ignore[return-value]


@lru_cache(maxsize=4)
def aorta(scene: Scene) -> Line:
    """Return the aorta of a scene down to its bifurcation.

    Raises
    ------
    PlacementError
        If the body holds too little of it.
    """
    where = organ(scene, *AORTA)
    spacing = where.grid.spacing_mm
    area = where.share.sum(axis=(1, 2), dtype=np.float64) * spacing[1] * spacing[2]
    rows = np.flatnonzero(area > 0.3 * np.median(area[area > 0]))
    if len(rows) * spacing[0] < 60:
        raise PlacementError(f"body {scene.body!r} shows too little of the aorta for a lesion of it")
    j, i = np.indices(where.share.shape[1:])
    middle = np.array([[np.average(i, weights=where.share[k]), np.average(j, weights=where.share[k])] for k in rows])
    place = where.grid.world_mm(np.column_stack([rows, middle[:, 1], middle[:, 0]]).astype(float))
    smooth = [ndimage.gaussian_filter1d(v, 2.0, mode="nearest") for v in (place[:, 0], place[:, 1])]
    radius = ndimage.median_filter(np.sqrt(area[rows] / np.pi), 9, mode="nearest")
    return Line(place[:, 2], np.stack(smooth, axis=1), ndimage.gaussian_filter1d(radius, 2.0, mode="nearest"))


def one_aorta(kind: str, count: int, taken: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a second lesion of the aorta."""
    if count + sum(other["kind"] in OTHERS for other in taken) > 1:
        raise PlacementError(f"lesions.{kind}: a body has one aorta, got more than one lesion of it")


@dataclass(frozen=True, eq=False)
class Bulge:
    """A tube along z whose middle and radius change with height; a bound where it bends.

    Attributes
    ----------
    z_mm, x_mm, y_mm, radius_mm : (n,) its nodes, z rising; it ends at the first and last.
    """

    z_mm: Array
    x_mm: Array
    y_mm: Array
    radius_mm: Array
    exact: bool = False

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        x, y, z = points_mm[..., 0], points_mm[..., 1], points_mm[..., 2]
        across = np.hypot(x - np.interp(z, self.z_mm, self.x_mm), y - np.interp(z, self.z_mm, self.y_mm))
        side = across - np.interp(z, self.z_mm, self.radius_mm)
        return np.maximum(side, np.maximum(self.z_mm[0] - z, z - self.z_mm[-1]))

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        r = self.radius_mm
        return ((float((self.x_mm - r).min()), float((self.y_mm - r).min()), float(self.z_mm[0])),
                (float((self.x_mm + r).max()), float((self.y_mm + r).max()), float(self.z_mm[-1])))

    @property
    def volume_mm3(self) -> float:
        """Volume by its sections."""
        return float(np.trapezoid(np.pi * self.radius_mm**2, self.z_mm))


@dataclass(frozen=True, eq=False)
class Beyond:
    """Everything outside a shape, within a box about it."""

    shape: Shape
    margin_mm: float
    exact: bool = False

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        distance: Distances = -self.shape.distance_mm(points_mm)
        return distance

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        low, high = self.shape.bounds_mm()
        return (tuple((np.asarray(low) - self.margin_mm).tolist()), tuple((np.asarray(high) + self.margin_mm).tolist()))


@dataclass(frozen=True, eq=False)
class SpiralSide:
    """One side of a sheet that winds down the aorta: the false lumen of a dissection; a bound.

    Attributes
    ----------
    line : of the aorta.
    z_mm : lowest and highest height.
    angle_rad, turn_rad_per_mm : where the false lumen lies at the top, and how it winds.
    offset : how far the sheet lies from the middle, over the radius; positive makes the false lumen small.
    sheet_mm : 0 for the side, otherwise the sheet itself of this thickness.
    """

    line: Line
    z_mm: tuple[float, float]
    angle_rad: float
    turn_rad_per_mm: float
    offset: float
    sheet_mm: float = 0.0
    exact: bool = False

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        z = points_mm[..., 2]
        x, y, radius = self.line.at(z)
        angle = self.angle_rad + self.turn_rad_per_mm * (self.z_mm[1] - z)
        rest = points_mm[..., 0] - x, points_mm[..., 1] - y
        along = rest[0] * np.cos(angle) + rest[1] * np.sin(angle)
        across = rest[1] * np.cos(angle) - rest[0] * np.sin(angle)
        # The sheet bows towards the true lumen.
        depth = self.offset * radius - 0.25 * radius * (1 - np.square(across / radius)) - along
        side = np.abs(depth) - self.sheet_mm / 2 if self.sheet_mm > 0 else depth
        return np.maximum(side, np.maximum(self.z_mm[0] - z, z - self.z_mm[1]))

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        x, y, radius = self.line.at(np.linspace(*self.z_mm, 60))
        return ((float((x - radius).min()) - 3, float((y - radius).min()) - 3, self.z_mm[0]),
                (float((x + radius).max()) + 3, float((y + radius).max()) + 3, self.z_mm[1]))
