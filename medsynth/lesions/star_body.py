"""Star-shaped bodies: an ellipsoid with lobules and slow waves, cheap to rescale; and clusters of grains."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medsynth.core.grid import Matrix3, Vector
from medsynth.core.seed import Seed
from medsynth.lesions._kernels import star_terms
from medsynth.shapes.base import Box, Distances, Points
from medsynth.shapes.blend import smooth_min

Array = NDArray[np.float64]

LOBULE_SHARPNESS = 8.0  # exponent of a lobule's bump over the sphere; its width is about 1 / sqrt of it, in radians
LOBULE_HEIGHT = 0.42  # of the radius, at the strongest lobulation
WAVES = 12  # of each kind
SLOW, FRAYED = (1.5, 4.0), (5.0, 11.0)  # wave numbers of the surface noise, in radians per unit of direction


def even_directions(count: int) -> Array:
    """Return (count, 3) unit vectors spread evenly over the sphere (golden spiral)."""
    k = np.arange(count) + 0.5
    z = 1 - 2 * k / count
    angle = np.pi * (1 + 5**0.5) * k
    flat = np.sqrt(1 - z * z)
    return np.stack([flat * np.cos(angle), flat * np.sin(angle), z], axis=-1)


def scattered_directions(count: int, spread: float, *, rng: np.random.Generator) -> Array:
    """Return (count, 3) unit vectors: even ones, turned at random, each moved by about `spread` of its spacing."""
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    moved = even_directions(count) @ turn + rng.standard_normal((count, 3)) * spread * 2 / np.sqrt(max(count, 1))
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class StarBody:
    """A solid that every ray from its centre leaves once; its distance is first order, right at the surface.

    Its signed distance is A - radius * B, where A and B do not depend on the radius (see `terms`): a search for
    the radius that gives a volume needs A and B once.

    Attributes
    ----------
    centre_mm : LPS.
    radius_mm : scale; without lobules and waves the volume is 4/3 pi radius^3.
    axes : relative semi-axes with product 1.
    turn : its columns are the directions of the semi-axes.
    lobules : (n, 4) unit vector of each bump and its height relative to the radius.
    waves : (m, 5): wave vector over the unit sphere, phase, and amplitude relative to the radius.
    """

    centre_mm: Vector
    radius_mm: float
    axes: Vector
    turn: Matrix3
    lobules: Array
    waves: Array
    exact: bool = False

    def terms(self, points_mm: Points) -> tuple[Array, Array]:
        """Return A (mm) and B, both (...), of which the distance is A - radius * B."""
        points = np.ascontiguousarray(points_mm, np.float64)
        level, per_radius = np.empty(points.shape[:-1]), np.empty(points.shape[:-1])
        star_terms(points.reshape(-1, 3), np.asarray(self.centre_mm), np.asarray(self.turn), np.asarray(self.axes),
                   self.lobules, LOBULE_SHARPNESS, self.waves, level.reshape(-1), per_radius.reshape(-1))
        return level, per_radius

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        level, per_radius = self.terms(points_mm)
        return level - self.radius_mm * per_radius

    def surface_mm(self, directions: Array) -> Array:
        """Return the distance (n,) from the centre to the surface along unit LPS vectors (n, 3)."""
        level, per_radius = self.terms(np.asarray(self.centre_mm) + directions)
        return self.radius_mm * per_radius / level

    def bounds_mm(self) -> Box:
        """Return the LPS box, from rays, 4 % wider."""
        rays = even_directions(800)
        reach = rays * self.surface_mm(rays)[:, None] * 1.04
        centre = np.asarray(self.centre_mm)
        return tuple((centre + reach.min(0)).tolist()), tuple((centre + reach.max(0)).tolist())

    def with_radius(self, radius_mm: float) -> StarBody:
        """Return the same body at another scale."""
        return replace(self, radius_mm=radius_mm)


def star_body(centre_mm: Vector, radius_mm: float, axes: Vector, turn: Matrix3, *, lobulation: float, roughness: float,
              fraying: float = 0.0, seed: Seed) -> StarBody:
    """Build a body whose lobules and waves follow from the seed alone.

    Parameters
    ----------
    lobulation : 0 (none) to 1 (marked): height of the lobules.
    roughness, fraying : standard deviation of the slow and of the fine surface noise, relative to the radius.
    """
    rng = seed.child("lobules").rng()
    count = int(rng.integers(6, 13))
    lobules = np.empty((count if lobulation > 0 else 0, 4))
    directions, heights = scattered_directions(count, 0.55, rng=rng), rng.uniform(0.5, 1.0, count)
    lobules[:, :3], lobules[:, 3] = directions[:len(lobules)], LOBULE_HEIGHT * lobulation * heights[:len(lobules)]
    rng = seed.child("waves").rng()
    waves = []
    for spread, numbers in ((roughness, SLOW), (fraying, FRAYED)):
        vectors = scattered_directions(WAVES, 1.0, rng=rng) * rng.uniform(*numbers, (WAVES, 1))
        phases = rng.uniform(0, 2 * np.pi, WAVES)
        if spread > 0:
            waves.append(np.column_stack([vectors, phases, np.full(WAVES, spread * np.sqrt(2 / WAVES))]))
    return StarBody(centre_mm, radius_mm, axes, turn, lobules, np.concatenate(waves) if waves else np.empty((0, 5)))


@dataclass(frozen=True, eq=False)
class Grains:
    """Balls that grow together: flecks of calcium. A bound outside, an approximation inside.

    Attributes
    ----------
    centres_mm : (n, 3) LPS.
    radii_mm : (n,).
    """

    centres_mm: Array
    radii_mm: Array
    exact: bool = False

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        width = float(self.radii_mm.min()) / 2
        distance = np.full(points_mm.shape[:-1], np.inf)
        for centre, radius in zip(self.centres_mm, self.radii_mm, strict=True):
            ball = np.linalg.norm(points_mm - centre, axis=-1) - radius
            distance = smooth_min(distance, ball, width) if np.isfinite(distance).all() else ball
        return distance

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        reach = self.radii_mm[:, None] * 1.2
        return (tuple((self.centres_mm - reach).min(0).tolist()), tuple((self.centres_mm + reach).max(0).tolist()))
