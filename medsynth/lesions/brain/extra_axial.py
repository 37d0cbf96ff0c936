"""Blood between skull and brain: a patch on the inside of the skull, its thickness, its volume and what it pushes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.errors import GeometryError, PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.brain.cranium import CEREBELLUM, STEM, midline, present
from medsynth.lesions.effect import smooth_rise
from medsynth.lesions.host import Host, host, point
from medsynth.scene.structure import Push, Scene
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.lattice_warp import Backwards, lattice_warp, volume_ratios
from medsynth.shapes.noise import CoherentNoise
from medsynth.shapes.sampled import SampledShape

Array = NDArray[np.float64]

BONES = ("frontal_bone", "parietal_bone_right", "parietal_bone_left", "temporal_bone_right", "temporal_bone_left",
         "occipital_bone", "sphenoid_bone")
STEP_MM, PUSH_STEP_MM = 1.0, 2.5
FALX_FREE_MM, FALX_TAPER_MM = 3.0, 9.0
TENT_TAPER_MM, SUTURE_TAPER_MM = 6.0, 12.0
CENTRE_ABOVE_MM = 15.0  # of the polar coordinates over the mean of the cavity's box: near the thalami
SKIN = 0.12  # share of the clot's depth into which the fluid over the brain is squeezed
FADES_MM = 200.0  # mm below the skull at which a shift has died out (unverified)
THICKEST_MM = 45.0
TURNED_MM = 16.0  # from that depth on all moves one way
NORMAL_NODES = 3.0  # over which the skull's normal is smoothed
# Share that moves on the far side, nodes that it is smoothed over, and share of the thickness.
TRIES = ((1.0, 1.0, 1.0), (1.0, 1.6, 1.0), (0.85, 2.2, 1.0), (0.7, 2.8, 1.0), (0.6, 3.4, 0.9), (0.5, 4.0, 0.8),
         (0.4, 4.6, 0.6), (0.3, 5.0, 0.45), (0.2, 5.0, 0.3))
LOST_SHARE = 0.01
STILL_MM = 1.5  # below the blood's outer face: nothing from there on comes from within the bone, between nodes too
LEAST_SQUEEZE = 0.01  # of the map back: the other way round space is torn apart, to hold the blood


@dataclass(frozen=True)
class Patch:
    """Where on the inside of the skull blood lies.

    Attributes
    ----------
    seat_mm : LPS point on the inner table in its middle.
    half_mm : half extents along the surface: to front and back, and up and down.
    start_mm : depth below the field of the inner table at which the blood begins.
    power : of the profile (1 - s^2)^power: 1 and more a lens, about a half a crescent.
    bone : its blood stays below this bone; empty for any.
    uneven : relative spread of the thickness.
    """

    seat_mm: Vector
    half_mm: tuple[float, float]
    start_mm: float
    power: float
    bone: str
    uneven: float
    seed: int


def pole(scene: Scene) -> Array:
    """Return the point that directions are counted from."""
    low, high = (np.asarray(end) for end in scene.fields["cranial_cavity"].bounds_mm())
    plane = midline(scene)
    centre = (low + high) / 2
    centre[2] = low[2] + 0.42 * (high[2] - low[2]) + CENTRE_ABOVE_MM
    return centre - plane.left_mm(centre) * np.asarray(plane.normal)


def seat(scene: Scene, direction: Array) -> Array:
    """Return where the inner table lies in a direction (3,) from the pole."""
    cavity, centre = scene.fields["cranial_cavity"], pole(scene)
    ray = np.arange(20.0, 130.0, 0.5)
    outside = np.asarray(cavity.distance_mm(centre + ray[:, None] * direction)) > 0
    if not outside.any():
        raise PlacementError("the skull has no inside in this direction")
    return centre + ray[int(np.argmax(outside))] * direction


def profile(scene: Scene, patch: Patch, points_mm: Array) -> Array:
    """Return the blood's thickness at points (..., 3), relative to its largest; negative beyond the patch."""
    centre, at = pole(scene), np.asarray(patch.seat_mm)
    middle = (at - centre) / np.linalg.norm(at - centre)
    up = np.array([0.0, 0.0, 1.0]) - middle[2] * middle
    up /= np.linalg.norm(up)
    along = np.cross(up, middle)
    rays = points_mm - centre
    rays /= np.maximum(np.linalg.norm(rays, axis=-1, keepdims=True), 1e-6)
    flat = np.stack([rays @ along, rays @ up], axis=-1)
    arc = np.linalg.norm(at - centre) * np.arccos(np.clip(rays @ middle, -1, 1))
    flat *= (arc / np.maximum(np.linalg.norm(flat, axis=-1), 1e-9))[..., None] / np.asarray(patch.half_mm)
    square = np.square(flat).sum(axis=-1)
    thick = np.maximum(1 - square, 0) ** patch.power - 4 * np.maximum(np.sqrt(square) - 1, 0)
    if patch.uneven > 0:
        wave = 0.8 * CoherentNoise(Seed(patch.seed).child("slow").integer(32), 38.0).at(points_mm)
        wave += 0.45 * CoherentNoise(Seed(patch.seed).child("quick").integer(32), 13.0).at(points_mm)
        thick = np.where(thick > 0, thick * np.clip(1 + patch.uneven * wave, 0.35, 1.9), thick)
    limits = _limits(scene, patch, points_mm)
    return np.asarray(thick * limits - 0.3 * (1 - limits))


