"""Small-bowel obstruction: loops above a transition point are wide and hold fluid under gas, a level in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.lesions.abdomen.focal import DIRECTIONS, organ
from medsynth.lesions.distributions import Distribution, Fixed, Options, Uniform
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import point
from medsynth.lesions.matter import lesion_part
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure, Texture
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sampled import SampledShape

Posture = Literal["supine", "prone", "upright", "left_decubitus", "right_decubitus"]
OBSTRUCTION = Code("81060008", "Intestinal obstruction")
WALL_MM = 1.8
STEP_MM, MARGIN_MM, THINNED = 1.5, 4.0, 2  # of a loop's lattice; every second point of the bowel's line is enough
LOOP_MM = 130.0  # length of bowel that shares one fluid level (unverified)
SOFT = ("small_bowel*", "abdominal_fat", "mesenteric_*")


class BowelObstructionOptions(Options):
    """Small-bowel obstructions of one recipe entry: one at most in a body.

    Attributes
    ----------
    count : 0 or 1.
    diameter_mm : of the dilated loops, outside.
    extent : share of the small bowel that lies above the transition point.
    gas : share of a dilated loop's height that gas fills.
    posture : the levels are square to gravity.
    """

    count: Distribution = Fixed(value=1)
    diameter_mm: Distribution = Uniform(low=30, high=42)  # > 25-30 mm tells it (unverified)
    extent: Distribution = Uniform(low=0.3, high=0.7)
    gas: Distribution = Uniform(low=0.15, high=0.5)
    posture: Posture = "supine"


class BowelObstructionSpec(Options):
    """One obstruction in plain numbers; it follows the bowel of its scene (reach 0: loops fill their cavity)."""

    kind: Literal["bowel_obstruction"] = "bowel_obstruction"
    across_mm: float = Field(gt=0, le=90)
    capsules: tuple[int, int]
    gas: tuple[float, ...]
    posture: Posture
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)


@dataclass(frozen=True, eq=False)
class Loop:
    """A run of bowel as distances on a lattice of its own.

    Attributes
    ----------
    lattice : where the nodes are.
    values_mm : (z, y, x) signed distance to the outside of its wall, at most `MARGIN_MM`.
    """

    lattice: Lattice
    values_mm: NDArray[np.float32]

    @property
    def shape(self) -> SampledShape:
        """The loop with its wall."""
        return SampledShape(self.values_mm, self.lattice.origin_mm, self.lattice.step_mm)

    def above(self, up: Vector, share: float) -> SampledShape:
        """Return the part of its lumen above a level square to `up` that leaves it this share of the loop's height."""
        height = (self.lattice.points_mm @ np.asarray(up)).astype(np.float32)
        inside = height[self.values_mm < -WALL_MM]
        top, bottom = float(inside.max()), float(inside.min())
        level = top - share * (top - bottom)
        lumen = np.maximum(self.values_mm + np.float32(WALL_MM + 0.2), level - height)
        return SampledShape(np.ascontiguousarray(lumen), self.lattice.origin_mm, self.lattice.step_mm)


def loop(line_mm: NDArray[np.float64], radius_mm: NDArray[np.float64]) -> Loop:
    """Return the tube along a line (n, 3) whose radius (n,) changes smoothly."""
    reach = float(radius_mm.max()) + MARGIN_MM
    lattice = Lattice(tuple((line_mm.min(0) - reach).tolist()), tuple((line_mm.max(0) + reach).tolist()), STEP_MM)
    nodes = lattice.points_mm
    values = np.full(lattice.shape, MARGIN_MM, np.float32)
    origin = np.asarray(lattice.origin_mm)
    for n in range(len(line_mm) - 1):
        ends = line_mm[n:n + 2]
        low = np.maximum(((ends.min(0) - reach - origin) / lattice.step_mm).astype(int), 0)
        high = ((ends.max(0) + reach - origin) / lattice.step_mm).astype(int) + 2
        at = tuple(slice(low[axis], high[axis]) for axis in (2, 1, 0))
        rest, axis_mm = nodes[at] - ends[0], ends[1] - ends[0]
        along = np.clip(rest @ axis_mm / max(float(axis_mm @ axis_mm), 1e-9), 0, 1)
        radius = radius_mm[n] + along * (radius_mm[n + 1] - radius_mm[n])
        found = np.linalg.norm(rest - along[..., None] * axis_mm, axis=-1) - radius
        values[at] = np.minimum(values[at], found.astype(np.float32))
    return Loop(lattice, values)


