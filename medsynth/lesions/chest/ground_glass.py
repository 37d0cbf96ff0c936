"""Ground-glass pneumonia: patches below the pleura of one or both lungs, vessels visible in them, crazy paving."""

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

PNEUMONIA = Code("233604007", "Pneumonia")

RIND_MM = 14.0  # patches end about so deep below the pleura (unverified)
CENTRAL = 0.25  # weight of depth for patches that need not be peripheral
SWAY = ((22.0, 5.0), (8.0, 2.2))
SEPTA = (7.0, 0.22, 1.1)  # wavelength mm, half width, added density: thickened septa a lobule apart (unverified)
WEIGHTS: dict[Lobe, float] = {
    "lobe_right_upper": 0.18, "lobe_right_middle": 0.10, "lobe_right_lower": 0.30,
    "lobe_left_upper": 0.16, "lobe_left_lower": 0.26}


class GroundGlassOptions(Options):
    """Ground-glass pneumonia of one recipe entry.

    Attributes
    ----------
    count : how many lobes are ill; each is a lesion of its own.
    bilateral : whether both lungs are, where more than one lobe is.
    lobes : relative weights; each is taken once at most.
    share : part of a lobe's tissue that is ill.
    foci : patches in a lobe.
    glass_hu : mean CT number at 120 kVp.
    peripheral : 0 anywhere, 1 close to the pleura.
    crazy_paving : probability of thickened septa in the haze, and how thick they are.
    consolidated : probability that a patch has an airless middle, and its share of the depth.
    """

    count: Distribution = Uniform(low=2, high=5.99)
    bilateral: Trait = Trait(probability=0.8, low=1, high=1)
    lobes: dict[Lobe, float] = Field(default=WEIGHTS)
    share: Distribution = Uniform(low=0.04, high=0.35)
    foci: Distribution = Uniform(low=2, high=6.99)
    glass_hu: Distribution = Uniform(low=-680, high=-450)  # reference tables: about -630
    peripheral: Distribution = Uniform(low=0.6, high=1.0)
    crazy_paving: Trait = Trait(probability=0.3, low=0.4, high=1.0)
    consolidated: Trait = Trait(probability=0.3, low=0.2, high=0.6)


class GroundGlassSpec(Options):
    """The patches of one lobe in plain numbers: they and the scene rebuild them exactly."""

    kind: Literal["ground_glass_pneumonia"] = "ground_glass_pneumonia"
    lobe: str
    centre_mm: Vector
    reach_mm: float = Field(ge=0)
    volume_ml: float = Field(gt=0)
    foci: tuple[tuple[float, float, float, float], ...] = Field(min_length=1)  # LPS mm and relative size
    peripheral: float = Field(ge=0, le=1)
    glass_hu: float
    crazy_paving: float = Field(ge=0, le=1)
    consolidated: float = Field(ge=0, le=1)
    shape_seed: int = Field(ge=0)


def sample_specs(options: GroundGlassOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the ill lobes of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If there are fewer lobes left than asked for.
    """
    count, both = int(options.count.sample(rng=rng)), options.bilateral.sample(rng=rng) > 0
    specs: list[dict[str, Any]] = []
    paving, airless = options.crazy_paving.sample(rng=rng), options.consolidated.sample(rng=rng)
    for number, stream in enumerate(rng.spawn(count)):
        free = free_lobes(options.lobes, (*taken, *specs))
        if number == 1 and both:  # the second lobe is on the other side, where there is one
            other = {name: weight for name, weight in free.items() if name.split("_")[1] not in specs[0]["lobe"]}
            free = other or free
        if number > 0 and not both:
            free = {name: weight for name, weight in free.items() if name.split("_")[1] in specs[0]["lobe"]}
        if not free:
            if not isinstance(options.count, Fixed):
                break  # a count that is drawn ends where the lobes do
            raise PlacementError(f"lesions.ground_glass_pneumonia found no lobe left for {number + 1} of {count}")
        lobe = choose(free, rng=stream)
        specs.append(_sample_one(options, region(scene, lobe), paving, airless, rng=stream).model_dump(mode="json"))
    return specs


def _sample_one(options: GroundGlassOptions, lobe: Region, paving: float, airless: float, *,
                rng: np.random.Generator) -> GroundGlassSpec:
    share, near = float(np.clip(options.share.sample(rng=rng), 0.002, 0.95)), options.peripheral.sample(rng=rng)
    deepest = 6.0 + (1 - near) * 60.0
    inside = np.flatnonzero((lobe.tissue > 0.5) & (lobe.depth_mm > 0) & (lobe.depth_mm < deepest))
    count = max(1, int(options.foci.sample(rng=rng)))
    if inside.size < count:
        raise PlacementError(f"lesions.ground_glass_pneumonia found no place for {count} patches in {lobe.name}")
    # What lies low fills first in a patient in bed: the back is favoured (unverified).
    points = lobe.points_mm.reshape(-1, 3)[inside]
    low = points[:, 1] - points[:, 1].min()
    chance = 0.4 + low / max(float(low.max()), 1.0)
    centres = points[rng.choice(len(points), count, replace=False, p=chance / chance.sum())]
    foci = [(*point(centre), float(rng.uniform(0.4, 1.0))) for centre in centres]
    return GroundGlassSpec(
        lobe=lobe.name, centre_mm=point(centres[0]), reach_mm=2.0, volume_ml=round(share * lobe.tissue_ml, 4),
        foci=tuple(foci), peripheral=float(np.clip(near, 0, 1)), glass_hu=options.glass_hu.sample(rng=rng),
        crazy_paving=paving, consolidated=airless, shape_seed=int(rng.integers(2**53)))


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone.

    Raises
    ------
    PlacementError
        If the lobe has not that much tissue.
    """
    one = checked_spec(GroundGlassSpec, spec, number)
    lobe = region(scene, one.lobe)
    spread = _spread(lobe, one)
    level, values = filled_to(lobe, lobe.tissue, one.volume_ml, lambda level: spread - np.float32(level), -80.0, 300.0)
    made = _structures(one, number)
    labels = tuple(s.label for s in scene.structures if s.name == one.lobe)
    layers = [Layer(made["ground_glass"].label)]
    if "solid" in made:
        deepest = float(level - spread[lobe.tissue > 0.5].min())
        layers.append(Layer(made["solid"].label, (1 - one.consolidated) * deepest))
    share = one.volume_ml / lobe.tissue_ml
    attributes = {"type": "ground_glass", "side": lobe.side, "lobe": lobe_word(one.lobe),
                  "segment": segment_of(lobe, np.asarray(one.centre_mm)), "lobe_share": round(share, 4),
                  "severity": severity(share), "peripheral": one.peripheral >= 0.5,
                  "crazy_paving": one.crazy_paving > 0, "consolidation": "solid" in made, "patches": len(one.foci)}
    paint = Paint(lobe.shape(values), tuple(layers), labels)
    return Lesion(number, one.kind, PNEUMONIA, tuple(made.values()), (paint,), one.lobe, attributes,
                  one.model_dump(mode="json"))


def severity(share: float) -> int:
    """Return the CT severity score of a lobe, 0-5, from the part of it that is ill.

    Below 5 % 1, to 25 % 2, to 50 % 3, to 75 % 4, above 5.

    References
    ----------
    Pan et al. 2020, doi:10.1148/radiol.2020200370.
    """
    return 0 if share <= 0 else 1 + int(np.searchsorted((0.05, 0.25, 0.5, 0.75), share, side="right"))


def _spread(lobe: Region, one: GroundGlassSpec) -> Array:
    """Return how far from the nearest patch each voxel lies, (k, j, i) mm; depth below the pleura counts as well."""
    seed = Seed(one.shape_seed)
    nearest = np.full(lobe.tissue.shape, np.inf, np.float32)
    size = 20.0
    for x, y, z, relative in one.foci:
        away = np.linalg.norm(lobe.points_mm - np.asarray([x, y, z]), axis=-1).astype(np.float32)
        np.minimum(nearest, away - np.float32(size * (relative - 0.7)), out=nearest)
    weight = np.float32(one.peripheral)
    nearest += weight * np.maximum(lobe.depth_mm - np.float32(RIND_MM), 0) * np.float32(1 - CENTRAL)
    for number, (wavelength, amplitude) in enumerate(SWAY):
        nearest += np.float32(amplitude) * lobe.noise(seed.child("sway", number), wavelength)
    return nearest


def _structures(one: GroundGlassSpec, number: int) -> dict[str, Structure]:
    wavelength, width, density = SEPTA
    septa = ((wavelength, width * one.crazy_paving, density),) if one.crazy_paving > 0 else ()
    made = {"ground_glass": lesion_part(number, "ground_glass", "nodule_solid", PNEUMONIA, whole=True,
                                        texture=Texture(octaves=((12.0, 0.10), (4.0, 0.10)), ridges=septa),
                                        mixture=mixture_for_hu("nodule_solid", one.glass_hu))}
    if one.consolidated > 0:
        made["solid"] = lesion_part(number, "solid", "nodule_solid", PNEUMONIA, enhancement="nodule",
                                    mixture=mixture_for_hu("nodule_solid", 25.0),
                                    texture=Texture(octaves=((10.0, 0.015),)))
    return made


FAMILY = Family("ground_glass_pneumonia", "Peripheral ground-glass pneumonia, with crazy paving", GroundGlassOptions,
                sample_specs, insert, ("thorax", "torso"),
                Site("lobe_right_upper", "lung_tissue", (("air", 0.75),)))
