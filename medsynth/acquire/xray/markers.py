"""Side markers: lead letters that lie on the detector's cover in the beam and are imaged with everything else."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.xray.geometry import Geometry
from medsynth.shapes.tubes import Tubes

Letter = Literal["R", "L"]

# Usual lead letters (unverified): 13 mm high, strokes of 2.2 mm; they lie a little before the detector, on its cover.
HEIGHT_MM = 13.0
STROKE_MM = 2.2
COVER_MM = 8.0
INSET_MM = 14.0  # middle of the letter from the field's edges
TILT_DEG = 9.0  # SD of how a person puts it down
SPREAD_MM = 12.0  # and of where along the edge


@dataclass(frozen=True, eq=False)
class Marker:
    """One letter.

    Attributes
    ----------
    letter : what can be read.
    tubes : its strokes, LPS.
    box_ji : first row, first column, last row, last column of its shadow.
    """

    letter: Letter
    tubes: Tubes
    box_ji: tuple[int, int, int, int]


def side_marker(letter: Letter, geometry: Geometry, field_ji: tuple[float, float, float, float], at_right: bool, *,
                rng: np.random.Generator) -> Marker:
    """Return a letter near an upper corner of the field, put down by hand.

    Parameters
    ----------
    field_ji : the collimated field: first row, first column, last row, last column.
    at_right : in the upper right corner of the image rather than the upper left.
    """
    pixel = geometry.pixel_mm
    slant = np.radians(TILT_DEG) * rng.standard_normal()
    along = abs(SPREAD_MM * rng.standard_normal())
    # Above the shoulder on a chest, beside the body elsewhere: both are near the corner.
    row = field_ji[0] + (INSET_MM + along) / pixel
    column = field_ji[3] - INSET_MM / pixel if at_right else field_ji[1] + INSET_MM / pixel
    strokes = _strokes(letter)
    turn = np.array([[np.cos(slant), -np.sin(slant)], [np.sin(slant), np.cos(slant)]])
    flat = (strokes - 0.5 * np.array([1.0, 0.6])) @ turn.T * HEIGHT_MM / pixel + np.array([row, column])
    points = geometry.pixels_mm(flat[..., 0], flat[..., 1])
    ray = points - np.array(geometry.source_mm)
    points = points - ray * (COVER_MM / geometry.sid_mm)
    count = len(points)
    radii = np.full(count, STROKE_MM / 2)
    tubes = Tubes(np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1]), radii, radii,
                  np.full(count, -1, np.int64))
    reach = STROKE_MM / 2 / pixel
    low, high = flat.min(axis=(0, 1)) - reach, flat.max(axis=(0, 1)) + reach
    rows, columns = geometry.shape_ji
    box = (max(0, int(np.floor(low[0]))), max(0, int(np.floor(low[1]))), min(rows - 1, int(np.ceil(high[0]))),
           min(columns - 1, int(np.ceil(high[1]))))
    return Marker(letter, tubes, box)


def _strokes(letter: Letter) -> NDArray[np.float64]:
    """Return the strokes (n, 2, 2): both ends as (down, right) in a letter 1 high and 0.6 wide."""
    if letter == "L":
        line = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.6)]
        return np.array(list(pairwise(line)))
    angle = np.linspace(-np.pi / 2, np.pi / 2, 7)
    bowl = np.stack([0.27 + 0.27 * np.sin(angle), 0.27 + 0.27 * np.cos(angle)], axis=1).tolist()
    lines = [[(1.0, 0.0), (0.0, 0.0), *bowl, (0.54, 0.0)], [(0.54, 0.27), (1.0, 0.56)]]
    return np.array([stroke for line in lines for stroke in pairwise(line)])
