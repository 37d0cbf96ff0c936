"""Smooth, invertible deformations of space, with the displacement at every point."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import GeometryError, expected
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.shapes.base import Box, Distances, Points, Shape
from medsynth.shapes.noise import STEPS_PER_WAVELENGTH, CoherentNoise, _tile
from medsynth.shapes.tubes import Tubes

_INVERSE_TOLERANCE_MM = 1e-4
_INVERSE_ROUNDS = 200
# The tile's extremes are read at its lattice nodes; between them the field may exceed these a little.
_BETWEEN_NODES = 1.15


class Warp(Protocol):
    """A map x -> x + displacement(x) that has an inverse."""

    @property
    def reach_mm(self) -> float:
        """No point moves farther than this."""
        ...

    def displacement_mm(self, points_mm: Points) -> Points:
        """Return how far (..., 3) the map moves LPS points (..., 3)."""
        ...

    def inverse_displacement_mm(self, points_mm: Points) -> Points:
        """Return the displacement (..., 3) that takes mapped points (..., 3) back."""
        ...


@dataclass(frozen=True, slots=True)
class NoiseWarp:
    """Displaces every point by three independent coherent noises.

    Attributes
    ----------
    seed : chooses the noises.
    wavelength_mm : of the noises.
    amplitude_mm : standard deviation of each component of the displacement; about wavelength / 20 at most. Larger
        ones: `noise_warp`.

    Raises
    ------
    GeometryError
        If the map would fold: the symmetric part of its Jacobian must be positive everywhere, which makes it
        one-to-one.
    """

    seed: int
    wavelength_mm: float
    amplitude_mm: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.wavelength_mm) and self.wavelength_mm > 0):
            raise GeometryError(expected("wavelength_mm", self.wavelength_mm, "> 0"))
        largest = largest_amplitude_mm(self.seed, self.wavelength_mm)
        if not 0 <= self.amplitude_mm < largest:
            raise GeometryError(expected("amplitude_mm", self.amplitude_mm,
                                         f">= 0 and < {largest:.2f} (else the warp folds)"))

    @property
    def reach_mm(self) -> float:
        """No point moves farther than this."""
        return self.amplitude_mm * _extremes(self.seed)[0] * _BETWEEN_NODES

    def displacement_mm(self, points_mm: Points) -> Points:
        """Return how far (..., 3) the map moves LPS points (..., 3)."""
        moves = [CoherentNoise(seed, self.wavelength_mm).at(points_mm) for seed in _component_seeds(self.seed)]
        return self.amplitude_mm * np.stack(moves, axis=-1).astype(np.float64)

    def inverse_displacement_mm(self, points_mm: Points) -> Points:
        """Return the displacement (..., 3) that takes mapped points (..., 3) back, to 1e-4 mm."""
        # Damped fixed-point steps: the map is monotone, so they close in even where plain ones would swing.
        wanted = np.asarray(points_mm, np.float64).reshape(-1, 3)
        back = np.zeros_like(wanted)
        open_ = np.arange(len(wanted))
        for _ in range(_INVERSE_ROUNDS):
            miss = back[open_] + self.displacement_mm(wanted[open_] + back[open_])
            far = np.linalg.norm(miss, axis=1) > 0.3 * _INVERSE_TOLERANCE_MM
            open_, miss = open_[far], miss[far]
            if len(open_) == 0:
                break
            back[open_] -= 0.8 * miss
        return back.reshape(np.shape(points_mm))


@dataclass(frozen=True, slots=True)
class RadialWarp:
    """Pushes space away from a centre (or pulls it in), as a growing mass does; nothing moves beyond `radius_mm`.

    Attributes
    ----------
    centre_mm : the point that stays.
    radius_mm : distance at which the push has died out.
    push_mm : largest displacement, at a third of the radius; negative pulls. Within (-0.148, 0.444) radii, else the
        map folds.
    """

    centre_mm: Vector
    radius_mm: float
    push_mm: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.radius_mm) and self.radius_mm > 0):
            raise GeometryError(expected("radius_mm", self.radius_mm, "> 0"))
        # d/du of 27/4 u (1-u)^2 lies in [-9/4, 27/4]
        if not -self.radius_mm / 6.75 < self.push_mm < self.radius_mm / 2.25:
            raise GeometryError(expected("push_mm", self.push_mm, f"> {-self.radius_mm / 6.75:.2f} and < "
                                                                  f"{self.radius_mm / 2.25:.2f} (else the warp folds)"))

    @property
    def reach_mm(self) -> float:
        """No point moves farther than this."""
        return abs(self.push_mm)

    def displacement_mm(self, points_mm: Points) -> Points:
        """Return how far (..., 3) the map moves LPS points (..., 3)."""
        arm = np.asarray(points_mm, np.float64) - self.centre_mm
        return arm * (self._moved(np.linalg.norm(arm, axis=-1, keepdims=True)) / self.radius_mm)

    def inverse_displacement_mm(self, points_mm: Points) -> Points:
        """Return the displacement (..., 3) that takes mapped points (..., 3) back."""
        arm = np.asarray(points_mm, np.float64) - self.centre_mm
        mapped = np.linalg.norm(arm, axis=-1, keepdims=True)
        low, high = np.zeros_like(mapped), np.full_like(mapped, self.radius_mm)
        for _ in range(48):  # bisection: the mapped distance grows with the distance
            middle = 0.5 * (low + high)
            short = middle + middle / self.radius_mm * self._moved(middle) < mapped
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        ratio = np.where(mapped > 0, 0.5 * (low + high) / np.where(mapped > 0, mapped, 1.0), 1.0)
        return np.where(mapped < self.radius_mm, arm * (ratio - 1.0), 0.0)

    def _moved(self, distance_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return displacement over relative distance u: push 27/4 (1 - u)^2, so that the displacement peaks at 1/3."""
        return self.push_mm * 6.75 * np.square(np.maximum(1 - distance_mm / self.radius_mm, 0.0))


