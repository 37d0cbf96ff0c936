"""A scene whose shapes are sampled once and for all, for bodies that are voxelised many times."""

from __future__ import annotations

from dataclasses import replace

from medsynth.scene.extent import lattice_step_mm
from medsynth.scene.structure import Paint, Scene
from medsynth.shapes.sampled import sample
from medsynth.shapes.tubes import Tubes


class SampledPaints:
    """The painting steps of a scene, each with its shape on the lattice that painting would sample it on."""

    def __init__(self, scene: Scene) -> None:
        # By identity: a step holds arrays. The steps themselves are kept, so that no other takes their place.
        self._held = {id(paint): (paint, _sampled(paint)) for paint in scene.paints}

    def of(self, scene: Scene) -> Scene:
        """Return a scene with these steps in place of the ones they were made of; others stay, e.g. a patient table's.

        It voxelises to the same bits on every grid, and sooner.
        """
        paints = (self._held.get(id(paint), (paint, paint))[1] for paint in scene.paints)
        return replace(scene, paints=tuple(paints))


def _sampled(paint: Paint) -> Paint:
    if isinstance(paint.shape, Tubes):
        return paint
    field = sample(paint.shape, paint.lattice_mm or lattice_step_mm(paint.shape))
    _ = field.bricks  # found now, not at the first use
    return replace(paint, shape=field)
