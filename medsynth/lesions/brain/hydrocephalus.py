"""Hydrocephalus: ventricles pushed open, with fluid pressed into the white matter around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from medsynth.core.errors import GeometryError, PlacementError
from medsynth.core.grid import Vector
from medsynth.lesions.brain.cranium import WHITE, brain_host, midline, present
from medsynth.lesions.distributions import Distribution, Options, Uniform
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import host, labels_of, point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Push, Scene
from medsynth.shapes.blend import Offset
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.lattice_warp import lattice_warp
from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.warp import Warp, Warped

HYDROCEPHALUS = Code("230745008", "Hydrocephalus")

OPENED = ("lateral_ventricle_*", "third_ventricle", "choroid_plexus_*")
STEP_MM = 2.5
GIVES_WAY_MM = 40.0  # from the wall: farther off nothing moves (unverified)
FADE_MM = 12.0  # below the skull from which on the push is whole
FRONTAL = 0.35  # of the lateral ventricles' length, from in front: the frontal horns
ABOVE = 0.4  # share of them below: the temporal horns, which reach forward too
REACH_MM = 4.0


class HydrocephalusOptions(Options):
    """Hydrocephalus of one recipe entry; at most one a person.

    Attributes
    ----------
    count : 0 or 1.
    opening_mm : how far the walls move apart, each.
    oedema_mm : thickness of the wet white matter around the ventricles; 0 for none, as in normal pressure.
    oedema_hu : its mean CT number.
    """

    count: Distribution = Field(default=1, validate_default=True)
    opening_mm: Distribution = Uniform(low=3.0, high=8.0)
    oedema_mm: Distribution = Uniform(low=2.0, high=6.0)
    oedema_hu: Distribution = Uniform(low=16, high=22)


class HydrocephalusSpec(Options):
    """One hydrocephalus in plain numbers."""

    kind: Literal["hydrocephalus"] = "hydrocephalus"
    opening_mm: float = Field(gt=0, le=20)
    oedema_mm: float = Field(gt=0, le=15)
    oedema_hu: float
    centre_mm: Vector
    reach_mm: float
    host: str


def sample_specs(options: HydrocephalusOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the hydrocephalus of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If there is one already.
    """
    count = int(options.count.sample(rng=rng))
    if count + sum(other["kind"] == "hydrocephalus" for other in taken) > 1:
        raise PlacementError(f"lesions.hydrocephalus found no place for {count}: one case has one at most")
    opening, wet, hu = (float(one.sample(rng=rng)) for one in (options.opening_mm, options.oedema_mm,
                                                               options.oedema_hu))
    third = host(scene, "third_ventricle")
    centre = third.grid.world_mm(np.argwhere(third.share >= 0.5).mean(axis=0))
    return [HydrocephalusSpec(opening_mm=round(opening, 3), oedema_mm=round(max(wet, 0.5), 3), oedema_hu=hu,
                              centre_mm=point(centre), reach_mm=REACH_MM, host="lateral_ventricle_left"
                              ).model_dump(mode="json")] * count


@lru_cache(maxsize=4)
def walls(scene: Scene) -> SampledShape:
    """Return lateral and third ventricles with their plexus as a shape, right as far as the brain reaches."""
    brain = brain_host(scene)
    inside = brain.phantom.occupancy(*labels_of(scene, *present(scene, *OPENED))) >= 0.5
    step = brain.grid.spacing_mm[0]
    within, without = (ndimage.distance_transform_edt(part) * step for part in (inside, ~inside))
    values = ndimage.gaussian_filter(np.where(inside, step / 2 - within, without - step / 2), 0.8)
    return SampledShape(np.ascontiguousarray(values, np.float32), brain.grid.origin_mm, step)


