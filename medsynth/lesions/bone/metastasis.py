"""Bone metastases: lytic, blastic and mixed, with margins in the words of Lodwick; and the mass that they replace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field

from medsynth.core.seed import Seed
from medsynth.lesions.bone.sites import Region, bone_near, bone_words, find_place
from medsynth.lesions.distributions import Distribution, LogNormal, Normal, Options, Poisson, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.form import blob, grown_to, random_axes, random_quaternion, turn_of
from medsynth.lesions.host import point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.placement import Ball, one_by_one
from medsynth.lesions.star_body import Grains, StarBody, scattered_directions
from medsynth.lesions.weights import Weight, some_weight
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure, Texture
from medsynth.shapes.base import Shape
from medsynth.shapes.blend import Intersection

BoneLesion = Literal["lytic", "blastic", "mixed"]
Lodwick = Literal["IA", "IB", "IC", "II", "III"]

METASTASIS = Code("94222008", "Secondary malignant neoplasm of bone")
RIM_MM, RIM_HU = 1.2, 700.0  # sclerotic border of a lesion IA (unverified)
FRAYING = {"IA": 0.0, "IB": 0.0, "IC": 0.06, "II": 0.0, "III": 0.10}
HOLES, HOLE_SIZE = 38, (0.13, 0.24)  # of a moth-eaten lesion; radii relative to the lesion's
ISLANDS, ISLAND_SIZE = 7, (0.24, 0.42)  # lytic ones in a mixed lesion
LEFT_OF_BONE = 0.35  # a permeative lesion thins the trabeculae by this share of the way from their HU to the tumour's


class BoneMetastasisOptions(Options):
    """Bone metastases of one recipe entry.

    Attributes
    ----------
    count : how many.
    diameter_mm : of the sphere with the lesion's volume.
    types : relative weights; 17 : 14 : 6 in vertebrae (doi:10.1371/journal.pone.0170309).
    margins : relative weights of Lodwick's classes, for lytic lesions (unverified).
    regions : relative weights; those that the body has not are left out.
    lytic_hu, blastic_hu : mean CT number at 120 kVp. Blastic 654 +- 176 HU (doi:10.2214/AJR.15.15020): it overlaps with
        that of bone islands.
    """

    count: Distribution = Poisson(mean=3.5, low=1, high=15)
    diameter_mm: Distribution = LogNormal(median=14, sigma=0.45, low=5, high=40)
    types: Annotated[dict[BoneLesion, Weight], AfterValidator(some_weight)] = Field(
        default={"lytic": 17, "blastic": 14, "mixed": 6})
    margins: Annotated[dict[Lodwick, Weight], AfterValidator(some_weight)] = Field(
        default={"IA": 0.05, "IB": 0.3, "IC": 0.35, "II": 0.2, "III": 0.1})
    regions: Annotated[dict[Region, Weight], AfterValidator(some_weight)] = Field(
        default={"spine": 0.6, "pelvis": 0.2, "ribs": 0.1, "sternum": 0.03, "femur": 0.05, "humerus": 0.02})
    lytic_hu: Distribution = Uniform(low=20, high=80)
    blastic_hu: Distribution = Normal(mean=654, sd=176, low=250, high=1250)


class BoneMetastasisSpec(Options):
    """One metastasis in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["bone_metastasis"] = "bone_metastasis"
    diameter_mm: float = Field(gt=0, le=100)
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)
    host: str
    type: BoneLesion
    margin: Lodwick
    axes: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    lytic_hu: float
    blastic_hu: float
    shape_seed: int = Field(ge=0)


def sample_specs(options: BoneMetastasisOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the metastases of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def _sample_one(options: BoneMetastasisOptions, scene: Scene, taken: Sequence[Ball], *,
                rng: np.random.Generator) -> BoneMetastasisSpec:
    diameter = float(options.diameter_mm.sample(rng=rng))
    kind = choose(options.types, rng=rng)
    form: dict[str, Any] = {
        "diameter_mm": round(diameter, 3), "type": kind,
        "margin": choose(options.margins, rng=rng) if kind == "lytic" else "IC",
        "axes": random_axes(0.14, rng=rng), "quaternion": random_quaternion(rng=rng),
        "lytic_hu": float(options.lytic_hu.sample(rng=rng)), "blastic_hu": float(options.blastic_hu.sample(rng=rng)),
        "shape_seed": int(rng.integers(2**53))}
    reach = 0.5 * diameter * 1.35
    centre, bone = find_place(scene, options.regions, diameter, taken, reach_mm=reach, kind="bone_metastasis", rng=rng)
    return BoneMetastasisSpec(centre_mm=point(centre), reach_mm=round(reach, 3), host=bone, **form)


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(BoneMetastasisSpec, spec, number)
    bone = bone_near(scene, one.host, one.centre_mm, 1.6 * one.diameter_mm)
    seed = Seed(one.shape_seed)
    made = _structures(one, number)
    # Many small balls are dear to sample, and holes of a fifth of the radius need no finer lattice.
    fine = float(np.clip(one.diameter_mm / (30 if one.margin == "II" else 45), 0.25, 0.8))
    body = _body(one, bone.shape, seed)
    if one.type == "lytic":
        layers = (Layer(made["rim"].label), Layer(made["solid"].label, RIM_MM)) if "rim" in made \
            else (Layer(next(iter(made.values())).label),)
        paints: tuple[Paint, ...] = (Paint(body, layers, bone.labels, fine),)
    else:
        paints = (Paint(body, (Layer(made["bone"].label),), bone.labels, fine),)
    if one.type == "mixed" and isinstance(body, StarBody):
        holes = Intersection(_grains(body, ISLANDS, ISLAND_SIZE, seed.child("islands")), body)
        paints += (Paint(holes, (Layer(made["solid"].label),), (made["bone"].label,), fine),)
    attributes = {"lesion_type": one.type, **({"lodwick": one.margin} if one.type == "lytic" else {}),
                  **bone_words(scene, one.host, one.centre_mm)}
    return Lesion(number, one.kind, METASTASIS, tuple(made.values()), paints, one.host, attributes,
                  one.model_dump(mode="json"))


def _body(one: BoneMetastasisSpec, inside: Shape, seed: Seed) -> Shape:
    """Return the lesion's outline, of the volume asked for within its bone."""
    wanted = np.pi / 6 * one.diameter_mm**3
    body = blob(one.centre_mm, wanted, axes=one.axes, turn=turn_of(one.quaternion),
                lobulation=0.25 if one.type == "lytic" else 0.4, roughness=0.06,
                fraying=FRAYING[one.margin] if one.type == "lytic" else 0.08, seed=seed.child("body"), host=inside,
                cut=True)
    if one.type != "lytic" or one.margin != "II":
        return body
    return grown_to(_grains(body, HOLES, HOLE_SIZE, seed.child("holes"), spread=1.45), wanted, host=inside)


def _grains(body: StarBody, count: int, size: tuple[float, float], seed: Seed, *, spread: float = 0.85) -> Grains:
    """Return balls strewn through a body."""
    rng = seed.rng()
    rays = scattered_directions(count, 0.6, rng=rng)
    far = spread * rng.uniform(0.05, 1, count) ** (1 / 2.5)
    centres = np.asarray(body.centre_mm) + rays * (far * body.surface_mm(rays))[:, None]
    return Grains(centres, rng.uniform(*size, count) * body.radius_mm)


def _structures(one: BoneMetastasisSpec, number: int) -> dict[str, Structure]:
    speckled = Texture(octaves=((3.0, 0.01), (8.0, 0.008)))
    soft = {"mixture": mixture_for_hu("tumour", one.lytic_hu), "texture": speckled, "enhancement": "tumour"}
    dense = {"mixture": mixture_for_hu("tumour", one.blastic_hu), "enhancement": "tumour",
             "texture": Texture(octaves=((3.0, 0.035), (7.0, 0.035)))}
    if one.type == "blastic":
        return {"bone": lesion_part(number, "bone", "tumour", METASTASIS, whole=True, **dense)}  # type: ignore[arg-type]
    if one.type == "mixed":
        return {"bone": lesion_part(number, "bone", "tumour", METASTASIS, whole=True, **dense),  # type: ignore[arg-type]
                "solid": lesion_part(number, "solid", "tumour", METASTASIS, **soft)}  # type: ignore[arg-type]
    if one.margin == "III":
        thinned = mixture_for_hu("tumour", one.lytic_hu + LEFT_OF_BONE * 160)
        texture = Texture(octaves=((2.5, 0.03), (6.0, 0.02)), ridges=((3.0, 0.25, 0.10),))
        return {"change": lesion_part(number, "change", "tumour", METASTASIS, whole=True, mixture=thinned,
                                      texture=texture, enhancement="tumour")}
    made = {"solid": lesion_part(number, "solid", "tumour", METASTASIS, whole=True, **soft)}  # type: ignore[arg-type]
    if one.margin == "IA":
        made["rim"] = lesion_part(number, "rim", "red_marrow", METASTASIS,
                                  mixture=mixture_for_hu("red_marrow", RIM_HU, dense="cortical_bone"))
    return made


FAMILY = Family("bone_metastasis", "Bone metastases, lytic, blastic or mixed, with Lodwick's margins",
                BoneMetastasisOptions, sample_specs, insert, ("thorax", "abdomen", "pelvis", "torso"))
