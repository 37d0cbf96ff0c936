"""Putting a lesion of the catalogue into a volume, with the volume's own sharpness and noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy import ndimage

from medsynth.annotate.measure import measure_lesion
from medsynth.annotate.record import LesionRecord
from medsynth.core.errors import MedsynthError, PlacementError, RecipeError, expected
from medsynth.core.grid import Vector
from medsynth.core.scanner import ScannerRecord
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.insertion.site import HOST, ball_site, mask_site, site_scene
from medsynth.insertion.texture import Noise, measure_noise, sharpness_px
from medsynth.insertion.worth import Modality, ct_numbers, mr_ratios, scaled
from medsynth.lesions.families import family
from medsynth.lesions.family import Family
from medsynth.scene.acquired import Acquired
from medsynth.scene.extent import Index, box_on, lesion_reach_mm
from medsynth.scene.lesion_parts import part_labels
from medsynth.scene.phantom import TEXTURE_UNIT, Phantom
from medsynth.scene.rasterize import rasterize, with_lesions
from medsynth.scene.structure import Lesion, Push, Scene
from medsynth.shapes.base import Shape
from medsynth.shapes.warp import Composed

Array = NDArray[np.float32]

SITE_MM = 60.0  # reach of the site around a point
AROUND_MM = 35.0  # what is looked at around the lesion
SMOOTH_PX = 1.2  # width of the filter that parts structure from noise
MIXED_PARTS = ("ground_glass", "oedema", "change")  # they fill what is there: vessels and edges show through
AIRY_HU = -400.0  # a host below this is lung: what is denser in it stays as it is in mixed parts
DENSE_HU = 30.0
LUNG_HU = -870.0  # the lung that the catalogue's ground glass is told for
SOFT_HU = (-250.0, 300.0)  # of even tissue with its noise
LEAST_VOXELS = 3000
TRIES = 40


@dataclass(frozen=True)
class Insertion:
    """How a lesion is put into an image.

    Attributes
    ----------
    at_mm : LPS point for its centre; None leaves the place to the family's own rule within the mask.
    options : of the family, as in a recipe, e.g. `{"diameter_mm": 12}`.
    kvp, phase : of a CT image.
    weighting : preset of MR whose contrast the image has, e.g. `"brain-flair"` (see `medsynth list protocols`).
    contrast : value of the lesion's first part over its surroundings (MR), or less its surroundings in HU (CT); None
        takes it from the tissues.
    blur_px : standard deviation of the image's blur in a slice; None estimates it.
    """

    at_mm: Vector | None = None
    options: Mapping[str, Any] | None = None
    kvp: float = 120.0
    phase: str = "none"
    weighting: str = "brain-t1w"
    contrast: float | None = None
    blur_px: float | None = None


@dataclass(frozen=True, eq=False)
class Inserted:
    """An image with a lesion in it, and its truth.

    Attributes
    ----------
    image : of the input's type and grid.
    fraction : (k, j, i) float32 over the crop, how much of each voxel the lesion fills.
    parts : part -> (k, j, i) float32 over the crop.
    low : index of the crop's first voxel in the image.
    record : measured, with indices of the whole image.
    noise, blur_px : what was found of the image.
    displacement_mm : (k, j, i, 3) over the crop, where each voxel came from; None where nothing moved.
    """

    image: Volume
    fraction: Array
    parts: Mapping[str, Array]
    low: Index
    lesion: Lesion
    record: LesionRecord
    noise: Noise
    blur_px: float
    displacement_mm: Array | None

    def full(self, array: Array) -> Array:
        """Return an array of the crop on the whole image's grid, 0 outside."""
        whole = np.zeros(self.image.array.shape, array.dtype)
        whole[tuple(slice(a, a + n) for a, n in zip(self.low, array.shape, strict=True))] = array
        return whole


