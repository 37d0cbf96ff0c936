"""Renal cysts: from thin-walled water to septa, calcium and enhancing nodules, as Bosniak graded them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.lesions.abdomen.focal import FocalSpec, body_of, form_of, random_direction
from medsynth.lesions.abdomen.kidney_sites import mass_site, pole_word, room
from medsynth.lesions.distributions import Distribution, LogNormal, Options, Poisson, Uniform, choose
from medsynth.lesions.family import Family, Site, checked_spec
from medsynth.lesions.host import point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.star_body import Grains
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure
from medsynth.shapes.blend import Intersection, Shell
from medsynth.shapes.primitives import Sphere

Bosniak = Literal["I", "II", "IIF", "III", "IV"]
CYST = Code("441457006", "Cyst")
# class -> (wall in mm, septa, septum in mm, whether walls and septa enhance, flecks of calcium, nodule)
# Bosniak 2019 (doi:10.1148/radiol.2019182646, recalled; unverified): thin <= 2 mm, thick >= 4 mm.
LOOKS: Mapping[str, tuple[tuple[float, float], tuple[int, int], tuple[float, float], bool, float, bool]] = {
    "I": ((0.4, 0.8), (0, 0), (0.5, 0.5), False, 0.0, False),
    "II": ((0.5, 1.2), (1, 3), (0.5, 1.0), False, 0.35, False),
    "IIF": ((1.2, 2.5), (3, 5), (0.9, 1.8), True, 0.5, False),
    "III": ((4.0, 5.5), (1, 4), (1.5, 4.2), True, 0.4, False),
    "IV": ((2.5, 5.0), (1, 4), (1.5, 3.5), True, 0.3, True),
}
LEAST_MM: Mapping[str, float] = {"I": 4.0, "II": 14.0, "IIF": 20.0, "III": 28.0, "IV": 28.0}  # room for wall and septa
BOSNIAK: dict[Bosniak, float] = {"I": 0.75, "II": 0.12, "IIF": 0.06, "III": 0.04, "IV": 0.03}  # unverified


class KidneyCystOptions(Options):
    """Renal cysts of one recipe entry.

    Attributes
    ----------
    count : how many.
    bosniak : weights of the classes.
    diameter_mm : of the sphere of the same volume; a class with septa has a least size.
    fluid_hu : mean CT number of the fluid.
    exophytic : how far the middle lies from the kidney's surface, over the radius: -1 outside to 1 inside.
    """

    count: Distribution = Poisson(mean=1.5, low=1, high=8)
    bosniak: dict[Bosniak, float] = BOSNIAK
    diameter_mm: Distribution = LogNormal(median=20, sigma=0.6, low=5, high=100)  # unverified
    fluid_hu: Distribution = Uniform(low=-5, high=18)  # -9 to 20 HU (facts 5.7)
    exophytic: Distribution = Uniform(low=-0.35, high=0.6)


class KidneyCystSpec(FocalSpec):
    """One renal cyst in plain numbers."""

    kind: Literal["kidney_cyst"] = "kidney_cyst"
    bosniak: Bosniak
    fluid_hu: float
    wall_mm: float = Field(gt=0)
    septa: int = Field(ge=0, le=8)
    septum_mm: float = Field(gt=0)
    calcified: bool


def sample_specs(options: KidneyCystOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the cysts of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    specs: list[dict[str, Any]] = []
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        grade: Bosniak = choose(options.bosniak, rng=stream)
        wall, septa, septum, _, calcium, _ = LOOKS[grade]
        diameter = max(float(options.diameter_mm.sample(rng=stream)), LEAST_MM[grade])
        form = form_of(diameter, 0.06, rng=stream)
        numbers: dict[str, Any] = {"fluid_hu": options.fluid_hu.sample(rng=stream),
                                   "wall_mm": float(stream.uniform(*wall)),
                   "septa": int(stream.integers(septa[0], septa[1] + 1)), "septum_mm": float(stream.uniform(*septum)),
                   "calcified": bool(stream.uniform() < calcium)}
        reach = 0.5 * diameter * 1.2
        at, side = mass_site("kidney_cyst", scene, diameter, options.exophytic.sample(rng=stream) * diameter / 2, reach,
                             (*taken, *specs), rng=stream)
        specs.append(KidneyCystSpec(bosniak=grade, centre_mm=at, reach_mm=round(reach, 3), host=side, **form,
                                    **numbers).model_dump(mode="json"))
    return specs


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(KidneyCystSpec, spec, number)
    where = room(scene)
    over = where.labels
    body = body_of(one, lobulation=0.08, roughness=0.015, within=where)
    _, _, _, enhances, _, nodule = LOOKS[one.bosniak]
    wall_key = "inflamed_wall" if enhances else ""
    made: dict[str, Structure] = {
        "fluid": lesion_part(number, "fluid", "cyst_fluid", CYST, whole=True,
                             mixture=mixture_for_hu("cyst_fluid", one.fluid_hu)),
        "wall": lesion_part(number, "wall", "fibrous_tumour", CYST, enhancement=wall_key,
                            mixture=mixture_for_hu("fibrous_tumour", 35.0))}
    fluid, wall = made["fluid"].label, made["wall"].label
    fine = 0.5 if one.diameter_mm < 40 else 0.0
    paints = [Paint(body, (Layer(wall), Layer(fluid, one.wall_mm)), over, lattice_mm=fine)]
    rng = one.part("septa").rng()
    for _ in range(one.septa):
        paints.append(Paint(_septum(one, rng=rng), (Layer(wall),), (fluid,), lattice_mm=max(0.35, 0.6 * one.septum_mm)))
    if nodule:
        made["solid"] = lesion_part(number, "solid", "tumour", CYST, enhancement="clear_cell",
                                    mixture=mixture_for_hu("tumour", 35.0))
        ray = random_direction(rng=rng)[None]
        spot = np.asarray(one.centre_mm) + ray * (body.surface_mm(ray) * 0.82)[:, None]
        paints.append(Paint(Grains(spot, np.array([rng.uniform(0.2, 0.32) * one.radius_mm])),
                            (Layer(made["solid"].label),), (fluid, wall)))
    if one.calcified:
        made["calcification"] = lesion_part(number, "calcification", "calcification", CYST,
                                            mixture=mixture_for_hu("calcification", float(rng.uniform(300, 800))))
        count = int(rng.integers(2, 7))
        first = random_direction(rng=rng)
        rays = np.array([first + 0.5 * random_direction(rng=rng) for _ in range(count)])
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        spots = np.asarray(one.centre_mm) + rays * (body.surface_mm(rays) - one.wall_mm - 0.3)[:, None]
        paints.append(Paint(Grains(spots, rng.uniform(0.6, 1.4, count)),
                            (Layer(made["calcification"].label),),
                            (wall, fluid), lattice_mm=0.4))
    attributes = {"type": "cyst", "bosniak": one.bosniak, "septa": one.septa, "wall_mm": round(one.wall_mm, 2),
                  "wall_enhances": enhances, "calcified": one.calcified, "nodule": nodule,
                  "simple": one.bosniak == "I", "pole": pole_word(scene, one.host, one.centre_mm)}
    return Lesion(number, one.kind, CYST, tuple(made.values()), tuple(paints), one.host, attributes,
                  one.model_dump(mode="json"))


def _septum(one: KidneyCystSpec, *, rng: np.random.Generator) -> Intersection:
    """Return a septum: a curved sheet across the cyst; the paint's `over` ends it at the wall."""
    normal = random_direction(rng=rng)
    bend = float(rng.uniform(1.1, 3.0)) * one.radius_mm
    middle = np.asarray(one.centre_mm) + normal * (rng.uniform(-0.55, 0.55) * one.radius_mm - bend)
    return Intersection(Shell(Sphere(point(middle), bend), one.septum_mm), Sphere(one.centre_mm, 1.25 * one.radius_mm))


FAMILY = Family("kidney_cyst", "Renal cysts, Bosniak I to IV", KidneyCystOptions, sample_specs, insert,
                ("abdomen", "torso"),
                Site("kidney_right", "kidney"))
