"""A body of one side is drawn as a left one; a right one is its mirror image across x = 0."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medsynth.core.errors import RecipeError, expected
from medsynth.scene.structure import Paint, Scene
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.tubes import Tubes

_FLIP = np.array([-1.0, 1.0, 1.0])


def mirrored_scene(scene: Scene) -> Scene:
    """Return the scene of the other side: every shape, vessel, landmark and the box mirrored."""
    (x0, y0, z0), (x1, y1, z1) = scene.bounds_mm
    return replace(
        scene,
        paints=tuple(replace(paint, shape=_mirrored(paint.shape)) for paint in scene.paints),
        fields={name: _mirrored(shape) for name, shape in scene.fields.items()},  # type: ignore[misc]
        vessels={name: mirrored_tubes(tubes) for name, tubes in scene.vessels.items()},
        landmarks={name: (-x, y, z) for name, (x, y, z) in scene.landmarks.items()},
        bounds_mm=((-x1, y0, z0), (-x0, y1, z1)),
    )


def mirrored_shape(shape: SampledShape) -> SampledShape:
    """Return a sampled shape mirrored across x = 0; its nodes stay on whole multiples of the step."""
    last_x = shape.origin_mm[0] + (shape.values_mm.shape[2] - 1) * shape.step_mm
    owner = None if shape.owner is None else np.ascontiguousarray(shape.owner[..., ::-1])
    values = np.ascontiguousarray(shape.values_mm[..., ::-1])
    return SampledShape(values, (-last_x, shape.origin_mm[1], shape.origin_mm[2]), shape.step_mm, owner)


def mirrored_tubes(tubes: Tubes) -> Tubes:
    """Return tubes mirrored across x = 0."""
    return replace(tubes, starts_mm=tubes.starts_mm * _FLIP, ends_mm=tubes.ends_mm * _FLIP)


def _mirrored(shape: Paint | object) -> SampledShape | Tubes:
    if isinstance(shape, SampledShape):
        return mirrored_shape(shape)
    if isinstance(shape, Tubes):
        return mirrored_tubes(shape)
    raise RecipeError(expected("a shape to mirror", type(shape).__name__, "a SampledShape or Tubes"))
