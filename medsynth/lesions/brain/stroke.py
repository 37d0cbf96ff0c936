"""Ischaemic stroke: an infarct within one artery's territory, or a lacune; its looks by its age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.brain.cranium import (
    CEREBRUM,
    WHITE,
    displaced_share,
    midline,
    midline_shift_mm,
    near_host,
    present,
    side_of,
    structure_at,
)
from medsynth.lesions.distributions import Distribution, LogNormal, Options, choose
from medsynth.lesions.effect import mass_effect
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.form import blob, random_axes, random_quaternion, turn_of
from medsynth.lesions.host import Host, host, labels_of, point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.placement import Ball, keeps_apart, one_by_one
from medsynth.lesions.spreading import front, near_box, shortest_ways
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Push, Scene, Structure, Texture
from medsynth.shapes.base import Shape
from medsynth.shapes.blend import Intersection
from medsynth.shapes.noise import CoherentNoise
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.warp import Warped

INFARCT = Code("432504007", "Cerebral infarction")

Territory = Literal["MCA", "ACA", "PCA", "lacunar"]
# The middle cerebral artery leads; the others' shares are unverified.
TERRITORIES: dict[Territory, float] = {"MCA": 0.58, "PCA": 0.13, "ACA": 0.07, "lacunar": 0.22}
ARTERIES = {"MCA": "middle_cerebral_artery", "ACA": "anterior_cerebral_artery", "PCA": "posterior_cerebral_artery"}
LACUNES = ("putamen_*", "thalamus_*", "caudate_*", "pallidum_*", "pons", *WHITE)
Stage = Literal["hyperacute", "acute", "subacute", "chronic"]
STAGES: tuple[tuple[float, Stage], ...] = ((0.0, "hyperacute"), (0.25, "acute"), (8.0, "subacute"), (45.0, "chronic"))
# CT number of grey and of white matter by age in days: little before six hours, then the ribbon is lost, at last fluid
# (unverified; 1 % of water is 1.3 to 2 HU).
AGES_DAYS = (0.0, 0.12, 0.25, 1.0, 3.0, 8.0, 21.0, 60.0)
GREY_HU = (38.0, 36.0, 33.0, 25.5, 21.0, 22.5, 20.0, 12.0)
WHITE_HU = (29.0, 28.5, 27.0, 23.5, 20.0, 21.0, 18.0, 11.5)
SWELLING = ((0.0, 0.25, 1.0, 3.0, 7.0, 14.0), (0.0, 0.02, 0.09, 0.2, 0.1, 0.0))  # push over radius (unverified)
SITES = 40
RANGE_MM = 95.0
OPEN_SHARE = 0.3
SPECKLE = Texture(octaves=((4.0, 0.004), (10.0, 0.004)))


class StrokeOptions(Options):
    """Infarcts of one recipe entry.

    Attributes
    ----------
    count : how many.
    volume_ml : of an infarct of a large artery's territory.
    lacune_mm : diameter of a lacune.
    age_days : since the artery closed; 0.1 is about two hours.
    territories : weights.
    sides : weights.
    """

    count: Distribution = Field(default=1, validate_default=True)
    volume_ml: Distribution = LogNormal(median=22, sigma=1.1, low=1.5, high=220)
    lacune_mm: Distribution = LogNormal(median=7, sigma=0.4, low=3, high=15)
    age_days: Distribution = LogNormal(median=1.5, sigma=1.0, low=0.1, high=400)
    territories: dict[Territory, float] = Field(default=TERRITORIES)
    sides: dict[Literal["left", "right"], float] = Field(default={"left": 1.0, "right": 1.0})


class StrokeSpec(Options):
    """One infarct in plain numbers."""

    kind: Literal["ischaemic_stroke"] = "ischaemic_stroke"
    volume_ml: float = Field(gt=0, le=400)
    centre_mm: Vector
    reach_mm: float
    host: str
    territory: Territory
    side: Literal["left", "right"]
    age_days: float = Field(ge=0)
    axes: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    shape_seed: int = Field(ge=0)


def stage_of(age_days: float) -> Stage:
    """Return the stage of an infarct.

    Examples
    --------
    >>> stage_of(0.1), stage_of(2), stage_of(100)
    ('hyperacute', 'acute', 'chronic')
    """
    return next(name for first, name in reversed(STAGES) if age_days >= first)


def sample_specs(options: StrokeOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the infarcts of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def _sample_one(options: StrokeOptions, scene: Scene, taken: Sequence[Ball], *, rng: np.random.Generator
                ) -> StrokeSpec:
    volume, lacune, age = (float(one.sample(rng=rng)) for one in (options.volume_ml, options.lacune_mm,
                                                                  options.age_days))
    territory, side = choose(dict(options.territories), rng=rng), choose(dict(options.sides), rng=rng)
    volume = np.pi / 6000 * lacune**3 if territory == "lacunar" else volume
    radius = float(np.cbrt(750 * volume / np.pi))
    form: dict[str, Any] = {"axes": random_axes(0.15, rng=rng), "quaternion": random_quaternion(rng=rng),
            "shape_seed": int(rng.integers(2**53))}
    if territory == "lacunar":
        places = host(scene, *LACUNES).points(8 * SITES, rng=rng, depth_mm=(0.45 * lacune, 40.0))
        places = places[[side_of(scene, point(p)) == side for p in places]] if len(places) else places
    else:
        medium, weight, _ = supplied(scene, territory, side)
        places = medium.points(SITES, rng=rng, weight=weight)
        if volume > float((weight * medium.share).sum()) * medium.grid.voxel_volume_mm3 / 1000:
            places = places[:0]  # more than the whole territory
    for tried, centre in enumerate(places):
        if not keeps_apart(centre, radius, taken):
            continue
        one = StrokeSpec(volume_ml=round(volume, 5), centre_mm=point(centre), reach_mm=round(radius, 3),
                         host=structure_at(scene, point(centre), *(LACUNES if territory == "lacunar" else CEREBRUM)),
                         territory=territory, side=side, age_days=age, **form)
        try:
            _region(one, scene)
        except PlacementError:
            if tried > 4 and territory != "lacunar":
                break
            continue
        return one
    raise PlacementError(f"lesions.ischaemic_stroke found no place for one of volume_ml {volume:.2f} in territory "
                         f"{territory} on the {side} side")


@lru_cache(maxsize=6)
def supplied(scene: Scene, territory: str, side: str) -> tuple[Host, NDArray[np.float32], SampledShape]:
    """Return the cerebrum, where (k, j, i) it belongs to an artery, and what lies nearest to that artery as a shape."""
    medium = host(scene, *present(scene, *CEREBRUM))
    owner = np.zeros(medium.share.shape, np.uint8)
    names = [(f"{artery}_{s}", key, s) for key, artery in ARTERIES.items() for s in ("left", "right")]
    for index, (name, _, _) in enumerate(names, start=1):
        tubes = scene.vessels[name]
        t = np.linspace(0, 1, 5)[:, None, None]
        cloud = (tubes.starts_mm + t * (tubes.ends_mm - tubes.starts_mm)).reshape(-1, 3)
        at = np.rint(medium.grid.index_kji(cloud)).astype(int)
        at = at[np.all((at >= 0) & (at < owner.shape), axis=1)]
        owner[tuple(at.T)] = index
    nearest = ndimage.distance_transform_edt(owner == 0, return_distances=False, return_indices=True)
    wanted = 1 + [(key, s) for _, key, s in names].index((territory, side))
    k, j, i = np.meshgrid(*[np.arange(n, dtype=float) for n in medium.share.shape], indexing="ij")
    left = midline(scene).left_mm(medium.grid.world_mm(np.stack([k, j, i], axis=-1)))
    own_side = left > 0 if side == "left" else left < 0
    own = (owner[tuple(nearest)] == wanted) & own_side
    step = medium.grid.spacing_mm[0]
    border = np.where(own, -ndimage.distance_transform_edt(own), ndimage.distance_transform_edt(~own)) * step
    shape = SampledShape(ndimage.gaussian_filter(border.astype(np.float32), 0.6), medium.grid.origin_mm, step)
    return medium, (own & (medium.share > 0.5)).astype(np.float32), shape


def _pushes(one: StrokeSpec, scene: Scene) -> tuple[Push, ...]:
    """Return the swelling of the first days: from the middle of the infarct outwards."""
    radius = float(np.cbrt(750 * one.volume_ml / np.pi))
    push = float(np.interp(one.age_days, *SWELLING)) * radius
    if one.territory == "lacunar" or push < 0.4:
        return ()
    return (mass_effect(one.centre_mm, max(3.2 * radius, 25.0), push, within=scene.fields["cranial_cavity"]),)


def _region(one: StrokeSpec, scene: Scene) -> tuple[Shape, tuple[Push, ...], tuple[int, ...]]:
    """Return the infarct, its swelling, and the labels that it covers."""
    if one.territory == "lacunar":
        labels = labels_of(scene, *present(scene, *LACUNES))
        reach = 3.5 * float(np.cbrt(750 * one.volume_ml / np.pi)) * max(one.axes)
        around = near_host(scene, labels, one.centre_mm, reach)
        body = blob(one.centre_mm, 1000 * one.volume_ml, axes=one.axes, turn=turn_of(one.quaternion), lobulation=0.2,
                    seed=Seed(one.shape_seed), host=around, cut=True)
        return body, (), labels
    medium, _, territory = supplied(scene, one.territory, one.side)
    pushes = _pushes(one, scene)
    within: Shape = Warped(territory, pushes[0].warp) if pushes else territory
    inside = np.clip(0.5 - territory.values_mm / territory.step_mm, 0, 1)
    counted = (medium.share * inside).astype(np.float32)
    share = displaced_share(Host(medium.names, medium.labels, medium.phantom, counted), pushes)
    centre = medium.grid.index_kji(np.asarray(one.centre_mm))
    at = near_box(share.shape, centre, RANGE_MM / medium.grid.spacing_mm[0])
    open_ = share[at] > OPEN_SHARE
    where = np.argwhere(open_)
    if not len(where):
        raise PlacementError("an infarct lies outside its territory")
    offset = np.array([s.start for s in at])
    slow = np.ones(open_.shape)
    slow[open_] = np.exp(0.3 * CoherentNoise(Seed(one.shape_seed).child("edge").integer(32), 16.0).at(
        medium.grid.world_mm((where + offset).astype(float))))
    source = np.zeros(open_.shape, bool)
    source[tuple(where[np.argmin(np.linalg.norm(where + offset - centre, axis=1))])] = True
    ways = np.full(share.shape, np.inf)
    ways[at] = shortest_ways(open_, slow, source, medium.grid.spacing_mm[0])
    cut = Intersection(front(ways, share, 1000 * one.volume_ml, medium.grid), within)
    return cut, pushes, medium.labels


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build infarct `number` from its spec alone."""
    one = checked_spec(StrokeSpec, spec, number)
    region, pushes, over = _region(one, scene)
    grey, white = _matter(one, number)
    pale = labels_of(scene, *present(scene, *WHITE, "corpus_callosum", "fornix", "pons"))
    dark = tuple(label for label in over if label not in pale)
    paints = [Paint(region, (Layer(white.label),), tuple(label for label in over if label in pale)),
              Paint(region, (Layer(grey.label),), dark)]
    stage = stage_of(one.age_days)
    return Lesion(number, one.kind, INFARCT, (grey, white), tuple(p for p in paints if p.over), one.host, {
        "type": "lacunar" if one.territory == "lacunar" else "territorial", "territory": one.territory,
        "side": one.side, "stage": stage, "age_days": round(one.age_days, 3),
        "restricted_diffusion": stage in ("hyperacute", "acute"),
        "midline_shift_mm": round(abs(midline_shift_mm(scene, pushes)), 2)}, one.model_dump(mode="json"),
        pushes=pushes)


def _matter(one: StrokeSpec, number: int) -> tuple[Structure, Structure]:
    """Return what was grey and what was white matter: of the same MR values, of CT numbers that draw level."""
    tissue = f"infarct_{stage_of(one.age_days)}"
    grey, white = (float(np.interp(one.age_days, AGES_DAYS, values)) for values in (GREY_HU, WHITE_HU))
    return (lesion_part(number, "change", tissue, INFARCT, whole=True, texture=SPECKLE,
                        mixture=mixture_for_hu(tissue, grey)),
            lesion_part(number, "core", tissue, INFARCT, texture=SPECKLE, mixture=mixture_for_hu(tissue, white)))


FAMILY = Family("ischaemic_stroke", "Ischaemic stroke by territory, lacunes; hours to years old", StrokeOptions,
                sample_specs, insert, ("head",))
