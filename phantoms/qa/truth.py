"""What is known exactly of a test object: its parts, their volumes, and the path of any line through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.scene.structure import Layer, Paint, Structure
from medsynth.shapes.base import Box, Distances, Points, Shape
from medsynth.shapes.blend import Intersection
from medsynth.shapes.primitives import Capsule
from medsynth.shapes.tubes import Tubes
from phantoms.qa.closed_form import crossing_mm, volume_mm3

RAYS = 4096  # lines whose paths are sorted together: bounds the memory


@dataclass(frozen=True)
class Union:
    """Convex solids together; where they overlap they are one."""

    solids: tuple[Shape, ...]

    @property
    def exact(self) -> bool:
        """Whether the distance is the Euclidean one: it is a bound inside overlaps."""
        return len(self.solids) == 1 and self.solids[0].exact

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        nearest = self.solids[0].distance_mm(points_mm)
        for solid in self.solids[1:]:
            nearest = np.minimum(nearest, solid.distance_mm(points_mm))
        return nearest

    def bounds_mm(self) -> Box:
        """Return the LPS box."""
        boxes = np.array([solid.bounds_mm() for solid in self.solids])
        return (tuple(boxes[:, 0].min(0).tolist()), tuple(boxes[:, 1].max(0).tolist()))


@dataclass(frozen=True)
class Part:
    """A piece of a test object: later parts cover earlier ones.

    Attributes
    ----------
    structure : name of the structure it belongs to.
    solids : convex solids that it is the union of.
    inside : the structure that it is wholly cut out of; two that overlap, for their overlap.
    volume_mm3 : of the union; None for solids that do not overlap.
    lattice_mm : step at which it is sampled when painted; 0 derives it from its size.
    apart : whether the solids are farther apart than a voxel, so that each can be painted by itself, which is quicker.
    over : structures that it may cover; empty means every one.
    drawn : the solid to paint instead, where `over` already limits it to the rest of the solids: a surface that two
        parts share is then drawn once.
    """

    structure: str
    solids: tuple[Shape, ...]
    inside: tuple[str, ...] = ()
    volume_mm3: float | None = None
    lattice_mm: float = 0.0
    apart: bool = False
    over: tuple[str, ...] = ()
    drawn: Shape | None = None

    def size_mm3(self) -> float:
        """Return the volume of the union of the solids."""
        return sum(volume_mm3(s) for s in self.solids) if self.volume_mm3 is None else self.volume_mm3

    def paints(self, labels: Mapping[str, int]) -> tuple[Paint, ...]:
        """Return the painting steps; wires as tubes, which are drawn without a lattice."""
        layers, over = (Layer(labels[self.structure]),), tuple(labels[name] for name in self.over)
        if self.drawn is not None:
            return (Paint(self.drawn, layers, over, self.lattice_mm),)
        capsules = [solid for solid in self.solids if isinstance(solid, Capsule)]
        if len(capsules) == len(self.solids):
            radii = np.array([c.start_radius_mm for c in capsules])
            ends = np.array([[c.start_mm, c.end_mm] for c in capsules])
            return (Paint(Tubes(ends[:, 0], ends[:, 1], radii, radii, np.full(len(radii), -1)), layers, over),)
        apart = self.solids if self.apart else (Union(self.solids),)
        return tuple(Paint(solid, layers, over, self.lattice_mm) for solid in apart)


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known exactly of one test object.

    Attributes
    ----------
    body : name of the object.
    parts : in painting order; the object is what they cover, a later one before an earlier one.
    structures : those that the parts name.
    details : published and derived numbers of this object (JSON values), e.g. periods of line pairs, T1 and T2.
    """

    body: str
    parts: tuple[Part, ...]
    structures: tuple[Structure, ...]
    details: Mapping[str, Any] = field(default_factory=dict)

    def volumes_ml(self) -> dict[str, float]:
        """Return the visible volume of every structure in ml: its own parts less what is cut out of them."""
        volumes = {s.name: 0.0 for s in self.structures}
        hosts = {part.structure: part.inside for part in self.parts}
        for part in self.parts:
            size = part.size_mm3() / 1000
            volumes[part.structure] += size
            for host in part.inside:
                volumes[host] -= size
            if len(part.inside) > 1:  # where two overlap, what surrounds both was charged twice
                volumes[hosts[part.inside[0]][0]] += size * (len(part.inside) - 1)
        return volumes

    def chords_mm(self, points_mm: ArrayLike, directions: ArrayLike) -> dict[str, NDArray[np.float64]]:
        """Return by structure the length (...) in mm of each line inside it.

        Parameters
        ----------
        points_mm : (..., 3) a point of each line, LPS.
        directions : (..., 3) its direction; any length but 0.
        """
        points, along = np.broadcast_arrays(np.asarray(points_mm, float), np.asarray(directions, float))
        shape = points.shape[:-1]
        points, along = points.reshape(-1, 3), along.reshape(-1, 3)
        along = along / np.linalg.norm(along, axis=1, keepdims=True)
        names = [s.name for s in self.structures]
        chords = np.zeros((len(names), len(points)))
        for first in range(0, len(points), RAYS):
            some = slice(first, first + RAYS)
            self._add_chords(chords[:, some], names, points[some], along[some])
        return {name: chord.reshape(shape) for name, chord in zip(names, chords, strict=True)}

    def _add_chords(
        self, chords: NDArray[np.float64], names: list[str], points: NDArray[np.float64], along: NDArray[np.float64]
    ) -> None:
        """Cut each line at every entry and exit; each piece belongs to the last part that covers it."""
        owners = [names.index(part.structure) for part in self.parts for _ in part.solids]
        pairs = [crossing_mm(solid, points, along) for part in self.parts for solid in part.solids]
        enter = np.array([np.where(b > a, a, 0.0) for a, b in pairs])
        leave = np.array([np.where(b > a, b, 0.0) for a, b in pairs])
        cuts = np.sort(np.concatenate([enter, leave]), axis=0)
        for low, high in pairwise(cuts):
            middle = (low + high) / 2
            owner = np.full(len(points), -1)
            for number, a, b in zip(owners, enter, leave, strict=True):
                owner[(a < middle) & (middle < b)] = number
            hit = np.flatnonzero(owner >= 0)
            chords[owner[hit], hit] += (high - low)[hit]

    def line_integral(
        self, points_mm: ArrayLike, directions: ArrayLike, value: Callable[[Structure], float]
    ) -> NDArray[np.float64]:
        """Return the integral (...) of `value(structure)` over the length in mm of each line, exactly.

        `value` may give attenuation in 1/mm, HU above air, density, or 1 for the chord through the whole object. Air
        around the object counts 0.
        """
        chords = self.chords_mm(points_mm, directions)
        first, *rest = (value(s) * chords[s.name] for s in self.structures)
        return np.asarray(sum(rest, start=first))

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values.

        `structures` holds by name the label, tissue, mixture, visible volume and solids (kind, positions and sizes in
        mm, LPS); `details` what else is known.
        """
        volumes = self.volumes_ml()
        described = {
            s.name: {
                "label": s.label,
                "tissue": s.tissue,
                "mixture": dict(s.mixture),
                "volume_ml": round(volumes[s.name], 9),
                "solids": [_described(x) for part in self.parts if part.structure == s.name for x in part.solids],
            }
            for s in self.structures
        }
        return {"body": self.body, "structures": described, "details": dict(self.details)}


def _described(solid: Shape) -> dict[str, Any]:
    """Return a solid's kind and numbers."""
    if isinstance(solid, Intersection):
        return {"kind": "Intersection", "of": [_described(solid.a), _described(solid.b)]}
    numbers = {f.name: getattr(solid, f.name) for f in fields(solid) if f.name != "exact"}  # type: ignore[arg-type]
    return {"kind": type(solid).__name__, **{k: _plain(v) for k, v in numbers.items()}}


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value