def _limits(scene: Scene, patch: Patch, points_mm: Array) -> Array:
    """Return 1 well within what holds the blood, falling to 0 at the falx, the tentorium or the bone's sutures."""
    plane = midline(scene)
    side = np.sign(plane.left_mm(np.asarray(patch.seat_mm)))
    free = side * plane.left_mm(points_mm) - FALX_FREE_MM
    if not patch.bone:  # what lies inside the dura
        above = np.asarray(_above_tent(scene).distance_mm(points_mm))
        share = np.minimum(np.clip(free / FALX_TAPER_MM, 0, 1), np.clip(above / TENT_TAPER_MM, 0, 1))
    else:
        below = -np.asarray(below_bone(scene, patch.bone).distance_mm(points_mm))
        share = np.clip(below / SUTURE_TAPER_MM, 0, 1)
        if patch.bone in ("frontal_bone", "occipital_bone"):
            share = np.minimum(share, np.clip(free / FALX_TAPER_MM, 0, 1))
    return np.asarray(np.sqrt(share))


def clot(scene: Scene, patch: Patch, volume_mm3: float) -> tuple[SampledShape, float]:
    """Return the blood as a shape, and its greatest thickness in mm (found by bisection on the volume).

    Raises
    ------
    PlacementError
        If the patch cannot hold that much.
    """
    cavity = scene.fields["cranial_cavity"]
    reach = 1.25 * max(patch.half_mm) + 8
    low, high = (np.asarray(end) for end in cavity.bounds_mm())
    low = np.maximum(np.asarray(patch.seat_mm) - reach, low - 2)
    high = np.minimum(np.asarray(patch.seat_mm) + reach, high + 2)
    lattice = Lattice(point(low), point(high), STEP_MM)
    points = np.asarray(lattice.points_mm, float)
    depth = -np.asarray(cavity.distance_mm(points), float)
    near = (depth > -3) & (depth < THICKEST_MM + 3)
    thick = np.full(depth.shape, -4.0)
    thick[near] = profile(scene, patch, points[near])
    over, deep = patch.start_mm - depth[near], depth[near] - patch.start_mm

    def distance(greatest: float) -> Array:
        return np.asarray(np.maximum(deep - greatest * thick[near], over))

    def volume(greatest: float) -> float:
        # What is below the outer face less what is below the inner one: right for sheets thinner than a cell too.
        outer, inner = (np.clip(0.5 + d / STEP_MM, 0, 1) for d in (deep, deep - greatest * thick[near]))
        return float(np.maximum(outer - inner, 0).sum()) * STEP_MM**3

    least, most = 0.3, THICKEST_MM
    if volume(most) < volume_mm3:
        raise PlacementError(f"blood of {volume_mm3 / 1000:.3g} ml does not fit between skull and brain here")
    for _ in range(40):
        greatest = (least + most) / 2
        found = volume(greatest)
        if abs(found - volume_mm3) < 0.002 * volume_mm3:
            break
        least, most = (greatest, most) if found < volume_mm3 else (least, greatest)
    _check_room(scene, points[near][distance(greatest) < -0.5], volume_mm3)
    values = np.where(depth <= -3, 6.0, np.maximum(depth - THICKEST_MM, 3.0))
    values[near] = distance(greatest)
    return lattice.shape_of(values.astype(np.float32)), greatest * float(thick.max())


