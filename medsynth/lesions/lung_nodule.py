"""Lung nodules: solid, part-solid and ground glass. SAMPLE draws the specs, BUILD turns one into a lesion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from medsynth.core.errors import PlacementError
from medsynth.lesions.distributions import choose
from medsynth.lesions.family import Family, Site, checked_spec
from medsynth.lesions.lung_nodule_options import LungNoduleOptions as LungNoduleOptions
from medsynth.lesions.lung_nodule_options import LungNoduleSpec as LungNoduleSpec
from medsynth.lesions.lung_rads import nodule_classes
from medsynth.lesions.nodule_parts import NoduleParts, build_parts, reach_mm
from medsynth.lesions.nodule_sites import candidate_sites
from medsynth.lesions.placement import Ball, keeps_apart, lobe_host, one_by_one
from medsynth.scene.lesion_parts import part_label
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure, Texture
from medsynth.shapes.base import Shape
from medsynth.shapes.blend import Intersection, Offset

NODULE = Code("27925004", "Nodule")
CALCIUM = Code("18115005", "Pathologic calcification")

# CT numbers at 120 kVp of what solid tissue is mixed from (tissue table): they set the shares, not the image.
NODULE_TISSUE_HU = 38.5
HYDROXYAPATITE_HU = 4350.0
SITE_TRIES = 6  # places tried per lobe before another lobe is drawn
BEYOND_HOST_MM = 1.0  # shapes go this far past the pleura; `Paint.over` stops them exactly at it
# Shells of laminated calcium: depth below the surface in radii, outermost first.
LAMINAE = ((0.14, True), (0.32, False), (0.5, True), (0.68, False), (0.8, True))

LIDC_TEXTURE = {"solid": 5, "part_solid": 3, "ground_glass": 1}
LIDC_MARGIN = {"solid": 5, "part_solid": 3, "ground_glass": 2}
LIDC_CALCIFICATION = {"popcorn": 1, "laminated": 2, "diffuse": 3, "non_central": 4, "central": 5, "none": 6}


def sample_specs(options: LungNoduleOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the nodules of one recipe entry, each in a free place of its lobe, as specs of JSON values.

    Parameters
    ----------
    taken : specs of the case's other lesions, of any family; their `centre_mm` and `reach_mm` are kept clear.

    Raises
    ------
    PlacementError
        If a nodule finds no place in any lobe it may lie in.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone; no randomness beyond the seed in the spec.

    Raises
    ------
    PlacementError
        If the nodule does not fit its lobe at this place.
    RecipeError
        If the spec is not one of a lung nodule.
    """
    nodule = checked_spec(LungNoduleSpec, spec, number)
    parts = build_parts(nodule, lobe_host(scene, nodule.lobe), scene)
    structures, paints = _paints(nodule, parts, scene, number)
    attributes = _attributes(nodule)
    return Lesion(number, "lung_nodule", NODULE, structures, paints, nodule.lobe, attributes,
                  nodule.model_dump(mode="json"), classify=partial(nodule_classes, attributes))


def _sample_one(options: LungNoduleOptions, scene: Scene, taken: Sequence[Ball], *,
                rng: np.random.Generator) -> LungNoduleSpec:
    draft = _draw_form(options, rng=rng)
    lobes = {lobe: weight for lobe, weight in options.lobes.items() if weight > 0}
    while lobes:
        lobe = choose(lobes, rng=rng)
        host = lobe_host(scene, lobe)
        sites = candidate_sites(scene, lobe, draft["attachment"], draft["diameter_mm"] / 2,
                                options.peripheral_preference, rng=rng)
        tries = 0
        for centre in sites:
            spec = LungNoduleSpec(lobe=lobe, centre_mm=tuple(centre.tolist()), **draft)
            if not keeps_apart(centre, 0.5 * spec.diameter_mm, taken):
                continue
            tries += 1
            if tries > SITE_TRIES:
                break
            try:
                reach = reach_mm(build_parts(spec, host, scene), spec.centre_mm)
            except PlacementError:
                continue
            if keeps_apart(centre, reach, taken):
                return spec.model_copy(update={"reach_mm": round(reach, 3)})
        del lobes[lobe]
    raise PlacementError(
        f"lesions.lung_nodule found no place for a {draft['type']} nodule of diameter_mm {draft['diameter_mm']:.1f} "
        f"(attachment {draft['attachment']}) in {sorted(k for k, w in options.lobes.items() if w > 0)}")


