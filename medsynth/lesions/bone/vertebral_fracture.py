"""Compression fractures of vertebral bodies: wedge, biconcave and crush, by the height that is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field

from medsynth.core.errors import PlacementError
from medsynth.lesions.bone.genant import genant_grade
from medsynth.lesions.bone.vertebra import (
    ORDER,
    Deformity,
    Vertebra,
    compression,
    heights_mm,
    vertebra,
)
from medsynth.lesions.distributions import Distribution, Fixed, Options, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import host, labels_of, point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.placement import Ball, keeps_apart, one_by_one
from medsynth.lesions.weights import Weight, some_weight
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Push, Scene, Structure, Texture
from medsynth.shapes.blend import Intersection, Offset
from medsynth.shapes.lattice_warp import LatticeWarp
from medsynth.shapes.primitives import RoundBox
from medsynth.shapes.sampled import sample
from medsynth.shapes.warp import Warped

Age = Literal["acute", "old"]

FRACTURE = Code("125605004", "Fracture of bone")
TRIES = 40
LOSS_LIMITS = (0.05, 0.6)
# Most osteoporotic fractures lie in the middle of the thoracic spine and at the thoracolumbar junction (weights
# unverified).
LEVEL_WEIGHT: Mapping[str, float] = {"T12": 2.2, "L1": 2.4, "T11": 1.5, "L2": 1.4, "T7": 1.3, "T8": 1.4, "L3": 1.0}
BAND_MM = (1.5, 3.0)  # half thickness of the band of broken trabeculae, before it is pressed together
BAND_HU = {"acute": (330.0, 480.0), "old": (260.0, 380.0)}
WATER_SHARE = 0.35  # of the marrow, in the oedema of a fresh fracture (unverified)
CLEAR_MM = 18.0  # of a vertebra's middle from the ends of the scan
SHELL_MM = 0.8  # the cortex keeps its matter


class VertebralFractureOptions(Options):
    """Compression fractures of one recipe entry.

    Attributes
    ----------
    count : how many vertebrae.
    deformities : relative weights.
    loss : largest share of the height that is lost, of front, middle and back. Genant's grades begin at 0.20, 0.25
        and 0.40.
    ages : relative weights; marrow around a fresh fracture holds water, an old one is only deformed.
    levels : relative weights; left out, those of osteoporosis.
    """

    count: Distribution = Fixed(value=1)
    deformities: Annotated[dict[Deformity, Weight], AfterValidator(some_weight)] = Field(
        default={"wedge": 0.55, "biconcave": 0.3, "crush": 0.15})
    loss: Distribution = Uniform(low=0.2, high=0.5)
    ages: Annotated[dict[Age, Weight], AfterValidator(some_weight)] = Field(default={"acute": 0.5, "old": 0.5})
    levels: Annotated[dict[str, Weight], AfterValidator(some_weight)] | None = None


class VertebralFractureSpec(Options):
    """One fracture in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["vertebral_fracture"] = "vertebral_fracture"
    level: str
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)
    deformity: Deformity
    loss: float = Field(ge=LOSS_LIMITS[0], le=LOSS_LIMITS[1])
    age: Age
    band_mm: float
    band_hu: float