def _check_room(scene: Scene, inside_mm: Array, volume_mm3: float) -> None:
    """Raise where bone stands within the skull's smooth inside, e.g. a petrous ridge: blood does not cover it."""
    whole, bone = _bone(scene)
    index = np.rint(whole.grid.index_kji(inside_mm)).astype(int)
    lost = bone[tuple(np.clip(index, 0, np.subtract(bone.shape, 1)).T)].sum() * STEP_MM**3
    if lost > LOST_SHARE * volume_mm3:
        raise PlacementError("bone takes the place of the blood here")


def push_inwards(scene: Scene, patch: Patch, thickness_mm: float) -> Push:
    """Return how blood of this greatest thickness moves brain and midline: the skull stays, the brain gives way.

    Raises
    ------
    GeometryError
        If the map would fold even at a third of the push.
    """
    cavity = scene.fields["cranial_cavity"]
    low, high = (np.asarray(end) for end in cavity.bounds_mm())
    bounds = point(low - 2 * PUSH_STEP_MM), point(high + 2 * PUSH_STEP_MM)
    lattice = Lattice(*bounds, PUSH_STEP_MM)
    points = np.asarray(lattice.points_mm, float)
    depth = -np.asarray(cavity.distance_mm(points), float)
    at = np.asarray(patch.seat_mm)
    inwards = pole(scene) - at
    inwards /= np.linalg.norm(inwards)
    below = (points - at) @ inwards
    deep = smooth_rise((depth - 0.3 * thickness_mm) / 45)
    smooth = ndimage.gaussian_filter(depth, NORMAL_NODES)
    slope: Array = np.stack(list(np.gradient(smooth, PUSH_STEP_MM))[::-1], axis=-1)
    turned = smooth_rise(depth / TURNED_MM)[..., None]
    direction = (1 - turned) * slope + turned * inwards
    direction /= np.maximum(np.linalg.norm(direction, axis=-1, keepdims=True), 0.3)
    across = np.square(points - at).sum(axis=-1) - below**2
    wide = 0.9 * float(np.mean(patch.half_mm)) + 22
    even = replace(patch, uneven=0.0)
    near = np.clip(profile(scene, even, points), 0, None)
    near *= smooth_rise((np.linalg.norm(points - pole(scene), axis=-1) - 12) / 25)  # where all rays meet
    far = deep * np.exp(-across / (2 * wide**2))
    fading = np.clip(1 - below / FADES_MM, 0, 1) ** 1.2
    clearance = np.clip(depth - patch.start_mm - STILL_MM, 0, None)
    # Within the blood the map may do what it likes: nothing of the body is seen there.
    seen = (depth > patch.start_mm + thickness_mm * near + 2 * PUSH_STEP_MM)[:-1, :-1, :-1]
    for share, wide_nodes, whole in TRIES:  # where it would fold, it moves more evenly, and then less
        wanted = whole * thickness_mm * np.clip(fading, 0, 1) * ((1 - deep) * near + share * far)
        move = np.minimum(ndimage.gaussian_filter(wanted, wide_nodes), (1 - SKIN) * clearance)
        moves = np.moveaxis(-direction * move[..., None], -1, 0)
        if volume_ratios(moves, PUSH_STEP_MM)[seen].min() > LEAST_SQUEEZE:
            warp = Backwards(lattice_warp(lambda _, m=moves: np.moveaxis(m, 0, -1), bounds, PUSH_STEP_MM, -np.inf))  # type: ignore[misc]
            return Push(warp, warp.bounds_mm)
    raise GeometryError(f"blood of {thickness_mm:.1f} mm folds the brain at {patch.seat_mm}")


