"""A scene that is one structure: the place in somebody's image that a lesion may grow in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Grid, Vector
from medsynth.core.volume import Volume, resample
from medsynth.lesions.family import Family
from medsynth.lesions.host import OWN_IMAGE
from medsynth.scene.structure import Code, Layer, Paint, Scene, Structure
from medsynth.scene.subject import Subject
from medsynth.shapes.base import Shape
from medsynth.shapes.primitives import Sphere
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.tubes import Tubes

HOST = 1  # the structure's label
MOST_NODES = 96  # along the longest side of a mask's lattice
MARGIN_MM = 8.0
PLACE = Code("91723000", "Anatomical structure")


class _Everywhere(Mapping[str, Shape]):
    """Whatever field a family asks for is the site itself."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def __getitem__(self, name: str) -> Shape:
        return self._shape

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __contains__(self, name: object) -> bool:
        return True


def site_scene(family: Family, shape: Shape, *, seed: int) -> Scene:
    """Return a scene of one structure of this shape, named as the family's host is.

    Raises
    ------
    PlacementError
        If the family needs a whole body.
    """
    if family.site is None:
        raise PlacementError(f"lesion {family.kind!r} needs a whole body and cannot be put into an image")
    structure = Structure(family.site.structure, HOST, family.site.tissue, PLACE, mixture=family.site.mixture)
    no_vessels: dict[str, Tubes] = {}
    return Scene(OWN_IMAGE, "that of the image", Subject("female", 50.0, 165.0, 65.0), (structure,),
                 (Paint(shape, (Layer(HOST),)),), _Everywhere(shape), no_vessels, {}, shape.bounds_mm(), {},
                 texture_seed=seed)


def ball_site(centre_mm: Vector, reach_mm: float) -> Shape:
    """Return the surroundings of a point as a site."""
    return Sphere(centre_mm, reach_mm)


def mask_site(mask: Volume) -> Shape:
    """Return the shape of a mask on any grid.

    Raises
    ------
    PlacementError
        If the mask is empty.
    """
    inside = mask.array != 0
    if not inside.any():
        raise PlacementError("the mask is empty: expected voxels that are not 0")
    low, high = bounds_of(inside, mask.grid)
    step = max(float((high - low).max()) / MOST_NODES, 0.5 * min(mask.grid.spacing_mm), 0.3)
    lattice = Grid.covering(low - MARGIN_MM, high + MARGIN_MM, (step,) * 3)
    share = resample(Volume(inside.astype(np.float32), mask.grid, "fraction"), lattice).array
    within = ndimage.distance_transform_edt(share >= 0.5) - 0.5
    without = ndimage.distance_transform_edt(share < 0.5) - 0.5
    distance = np.where(share >= 0.5, -within, without) * step
    smooth = ndimage.gaussian_filter(distance, 0.7)
    return SampledShape(np.ascontiguousarray(smooth, np.float32), lattice.origin_mm, step)


def bounds_of(inside: NDArray[np.bool_], grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the LPS box (low, high) of the voxels of a mask."""
    spans = [np.flatnonzero(inside.any(axis=tuple(b for b in range(3) if b != axis))) for axis in range(3)]
    ends = [(s[0] - 0.5, s[-1] + 0.5) for s in spans]
    corners = grid.world_mm([[ends[0][a], ends[1][b], ends[2][c]] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    return corners.min(0), corners.max(0)
