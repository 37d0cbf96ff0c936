"""A scene whose shapes are sampled once and for all, for bodies that are voxelised many times."""

from __future__ import annotations

from dataclasses import replace

from medsynth.scene.rasterize import lattice_step_mm
from medsynth.scene.structure import Paint, Scene
from medsynth.shapes.sampled import sample
from medsynth.shapes.tubes import Tubes


def presampled(scene: Scene) -> Scene:
    """Return the scene with every painted shape on the lattice that painting would sample it on.

    It voxelises to the same bits on every grid, and sooner; `fields`, which lesions and measurements ask, stay as they
    are.
    """
    return replace(scene, paints=tuple(_sampled(paint) for paint in scene.paints))


def _sampled(paint: Paint) -> Paint:
    if isinstance(paint.shape, Tubes):
        return paint
    field = sample(paint.shape, paint.lattice_mm or lattice_step_mm(paint.shape))
    _ = field.bricks  # found now, not at the first use
    return replace(paint, shape=field)