def _draw_form(options: LungNoduleOptions, *, rng: np.random.Generator) -> dict[str, Any]:
    """Draw everything but the place."""
    kind = choose(options.types, rng=rng)
    # Semi-axes spread by 12 % about the mean; perifissural nodules are flat on the fissure, which the cut does.
    axes = np.exp(rng.normal(0, 0.12, 3))
    axes /= np.prod(axes) ** (1 / 3)
    lobulation, spiculation = options.lobulation.sample(rng=rng), options.spiculation.sample(rng=rng)
    calcification = choose(options.calcifications, rng=rng)
    attachment = choose(options.attachments, rng=rng)
    offset = rng.standard_normal(3)
    offset *= rng.uniform(0, 1) ** (1 / 3) / np.linalg.norm(offset)
    quaternion = rng.standard_normal(4)
    return {
        "type": kind, "diameter_mm": round(options.diameter_mm.sample(rng=rng), 3), "attachment": attachment,
        "axes": tuple(axes.tolist()), "quaternion": tuple((quaternion / np.linalg.norm(quaternion)).tolist()),
        "lobulation": lobulation, "spiculation": 0.0 if kind == "ground_glass" else spiculation,
        "solid_share": {"solid": 1.0, "part_solid": options.solid_share.sample(rng=rng), "ground_glass": 0.0}[kind],
        "core_offset": tuple(offset.tolist()),
        "calcification": calcification if kind == "solid" else "none",
        "calcified_share": options.calcified_share.sample(rng=rng),
        "solid_hu": options.solid_hu.sample(rng=rng), "ground_glass_hu": options.ground_glass_hu.sample(rng=rng),
        "shape_seed": int(rng.integers(2**53))}


def solid_mixture(hu: float) -> tuple[tuple[str, float], ...]:
    """Return what to mix into nodule tissue so that it has about this CT number at 120 kVp."""
    if hu <= NODULE_TISSUE_HU:
        return (("water", min(1.0, 1 - hu / NODULE_TISSUE_HU)),) if hu >= 0 else (("air", air_share(hu)),)
    return (("hydroxyapatite", (hu - NODULE_TISSUE_HU) / (HYDROXYAPATITE_HU - NODULE_TISSUE_HU)),)


def air_share(hu: float) -> float:
    """Return the volume fraction of air that gives nodule tissue this CT number."""
    return (NODULE_TISSUE_HU - hu) / (NODULE_TISSUE_HU + 1000)


def _structures(spec: LungNoduleSpec, number: int) -> dict[str, Structure]:
    """Return part -> structure; the first is the lesion itself, the others are part of it."""
    name = f"lesion_{number}"
    glass = Texture(octaves=((6.0, 0.06), (2.5, 0.06)))
    solid = Texture(octaves=((4.0, 0.008),))
    soft = solid_mixture(spec.solid_hu)

    def part(kind: str, suffix: str, mixture: tuple[tuple[str, float], ...], texture: Texture, code: Code = NODULE,
             whole: str = name) -> Structure:
        return Structure(name + suffix, part_label(number, kind), "nodule_solid", code,
                         part_of=whole if suffix else "", texture=texture, mixture=mixture,
                         enhancement="nodule" if kind in ("solid", "spicules", "strand") else "")

    air = (("air", air_share(spec.ground_glass_hu)),)
    if spec.type == "ground_glass":
        made = {"ground_glass": part("ground_glass", "", air, glass)}
    else:
        made = {"solid": part("solid", "", soft, solid)}
    if spec.type == "part_solid":
        made["ground_glass"] = part("ground_glass", "_ground_glass", air, glass)
    if spec.calcification != "none":
        made["calcification"] = part("calcification", "_calcification", (("hydroxyapatite", spec.calcified_share),),
                                     Texture(octaves=((2.0, 0.05),)), CALCIUM)
    made["spicules"] = part("spicules", "_spicules", soft, solid)
    made["strand"] = part("strand", "_pleural_tag", soft, solid, whole=spec.lobe)
    return made


