"""Where source and detector stand about a body: from its landmarks and bounds, and as far off as people are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.xray.geometry import Geometry, check_geometry
from medsynth.acquire.xray.views import Errors, View
from medsynth.core.errors import RecipeError, expected
from medsynth.scene.structure import Scene

if TYPE_CHECKING:
    from medsynth.acquire.xray.protocol import FreeGeometry

Float64 = NDArray[np.float64]

BORDER_MM = 5.0  # of the image beyond the collimated field, so that the shutters' edges are seen
END_MM = 3.0  # the beam stays this far from where a body is cut off


@dataclass(frozen=True, slots=True)
class Stand:
    """One exposure's geometry.

    Attributes
    ----------
    geometry : source and image plane; the image is the collimated field and a border.
    field_ji : the collimated field in the image: first row, first column, last row, last column, fractional; the
        field's edges lie half a pixel beyond.
    aim_mm : LPS point that the central ray should meet.
    errors : what was drawn: degrees and millimetres by name.
    skin_mm : distance of the source from where the central ray meets the body's box.
    """

    geometry: Geometry
    field_ji: tuple[float, float, float, float]
    aim_mm: tuple[float, float, float]
    errors: dict[str, float]
    skin_mm: float


def draw_errors(errors: Errors, severity: float, *, rng: np.random.Generator) -> dict[str, float]:
    """Draw how the body stands: normal deviations, none beyond two and a half of their SD times the severity."""
    names = ("turn_deg", "tilt_deg", "lean_deg", "shift_right_mm", "shift_down_mm", "up_mm", "bottom_mm", "left_mm",
             "right_mm")
    sizes = (errors.turn_deg, errors.tilt_deg, errors.lean_deg, *[errors.shift_mm] * 2, *[errors.edge_mm] * 4)
    drawn = np.clip(rng.standard_normal(len(names)), -2.5, 2.5) * np.array(sizes) * severity
    return {name: float(value) for name, value in zip(names, drawn, strict=True)}


def stand(scene: Scene, view: View, errors: dict[str, float], *, sid_mm: float, pixel_mm: float,
          field_mm: tuple[float, float] | None) -> Stand:
    """Return the geometry of a view of this body.

    Parameters
    ----------
    errors : see `draw_errors`; empty for none. A body that turns by an angle is a source and a detector that turn the
        other way about it: everything stays in the body's own frame.
    sid_mm, pixel_mm : source to detector, and the pixel on the detector.
    field_mm : height and width of the collimated field on the detector; the view's cover when None.

    Raises
    ------
    RecipeError
        If the body has not what the view aims at.
    GeometryError
        If the body does not fit before the detector.
    """
    towards, down, right = axes(view, errors)
    low, high = cover_box(scene, view)
    aim = (low + high) / 2
    body = corners_of(*scene.bounds_mm) - aim
    far, near = float((body @ towards).max()) + view.gap_mm, float((body @ towards).min())
    if far - near >= sid_mm:
        raise RecipeError(expected("sid_mm", sid_mm, f"> {far - near:.0f}: the body must fit before the detector"))
    centre = (aim + far * towards + errors.get("shift_right_mm", 0.0) * right
              + errors.get("shift_down_mm", 0.0) * down)
    source = centre - sid_mm * towards
    shadow = _Shadow(source, centre, down, right, sid_mm)
    top, bottom, first, last = _field(scene, view, shadow, corners_of(low, high), errors, field_mm)
    rows, columns = (max(8, int(np.ceil((b - a + 2 * BORDER_MM) / pixel_mm)))
                     for a, b in ((top, bottom), (first, last)))
    middle = centre + (top + bottom) / 2 * down + (first + last) / 2 * right
    origin = middle - pixel_mm * ((rows - 1) / 2 * down + (columns - 1) / 2 * right)
    geometry = Geometry(vector(source), vector(origin), vector(down), vector(right), pixel_mm, (rows, columns))
    check_geometry(geometry, *scene.bounds_mm)
    halves = (bottom - top) / 2 / pixel_mm - 0.5, (last - first) / 2 / pixel_mm - 0.5
    edges = ((rows - 1) / 2 - halves[0], (columns - 1) / 2 - halves[1], (rows - 1) / 2 + halves[0],
             (columns - 1) / 2 + halves[1])
    return Stand(geometry, edges, vector(aim), dict(errors), sid_mm - far + near)


def stand_free(scene: Scene, free: FreeGeometry, *, pixel_mm: float) -> Stand:
    """Return the geometry that a person gives in numbers."""
    aim = _point(scene, free.aim)
    turn, tilt, roll = np.radians([free.turn_deg, free.tilt_deg, free.roll_deg])
    towards = np.array([np.sin(turn) * np.cos(tilt), np.cos(turn) * np.cos(tilt), np.sin(tilt)])
    right = np.array([np.cos(turn), -np.sin(turn), 0.0])
    down = -np.cross(right, towards)
    down, right = np.cos(roll) * down - np.sin(roll) * right, np.cos(roll) * right + np.sin(roll) * down
    source = aim - free.source_to_aim_mm * towards
    centre = source + free.sid_mm * towards
    rows, columns = (max(8, round(size / pixel_mm)) for size in free.field_mm)
    origin = centre - pixel_mm * ((rows - 1) / 2 * down + (columns - 1) / 2 * right)
    geometry = Geometry(vector(source), vector(origin), vector(down), vector(right), pixel_mm, (rows, columns))
    check_geometry(geometry, *scene.bounds_mm)
    near = float(((corners_of(*scene.bounds_mm) - source) @ towards).min())
    return Stand(geometry, (0.0, 0.0, rows - 1.0, columns - 1.0), vector(aim), {}, near)


def axes(view: View, errors: dict[str, float]) -> tuple[Float64, Float64, Float64]:
    """Return the LPS unit vectors of the central ray, of the image's rows and of its columns."""
    base = np.array([view.towards, view.down, view.right], float)
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    turn = _rotation(np.array([0.0, 0.0, 1.0]), -errors.get("turn_deg", 0.0))
    tilt = _rotation(base[2], -errors.get("tilt_deg", 0.0))
    lean = _rotation(base[0], -errors.get("lean_deg", 0.0))
    towards, down, right = base @ (turn @ tilt @ lean).T
    return towards, down, right


