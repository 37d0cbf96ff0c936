"""Shapes of lesions that have the volume asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import PlacementError, RecipeError, expected
from medsynth.core.grid import Matrix3, Vector, as_direction
from medsynth.core.seed import Seed
from medsynth.lesions.star_body import StarBody, star_body
from medsynth.lesions.volume import radius_for_volume, sphere_radius_mm, volume_integral
from medsynth.shapes.base import Shape
from medsynth.shapes.blend import Offset

Array = NDArray[np.float64]

NODES = 72  # lattice nodes along the longest side where a shape is grown
TOLERANCE = 0.003


def turn_of(quaternion: tuple[float, float, float, float]) -> Matrix3:
    """Return the rotation matrix of a quaternion (w, x, y, z) of any length; its columns are the turned axes."""
    w, x, y, z = np.asarray(quaternion) / np.linalg.norm(quaternion)
    return ((1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
            (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
            (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)))


def turn_to(direction: Vector, roll_rad: float = 0.0) -> Matrix3:
    """Return a rotation whose first column points along a direction (of any length)."""
    first = np.asarray(direction, float) / np.linalg.norm(direction)
    helper = np.eye(3)[int(np.argmin(np.abs(first)))]
    second = np.cross(first, helper)
    second /= np.linalg.norm(second)
    third = np.cross(first, second)
    c, s = np.cos(roll_rad), np.sin(roll_rad)
    return as_direction(np.stack([first, c * second + s * third, c * third - s * second], axis=1))


def random_quaternion(*, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Return an orientation, all alike, as a unit quaternion."""
    q = rng.standard_normal(4)
    w, x, y, z = (q / np.linalg.norm(q)).tolist()
    return w, x, y, z


def random_axes(spread: float, *, rng: np.random.Generator) -> Vector:
    """Return relative semi-axes with product 1 whose logarithms spread by `spread`."""
    logs = rng.standard_normal(3) * spread
    x, y, z = np.exp(logs - logs.mean()).tolist()
    return x, y, z


def blob(centre_mm: Vector, volume_mm3: float, *, axes: Vector = (1.0, 1.0, 1.0),
         turn: Matrix3 = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), lobulation: float = 0.0,
         roughness: float = 0.04, fraying: float = 0.0, seed: Seed, host: Shape | None = None,
         cut: bool = False) -> StarBody:
    """Return a lobulated, rough body around a centre whose volume within `host` is the one asked for.

    Parameters
    ----------
    axes, turn : relative semi-axes (product 1) and, as columns, their directions.
    lobulation, roughness, fraying : see `star_body`.
    host : what cuts the body; the caller intersects or paints accordingly.
    cut : whether the host cuts much of it away, so that the search must reach farther.

    Raises
    ------
    PlacementError
        If the host has no room for it here.
    """
    sphere = sphere_radius_mm(volume_mm3)
    reach = (2.8 if cut else 1.9) * max(axes) * sphere
    body = star_body(centre_mm, sphere, axes, turn, lobulation=lobulation, roughness=roughness, fraying=fraying,
                     seed=seed)
    return body.with_radius(radius_for_volume(volume_integral(body, reach, host), volume_mm3, reach))


def grown_to(shape: Shape, volume_mm3: float, *, host: Shape | None = None, most_mm: float = 30.0,
             least_mm: float = -30.0) -> Offset:
    """Return the shape grown (or shrunk) until its volume within `host` is the one asked for.

    Parameters
    ----------
    most_mm, least_mm : limits of the growth.

    Raises
    ------
    PlacementError
        If no growth within the limits gives that volume.
    """
    if not volume_mm3 > 0:
        raise RecipeError(expected("volume_mm3", volume_mm3, "> 0"))
    low, high = (np.asarray(end) for end in shape.bounds_mm())
    extra = min(max(most_mm, 0.0), sphere_radius_mm(volume_mm3) * 1.5)
    if host is not None:
        first, last = (np.asarray(end) for end in host.bounds_mm())
        low, high = np.maximum(low - extra, first), np.minimum(high + extra, last)
    else:
        low, high = low - extra, high + extra
    if np.any(high <= low):
        raise PlacementError("a lesion lies outside its host")
    step = float((high - low).max()) / NODES
    axes = [np.arange(a + step / 2, b, step) for a, b in zip(low, high, strict=True)]
    z, y, x = np.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    share = np.ones(len(points)) if host is None else np.clip(0.5 - np.asarray(host.distance_mm(points)) / step, 0, 1)
    points, share = points[share > 0], share[share > 0]
    distance = np.asarray(shape.distance_mm(points), float)

    def volume(growth: float) -> float:
        return float((np.clip(0.5 - (distance - growth) / step, 0, 1) * share).sum()) * step**3

    bottom, top = least_mm, extra
    if volume(top) < volume_mm3 or volume(bottom) > volume_mm3:
        raise PlacementError(f"a lesion of {volume_mm3 / 1000:.3g} ml does not fit its host here")
    while True:
        growth = (bottom + top) / 2
        found = volume(growth)
        if abs(found - volume_mm3) <= TOLERANCE * volume_mm3 or top - bottom < 1e-4:
            return Offset(shape, growth)
        bottom, top = (growth, top) if found < volume_mm3 else (bottom, growth)
