"""Lofts: solids through star-shaped cross-sections given as radii about a (moving) axis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator

from medsynth.core.errors import GeometryError
from medsynth.shapes.base import Box, Distances, Points
from medsynth.shapes.shape_kernels import loft_distances, loft_radii, loft_slopes

ANGLES = 720  # table columns around the axis
LEVEL_STEP_MM = 1.0  # table rows along it


@dataclass(frozen=True, eq=False)
class PolarLoft:
    """A trunk-like solid: at each level a periodic cubic through the radii, between levels a monotone cubic.

    Its distance is the radial one over the slope of the surface: right at the surface, approximate beyond.

    Attributes
    ----------
    levels_mm : (n,) rising z of the cross-sections; beyond the ends the last one continues.
    centres_mm : (n, 2) x, y of the axis.
    angles_deg : (m,) from 0 (anterior) to 180 (posterior).
    left_mm, right_mm : (n, m) radii on the patient's left and right; they agree at 0 and 180 degrees.
    """

    levels_mm: NDArray[np.float64]
    centres_mm: NDArray[np.float64]
    angles_deg: NDArray[np.float64]
    left_mm: NDArray[np.float64]
    right_mm: NDArray[np.float64]
    exact: bool = False

    def __post_init__(self) -> None:
        n, m = len(self.levels_mm), len(self.angles_deg)
        if self.left_mm.shape != (n, m) or self.right_mm.shape != (n, m) or self.centres_mm.shape != (n, 2):
            raise GeometryError(
                f"loft tables must be ({n}, {m}) and ({n}, 2), got {self.left_mm.shape}, "
                f"{self.right_mm.shape} and {self.centres_mm.shape}"
            )
        if not (np.all(np.diff(self.levels_mm) > 0) and np.all(self.left_mm > 0) and np.all(self.right_mm > 0)):
            raise GeometryError("a loft needs rising levels and radii > 0")
        if not np.isfinite(self.centres_mm).all():
            raise GeometryError("centres_mm of a loft must be finite")

    @cached_property
    def _table(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Radii (levels, angles) and centres (levels, 2) on a table fine enough for linear lookup."""
        angles = np.concatenate([self.angles_deg, 360 - self.angles_deg[-2::-1]])
        radii = np.concatenate([self.left_mm, self.right_mm[:, -2::-1]], axis=1)
        middle = (self.left_mm[:, 0] + self.right_mm[:, 0]) / 2
        radii[:, 0], radii[:, -1] = middle, middle
        around = CubicSpline(angles, radii, axis=1, bc_type="periodic")(np.linspace(0, 360, ANGLES + 1))
        count = max(2, int(np.ceil((self.levels_mm[-1] - self.levels_mm[0]) / LEVEL_STEP_MM)) + 1)
        z = np.linspace(self.levels_mm[0], self.levels_mm[-1], count)
        return (
            np.ascontiguousarray(PchipInterpolator(self.levels_mm, around, axis=0)(z)),
            np.ascontiguousarray(PchipInterpolator(self.levels_mm, self.centres_mm)(z)),
        )

    @cached_property
    def _slopes(self) -> NDArray[np.float64]:
        slopes = np.empty_like(self._table[0])
        loft_slopes(self._table[0], self.levels_mm[-1] - self.levels_mm[0], slopes)
        return slopes

    def centre_mm(self, z_mm: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the axis (..., 2) at the heights `z_mm`."""
        centres = self._table[1]
        z = np.linspace(self.levels_mm[0], self.levels_mm[-1], len(centres))
        return np.stack([np.interp(z_mm, z, centres[:, 0]), np.interp(z_mm, z, centres[:, 1])], axis=-1)

    def radius_mm(self, angle_deg: ArrayLike, z_mm: ArrayLike) -> NDArray[np.float64]:
        """Return the radius (...) at angles (0 anterior, 90 left, 180 posterior, 270 right) and heights."""
        angle, z = np.broadcast_arrays(np.asarray(angle_deg, float), np.asarray(z_mm, float))
        out = np.empty(angle.shape)
        radii, _ = self._table
        loft_radii(
            radii,
            self.levels_mm[0],
            self.levels_mm[-1],
            np.ascontiguousarray(angle).reshape(-1),
            np.ascontiguousarray(z).reshape(-1),
            out.reshape(-1),
        )
        return out

    def point_mm(self, angle_deg: ArrayLike, z_mm: ArrayLike, outward_mm: ArrayLike = 0.0) -> NDArray[np.float64]:
        """Return points (..., 3) on the surface, moved outward radially."""
        angle, z = np.broadcast_arrays(np.asarray(angle_deg, float), np.asarray(z_mm, float))
        radius, centre = self.radius_mm(angle, z) + np.asarray(outward_mm), self.centre_mm(z)
        t = np.radians(angle)
        return np.stack([centre[..., 0] + radius * np.sin(t), centre[..., 1] - radius * np.cos(t), z], axis=-1)

    def angle_deg(self, points_mm: Points) -> NDArray[np.float64]:
        """Return the angle about the axis (0 anterior, 90 left, ... 360) of points (..., 3)."""
        centre = self.centre_mm(points_mm[..., 2])
        angle: NDArray[np.float64] = (
            np.degrees(np.arctan2(points_mm[..., 0] - centre[..., 0], centre[..., 1] - points_mm[..., 1])) % 360
        )
        return angle

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        points = np.ascontiguousarray(points_mm)
        out = np.empty(points.shape[:-1], np.float32)
        loft_distances(
            self._table[0],
            self._slopes,
            self._table[1],
            self.levels_mm[0],
            self.levels_mm[-1],
            points.reshape(-1, 3),
            out.reshape(-1),
        )
        return out

    def bounds_mm(self) -> Box:
        """Return the LPS box of the levels."""
        reach = max(self.left_mm.max(), self.right_mm.max())
        low, high = self.centres_mm.min(0) - reach, self.centres_mm.max(0) + reach
        return (
            (float(low[0]), float(low[1]), float(self.levels_mm[0])),
            (float(high[0]), float(high[1]), float(self.levels_mm[-1])),
        )
