"""Dissection of the abdominal aorta: a winding flap between a true and a false lumen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.lesions.abdomen.aorta import AORTA, SpiralSide, aorta, one_aorta
from medsynth.lesions.abdomen.focal import organ
from medsynth.lesions.distributions import Distribution, Fixed, Options, Uniform
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import labels_of
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure

DISSECTION = Code("308546005", "Dissection of aorta")
FLAP_MM = 1.3


class AorticDissectionOptions(Options):
    """Dissections of the aorta of one recipe entry: one at most in a body.

    Attributes
    ----------
    count : 0 or 1.
    extent : share of the aorta in the body that is dissected, from above.
    turns : how often the flap winds around over that length.
    true_share : how much of the section the true lumen keeps.
    thrombosed : probability that the false lumen is clotted.
    """

    count: Distribution = Fixed(value=1)
    extent: Distribution = Uniform(low=0.5, high=1.0)
    turns: Distribution = Uniform(low=0.1, high=0.5)
    true_share: Distribution = Uniform(low=0.25, high=0.5)  # the false lumen is the larger one (unverified)
    thrombosed: float = Field(default=0.2, ge=0, le=1)  # unverified


class AorticDissectionSpec(Options):
    """One dissection in plain numbers; it follows the aorta of its scene and leaves it nowhere (reach 0)."""

    kind: Literal["aortic_dissection"] = "aortic_dissection"
    z_mm: tuple[float, float]
    angle_rad: float
    turn_rad_per_mm: float
    true_share: float = Field(gt=0, lt=1)
    thrombosed: bool
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)


def sample_specs(options: AorticDissectionOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the dissection of one recipe entry as a spec of JSON values.

    Raises
    ------
    PlacementError
        If more than one is asked for, or the body holds too little of the aorta.
    """
    count = int(options.count.sample(rng=rng))
    one_aorta("aortic_dissection", count, taken)
    if count == 0:
        return []
    line = aorta(scene)
    top = float(line.z_mm[-1])
    bottom = top - float(np.clip(options.extent.sample(rng=rng), 0.1, 1)) * (top - float(line.z_mm[0]))
    middle = (top + bottom) / 2
    x, y, _ = (float(v) for v in line.at(middle))
    return [AorticDissectionSpec(
        z_mm=(bottom, top), angle_rad=float(rng.uniform(0, 2 * np.pi)),
        thrombosed=bool(rng.uniform() < options.thrombosed),
        turn_rad_per_mm=float(rng.choice([-1, 1])) * 2 * np.pi * options.turns.sample(rng=rng) / (top - bottom),
        true_share=options.true_share.sample(rng=rng), centre_mm=(x, y, middle), reach_mm=0.0).model_dump(mode="json")]


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(AorticDissectionSpec, spec, number)
    line = aorta(scene)
    # The sheet's mean offset that leaves the true lumen its share of a circle (first order), with its bow of 1/8.
    offset = -(0.5 - one.true_share) * np.pi / 2 + 0.19
    side = SpiralSide(line, one.z_mm, one.angle_rad, one.turn_rad_per_mm, offset)
    flap = SpiralSide(line, one.z_mm, one.angle_rad, one.turn_rad_per_mm, offset, FLAP_MM)
    false = "clot" if one.thrombosed else "blood"
    made: dict[str, Structure] = {
        false: lesion_part(number, false, false, DISSECTION, whole=True,
                           enhancement="" if one.thrombosed else "false_lumen",
                           mixture=mixture_for_hu("clot", 45.0) if one.thrombosed else ()),
        "wall": lesion_part(number, "wall", "vessel_wall", DISSECTION)}
    lumen = tuple(label for label in organ(scene, *AORTA).labels
                  if label not in organ_walls(scene))
    paints = (Paint(side, (Layer(made[false].label),), lumen, lattice_mm=0.8),
              Paint(flap, (Layer(made["wall"].label),), (*lumen, made[false].label), lattice_mm=0.6))
    attributes = {"stanford": "B", "debakey": "IIIb", "true_lumen_share": round(one.true_share, 3),
                  "false_lumen": "thrombosed" if one.thrombosed else "patent",
                  "extent_mm": round(one.z_mm[1] - one.z_mm[0], 1)}
    name = next(n for n in AORTA if any(s.name == n for s in scene.structures))
    return Lesion(number, one.kind, DISSECTION, tuple(made.values()), paints, name, attributes,
                  one.model_dump(mode="json"))


def organ_walls(scene: Scene) -> tuple[int, ...]:
    """Return the labels of the aorta's walls."""
    return labels_of(scene, *(s.name for s in scene.structures if s.name in ("aortic_wall", "abdominal_aorta_wall")))


FAMILY = Family("aortic_dissection", "Dissection of the abdominal aorta", AorticDissectionOptions, sample_specs, insert,
                ("abdomen", "torso"))
