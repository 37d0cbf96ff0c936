"""Bone islands (enostoses): dense cortical bone in the marrow with a thorny edge; the mimic of blastic metastases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field

from medsynth.core.seed import Seed
from medsynth.lesions.bone.sites import Region, bone_near, bone_words, find_place
from medsynth.lesions.distributions import Distribution, Fixed, LogNormal, Normal, Options
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.form import blob, random_axes, random_quaternion, turn_of
from medsynth.lesions.host import point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.placement import Ball, one_by_one
from medsynth.lesions.strands import strands
from medsynth.lesions.volume import radius_for_volume, volume_integral
from medsynth.lesions.weights import Weight, some_weight
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene

ISLAND = Code("52988006", "Lesion")
THORNS = (8, 24)  # on small and on large ones
THORN_LENGTH, THORN_MM = 0.45, (0.35, 0.65)  # of the radius; radii where they leave it


class EnostosisOptions(Options):
    """Bone islands of one recipe entry.

    Attributes
    ----------
    count : how many.
    diameter_mm : of the sphere with the island's volume, thorns included; usually below 20 mm.
    regions : relative weights; those that the body has not are left out.
    hu : mean CT number at 120 kVp, 1190 +- 239 HU (doi:10.2214/AJR.15.15020).
    """

    count: Distribution = Fixed(value=1)
    diameter_mm: Distribution = LogNormal(median=8, sigma=0.4, low=3, high=20)
    regions: Annotated[dict[Region, Weight], AfterValidator(some_weight)] = Field(
        default={"pelvis": 0.4, "spine": 0.3, "femur": 0.2, "ribs": 0.1})
    hu: Distribution = Normal(mean=1190, sd=239, low=650, high=1750)


class EnostosisSpec(Options):
    """One bone island in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["enostosis"] = "enostosis"
    diameter_mm: float = Field(gt=0, le=50)
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)
    host: str
    axes: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    hu: float
    shape_seed: int = Field(ge=0)


def sample_specs(options: EnostosisOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the bone islands of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def _sample_one(options: EnostosisOptions, scene: Scene, taken: Sequence[Ball], *,
                rng: np.random.Generator) -> EnostosisSpec:
    diameter = float(options.diameter_mm.sample(rng=rng))
    form: dict[str, Any] = {"diameter_mm": round(diameter, 3), "axes": random_axes(0.16, rng=rng),
                            "quaternion": random_quaternion(rng=rng), "hu": float(options.hu.sample(rng=rng)),
                            "shape_seed": int(rng.integers(2**53))}
    reach = 0.5 * diameter * (1.3 + THORN_LENGTH)
    centre, bone = find_place(scene, options.regions, diameter, taken, reach_mm=reach, depth_mm=(2.0, np.inf),
                              kind="enostosis", rng=rng)
    return EnostosisSpec(centre_mm=point(centre), reach_mm=round(reach, 3), host=bone, **form)


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(EnostosisSpec, spec, number)
    bone = bone_near(scene, one.host, one.centre_mm, 1.6 * one.diameter_mm)
    seed = Seed(one.shape_seed)
    wanted = np.pi / 6 * one.diameter_mm**3
    body = blob(one.centre_mm, wanted, axes=one.axes, turn=turn_of(one.quaternion), roughness=0.06, fraying=0.05,
                seed=seed.child("body"), host=bone.shape, cut=True)
    count = round(float(np.interp(one.diameter_mm, (4, 16), THORNS)))
    thorns = strands(body, bone.shape, count, THORN_LENGTH * body.radius_mm, base_mm=THORN_MM, least_depth_mm=0.5,
                     seed=seed.child("thorns"))
    reach = 2.8 * max(one.axes) * one.diameter_mm / 2
    body = body.with_radius(radius_for_volume(volume_integral(body, reach, bone.shape, added=thorns), wanted, reach))
    mixture = mixture_for_hu("cortical_bone", one.hu) if one.hu > 1500 else mixture_for_hu("red_marrow", one.hu,
                                                                                          dense="cortical_bone")
    made = (lesion_part(number, "bone", "red_marrow", ISLAND, whole=True, mixture=mixture),
            lesion_part(number, "spicules", "red_marrow", ISLAND, mixture=mixture))
    paints = (Paint(thorns, (Layer(made[1].label),), bone.labels),
              Paint(body, (Layer(made[0].label),), bone.labels, float(np.clip(one.diameter_mm / 45, 0.15, 0.5))))
    return Lesion(number, one.kind, ISLAND, made, paints, one.host, bone_words(scene, one.host, one.centre_mm),
                  one.model_dump(mode="json"))


FAMILY = Family("enostosis", "Bone islands, the mimic of blastic metastases", EnostosisOptions, sample_specs, insert,
                ("thorax", "abdomen", "pelvis", "torso"))
