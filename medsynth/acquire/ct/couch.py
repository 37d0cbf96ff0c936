"""The patient table: a shallow trough of carbon fibre and foam, with a mattress, under the patient's back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from medsynth.core.errors import RecipeError
from medsynth.scene.structure import BACKGROUND, Code, Layer, Paint, Scene, Structure
from medsynth.shapes.base import Box, Distances, Points
from medsynth.shapes.sampled import SampledShape, sample

# Labels above anatomy and lesions, the same in every body. SNOMED CT 86407004 is "Table, device (physical object)".
SHELL, CORE, MATTRESS = 65001, 65002, 65003
_CODE = Code("86407004", "Table")
COUCH_STRUCTURES = (
    Structure("couch", SHELL, "carbon_fibre", _CODE),
    Structure("couch_core", CORE, "couch_foam", _CODE, part_of="couch"),
    Structure("couch_mattress", MATTRESS, "mattress", _CODE, part_of="couch"),
)

# Sizes of a usual CT table in mm (unverified): 42 cm wide, 5 cm deep, shells of 2 mm, mattress of 1.5 cm.
HALF_WIDTH_MM = 210.0
UPPER_RADIUS_MM = 650.0
LOWER_RADIUS_MM = 320.0
SHELL_MM = 2.0
MATTRESS_MM = 15.0
MATTRESS_HALF_WIDTH_MM = 195.0
SINK_MM = 6.0  # how deep the back presses into the mattress
LATTICE_MM = 2.0


@dataclass(frozen=True, slots=True)
class Trough:
    """What lies between two arcs about the z axis' parallels, cut at the sides: a curved slab.

    The distance is a lower bound beyond the arcs' ends and exact elsewhere.

    Attributes
    ----------
    top_y_mm, bottom_y_mm : where the arcs cross x = 0; +y is posterior, so that the bottom is the larger.
    top_radius_mm, bottom_radius_mm : of the arcs, whose centres lie anterior.
    half_width_mm : cut at |x|.
    z_mm : from and to.
    """

    top_y_mm: float
    bottom_y_mm: float
    top_radius_mm: float
    bottom_radius_mm: float
    half_width_mm: float
    z_mm: tuple[float, float]

    @property
    def exact(self) -> bool:
        """Whether `distance_mm` is the Euclidean distance."""
        return False

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm at LPS points (..., 3), negative inside."""
        points = np.asarray(points_mm)
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        above = self.top_radius_mm - np.hypot(x, y - (self.top_y_mm - self.top_radius_mm))
        below = np.hypot(x, y - (self.bottom_y_mm - self.bottom_radius_mm)) - self.bottom_radius_mm
        beside = np.maximum(np.abs(x) - self.half_width_mm, np.maximum(self.z_mm[0] - z, z - self.z_mm[1]))
        distance: Distances = np.maximum(np.maximum(above, below), beside)
        return distance

    def bounds_mm(self) -> Box:
        """Return the LPS box (low, high) outside which no point is inside."""
        rise = self.top_radius_mm - np.sqrt(self.top_radius_mm**2 - self.half_width_mm**2)
        return ((-self.half_width_mm, float(self.top_y_mm - rise), self.z_mm[0]),
                (self.half_width_mm, self.bottom_y_mm, self.z_mm[1]))


def couch_depth_mm() -> float:
    """Return how far the table reaches below the back, in mm."""
    return MATTRESS_MM - SINK_MM + _thickness_mm()


def _thickness_mm() -> float:
    """Return the thickness at x = 0 at which upper and lower arc meet at the table's edge."""
    upper, lower = (r - np.sqrt(r**2 - HALF_WIDTH_MM**2) for r in (UPPER_RADIUS_MM, LOWER_RADIUS_MM))
    return float(lower - upper)


@lru_cache(maxsize=4)
def _lattice(trough: Trough) -> SampledShape:
    """Return a part of the table as it is painted; the scans of one person share it."""
    return sample(trough, LATTICE_MM)


def with_couch(scene: Scene) -> Scene:
    """Return the scene with the table under the back; it covers air only, and the back lies in the mattress.

    Raises
    ------
    RecipeError
        If a structure of the scene already has one of the table's names or labels.
    """
    taken = {s.name for s in scene.structures} & {s.name for s in COUCH_STRUCTURES}
    taken |= {str(s.label) for s in scene.structures} & {str(s.label) for s in COUCH_STRUCTURES}
    if taken:
        raise RecipeError(f"body {scene.body!r} uses names or labels of the patient table: {sorted(taken)}")
    low, high = scene.bounds_mm
    z_mm = (low[2] - 300.0, high[2] + 300.0)
    back = high[1] - SINK_MM
    top = back + MATTRESS_MM
    mattress = Trough(back, top, UPPER_RADIUS_MM - MATTRESS_MM, UPPER_RADIUS_MM, MATTRESS_HALF_WIDTH_MM, z_mm)
    slab = Trough(top, top + _thickness_mm(), UPPER_RADIUS_MM, LOWER_RADIUS_MM, HALF_WIDTH_MM, z_mm)
    air = (BACKGROUND,)
    paints = (Paint(_lattice(mattress), (Layer(MATTRESS),), air),
              Paint(_lattice(slab), (Layer(SHELL), Layer(CORE, SHELL_MM)), air))
    return replace(scene, structures=scene.structures + COUCH_STRUCTURES, paints=scene.paints + paints)
