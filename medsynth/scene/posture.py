"""A scene in another shape: every shape, vessel, landmark and lesion moved by one invertible map of space.

A posture moves the whole body; a lesion's mass effect moves what lies in a box around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import RecipeError, expected
from medsynth.scene.extent import lattice_step_mm, shape_bounds_mm
from medsynth.scene.posture_kernels import pull_back
from medsynth.scene.structure import Lesion, Paint, Posture, Push, Scene
from medsynth.shapes.base import Box, Shape
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sampled import SampledShape, sample
from medsynth.shapes.tubes import Tubes
from medsynth.shapes.warp import Composed, Warp

# A map that presses one axis together makes walls thinner there: the moved shape's lattice is finer than its own.
FINER = 0.75
BACK_STEP_MM = 2.0  # where the inverse map is asked; between, it is smooth
MARGIN_MM = 6.0  # kept around the box
LONGEST_CAPSULE_MM = 3.0  # a capsule is moved by its ends; longer ones are cut first, so that they bend with the map


def posed(scene: Scene, lesions: Sequence[Lesion], name: str) -> tuple[Scene, tuple[Lesion, ...]]:
    """Return scene and lesions in the posture `name` of `scene.postures`.

    A lesion that was placed in the body as it is moves with the tissue around it, and deforms with it unless it is
    rigid. Distances of the moved shapes are those of the material: layers (skin under its surface) stretch and thin as
    the map does.

    Raises
    ------
    RecipeError
        If the scene has no such posture.
    """
    if name not in scene.postures:
        raise RecipeError(expected(f"posture of body {scene.body!r}", name, f"one of {sorted(scene.postures)}"))
    posture = scene.postures[name]
    move = Mover(posture.warp, posture.bounds_mm)
    moved = replace(
        scene,
        paints=tuple(move.paint(paint) for paint in scene.paints),
        fields={key: move.shape(shape) for key, shape in scene.fields.items()},
        vessels={key: moved_tubes(tubes, posture.warp) for key, tubes in scene.vessels.items()},
        landmarks={key: moved_point(point, posture.warp) for key, point in scene.landmarks.items()},
        bounds_mm=posture.bounds_mm,
        scan_range_mm=dict.fromkeys(scene.scan_range_mm, (posture.bounds_mm[0][2], posture.bounds_mm[1][2])),
        postures={},
    )
    return moved, tuple(_shifted_lesion(one, posture.warp) if one.rigid else _moved_lesion(one, move)
                        for one in lesions)


def pushed(scene: Scene, pushes: Sequence[Push], box: Box) -> Scene:
    """Return the scene beside masses that push, as far as `box` reaches: paints that do not touch it are left out.

    Fields, vessels and landmarks stay those of the healthy body.
    """
    move = Mover(Composed(tuple(push.warp for push in pushes)), box)
    low, high = np.asarray(box)
    reach = move.warp.reach_mm + MARGIN_MM
    near = [paint for paint in scene.paints if touches(paint, low - reach, high + reach)]
    return replace(scene, paints=tuple(move.paint(paint) for paint in near))


def displaced(lesions: Sequence[Lesion]) -> tuple[Lesion, ...]:
    """Return the lesions where the mass effects of the others take them; each one's own paints lie right already."""
    found = []
    for one in lesions:
        pushes = [push for other in lesions if other is not one for push in other.pushes]
        boxes = [np.asarray(shape_bounds_mm(paint.shape)) for paint in (*one.paints, *one.changes)]
        low, high = np.min([b[0] for b in boxes], axis=0), np.max([b[1] for b in boxes], axis=0)
        pushes = [p for p in pushes if np.all(low < p.bounds_mm[1]) and np.all(high > p.bounds_mm[0])]
        if pushes:
            warp = Composed(tuple(push.warp for push in pushes))
            box = tuple((low - warp.reach_mm).tolist()), tuple((high + warp.reach_mm).tolist())
            one = _moved_lesion(one, Mover(warp, box))
        found.append(one)
    return tuple(found)


def touches(paint: Paint, low_mm: NDArray[np.float64], high_mm: NDArray[np.float64]) -> bool:
    """Tell whether what a paint covers comes into a box."""
    first, last = np.asarray(shape_bounds_mm(paint.shape))
    swell = max(0.0, -paint.layers[0].inset_mm)
    return bool(np.all(first - swell < high_mm) and np.all(last + swell > low_mm))


def _moved_lesion(one: Lesion, move: Mover) -> Lesion:
    paints, changes = (tuple(move.paint(paint) for paint in paints) for paints in (one.paints, one.changes))
    return replace(one, paints=paints, changes=changes)


def _shifted_lesion(one: Lesion, warp: Warp) -> Lesion:
    """Return the lesion moved as a whole: as the warp moves the middle of its box."""
    boxes = np.array([shape_bounds_mm(paint.shape) for paint in one.paints])
    middle = 0.5 * (boxes[:, 0].min(0) + boxes[:, 1].max(0))
    shift = warp.displacement_mm(middle[None])[0]
    paints, changes = (tuple(_shifted(paint, shift) for paint in paints) for paints in (one.paints, one.changes))
    return replace(one, paints=paints, changes=changes)


