"""Where source and detector of a mammogram stand: the beam's edge runs down the chest wall, the source is above it."""

from __future__ import annotations

import numpy as np

from medsynth.acquire.xray.geometry import Geometry
from medsynth.acquire.xray.positioning import Stand, corners_of, vector
from medsynth.acquire.xray.views import View
from medsynth.core.errors import RecipeError, expected
from medsynth.scene.structure import Posture, Scene

# Height and width of the formats, along the chest wall and away from it.
FORMATS_MM = ((240.0, 180.0), (300.0, 240.0))
AIR_MM = 8.0  # of the format beyond the breast, or the larger one is taken


def side_of(scene: Scene) -> str:
    """Return the side that all sided structures of the body are of, empty where it has both or none."""
    sides = {s.laterality for s in scene.structures if s.laterality}
    return sides.pop() if len(sides) == 1 else ""


def stand_plates(scene: Scene, posture: Posture, view: View, errors: dict[str, float], *, side: str, sid_mm: float,
                 pixel_mm: float, field_mm: tuple[float, float] | None) -> Stand:
    """Return the geometry of a mammogram: the whole format is the field, and its chest wall edge is the image's edge.

    Parameters
    ----------
    scene : in the posture.
    errors : see `draw_errors`; only the shift along the chest wall applies, as the compression holds the rest.
    side : "right" turns the image so that the nipple points to the left, otherwise to the right.
    """
    towards, inwards = np.array(posture.axis), np.array(posture.inwards)
    right = -inwards if side == "right" else inwards
    down = np.cross(towards, right)
    depth = posture.plates_mm[1] + view.gap_mm
    if posture.thickness_mm + view.gap_mm >= sid_mm:
        raise RecipeError(expected("sid_mm", sid_mm, f"> {posture.thickness_mm + view.gap_mm:.0f}: the breast must fit "
                                                     "between source and detector"))
    breast = corners_of(*scene.fields["breast"].bounds_mm())
    along = breast @ down
    middle = float(along.min() + along.max()) / 2 + errors.get("shift_down_mm", 0.0)
    foot = depth * towards + posture.edge_mm * inwards + middle * down
    scale = sid_mm / (sid_mm - posture.thickness_mm / 2 - view.gap_mm)
    needed = scale * float(np.ptp(along)) + AIR_MM, scale * float((breast @ inwards).max() - posture.edge_mm) + AIR_MM
    height, width = field_mm or next((f for f in FORMATS_MM if f[0] >= needed[0] and f[1] >= needed[1]), FORMATS_MM[-1])
    rows, columns = max(8, round(height / pixel_mm)), max(8, round(width / pixel_mm))
    first = -(columns - 0.5) * pixel_mm if side == "right" else 0.5 * pixel_mm
    origin = foot - (rows - 1) / 2 * pixel_mm * down + first * right
    geometry = Geometry(vector(foot - sid_mm * towards), vector(origin), vector(down), vector(right), pixel_mm,
                        (rows, columns))
    field = (0.0, 0.0, rows - 1.0, columns - 1.0)
    aim = foot + (posture.thickness_mm / 2 + view.gap_mm) * -towards
    return Stand(geometry, field, vector(aim), dict(errors), sid_mm - view.gap_mm - posture.thickness_mm)
