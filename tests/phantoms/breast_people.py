"""Breasts that the tests look at: a fatty one and a dense one, built once, at 1.2 mm."""

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
from phantoms.breast import BODY

SUBJECTS = {"fatty": Subject("female", 64.0, 162.0, 80.0), "dense": Subject("female", 38.0, 168.0, 60.0)}
SET = {
    "fatty": {"density_class": "A", "density_deviate": 0.0, "side": "left"},
    "dense": {"density_class": "D", "density_deviate": 0.0, "side": "right", "position": "upright"},
}


@dataclass(frozen=True)
class BuiltBreast:
    """A built breast, the spec it came from, and its voxels."""

    spec: dict
    scene: Scene
    phantom: Phantom

    @cached_property
    def names(self) -> dict[str, int]:
        return {s.name: s.label for s in self.scene.structures}

    @property
    def outwards(self) -> float:
        """Sign of x towards the armpit."""
        return 1.0 if self.spec["side"] == "left" else -1.0

    def mask(self, *names: str) -> np.ndarray:
        """Voxels of these organs, their parts included."""
        return np.isin(self.phantom.organ_image(), [self.names[name] for name in names])

    def points_mm(self, *names: str) -> np.ndarray:
        """Voxel centres (n, 3) of these organs: outwards, back, up."""
        return self.phantom.grid.world_mm(np.argwhere(self.mask(*names))) * (self.outwards, 1.0, 1.0)

    def nipple_mm(self) -> np.ndarray:
        """The nipple: outwards, back, up."""
        return np.array(self.scene.landmarks["nipple"]) * (self.outwards, 1.0, 1.0)


def spec_of(subject: Subject, name: str) -> dict:
    return json.loads(json.dumps(BODY.sample_spec(subject, rng=Seed(5).child("breast-test", name).rng())))


def voxels(scene: Scene, step_mm: float) -> Phantom:
    return rasterize(scene, Grid.covering(*scene.bounds_mm, (step_mm,) * 3))


@lru_cache
def breast(name: str) -> BuiltBreast:
    spec = spec_of(SUBJECTS[name], name) | SET[name]
    scene = BODY.build(SUBJECTS[name], spec)
    return BuiltBreast(spec, scene, voxels(scene, 1.2))
