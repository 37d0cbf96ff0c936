"""Subarachnoid haemorrhage: blood spreads through cisterns and sulci from where a vessel tore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.brain.blood import HIGHEST_HU, MEAN_HU, VOLUME_ML, blood_part, faded_hu, stage_of
from medsynth.lesions.brain.cranium import CISTERNS, side_of
from medsynth.lesions.distributions import Distribution, Options, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import Host, host, point
from medsynth.lesions.spreading import front, near_box, shortest_ways
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene
from medsynth.shapes.noise import CoherentNoise
from medsynth.shapes.sampled import SampledShape

SUBARACHNOID = Code("21454007", "Subarachnoid intracranial hemorrhage")

Origin = Literal["anterior_communicating", "middle_cerebral_left", "middle_cerebral_right", "basilar_tip", "convexity"]
# Where aneurysms rupture, and where a blow tears cortical vessels (shares unverified).
ORIGINS: dict[Origin, float] = {"anterior_communicating": 0.25, "middle_cerebral_left": 0.13,
                                "middle_cerebral_right": 0.13, "basilar_tip": 0.09, "convexity": 0.4}
VESSELS = {"anterior_communicating": "anterior_communicating_artery", "middle_cerebral_left":
           "middle_cerebral_artery_left", "middle_cerebral_right": "middle_cerebral_artery_right",
           "basilar_tip": "basilar_artery"}
LEAST_SHARE = 0.12  # of a voxel that is fluid: blood passes
RANGE_MM = 90.0  # farthest way from its source
UNEVEN = 0.45
REACH_MM = 6.0  # it has no ball of its own: others keep away from its source only
SUPERFICIAL_MM = 7.0
THICK_MM = 1.0  # of a layer, in Fisher's grading: a clot from there on


class SubarachnoidOptions(Options):
    """Subarachnoid haemorrhages of one recipe entry.

    Attributes
    ----------
    count : how many.
    volume_ml : of each.
    fresh_hu : mean CT number at 120 kVp while fresh.
    age_days : since the bleed.
    origins : weights of where it comes from.
    """

    count: Distribution = Field(default=1, validate_default=True)
    volume_ml: Distribution = VOLUME_ML["subarachnoid"]
    fresh_hu: Distribution = MEAN_HU["subarachnoid"]
    age_days: Distribution = Uniform(low=0.1, high=2.0)
    origins: dict[Origin, float] = ORIGINS


class SubarachnoidSpec(Options):
    """One subarachnoid haemorrhage in plain numbers."""

    kind: Literal["subarachnoid_haemorrhage"] = "subarachnoid_haemorrhage"
    volume_ml: float = Field(gt=0, le=1000)
    centre_mm: Vector
    reach_mm: float
    host: str
    origin: Origin
    age_days: float = Field(ge=0)
    hu: float = Field(ge=-10, le=HIGHEST_HU)
    shape_seed: int = Field(ge=0)


def sample_specs(options: SubarachnoidOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the haemorrhages of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    specs: list[dict[str, Any]] = []
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        own = [other for other in (*taken, *specs) if other["kind"] == "subarachnoid_haemorrhage"]
        specs.append(_sample_one(options, scene, own, rng=stream).model_dump(mode="json"))
    return specs


def _sample_one(options: SubarachnoidOptions, scene: Scene, own: Sequence[Mapping[str, Any]], *,
                rng: np.random.Generator) -> SubarachnoidSpec:
    volume, fresh, age = (float(one.sample(rng=rng)) for one in (options.volume_ml, options.fresh_hu, options.age_days))
    origins = dict(options.origins)
    for _ in range(12):
        origin: Origin = choose(origins, rng=rng)
        one = SubarachnoidSpec(
            volume_ml=round(volume, 4), centre_mm=_source(scene, origin, rng), reach_mm=REACH_MM, host=CISTERNS[0],
            origin=origin, age_days=age, hu=round(faded_hu(fresh, age), 3), shape_seed=int(rng.integers(2**53)))
        try:
            region, _ = spread(one, scene)
        except PlacementError:
            continue
        others = [spread(SubarachnoidSpec.model_validate(other), scene)[0] for other in own]
        if not any(_meet(region, other) for other in others):  # two bleeds that meet are one
            return one
    raise PlacementError(f"lesions.subarachnoid_haemorrhage found no place for one of volume_ml {volume:.1f} from "
                         f"{', '.join(origins)}")


def _meet(a: SampledShape, b: SampledShape) -> bool:
    z, y, x = np.nonzero(a.values_mm < 0)
    at = np.asarray(a.origin_mm) + np.stack([x, y, z], axis=-1) * a.step_mm
    return bool((np.asarray(b.distance_mm(at)) < 2.0).any())


def _source(scene: Scene, origin: Origin, rng: np.random.Generator) -> Vector:
    fluid = host(scene, *CISTERNS)
    if origin == "convexity":
        cavity = scene.fields["cranial_cavity"]
        points = fluid.points(60, rng=rng)
        shallow = np.asarray(cavity.distance_mm(points)) > -SUPERFICIAL_MM
        high = points[:, 2] > scene.landmarks["sella"][2] + 20
        points = points[shallow & high] if (shallow & high).any() else points
        return point(points[0])
    tubes = scene.vessels[VESSELS[origin]]
    if origin == "basilar_tip":
        near = tubes.ends_mm[np.argmax(tubes.ends_mm[:, 2])]
    elif origin == "anterior_communicating":
        near = tubes.ends_mm.mean(axis=0)
    else:  # the first bifurcation, about 18 mm along
        away = np.linalg.norm(tubes.ends_mm - tubes.starts_mm[0], axis=1)
        near = tubes.ends_mm[np.argmin(np.abs(away - 18.0))]
    at = fluid.grid.world_mm(np.argwhere(fluid.share > 0.5).astype(float))
    return point(at[np.argmin(np.linalg.norm(at - near, axis=1))])


def spread(one: SubarachnoidSpec, scene: Scene) -> tuple[SampledShape, float]:
    """Return what the blood has reached, by the shortest way through the fluid, and the thickest layer in mm.

    Raises
    ------
    PlacementError
        If there is less fluid within reach than blood.
    """
    fluid = host(scene, *CISTERNS)
    ways = _ways(fluid, one)
    region = front(ways, fluid.share, 1000 * one.volume_ml, fluid.grid)
    known, values = np.isfinite(ways), region.values_mm
    layer = 2 * float(np.max(fluid.depth_mm[known & (values < 0)], initial=0.0))
    return region, layer


def _ways(fluid: Host, one: SubarachnoidSpec) -> NDArray[np.float64]:
    step = fluid.grid.spacing_mm[0]
    centre = fluid.grid.index_kji(np.asarray(one.centre_mm))
    at = near_box(fluid.share.shape, centre, RANGE_MM / step)
    share = fluid.share[at]
    open_ = share > LEAST_SHARE
    where = np.argwhere(open_) + [span.start for span in at]
    slow = np.zeros(open_.shape)
    slow[open_] = np.exp(UNEVEN * CoherentNoise(Seed(one.shape_seed).child("spread").integer(32), 14.0).at(
        fluid.grid.world_mm(where.astype(float)))) / np.sqrt(np.maximum(share[open_], 0.3))
    source = np.zeros(open_.shape, bool)
    source[tuple(where[np.argmin(np.linalg.norm(where - centre, axis=1))] - [span.start for span in at])] = True
    ways = np.full(fluid.share.shape, np.inf)
    ways[at] = shortest_ways(open_, slow, source, step, 1.5 * RANGE_MM)
    return ways


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build haemorrhage `number` from its spec alone."""
    one = checked_spec(SubarachnoidSpec, spec, number)
    region, layer = spread(one, scene)
    blood = blood_part(number, SUBARACHNOID, one.age_days, one.hu)
    fluid = host(scene, *CISTERNS)
    return Lesion(number, one.kind, SUBARACHNOID, (blood,), (Paint(region, (Layer(blood.label),), fluid.labels),),
                  one.host, {
        "type": "convexity" if one.origin == "convexity" else "basal", "origin": one.origin,
        "side": side_of(scene, one.centre_mm), "stage": stage_of(one.age_days), "age_days": round(one.age_days, 3),
        "layer_mm": round(layer, 2), "fisher": 3 if layer >= THICK_MM else 2}, one.model_dump(mode="json"))


FAMILY = Family("subarachnoid_haemorrhage", "Subarachnoid haemorrhage through cisterns and sulci", SubarachnoidOptions,
                sample_specs, insert, ("head",))
