"""Focal lesions of the liver: hepatocellular carcinoma, metastases, cysts, and the haemangioma that mimics them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.lesions.abdomen.focal import FocalSpec, body_of, form_of, free_place, part_at, pushes_of, random_direction
from medsynth.lesions.abdomen.liver_words import segment_word, words_of
from medsynth.lesions.distributions import Distribution, LogNormal, Options, Poisson, Trait, Uniform, choose
from medsynth.lesions.family import Family, Site, checked_spec
from medsynth.lesions.form import blob
from medsynth.lesions.host import host, point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.placement import taken_balls
from medsynth.lesions.star_body import Grains, StarBody
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure, Texture
from medsynth.shapes.blend import Intersection, Offset

Type = Literal["metastasis", "hcc", "cyst", "haemangioma"]
CODES = {
    "metastasis": Code("94381002", "Secondary malignant neoplasm of liver"),
    "hcc": Code("25370001", "Hepatocellular carcinoma"),
    "cyst": Code("85057007", "Cyst of liver"),
    "haemangioma": Code("93469006", "Hemangioma of liver"),
}
TISSUES = {"metastasis": "tumour", "hcc": "hepatocellular_carcinoma", "cyst": "cyst_fluid",
           "haemangioma": "haemangioma"}
LIVER = ("liver*",)
TRAVERSED = (*LIVER, "hepatic_vein", "portal_vein", "bile_duct", "hepatic_artery")  # what a lesion replaces within it
# Metastases 10-60 mm (facts); others unverified.
DIAMETERS: Mapping[str, Distribution] = {
    "metastasis": LogNormal(median=20, sigma=0.5, low=6, high=80),
    "hcc": LogNormal(median=28, sigma=0.5, low=8, high=110),
    "cyst": LogNormal(median=14, sigma=0.6, low=4, high=100),
    "haemangioma": LogNormal(median=20, sigma=0.5, low=6, high=90),
}
NATIVE_HU: Mapping[str, Distribution] = {  # cyst <= 20 HU (facts 5.6); others unverified
    "metastasis": Uniform(low=32, high=46), "hcc": Uniform(low=40, high=52),
    "cyst": Uniform(low=0, high=15), "haemangioma": Uniform(low=34, high=44),
}
SPREAD = {"metastasis": 0.12, "hcc": 0.1, "cyst": 0.08, "haemangioma": 0.14}
RIM_FROM_MM = 12.0  # diameter from which on the middle of a metastasis dies (unverified)
NODULAR_FROM_MM = 10.0  # smaller haemangiomas enhance at once (unverified)
MOSAIC_FROM_MM = 30.0  # unverified
CAPSULE_MM = (0.9, 1.6)
TYPES: dict[Type, float] = {"metastasis": 0.4, "hcc": 0.15, "cyst": 0.3, "haemangioma": 0.15}


class LiverLesionOptions(Options):
    """Focal liver lesions of one recipe entry.

    Attributes
    ----------
    count : how many.
    types : weights of metastasis, hcc, cyst, haemangioma.
    diameter_mm : of the sphere of the same volume; left out, each type has its own distribution.
    native_hu : mean CT number at 120 kVp without contrast; left out, each type has its own.
    segments : weights of the Couinaud segments 1 to 8; left out, each place is as likely.
    arterial_enhancement, washout, capsule : of a hepatocellular carcinoma: probabilities.
    push : largest displacement of the vessels around it, over its radius.
    """

    count: Distribution = Poisson(mean=3, low=1, high=12)
    types: dict[Type, float] = TYPES
    diameter_mm: Distribution | None = None
    native_hu: Distribution | None = None
    segments: dict[int, float] | None = None
    arterial_enhancement: float = Field(default=0.96, ge=0, le=1)  # 96 % (pubmed 14975963)
    washout: float = Field(default=0.76, ge=0, le=1)  # 76 % (BJR 84:403)
    capsule: Trait = Trait(probability=0.6, low=0.3, high=1.0)  # unverified
    push: Distribution = Uniform(low=0.15, high=0.35)


class LiverLesionSpec(FocalSpec):
    """One focal liver lesion in plain numbers."""

    kind: Literal["liver_lesion"] = "liver_lesion"
    type: Type
    segment: str
    native_hu: float
    push_mm: float = Field(ge=0)
    rim: float = Field(ge=0, le=1)
    capsule_mm: float = Field(ge=0)
    arterial_enhancement: bool
    washout: bool


def sample_specs(options: LiverLesionOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the liver lesions of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    specs: list[dict[str, Any]] = []
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        specs.append(_sample_one(options, scene, (*taken, *specs), rng=stream).model_dump(mode="json"))
    return specs


def _sample_one(options: LiverLesionOptions, scene: Scene, taken: Sequence[Mapping[str, Any]], *,
                rng: np.random.Generator) -> LiverLesionSpec:
    kind: Type = choose(options.types, rng=rng)
    diameter = float((options.diameter_mm or DIAMETERS[kind]).sample(rng=rng))
    form = form_of(diameter, SPREAD[kind], rng=rng)
    numbers: dict[str, Any] = {"native_hu": (options.native_hu or NATIVE_HU[kind]).sample(rng=rng),
               "push_mm": options.push.sample(rng=rng) * diameter / 2, "rim": float(rng.uniform(0.18, 0.4))}
    enhances, washes = (rng.uniform(size=2) < (options.arterial_enhancement, options.washout)).tolist()
    strength = options.capsule.sample(rng=rng)
    if kind == "hcc":
        numbers["capsule_mm"] = CAPSULE_MM[0] + strength * (CAPSULE_MM[1] - CAPSULE_MM[0]) if strength > 0 else 0.0
    else:
        numbers["capsule_mm"], enhances, washes = 0.0, False, False
    liver = host(scene, *LIVER)
    reach = 0.5 * diameter * 1.35
    weight: NDArray[np.floating[Any]] | None = None
    if options.segments is not None:
        weight = np.zeros_like(liver.share)
        for n, share in options.segments.items():
            weight += share * liver.occupancy(scene, f"liver_segment_{n}")
    # A big lesion lies deep enough that it is not cut flat, a small one clear of the larger vessels.
    deep = min(0.45 * diameter, 0.7 * float(liver.depth_mm.max()))
    centre = free_place("liver_lesion", liver, diameter, reach, taken_balls(*taken), rng=rng, weight=weight,
                        depths_mm=((deep, np.inf), (0.6 * deep, np.inf), (2.0, np.inf)))
    return LiverLesionSpec(type=kind, centre_mm=point(centre), reach_mm=round(reach, 3), host="liver",
                           segment=segment_word(part_at(scene, liver, centre.tolist())), arterial_enhancement=enhances,
                           washout=washes, **form, **numbers)


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone.

    Raises
    ------
    PlacementError
        If the liver has no room for it there.
    """
    one = checked_spec(LiverLesionSpec, spec, number)
    inside = host(scene, *TRAVERSED)
    lobulation = {"metastasis": 0.35, "hcc": 0.2, "cyst": 0.12, "haemangioma": 0.5}[one.type]
    try:
        body = body_of(one, lobulation=lobulation, roughness=0.03, within=inside)
    except PlacementError as error:
        raise PlacementError(f"lesions.liver_lesion of diameter_mm {one.diameter_mm:g} in {one.segment}: "
                             f"{error}") from error
    made, paints = _BUILDERS[one.type](one, number, body, Intersection(body, Offset(inside.shape, 1.0)), inside.labels)
    pushes = pushes_of(one, one.push_mm, inside.shape)
    return Lesion(number, one.kind, CODES[one.type], tuple(made.values()), paints, one.host,
                  {"type": one.type, "segment": one.segment, "mimic": one.type == "haemangioma"},
                  one.model_dump(mode="json"), pushes=pushes,
                  classify=words_of(one.type, one.arterial_enhancement, one.washout, one.capsule_mm > 0))


