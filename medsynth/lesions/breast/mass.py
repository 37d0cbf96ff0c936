"""Masses of the breast by BI-RADS shape, margin and density."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field

from medsynth.core.errors import PlacementError
from medsynth.core.seed import Seed
from medsynth.lesions.breast.density import matter_of_density
from medsynth.lesions.breast.place import GLAND, breast_of, breast_words, covered_labels, gland_weight
from medsynth.lesions.distributions import Distribution, Fixed, LogNormal, Options, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.form import blob, grown_to, random_quaternion, turn_of
from medsynth.lesions.host import host, point
from medsynth.lesions.matter import lesion_part
from medsynth.lesions.placement import Ball, keeps_apart, one_by_one
from medsynth.lesions.star_body import Grains, StarBody, scattered_directions
from medsynth.lesions.strands import strands
from medsynth.lesions.volume import radius_for_volume, volume_integral
from medsynth.lesions.weights import Weight, some_weight
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure, Texture
from medsynth.shapes.base import Shape
from medsynth.shapes.blend import Union
from medsynth.shapes.tubes import Tubes

MassShape = Literal["oval", "round", "irregular"]
Margin = Literal["circumscribed", "obscured", "microlobulated", "indistinct", "spiculated"]
Density = Literal["low", "equal", "high", "fat_containing"]

MASS = Code("4147007", "Mass")
SITES = 80  # places tried
# Words of the BI-RADS atlas (5th edition). Which margin goes with which shape, and how often: unverified; irregular
# masses are seldom sharp, and spiculated ones are irregular.
MARGINS_OF: Mapping[str, dict[Any, float]] = {
    "oval": {"circumscribed": 0.6, "obscured": 0.2, "microlobulated": 0.12, "indistinct": 0.08},
    "round": {"circumscribed": 0.5, "obscured": 0.2, "microlobulated": 0.15, "indistinct": 0.15},
    "irregular": {"obscured": 0.05, "microlobulated": 0.12, "indistinct": 0.38, "spiculated": 0.45}}
# Attenuation relative to glandular tissue. Carcinomas exceed it by about 6 % at 20 keV (Johns and Yaffe 1987,
# doi:10.1088/0031-9155/32/6/002, recalled: 0.85 and 0.80 per cm); the limits are unverified.
RELATIVE: Mapping[str, tuple[float, float]] = {"low": (0.86, 0.93), "equal": (0.97, 1.03), "high": (1.07, 1.16),
                                               "fat_containing": (0.79, 0.84)}
LOBULATION = {"oval": 0.0, "round": 0.0, "irregular": 0.75}
ROUGHNESS = {"oval": 0.02, "round": 0.015, "irregular": 0.10}
FRAYING = {"circumscribed": 0.0, "obscured": 0.0, "microlobulated": 0.0, "indistinct": 0.05, "spiculated": 0.06}
KNOBS, KNOB_SIZE = 44, (0.16, 0.26)  # of a microlobulated margin; radii relative to the mass's
FADE = 0.22  # of the radius, where an indistinct margin fades into what is around it
SPICULES, SPICULE_BASE_MM = (24, 70), (0.5, 0.95)


class BreastMassOptions(Options):
    """Masses of one recipe entry.

    Attributes
    ----------
    count : how many.
    diameter_mm : of the sphere with the mass's volume, spicules included.
    shapes, densities : relative weights.
    margins : relative weights; left out, those that go with the shape.
    spicule_mm : length of the spicules of a spiculated mass, from its surface.
    """

    count: Distribution = Fixed(value=1)
    diameter_mm: Distribution = LogNormal(median=13, sigma=0.5, low=4, high=45)
    shapes: Annotated[dict[MassShape, Weight], AfterValidator(some_weight)] = Field(
        default={"oval": 0.35, "round": 0.15, "irregular": 0.5})
    margins: Annotated[dict[Margin, Weight], AfterValidator(some_weight)] | None = None
    densities: Annotated[dict[Density, Weight], AfterValidator(some_weight)] = Field(
        default={"low": 0.08, "equal": 0.42, "high": 0.47, "fat_containing": 0.03})
    spicule_mm: Distribution = Uniform(low=6, high=16)


class BreastMassSpec(Options):
    """One mass in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["breast_mass"] = "breast_mass"
    diameter_mm: float = Field(gt=0, le=100)
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)
    shape: MassShape
    margin: Margin
    density: Density
    relative_density: float
    axes: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    spicule_mm: float = Field(ge=0)
    shape_seed: int = Field(ge=0)


