"""Finding the scale at which a lesion, cut by its host and with its thin parts, has the volume asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import PlacementError
from medsynth.core.grid import centred_mm
from medsynth.lesions._kernels import filled_volume
from medsynth.lesions.star_body import StarBody
from medsynth.shapes.base import Shape
from medsynth.shapes.tubes import Tubes

Array = NDArray[np.float64]

NODES = 44  # lattice nodes per axis of the volume integral
REACH = 2.1  # half width of that lattice, in radii of the sphere of the wanted volume
VOLUME_TOLERANCE = 0.002


def sphere_radius_mm(volume_mm3: float) -> float:
    """Return the radius of the sphere of this volume."""
    return float((volume_mm3 * 3 / (4 * np.pi)) ** (1 / 3))


def tube_points(tubes: Tubes, slices: int = 12) -> tuple[Array, Array]:
    """Return points (n, 3) spread through the tubes and the volume (n,) in mm^3 that each stands for.

    Every capsule is cut into `slices`, each with six points on the ring that holds half of its section's area.
    """
    if len(tubes.starts_mm) == 0:
        return np.empty((0, 3)), np.empty(0)
    along = (np.arange(slices) + 0.5) / slices
    axis = tubes.ends_mm - tubes.starts_mm
    length = np.maximum(tubes.lengths_mm, 1e-9)
    unit = axis / length[:, None]
    helper = np.where(np.abs(unit[:, :1]) < 0.8, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    across = np.cross(unit, helper)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    angles = np.arange(6) * np.pi / 3
    ring = np.cos(angles)[:, None] * across[:, None] + np.sin(angles)[:, None] * np.cross(unit, across)[:, None]
    walls = 0.0 if tubes.walls_mm is None else tubes.walls_mm[:, None]
    radius = tubes.start_radii_mm[:, None] + along * (tubes.end_radii_mm - tubes.start_radii_mm)[:, None] + walls
    centres = tubes.starts_mm[:, None] + along[:, None] * axis[:, None]
    points = centres[:, :, None] + ring[:, None] * (radius * np.sqrt(0.5))[..., None, None]
    weights = np.pi * radius**2 * length[:, None] / slices / 6
    return points.reshape(-1, 3), np.repeat(weights.ravel(), 6)


def tubes_near(tubes: Tubes, centre_mm: Array, reach_mm: float) -> Tubes:
    """Return the capsules that may come within `reach_mm` of a point; their parents are forgotten."""
    middle, half = (tubes.starts_mm + tubes.ends_mm) / 2, tubes.lengths_mm / 2
    widest = np.maximum(tubes.start_radii_mm, tubes.end_radii_mm)
    near = np.linalg.norm(middle - centre_mm, axis=1) < reach_mm + half + widest
    return Tubes(tubes.starts_mm[near], tubes.ends_mm[near], tubes.start_radii_mm[near], tubes.end_radii_mm[near],
                 np.full(int(near.sum()), -1), None if tubes.walls_mm is None else tubes.walls_mm[near])


@dataclass(frozen=True, eq=False)
class VolumeIntegral:
    """Volume of a star body as a function of its radius: cut by a host, plus tubes outside it, less tubes inside it.

    Attributes
    ----------
    level, per_radius : the body's terms at the lattice nodes that lie in the host.
    inside_host : share of each node's cell within the host.
    added, removed : the body's terms at points of the tubes, with the volume each point stands for.
    """

    step_mm: float
    level: Array
    per_radius: Array
    inside_host: Array
    added: tuple[Array, Array, Array]
    removed: tuple[Array, Array, Array]

    def __call__(self, radius_mm: float) -> float:
        """Return the volume in mm^3."""
        cells = filled_volume(self.level, self.per_radius, self.inside_host, radius_mm, self.step_mm)
        volume = float(cells) * self.step_mm**3
        for sign, (level, per_radius, weight) in ((1, self.added), (-1, self.removed)):
            distance = level - radius_mm * per_radius
            volume += sign * float(weight[(distance >= 0) if sign > 0 else (distance < 0)].sum())
        return volume


def volume_integral(body: StarBody, reach_mm: float, host: Shape | None, *, added: Tubes | None = None,
                    removed: tuple[Array, Array] | None = None) -> VolumeIntegral:
    """Prepare the integral on a lattice of half width `reach_mm` about the body's centre.

    Parameters
    ----------
    host : the shape that cuts the body, or None.
    added : thin parts whose volume outside the body counts too.
    removed : points (n, 3) and volumes (n,) of what the body does not cover, e.g. vessels in ground glass.
    """
    axis = centred_mm(NODES, 2 * reach_mm / NODES)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3) + np.asarray(body.centre_mm)
    step = 2 * reach_mm / NODES
    share = np.ones(len(points)) if host is None else np.clip(0.5 - np.asarray(host.distance_mm(points), float) / step,
                                                              0, 1)
    points, share = points[share > 0], share[share > 0]
    level, per_radius = body.terms(points)
    terms = []
    for cloud in (tube_points(added) if added is not None else None, removed):
        at, weight = cloud if cloud is not None else (np.empty((0, 3)), np.empty(0))
        terms.append((*body.terms(at), weight))
    return VolumeIntegral(step, level, per_radius, share, terms[0], terms[1])


def radius_for_volume(volume_of: VolumeIntegral, volume_mm3: float, reach_mm: float) -> float:
    """Return the radius at which the integral gives `volume_mm3`, by bisection.

    Raises
    ------
    PlacementError
        If the host cannot hold that volume within `reach_mm` of the centre.
    """
    low, high = 0.0, 0.8 * reach_mm
    if volume_of(high) < volume_mm3:
        raise PlacementError(f"a lesion of {volume_mm3 / 1000:.3g} ml does not fit its host here")
    while True:
        middle = (low + high) / 2
        volume = volume_of(middle)
        if abs(volume - volume_mm3) <= VOLUME_TOLERANCE * volume_mm3 or high - low < 1e-4 * reach_mm:
            return middle
        low, high = (middle, high) if volume < volume_mm3 else (low, middle)