@dataclass(frozen=True, eq=False)
class InsertedShadow:
    """A radiograph with a lesion in it, and its truth.

    Attributes
    ----------
    image : of the input's type and grid.
    thickness_mm : (1, rows, columns) float32, length of the ray inside the lesion.
    mask : (1, rows, columns) bool, where that is at least `medsynth.scene.projection.MASK_MM`.
    contrast : change of the image where it is largest, signed.
    """

    image: Volume
    thickness_mm: Array
    mask: NDArray[np.bool_]
    lesion: Lesion
    contrast: float


def insert_lesion(image: Volume, kind: str, *, how: Insertion, mask: Volume | None = None, seed: Seed,
                  modality: Modality | None = None, number: int = 1) -> Inserted:
    """Put one lesion into a CT or MR volume.

    Parameters
    ----------
    image : (k, j, i), HU for CT, any unit for MR.
    kind : a family of the catalogue (`medsynth list lesions`).
    mask : where it may grow, on any grid; None needs `how.at_mm`.
    modality : "ct" where left out and the quantity is HU, else "mri".

    Raises
    ------
    RecipeError
        If the image holds NaN, or is no CT although HU are said, or an option is unknown.
    PlacementError
        If there is no room for it.
    """
    what = modality or ("ct" if image.quantity == "HU" else "mri")
    _check(image, what)
    one = family(kind)
    shape = _shape(image, mask, how)
    scene = site_scene(one, shape, seed=seed.child("texture").integer(32))
    lesion = draw_lesion(one, scene, how, mask, seed=seed, number=number)
    low, high = _crop(image, lesion)
    grid = image.grid.crop(low, high)
    at = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    before = image.array[at].astype(np.float32)
    healthy = rasterize(scene, grid)
    ill, anatomy = with_lesions(healthy, scene, [lesion])
    moved, displacement = _displaced(before, grid.points_mm() if lesion.pushes else None, lesion.pushes, image)
    blur = how.blur_px if how.blur_px is not None else sharpness_px(before)
    noise = measure_noise(before, _looked_at(before, what))
    worth = _worth(what, scene, lesion, moved, ill, how)
    after = _blended(moved, ill, lesion, worth, blur, noise, airy=what == "ct", rng=seed.child("noise").rng())
    array = image.array.copy()
    array[at] = _as_type(after, image.array)
    labels = part_labels(ill.structures, lesion.number)
    parts = {part: ill.occupancy(label) for part, label in labels.items()}
    record = _record(image, array[at], ill, healthy, anatomy, lesion, scene, low)
    return Inserted(replace(image, array=array), ill.occupancy(*labels.values()), parts, low, lesion, record, noise,
                    blur, displacement)


def _check(image: Volume, what: str) -> None:
    array = image.array
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise RecipeError("the image holds values that are not finite (NaN or infinite)")
    if what == "ct" and float(array.min()) > -200:
        raise RecipeError(expected("least value of a CT image", float(array.min()), "below -200 HU (air): "
                                   "is the image in HU? For MR give --modality mri"))
    if float(array.max()) <= float(array.min()):
        raise RecipeError(expected("values of the image", float(array.min()), "not all the same"))


def _shape(image: Volume, mask: Volume | None, how: Insertion) -> Shape:
    if how.at_mm is not None:
        index = image.grid.index_kji(how.at_mm)
        if np.any(index < -0.5) or np.any(index > np.asarray(image.grid.shape_kji) - 0.5):
            raise PlacementError(expected("--at", how.at_mm, f"a point of the image, LPS mm (voxel {index.round(1)})"))
    if mask is not None:
        return mask_site(mask)
    if how.at_mm is None:
        raise PlacementError("where to put the lesion? Expected a point (--at) or a mask (--in)")
    return ball_site(how.at_mm, SITE_MM)


