"""The inside of the skull as lesions of the brain see it: its parts, the midline and how far it is shifted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.grid import Grid, Vector
from medsynth.lesions.host import Host, host, labels_of, names_of, point
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Push, Scene
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.warp import Composed

Array = NDArray[np.float64]

WHITE = ("cerebral_white_matter_*",)
NUCLEI = ("caudate_*", "thalamus_*", "pallidum_*", "putamen_*", "accumbens_*", "amygdala_*", "hippocampus_*")
CEREBRUM = ("cerebral_cortex_*", *WHITE, *NUCLEI, "corpus_callosum", "fornix")
STEM = ("midbrain", "pons", "medulla")
CEREBELLUM = ("cerebellar_cortex_*", "cerebellar_white_matter_*", "vermis_*", "dentate_nucleus_*")
PARENCHYMA = (*CEREBRUM, *STEM, *CEREBELLUM)
VENTRICLES = ("lateral_ventricle_*", "third_ventricle", "fourth_ventricle")
PLEXUS = ("choroid_plexus_*",)
CISTERNS = ("subarachnoid_csf",)
CORTICAL_VESSELS = ("cortical_veins", "middle_cerebral_artery_*", "anterior_cerebral_artery_*",
                    "posterior_cerebral_artery_*")
MIDLINE = ("third_ventricle", "fornix")  # what a shift is read at
NEAR_MIDLINE_MM = 4.0
NEAR_CELLS = 30  # along each side of the map around a small lesion
CLOSED = 3  # voxels: sulci up to twice as wide are filled


def present(scene: Scene, *patterns: str) -> tuple[str, ...]:
    """Return those of the patterns that name something in this body."""
    from fnmatch import fnmatchcase

    return tuple(p for p in patterns if any(fnmatchcase(s.name, p) or fnmatchcase(s.part_of, p)
                                            for s in scene.structures))


def brain_host(scene: Scene) -> Host:
    """Return the whole brain, without ventricles and vessels."""
    return host(scene, *present(scene, *PARENCHYMA))


@dataclass(frozen=True)
class Midline:
    """The plane between the hemispheres: through `point_mm`, `normal` pointing to the patient's left."""

    point_mm: Vector
    normal: Vector

    def left_mm(self, points_mm: Array) -> Array:
        """Return how far LPS points (..., 3) lie on the left of it."""
        away: Array = (np.asarray(points_mm) - self.point_mm) @ np.asarray(self.normal)
        return away


@lru_cache(maxsize=8)
def midline(scene: Scene) -> Midline:
    """Return the plane that fits falx and third ventricle best."""
    cloud = host(scene, "falx", "third_ventricle")
    at = np.argwhere(cloud.share >= 0.25).astype(float)
    points = cloud.grid.world_mm(at)
    # x = a + b y + c z: the midline never lies far from the sagittal plane.
    matrix = np.column_stack([np.ones(len(points)), points[:, 1:]])
    a, b, c = np.linalg.lstsq(matrix, points[:, 0], rcond=None)[0]
    normal = np.array([1.0, -b, -c]) / np.sqrt(1 + b * b + c * c)
    return Midline((float(a), 0.0, 0.0), point(normal))


def midline_shift_mm(scene: Scene, pushes: Sequence[Push]) -> float:
    """Return how far pushes move third ventricle and fornix across the midline, at most: positive to the left."""
    if not pushes:
        return 0.0
    plane, points = midline(scene), []
    for name in MIDLINE:
        one = host(scene, name)
        points.append(one.grid.world_mm(np.argwhere(one.share >= 0.5).astype(float)))
    cloud = np.concatenate(points)
    cloud = cloud[np.abs(plane.left_mm(cloud)) < NEAR_MIDLINE_MM]
    if not len(cloud):
        return 0.0
    moved = Composed(tuple(push.warp for push in pushes)).displacement_mm(cloud) @ np.asarray(plane.normal)
    return float(moved[np.argmax(np.abs(moved))])


def side_of(scene: Scene, centre_mm: Vector) -> str:
    """Return "left" or "right"."""
    return "left" if midline(scene).left_mm(np.asarray(centre_mm)) > 0 else "right"


