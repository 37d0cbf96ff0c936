"""What lesions do to what is around them: mass effect that stops at bone, and collapse."""

from __future__ import annotations

import numpy as np

from medsynth.core.errors import GeometryError
from medsynth.core.grid import Vector
from medsynth.scene.structure import Push
from medsynth.shapes.base import Points, Shape
from medsynth.shapes.lattice_warp import lattice_warp
from medsynth.shapes.warp import RadialWarp

STEP_MM = 2.5
TRIES = 12


def mass_effect(centre_mm: Vector, radius_mm: float, push_mm: float, *, within: Shape | None = None,
                fade_mm: float = 12.0, about: Shape | None = None) -> Push:
    """Return the push of a mass: everything moves away from its centre (or from a shape's surface), less farther off.

    Parameters
    ----------
    radius_mm : distance at which the push has died out.
    push_mm : largest displacement; negative pulls (a shrinking organ).
    within : what may move, e.g. the cranial cavity: its border and what lies outside stay.
    fade_mm : depth below that border from which on the push is whole.
    about : a flat or long mass that pushes along its distance instead of away from a point; `centre_mm` is then
        only the middle of the box, and the push is largest at its surface.

    Raises
    ------
    GeometryError
        If the map would fold even at a quarter of the push.
    """
    centre = np.asarray(centre_mm)
    bounds = tuple((centre - radius_mm - STEP_MM).tolist()), tuple((centre + radius_mm + STEP_MM).tolist())

    def free(points: Points, push: float) -> Points:
        if about is None:
            return RadialWarp(centre_mm, radius_mm, push).displacement_mm(points)
        distance = np.asarray(about.distance_mm(points), float)
        away = np.stack(np.gradient(distance, STEP_MM)[::-1], axis=-1)
        away /= np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-6)
        arm = np.linalg.norm(points - centre, axis=-1) / radius_mm
        share = np.square(np.clip(1 - np.maximum(distance, 0) / (0.7 * radius_mm), 0, 1)) * smooth_rise(3 * (1 - arm))
        return push * away * share[..., None]

    def displacement(points: Points, push: float) -> Points:
        moves = free(points, push)
        if within is None:
            return moves
        depth = -np.asarray(within.distance_mm(points), float)
        return moves * smooth_rise(depth / fade_mm)[..., None]

    push = push_mm
    for _ in range(TRIES):  # a border close by squeezes harder than the mass alone: it then gives way less
        try:
            warp = lattice_warp(lambda points, push=push: displacement(points, push), bounds, STEP_MM)  # type: ignore[misc]
            return Push(warp, warp.bounds_mm)
        except GeometryError:
            push *= 0.85
    raise GeometryError(f"a push of {push_mm:g} mm over {radius_mm:g} mm folds space here")


def smooth_rise(share: Points) -> Points:
    """Return 0 below 0, 1 above 1, and a smooth rise between."""
    kept = np.clip(share, 0, 1)
    return np.asarray(kept * kept * (3 - 2 * kept))
