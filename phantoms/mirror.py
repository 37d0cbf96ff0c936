"""A body of one side is drawn as a left one; a right one is its mirror image across x = 0."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import RecipeError, expected
from medsynth.scene.structure import Paint, Posture, Scene
from medsynth.shapes.base import Points
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.tubes import Tubes
from medsynth.shapes.warp import Warp

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
        postures={name: _mirrored_posture(posture) for name, posture in scene.postures.items()},
    )


@dataclass(frozen=True, eq=False)
class MirroredWarp:
    """A warp mirrored across x = 0."""

    warp: Warp

    @property
    def reach_mm(self) -> float:
        """No point moves farther than this."""
        return self.warp.reach_mm

    def displacement_mm(self, points_mm: Points) -> NDArray[Any]:
        """Return how far (..., 3) the map moves LPS points (..., 3)."""
        return self.warp.displacement_mm(points_mm * _FLIP) * _FLIP

    def inverse_displacement_mm(self, points_mm: Points) -> NDArray[Any]:
        """Return the displacement (..., 3) that takes mapped points (..., 3) back."""
        return self.warp.inverse_displacement_mm(points_mm * _FLIP) * _FLIP


def _mirrored_posture(posture: Posture) -> Posture:
    (x0, y0, z0), (x1, y1, z1) = posture.bounds_mm
    return replace(
        posture,
        warp=MirroredWarp(posture.warp),
        bounds_mm=((-x1, y0, z0), (-x0, y1, z1)),
        axis=(-posture.axis[0], posture.axis[1], posture.axis[2]),
        inwards=(-posture.inwards[0], posture.inwards[1], posture.inwards[2]),
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
