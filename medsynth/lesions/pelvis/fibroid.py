"""Uterine fibroids: dark, whorled, within the wall, under the lining or outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from medsynth.lesions.abdomen.focal import (
    PUSH_REACH,
    FocalSpec,
    around,
    body_of,
    form_of,
    organ,
    pushes_of,
    random_direction,
    roomy_place,
)
from medsynth.lesions.distributions import Distribution, LogNormal, Options, Poisson, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.family import Site as ImageSite
from medsynth.lesions.host import host, point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.placement import taken_balls
from medsynth.lesions.star_body import Grains
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure, Texture
from medsynth.shapes.base import Shape

Site = Literal["intramural", "subserosal", "submucosal"]
FIBROID = Code("95315005", "Uterine leiomyoma")
UTERUS = ("uterus", "endometrium")
SOFT = ("abdominal_fat", "small_bowel*", "colon*")  # what one that leaves the uterus replaces
FIGO = {"submucosal": "0-2", "intramural": "3-4", "subserosal": "5-7"}
OUTWARDS = {"submucosal": 0.0, "intramural": 0.0, "subserosal": 0.3}  # of the diameter
CALCIFIED = 0.08  # share that is calcified (unverified)
SITES: dict[Site, float] = {"intramural": 0.6, "subserosal": 0.3, "submucosal": 0.1}  # unverified


class FibroidOptions(Options):
    """Uterine fibroids of one recipe entry.

    Attributes
    ----------
    count : how many.
    sites : weights of intramural, subserosal, submucosal.
    diameter_mm : of the sphere of the same volume.
    """

    count: Distribution = Poisson(mean=2, low=1, high=8)
    sites: dict[Site, float] = SITES
    diameter_mm: Distribution = LogNormal(median=20, sigma=0.5, low=6, high=80)  # unverified


class FibroidSpec(FocalSpec):
    """One fibroid in plain numbers."""

    kind: Literal["fibroid"] = "fibroid"
    site: Site
    push_mm: float
    calcified: bool


def sample_specs(options: FibroidOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the fibroids of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place, or the person has no uterus.
    """
    specs: list[dict[str, Any]] = []
    uterus, space = organ(scene, *UTERUS), organ(scene, *UTERUS, *SOFT)
    deepest = float(uterus.depth_mm.max())
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        site: Site = choose(options.sites, rng=stream)
        diameter = float(options.diameter_mm.sample(rng=stream))
        form = form_of(diameter, 0.06, rng=stream)
        reach = 0.56 * diameter
        depth = {"submucosal": (0.7 * deepest, np.inf), "intramural": (0.3 * deepest, 0.8 * deepest),
                 "subserosal": (0.0, 0.4 * deepest)}[site]
        at = roomy_place("fibroid", uterus, space, diameter, reach, taken_balls(*taken, *specs), rng=stream,
                         outwards_mm=OUTWARDS[site] * diameter, depths_mm=(depth, (0.0, np.inf)))
        specs.append(FibroidSpec(site=site, centre_mm=point(at), reach_mm=round(reach, 3), host="uterus",
                                 push_mm=0.3 * diameter, calcified=bool(stream.uniform() < CALCIFIED), **form)
                     .model_dump(mode="json"))
    return specs


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(FibroidSpec, spec, number)
    where = organ(scene, *UTERUS, *SOFT)
    body = body_of(one, lobulation=0.12, roughness=0.02, within=where)
    made: dict[str, Structure] = {"solid": lesion_part(
        number, "solid", "fibrous_tumour", FIBROID, whole=True, enhancement="fibroid",
        mixture=mixture_for_hu("fibrous_tumour", 45.0),
        texture=Texture(octaves=((5.0, 0.01),), ridges=((7.0, 0.15, 0.02),)))}
    paints = [Paint(body, (Layer(made["solid"].label),), where.labels)]
    if one.calcified:
        made["calcification"] = lesion_part(number, "calcification", "calcification", FIBROID,
                                            mixture=mixture_for_hu("calcification", 500.0))
        rng = one.part("calcium").rng()
        spots = np.array([np.asarray(one.centre_mm) + random_direction(rng=rng) * rng.uniform(0, 0.8) * one.radius_mm
                          for _ in range(12)])
        paints.append(Paint(Grains(spots, rng.uniform(0.8, 2.0, 12)), (Layer(made["calcification"].label),),
                            (made["solid"].label,), lattice_mm=0.4))
    return Lesion(number, one.kind, FIBROID, tuple(made.values()), tuple(paints), "uterus",
                  {"site": one.site, "figo": FIGO[one.site], "calcified": one.calcified}, one.model_dump(mode="json"),
                  pushes=pushes_of(one, one.push_mm, movable(scene, one)))


def movable(scene: Scene, one: FocalSpec) -> Shape:
    """Return the soft contents of the pelvis about a lesion, which give way."""
    contents = host(scene, "uterus", "endometrium", "cervix", "ovary_*", "bladder*", *SOFT, "mesenteric_*")
    return around(contents, one.centre_mm, PUSH_REACH * one.radius_mm + 20).shape


FAMILY = Family("fibroid", "Uterine fibroids by site", FibroidOptions, sample_specs, insert, ("pelvis", "torso"),
                ImageSite("uterus", "uterus"))
