"""Ovarian cysts: simple, bled into, of endometriosis, and dermoids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from medsynth.lesions.abdomen.focal import (
    DIRECTIONS,
    FocalSpec,
    body_of,
    form_of,
    organ,
    part_at,
    pushes_of,
    random_direction,
    roomy_place,
    whole_of,
)
from medsynth.lesions.distributions import Distribution, Fixed, LogNormal, Options, Uniform, choose
from medsynth.lesions.family import Family, Site, checked_spec
from medsynth.lesions.host import point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.pelvis.fibroid import movable
from medsynth.lesions.placement import taken_balls
from medsynth.lesions.star_body import Grains, StarBody
from medsynth.scene.structure import Code, Layer, Lesion, Measured, Paint, Scene, Structure, Texture
from medsynth.shapes.blend import Intersection
from medsynth.shapes.primitives import HalfSpace

Type = Literal["simple", "haemorrhagic", "endometrioma", "dermoid"]
Posture = Literal["supine", "prone", "upright", "left_decubitus", "right_decubitus"]
CYST = Code("79883001", "Cyst of ovary")
OVARIES = ("ovary_right", "ovary_left")
SOFT = ("abdominal_fat", "small_bowel*", "colon*")
WALL_MM: Mapping[str, float] = {"simple": 0.8, "haemorrhagic": 1.5, "endometrioma": 2.0, "dermoid": 1.5}
FLUID_HU: Mapping[str, Distribution] = {"simple": Uniform(low=0, high=15), "haemorrhagic": Uniform(low=30, high=60),
                                        "endometrioma": Uniform(low=25, high=50), "dermoid": Uniform(low=0, high=20)}
TYPES: dict[Type, float] = {"simple": 0.6, "haemorrhagic": 0.15, "endometrioma": 0.1, "dermoid": 0.15}  # unverified


class OvarianCystOptions(Options):
    """Ovarian cysts of one recipe entry.

    Attributes
    ----------
    count : how many.
    types : weights of simple, haemorrhagic, endometrioma, dermoid.
    diameter_mm : of the sphere of the same volume.
    posture : the fat of a dermoid floats, a level square to gravity.
    """

    count: Distribution = Fixed(value=1)
    types: dict[Type, float] = TYPES
    diameter_mm: Distribution = LogNormal(median=38, sigma=0.4, low=15, high=110)  # unverified
    posture: Posture = "supine"


class OvarianCystSpec(FocalSpec):
    """One ovarian cyst in plain numbers."""

    kind: Literal["ovarian_cyst"] = "ovarian_cyst"
    type: Type
    fluid_hu: float
    push_mm: float
    fat_level: float
    posture: Posture


def sample_specs(options: OvarianCystOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the ovarian cysts of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place, or the person has no ovaries.
    """
    specs: list[dict[str, Any]] = []
    ovaries = organ(scene, "ovary_right*", "ovary_left*")
    space = organ(scene, "ovary_right*", "ovary_left*", *SOFT)
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        kind: Type = choose(options.types, rng=stream)
        diameter = float(options.diameter_mm.sample(rng=stream))
        form = form_of(diameter, 0.08, rng=stream)
        reach = 0.57 * diameter
        at = roomy_place("ovarian_cyst", ovaries, space, diameter, reach, taken_balls(*taken, *specs), rng=stream,
                         outwards_mm=0.25 * diameter, depths_mm=((0.0, np.inf),))
        side = whole_of(scene, part_at(scene, ovaries, at.tolist()))
        specs.append(OvarianCystSpec(type=kind, centre_mm=point(at), reach_mm=round(reach, 3), host=side,
                                     fluid_hu=FLUID_HU[kind].sample(rng=stream), push_mm=0.35 * diameter,
                                     fat_level=float(stream.uniform(-0.3, 0.3)), posture=options.posture, **form)
                     .model_dump(mode="json"))
    return specs


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(OvarianCystSpec, spec, number)
    where = organ(scene, "ovary_right*", "ovary_left*", *SOFT)
    body = body_of(one, lobulation=0.1, roughness=0.015, within=where)
    made = _structures(one, number)
    fluid, wall = made["fluid"].label, made["wall"].label
    paints = [Paint(body, (Layer(wall), Layer(fluid, WALL_MM[one.type])), where.labels)]
    if one.type == "dermoid":
        up = -np.asarray(DIRECTIONS[one.posture])
        level = np.asarray(one.centre_mm) + up * one.fat_level * one.radius_mm
        paints.append(Paint(_above(body, level, up), (Layer(made["fat"].label),), (fluid,)))
        rng = one.part("tooth").rng()
        spot = np.asarray(one.centre_mm) + random_direction(rng=rng) * 0.7 * one.radius_mm
        paints.append(Paint(Grains(np.array([spot, spot + [2.0, 1.0, -2.0]]), np.array([2.4, 1.8])),
                            (Layer(made["calcification"].label),), (fluid, made["fat"].label), lattice_mm=0.4))
    attributes = {"type": one.type, "side": "left" if one.host.endswith("left") else "right", "posture": one.posture}
    return Lesion(number, one.kind, CYST, tuple(made.values()), tuple(paints), one.host, attributes,
                  one.model_dump(mode="json"), pushes=pushes_of(one, one.push_mm, movable(scene, one)),
                  classify=lambda measured: _size(one, measured))


def _above(body: StarBody, level: np.ndarray, up: np.ndarray) -> Intersection:
    return Intersection(body, HalfSpace(point(level), point(-up)))


def _structures(one: OvarianCystSpec, number: int) -> dict[str, Structure]:
    tissue = "old_blood" if one.type in ("haemorrhagic", "endometrioma") else "cyst_fluid"
    made = {"fluid": lesion_part(number, "fluid", tissue, CYST, whole=True,
                                 mixture=mixture_for_hu(tissue, one.fluid_hu),
                                 texture=Texture(octaves=((5.0, 0.008),)) if one.type == "haemorrhagic" else None),
            "wall": lesion_part(number, "wall", "ovary", CYST, enhancement="genital")}
    if one.type == "dermoid":
        made["fat"] = lesion_part(number, "fat", "adipose", CYST, texture=Texture(octaves=((4.0, 0.02),)))
        made["calcification"] = lesion_part(number, "calcification", "calcification", CYST)
    return made


def _size(one: OvarianCystSpec, measured: Measured) -> dict[str, Any]:
    size = measured.max_diameter_mm
    word = "<= 3 cm" if size <= 30 else "> 3 to 5 cm" if size <= 50 else "> 5 to 10 cm" if size <= 100 else "> 10 cm"
    return {"size": word, "physiological": one.type == "simple" and size <= 30}


FAMILY = Family("ovarian_cyst", "Ovarian cysts: simple, haemorrhagic, endometrioma, dermoid", OvarianCystOptions,
                sample_specs, insert, ("pelvis", "torso"),
                Site("ovary_right", "ovary"))