def lung_labels(scene: Scene, lobe: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the labels a nodule of this lobe may cover: (lobe alone, lobe with its vessels and airways)."""
    names = {scene.structure(lobe).name}
    parenchyma = tuple(s.label for s in scene.structures if s.name in names or s.part_of in names)
    words = ("pulmonary_arter", "pulmonary_vein", "airway", "bronch", "vessel")
    inner = tuple(s.label for s in scene.structures if s.label not in parenchyma and any(w in s.name for w in words))
    return parenchyma, parenchyma + inner


def _paints(spec: LungNoduleSpec, parts: NoduleParts, scene: Scene,
            number: int) -> tuple[tuple[Structure, ...], tuple[Paint, ...]]:
    made = _structures(spec, number)
    lung, all_lung = lung_labels(scene, spec.lobe)
    room = Offset(lobe_host(scene, spec.lobe), BEYOND_HOST_MM)
    body = Intersection(parts.body, room)
    paints = []
    if spec.type == "solid":
        paints.append(Paint(body, _body_layers(spec, parts, made), all_lung))
    else:
        # Ground glass lets vessels and airways shine through: it covers the lobe's own tissue only.
        paints.append(Paint(body, (Layer(made["ground_glass"].label),), lung))
    if parts.core is not None:
        core: Shape = Intersection(parts.core, room)
        paints.append(Paint(core, (Layer(made["solid"].label),), (*all_lung, made["ground_glass"].label)))
    if parts.calcium is not None:
        paints.append(Paint(parts.calcium, (Layer(made["calcification"].label),), (*all_lung, made["solid"].label)))
    for kind, tubes in (("spicules", parts.spicules), ("strand", parts.tag)):
        if tubes is None:
            del made[kind]
        else:
            paints.append(Paint(tubes, (Layer(made[kind].label),), lung))
    return tuple(made.values()), tuple(paints)


def _body_layers(spec: LungNoduleSpec, parts: NoduleParts, made: Mapping[str, Structure]) -> tuple[Layer, ...]:
    layers = [Layer(made["solid"].label)]
    if spec.calcification == "laminated":
        layers += [Layer(made["calcification" if calcified else "solid"].label, depth * parts.body.radius_mm)
                   for depth, calcified in LAMINAE]
    return tuple(layers)


def _attributes(spec: LungNoduleSpec) -> dict[str, Any]:
    """Return what the family knows without measuring; the scales are those of LIDC-IDRI."""
    return {
        "type": spec.type, "attachment": spec.attachment, "calcification_pattern": spec.calcification,
        "lidc_internal_structure": 1, "lidc_texture": LIDC_TEXTURE[spec.type],
        "lidc_calcification": LIDC_CALCIFICATION[spec.calcification],
        "lidc_lobulation": 1 + round(4 * spec.lobulation), "lidc_spiculation": 1 + round(4 * spec.spiculation),
        "lidc_margin": max(1, LIDC_MARGIN[spec.type] - round(2 * spec.spiculation))}


FAMILY = Family("lung_nodule", "Lung nodules: solid, part-solid and ground-glass", LungNoduleOptions, sample_specs,
                insert, ("thorax", "torso"), Site("lobe_right_upper", "lung_tissue", (("air", 0.75),)),
                        contrast=("solid_hu", -850.0))
