"""Fat in the liver: the whole organ, or geographic patches that spare the gallbladder's bed.

Fat is mixed into the liver's own tissue, so that CT, in-phase, opposed-phase and fat-fraction images all follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError, RecipeError
from medsynth.lesions.abdomen.focal import FocalSpec, body_of, form_of, free_place, organ
from medsynth.lesions.distributions import Distribution, LogNormal, Options, Poisson, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import Host, host, labels_of, point
from medsynth.lesions.matter import lesion_part
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure
from medsynth.shapes.base import Shape
from medsynth.shapes.blend import Difference, Offset
from medsynth.tissues.mr import MEAN

Pattern = Literal["diffuse", "geographic", "focal"]
STEATOSIS = Code("197321007", "Steatosis of liver")
LIVER = ("liver*",)
FIELD_T = 1.5  # proton densities do not depend on it
SPARING_MM = (12.0, 32.0)  # diameter of what is spared beside the gallbladder (unverified)
GRADES = ((5.0, "none"), (16.3, "mild"), (21.7, "moderate"), (100.0, "severe"))  # PDFF in %, unverified: Tang 2013
PATTERNS: dict[Pattern, float] = {"diffuse": 0.7, "geographic": 0.2, "focal": 0.1}


class SteatosisOptions(Options):
    """Fatty livers of one recipe entry: one at most in a body.

    Attributes
    ----------
    count : 0 or 1.
    fat_fraction : proton density fat fraction of the liver.
    patterns : weights of diffuse (with or without a spared patch), geographic (a half of the liver) and focal.
    sparing : probability of a spared patch in a diffuse one.
    focal_diameter_mm : of a focal patch of fat.
    """

    count: Distribution = Poisson(mean=1, low=1, high=1)
    fat_fraction: Distribution = LogNormal(median=0.14, sigma=0.5, low=0.055, high=0.45)  # unverified
    patterns: dict[Pattern, float] = PATTERNS
    sparing: float = Field(default=0.4, ge=0, le=1)
    focal_diameter_mm: Distribution = Uniform(low=14, high=40)


class SteatosisSpec(FocalSpec):
    """One fatty liver in plain numbers; the form is that of the spared (or of the only fatty) patch."""

    kind: Literal["steatosis"] = "steatosis"
    pattern: Pattern
    fat_fraction: float = Field(gt=0, le=0.6)
    spared: bool


def sample_specs(options: SteatosisOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the fatty liver of one recipe entry as a spec of JSON values.

    Raises
    ------
    PlacementError
        If the body has no liver, or more than one is asked for.
    """
    count = int(options.count.sample(rng=rng))
    if count + sum(other["kind"] == "steatosis" for other in taken) > 1:
        raise PlacementError(f"lesions.steatosis: a body has one liver, got count {count} in all")
    if count == 0:
        return []
    liver = host(scene, *LIVER)
    pattern: Pattern = choose(options.patterns, rng=rng)
    diameter = float(options.focal_diameter_mm.sample(rng=rng) if pattern == "focal" else rng.uniform(*SPARING_MM))
    form = form_of(diameter, 0.25, rng=rng)
    spared = pattern != "focal" and bool(rng.uniform() < options.sparing)
    centre = free_place("steatosis", liver, diameter, 0.0, (), depths_mm=((0.0, 8.0), (0.0, np.inf)), rng=rng,
                        weight=_beside_gallbladder(scene, liver))
    # Other lesions grow in fatty liver as in any: it takes no place (reach 0).
    return [SteatosisSpec(centre_mm=point(centre), reach_mm=0.0, host="liver", pattern=pattern, spared=spared,
                          fat_fraction=options.fat_fraction.sample(rng=rng), **form).model_dump(mode="json")]


def _beside_gallbladder(scene: Scene, liver: Host) -> np.ndarray:
    """Return how likely a patch is at each voxel: beside the gallbladder, elsewhere seldom."""
    near = np.full(liver.share.shape, 0.02, np.float32)
    bladder = organ(scene, "gallbladder*")
    index = np.moveaxis(np.indices(near.shape), 0, -1)
    return near + np.exp(-np.maximum(-bladder.depth_at(liver.grid.world_mm(index).reshape(-1, 3)), 0)
                         .reshape(near.shape) / 5).astype(np.float32)


def adipose_share(structure: Structure, fat_fraction: float) -> float:
    """Return the volume share of adipose tissue that gives a structure's tissue this proton density fat fraction.

    Raises
    ------
    RecipeError
        If no share does.
    """
    own, fat = MEAN.material(structure.tissue, FIELD_T), MEAN.material("adipose", FIELD_T)
    low, high = 0.0, 1.0
    for _ in range(50):
        share = (low + high) / 2
        signal = (1 - share) * own.pd + share * fat.pd
        found = ((1 - share) * own.pd * own.fat_fraction + share * fat.pd * fat.fat_fraction) / signal
        low, high = (share, high) if found < fat_fraction else (low, share)
    if share < 1e-6 or share > 1 - 1e-6:
        raise RecipeError(f"fat_fraction of {structure.name} must be above its tissue's own "
                          f"{own.fat_fraction:.3f}, got {fat_fraction:g}")
    return round(share, 6)


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(SteatosisSpec, spec, number)
    liver, structure = host(scene, *LIVER), scene.structure("liver")
    patch = body_of(one, lobulation=0.5, roughness=0.08, within=liver)
    grown = Offset(liver.shape, 3.0)  # `over` draws the exact border
    shape: Shape = patch if one.pattern == "focal" else Difference(grown, patch) if one.spared else grown
    over = liver.labels
    if one.pattern == "geographic":  # one lobe by the portal branches, sharp borders
        over = labels_of(scene, *(f"liver_segment_{n}" for n in _lobe(one)))
    part = lesion_part(number, "change", structure.tissue, STEATOSIS, whole=True, enhancement=structure.enhancement,
                       mixture=(("adipose", adipose_share(structure, one.fat_fraction)),), texture=structure.texture)
    grade = next(word for limit, word in GRADES if 100 * one.fat_fraction < limit)
    attributes = {"pattern": one.pattern, "focal_sparing": one.spared, "fat_fraction": round(one.fat_fraction, 4),
                  "grade": grade}
    return Lesion(number, one.kind, STEATOSIS, (part,), (Paint(shape, (Layer(part.label),), over),), "liver",
                  attributes, one.model_dump(mode="json"))


def _lobe(one: SteatosisSpec) -> tuple[int, ...]:
    return (5, 6, 7, 8) if one.part("lobe").rng().uniform() < 0.7 else (2, 3, 4)


FAMILY = Family("steatosis", "Fatty liver: diffuse, geographic or focal, with focal sparing", SteatosisOptions,
                sample_specs, insert, ("abdomen", "torso"))