def sample_specs(options: BreastMassOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the masses of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def _sample_one(options: BreastMassOptions, scene: Scene, taken: Sequence[Ball], *,
                rng: np.random.Generator) -> BreastMassSpec:
    diameter = float(options.diameter_mm.sample(rng=rng))
    shape = choose(options.shapes, rng=rng)
    margin = choose(options.margins or MARGINS_OF[shape], rng=rng)
    density = choose(options.densities, rng=rng)
    form: dict[str, Any] = {
        "diameter_mm": round(diameter, 3), "shape": shape, "margin": margin, "density": density,
        "relative_density": float(rng.uniform(*RELATIVE[density])), "axes": _axes(shape, rng=rng),
        "quaternion": random_quaternion(rng=rng), "spicule_mm": float(options.spicule_mm.sample(rng=rng)),
        "shape_seed": int(rng.integers(2**53))}
    if margin != "spiculated":
        form["spicule_mm"] = 0.0
    body = 0.5 * diameter * max(form["axes"]) * (1.4 if shape == "irregular" else 1.1)
    whole = breast_of(scene)
    weight = gland_weight(scene)
    if margin == "obscured":  # what hides a margin is the tissue beside it
        weight = weight * host_share(scene)
    for centre in whole.points(SITES, rng=rng, depth_mm=(0.55 * diameter + 1.0, np.inf), weight=weight):
        if keeps_apart(centre, body, taken):
            return BreastMassSpec(centre_mm=point(centre), reach_mm=round(body, 3), **form)
    raise PlacementError(f"lesions.breast_mass found no place for one of diameter_mm {diameter:.1f} in the breast, "
                         f"which is {2 * float(whole.depth_mm.max()):.0f} mm thick")


def host_share(scene: Scene) -> np.ndarray:
    """Return how much of each voxel of the breast is glandular tissue, and a little everywhere."""
    return breast_of(scene).occupancy(scene, *GLAND) + np.float32(0.01)


def _axes(shape: str, *, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return relative semi-axes with product 1."""
    spread = {"round": 0.03, "irregular": 0.18}
    logs = (np.array([np.log(rng.uniform(1.35, 1.75)), 0.0, -0.1 * rng.uniform()]) if shape == "oval"
            else spread[shape] * rng.standard_normal(3))
    x, y, z = np.exp(logs - logs.mean()).tolist()
    return x, y, z


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(BreastMassSpec, spec, number)
    seed = Seed(one.shape_seed)
    body, spicules = _shapes(one, breast_of(scene).shape, seed)
    made = _structures(one, number)
    over = covered_labels(scene)
    layers = (Layer(made["change"].label), Layer(made["solid"].label, FADE * one.diameter_mm / 2)) \
        if "change" in made else (Layer(made["solid"].label),)
    paints = [Paint(body, layers, over, lattice_mm=float(np.clip(one.diameter_mm / 50, 0.15, 0.6)))]
    if spicules is not None:
        paints.insert(0, Paint(spicules, (Layer(made["spicules"].label),), over))
    attributes = {"bi_rads_shape": one.shape, "bi_rads_margin": one.margin, "bi_rads_density": one.density,
                  **breast_words(scene, one.centre_mm)}
    return Lesion(number, one.kind, MASS, tuple(made.values()), tuple(paints), _host_at(scene, one), attributes,
                  one.model_dump(mode="json"), rigid=True)


def _host_at(scene: Scene, one: BreastMassSpec) -> str:
    """Return what lies around the mass: glandular tissue or fat."""
    gland = host(scene, *GLAND)
    return "fibroglandular_tissue" if float(gland.depth_at(np.array([one.centre_mm]))[0]) > -2.0 else "breast_fat"


def _shapes(one: BreastMassSpec, inside: Shape, seed: Seed) -> tuple[Shape, Tubes | None]:
    """Return the mass and its spicules, together of the volume asked for."""
    wanted = np.pi / 6 * one.diameter_mm**3
    body = blob(one.centre_mm, wanted, axes=one.axes, turn=turn_of(one.quaternion), lobulation=LOBULATION[one.shape],
                roughness=ROUGHNESS[one.shape], fraying=FRAYING[one.margin], seed=seed.child("body"), host=inside,
                cut=True)
    if one.margin == "microlobulated":
        return grown_to(Union(body, _knobs(body, seed.child("knobs")), 0.04 * body.radius_mm), wanted,
                        host=inside), None
    if one.margin != "spiculated":
        return body, None
    count = round(float(np.interp(one.diameter_mm, (5, 25), SPICULES)))
    spicules = strands(body, inside, count, one.spicule_mm, base_mm=SPICULE_BASE_MM, seed=seed.child("spicules"))
    reach = 2.8 * max(one.axes) * one.diameter_mm / 2
    smaller = radius_for_volume(volume_integral(body, reach, inside, added=spicules), wanted, reach)
    return body.with_radius(smaller), spicules


def _knobs(body: StarBody, seed: Seed) -> Grains:
    rng = seed.rng()
    rays = scattered_directions(KNOBS, 0.5, rng=rng)
    centres = np.asarray(body.centre_mm) + rays * (0.93 * body.surface_mm(rays))[:, None]
    return Grains(centres, rng.uniform(*KNOB_SIZE, KNOBS) * body.radius_mm)


def _structures(one: BreastMassSpec, number: int) -> dict[str, Structure]:
    tissue, mixture = matter_of_density(one.relative_density)
    fat = one.density == "fat_containing"
    texture = Texture(octaves=((5.0, 0.012), (2.0, 0.008)), ridges=((6.0, 0.3, -0.12),) if fat else ())
    made = {"solid": lesion_part(number, "solid", tissue, MASS, whole=True, texture=texture, mixture=mixture,
                                 enhancement="tumour")}
    if one.margin == "indistinct":
        edge, thinned = matter_of_density(0.5 * (one.relative_density + 0.80))
        made["change"] = lesion_part(number, "change", edge, MASS, mixture=thinned, enhancement="tumour",
                                     texture=Texture(octaves=((3.0, 0.02), (1.5, 0.02)), ridges=((3.0, 0.3, -0.08),)))
    if one.margin == "spiculated":
        made["spicules"] = lesion_part(number, "spicules", tissue, MASS, mixture=mixture, enhancement="tumour")
    return made


FAMILY = Family("breast_mass", "Breast masses by BI-RADS shape, margin and density", BreastMassOptions,
                sample_specs, insert, ("breast",))
