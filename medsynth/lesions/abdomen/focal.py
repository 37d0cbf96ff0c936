"""What focal lesions of the trunk share: the numbers of their form, a place in an organ, their body, size classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from medsynth.core.errors import GeometryError, PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.distributions import Options
from medsynth.lesions.effect import mass_effect
from medsynth.lesions.form import blob, random_axes, random_quaternion, turn_of
from medsynth.lesions.host import Host, host, names_of, point
from medsynth.lesions.placement import Ball, keeps_apart
from medsynth.lesions.star_body import StarBody, even_directions
from medsynth.scene.extent import box_on
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Push, Scene
from medsynth.shapes.base import Shape

Array = NDArray[np.float64]

SITES = 80  # places tried
ENOUGH, LEAST_ROOM = 0.92, 0.3  # share of a mass's surface in the room it may fill: taken at once, and needed
PUSH_FROM_MM = 1.0  # smaller displacements are not worth a lattice
PUSH_REACH = 3.0  # radii to which a mass displaces its organ
CROP = 1.6  # diameters about a lesion's middle that may matter to its form
DIRECTIONS: Mapping[str, Vector] = {  # posture -> LPS direction of gravity
    "supine": (0.0, 1.0, 0.0), "prone": (0.0, -1.0, 0.0), "upright": (0.0, 0.0, -1.0),
    "left_decubitus": (1.0, 0.0, 0.0), "right_decubitus": (-1.0, 0.0, 0.0),
}


class FocalSpec(Options):
    """The numbers that every focal lesion has; a family adds its own."""

    diameter_mm: float = Field(gt=0, le=300)
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)
    host: str
    axes: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    shape_seed: int = Field(ge=0)

    @property
    def volume_mm3(self) -> float:
        """Volume of the sphere of this diameter."""
        return float(np.pi / 6 * self.diameter_mm**3)

    @property
    def radius_mm(self) -> float:
        """Radius of that sphere."""
        return self.diameter_mm / 2

    def part(self, name: str) -> Seed:
        """Return the seed of one part of its form."""
        return Seed(self.shape_seed).child(name)


def form_of(diameter_mm: float, spread: float, *, rng: np.random.Generator) -> dict[str, Any]:
    """Draw the form that `FocalSpec` holds; `spread` is that of the semi-axes' logarithms."""
    return {"diameter_mm": round(diameter_mm, 3), "axes": random_axes(spread, rng=rng),
            "quaternion": random_quaternion(rng=rng), "shape_seed": int(rng.integers(2**53))}


def places(where: Host, depths_mm: Sequence[tuple[float, float]], *, rng: np.random.Generator,
           weight: NDArray[np.floating[Any]] | None = None) -> Iterator[Array]:
    """Yield random points of a host, those of the first range of depths first."""
    for depth, stream in zip(depths_mm, rng.spawn(len(depths_mm)), strict=True):
        yield from where.points(SITES, rng=stream, depth_mm=depth, weight=weight)


def free_place(kind: str, where: Host, diameter_mm: float, reach_mm: float, taken: Sequence[Ball], *,
               depths_mm: Sequence[tuple[float, float]], rng: np.random.Generator,
               weight: NDArray[np.floating[Any]] | None = None) -> Array:
    """Return a point of the host whose ball touches nothing taken.

    Raises
    ------
    PlacementError
        If none of the places tried is free.
    """
    for centre in places(where, depths_mm, rng=rng, weight=weight):
        if keeps_apart(centre, reach_mm, taken):
            return centre
    raise PlacementError(f"lesions.{kind} found no place in {where.names[0]} for one of diameter_mm {diameter_mm:.1f}")


def roomy_place(kind: str, where: Host, space: Host, diameter_mm: float, reach_mm: float, taken: Sequence[Ball], *,
                depths_mm: Sequence[tuple[float, float]], rng: np.random.Generator, outwards_mm: float = 0.0,
                weight: NDArray[np.floating[Any]] | None = None) -> Array:
    """Return a place for a mass that may leave its host: most of its surface lies in `space`.

    Parameters
    ----------
    outwards_mm : how far the middle is moved out of the host.

    Raises
    ------
    PlacementError
        If none of the places tried is free.
    """
    rays = even_directions(48) * (0.46 * diameter_mm)
    best: tuple[float, Array | None] = (-1.0, None)
    for at in places(where, depths_mm, rng=rng, weight=weight):
        centre = at - outwards_mm * inwards(where, at) if outwards_mm > 0 else at
        if not keeps_apart(centre, reach_mm, taken):
            continue
        share = share_inside(space, centre + rays)
        if share > best[0]:
            best = (share, centre)
        if share >= ENOUGH:
            break
    if best[1] is None or best[0] < LEAST_ROOM:
        raise PlacementError(f"lesions.{kind} found no place at {where.names[0]} for one of "
                             f"diameter_mm {diameter_mm:.1f}")
    return best[1]


