"""Places in a radiograph: landmarks of the body where their rays meet the detector, and borders that a reader marks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.xray.geometry import Geometry
from medsynth.scene.projection import Shadow
from medsynth.scene.structure import Scene

Place = tuple[float, float]

# A reader sees an edge where this much of an organ begins: less makes no contrast that stands out.
EDGE_MM = 5.0


def landmark_places(scene: Scene, geometry: Geometry) -> dict[str, Place]:
    """Return row and column of every landmark whose ray meets the image, by name; exact (a central projection)."""
    places = {}
    for name, point_mm in scene.landmarks.items():
        row, column = (float(v) for v in geometry.project_mm(np.array(point_mm, float)))
        if -0.5 <= row <= geometry.shape_ji[0] - 0.5 and -0.5 <= column <= geometry.shape_ji[1] - 0.5:
            places[name] = (row, column)
    return places


def cardiothoracic(shadows: Mapping[str, Shadow], field_ji: tuple[float, float, float, float], pixel_mm: float
                   ) -> tuple[dict[str, Place], dict[str, float]]:
    """Return the borders of heart and chest on a frontal image as a reader marks them, and the ratio of their widths.

    The heart's right and left borders are its outermost columns, in whatever rows; the chest's width is the widest row
    between the outer edges of the lungs, where the ribs' inner surface is.

    Parameters
    ----------
    shadows : by name; needs `heart`, `lung_right` and `lung_left`, or the result is empty.
    field_ji : the collimated field: borders that it cuts off are not measured.

    Returns
    -------
    places : `heart_border_right`, `heart_border_left`, `chest_wall_right`, `chest_wall_left`.
    measures : `cardiothoracic_ratio`, `heart_width_mm` and `chest_width_mm`, the widths on the detector.
    """
    if not {"heart", "lung_right", "lung_left"} <= set(shadows):
        return {}, {}
    heart = _extents(shadows["heart"])
    right, left = _extents(shadows["lung_right"]), _extents(shadows["lung_left"])
    common = sorted(set(right) & set(left))
    if not heart or not common:
        return {}, {}
    row_right = min(heart, key=lambda row: (heart[row][0], row))
    row_left = max(heart, key=lambda row: (heart[row][1], -row))
    row = max(common, key=lambda r: (left[r][1] - right[r][0], -r))
    places = {"heart_border_right": (float(row_right), heart[row_right][0]),
              "heart_border_left": (float(row_left), heart[row_left][1]),
              "chest_wall_right": (float(row), right[row][0]), "chest_wall_left": (float(row), left[row][1])}
    if not all(inside(place, field_ji) for place in places.values()):
        return {}, {}
    widths = [pixel_mm * (places[f"{name}_left"][1] - places[f"{name}_right"][1]) for name in ("heart_border",
                                                                                              "chest_wall")]
    return places, {"cardiothoracic_ratio": widths[0] / widths[1], "heart_width_mm": widths[0],
                    "chest_width_mm": widths[1]}


def inside(place: Place, field_ji: tuple[float, float, float, float]) -> bool:
    """Tell whether a place lies in the collimated field, more than a pixel from its edges."""
    return (field_ji[0] + 1 < place[0] < field_ji[2] - 1) and (field_ji[1] + 1 < place[1] < field_ji[3] - 1)


def _extents(shadow: Shadow) -> dict[int, tuple[float, float]]:
    """Return row -> first and last column where the shadow's thickness crosses `EDGE_MM`, to a part of a pixel."""
    thick = shadow.thickness_mm
    rows = np.flatnonzero((thick > EDGE_MM).any(axis=1))
    found = {}
    for r in rows:
        columns = np.flatnonzero(thick[r] > EDGE_MM)
        first, last = _crossing(thick[r], int(columns[0]), -1), _crossing(thick[r], int(columns[-1]), 1)
        found[int(r) + shadow.first_ji[0]] = (first + shadow.first_ji[1], last + shadow.first_ji[1])
    return found


def _crossing(line: NDArray[np.float32], at: int, step: int) -> float:
    """Return where the line falls to `EDGE_MM` beyond `at`, linearly between two pixels."""
    beyond = at + step
    outer = float(line[beyond]) if 0 <= beyond < len(line) else 0.0
    return at + step * (float(line[at]) - EDGE_MM) / (float(line[at]) - outer)
