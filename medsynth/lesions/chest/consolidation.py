"""Consolidation: lobar or segmental pneumonia that ends at fissures, with open bronchi and a hazy free edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.chest.lungs import Array, Lobe, Region, filled_to, free_lobes, region
from medsynth.lesions.chest.places import lobe_word, segment_of
from medsynth.lesions.distributions import Distribution, Fixed, Options, Trait, Uniform, choose
from medsynth.lesions.family import Family, Site, checked_spec
from medsynth.lesions.host import point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure, Texture

CONSOLIDATION = Code("95436008", "Lung consolidation")

SITES = 40
LOBAR_FROM = 0.6  # share of a lobe from which on it is called lobar (unverified)
SWAY = ((34.0, 9.0), (11.0, 3.5))  # of the free edge: wavelength and SD in mm
# Pneumonia prefers the lower lobes: unverified weights.
WEIGHTS: dict[Lobe, float] = {
    "lobe_right_upper": 0.18, "lobe_right_middle": 0.14, "lobe_right_lower": 0.30,
    "lobe_left_upper": 0.14, "lobe_left_lower": 0.24}


class ConsolidationOptions(Options):
    """Consolidations of one recipe entry.

    Attributes
    ----------
    count : how many lobes.
    lobes : relative weights; each is taken once at most.
    share : part of the lobe's tissue that is consolidated, hazy edge included.
    consolidation_hu : mean CT number of the airless part at 120 kVp without contrast.
    edge_mm : width of the ground glass at the free edge.
    glass_hu : its CT number.
    bronchograms : whether bronchi stay open (else secretions fill them).
    """

    count: Distribution = Fixed(value=1)
    lobes: dict[Lobe, float] = Field(default=WEIGHTS)
    share: Distribution = Uniform(low=0.12, high=0.85)
    consolidation_hu: Distribution = Uniform(low=15, high=45)  # reference tables: 0..50 HU replace the lung
    edge_mm: Distribution = Uniform(low=3, high=12)
    glass_hu: Distribution = Uniform(low=-600, high=-350)
    bronchograms: Trait = Trait(probability=0.85, low=1, high=1)


class ConsolidationSpec(Options):
    """One consolidation in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["consolidation"] = "consolidation"
    lobe: str
    centre_mm: Vector
    reach_mm: float = Field(ge=0)
    volume_ml: float = Field(gt=0)
    edge_mm: float = Field(ge=0)
    consolidation_hu: float
    glass_hu: float
    bronchograms: bool
    shape_seed: int = Field(ge=0)


def sample_specs(options: ConsolidationOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the consolidations of one recipe entry as specs of JSON values: each in a lobe of its own.

    Raises
    ------
    PlacementError
        If there are fewer lobes left than asked for.
    """
    specs: list[dict[str, Any]] = []
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        lobes = free_lobes(options.lobes, (*taken, *specs))
        if not lobes:
            if specs and not isinstance(options.count, Fixed):
                break  # a count that is drawn ends where the lobes do
            raise PlacementError(f"lesions.consolidation found no lobe left among {sorted(options.lobes)}")
        lobe = choose(lobes, rng=stream)
        specs.append(_sample_one(options, region(scene, lobe), rng=stream).model_dump(mode="json"))
    return specs


def _sample_one(options: ConsolidationOptions, lobe: Region, *, rng: np.random.Generator) -> ConsolidationSpec:
    share = float(np.clip(options.share.sample(rng=rng), 0.005, 0.97))
    # It begins where air spaces are: in the outer half of the lobe, more often low and behind (inhaled; unverified).
    inside = np.flatnonzero((lobe.tissue > 0.5) & (lobe.depth_mm > 3) & (lobe.depth_mm < 30))
    if not inside.size:
        raise PlacementError(f"lesions.consolidation found no place in {lobe.name}")
    centre = lobe.points_mm.reshape(-1, 3)[int(rng.choice(inside))]
    # Lesions of other kinds may lie within: a consolidation takes no room from them.
    return ConsolidationSpec(
        lobe=lobe.name, centre_mm=point(centre), reach_mm=2.0, volume_ml=round(share * lobe.tissue_ml, 4),
        edge_mm=options.edge_mm.sample(rng=rng), consolidation_hu=options.consolidation_hu.sample(rng=rng),
        glass_hu=options.glass_hu.sample(rng=rng), bronchograms=options.bronchograms.sample(rng=rng) > 0,
        shape_seed=int(rng.integers(2**53)))


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone.

    Raises
    ------
    PlacementError
        If the lobe has not that much tissue.
    """
    one = checked_spec(ConsolidationSpec, spec, number)
    lobe = region(scene, one.lobe)
    spread = _spread(lobe, one)
    _, values = filled_to(lobe, lobe.tissue, one.volume_ml, lambda level: spread - np.float32(level), -60.0, 400.0)
    made = _structures(one, number)
    labels = tuple(s.label for s in scene.structures if s.name == one.lobe)
    airways = tuple(s.label for s in scene.structures if s.name == "bronchi") if not one.bronchograms else ()
    layers = (Layer(made["ground_glass"].label), Layer(made["solid"].label, one.edge_mm))
    paints = [Paint(lobe.shape(values), layers, labels)]
    if airways:
        paints.append(Paint(lobe.shape(values + np.float32(one.edge_mm)), (Layer(made["fluid"].label),), airways))
    share = one.volume_ml / lobe.tissue_ml
    attributes = {"type": "lobar" if share >= LOBAR_FROM else "segmental", "side": lobe.side,
                  "lobe": lobe_word(one.lobe), "segment": segment_of(lobe, np.asarray(one.centre_mm)),
                  "lobe_share": round(share, 4), "air_bronchograms": one.bronchograms}
    return Lesion(number, one.kind, CONSOLIDATION, tuple(made.values()), tuple(paints), one.lobe, attributes,
                  one.model_dump(mode="json"))


def _spread(lobe: Region, one: ConsolidationSpec) -> Array:
    """Return how far from the seed each voxel lies, (k, j, i) mm, as an infection spreads: unevenly."""
    seed = Seed(one.shape_seed)
    values = np.linalg.norm(lobe.points_mm - np.asarray(one.centre_mm), axis=-1).astype(np.float32)
    for number, (wavelength, size) in enumerate(SWAY):
        values += np.float32(size) * lobe.noise(seed.child("sway", number), wavelength)
    return values


def _structures(one: ConsolidationSpec, number: int) -> dict[str, Structure]:
    made = {"solid": lesion_part(number, "solid", "nodule_solid", CONSOLIDATION, whole=True,
                                 texture=Texture(octaves=((18.0, 0.012), (5.0, 0.012))),
                                 mixture=mixture_for_hu("nodule_solid", one.consolidation_hu), enhancement="nodule"),
            "ground_glass": lesion_part(number, "ground_glass", "nodule_solid", CONSOLIDATION,
                                        texture=Texture(octaves=((9.0, 0.12), (4.0, 0.12))),
                                        mixture=mixture_for_hu("nodule_solid", one.glass_hu))}
    if not one.bronchograms:
        made["fluid"] = lesion_part(number, "fluid", "water", CONSOLIDATION)
    return made


FAMILY = Family("consolidation", "Lobar or segmental consolidation with air bronchograms", ConsolidationOptions,
                sample_specs, insert, ("thorax", "torso"),
                Site("lobe_right_upper", "lung_tissue", (("air", 0.75),)))
