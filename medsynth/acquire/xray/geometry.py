"""Where source and detector stand: points to pixels, pixels to rays, magnification."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.core.errors import GeometryError, expected
from medsynth.core.grid import Vector

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Geometry:
    """A point source and a flat detector of square pixels.

    Attributes
    ----------
    source_mm : LPS position of the focal spot.
    origin_mm : LPS position of the CENTRE of pixel (0, 0).
    row_step, column_step : LPS unit vectors along which the row (downwards in the image) and the column (to the right)
        number grows.
    pixel_mm : distance of neighbouring pixels.
    shape_ji : rows, columns.

    Raises
    ------
    GeometryError
        If a number is not finite, the steps are not perpendicular unit vectors, or the source lies in the detector.
    """

    source_mm: Vector
    origin_mm: Vector
    row_step: Vector
    column_step: Vector
    pixel_mm: float
    shape_ji: tuple[int, int]

    def __post_init__(self) -> None:
        for name in ("source_mm", "origin_mm", "row_step", "column_step"):
            values = np.asarray(getattr(self, name), float)
            if values.shape != (3,) or not np.isfinite(values).all():
                raise GeometryError(expected(name, getattr(self, name), "three finite numbers"))
            object.__setattr__(self, name, tuple(values.tolist()))
        steps = np.array([self.row_step, self.column_step])
        if np.abs(steps @ steps.T - np.eye(2)).max() > 1e-6:
            raise GeometryError(expected("row_step and column_step", (self.row_step, self.column_step),
                                         "perpendicular unit vectors"))
        if not (np.isfinite(self.pixel_mm) and self.pixel_mm > 0):
            raise GeometryError(expected("pixel_mm", self.pixel_mm, "finite and > 0"))
        if np.shape(self.shape_ji) != (2,) or not all(n == int(n) and n >= 1 for n in self.shape_ji):
            raise GeometryError(expected("shape_ji", self.shape_ji, "two whole numbers >= 1"))
        object.__setattr__(self, "pixel_mm", float(self.pixel_mm))
        object.__setattr__(self, "shape_ji", (int(self.shape_ji[0]), int(self.shape_ji[1])))
        if self.sid_mm < 1e-3:
            raise GeometryError(f"source_mm must lie off the detector's plane, got {self.sid_mm:g} mm from it")

    @classmethod
    def facing(cls, source_mm: ArrayLike, centre_mm: ArrayLike, row_step: ArrayLike, pixel_mm: float,
               shape_ji: tuple[int, int]) -> Geometry:
        """Return a detector that stands square to the ray from the source to its middle.

        Parameters
        ----------
        source_mm, centre_mm : LPS positions of the focal spot and of the detector's middle.
        row_step : LPS direction "down" in the image; its part along the central ray is taken off.
        pixel_mm, shape_ji : see the class. The image is as the source sees it: its columns grow to the right of one
            who looks from the source at the detector, head against `row_step`.
        """
        source, centre, down = (np.asarray(v, float) for v in (source_mm, centre_mm, row_step))
        ray = centre - source
        length = np.linalg.norm(ray)
        if not length > 0:
            raise GeometryError(expected("centre_mm", centre.tolist(), "apart from source_mm"))
        ray = ray / length
        down = down - (down @ ray) * ray
        if not np.linalg.norm(down) > 1e-6:
            raise GeometryError(expected("row_step", np.asarray(row_step).tolist(), "off the central ray"))
        down = down / np.linalg.norm(down)
        right = np.cross(down, ray)
        rows, columns = shape_ji
        origin = centre - pixel_mm * ((rows - 1) / 2 * down + (columns - 1) / 2 * right)
        return cls(vector(source), vector(origin), vector(down), vector(right), pixel_mm, shape_ji)

    @property
    def normal(self) -> Float64:
        """Unit vector (3,) square to the detector, from the source's side to the other."""
        across = np.cross(self.row_step, self.column_step)
        return across * np.copysign(1.0, (np.subtract(self.origin_mm, self.source_mm)) @ across)

    @property
    def sid_mm(self) -> float:
        """Distance of the source from the detector's plane."""
        return float(abs(np.subtract(self.origin_mm, self.source_mm) @ np.cross(self.row_step, self.column_step)))

    @property
    def size_mm(self) -> tuple[float, float]:
        """Height and width of the detector, from pixel face to pixel face."""
        return self.shape_ji[0] * self.pixel_mm, self.shape_ji[1] * self.pixel_mm

    @property
    def centre_mm(self) -> Float64:
        """LPS position (3,) of the detector's middle."""
        return self.pixels_mm((self.shape_ji[0] - 1) / 2, (self.shape_ji[1] - 1) / 2)

    def pixels_mm(self, row: ArrayLike, column: ArrayLike) -> Float64:
        """Return the LPS positions (..., 3) of places (row, column) on the detector; pixel centres are whole."""
        down = np.asarray(row, float)[..., None] * self.pixel_mm * np.array(self.row_step)
        right = np.asarray(column, float)[..., None] * self.pixel_mm * np.array(self.column_step)
        return np.array(self.origin_mm) + down + right

    def corners_mm(self) -> Float64:
        """Return the (4, 3) outer corners of the detector's corner pixels."""
        rows, columns = self.shape_ji
        low, bottom, right = -0.5, rows - 0.5, columns - 0.5
        return self.pixels_mm([low, low, bottom, bottom], [low, right, low, right])

    def project_mm(self, points_mm: ArrayLike) -> tuple[Float64, Float64]:
        """Return row and column (...) where the rays through these points meet the detector; they may lie off it.

        Parameters
        ----------
        points_mm : (..., 3) LPS.

        Raises
        ------
        GeometryError
            If a point does not lie before the source.
        """
        scale = self.magnification(points_mm)
        on_detector = np.array(self.source_mm) + scale[..., None] * (np.asarray(points_mm, float) - self.source_mm)
        offset = (on_detector - self.origin_mm) / self.pixel_mm
        return offset @ np.array(self.row_step), offset @ np.array(self.column_step)

    def magnification(self, points_mm: ArrayLike) -> Float64:
        """Return how many times larger than itself a thing at these points (..., 3) is on the detector."""
        depth = (np.asarray(points_mm, float) - self.source_mm) @ self.normal
        if np.any(depth <= 0):
            raise GeometryError(f"points_mm must lie before the source, towards the detector, got one "
                                f"{float(depth.min()):.1f} mm along the central ray")
        return self.sid_mm / depth

    def rays(self, row: ArrayLike, column: ArrayLike) -> Float64:
        """Return the unit vectors (..., 3) from the source to places on the detector."""
        ray = self.pixels_mm(row, column) - self.source_mm
        return ray / np.linalg.norm(ray, axis=-1, keepdims=True)

    def with_pixel(self, pixel_mm: float) -> Geometry:
        """Return the same detector in pixels of (at least) this size; what does not divide sticks out equally."""
        rows, columns = (max(1, int(np.ceil(size / pixel_mm - 1e-9))) for size in self.size_mm)
        middle = self.centre_mm
        origin = middle - pixel_mm * ((rows - 1) / 2 * np.array(self.row_step)
                                      + (columns - 1) / 2 * np.array(self.column_step))
        return replace(self, origin_mm=vector(origin), pixel_mm=pixel_mm, shape_ji=(rows, columns))

    def crop(self, first_ji: tuple[int, int], shape_ji: tuple[int, int]) -> Geometry:
        """Return the part of the detector whose pixel (0, 0) is pixel `first_ji` of this one."""
        return replace(self, origin_mm=vector(self.pixels_mm(*first_ji)), shape_ji=shape_ji)


