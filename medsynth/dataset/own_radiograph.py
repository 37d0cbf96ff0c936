"""A radiograph of a CT volume that somebody has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct.hu_phantom import hu_phantom
from medsynth.acquire.xray.acquire import acquire_xray, image_grid
from medsynth.acquire.xray.geometry import Geometry
from medsynth.acquire.xray.project import structure_thickness
from medsynth.acquire.xray.protocol import XrayProtocol
from medsynth.core.errors import RecipeError, expected
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.dataset.parts import checked
from medsynth.dataset.vary import replaced
from medsynth.scene.label_map import given, label_phantom, label_structures, scene_around

ViewName = Literal["pa", "ap", "lateral"]

TURNS_DEG: dict[str, float] = {"ap": 0.0, "pa": 180.0, "lateral": 90.0}  # of the ray: from the front, back, right
GAP_MM = 40.0  # between the volume's far corner and the detector
LARGEST_FIELD_MM = 600.0


@dataclass(frozen=True)
class Shot:
    """How radiographs of volumes are taken; the fields are those of `RandSimulateXRayd`."""

    view: ViewName
    turn_deg: tuple[float, float]
    tilt_deg: tuple[float, float]
    pixel_mm: float
    field_mm: tuple[float, float] | None
    sid_mm: float
    ct_kvp: float

    def __post_init__(self) -> None:
        if self.view not in TURNS_DEG:
            raise RecipeError(expected("view", self.view, f"one of {sorted(TURNS_DEG)}"))
        for name in ("turn_deg", "tilt_deg"):
            low, high = getattr(self, name)
            if not -45 <= low <= high <= 45:
                raise RecipeError(expected(name, (low, high), "(low, high) within -45..45"))

    def protocol(self, settings: Mapping[str, Any]) -> XrayProtocol:
        """Return the checked protocol; geometry is filled in for every volume."""
        own = {"view", "free", "sid_mm", "field_mm"} & set(settings)
        if own:
            raise RecipeError(f"protocol.{sorted(own)[0]} must not be given: the transform has arguments for geometry")
        free = {"aim": (0.0, 0.0, 0.0)}
        return checked(XrayProtocol, {"kvp": 120.0, "marker": "none", **settings, "view": "free", "free": free,
                                      "pixel_mm": self.pixel_mm}, ("protocol",))


def take(volume: Volume, shot: Shot, protocol: XrayProtocol, *, seed: Seed) -> tuple[Volume, Geometry]:
    """Return the image in P-values, one slice in the detector's plane, and where source and detector stood."""
    rng = seed.child("positioning").rng()
    turn = TURNS_DEG[shot.view] + float(rng.uniform(*shot.turn_deg))
    tilt = float(rng.uniform(*shot.tilt_deg))
    phantom = hu_phantom(volume, shot.ct_kvp)
    corners = volume.grid.corners_mm()
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    box = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    box = corners.min(axis=0) + box * np.ptp(corners, axis=0) - middle
    a, b = np.radians([turn, tilt])
    along = box @ np.array([np.sin(a) * np.cos(b), np.cos(a) * np.cos(b), np.sin(b)])
    to_aim = shot.sid_mm - float(along.max()) - GAP_MM
    field_mm = shot.field_mm
    if field_mm is None:
        scale = shot.sid_mm / to_aim
        wide = box @ np.array([np.cos(a), -np.sin(a), 0.0])
        height = float(np.ptp(corners[:, 2])) * scale
        field_mm = min(height, LARGEST_FIELD_MM), min(float(np.ptp(wide)) * scale, LARGEST_FIELD_MM)
    free = {"aim": tuple(middle.tolist()), "turn_deg": turn, "tilt_deg": tilt, "roll_deg": 0.0, "sid_mm": shot.sid_mm,
            "source_to_aim_mm": to_aim, "field_mm": field_mm}
    one = replaced(protocol, {"free": free}, "xray")
    made = acquire_xray(scene_around(phantom), (), one, seed=seed, voxelise=given(phantom))
    stood = made.parameters["geometry"]
    geometry = Geometry(stood["source_mm"], stood["origin_mm"], stood["row_step"], stood["column_step"],
                        stood["pixel_mm"], stood["shape_ji"])
    if shot.view == "ap":
        return made.image, geometry
    # As radiologists hang them: the patient's left on the viewer's right, or facing the viewer's left.
    x, y, z = geometry.pixels_mm(0, geometry.shape_ji[1] - 1).tolist()
    i, j, k = geometry.column_step
    geometry = replace(geometry, origin_mm=(x, y, z), column_step=(-i, -j, -k))
    return Volume(np.ascontiguousarray(made.image.array[..., ::-1]), image_grid(geometry), "P-value"), geometry


def projected_masks(labels: Volume, geometry: Geometry, wanted: Sequence[int]) -> NDArray[np.uint8]:
    """Return (label, rows, columns) uint8: the shadow of each label of a map, 1 inside; labels may be missing."""
    everything = {int(value): "water" for value in np.unique(labels.array) if value}
    phantom = label_phantom(labels, label_structures(everything))
    groups = {str(label): [label] for label in wanted}
    shadows = structure_thickness(phantom, geometry, groups)
    out = np.zeros((len(wanted), *geometry.shape_ji), np.uint8)
    for plane, name in zip(out, groups, strict=True):
        if name in shadows:
            (row, column), inside = shadows[name].first_ji, shadows[name].inside()
            plane[row:row + inside.shape[0], column:column + inside.shape[1]] = inside
    return out