Over = tuple[int, ...]
Built = tuple[dict[str, Structure], tuple[Paint, ...]]


def _part(one: LiverLesionSpec, number: int, part: str, enhancement: str, *, whole: bool = False, tissue: str = "",
          hu: float | None = None, texture: Texture | None = None) -> Structure:
    name = tissue or TISSUES[one.type]
    mixture = mixture_for_hu(name, one.native_hu if hu is None else hu)
    return lesion_part(number, part, name, CODES[one.type], whole=whole, enhancement=enhancement, mixture=mixture,
                       texture=texture or Texture(octaves=((9.0, 0.006), (3.0, 0.004))))


def _metastasis(one: LiverLesionSpec, number: int, body: StarBody, shape: Intersection, over: Over) -> Built:
    if one.diameter_mm < RIM_FROM_MM:
        made = {"solid": _part(one, number, "solid", "metastasis_centre", whole=True)}
        return made, (Paint(shape, (Layer(made["solid"].label),), over),)
    made = {"rim": _part(one, number, "rim", "metastasis_rim", whole=True),
            "core": _part(one, number, "core", "metastasis_centre", tissue="necrosis", hu=one.native_hu - 14)}
    # The dead middle has a border of its own.
    share = (1 - one.rim) ** 3
    core = blob(one.centre_mm, one.volume_mm3 * share, axes=one.axes, turn=body.turn, lobulation=0.5, roughness=0.08,
                fraying=0.03, seed=one.part("core"))
    rim, dead = made["rim"].label, made["core"].label
    return made, (Paint(shape, (Layer(rim),), over), Paint(core, (Layer(dead),), (rim,)))


