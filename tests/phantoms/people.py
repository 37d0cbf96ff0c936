"""People that the tests of the thorax look at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

import numpy as np

from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Scene
from medsynth.scene.subject import Subject
from phantoms.torso import BODY

SUBJECTS = {"man": Subject("male", 45.0, 176.0, 80.0), "woman": Subject("female", 55.0, 163.0, 68.0)}


@dataclass(frozen=True)
class Person:
    """A built body, the spec it came from, and its voxels."""

    subject: Subject
    spec: dict
    scene: Scene
    phantom: Phantom

    @property
    def names(self) -> dict[str, int]:
        """Labels by name."""
        return {s.name: s.label for s in self.scene.structures}

    def mask(self, *starts: str) -> np.ndarray:
        """Voxels whose label belongs to a structure whose name begins so."""
        return np.isin(self.phantom.labels, [n for name, n in self.names.items() if name.startswith(starts)])

    def centre_mm(self, name: str) -> np.ndarray:
        """Middle of the voxels of an organ and its parts, LPS."""
        own = [s.label for s in self.scene.structures if name in (s.name, s.part_of)]
        return self.phantom.grid.world_mm(np.argwhere(np.isin(self.phantom.labels, own)).mean(axis=0))


def spec_of(subject: Subject, name: str) -> dict:
    return json.loads(json.dumps(BODY.sample_spec(subject, rng=Seed(5).child("thorax-test", name).rng())))


@cache
def built(name: str) -> Person:
    """Build one of `SUBJECTS` and its voxels at 3 mm."""
    subject = SUBJECTS[name]
    spec = spec_of(subject, name)
    scene = BODY.build(subject, spec)
    return Person(subject, spec, scene, rasterize(scene, whole_grid(scene, 3.0)))


def whole_grid(scene: Scene, step_mm: float) -> Grid:
    return Grid.covering(*scene.bounds_mm, (step_mm,) * 3)
