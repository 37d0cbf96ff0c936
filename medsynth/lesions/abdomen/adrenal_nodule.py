"""Adrenal nodules: adenomas rich and poor in lipid, myelolipoma, and the metastasis they are told from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from medsynth.lesions.abdomen.focal import FocalSpec, body_of, form_of, organ, part_at, roomy_place, whole_of
from medsynth.lesions.distributions import Distribution, Fixed, LogNormal, Options, Uniform, choose
from medsynth.lesions.family import Family, Site, checked_spec
from medsynth.lesions.host import host, point
from medsynth.lesions.matter import hu_of, lesion_part, mixture_for_hu
from medsynth.lesions.placement import taken_balls
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure, Texture

Type = Literal["adenoma_lipid_rich", "adenoma_lipid_poor", "myelolipoma", "metastasis"]
NODULE = Code("4147007", "Mass")
ADRENALS = ("adrenal_right", "adrenal_left")
# <= 10 HU without contrast tells an adenoma rich in lipid (ACR); 70 % of adenomas are (unverified).
HU: Mapping[str, Distribution] = {
    "adenoma_lipid_rich": Uniform(low=-15, high=10), "adenoma_lipid_poor": Uniform(low=12, high=32),
    "myelolipoma": Uniform(low=-85, high=-30), "metastasis": Uniform(low=25, high=42),
}
TYPES: dict[Type, float] = {
    "adenoma_lipid_rich": 0.55, "adenoma_lipid_poor": 0.23, "myelolipoma": 0.07, "metastasis": 0.15}  # unverified


class AdrenalNoduleOptions(Options):
    """Adrenal nodules of one recipe entry.

    Attributes
    ----------
    count : how many.
    types : weights of adenoma_lipid_rich, adenoma_lipid_poor, myelolipoma, metastasis.
    diameter_mm : of the sphere of the same volume.
    """

    count: Distribution = Fixed(value=1)
    types: dict[Type, float] = TYPES
    diameter_mm: Distribution = LogNormal(median=18, sigma=0.4, low=8, high=60)  # unverified


class AdrenalNoduleSpec(FocalSpec):
    """One adrenal nodule in plain numbers."""

    kind: Literal["adrenal_nodule"] = "adrenal_nodule"
    type: Type
    native_hu: float


def sample_specs(options: AdrenalNoduleOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the adrenal nodules of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    specs: list[dict[str, Any]] = []
    glands, space = organ(scene, *ADRENALS), organ(scene, *ADRENALS, "abdominal_fat")
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        kind: Type = choose(options.types, rng=stream)
        diameter = float(options.diameter_mm.sample(rng=stream))
        form = form_of(diameter, 0.08, rng=stream)
        reach = 0.6 * diameter
        at = roomy_place("adrenal_nodule", glands, space, diameter, reach, taken_balls(*taken, *specs), rng=stream,
                         outwards_mm=0.25 * diameter, depths_mm=((0.0, np.inf),))
        side = whole_of(scene, part_at(scene, glands, at.tolist()))
        specs.append(AdrenalNoduleSpec(type=kind, centre_mm=point(at), reach_mm=round(reach, 3), host=side,
                                       native_hu=HU[kind].sample(rng=stream), **form).model_dump(mode="json"))
    return specs


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(AdrenalNoduleSpec, spec, number)
    where = host(scene, *(name for name in ADRENALS), "abdominal_fat")
    body = body_of(one, lobulation=0.12, roughness=0.02, within=where)
    part = _part(one, number)
    attributes = {"type": one.type, "native_hu": round(one.native_hu, 1), "lipid_rich": one.native_hu <= 10,
                  "side": "left" if one.host.endswith("left") else "right"}
    return Lesion(number, one.kind, NODULE, (part,), (Paint(body, (Layer(part.label),), where.labels),), one.host,
                  attributes, one.model_dump(mode="json"))


def _part(one: AdrenalNoduleSpec, number: int) -> Structure:
    if one.type == "myelolipoma":  # marrow in fat
        fat, marrow = hu_of("adipose"), hu_of("red_marrow")
        share = float(np.clip((one.native_hu - fat) / (marrow - fat), 0, 1))
        return lesion_part(number, "fat", "adipose", NODULE, whole=True, enhancement="marrow",
                           mixture=(("red_marrow", round(share, 4)),),
                           texture=Texture(octaves=((6.0, 0.03), (3.0, 0.02))))
    if one.type == "metastasis":
        return lesion_part(number, "solid", "tumour", NODULE, whole=True, enhancement="tumour",
                           mixture=mixture_for_hu("tumour", one.native_hu), texture=Texture(octaves=((6.0, 0.008),)))
    # Lipid in the cells is fat for CT and chemical-shift images alike.
    cells, fat = hu_of("fibrous_tumour"), hu_of("adipose")
    share = float(np.clip((cells - one.native_hu) / (cells - fat), 0, 1))
    return lesion_part(number, "solid", "tumour", NODULE, whole=True, enhancement="adenoma",
                       mixture=(("adipose", round(share, 4)),), texture=Texture(octaves=((5.0, 0.004),)))


FAMILY = Family("adrenal_nodule", "Adrenal adenoma, myelolipoma and metastasis", AdrenalNoduleOptions, sample_specs,
                insert, ("abdomen", "torso"),
                Site("adrenal_right", "adrenal"))