def _shifted(paint: Paint, shift: NDArray[np.float64]) -> Paint:
    shape = paint.shape
    if isinstance(shape, Tubes):
        return replace(paint, shape=replace(shape, starts_mm=shape.starts_mm + shift, ends_mm=shape.ends_mm + shift))
    own = sample(shape, paint.lattice_mm or lattice_step_mm(shape))
    x, y, z = (np.asarray(own.origin_mm) + shift).tolist()
    return replace(paint, shape=replace(own, origin_mm=(x, y, z)), lattice_mm=0.0)


def moved_point(point_mm: tuple[float, float, float], warp: Warp) -> tuple[float, float, float]:
    """Return where the warp takes one LPS point."""
    at = np.asarray(point_mm, float)
    x, y, z = (at + warp.displacement_mm(at[None])[0]).tolist()
    return x, y, z


def moved_tubes(tubes: Tubes, warp: Warp) -> Tubes:
    """Return the tubes after the warp: long capsules cut into short ones, ends moved, radii kept."""
    pieces = np.maximum(np.ceil(tubes.lengths_mm / LONGEST_CAPSULE_MM), 1).astype(np.int64)
    number = np.repeat(np.arange(len(pieces)), pieces)
    last = np.cumsum(pieces) - 1
    which = np.arange(len(number)) - (last - pieces + 1)[number]
    first, second = which / pieces[number], (which + 1) / pieces[number]

    def between(a: NDArray[np.float64], b: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
        share = t[:, None] if a.ndim == 2 else t
        return np.asarray(a[number] + (b[number] - a[number]) * share)

    starts, ends = (between(tubes.starts_mm, tubes.ends_mm, t) for t in (first, second))
    parents = np.where(which > 0, np.arange(len(number)) - 1,
                       np.where(tubes.parents[number] >= 0, last[tubes.parents[number]], -1))  # fmt: skip
    return Tubes(
        starts + warp.displacement_mm(starts),
        ends + warp.displacement_mm(ends),
        between(tubes.start_radii_mm, tubes.end_radii_mm, first),
        between(tubes.start_radii_mm, tubes.end_radii_mm, second),
        parents,
        None if tubes.walls_mm is None else tubes.walls_mm[number],
    )


@dataclass(frozen=True, eq=False)
class Mover:
    """Moves shapes by a warp, as far as a box reaches (LPS, in the moved body)."""

    warp: Warp
    bounds_mm: Box
    _done: dict[int, tuple[Shape, SampledShape]] = field(default_factory=dict)

    def paint(self, paint: Paint) -> Paint:
        """Return the painting step after the warp."""
        if isinstance(paint.shape, Tubes):
            return replace(paint, shape=moved_tubes(paint.shape, self.warp))
        return replace(paint, shape=self.shape(paint.shape, paint.lattice_mm), lattice_mm=0.0)

    def shape(self, shape: Shape, lattice_mm: float = 0.0) -> SampledShape:
        """Return the shape after the warp, sampled on a lattice of its own with its owners."""
        if id(shape) not in self._done:  # the shape is kept beside its image, so that its id stays taken
            self._done[id(shape)] = shape, self._moved(sample(shape, lattice_mm or lattice_step_mm(shape)))
        return self._done[id(shape)][1]

    @cached_property
    def _back(self) -> tuple[Lattice, NDArray[np.float32]]:
        """The inverse displacement, (3, z, y, x) mm, at the nodes of a lattice over the box."""
        low, high = (np.asarray(end) for end in self.bounds_mm)
        lattice = Lattice(tuple((low - MARGIN_MM).tolist()), tuple((high + MARGIN_MM).tolist()), BACK_STEP_MM)
        moves = self.warp.inverse_displacement_mm(lattice.points_mm)
        return lattice, np.ascontiguousarray(np.moveaxis(moves, -1, 0), np.float32)

    def _moved(self, own: SampledShape) -> SampledShape:
        step = FINER * own.step_mm
        first, last = self._box(own, step)
        shape = tuple((last - first + 1)[::-1].tolist())
        values = np.empty(shape, np.float32)
        has_owner = own.owner is not None
        old = own.owner if own.owner is not None else np.zeros((1, 1, 1), np.uint8)
        owner = np.zeros(shape if has_owner else (1, 1, 1), np.uint8)
        lattice, back = self._back
        pull_back(own.values_mm, old, has_owner, np.asarray(own.origin_mm), own.step_mm, back,
                  np.asarray(lattice.origin_mm), lattice.step_mm, first, step, values, owner)  # fmt: skip
        return SampledShape(values, tuple((first * step).tolist()), step, owner if has_owner else None)

    def _box(self, own: SampledShape, step: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first and last node of a lattice over the moved inside, as far as the box reaches."""
        near = np.argwhere(own.values_mm[::2, ::2, ::2] < 3.0 * own.step_mm)[:, ::-1]
        if len(near) == 0:
            near = np.zeros((1, 3), np.int64)
        near = near[:: max(1, len(near) // 50_000)]
        points = np.asarray(own.origin_mm) + 2 * near * own.step_mm
        points = points + self.warp.displacement_mm(points)
        margin = 6.0 * own.step_mm
        low, high = (np.asarray(end) for end in self.bounds_mm)
        low = np.clip(points.min(0) - margin, low - MARGIN_MM, high)
        high = np.clip(points.max(0) + margin, low + 2 * step, high + MARGIN_MM)
        return np.floor(low / step).astype(np.int64), np.ceil(high / step).astype(np.int64)


__all__ = ["Mover", "Posture", "displaced", "moved_point", "moved_tubes", "posed", "pushed", "touches"]
