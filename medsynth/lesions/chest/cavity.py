"""Cavities: an abscess or a decayed tumour, wall and content, with a fluid level that is level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.chest.gravity import UP, Posture
from medsynth.lesions.chest.lungs import LOBES, earlier, present, region
from medsynth.lesions.chest.places import lobe_word, segment_of
from medsynth.lesions.distributions import Distribution, Fixed, LogNormal, Options, Trait, Uniform, choose
from medsynth.lesions.family import Family, Site, checked_spec
from medsynth.lesions.form import blob, random_axes, random_quaternion, turn_of
from medsynth.lesions.host import host, point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.placement import Ball, keeps_apart, one_by_one
from medsynth.lesions.star_body import StarBody
from medsynth.scene.structure import Code, Layer, Lesion, Measured, Paint, Scene, Texture
from medsynth.shapes.blend import Intersection, Offset
from medsynth.shapes.primitives import HalfSpace

CAVITY = Code("52988006", "Lesion")

SITES = 60
# Upper ends in mm of the T classes by size of the TNM classification, 8th edition.
T_CLASSES = (("T1a", 10.0), ("T1b", 20.0), ("T1c", 30.0), ("T2a", 40.0), ("T2b", 50.0), ("T3", 70.0))


class CavityOptions(Options):
    """Cavities of one recipe entry.

    Attributes
    ----------
    count : how many.
    types : relative weights; an abscess lies in a bed of haze, a tumour has a thick uneven wall.
    diameter_mm : of the sphere with the volume of wall and content.
    wall_share : thickness of the wall over the radius.
    fluid_level : probability of fluid, and how much of the height it fills.
    posture : of the patient when the image is taken.
    """

    count: Distribution = Fixed(value=1)
    types: dict[Literal["abscess", "tumour"], float] = Field(default={"abscess": 0.6, "tumour": 0.4})
    diameter_mm: Distribution = LogNormal(median=35, sigma=0.35, low=12, high=90)  # unverified
    wall_share: Distribution = Uniform(low=0.15, high=0.45)
    fluid_level: Trait = Trait(probability=0.6, low=0.2, high=0.6)
    posture: Posture = "supine"


class CavitySpec(Options):
    """One cavity in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["lung_cavity"] = "lung_cavity"
    type: Literal["abscess", "tumour"]
    lobe: str
    centre_mm: Vector
    reach_mm: float = Field(ge=0)
    diameter_mm: float = Field(gt=0, le=150)
    axes: Vector
    quaternion: tuple[float, float, float, float]
    wall_mm: float = Field(gt=0)
    fluid_share: float = Field(ge=0, le=0.95)
    posture: Posture
    shape_seed: int = Field(ge=0)


