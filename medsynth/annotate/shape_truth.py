"""The truth beyond the image's voxels: a lesion alone on a fine grid of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medsynth.annotate.masks import lesion_bounds_mm
from medsynth.core.grid import Grid
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import add_lesions, rasterize
from medsynth.scene.structure import Layer, Lesion, Paint, Scene
from medsynth.shapes.base import Shape
from medsynth.shapes.blend import Intersection
from medsynth.shapes.primitives import RoundBox
from medsynth.shapes.tubes import Tubes

FINE_VOXELS = 56  # along the longest side of the lesion
FINE_MM = (0.1, 1.0)
HOST_LATTICE_MM = 1.0
MARGIN_MM = 2.0


def fine_phantom(lesion: Lesion, scene: Scene) -> Phantom:
    """Return the lesion in its host, with the host's vessels, on a fine isotropic grid.

    What is true there (volumes, shares of the parts) does not depend on the image. Outside the host nothing is
    painted, so that what the host cuts off is missing here too.
    """
    low, high = (np.asarray(end) for end in lesion_bounds_mm(lesion))
    step = float(np.clip((high - low).max() / FINE_VOXELS, *FINE_MM))
    grid = Grid.covering(low - MARGIN_MM, high + MARGIN_MM, (step, step, step))
    box = RoundBox(tuple(((low + high) / 2).tolist()), tuple(((high - low) / 2 + 3 * MARGIN_MM).tolist()))
    around: Shape = box
    if lesion.host in scene.fields:
        around = Intersection(scene.fields[lesion.host], box)
    host = Paint(around, (Layer(scene.structure(lesion.host).label),), lattice_mm=HOST_LATTICE_MM)
    tubes = tuple(paint for paint in scene.paints if isinstance(paint.shape, Tubes))
    return add_lesions(rasterize(replace(scene, paints=(host, *tubes)), grid), [lesion])
