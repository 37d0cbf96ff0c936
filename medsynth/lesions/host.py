"""Where a lesion may grow: the voxels of named structures of a scene, how deep each lies, and points drawn in them."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Grid, Vector
from medsynth.scene.extent import Index, box_on, shape_bounds_mm
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Scene
from medsynth.shapes.sampled import SampledShape

Array = NDArray[np.float64]

OWN_IMAGE = "image"  # the body's name where somebody's own image stands for it: it has one structure alone
MARGIN_MM = 6.0
KEPT = 16  # maps kept for the lesions that follow
WHOLE_FROM_MM = 2.0  # voxel size from which on the whole body is mapped at once


@dataclass(frozen=True, eq=False)
class Host:
    """Structures of a scene as voxels on an axis-parallel grid of their own.

    Attributes
    ----------
    names : structures, parts included.
    labels : theirs: what a lesion of this host may cover.
    phantom : the scene around them.
    share : (k, j, i) float32, how much of each voxel they fill.
    """

    names: tuple[str, ...]
    labels: tuple[int, ...]
    phantom: Phantom
    share: NDArray[np.float32]

    @property
    def grid(self) -> Grid:
        """Where the voxels are."""
        return self.phantom.grid

    @property
    def volume_ml(self) -> float:
        """Fraction-weighted volume."""
        return float(self.share.sum(dtype=np.float64)) * self.grid.voxel_volume_mm3 / 1000

    @cached_property
    def depth_mm(self) -> NDArray[np.float32]:
        """How far each voxel's middle lies inside, (k, j, i) mm, negative outside; right to half a voxel."""
        step = self.grid.spacing_mm[0]
        inside = self.share >= 0.5
        if not inside.any():
            return np.full(inside.shape, -np.inf, np.float32)
        within, without = (ndimage.distance_transform_edt(part, sampling=self.grid.spacing_mm)
                           for part in (inside, ~inside))
        # The border runs through voxels of one half: half a step from the nearest middle on either side.
        return np.where(inside, within - step / 2, step / 2 - without).astype(np.float32)

    @cached_property
    def shape(self) -> SampledShape:
        """The host as an approximate shape, smooth over about a voxel; `Paint.over` draws its exact border."""
        values = ndimage.gaussian_filter(-self.depth_mm, 0.6)
        return SampledShape(np.ascontiguousarray(values, np.float32), self.grid.origin_mm, self.grid.spacing_mm[0])

    def depth_at(self, points_mm: Array) -> Array:
        """Return the depth (n,) in mm at LPS points (n, 3)."""
        return -np.asarray(self.shape.distance_mm(points_mm), float)

    def points(self, count: int, *, rng: np.random.Generator, depth_mm: tuple[float, float] = (0.0, np.inf),
               weight: NDArray[np.floating] | None = None) -> Array:
        """Return up to `count` different random points (n, 3) whose depth lies in a range, in random order.

        Parameters
        ----------
        depth_mm : least and greatest depth below the host's surface.
        weight : (k, j, i) >= 0, how likely each voxel is; None for all alike.
        """
        allowed = (self.share >= 0.5) & (self.depth_mm >= depth_mm[0]) & (self.depth_mm <= depth_mm[1])
        if weight is not None:
            allowed &= weight > 0
        at = np.flatnonzero(allowed)
        if not at.size:
            return np.empty((0, 3))
        chance = np.ones(at.size) if weight is None else weight.ravel()[at].astype(float)
        order = np.argsort(rng.exponential(size=at.size) / chance)[:count]
        index = np.stack(np.unravel_index(at[order], self.share.shape), axis=-1).astype(float)
        return self.grid.world_mm(index + rng.uniform(-0.5, 0.5, index.shape))

    def occupancy(self, scene: Scene, *patterns: str) -> NDArray[np.float32]:
        """Return how much of each voxel (k, j, i) other structures fill, e.g. vessels to keep clear of."""
        return self.phantom.occupancy(*labels_of(scene, *patterns))