def sample_specs(options: BowelObstructionOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the obstruction of one recipe entry as a spec of JSON values.

    Raises
    ------
    PlacementError
        If the body shows too little small bowel, or more than one is asked for.
    """
    count = int(options.count.sample(rng=rng))
    if count + sum(other["kind"] == "bowel_obstruction" for other in taken) > 1:
        raise PlacementError(f"lesions.bowel_obstruction: a body has one small bowel, got count {count} in all")
    if count == 0:
        return []
    bowel = scene.vessels.get("small_bowel")
    low, high = scene.bounds_mm[0][2], scene.bounds_mm[1][2]
    seen = np.empty(0, np.intp) if bowel is None else np.flatnonzero(
        (bowel.starts_mm[:, 2] > low) & (bowel.starts_mm[:, 2] < high))
    if bowel is None or len(seen) < 40:
        raise PlacementError(f"body {scene.body!r} shows too little small bowel for lesions.bowel_obstruction")
    last = int(seen[0] + np.clip(options.extent.sample(rng=rng), 0.05, 1) * (seen[-1] - seen[0]))
    span = (int(seen[0]), last)
    loops = len(_cuts(bowel.lengths_mm[span[0]:span[1]]))
    one = BowelObstructionSpec(across_mm=options.diameter_mm.sample(rng=rng), capsules=span, posture=options.posture,
                               gas=tuple(options.gas.sample(rng=rng) for _ in range(loops)),
                               centre_mm=point(bowel.ends_mm[span[0]:last].mean(0)), reach_mm=0.0)
    return [one.model_dump(mode="json")]


def _cuts(lengths_mm: NDArray[np.float64]) -> list[slice]:
    """Return the loops that a run of bowel falls into."""
    number = (np.cumsum(lengths_mm) / LOOP_MM).astype(int)
    edges = [*np.flatnonzero(np.diff(number, prepend=-1)).tolist(), len(number)]
    return [slice(a, b) for a, b in pairwise(edges)]


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(BowelObstructionSpec, spec, number)
    bowel = scene.vessels["small_bowel"]
    first, last = one.capsules
    line = np.concatenate([bowel.starts_mm[first:last], bowel.ends_mm[last - 1:last]])
    along = np.concatenate([[0.0], np.cumsum(bowel.lengths_mm[first:last])])
    own = np.append(bowel.start_radii_mm[first:last], bowel.end_radii_mm[last - 1])
    # Wide all the way, down to its own width within the last few centimetres: the transition.
    narrow = np.clip((along[-1] - along) / 30.0, 0, 1)
    radius = own + (one.across_mm / 2 - own) * narrow * (1 + 0.06 * np.sin(along / 9.0))
    made: dict[str, Structure] = {
        "fluid": lesion_part(number, "fluid", "stomach_content", OBSTRUCTION, whole=True,
                             texture=Texture(octaves=((9.0, 0.006),))),
        "wall": lesion_part(number, "wall", "gi_wall", OBSTRUCTION, enhancement="gi_wall"),
        "gas": lesion_part(number, "gas", "air", OBSTRUCTION)}
    fluid, wall, gas = (made[part].label for part in ("fluid", "wall", "gas"))
    over = (*organ(scene, *SOFT).labels, fluid, wall, gas)
    up = point(-np.asarray(DIRECTIONS[one.posture]))
    paints = []
    for cut, share in zip(_cuts(bowel.lengths_mm[first:last]), one.gas, strict=False):
        piece = np.unique([*range(cut.start, cut.stop, THINNED), cut.stop])
        here = loop(line[piece], radius[piece])
        paints += [Paint(here.shape, (Layer(wall), Layer(fluid, WALL_MM)), over),
                   Paint(here.above(up, share), (Layer(gas),), (fluid,))]
    return Lesion(number, one.kind, OBSTRUCTION, tuple(made.values()), tuple(paints), "small_bowel",
                  {"across_mm": round(one.across_mm, 1), "levels": len(one.gas), "posture": one.posture,
                   "transition": "jejunum or ileum", "grade": "high" if one.across_mm >= 38 else "low"},
                  one.model_dump(mode="json"))


FAMILY = Family("bowel_obstruction", "Small-bowel obstruction with fluid levels", BowelObstructionOptions, sample_specs,
                insert, ("abdomen", "torso"))
