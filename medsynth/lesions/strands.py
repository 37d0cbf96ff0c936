"""Thin, bent strands that run out of a body into what is around it: spicules of a cancer, thorns of a bone island."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.core.seed import Seed
from medsynth.lesions.star_body import StarBody, scattered_directions
from medsynth.shapes.base import Shape
from medsynth.shapes.tubes import Tubes

Array = NDArray[np.float64]

PIECES = 4  # of one spicule
ROOT = 0.6  # where it begins, of the way to the surface
TIP_MM = 0.12  # radius
BEND = 0.22  # change of direction from piece to piece


def strands(body: StarBody, inside: Shape, count: int, length_mm: float, *, base_mm: tuple[float, float] = (0.35, 0.7),
            least_depth_mm: float = 1.5, seed: Seed) -> Tubes:
    """Return strands about `length_mm` long that leave a body in all directions and stay inside a shape.

    Parameters
    ----------
    base_mm : radii where they leave a body of 6 mm; thinner on smaller ones.
    least_depth_mm : below the surface of the shape that they stay in.
    """
    rng = seed.rng()
    directions = scattered_directions(count, 0.7, rng=rng)
    lengths = length_mm * rng.uniform(0.35, 1.25, count)
    base = rng.uniform(*base_mm, count) * np.clip(body.radius_mm / 6, 0.5, 1.2)
    points = [np.asarray(body.centre_mm) + directions * (ROOT * body.surface_mm(directions))[:, None]]
    heading = directions
    first = (1 - ROOT) * body.surface_mm(directions)
    for piece in range(PIECES):
        points.append(points[-1] + heading * (first * (piece == 0) + lengths / PIECES)[:, None])
        heading = heading + BEND * rng.standard_normal((count, 3))
        heading = heading / np.linalg.norm(heading, axis=1, keepdims=True)
    radii = base * np.linspace(1, 0, PIECES + 1)[:, None] ** 0.7 + TIP_MM
    starts, ends, first_radii, last_radii = [], [], [], []
    alive = np.ones(count, bool)
    for piece in range(PIECES):
        depth = np.minimum(*(-np.asarray(inside.distance_mm(points[piece + n]), float) for n in (0, 1)))
        alive &= depth > least_depth_mm
        starts.append(points[piece][alive])
        ends.append(points[piece + 1][alive])
        first_radii.append(radii[piece][alive])
        last_radii.append(radii[piece + 1][alive])
    first, last, first_mm, last_mm = (np.concatenate(parts) for parts in (starts, ends, first_radii, last_radii))
    return Tubes(first, last, first_mm, last_mm, np.full(len(first), -1))
