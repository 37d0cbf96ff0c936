"""Where the slices of a protocol lie in a body."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri.protocol import MriProtocol, Plane
from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import Grid, as_direction, orientation
from medsynth.scene.structure import Scene
from medsynth.shapes.tubes import Tubes

MARGIN_MM = 8.0
MAX_VOXELS = 2**28
_LETTERS: dict[Plane, str] = {"axial": "SPL", "coronal": "PIL", "sagittal": "LIP"}


def scan_grid(scene: Scene, protocol: MriProtocol) -> Grid:
    """Return the grid of the image.

    Rows and columns hold the body and a margin, slices the scan range; `fov_mm`, `slab_mm`, `centre_on` ask for less.
    Rows and columns run as radiologists look at them.

    Raises
    ------
    RecipeError
        If the body has no such scan range or place, or the image would be too large.
    """
    low, high = scan_box(scene, protocol)
    direction = plane_direction(protocol)
    corners = np.array([[(low, high)[a][0], (low, high)[b][1], (low, high)[c][2]]
                        for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    middle = (low + high) / 2
    along = (corners - middle) @ direction
    extent = along.max(axis=0) - along.min(axis=0)
    if protocol.plane == "axial":
        extent[1:] += 2 * MARGIN_MM
    else:
        extent[[0, 2]] += 2 * MARGIN_MM
    if protocol.fov_mm is not None:
        extent[1:] = protocol.fov_mm
    if protocol.slab_mm is not None:
        extent[0] = protocol.slab_mm
    if protocol.centre_on is not None:
        middle = place_mm(scene, protocol.centre_on)
    step, pixel = protocol.slice_step_mm, protocol.pixel_mm
    shape = (max(1, round(extent[0] / step)), *(2 * max(1, int(np.ceil(extent[n] / pixel / 2 - 1e-6))) for n in (1, 2)))
    if np.prod(shape, dtype=float) > MAX_VOXELS:
        raise RecipeError(f"pixel_mm and slice_thickness_mm must give at most {MAX_VOXELS} voxels, got {pixel:g} and "
                          f"{protocol.slice_thickness_mm:g}: {shape[0]} x {shape[1]} x {shape[2]}")
    return Grid.centred(shape, (step, pixel, pixel), (float(middle[0]), float(middle[1]), float(middle[2])),
                        as_direction(direction))


def plane_direction(protocol: MriProtocol) -> NDArray[np.float64]:
    """Return the unit vectors of k, j and i as columns, turned by `tilt_deg` about i and then about j."""
    direction = np.asarray(orientation(_LETTERS[protocol.plane]))
    about_i, about_j = np.deg2rad(protocol.tilt_deg)
    turn_i = _turn(direction[:, 2], about_i)
    turned = turn_i @ direction
    return _turn(turned[:, 1], about_j) @ turned


def _turn(axis: NDArray[np.float64], angle_rad: float) -> NDArray[np.float64]:
    """Return the rotation about a unit vector (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle_rad) * cross + (1 - np.cos(angle_rad)) * cross @ cross)


def scan_box(scene: Scene, protocol: MriProtocol) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the LPS box of the body within the scan range."""
    if protocol.scan_range not in scene.scan_range_mm:
        raise RecipeError(expected("scan_range", protocol.scan_range, f"one of {sorted(scene.scan_range_mm)}"))
    low, high = (np.array(corner, float) for corner in scene.bounds_mm)
    low[2], high[2] = scene.scan_range_mm[protocol.scan_range]
    return low, high


def place_mm(scene: Scene, name: str) -> NDArray[np.float64]:
    """Return a landmark, or the middle of a structure's box.

    Raises
    ------
    RecipeError
        If the body has neither.
    """
    if name in scene.landmarks:
        return np.asarray(scene.landmarks[name], float)
    shape = scene.fields.get(name)
    if shape is None:
        label = next((s.label for s in scene.structures if s.name == name), None)
        for paint in scene.paints:
            labels = [layer.label for layer in paint.layers]
            if label is not None and label in labels and not isinstance(paint.shape, Tubes):
                shape = paint.shape
    if shape is None:
        raise RecipeError(expected("centre_on", name, f"a structure or one of {sorted(scene.landmarks)}"))
    low, high = (np.asarray(corner, float) for corner in shape.bounds_mm())
    return np.asarray((low + high) / 2)
