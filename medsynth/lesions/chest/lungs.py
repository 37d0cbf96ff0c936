"""The lungs as voxels: what a lesion may fill, how deep each voxel lies, and shapes that fill a given volume."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.errors import PlacementError, RecipeError, expected
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.lesions.host import Host, host
from medsynth.lesions.placement import field
from medsynth.scene.lesion_parts import FIRST_LESION_LABEL, LABELS_PER_LESION
from medsynth.scene.structure import Scene
from medsynth.shapes.noise import CoherentNoise
from medsynth.shapes.sampled import SampledShape

Array = NDArray[np.float32]

Lobe = Literal["lobe_right_upper", "lobe_right_middle", "lobe_right_lower", "lobe_left_upper", "lobe_left_lower"]
LOBES: tuple[Lobe, ...] = get_args(Lobe)
VESSELS = ("pulmonary_arter*_branches", "pulmonary_arteries", "pulmonary_vein*")
AIRWAYS = ("bronchi", "bronchi_wall")
FISSURES = ("fissure_*",)
BEYOND_MM = 1.5  # by which shapes at the wall pass it: what they may cover ends there
DIFFUSE = ("consolidation", "ground_glass_pneumonia", "atelectasis")  # one of them to a lobe
TOLERANCE = 0.002
FLOOR_MM = 50.0


def present(scene: Scene, *patterns: str) -> tuple[int, ...]:
    """Return the labels of the structures whose name matches one of the patterns; none where the body has none."""
    return tuple(s.label for s in scene.structures if any(fnmatchcase(s.name, pattern) for pattern in patterns))


def earlier(number: int) -> tuple[int, ...]:
    """Return the labels of every part of the lesions before this one: fluid and air take the place of ill lung too.

    Examples
    --------
    >>> earlier(1)
    ()
    """
    return tuple(range(FIRST_LESION_LABEL + LABELS_PER_LESION, FIRST_LESION_LABEL + LABELS_PER_LESION * number))


def free_lobes(lobes: Mapping[Lobe, float], taken: Iterable[Mapping[str, Any]]) -> dict[Lobe, float]:
    """Return the lobes of weight above zero that no other diffuse disease is in: two would merge."""
    used = {str(other.get("lobe")) for other in taken
            if other.get("kind") in DIFFUSE and not (other["kind"] == "atelectasis" and other.get("type") == "plate")}
    return {name: weight for name, weight in lobes.items() if weight > 0 and name not in used}


@dataclass(frozen=True, eq=False)
class Region:
    """One lung or lobe on the 2 mm map of both lungs.

    Attributes
    ----------
    name : e.g. `"lung_right"`, `"lobe_left_lower"`.
    scene : whose lung it is.
    map : both lungs as voxels.
    at : the map's slices that hold the region.
    tissue : (k, j, i) float32, how much of each voxel is lung tissue proper of the region.
    whole : the same with the vessels, airways and fissures in it.
    """

    name: str
    scene: Scene
    map: Host
    at: tuple[slice, slice, slice]
    tissue: Array
    whole: Array

    @property
    def side(self) -> str:
        """`"left"` or `"right"`."""
        return self.name.split("_")[1]

    @cached_property
    def grid(self) -> Grid:
        """Where the voxels are."""
        return self.map.grid.crop(tuple(s.start for s in self.at), tuple(s.stop for s in self.at))

    @property
    def step_mm(self) -> float:
        """Voxel size."""
        return self.grid.spacing_mm[0]

    @cached_property
    def points_mm(self) -> NDArray[np.float64]:
        """LPS middles of the voxels, (k, j, i, 3)."""
        return self.grid.points_mm()

    @cached_property
    def depth_mm(self) -> Array:
        """Depth below the surface of the whole lung of each voxel, (k, j, i); negative outside."""
        outline = np.asarray(field(self.scene, f"lung_{self.side}").distance_mm(self.points_mm))
        inside, half = outline < 0, self.step_mm / 2
        within, without = (ndimage.distance_transform_edt(np.pad(part, 1, constant_values=fill),
                                                          sampling=self.step_mm)[1:-1, 1:-1, 1:-1]
                           for part, fill in ((inside, False), (~inside, True)))
        rough = np.where(inside, within - half, half - without)
        # Near the surface the outline itself is finer than whole voxels.
        near = np.clip(1.5 - np.abs(rough) / self.step_mm, 0, 1)
        return np.asarray(near * -outline + (1 - near) * rough, np.float32)

    def floor_mm(self, height: NDArray[np.float64]) -> Array:
        """Return the height of the region's lowest place straight below each voxel, (k, j, i), smoothed.

        Floors high above the lowest one (the heart's, the liver's) count as `FLOOR_MM` above it.

        Parameters
        ----------
        height : (k, j, i), rising along one axis of the voxels.
        """
        axis = int(np.argmax([abs(float(np.diff(height, axis=n).mean())) for n in range(3)]))
        lowest = np.where(self.whole > 0.5, height, np.inf).min(axis=axis)
        lowest = np.where(np.isfinite(lowest), np.minimum(lowest, lowest.min() + FLOOR_MM), np.inf)
        missing = ~np.isfinite(lowest)
        nearest = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
        smooth = ndimage.gaussian_filter(lowest[tuple(nearest)], 8.0 / self.step_mm / 2)
        return np.asarray(np.broadcast_to(np.expand_dims(smooth, axis), height.shape), np.float32)

    @cached_property
    def hilum_mm(self) -> NDArray[np.float64]:
        """Where vessels and airways enter: the landmark, or else the lung's innermost point at half its height."""
        if f"hilum_{self.side}" in self.scene.landmarks:
            return np.asarray(self.scene.landmarks[f"hilum_{self.side}"])
        points = self.points_mm[self.whole > 0.5]
        middle = points[np.abs(points[:, 2] - np.median(points[:, 2])) < 2 * self.step_mm]
        return np.asarray(middle[np.argmin(np.abs(middle[:, 0]))])

    @property
    def volume_ml(self) -> float:
        """Volume of the region with everything in it."""
        return self.volume_of(np.ones_like(self.whole), self.whole)

    @property
    def tissue_ml(self) -> float:
        """Volume of the region without vessels and airways."""
        return self.volume_of(np.ones_like(self.whole), self.tissue)

    def volume_of(self, cover: Array, share: Array) -> float:
        """Return the ml of `share` that a cover (k, j, i), 0..1, covers."""
        return float((cover * share).sum(dtype=np.float64)) * self.grid.voxel_volume_mm3 / 1000

    def cover(self, values_mm: Array) -> Array:
        """Return how much of each voxel lies below zero of a field with a slope near one."""
        return np.clip(0.5 - values_mm / np.float32(self.step_mm), 0, 1)

    def shape(self, values_mm: Array) -> SampledShape:
        """Return a field on the region's voxels as a shape."""
        return SampledShape(np.ascontiguousarray(values_mm, np.float32), self.grid.origin_mm, self.step_mm)

    def slope(self, values: Array) -> Array:
        """Return how steep a field is at the voxels, (k, j, i) change per mm, 0.5 at least."""
        steep = np.sqrt(sum(np.square(part) for part in np.gradient(values, self.step_mm)))
        return np.maximum(steep, 0.5).astype(np.float32)

    def noise(self, seed: Seed, wavelength_mm: float) -> Array:
        """Return coherent noise of unit variance at the voxels, (k, j, i)."""
        k, j, i = self.grid.shape_kji
        x, y, z = (self.grid.origin_mm[axis] + np.arange(n) * self.step_mm for axis, n in enumerate((i, j, k)))
        return CoherentNoise(seed.integer(32), wavelength_mm).on_axes(z, y, x)