def draw_lesion(one: Family, scene: Scene, how: Insertion, mask: Volume | None, *, seed: Seed, number: int) -> Lesion:
    """Draw and build the lesion; at a point, the drawn one is taken there."""
    given = dict(how.options or {})
    if "count" in one.options.model_fields:
        given.setdefault("count", 1)
    try:
        options = one.options.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RecipeError(f"lesion {one.kind}: {where}: {first['msg']}, got {first.get('input')!r}; options are "
                          f"{', '.join(one.options.model_fields)}") from error
    last: MedsynthError | None = None
    for attempt in range(TRIES):
        rng = seed.child("lesion", attempt).rng()
        try:
            spec = dict(one.sample_specs(options, scene, rng=rng, taken=())[0])
            if how.at_mm is not None:
                spec["centre_mm"] = tuple(float(v) for v in how.at_mm)
            return replace(one.insert(spec, scene, number), host=scene.structures[0].name)
        except (PlacementError, RecipeError) as error:
            last = error
    place = f"at {how.at_mm}" if how.at_mm is not None else "in the mask"
    size = "" if mask is None else f" of {np.count_nonzero(mask.array) * mask.grid.voxel_volume_mm3 / 1000:.3g} ml"
    raise PlacementError(f"no room for a {one.kind} {place}{size}: {last}")


def _crop(image: Volume, lesion: Lesion) -> tuple[Index, Index]:
    found = box_on(image.grid, lesion_reach_mm(lesion), AROUND_MM)
    if found is None:
        raise PlacementError("the lesion lies outside the image")
    return found


def _displaced(before: Array, points: NDArray[np.float64] | None, pushes: tuple[Push, ...], image: Volume
               ) -> tuple[Array, Array | None]:
    """Return the image with its content moved aside, and where each voxel came from."""
    if points is None:
        return before, None
    warp = Composed(tuple(push.warp for push in pushes))
    back = warp.inverse_displacement_mm(points)
    steps = np.linalg.inv(image.grid.steps_mm)
    source = np.indices(before.shape).astype(float) + np.moveaxis(back @ steps.T, -1, 0)
    moved = ndimage.map_coordinates(before, source, order=3, mode="nearest")
    still = np.linalg.norm(back, axis=-1) < 0.02
    return np.where(still, before, moved).astype(np.float32), back.astype(np.float32)


def _looked_at(before: Array, what: Modality) -> NDArray[np.bool_]:
    """Return the voxels whose noise is measured: soft tissue in CT (lung is never even), all but the dark in MR."""
    if what == "ct":
        soft = np.asarray((before > SOFT_HU[0]) & (before < SOFT_HU[1]))
        if soft.sum() > LEAST_VOXELS:
            return soft
    return np.asarray(before > 0.15 * np.quantile(before, 0.98)) if what == "mri" else np.ones(before.shape, bool)


def _worth(what: Modality, scene: Scene, lesion: Lesion, moved: Array, ill: Phantom, how: Insertion
           ) -> dict[int, float]:
    """Return label -> value in the image's unit."""
    structures = [s for s in lesion.structures if s.label in set(part_labels(ill.structures, lesion.number).values())]
    whole = next(s.label for s in structures if s.name == f"lesion_{lesion.number}")
    if what == "ct":
        values = ct_numbers(structures, kvp=how.kvp, phase=how.phase)
        if how.contrast is not None:
            shift = _surroundings(moved, ill, lesion) + how.contrast - values[whole]
            values = {label: value + shift for label, value in values.items()}
        return values
    ratios = mr_ratios(structures, scene.structures[0], scene, how.weighting)
    if how.contrast is not None:
        ratios = scaled(ratios, whole, how.contrast)
    around = _surroundings(moved, ill, lesion)
    return {label: ratio * around for label, ratio in ratios.items()}


def _surroundings(moved: Array, ill: Phantom, lesion: Lesion) -> float:
    """Return the image's typical value in the host around the lesion."""
    filled = ill.occupancy(*part_labels(ill.structures, lesion.number).values()) > 0
    distance = ndimage.distance_transform_edt(~filled, sampling=ill.grid.spacing_mm)
    shell = (distance > 1.5) & (distance < 10.0) & (ill.occupancy(HOST) > 0.9)
    values = moved[shell] if shell.any() else moved[distance < 10.0]
    return float(np.median(values))


