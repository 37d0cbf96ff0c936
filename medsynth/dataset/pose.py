"""How a person lies in the scanner: a small turn and shift of the image's grid about the body."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.core.grid import Grid, Vector, as_direction


@dataclass(frozen=True, slots=True)
class Pose:
    """A turn about the patient's axes (x, then y, then z, in degrees) and a shift in LPS mm, of the scanner's axes."""

    turn_deg: Vector = (0.0, 0.0, 0.0)
    shift_mm: Vector = (0.0, 0.0, 0.0)

    def moved(self, grid: Grid, about_mm: ArrayLike) -> Grid:
        """Return the grid turned about a point and shifted; shape and spacing stay.

        Examples
        --------
        >>> grid = Grid((2, 2, 2), (1.0, 1.0, 1.0))
        >>> Pose(shift_mm=(5.0, 0.0, 0.0)).moved(grid, grid.centre_mm).origin_mm
        (5.0, 0.0, 0.0)
        """
        turn, about = _rotation(self.turn_deg), np.asarray(about_mm, float)
        x, y, z = (turn @ (np.asarray(grid.origin_mm) - about) + about + self.shift_mm).tolist()
        return replace(grid, origin_mm=(x, y, z), direction=as_direction(turn @ np.asarray(grid.direction)))


def draw_pose(turn_deg: float, shift_mm: float, *, rng: np.random.Generator) -> Pose:
    """Draw a pose: every angle uniform within +-`turn_deg`, every shift within +-`shift_mm`."""
    turn, shift = rng.uniform(-1, 1, 3) * turn_deg, rng.uniform(-1, 1, 3) * shift_mm
    return Pose(_vector(turn), _vector(shift))


def _vector(values: NDArray[np.float64]) -> Vector:
    x, y, z = values.tolist()
    return x, y, z


def _rotation(turn_deg: Vector) -> NDArray[np.float64]:
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(turn_deg)):
        one, two = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[[one, two], [one, two]] = np.cos(angle)
        turn[one, two], turn[two, one] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix
