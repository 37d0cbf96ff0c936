"""The truth beyond the image's voxels: a lesion alone on a fine grid of its own."""

from __future__ import annotations

import numpy as np

from medsynth.core.grid import Grid
from medsynth.scene.extent import lesion_bounds_mm
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import rasterize, with_lesions
from medsynth.scene.structure import Lesion, Scene

FINE_VOXELS = 56  # along the longest side of the lesion
FINE_MM = (0.1, 1.0)
MOST_VOXELS = 200  # along the longest side: what fills half the body is measured more coarsely
MARGIN_MM = 2.0


def fine_phantom(lesion: Lesion, scene: Scene) -> Phantom:
    """Return the lesion in its body, displaced by it, on a fine isotropic grid.

    What is true there (volumes, shares of the parts) does not depend on the image.
    """
    low, high = (np.asarray(end) for end in lesion_bounds_mm(lesion))
    longest = float((high - low).max())
    step = max(float(np.clip(longest / FINE_VOXELS, *FINE_MM)), longest / MOST_VOXELS)
    grid = Grid.covering(low - MARGIN_MM, high + MARGIN_MM, (step, step, step))
    return with_lesions(rasterize(scene, grid), scene, [lesion])[0]
