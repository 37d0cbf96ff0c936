"""Cysts of the breast: round or oval, sharp, filled with fluid, within a thin wall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field

from medsynth.core.errors import PlacementError
from medsynth.core.seed import Seed
from medsynth.lesions.breast.place import breast_of, breast_words, covered_labels, gland_weight
from medsynth.lesions.distributions import Distribution, Fixed, LogNormal, Options, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.form import blob, random_axes, random_quaternion, turn_of
from medsynth.lesions.host import point
from medsynth.lesions.matter import lesion_part
from medsynth.lesions.placement import Ball, keeps_apart, one_by_one
from medsynth.lesions.weights import Weight, some_weight
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene

Content = Literal["simple", "complicated"]

CYST = Code("4147007", "Mass")
SITES = 80  # places tried
WALL_MM = 0.4  # unverified: below what is seen by itself
# Fluid of a simple cyst is nearly water; that of a complicated one holds protein and debris (unverified).
FLUID = {"simple": "csf", "complicated": "necrosis"}


class BreastCystOptions(Options):
    """Cysts of one recipe entry.

    Attributes
    ----------
    count : how many.
    diameter_mm : of the sphere with the cyst's volume, its wall included.
    contents : relative weights of `simple` and `complicated`.
    """

    count: Distribution = Fixed(value=1)
    diameter_mm: Distribution = LogNormal(median=14, sigma=0.5, low=4, high=50)
    contents: Annotated[dict[Content, Weight], AfterValidator(some_weight)] = Field(
        default={"simple": 0.85, "complicated": 0.15})


class BreastCystSpec(Options):
    """One cyst in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["breast_cyst"] = "breast_cyst"
    diameter_mm: float = Field(gt=0, le=100)
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)
    content: Content
    axes: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    shape_seed: int = Field(ge=0)


def sample_specs(options: BreastCystOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the cysts of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def _sample_one(options: BreastCystOptions, scene: Scene, taken: Sequence[Ball], *,
                rng: np.random.Generator) -> BreastCystSpec:
    diameter = float(options.diameter_mm.sample(rng=rng))
    axes = random_axes(0.14, rng=rng)
    form: dict[str, Any] = {"diameter_mm": round(diameter, 3), "content": choose(options.contents, rng=rng),
                            "axes": axes, "quaternion": random_quaternion(rng=rng),
                            "shape_seed": int(rng.integers(2**53))}
    reach = 0.5 * diameter * max(axes) * 1.06
    whole = breast_of(scene)
    for centre in whole.points(SITES, rng=rng, depth_mm=(0.55 * diameter + 1.0, np.inf), weight=gland_weight(scene)):
        if keeps_apart(centre, reach, taken):
            return BreastCystSpec(centre_mm=point(centre), reach_mm=round(reach, 3), **form)
    raise PlacementError(f"lesions.breast_cyst found no place for one of diameter_mm {diameter:.1f} in the breast, "
                         f"which is {2 * float(whole.depth_mm.max()):.0f} mm thick")


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(BreastCystSpec, spec, number)
    body = blob(one.centre_mm, np.pi / 6 * one.diameter_mm**3, axes=one.axes, turn=turn_of(one.quaternion),
                roughness=0.01, seed=Seed(one.shape_seed).child("body"), host=breast_of(scene).shape, cut=True)
    made = (lesion_part(number, "wall", "connective_tissue", CYST),
            lesion_part(number, "fluid", FLUID[one.content], CYST, whole=True))
    paint = Paint(body, (Layer(made[0].label), Layer(made[1].label, WALL_MM)), covered_labels(scene),
                  lattice_mm=float(np.clip(one.diameter_mm / 40, 0.2, 0.6)))
    ratio = max(one.axes) / min(one.axes)
    attributes = {"bi_rads_shape": "oval" if ratio > 1.15 else "round", "bi_rads_margin": "circumscribed",
                  "bi_rads_density": "equal", "content": one.content, **breast_words(scene, one.centre_mm)}
    return Lesion(number, one.kind, CYST, made, (paint,), "breast_fat", attributes, one.model_dump(mode="json"))


FAMILY = Family("breast_cyst", "Breast cysts, simple or complicated", BreastCystOptions, sample_specs, insert,
                ("breast",))
