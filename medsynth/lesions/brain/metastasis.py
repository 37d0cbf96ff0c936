"""Brain metastases: round, at the border of grey and white matter, necrotic when large, in a bed of oedema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.seed import Seed
from medsynth.lesions.distributions import Distribution, LogNormal, Options, Poisson, Uniform
from medsynth.lesions.effect import mass_effect
from medsynth.lesions.family import Family, Site, checked_spec
from medsynth.lesions.form import blob, random_axes, random_quaternion, turn_of
from medsynth.lesions.host import host, labels_of, point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.placement import Ball, keeps_apart, one_by_one
from medsynth.lesions.star_body import StarBody
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Push, Scene, Structure, Texture
from medsynth.shapes.blend import Intersection, Offset

METASTASIS = Code("94225005", "Secondary malignant neoplasm of brain")
OEDEMA = Code("2032001", "Cerebral edema")

WHITE = ("cerebral_white_matter_*", "cerebellar_white_matter_*")
BRAIN = (*WHITE, "cerebral_cortex_*", "cerebellar_cortex_*", "corpus_callosum")
SITES = 60  # places tried
JUNCTION_MM = (0.0, 5.0)  # depth below the cortex: emboli stop where vessels narrow (unverified)
NECROTIC_FROM_MM = 12.0  # diameter from which on the middle dies (unverified)
RIM_MM = (2.0, 5.0)


class BrainMetastasisOptions(Options):
    """Brain metastases of one recipe entry.

    Attributes
    ----------
    count : how many.
    diameter_mm : of the sphere with the tumour's volume, without oedema.
    oedema_ratio : radius of the oedema over that of the tumour; 1 for none.
    tumour_hu, oedema_hu : mean CT number at 120 kVp without contrast.
    push : largest displacement over the tumour's radius.
    """

    count: Distribution = Poisson(mean=2.5, low=1, high=12)
    diameter_mm: Distribution = LogNormal(median=11, sigma=0.5, low=3, high=45)
    oedema_ratio: Distribution = Uniform(low=1.2, high=2.2)
    tumour_hu: Distribution = Uniform(low=30, high=45)
    oedema_hu: Distribution = Uniform(low=16, high=22)
    push: Distribution = Uniform(low=0.15, high=0.4)


class BrainMetastasisSpec(Options):
    """One metastasis in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["brain_metastasis"] = "brain_metastasis"
    diameter_mm: float = Field(gt=0, le=80)
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)
    host: str
    axes: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    rim_mm: float
    oedema_ratio: float = Field(ge=1, le=4)
    tumour_hu: float
    oedema_hu: float
    push_mm: float = Field(ge=0)
    shape_seed: int = Field(ge=0)


def sample_specs(options: BrainMetastasisOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the metastases of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def _sample_one(options: BrainMetastasisOptions, scene: Scene, taken: Sequence[Ball], *,
                rng: np.random.Generator) -> BrainMetastasisSpec:
    diameter, ratio = (float(one.sample(rng=rng)) for one in (options.diameter_mm, options.oedema_ratio))
    form: dict[str, Any] = {"diameter_mm": round(diameter, 3), "axes": random_axes(0.1, rng=rng),
            "quaternion": random_quaternion(rng=rng), "rim_mm": float(rng.uniform(*RIM_MM)), "oedema_ratio": ratio,
            "tumour_hu": options.tumour_hu.sample(rng=rng), "oedema_hu": options.oedema_hu.sample(rng=rng),
            "push_mm": options.push.sample(rng=rng) * diameter / 2, "shape_seed": int(rng.integers(2**53))}
    reach = 0.5 * diameter * 1.3 * max(1.0, ratio)
    for centre in host(scene, *WHITE).points(SITES, rng=rng, depth_mm=JUNCTION_MM):
        if keeps_apart(centre, reach, taken):
            return BrainMetastasisSpec(centre_mm=point(centre), reach_mm=round(reach, 3), host=_part_at(scene, centre),
                                       **form)
    raise PlacementError(f"lesions.brain_metastasis found no place for one of diameter_mm {diameter:.1f}")


def _part_at(scene: Scene, centre: np.ndarray) -> str:
    """Return the white matter that a point lies deepest in."""
    names = [s.name for s in scene.structures if s.label in labels_of(scene, *WHITE) and not s.part_of]
    return max(names, key=lambda name: float(host(scene, name).depth_at(centre[None])[0]))


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(BrainMetastasisSpec, spec, number)
    brain = host(scene, *BRAIN)
    seed = Seed(one.shape_seed)
    volume = np.pi / 6 * one.diameter_mm**3
    body = blob(one.centre_mm, volume, axes=one.axes, turn=turn_of(one.quaternion), lobulation=0.25, roughness=0.05,
                seed=seed.child("body"), host=brain.shape, cut=True)
    radius = one.diameter_mm / 2
    necrotic = one.diameter_mm > NECROTIC_FROM_MM
    made = _structures(one, number, necrotic)
    over = brain.labels
    layers = [Layer(made["rim" if necrotic else "solid"].label)]
    if necrotic:
        layers.append(Layer(made["core"].label, one.rim_mm))
    tumour = Paint(Intersection(body, Offset(brain.shape, 1.0)), tuple(layers), over)
    paints: tuple[Paint, ...] = (tumour,)
    if "oedema" in made:
        white = labels_of(scene, *WHITE)
        bed = _oedema(one, body, seed.child("oedema"))
        # Fingers of oedema follow the white matter and leave the cortex alone.
        paints = (Paint(bed, (Layer(made["oedema"].label),), white), Paint(tumour.shape, tumour.layers,
                                                                           (*over, made["oedema"].label)))
    pushes: tuple[Push, ...] = ()
    if one.push_mm > 0.3:
        cavity = scene.fields["cranial_cavity"]
        pushes = (mass_effect(one.centre_mm, max(4.5 * radius, 18.0), one.push_mm, within=cavity),)
    attributes = {"type": "necrotic" if necrotic else "solid", "enhancement": "ring" if necrotic else "nodular",
                  "oedema": "oedema" in made}
    return Lesion(number, one.kind, METASTASIS, tuple(made.values()), paints, one.host, attributes,
                  one.model_dump(mode="json"), pushes=pushes)


def _oedema(one: BrainMetastasisSpec, body: StarBody, seed: Seed) -> StarBody:
    volume = np.pi / 6 * (one.diameter_mm * one.oedema_ratio) ** 3
    return blob(one.centre_mm, volume, axes=one.axes, turn=body.turn, lobulation=0.9, roughness=0.12, fraying=0.05,
                seed=seed)


def _structures(one: BrainMetastasisSpec, number: int, necrotic: bool) -> dict[str, Structure]:
    speckled = Texture(octaves=((3.0, 0.006), (8.0, 0.006)))
    first = "rim" if necrotic else "solid"
    made = {first: lesion_part(number, first, "tumour", METASTASIS, whole=True, texture=speckled,
                               mixture=mixture_for_hu("tumour", one.tumour_hu), enhancement="tumour")}
    if necrotic:
        made["core"] = lesion_part(number, "core", "necrosis", METASTASIS, texture=speckled)
    if one.oedema_ratio > 1.02:
        made["oedema"] = lesion_part(number, "oedema", "brain_oedema", OEDEMA,
                                     mixture=mixture_for_hu("brain_oedema", one.oedema_hu))
    return made


FAMILY = Family("brain_metastasis", "Brain metastases with necrosis, oedema and mass effect", BrainMetastasisOptions,
                sample_specs, insert, ("head",), Site("cerebral_white_matter_right", "white_matter"),
                contrast=("tumour_hu", 29.0))