def structure_at(scene: Scene, centre_mm: Vector, *patterns: str) -> str:
    """Return the name of the structure among these that a point lies deepest in; parts count to their organ."""
    own = {s.name: s for s in scene.structures}
    names = {own[name].part_of or name for name in names_of(scene, *present(scene, *patterns))}
    at = np.asarray(centre_mm, float)[None]
    return max(sorted(names), key=lambda name: _depth(scene, name, at))


def _depth(scene: Scene, name: str, at: Array) -> float:
    from medsynth.core.errors import PlacementError

    try:
        one = host(scene, name)
    except PlacementError:  # this person has nothing of it
        return -np.inf
    low, high = (np.asarray(end) for end in one.shape.bounds_mm())
    beyond = np.linalg.norm(np.maximum(np.maximum(low - at[0], at[0] - high), 0))
    return float(one.depth_at(at)[0]) - float(beyond)


# Lobes by where a point lies in the cerebrum's box: shares from front to back and from below (coarse, unverified).
def lobe_of(scene: Scene, centre_mm: Vector) -> str:
    """Return "frontal", "temporal", "parietal" or "occipital"."""
    low, high = (np.asarray(end) for end in scene.fields["cerebrum"].bounds_mm())
    _, y, z = (np.asarray(centre_mm) - low) / (high - low)
    aside = abs(float(midline(scene).left_mm(np.asarray(centre_mm))))
    if y > 0.8:
        return "occipital"
    if z < 0.42 and aside > 24 and y > 0.22:
        return "temporal"
    return "frontal" if y < 0.36 + 0.16 * z else "parietal"


def displaced_share(of: Host, pushes: Sequence[Push]) -> NDArray[np.float32]:
    """Return how much of each voxel (k, j, i) a host fills once pushes have moved it."""
    if not pushes:
        return of.share
    k, j, i = np.meshgrid(*[np.arange(n, dtype=float) for n in of.share.shape], indexing="ij")
    points = of.grid.world_mm(np.stack([k, j, i], axis=-1))
    back = Composed(tuple(push.warp for push in pushes)).inverse_displacement_mm(points)
    index = np.moveaxis(of.grid.index_kji(points + back), -1, 0)
    return np.asarray(ndimage.map_coordinates(of.share, index, order=1, mode="nearest"), np.float32)


@lru_cache(maxsize=4)
def closed_brain(scene: Scene) -> SampledShape:
    """Return the brain with its narrow sulci filled, without ventricles: what a tumour may take the place of."""
    brain = brain_host(scene)
    filled = np.pad(brain.share >= 0.5, CLOSED)
    ball = ndimage.iterate_structure(ndimage.generate_binary_structure(3, 1), CLOSED)
    inside = ndimage.binary_closing(filled, ball)[(slice(CLOSED, -CLOSED),) * 3]
    inside &= brain.phantom.occupancy(*labels_of(scene, *present(scene, *VENTRICLES, *PLEXUS))) < 0.5
    step = brain.grid.spacing_mm[0]
    within, without = (ndimage.distance_transform_edt(part) * step for part in (inside, ~inside))
    values = np.where(inside, step / 2 - within, without - step / 2)
    return SampledShape(np.ascontiguousarray(ndimage.gaussian_filter(values, 0.6), np.float32), brain.grid.origin_mm,
                        step)


@lru_cache(maxsize=64)
def near_host(scene: Scene, labels: tuple[int, ...], centre_mm: Vector, reach_mm: float) -> SampledShape:
    """Return what structures fill around a point, closely enough for a small lesion that their border cuts.

    Its distance is half a step at most: right for volumes, whose cells are about as large.
    """
    step, centre = 2 * reach_mm / NEAR_CELLS, np.asarray(centre_mm)
    phantom = rasterize(scene, Grid.covering(centre - reach_mm, centre + reach_mm, (step,) * 3))
    return SampledShape((0.5 - phantom.occupancy(*labels)) * np.float32(step), phantom.grid.origin_mm, step)