def sample_specs(options: VertebralFractureOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the fractures of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If there is no vertebra left.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def _sample_one(options: VertebralFractureOptions, scene: Scene, taken: Sequence[Ball], *,
                rng: np.random.Generator) -> VertebralFractureSpec:
    age = choose(options.ages, rng=rng)
    form: dict[str, Any] = {
        "deformity": choose(options.deformities, rng=rng), "age": age,
        "loss": float(np.clip(options.loss.sample(rng=rng), *LOSS_LIMITS)), "band_mm": float(rng.uniform(*BAND_MM)),
        "band_hu": float(rng.uniform(*BAND_HU[age]))}
    usual = {level: LEVEL_WEIGHT.get(level, 0.7) for level in ORDER if level[0] in "TL"}
    weights = {level: weight for level, weight in (options.levels or usual).items() if _whole(scene, level)}
    for _ in range(TRIES if sum(weights.values()) > 0 else 0):
        one = vertebra(scene, choose(weights, rng=rng))
        reach = one.half_height_mm  # neighbours may break too: what is pressed lies within the body
        if keeps_apart(np.asarray(one.middle_mm), reach, taken):
            return VertebralFractureSpec(level=one.level, centre_mm=one.middle_mm, reach_mm=round(reach, 3), **form)
    raise PlacementError("lesions.vertebral_fracture found no whole vertebra of "
                         f"{sorted(weights) or 'the levels asked for'} that is free in body {scene.body!r}")


def _whole(scene: Scene, level: str) -> bool:
    """Tell whether the scans of this body show a whole vertebra of this level."""
    ranges = np.array([*scene.scan_range_mm.values()])
    low, high = ranges[:, 0].min() + CLEAR_MM, ranges[:, 1].max() - CLEAR_MM
    if level not in scene.landmarks or not low < scene.landmarks[level][2] < high:
        return False
    try:
        vertebra(scene, level)
    except PlacementError:
        return False
    return True


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    spec_of = checked_spec(VertebralFractureSpec, spec, number)
    one = vertebra(scene, spec_of.level)
    warp = compression(one, spec_of.deformity, spec_of.loss)
    name = f"vertebra_{spec_of.level}"
    made = _structures(spec_of, number)
    marrow = tuple(label for label in labels_of(scene, name) if label != scene.structure(name).label)
    band, body = _shapes(spec_of, one, scene, warp)
    wet = (made["oedema"].label,) if "oedema" in made else ()
    paints = [Paint(band, (Layer(made["bone"].label),), (*marrow, *wet))]
    if "oedema" in made:
        paints.insert(0, Paint(body, (Layer(made["oedema"].label),), marrow))
    before, after = heights_mm(one), heights_mm(one, warp)
    lost = 1 - after / before
    attributes = {"level": spec_of.level, "deformity": spec_of.deformity, "age": spec_of.age,
                  "genant_grade": genant_grade(float(lost.max()) + 1e-6), "height_loss": round(float(lost.max()), 4)}
    for place, was, is_now in zip(("anterior", "middle", "posterior"), before, after, strict=True):
        attributes |= {f"{place}_height_mm": round(float(is_now), 2), f"{place}_height_before_mm": round(float(was), 2)}
    return Lesion(number, spec_of.kind, FRACTURE, tuple(made.values()), tuple(paints), name, attributes,
                  spec_of.model_dump(mode="json"), pushes=(Push(warp, warp.bounds_mm),))


def _shapes(spec_of: VertebralFractureSpec, one: Vertebra, scene: Scene, warp: LatticeWarp) -> tuple[Warped, Warped]:
    """Return the band of broken trabeculae below the endplate and the vertebral body, both pressed together."""
    bone = Offset(host(scene, f"vertebra_{spec_of.level}").shape, -SHELL_MM)
    under = float(one.ends_mm[1].mean()) - 2.2 * spec_of.band_mm
    half = (one.half_depth_mm + 2.0, one.half_width_mm + 4.0)
    slab, box = (RoundBox(point(one.world(np.array([0.0, 0.0, at]))), half, turn=one.turn) for at, half in (
        (under, (*half, spec_of.band_mm)), (0.0, (half[0] - 1, half[1], one.half_height_mm + 6.0))))
    return tuple(Warped(sample(Intersection(part, bone), 0.7), warp) for part in (slab, box))  # type: ignore[return-value]


def _structures(spec_of: VertebralFractureSpec, number: int) -> dict[str, Structure]:
    fresh = spec_of.age == "acute"
    dense = mixture_for_hu("red_marrow", spec_of.band_hu, dense="cortical_bone")
    made = {"bone": lesion_part(number, "bone", "red_marrow", FRACTURE, whole=not fresh, mixture=dense,
                                texture=Texture(octaves=((2.5, 0.03), (6.0, 0.02))))}
    if fresh:
        wet = (("synovial_fluid", WATER_SHARE), ("cortical_bone", 0.13))
        made["oedema"] = lesion_part(number, "oedema", "red_marrow", FRACTURE, whole=True, mixture=wet,
                                     texture=Texture(octaves=((9.0, 0.018), (3.5, 0.022))), enhancement="marrow")
    return made


FAMILY = Family("vertebral_fracture", "Compression fractures of vertebrae with Genant's grades",
                VertebralFractureOptions, sample_specs, insert, ("thorax", "abdomen", "pelvis", "torso"))
