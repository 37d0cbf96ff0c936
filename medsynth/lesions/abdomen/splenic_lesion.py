"""Lesions of the spleen: cysts, wedge-shaped infarcts and nodules of lymphoma."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from medsynth.core.grid import Vector
from medsynth.lesions.abdomen.focal import FocalSpec, body_of, form_of, free_place, inwards
from medsynth.lesions.distributions import Distribution, LogNormal, Options, Poisson, choose
from medsynth.lesions.family import Family, Site, checked_spec
from medsynth.lesions.form import grown_to
from medsynth.lesions.host import host, point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.placement import taken_balls
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure, Texture
from medsynth.shapes.base import Box, Distances, Points, Shape

Type = Literal["cyst", "infarct", "lymphoma"]
LESION = Code("52988006", "Lesion")
SPLEEN = ("spleen*",)
HALF_ANGLE_RAD = (0.45, 0.75)  # of an infarct's wedge (unverified)
TYPES: dict[Type, float] = {"cyst": 0.4, "infarct": 0.3, "lymphoma": 0.3}  # unverified


class SplenicLesionOptions(Options):
    """Splenic lesions of one recipe entry.

    Attributes
    ----------
    count : how many.
    types : weights of cyst, infarct, lymphoma.
    diameter_mm : of the sphere of the same volume.
    """

    count: Distribution = Poisson(mean=1.5, low=1, high=8)
    types: dict[Type, float] = TYPES
    diameter_mm: Distribution = LogNormal(median=18, sigma=0.45, low=6, high=70)  # unverified


class SplenicLesionSpec(FocalSpec):
    """One splenic lesion in plain numbers; an infarct's centre is the tip of its wedge."""

    kind: Literal["splenic_lesion"] = "splenic_lesion"
    type: Type
    axis: Vector
    half_angle_rad: float


@dataclass(frozen=True, eq=False)
class Wedge:
    """A cone from its tip along an axis: an infarct; a bound near its tip."""

    tip_mm: Vector
    axis: Vector
    half_angle_rad: float
    length_mm: float
    exact: bool = False

    def distance_mm(self, points_mm: Points) -> Distances:
        """Return the signed distance (...) in mm."""
        rest = points_mm - np.asarray(self.tip_mm)
        along = rest @ np.asarray(self.axis)
        across = np.sqrt(np.maximum(np.square(rest).sum(axis=-1) - along**2, 0))
        wavy = 1 + 0.12 * np.sin(0.6 * along + 0.35 * across)
        side: Distances = across * np.cos(self.half_angle_rad) * wavy - along * np.sin(self.half_angle_rad)
        return side

    def bounds_mm(self) -> Box:
        """Return the LPS box of its first `length_mm`."""
        reach = self.length_mm * max(1.0, float(np.tan(self.half_angle_rad)))
        middle = np.asarray(self.tip_mm) + 0.5 * self.length_mm * np.asarray(self.axis)
        return tuple((middle - reach).tolist()), tuple((middle + reach).tolist())


def sample_specs(options: SplenicLesionOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the splenic lesions of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    specs: list[dict[str, Any]] = []
    spleen = host(scene, *SPLEEN)
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        kind: Type = choose(options.types, rng=stream)
        diameter = min(float(options.diameter_mm.sample(rng=stream)), 2.2 * float(spleen.depth_mm.max()))
        form = form_of(diameter, 0.1, rng=stream)
        half = float(stream.uniform(*HALF_ANGLE_RAD))
        deep = min(0.4 * diameter, 0.7 * float(spleen.depth_mm.max()))
        if kind == "infarct":
            # A cone of this volume is as tall as it lies deep: its base is the capsule.
            deep = min(float((0.5 * diameter**3 / np.tan(half) ** 2) ** (1 / 3)), 0.9 * float(spleen.depth_mm.max()))
        reach = 0.62 * diameter
        at = free_place("splenic_lesion", spleen, diameter, reach, taken_balls(*taken, *specs), rng=stream,
                        depths_mm=((deep - 1, deep + 2) if kind == "infarct" else (deep, np.inf), (2.0, np.inf)))
        axis = -inwards(spleen, at)
        specs.append(SplenicLesionSpec(type=kind, centre_mm=point(at), reach_mm=round(reach, 3), host="spleen",
                                       axis=point(axis), half_angle_rad=half, **form).model_dump(mode="json"))
    return specs


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(SplenicLesionSpec, spec, number)
    spleen = host(scene, *SPLEEN)
    shape: Shape
    if one.type == "infarct":
        wedge = Wedge(one.centre_mm, one.axis, one.half_angle_rad, 2.2 * one.diameter_mm)
        shape = grown_to(wedge, one.volume_mm3, host=spleen.shape)
    else:
        shape = body_of(one, lobulation=0.2, roughness=0.03, within=spleen)
    part = _part(one, number)
    return Lesion(number, one.kind, LESION, (part,), (Paint(shape, (Layer(part.label),), spleen.labels),), "spleen",
                  {"type": one.type, "shape": "wedge" if one.type == "infarct" else "round"},
                  one.model_dump(mode="json"))


def _part(one: SplenicLesionSpec, number: int) -> Structure:
    if one.type == "cyst":
        return lesion_part(number, "fluid", "cyst_fluid", LESION, whole=True)
    if one.type == "infarct":  # dead tissue that no contrast reaches
        return lesion_part(number, "change", "spleen", LESION, whole=True, mixture=mixture_for_hu("spleen", 36.0),
                           texture=Texture(octaves=((6.0, 0.006),)))
    return lesion_part(number, "solid", "lymph_node", LESION, whole=True, enhancement="tumour",
                       texture=Texture(octaves=((6.0, 0.004),)))


FAMILY = Family("splenic_lesion", "Splenic cyst, infarct and lymphoma", SplenicLesionOptions, sample_specs, insert,
                ("abdomen", "torso"),
                Site("spleen", "spleen"))
