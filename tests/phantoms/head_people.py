"""People that the tests of the head look at: built once per session, rasterised at 2 mm."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Scene
from medsynth.scene.subject import Subject
from phantoms.head import BODY
from phantoms.head.frame import Frame

SUBJECTS = {"man": Subject("male", 45.0, 176.0, 80.0), "woman": Subject("female", 62.0, 163.0, 66.0)}


@dataclass(frozen=True)
class Head:
    """A built head, the spec it came from, and its voxels."""

    subject: Subject
    spec: dict
    scene: Scene
    phantom: Phantom

    @property
    def frame(self) -> Frame:
        """The head's own coordinates."""
        return Frame.of(self.spec)

    @property
    def names(self) -> dict[str, int]:
        """Labels by name."""
        return {s.name: s.label for s in self.scene.structures}

    def mask(self, *starts: str) -> np.ndarray:
        """Voxels whose label belongs to a structure whose name begins so."""
        return np.isin(self.phantom.labels, [n for name, n in self.names.items() if name.startswith(starts)])

    def middle_mm(self, *starts: str) -> np.ndarray:
        """Middle of the voxels of structures whose name begins so, LPS."""
        return self.phantom.grid.world_mm(np.argwhere(self.mask(*starts)).mean(axis=0))

    def extent_mm(self, *starts: str) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest LPS of the voxels of structures whose name begins so."""
        points = self.phantom.grid.world_mm(np.argwhere(self.mask(*starts)))
        return points.min(axis=0), points.max(axis=0)


def spec_of(subject: Subject, name: str) -> dict:
    return json.loads(json.dumps(BODY.sample_spec(subject, rng=Seed(5).child("head-test", name).rng())))


@lru_cache(maxsize=2)
def built(name: str) -> Head:
    subject = SUBJECTS[name]
    spec = spec_of(subject, name)
    scene = BODY.build(subject, spec)
    return Head(subject, spec, scene, rasterize(scene, Grid.covering(*scene.bounds_mm, (2.0, 2.0, 2.0))))
