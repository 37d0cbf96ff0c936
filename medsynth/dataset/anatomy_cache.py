"""Bodies that were built, and their voxels, for as long as images are made of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

from medsynth.core.grid import Grid
from medsynth.dataset.pose import Pose
from medsynth.scene.phantom import Phantom
from medsynth.scene.presample import SampledPaints
from medsynth.scene.rasterize import Voxelise, rasterize
from medsynth.scene.structure import Scene, Structure

Key = TypeVar("Key")
Value = TypeVar("Value")

PHANTOMS = 2  # voxel arrays that a body keeps: those of the last grids that were asked for


class Latest(Generic[Key, Value]):
    """The last few things that were asked for."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._held: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return what `key` stands for, made now unless it is still held."""
        if key not in self._held:
            while len(self._held) >= self._count:  # let go first, so that no more than `count` are ever held
                self._held.popitem(last=False)
            self._held[key] = make()
        self._held.move_to_end(key)
        return self._held[key]

    def __len__(self) -> int:
        return len(self._held)


class Body:
    """A built scene, and the voxels it was last put on.

    Parameters
    ----------
    again : whether it will be put on several grids; its shapes are then sampled once.
    """

    def __init__(self, scene: Scene, *, again: bool) -> None:
        self.scene = scene
        self._sampled = SampledPaints(scene) if again else None
        self._phantoms: Latest[tuple[Grid, tuple[Structure, ...]], Phantom] = Latest(PHANTOMS)

    def voxeliser(self, pose: Pose) -> Voxelise:
        """Return what stands in for `rasterize` in this pose; it turns about the middle of the first grid asked for.

        The voxels are shared: who gets them must not write into them.
        """
        about: list[np.ndarray] = []

        def voxelise(scene: Scene, grid: Grid) -> Phantom:
            about.append(grid.centre_mm)
            where = pose.moved(grid, about[0])
            quick = scene if self._sampled is None else self._sampled.of(scene)
            # A scene of this body is told by its structures: with the patient table there are more.
            return self._phantoms.get((where, scene.structures), lambda: rasterize(quick, where))

        return voxelise