def labels_of(scene: Scene, *patterns: str) -> tuple[int, ...]:
    """Return the labels of the structures whose name, or the organ they count to, matches (`*`, `?` as in file names).

    Raises
    ------
    PlacementError
        If a pattern matches none.
    """
    return tuple(s.label for s in scene.structures if s.name in set(names_of(scene, *patterns)))


@lru_cache(maxsize=64)
def names_of(scene: Scene, *patterns: str) -> tuple[str, ...]:
    """Return the names of the structures that match, or count to an organ that does."""
    found: dict[str, None] = {}
    for pattern in patterns:
        hit = [s.name for s in scene.structures if fnmatchcase(s.name, pattern) or fnmatchcase(s.part_of, pattern)]
        if not hit and scene.body != OWN_IMAGE:
            raise PlacementError(f"host must be a structure of body {scene.body!r}, got {pattern!r}")
        found |= dict.fromkeys(hit)
    if not found and patterns:
        raise PlacementError(f"host must be a structure of body {scene.body!r}, got {', '.join(patterns)}")
    return tuple(found)


def host(scene: Scene, *patterns: str, step_mm: float = 2.0) -> Host:
    """Return structures of a scene as voxels; the map is kept for the lesions that follow.

    Parameters
    ----------
    patterns : names of structures (see `labels_of`); their parts belong to them.
    step_mm : voxel size.

    Raises
    ------
    PlacementError
        If the body has no such structure, or this person has nothing of it.
    """
    return _host(scene, names_of(scene, *patterns), step_mm)


@lru_cache(maxsize=KEPT)
def _host(scene: Scene, names: tuple[str, ...], step_mm: float) -> Host:
    labels = tuple(s.label for s in scene.structures if s.name in set(names))
    wanted = set(labels)
    boxes = [np.asarray(shape_bounds_mm(paint.shape)) for paint in scene.paints
             if any(wanted & ({layer.label} if isinstance(layer.label, int) else set(layer.label))
                    for layer in paint.layers)]
    if not boxes:
        raise PlacementError(f"this person has nothing of {', '.join(names)} in body {scene.body!r}")
    low = np.maximum(np.min([box[0] for box in boxes], axis=0), scene.bounds_mm[0]) - MARGIN_MM
    high = np.minimum(np.max([box[1] for box in boxes], axis=0), scene.bounds_mm[1]) + MARGIN_MM
    if step_mm >= WHOLE_FROM_MM:  # one map of the whole body serves every host
        phantom = _whole(scene, step_mm)
        on_grid = box_on(phantom.grid, (point(low), point(high)))
        if on_grid is not None:
            phantom = _part(phantom, *on_grid)
    else:
        phantom = rasterize(scene, Grid.covering(low, high, (step_mm,) * 3))
    share = phantom.occupancy(*labels)
    if not (share >= 0.5).any():
        raise PlacementError(f"this person has nothing of {', '.join(names)} in body {scene.body!r}")
    margin = int(np.ceil(MARGIN_MM / step_mm))
    spans = [np.flatnonzero(share.any(axis=tuple(b for b in range(3) if b != axis))) for axis in range(3)]
    first = tuple(max(0, int(s[0]) - margin) for s in spans)
    last = tuple(min(n, int(s[-1]) + 1 + margin) for s, n in zip(spans, share.shape, strict=True))
    at = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    return Host(names, labels, _part(phantom, first, last), share[at].copy())  # type: ignore[arg-type]


@lru_cache(maxsize=2)
def _whole(scene: Scene, step_mm: float) -> Phantom:
    """Return the whole body as voxels."""
    low, high = (np.asarray(end) for end in scene.bounds_mm)
    return rasterize(scene, Grid.covering(low - MARGIN_MM, high + MARGIN_MM, (step_mm,) * 3))


def _part(phantom: Phantom, low: Index, high: Index) -> Phantom:
    at = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    return Phantom(phantom.grid.crop(low, high), phantom.labels[at].copy(), phantom.neighbour[at].copy(),
                   phantom.fraction[at].copy(), phantom.texture[at].copy(), phantom.structures)


def point(values: Array) -> Vector:
    """Return a point as the tuple that specs and shapes hold."""
    x, y, z = np.asarray(values, float).tolist()
    return x, y, z