@dataclass(frozen=True, slots=True)
class Composed:
    """One warp after the other, the first of `warps` first."""

    warps: tuple[Warp, ...]

    @property
    def reach_mm(self) -> float:
        """No point moves farther than this."""
        return sum(warp.reach_mm for warp in self.warps)

    def displacement_mm(self, points_mm: Points) -> Points:
        """Return how far (..., 3) the map moves LPS points (..., 3)."""
        moved = np.asarray(points_mm, np.float64)
        for warp in self.warps:
            moved = moved + warp.displacement_mm(moved)
        return moved - points_mm

    def inverse_displacement_mm(self, points_mm: Points) -> Points:
        """Return the displacement (..., 3) that takes mapped points (..., 3) back."""
        moved = np.asarray(points_mm, np.float64)
        for warp in reversed(self.warps):
            moved = moved + warp.inverse_displacement_mm(moved)
        return moved - points_mm


@dataclass(frozen=True, slots=True)
class Warped:
    """A shape after a warp; its distance is that of the unwarped point, so only its zero level is right."""

    shape: Shape
    warp: Warp
    exact: bool = False

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm, stretched as the warp stretches space."""
        return self.shape.distance_mm(points_mm + self.warp.inverse_displacement_mm(points_mm))

    def bounds_mm(self) -> Box:
        """Return the LPS box, enlarged by how far the warp reaches."""
        low, high = self.shape.bounds_mm()
        reach = self.warp.reach_mm
        return ((low[0] - reach, low[1] - reach, low[2] - reach), (high[0] + reach, high[1] + reach, high[2] + reach))


def noise_warp(seed: int, wavelength_mm: float, amplitude_mm: float) -> Warp:
    """Return an invertible noise warp of any amplitude: as many small ones in a row as it takes not to fold.

    amplitude_mm : standard deviation of each component; beyond wavelength / 8 the result looks torn.
    """
    if not 0 <= amplitude_mm < np.inf:
        raise GeometryError(expected("amplitude_mm", amplitude_mm, "finite and >= 0"))
    parts: list[Warp] = []
    rest = amplitude_mm**2  # independent displacements add in variance
    while rest > 0:
        part_seed = Seed(seed).child("warp", len(parts)).integer(62)
        part = min(0.9 * largest_amplitude_mm(part_seed, wavelength_mm), np.sqrt(rest))
        parts.append(NoiseWarp(part_seed, wavelength_mm, float(part)))
        rest = max(rest - part**2, 0.0) if rest - part**2 > 1e-12 * amplitude_mm**2 else 0.0
    return Composed(tuple(parts))


def largest_amplitude_mm(seed: int, wavelength_mm: float) -> float:
    """Return the amplitude from which on the `NoiseWarp` of this seed might fold."""
    return wavelength_mm / (STEPS_PER_WAVELENGTH * _extremes(seed)[1] * _BETWEEN_NODES)


def warped_tubes(tubes: Tubes, warp: Warp) -> Tubes:
    """Return the tubes with their ends moved by the warp; radii stay."""
    return replace(tubes, starts_mm=tubes.starts_mm + warp.displacement_mm(tubes.starts_mm),
                   ends_mm=tubes.ends_mm + warp.displacement_mm(tubes.ends_mm))


def _component_seeds(seed: int) -> tuple[int, ...]:
    return tuple(Seed(seed).child("displacement", axis).integer(62) for axis in "xyz")


@lru_cache(maxsize=64)
def _extremes(seed: int) -> tuple[float, float]:
    """Return the largest displacement and the strongest compression per lattice step, at unit amplitude."""
    fields = [_tile(part).astype(np.float64) for part in _component_seeds(seed)]
    size = np.sqrt(sum(_at_nodes(field, None) ** 2 for field in fields)).max()
    # slope[a, b] is the change of component a along axis b (x, y, z = array axes 2, 1, 0)
    slope = np.array([[_at_nodes(field, 2 - b).ravel() for b in range(3)] for field in fields])
    symmetric = 0.5 * (slope + slope.transpose(1, 0, 2))
    total = np.sqrt(np.square(symmetric).sum(axis=(0, 1)))  # no eigenvalue is larger than the Frobenius norm
    order = np.argsort(total)[::-1]
    strongest = 0.0
    for first in range(0, len(order), 4096):
        chosen = order[first:first + 4096]
        if total[chosen[0]] <= strongest:
            break
        lowest = np.linalg.eigvalsh(symmetric[:, :, chosen].transpose(2, 0, 1))[:, 0]
        strongest = max(strongest, float(-lowest.min()))
    return float(size), strongest


def _at_nodes(field: NDArray[np.float64], along: int | None) -> NDArray[np.float64]:
    """Return the cubic B-spline field at its lattice nodes, or its derivative per step along one axis."""
    for axis in range(3):
        ahead, behind = np.roll(field, -1, axis), np.roll(field, 1, axis)
        field = (ahead - behind) / 2 if axis == along else (ahead + 4 * field + behind) / 6
    return field
