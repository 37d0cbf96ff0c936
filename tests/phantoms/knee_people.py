"""Knees that the tests look at: a man's and a woman's, built once, at 1 mm."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Scene
from medsynth.scene.subject import Subject
from phantoms.knee import BODY

SUBJECTS = {"man": Subject("male", 45.0, 176.0, 80.0), "woman": Subject("female", 55.0, 163.0, 68.0)}
SIDES = {"man": "right", "woman": "left"}


@dataclass(frozen=True)
class Knee:
    """A built knee, the spec it came from, and its voxels."""

    spec: dict
    scene: Scene
    phantom: Phantom

    @cached_property
    def names(self) -> dict[str, int]:
        return {s.name: s.label for s in self.scene.structures}

    @property
    def outwards(self) -> float:
        """Sign of x towards the outside of this leg."""
        return 1.0 if self.spec["side"] == "left" else -1.0

    def mask(self, *names: str) -> np.ndarray:
        """Voxels of these organs, their parts included."""
        return np.isin(self.phantom.organ_image(), [self.names[name] for name in names])

    def points_mm(self, *names: str) -> np.ndarray:
        """Voxel centres (n, 3) of these organs: outwards, back, up."""
        return self.phantom.grid.world_mm(np.argwhere(self.mask(*names))) * (self.outwards, 1.0, 1.0)

    def centre_mm(self, name: str) -> np.ndarray:
        """Middle of an organ: outwards, back, up."""
        return self.points_mm(name).mean(axis=0)


def spec_of(subject: Subject, name: str, side: str | None = None) -> dict:
    spec = json.loads(json.dumps(BODY.sample_spec(subject, rng=Seed(5).child("knee-test", name).rng())))
    return spec if side is None else spec | {"side": side}


def voxels(scene: Scene, step_mm: float, scan_range: str = "knee") -> Phantom:
    (x0, y0, _), (x1, y1, _) = scene.bounds_mm
    low, high = scene.scan_range_mm[scan_range]
    return rasterize(scene, Grid.covering((x0, y0, low), (x1, y1, high), (step_mm,) * 3))


@lru_cache
def knee(name: str) -> Knee:
    spec = spec_of(SUBJECTS[name], name, SIDES[name])
    scene = BODY.build(SUBJECTS[name], spec)
    return Knee(spec, scene, voxels(scene, 1.0))