def opened(scene: Scene, opening_mm: float) -> Push:
    """Return how the ventricles' walls move apart: wholly at the wall, less within and farther off.

    Raises
    ------
    GeometryError
        If the map would fold even at half of it.
    """
    shape, cavity = walls(scene), scene.fields["cranial_cavity"]
    low, high = (np.asarray(end) for end in shape.bounds_mm())
    bounds = point(low - GIVES_WAY_MM), point(high + GIVES_WAY_MM)
    points = np.asarray(Lattice(*bounds, STEP_MM).points_mm, float)
    distance = np.asarray(shape.distance_mm(points), float)
    # The slope is small in the middle of a ventricle, where opposite walls part: nothing is torn.
    smooth = ndimage.gaussian_filter(distance, 0.8)
    slope: NDArray[np.float64] = np.stack(list(np.gradient(smooth, STEP_MM))[::-1], axis=-1)
    slope /= np.maximum(np.linalg.norm(slope, axis=-1, keepdims=True), 1.0)
    share = np.clip(1 - np.maximum(distance, 0) / GIVES_WAY_MM, 0, 1) ** 2
    depth = np.clip(-np.asarray(cavity.distance_mm(points), float) / FADE_MM, 0, 1)
    share *= depth * depth * (3 - 2 * depth)
    for part in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5):
        moves = ndimage.gaussian_filter(part * opening_mm * slope * share[..., None], (1, 1, 1, 0))
        try:
            warp = lattice_warp(lambda _, m=moves: m, bounds, STEP_MM)  # type: ignore[misc]
            return Push(warp, warp.bounds_mm)
        except GeometryError:
            continue
    raise GeometryError(f"ventricles cannot open by {opening_mm:g} mm here")


def evans_index(scene: Scene, warp: Warp | None = None) -> float:
    """Return the greatest width of the frontal horns over that of the skull's inside.

    References
    ----------
    Evans 1942 doi:10.1001/archneurpsyc.1942.02290060069004 (recalled).
    """
    horns = host(scene, "lateral_ventricle_*")
    points = horns.grid.world_mm(np.argwhere(horns.share >= 0.5).astype(float))
    low, high = points[:, 1].min(), points[:, 1].max()
    points = points[(points[:, 1] < low + FRONTAL * (high - low)) & (points[:, 2] > np.quantile(points[:, 2], ABOVE))]
    if warp is not None:
        points = points + warp.displacement_mm(points)
    left = midline(scene).left_mm(points)
    level = np.rint(points[:, 2] / 4).astype(int)
    width = max(_span(left[level == k]) for k in np.unique(level)) + horns.grid.spacing_mm[0]
    inner = scene.fields["cranial_cavity"].bounds_mm()
    return width / (inner[1][0] - inner[0][0])


def _span(values: NDArray[np.float64]) -> float:
    return float(np.ptp(values))


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build hydrocephalus `number` from its spec alone."""
    one = checked_spec(HydrocephalusSpec, spec, number)
    push = opened(scene, one.opening_mm)
    wet = lesion_part(number, "oedema", "brain_oedema", HYDROCEPHALUS, whole=True,
                      mixture=mixture_for_hu("brain_oedema", one.oedema_hu))
    halo = Warped(Offset(walls(scene), one.oedema_mm), push.warp)
    before, after = evans_index(scene), evans_index(scene, push.warp)
    white = labels_of(scene, *present(scene, *WHITE, "corpus_callosum"))
    return Lesion(number, one.kind, HYDROCEPHALUS, (wet,), (Paint(halo, (Layer(wet.label),), white, lattice_mm=1.5),),
                  one.host, {"type": "supratentorial", "evans_index": round(after, 4),
                             "evans_index_before": round(before, 4), "enlarged": after > 0.3,
                             "transependymal_oedema": True}, one.model_dump(mode="json"), pushes=(push,))


FAMILY = Family("hydrocephalus", "Hydrocephalus: open ventricles, transependymal oedema, Evans index",
                HydrocephalusOptions, sample_specs, insert, ("head",))
