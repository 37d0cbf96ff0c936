"""Putting lesions of any family into a scene, and what the tests ask of the voxels."""

import json

import numpy as np

from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.lesions.families import family
from medsynth.scene.extent import lesion_reach_mm
from medsynth.scene.lesion_parts import part_labels
from medsynth.scene.rasterize import rasterize, with_lesions


def specs_of(scene, kind, seed=1, taken=(), **options):
    """Return the specs of one recipe entry, as they stand in a file."""
    one = family(kind)
    found = one.sample_specs(one.options.model_validate(options), scene, rng=Seed(seed).rng(), taken=taken)
    assert json.loads(json.dumps(found)) == found
    return found


class Inserted:
    """One lesion in its scene, on a grid around it."""

    def __init__(self, scene, spec, step_mm=2.0, grid=None):
        self.spec, self.lesion = spec, family(spec["kind"]).insert(spec, scene, 1)
        if grid is None:
            low, high = (np.asarray(end) for end in lesion_reach_mm(self.lesion))
            grid = Grid.covering(np.maximum(low, scene.bounds_mm[0]) - 2, np.minimum(high, scene.bounds_mm[1]) + 2,
                                 (step_mm,) * 3)
        self.grid, self.scene = grid, scene
        self.healthy = rasterize(scene, grid)
        self.ill, self.anatomy = with_lesions(self.healthy, scene, [self.lesion])
        self.labels = part_labels(self.ill.structures, 1)

    def part(self, *names):
        """How much of each voxel these parts fill, all of the lesion without names."""
        return self.ill.occupancy(*(self.labels[name] for name in names or self.labels))

    def ml(self, *names):
        return float(self.part(*names).sum(dtype=float)) * self.grid.voxel_volume_mm3 / 1000

    def before(self, *names, phantom=None):
        """How much of each voxel the structures of these names fill in the healthy body."""
        phantom = phantom or self.healthy
        labels = [s.label for s in self.scene.structures if s.name.startswith(names)]
        return phantom.occupancy(*labels)

    def centroid_mm(self, *names):
        part = self.part(*names)
        at = np.argwhere(part > 0.5)
        return self.grid.world_mm(at).mean(axis=0)
