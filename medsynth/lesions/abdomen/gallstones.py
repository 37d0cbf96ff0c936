"""Gallstones: cholesterol or calcified, one large or many small, on the low side of the gallbladder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.lesions.abdomen.focal import DIRECTIONS, FocalSpec, form_of
from medsynth.lesions.distributions import Distribution, LogNormal, Options, Poisson, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.form import blob, turn_of
from medsynth.lesions.host import host, labels_of, point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.placement import Ball, keeps_apart
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure

Composition = Literal["cholesterol", "mixed", "pigment"]
Posture = Literal["supine", "prone", "upright", "left_decubitus", "right_decubitus"]
GALLSTONE = Code("266474003", "Calculus in biliary tract")
BILE = "gallbladder_bile"
STEP_MM = 1.0
# Pure cholesterol lies at or below the bile's HU; pigment stones hold calcium (unverified).
HU: Mapping[str, Distribution] = {"cholesterol": Uniform(low=-60, high=30), "mixed": Uniform(low=40, high=180),
                                  "pigment": Uniform(low=150, high=600)}
SHELL_HU = (150.0, 600.0)  # of the calcified rind of mixed stones (unverified)
COMPOSITIONS: dict[Composition, float] = {"cholesterol": 0.35, "mixed": 0.45, "pigment": 0.2}  # unverified


class GallstonesOptions(Options):
    """Gallstones of one recipe entry.

    Attributes
    ----------
    count : how many.
    compositions : weights of cholesterol, mixed (with a calcified rind), pigment.
    diameter_mm : of the sphere of the same volume.
    posture : the stones lie on the side of the gallbladder that is low in it.
    """

    count: Distribution = Poisson(mean=4, low=1, high=20)
    compositions: dict[Composition, float] = COMPOSITIONS
    diameter_mm: Distribution = LogNormal(median=6, sigma=0.5, low=2, high=30)  # unverified
    posture: Posture = "supine"


class GallstoneSpec(FocalSpec):
    """One gallstone in plain numbers."""

    kind: Literal["gallstones"] = "gallstones"
    composition: Composition
    stone_hu: float
    rind_hu: float
    rind_mm: float = Field(ge=0)
    posture: Posture


def sample_specs(options: GallstonesOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the stones of one recipe entry as specs of JSON values; they share their composition, as a person's do.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    bile = host(scene, BILE, step_mm=STEP_MM)
    composition: Composition = choose(options.compositions, rng=rng)
    specs: list[dict[str, Any]] = []
    low = np.asarray(DIRECTIONS[options.posture])
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        diameter = min(float(options.diameter_mm.sample(rng=stream)), 1.5 * float(bile.depth_mm.max()))
        form = form_of(diameter, 0.08, rng=stream)
        reach = 0.5 * diameter * 1.12 + 0.3
        balls = [Ball(tuple(o["centre_mm"]), float(o["reach_mm"]) - 0.5) for o in (*taken, *specs)
                 if o["kind"] == "gallstones"]
        points = bile.points(3000, rng=stream, depth_mm=(0.5 * diameter, np.inf))
        free = [p for p in points if keeps_apart(p, reach - 0.4, balls)]
        if not free:
            raise PlacementError(f"lesions.gallstones found no place in the bile for one of diameter_mm {diameter:.1f}")
        at = max(free, key=lambda p: float(p @ low))  # it rolls down until bile or another stone holds it
        rind = float(stream.uniform(0.08, 0.2)) * diameter if composition == "mixed" else 0.0
        specs.append(GallstoneSpec(composition=composition, stone_hu=HU[composition].sample(rng=stream),
                                   rind_hu=float(stream.uniform(*SHELL_HU)), rind_mm=rind, posture=options.posture,
                                   centre_mm=point(at), reach_mm=round(reach, 3), host="gallbladder", **form)
                     .model_dump(mode="json"))
    return specs


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(GallstoneSpec, spec, number)
    bile = host(scene, BILE, step_mm=STEP_MM)
    body = blob(one.centre_mm, one.volume_mm3, axes=one.axes, turn=turn_of(one.quaternion), lobulation=0.25,
                roughness=0.02, seed=one.part("body"), host=bile.shape, cut=True)
    made: dict[str, Structure] = {"solid": lesion_part(number, "solid", "cholesterol", GALLSTONE, whole=True,
                                                       mixture=mixture_for_hu("cholesterol", one.stone_hu))}
    layers: tuple[Layer, ...] = (Layer(made["solid"].label),)
    if one.rind_mm > 0:
        made["calcification"] = lesion_part(number, "calcification", "calcification", GALLSTONE,
                                            mixture=mixture_for_hu("calcification", one.rind_hu))
        layers = (Layer(made["calcification"].label), Layer(made["solid"].label, one.rind_mm))
    paint = Paint(body, layers, labels_of(scene, BILE), lattice_mm=min(0.5, one.radius_mm / 4))
    return Lesion(number, one.kind, GALLSTONE, tuple(made.values()), (paint,), "gallbladder",
                  {"composition": one.composition, "calcified": one.composition != "cholesterol",
                   "posture": one.posture},
                  one.model_dump(mode="json"))


FAMILY = Family("gallstones", "Gallstones: cholesterol, mixed or pigment, on the low side of the bile",
                GallstonesOptions, sample_specs, insert, ("abdomen", "torso"))