def check_geometry(geometry: Geometry, low_mm: ArrayLike, high_mm: ArrayLike) -> None:
    """Check that a body can be imaged: source outside it, body before the detector, some of it in the field.

    Parameters
    ----------
    low_mm, high_mm : (3,) LPS corners of the body's box.

    Raises
    ------
    GeometryError
        One line that says which distance is wrong, and by how much.
    """
    low, high = np.asarray(low_mm, float), np.asarray(high_mm, float)
    source = np.array(geometry.source_mm)
    if np.all((source > low) & (source < high)):
        raise GeometryError(f"source_mm must lie outside the body's box {low.round(1).tolist()} to "
                            f"{high.round(1).tolist()}, got {list(geometry.source_mm)}")
    check_corners(geometry, np.array([[(low, high)[bit >> axis & 1][axis] for axis in range(3)] for bit in range(8)]))


def check_corners(geometry: Geometry, corners_mm: ArrayLike) -> None:
    """Check the same of a body in a box that may lie askew.

    Parameters
    ----------
    corners_mm : (8, 3) LPS.
    """
    corners = np.asarray(corners_mm, float)
    depth = (corners - geometry.source_mm) @ geometry.normal
    if depth.min() <= 0:
        raise GeometryError(f"the detector and the body must lie on the same side of the source, got a body that "
                            f"reaches {-depth.min():.1f} mm behind the source")
    if depth.max() > geometry.sid_mm + 1e-6:
        raise GeometryError(f"the detector must lie behind the body, {depth.max():.1f} mm or more from the source, "
                            f"got {geometry.sid_mm:.1f} mm")
    row, column = geometry.project_mm(corners)
    rows, columns = geometry.shape_ji
    if row.max() < -0.5 or column.max() < -0.5 or row.min() > rows - 0.5 or column.min() > columns - 0.5:
        raise GeometryError(f"the detector's {rows} rows and {columns} columns must meet the body's shadow, got one of "
                            f"rows {row.min():.0f} to {row.max():.0f} and columns {column.min():.0f} to "
                            f"{column.max():.0f}")


def vector(values: ArrayLike) -> Vector:
    """Return three numbers as the tuple that geometries and grids hold."""
    x, y, z = np.asarray(values, float).tolist()
    return (x, y, z)