@lru_cache(maxsize=12)
def region(scene: Scene, name: str) -> Region:
    """Return a lung or a lobe as voxels; kept for the lesions that follow.

    Parameters
    ----------
    name : `"lung_left"`, `"lung_right"`, or a lobe's name.

    Raises
    ------
    PlacementError
        If the body has no such lung, or this person has nothing of it.
    """
    lobes = (name,) if name.startswith("lobe_") else tuple(n for n in LOBES if f"_{name.split('_')[1]}_" in n)
    whole = host(scene, "lobe_*")
    own = tuple(s.label for s in scene.structures if s.name in lobes)
    if not own:
        raise PlacementError(f"lung must be one of body {scene.body!r}, got {name!r}")
    tissue = whole.phantom.occupancy(*own)
    distance = np.asarray(field(scene, name).distance_mm(whole.grid.points_mm()), np.float32)
    within = np.clip(0.5 - distance / np.float32(whole.grid.spacing_mm[0]), 0, 1)
    inner = present(scene, *VESSELS, *AIRWAYS, *FISSURES)  # the pleural line lies outside
    filled = tissue + whole.phantom.occupancy(*inner) * within if inner else tissue
    hit = np.argwhere(filled > 0.25)
    if len(hit) == 0:
        raise PlacementError(f"this person has nothing of {name} in body {scene.body!r}")
    low, high = np.maximum(hit.min(0) - 4, 0), np.minimum(hit.max(0) + 5, whole.share.shape)
    at = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return Region(name, scene, whole, at, tissue[at].copy(),  # type: ignore[arg-type]
                  np.minimum(filled[at], 1).astype(np.float32))


def filled_to(space: Region, share: Array, volume_ml: float, values_at: Callable[[float], Array], low: float,
              high: float) -> tuple[float, Array]:
    """Return the parameter between `low` and `high`, and its field, whose inside holds a volume of `share`.

    Parameters
    ----------
    share : (k, j, i), what counts of each voxel.
    values_at : from the parameter to a field (k, j, i) in mm with a slope near one; more of it fills more.

    Raises
    ------
    PlacementError
        If no parameter gives that volume.
    """
    if not volume_ml > 0:
        raise RecipeError(expected("volume_ml", volume_ml, "> 0"))
    most = space.volume_of(space.cover(values_at(high)), share)
    if most < volume_ml * (1 - TOLERANCE):
        raise PlacementError(f"{volume_ml:.4g} ml do not fit into {space.name}: at most {most:.4g} ml")
    for _ in range(40):
        middle = (low + high) / 2
        values = values_at(middle)
        found = space.volume_of(space.cover(values), share)
        if abs(found - volume_ml) <= TOLERANCE * volume_ml:
            break
        low, high = (middle, high) if found < volume_ml else (low, middle)
    return middle, values