def cover_box(scene: Scene, view: View) -> tuple[Float64, Float64]:
    """Return the LPS box (low, high) that the beam is centred on, without margins."""
    cover = view.cover
    if cover.box_mm is not None:
        centre = _point(scene, cover.landmark)
        return centre + np.array(cover.box_mm[0]), centre + np.array(cover.box_mm[1])
    missing = [name for name in cover.fields if name not in scene.fields]
    if missing:
        raise RecipeError(f"body {scene.body!r} has no {', '.join(missing)}, which a view of the {view.words} aims at")
    boxes = np.array([scene.fields[name].bounds_mm() for name in cover.fields])
    return boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)


@dataclass(frozen=True, eq=False)
class _Shadow:
    """Central projection on the detector's plane, in mm about the foot of the central ray."""

    source: Float64
    centre: Float64
    down: Float64
    right: Float64
    sid_mm: float

    def of(self, points_mm: Float64) -> tuple[Float64, Float64]:
        """Return how far down and right the shadows of points (n, 3) lie."""
        towards = (self.centre - self.source) / self.sid_mm
        ray = points_mm - self.source
        scale = self.sid_mm / (ray @ towards)
        return scale * (ray @ self.down), scale * (ray @ self.right)


def _field(scene: Scene, view: View, shadow: _Shadow, cover: Float64, errors: dict[str, float],
           field_mm: tuple[float, float] | None) -> tuple[float, float, float, float]:
    """Return the field's edges in mm about the central ray: top, bottom, left, right."""
    v, u = shadow.of(cover)
    if field_mm is not None:
        middle = float(v.min() + v.max()) / 2, float(u.min() + u.max()) / 2
        box = [middle[0] - field_mm[0] / 2, middle[0] + field_mm[0] / 2,
               middle[1] - field_mm[1] / 2, middle[1] + field_mm[1] / 2]
    else:
        up, bottom, left, right = view.cover.margins_mm
        height, width = view.field_mm
        box = [max(-height / 2, v.min() - up - errors.get("up_mm", 0.0)),
               min(height / 2, v.max() + bottom + errors.get("bottom_mm", 0.0)),
               max(-width / 2, u.min() - left - errors.get("left_mm", 0.0)),
               min(width / 2, u.max() + right + errors.get("right_mm", 0.0))]
    ends = _ends(scene, view, shadow)
    return max(box[0], ends[0]), min(box[1], ends[1]), float(box[2]), float(box[3])


def _ends(scene: Scene, view: View, shadow: _Shadow) -> tuple[float, float]:
    """Return the topmost and the lowest place on the detector whose rays do not leave the body where it is cut off."""
    low, high = (np.array(corner) for corner in scene.bounds_mm)
    corners = corners_of(low, high)
    upper, lower = corners[corners[:, 2] == high[2]], corners[corners[:, 2] == low[2]]
    top = float(shadow.of(upper)[0].max()) + END_MM if view.cut[0] else -np.inf
    bottom = float(shadow.of(lower)[0].min()) - END_MM if view.cut[1] else np.inf
    return top, bottom


def _point(scene: Scene, name: str | tuple[float, float, float]) -> Float64:
    """Return a landmark of the scene, or the point itself."""
    if not isinstance(name, str):
        return np.array(name, float)
    if name not in scene.landmarks:
        raise RecipeError(expected(f"landmark of body {scene.body!r}", name, f"one of {sorted(scene.landmarks)}"))
    return np.array(scene.landmarks[name], float)


def _rotation(axis: Float64, angle_deg: float) -> Float64:
    """Return the matrix (3, 3) of a turn about a unit vector (Rodrigues)."""
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    angle = np.radians(angle_deg)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def corners_of(low: object, high: object) -> Float64:
    """Return the eight corners (8, 3) of a box."""
    ends = np.array([low, high], float)
    return np.array([[ends[bit >> axis & 1][axis] for axis in range(3)] for bit in range(8)])


def vector(values: Float64) -> tuple[float, float, float]:
    """Return a point or a direction (3,) as plain numbers."""
    x, y, z = values.tolist()
    return (x, y, z)
