"""Finding places for lesions: random points in a host, tested against its surface, its vessels and other lesions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.lesions.distributions import Distribution
from medsynth.scene.structure import Scene
from medsynth.shapes.base import Shape
from medsynth.shapes.blend import Intersection
from medsynth.shapes.tubes import Tubes

Array = NDArray[np.float64]


class Counted(Protocol):
    """Options of a family that is drawn by number."""

    @property
    def count(self) -> Distribution:
        """How many."""
        ...


Drawn = TypeVar("Drawn", bound=Counted, contravariant=True)

BATCH = 4096  # random points at a time
BATCHES = 6
GAP_MM = 1.0  # kept free between two lesions


@dataclass(frozen=True, slots=True)
class Ball:
    """A ball that a lesion lies in: other lesions keep out of it."""

    centre_mm: Vector
    reach_mm: float


def taken_balls(*specs: Mapping[str, Any]) -> list[Ball]:
    """Return the balls that lesions of these specs lie in."""
    return [Ball(tuple(one["centre_mm"]), float(one["reach_mm"])) for one in specs]


class SampleOne(Protocol[Drawn]):
    """Draws one lesion of an entry, clear of what is taken."""

    def __call__(self, options: Drawn, scene: Scene, taken: Sequence[Ball], /, *, rng: np.random.Generator
                 ) -> BaseModel:
        """Return its spec."""
        ...


def one_by_one(sample_one: SampleOne[Drawn], options: Drawn, scene: Scene, *, rng: np.random.Generator,
               taken: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Draw the lesions of an entry one after the other, each clear of all before it, as specs of JSON values.

    Every lesion has a stream of its own: what one of them draws does not move the others.

    Parameters
    ----------
    options : with `count`.
    taken : specs of the case's other lesions; their `centre_mm` and `reach_mm` are kept clear.
    """
    specs: list[dict[str, Any]] = []
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        specs.append(sample_one(options, scene, taken_balls(*taken, *specs), rng=stream).model_dump(mode="json"))
    return specs


def field(scene: Scene, name: str) -> Shape:
    """Return the scene's distance field called `name`, or say which ones there are."""
    if name not in scene.fields:
        raise PlacementError(f"host must be one of {sorted(scene.fields)} of body {scene.body!r}, got {name!r}")
    return scene.fields[name]


def lobe_host(scene: Scene, lobe: str) -> Shape:
    """Return what belongs to both the lobe and its lung, e.g. `"lobe_right_upper"` and `"lung_right"`."""
    return Intersection(field(scene, lobe), field(scene, lung_of(lobe)))


def lung_of(lobe: str) -> str:
    """Return the name of the lung of a lobe.

    Examples
    --------
    >>> lung_of("lobe_left_upper")
    'lung_left'
    """
    return f"lung_{lobe.split('_')[1]}"


def random_points(shape: Shape, *, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the points (n, 3) of one batch in the shape's box that lie inside it, and their depth (n,) in mm."""
    low, high = (np.asarray(end) for end in shape.bounds_mm())
    if np.any(high <= low):
        return np.empty((0, 3)), np.empty(0)
    points = rng.uniform(low, high, (BATCH, 3))
    depth = -np.asarray(shape.distance_mm(points), float)
    return points[depth > 0], depth[depth > 0]


def tube_clearance_mm(points_mm: Array, tubes: Tubes, least_radius_mm: float) -> Array:
    """Return the distance (n,) from points (n, 3) to the surface of the nearest tube of at least this radius."""
    wide = np.maximum(tubes.start_radii_mm, tubes.end_radii_mm) >= least_radius_mm
    clearance = np.full(len(points_mm), np.inf)
    starts, axes = tubes.starts_mm[wide], (tubes.ends_mm - tubes.starts_mm)[wide]
    radii = np.maximum(tubes.start_radii_mm, tubes.end_radii_mm)[wide]
    square = np.maximum(np.einsum("ij,ij->i", axes, axes), 1e-12)
    for first in range(0, len(points_mm), 64):
        rest = points_mm[first:first + 64, None] - starts
        along = np.clip(np.einsum("pij,ij->pi", rest, axes) / square, 0, 1)
        distance = np.linalg.norm(rest - along[..., None] * axes, axis=-1) - radii
        clearance[first:first + 64] = distance.min(axis=1, initial=np.inf)
    return clearance


def keeps_apart(centre_mm: Array, reach_mm: float, taken: Sequence[Ball]) -> bool:
    """Tell whether a ball touches none of those taken."""
    return all(np.linalg.norm(centre_mm - np.asarray(ball.centre_mm)) > reach_mm + ball.reach_mm + GAP_MM
               for ball in taken)


def nearest_surface_point(shape: Shape, start_mm: Array, steps: int = 12) -> Array:
    """Return a point on the shape's surface near `start_mm`, walking down the gradient of its distance."""
    point, probe = np.asarray(start_mm, float).copy(), 0.5
    offsets = np.concatenate([np.zeros((1, 3)), np.eye(3) * probe, -np.eye(3) * probe])
    for _ in range(steps):
        values = np.asarray(shape.distance_mm(point + offsets), float)
        gradient = (values[1:4] - values[4:7]) / (2 * probe)
        square = float(gradient @ gradient)
        if square < 1e-6 or abs(values[0]) < 0.02:
            break
        point -= np.clip(values[0] / square, -10, 10) * gradient
    return point