def sample_specs(options: CavityOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the cavities of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def _sample_one(options: CavityOptions, scene: Scene, taken: Sequence[Ball], *, rng: np.random.Generator) -> CavitySpec:
    kind, diameter = choose(options.types, rng=rng), float(options.diameter_mm.sample(rng=rng))
    form: dict[str, Any] = {
        "type": kind, "diameter_mm": round(diameter, 3), "axes": random_axes(0.08, rng=rng),
        "quaternion": random_quaternion(rng=rng), "fluid_share": min(0.9, options.fluid_level.sample(rng=rng)),
        "wall_mm": max(1.2, float(options.wall_share.sample(rng=rng)) * diameter / 2), "posture": options.posture,
        "shape_seed": int(rng.integers(2**53))}
    reach = 0.5 * diameter * 1.3
    lungs = host(scene, "lobe_*")
    for centre in lungs.points(SITES, rng=rng, depth_mm=(0.3 * diameter, np.inf)):
        if keeps_apart(centre, reach, taken):
            lobe = min((n for n in LOBES if n in scene.fields),
                       key=lambda name: float(scene.fields[name].distance_mm(centre[None])[0]))
            spec = CavitySpec(lobe=lobe, centre_mm=point(centre), reach_mm=round(reach, 3), **form)
            try:
                _body(spec, scene)
            except PlacementError:
                continue
            return spec
    raise PlacementError(f"lesions.lung_cavity found no place for one of diameter_mm {diameter:.1f} in the lungs")


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(CavitySpec, spec, number)
    lungs, seed = host(scene, "lobe_*"), Seed(one.shape_seed)
    rough, body = one.type == "tumour", _body(one, scene)
    inner = blob(one.centre_mm, np.pi / 6 * max(one.diameter_mm - 2 * one.wall_mm, 1.0) ** 3, axes=one.axes,
                 turn=turn_of(one.quaternion), lobulation=0.6 if rough else 0.2, roughness=0.08 if rough else 0.03,
                 seed=seed.child("inner"))
    hollow = Intersection(inner, Offset(body, -0.6 * one.wall_mm))
    soft = Texture(octaves=((5.0, 0.01),))
    made = {"solid": lesion_part(number, "solid", "nodule_solid", CAVITY, whole=True, texture=soft,
                                 mixture=mixture_for_hu("nodule_solid", 35.0), enhancement="nodule"),
            "gas": lesion_part(number, "gas", "air", CAVITY)}
    inside = present(scene, "lobe_*", "fissure_*", "bronchi", "bronchi_wall", "pulmonary_arter*_branches",
                     "pulmonary_arteries", "pulmonary_vein*")
    covered = (*inside, *earlier(number))
    paints = [Paint(Intersection(body, Offset(lungs.shape, 1.0)), (Layer(made["solid"].label),), covered),
              Paint(hollow, (Layer(made["gas"].label),), (made["solid"].label,))]
    if one.fluid_share > 0:
        made["fluid"] = lesion_part(number, "fluid", "necrosis", CAVITY)
        up = np.asarray(UP[one.posture])
        low, high = (np.asarray(end) for end in hollow.bounds_mm())
        middle, half = (low + high) / 2, float(np.abs((high - low) @ up)) / 2
        level = middle + up * (2 * one.fluid_share - 1) * 0.85 * half
        paints.append(Paint(Intersection(hollow, HalfSpace(point(level), point(up))), (Layer(made["fluid"].label),),
                            (made["gas"].label,)))
    lobe = region(scene, one.lobe)
    attributes = {"type": one.type, "side": lobe.side, "lobe": lobe_word(one.lobe),
                  "segment": segment_of(lobe, np.asarray(one.centre_mm)), "fluid_level": one.fluid_share > 0,
                  "posture": one.posture, "wall_mm": round(one.wall_mm, 2),
                  "wall": "thick" if one.wall_mm > 4 else "thin"}
    return Lesion(number, one.kind, CAVITY, tuple(made.values()), tuple(paints), one.lobe, attributes,
                  one.model_dump(mode="json"), classify=partial(_classes, one.type))


def _body(one: CavitySpec, scene: Scene) -> StarBody:
    """Return the whole of it: wall and content."""
    rough = one.type == "tumour"
    return blob(one.centre_mm, np.pi / 6 * one.diameter_mm**3, axes=one.axes, turn=turn_of(one.quaternion),
                lobulation=0.5 if rough else 0.2, roughness=0.06 if rough else 0.03,
                seed=Seed(one.shape_seed).child("body"), host=host(scene, "lobe_*").shape, cut=True)


def _classes(kind: str, measured: Measured) -> dict[str, Any]:
    return {"tnm_t_size": t_size(measured.max_diameter_mm)} if kind == "tumour" else {}


def t_size(largest_mm: float) -> str:
    """Return the T class that size alone gives a lung tumour, TNM 8th edition.

    Examples
    --------
    >>> t_size(30.0), t_size(71)
    ('T1c', 'T4')
    """
    return next((name for name, end in T_CLASSES if largest_mm <= end), "T4")


FAMILY = Family("lung_cavity", "Cavities with wall and fluid level: abscess, decayed tumour", CavityOptions,
                sample_specs, insert, ("thorax", "torso"),
                Site("lobe_right_upper", "lung_tissue", (("air", 0.75),)))
