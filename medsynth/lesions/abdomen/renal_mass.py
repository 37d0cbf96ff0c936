"""Solid renal masses: clear cell, papillary and chromophobe carcinoma, and the angiomyolipoma that mimics them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.lesions.abdomen.focal import FocalSpec, body_of, form_of, pushes_of, random_direction, size_class_cm
from medsynth.lesions.abdomen.kidney_sites import mass_site, pole_word, room
from medsynth.lesions.distributions import Distribution, Fixed, LogNormal, Options, Uniform, choose
from medsynth.lesions.family import Family, Site, checked_spec
from medsynth.lesions.form import blob
from medsynth.lesions.host import host, point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.scene.structure import Code, Layer, Lesion, Measured, Paint, Scene, Structure, Texture

Type = Literal["clear_cell", "papillary", "chromophobe", "angiomyolipoma"]
CARCINOMA, MASS = Code("702391001", "Renal cell carcinoma"), Code("4147007", "Mass")
# ~75 % clear cell, 7-15 % papillary, 5 % chromophobe; ~20 % of small solid masses are benign (facts 5.7).
TYPES: dict[Type, float] = {"clear_cell": 0.65, "papillary": 0.12, "chromophobe": 0.06, "angiomyolipoma": 0.17}
LOOK: Mapping[str, tuple[str, str, Texture]] = {  # type -> tissue, contrast, grain
    "clear_cell": ("tumour", "clear_cell", Texture(octaves=((9.0, 0.015), (4.0, 0.012)))),
    "papillary": ("fibrous_tumour", "papillary", Texture(octaves=((8.0, 0.004),))),
    "chromophobe": ("tumour", "chromophobe", Texture(octaves=((8.0, 0.005),))),
    "angiomyolipoma": ("fibrous_tumour", "chromophobe", Texture(octaves=((6.0, 0.01),))),
}
NECROTIC_FROM_MM = 30.0  # clear cell only (unverified)
FAT_SHARE = (0.3, 0.75)
GATES_CM = (4.0, 7.0, 10.0)  # T1a, T1b, T2a, T2b: TNM 8


class RenalMassOptions(Options):
    """Solid renal masses of one recipe entry.

    Attributes
    ----------
    count : how many.
    types : weights of clear_cell, papillary, chromophobe, angiomyolipoma.
    diameter_mm : of the sphere of the same volume.
    native_hu : mean CT number of the solid tissue without contrast.
    exophytic : how far the middle lies from the kidney's surface, over the radius: -1 outside to 1 inside.
    push : largest displacement of the kidney around it, over its radius.
    """

    count: Distribution = Fixed(value=1)
    types: dict[Type, float] = TYPES
    diameter_mm: Distribution = LogNormal(median=34, sigma=0.5, low=10, high=120)  # unverified
    native_hu: Distribution = Uniform(low=28, high=42)
    exophytic: Distribution = Uniform(low=-0.3, high=0.7)
    push: Distribution = Uniform(low=0.1, high=0.25)


class RenalMassSpec(FocalSpec):
    """One solid renal mass in plain numbers."""

    kind: Literal["renal_mass"] = "renal_mass"
    type: Type
    native_hu: float
    push_mm: float = Field(ge=0)
    fat_share: float = Field(ge=0, le=1)


def sample_specs(options: RenalMassOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the renal masses of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    specs: list[dict[str, Any]] = []
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        kind: Type = choose(options.types, rng=stream)
        diameter = float(options.diameter_mm.sample(rng=stream))
        form = form_of(diameter, 0.1, rng=stream)
        fat = float(stream.uniform(*FAT_SHARE))
        numbers: dict[str, Any] = {"native_hu": options.native_hu.sample(rng=stream),
                   "fat_share": fat if kind == "angiomyolipoma" else 0.0,
                   "push_mm": options.push.sample(rng=stream) * diameter / 2}
        reach = 0.5 * diameter * 1.3
        at, side = mass_site("renal_mass", scene, diameter, options.exophytic.sample(rng=stream) * diameter / 2, reach,
                             (*taken, *specs), rng=stream)
        specs.append(RenalMassSpec(type=kind, centre_mm=at, reach_mm=round(reach, 3), host=side, **form, **numbers)
                     .model_dump(mode="json"))
    return specs


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(RenalMassSpec, spec, number)
    where = room(scene)
    body = body_of(one, lobulation=0.3, roughness=0.03, within=where)
    code = MASS if one.type == "angiomyolipoma" else CARCINOMA
    tissue, key, grain = LOOK[one.type]
    made: dict[str, Structure] = {"solid": lesion_part(number, "solid", tissue, code, whole=True, texture=grain,
                                                       enhancement=key, mixture=mixture_for_hu(tissue, one.native_hu))}
    solid = made["solid"].label
    paints = [Paint(body, (Layer(solid),), where.labels)]
    rng = one.part("inside").rng()
    pieces: list[tuple[str, float]] = []
    if one.type == "clear_cell" and one.diameter_mm > NECROTIC_FROM_MM:
        made["core"] = lesion_part(number, "core", "necrosis", code)
        pieces = [("core", float(rng.uniform(0.04, 0.14))) for _ in range(int(rng.integers(1, 4)))]
    elif one.fat_share > 0:
        made["fat"] = lesion_part(number, "fat", "adipose", code, texture=Texture(octaves=((4.0, 0.03),)))
        pieces = [("fat", one.fat_share / 7) for _ in range(10)]
    for n, (part, share) in enumerate(pieces):
        at = np.asarray(one.centre_mm) + random_direction(rng=rng) * rng.uniform(0.1, 0.75) * one.radius_mm
        shape = blob(point(at), one.volume_mm3 * share, lobulation=0.7, roughness=0.12, seed=one.part(f"inside-{n}"))
        paints.append(Paint(shape, (Layer(made[part].label),), (solid,)))
    attributes = {"type": one.type, "mimic": one.type == "angiomyolipoma",
                  "pole": pole_word(scene, one.host, one.centre_mm)}
    kidney = host(scene, f"{one.host}*")
    return Lesion(number, one.kind, code, tuple(made.values()), tuple(paints), one.host, attributes,
                  one.model_dump(mode="json"), pushes=pushes_of(one, one.push_mm, kidney.shape),
                  classify=None if one.type == "angiomyolipoma" else _stage)


def _stage(measured: Measured) -> dict[str, Any]:
    size = measured.max_diameter_mm
    words = ("T1a", "T1b", "T2a", "T2b")  # confined to the kidney: growth into vein or fat is not modelled
    return {"tnm_size_class": words[sum(size > 10 * gate for gate in GATES_CM)], "size": size_class_cm(size, GATES_CM)}


FAMILY = Family("renal_mass", "Renal cell carcinoma by subtype, and angiomyolipoma", RenalMassOptions, sample_specs,
                insert, ("abdomen", "torso"),
                Site("kidney_right", "kidney"))