def inwards(where: Host, at: Array) -> Array:
    """Return the unit vector along which a host's depth rises at a point."""
    depth = where.depth_at(at + 4.0 * np.concatenate([np.eye(3), -np.eye(3)]))
    slope = depth[:3] - depth[3:]
    length = float(np.linalg.norm(slope))
    return np.asarray(slope / length if length > 0 else np.zeros(3))


def around(where: Host, centre_mm: Sequence[float], reach_mm: float) -> Host:
    """Return the part of a host about a point: its depth costs less than that of all of it."""
    box = box_on(where.grid, (point(np.asarray(centre_mm) - reach_mm), point(np.asarray(centre_mm) + reach_mm)))
    if box is None:
        raise PlacementError(f"a lesion at {tuple(centre_mm)} lies outside {where.names[0]}")
    low, high = box
    at = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    phantom = where.phantom
    part = Phantom(phantom.grid.crop(low, high), phantom.labels[at].copy(), phantom.neighbour[at].copy(),
                   phantom.fraction[at].copy(), phantom.texture[at].copy(), phantom.structures)
    return Host(where.names, where.labels, part, where.share[at].copy())


def share_inside(where: Host, points_mm: Array) -> float:
    """Return which share of points (n, 3) lies in a host, by its voxels."""
    at = np.rint(where.grid.index_kji(points_mm)).astype(int)
    shape = np.asarray(where.share.shape)
    seen = np.all((at >= 0) & (at < shape), axis=1)
    return float((where.share[tuple(at[seen].T)] >= 0.5).sum()) / len(at)


def part_at(scene: Scene, where: Host, centre_mm: Sequence[float]) -> str:
    """Return the name of the host's structure that lies nearest to a point."""
    phantom = where.phantom
    at = np.argwhere(np.isin(phantom.labels, where.labels))
    offset = (at - phantom.grid.index_kji(np.asarray(centre_mm, float))) * np.asarray(phantom.grid.spacing_mm)
    label = int(phantom.labels[tuple(at[np.argmin(np.square(offset).sum(axis=1))])])
    return next(s.name for s in scene.structures if s.label == label)


def whole_of(scene: Scene, name: str) -> str:
    """Return the organ that a structure counts to."""
    return scene.structure(name).part_of or name


def organ(scene: Scene, *patterns: str) -> Host:
    """Return those of the named structures that this person has."""
    known = [pattern for pattern in patterns if _known(scene, pattern)]
    if not known:
        raise PlacementError(f"host must be a structure of body {scene.body!r}, got {', '.join(patterns)}")
    return host(scene, *known)


def _known(scene: Scene, pattern: str) -> bool:
    try:
        return bool(names_of(scene, pattern))
    except PlacementError:
        return False


def body_of(one: FocalSpec, *, lobulation: float = 0.2, roughness: float = 0.04, within: Host) -> StarBody:
    """Return the body of a focal lesion with the volume of its diameter within an organ."""
    near = around(within, one.centre_mm, CROP * one.diameter_mm + 4)
    return blob(one.centre_mm, one.volume_mm3, axes=one.axes, turn=turn_of(one.quaternion), lobulation=lobulation,
                roughness=roughness, seed=one.part("body"), host=near.shape, cut=True)


def pushes_of(one: FocalSpec, push_mm: float, within: Shape | None) -> tuple[Push, ...]:
    """Return the mass effect of a lesion; none where it is small or the place too narrow for it."""
    if push_mm < PUSH_FROM_MM:
        return ()
    try:
        return (mass_effect(one.centre_mm, max(PUSH_REACH * one.radius_mm, 15.0), push_mm, within=within, fade_mm=8.0),)
    except GeometryError:
        return ()


def size_class_cm(long_axis_mm: float, gates_cm: Sequence[float]) -> str:
    """Return the words for a size between gates.

    Examples
    --------
    >>> size_class_cm(25.0, (2, 4)), size_class_cm(50.0, (2, 4))
    ('> 2 to 4 cm', '> 4 cm')
    """
    below = [gate for gate in gates_cm if long_axis_mm <= 10 * gate]
    if not below:
        return f"> {gates_cm[-1]:g} cm"
    first = below[0]
    before = [gate for gate in gates_cm if gate < first]
    return f"> {before[-1]:g} to {first:g} cm" if before else f"<= {first:g} cm"


def random_direction(*, rng: np.random.Generator) -> Array:
    """Return a unit vector, all directions alike."""
    v = rng.standard_normal(3)
    return np.asarray(v / np.linalg.norm(v))