def _blended(moved: Array, ill: Phantom, lesion: Lesion, worth: Mapping[int, float], blur_px: float, noise: Noise, *,
             airy: bool, rng: np.random.Generator) -> Array:
    """Return the image with the lesion in it.

    The image is parted into structure and noise. The lesion's share b of each voxel, blurred as the image is, takes
    the place of the structure; noise of the image's own kind takes the place of the noise by cos and sin of the same
    share, so that its spread stays what it was: at b = 0 nothing changes, and at b = 1 nothing is left.
    """
    labels = part_labels(ill.structures, lesion.number)
    strand = [s.label for s in lesion.structures if s.label not in labels.values()]
    texture = 1 + ill.texture * np.float32(TEXTURE_UNIT)
    structure = ndimage.gaussian_filter(moved, (0, SMOOTH_PX, SMOOTH_PX))
    around = _surroundings(moved, ill, lesion)
    replaced, added, share_of_all = (np.zeros_like(moved) for _ in range(3))
    offset = 1000.0 if airy else 0.0  # HU scale with density above vacuum
    for part, label in labels.items():
        filled = _blur(ill.occupancy(label), blur_px)
        value = (worth[label] + offset) * texture - offset
        if part in MIXED_PARTS:
            added += filled * _gain(value, around, airy) * _kept(moved, around, airy)
        else:
            replaced += filled * value
            share_of_all += filled
    for label in strand:
        if label in worth:
            filled = _blur(ill.occupancy(label), blur_px)
            replaced += filled * worth[label]
            share_of_all += filled
    share = np.clip(share_of_all, 0, 1)
    fresh = noise.draw(moved.shape, rng=rng)
    angle = share * np.float32(np.pi / 2)
    return np.asarray((1 - share) * structure + replaced + added + np.cos(angle) * (moved - structure)
                      + np.sin(angle) * fresh, np.float32)


def _blur(share: Array, blur_px: float) -> Array:
    return np.asarray(ndimage.gaussian_filter(share, (0, blur_px, blur_px), mode="nearest"), np.float32)


def _gain(value: Array, around: float, airy: bool) -> Array:
    """Return what a mixed part adds to its surroundings: in lung it takes the place of a share of the air."""
    if not airy or around > AIRY_HU:
        return np.asarray(value - around, np.float32)
    return np.asarray((value - LUNG_HU) * (around / LUNG_HU), np.float32)


def _kept(moved: Array, around: float, airy: bool) -> Array | float:
    """Return how much of a mixed part a voxel takes: in lung, none where it is a vessel already."""
    if not airy or around > AIRY_HU:
        return 1.0
    return np.asarray(np.clip((DENSE_HU - moved) / (DENSE_HU - around), 0, 1), np.float32)


def _as_type(values: Array, like: NDArray[Any]) -> NDArray[Any]:
    if like.dtype.kind in "iu":
        limits = np.iinfo(like.dtype)
        return np.clip(np.rint(values), limits.min, limits.max).astype(like.dtype)
    return values.astype(like.dtype)


def _record(image: Volume, after: NDArray[Any], ill: Phantom, healthy: Phantom, anatomy: Phantom, lesion: Lesion,
            scene: Scene, low: Index) -> LesionRecord:
    quantity = image.quantity
    scanner = ScannerRecord("CT" if quantity == "HU" else "MR", "own image", {}, (0.0, 1.0))
    grid = ill.grid
    at = tuple(slice(a, a + n) for a, n in zip(low, grid.shape_kji, strict=True))
    acquired = Acquired(Volume(after, grid, quantity), ill, healthy, Volume(image.array[at], grid, quantity), scanner,
                        {}, anatomy=anatomy)
    record = measure_lesion(acquired, lesion, scene)
    centre, box = record.centre_kji, record.box_kji
    return replace(
        record, centre_kji=None if centre is None else (centre[0] + low[0], centre[1] + low[1], centre[2] + low[2]),
        box_kji=None if box is None else (_shifted(box[0], low), _shifted(box[1], low)),
        axial_slice_k=None if record.axial_slice_k is None else record.axial_slice_k + low[0])


def _shifted(corner: Index, low: Index) -> Index:
    return corner[0] + low[0], corner[1] + low[1], corner[2] + low[2]