def _hcc(one: LiverLesionSpec, number: int, _: StarBody, shape: Intersection, over: Over) -> Built:
    key = "hcc_hypovascular" if not one.arterial_enhancement else "hcc" if one.washout else "hcc_without_washout"
    grain = Texture(octaves=((10.0, 0.012), (4.0, 0.008)), ridges=((14.0, 0.12, -0.03),))
    made = {"solid": _part(one, number, "solid", key, whole=True, texture=grain)}
    layers: tuple[Layer, ...] = (Layer(made["solid"].label),)
    if one.capsule_mm > 0:
        made["capsule"] = _part(one, number, "capsule", "lesion_capsule", tissue="fibrous_tumour")
        layers = (Layer(made["capsule"].label), Layer(made["solid"].label, one.capsule_mm))
    paints = [Paint(shape, layers, over, lattice_mm=0.5 if one.diameter_mm < 25 else 0.0)]
    if one.diameter_mm > MOSAIC_FROM_MM:  # a mosaic: compartments that bled or died
        made["core"] = _part(one, number, "core", "metastasis_centre", tissue="necrosis", hu=one.native_hu - 18)
        rng = one.part("mosaic").rng()
        for n in range(int(rng.integers(2, 5))):
            at = np.asarray(one.centre_mm) + random_direction(rng=rng) * rng.uniform(0.1, 0.6) * one.radius_mm
            volume = one.volume_mm3 * float(rng.uniform(0.02, 0.07))
            part = blob(point(at), volume, lobulation=0.6, roughness=0.1, seed=one.part(f"mosaic-{n}"))
            paints.append(Paint(part, (Layer(made["core"].label),), (made["solid"].label,)))
    return made, tuple(paints)


def _cyst(one: LiverLesionSpec, number: int, _: StarBody, shape: Intersection, over: Over) -> Built:
    made = {"fluid": _part(one, number, "fluid", "", whole=True, texture=Texture())}
    return made, (Paint(shape, (Layer(made["fluid"].label),), over),)


def _haemangioma(one: LiverLesionSpec, number: int, body: StarBody, shape: Intersection, over: Over) -> Built:
    if one.diameter_mm < NODULAR_FROM_MM:
        made = {"solid": _part(one, number, "solid", "haemangioma_nodules", whole=True)}
        return made, (Paint(shape, (Layer(made["solid"].label),), over),)
    made = {"core": _part(one, number, "core", "haemangioma_centre", whole=True),
            "solid": _part(one, number, "solid", "haemangioma_filling"),
            "rim": _part(one, number, "rim", "haemangioma_nodules")}
    core, solid, rim = (made[part].label for part in ("core", "solid", "rim"))
    # Puddles at the border grow towards the centre: what they reach by the portal phase lies around them.
    rng = one.part("nodules").rng()
    count = int(rng.integers(6, 11))
    rays = np.array([random_direction(rng=rng) for _ in range(count)])
    depth, size, growth = rng.uniform(0.82, 0.98, count), rng.uniform(0.18, 0.34, count), rng.uniform(1.5, 2.3, count)
    centres = np.asarray(one.centre_mm) + rays * (body.surface_mm(rays) * depth)[:, None]
    filling, nodules = Grains(centres, size * growth * one.radius_mm), Grains(centres, size * one.radius_mm)
    return made, (Paint(shape, (Layer(core),), over), Paint(filling, (Layer(solid),), (core,)),
                  Paint(nodules, (Layer(rim),), (core, solid)))


_BUILDERS = {"metastasis": _metastasis, "hcc": _hcc, "cyst": _cyst, "haemangioma": _haemangioma}

FAMILY = Family("liver_lesion", "Liver metastases, hepatocellular carcinoma, cysts and haemangioma", LiverLesionOptions,
                sample_specs, insert, ("abdomen", "torso"),
                Site("liver_segment_6", "liver"))