@lru_cache(maxsize=4)
def _above_tent(scene: Scene) -> SampledShape:
    """Return a field that is positive, in mm, where the cerebrum is nearer than cerebellum and brain stem."""
    upper, lower = _whole(scene), present(scene, *CEREBELLUM, *STEM)
    high = _labels(scene, upper, "cerebral_cortex_*", "cerebral_white_matter_*")
    low = _labels(scene, upper, *lower)
    to_high, to_low = (ndimage.distance_transform_edt(~part) for part in (high, low))
    values = ((to_low - to_high) / 2 * upper.grid.spacing_mm[0]).astype(np.float32)
    return SampledShape(ndimage.gaussian_filter(values, 1.0), upper.grid.origin_mm, upper.grid.spacing_mm[0])


@lru_cache(maxsize=16)
def below_bone(scene: Scene, bone: str) -> SampledShape:
    """Return what lies nearer to this bone of the vault than to any other; negative inside, about in mm."""
    whole, owner = _owners(scene)
    inside = owner == BONES.index(bone)
    step = whole.grid.spacing_mm[0]
    values = np.where(inside, -ndimage.distance_transform_edt(inside), ndimage.distance_transform_edt(~inside)) * step
    return SampledShape(ndimage.gaussian_filter(values.astype(np.float32), 0.8), whole.grid.origin_mm, step)


def bone_at(scene: Scene, at_mm: Array) -> str:
    """Return the bone of the vault nearest to a point."""
    whole, owner = _owners(scene)
    k, j, i = np.clip(np.rint(whole.grid.index_kji(at_mm)).astype(int), 0, np.subtract(owner.shape, 1))
    return BONES[int(owner[k, j, i])]


@lru_cache(maxsize=4)
def _owners(scene: Scene) -> tuple[Host, NDArray[np.uint8]]:
    whole = _whole(scene)
    owner = np.full(whole.share.shape, 255, np.uint8)
    for number, bone in enumerate(BONES):
        owner[_labels(scene, whole, bone)] = number
    nearest = ndimage.distance_transform_edt(owner == 255, return_distances=False, return_indices=True)
    return whole, owner[tuple(nearest)]


@lru_cache(maxsize=4)
def _bone(scene: Scene) -> tuple[Host, NDArray[np.bool_]]:
    whole = _whole(scene)
    bone = whole.phantom.occupancy(*(s.label for s in scene.structures if s.tissue in ("cortical_bone", "red_marrow")))
    cavity = scene.fields["cranial_cavity"]
    k, j, i = np.meshgrid(*[np.arange(n) for n in bone.shape], indexing="ij")
    deep = np.asarray(cavity.distance_mm(whole.grid.world_mm(np.stack([k, j, i], axis=-1)))) < -1.5
    return whole, (bone > 0.5) & deep


def _whole(scene: Scene) -> Host:
    return host(scene, *BONES)


def _labels(scene: Scene, of: Host, *patterns: str) -> NDArray[np.bool_]:
    from medsynth.lesions.host import labels_of

    return np.isin(of.phantom.labels, labels_of(scene, *patterns))



