"""Star-shaped bodies: an ellipsoid with lobules and slow waves, cheap to rescale; and clusters of grains."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medsynth.core.grid import Matrix3, Vector
from medsynth.core.seed import Seed
from medsynth.shapes.base import Box, Distances, Points
from medsynth.shapes.blend import smooth_min

Array = NDArray[np.float64]

LOBULE_SHARPNESS = 7.0  # exponent of a lobule's bump over the sphere; its width is about 1 / sqrt of it, in radians
LOBULE_HEIGHT = 0.3  # of the radius, at the strongest lobulation
SLOW_WAVES = (1.5, 4.0)  # range of cycles of the surface noise, in radians per unit of direction


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
    lobules : (n, 3) unit vectors of the bumps.
    lobule_height : of a bump, relative to the radius.
    waves : (m, 4): wave vector over the unit sphere and phase.
    roughness : standard deviation of the waves' sum, relative to the radius.
    """

    centre_mm: Vector
    radius_mm: float
    axes: Vector
    turn: Matrix3
    lobules: Array
    lobule_height: float
    waves: Array
    roughness: float
    exact: bool = False

    def terms(self, points_mm: Points) -> tuple[Array, Array]:
        """Return A (mm) and B, both (...), of which the distance is A - radius * B."""
        local = (np.asarray(points_mm, float) - np.asarray(self.centre_mm)) @ np.asarray(self.turn)
        scaled = local / np.asarray(self.axes)
        level = np.maximum(np.linalg.norm(scaled, axis=-1), 1e-9)
        slope = np.maximum(np.linalg.norm(scaled / np.asarray(self.axes), axis=-1), 1e-9)
        return level * level / slope, level / slope + self._relief(scaled / level[..., None])

    def _relief(self, directions: Array) -> Array:
        relief = np.zeros(directions.shape[:-1])
        if len(self.lobules) and self.lobule_height > 0:
            nearest = np.max(directions @ self.lobules.T, axis=-1)
            relief += self.lobule_height * (np.exp(LOBULE_SHARPNESS * (nearest - 1)) - 0.5)
        if len(self.waves) and self.roughness > 0:
            for wave in self.waves:
                relief += self.roughness * np.sqrt(2 / len(self.waves)) * np.cos(directions @ wave[:3] + wave[3])
        return relief

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
              seed: Seed) -> StarBody:
    """Build a body whose lobules and waves follow from the seed alone.

    Parameters
    ----------
    lobulation : 0 (none) to 1 (marked): more and higher bumps.
    roughness : standard deviation of the slow surface noise, relative to the radius.
    """
    rng = seed.child("lobules").rng()
    lobules = scattered_directions(int(rng.integers(6, 12)), 0.35, rng=rng)
    rng = seed.child("waves").rng()
    directions = rng.standard_normal((12, 3))
    directions *= (rng.uniform(*SLOW_WAVES, 12) / np.linalg.norm(directions, axis=1))[:, None]
    waves = np.column_stack([directions, rng.uniform(0, 2 * np.pi, 12)])
    return StarBody(centre_mm, radius_mm, axes, turn, lobules, LOBULE_HEIGHT * lobulation, waves, roughness)


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
