"""Pleural effusion: free fluid that lies lowest, climbs the walls, and lets the lung beside it collapse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.chest.gravity import Posture, height_mm
from medsynth.lesions.chest.lungs import (
    AIRWAYS,
    BEYOND_MM,
    FISSURES,
    VESSELS,
    Array,
    Region,
    earlier,
    filled_to,
    present,
    region,
)
from medsynth.lesions.distributions import Distribution, Fixed, LogNormal, Options, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure, Texture

EFFUSION = Code("60046008", "Pleural effusion")

# The meniscus: how far fluid climbs between lung and wall above its level, the depth over which that thins out, and how
# far its surface follows the floor under it (0 level, 1 a layer of even thickness): the lung floats on the fluid and
# rounds its surface. Lying, that makes a crescent (unverified, chosen for the usual look).
CLIMB_MM = {"upright": (52.0, 11.0, 0.1), "lying": (22.0, 12.0, 0.55)}
BASE_FIRST = 0.12  # lying, the bases give way before the tips: as if that much of the height counted (unverified)
MEDIAL = 0.45  # of the climb beside the mediastinum
SWAY_MM, SWAY_WAVELENGTH_MM = 1.2, 45.0
LARGEST = 0.75  # of a lung's volume
# Upper ends of the size classes in ml: traces are not seen on a frontal view (blunting needs about 200), a hidden
# diaphragm needs about 500, 500-2000 is large (reference tables of chest radiology).
SIZES = (("trace", 100.0), ("small", 300.0), ("moderate", 1000.0), ("large", 2000.0))
EXUDATE_HU = 12.0  # transudates lie below; much overlap (unverified)
BLOOD_HU = 35.0  # reference tables


class EffusionOptions(Options):
    """Pleural effusions of one recipe entry.

    Attributes
    ----------
    probability : that there is one at all.
    sides : relative weights of where the fluid is; `both` gives a lesion on each side.
    volume_ml : of the fluid of one side.
    posture : of the patient when the image is taken; free fluid lies lowest.
    fluid_hu : mean CT number at 120 kVp.
    atelectasis_mm : thickness of the airless lung beside 500 ml of fluid.
    """

    probability: float = Field(default=1.0, ge=0, le=1)
    sides: dict[Literal["left", "right", "both"], float] = Field(
        default={"right": 0.4, "left": 0.3, "both": 0.3})  # unverified: right more often in heart failure
    volume_ml: Distribution = LogNormal(median=350, sigma=0.8, low=20, high=2500)
    posture: Posture = "supine"
    fluid_hu: Distribution = Uniform(low=0, high=20)
    atelectasis_mm: Distribution = Uniform(low=4, high=18)


class EffusionSpec(Options):
    """The fluid of one side in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["pleural_effusion"] = "pleural_effusion"
    side: Literal["left", "right"]
    centre_mm: Vector
    reach_mm: float = Field(ge=0)
    volume_ml: float = Field(gt=0)
    posture: Posture
    fluid_hu: float = Field(ge=-20, le=80)
    atelectasis_mm: float = Field(ge=0)
    shape_seed: int = Field(ge=0)


def sample_specs(options: EffusionOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the effusions of one recipe entry as specs of JSON values, one a side.

    Raises
    ------
    PlacementError
        If a side has an effusion already, or its lung is too small for the fluid.
    """
    there, which = rng.uniform() < options.probability, choose(options.sides, rng=rng)
    specs = []
    for side, stream in zip(("right", "left"), rng.spawn(2), strict=True):
        if not there or which not in (side, "both"):
            continue
        if any(other.get("kind") == "pleural_effusion" and other.get("side") == side for other in taken):
            raise PlacementError(f"lesions.pleural_effusion: the {side} side has one already")
        specs.append(_sample_one(options, region(scene, f"lung_{side}"), rng=stream).model_dump(mode="json"))
    return specs


def _sample_one(options: EffusionOptions, lung: Region, *, rng: np.random.Generator) -> EffusionSpec:
    volume = options.volume_ml.sample(rng=rng)
    if volume > LARGEST * lung.volume_ml:
        if isinstance(options.volume_ml, Fixed):
            raise PlacementError(f"lesions.pleural_effusion of {volume:.0f} ml does not fit the {lung.side} side: "
                                 f"at most {LARGEST * lung.volume_ml:.0f} ml")
        volume = LARGEST * lung.volume_ml
    inside = lung.points_mm[lung.whole > 0.5]
    lowest = inside[np.argmin(height_mm(inside, options.posture))]
    return EffusionSpec(side=lung.side, centre_mm=point(lowest), reach_mm=1.0, volume_ml=round(volume, 3),  # type: ignore[arg-type]
                        posture=options.posture, fluid_hu=options.fluid_hu.sample(rng=rng),
                        atelectasis_mm=options.atelectasis_mm.sample(rng=rng), shape_seed=int(rng.integers(2**53)))


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone.

    Raises
    ------
    PlacementError
        If that much fluid does not fit.
    """
    one = checked_spec(EffusionSpec, spec, number)
    lung = region(scene, f"lung_{one.side}")
    surface = surface_mm(lung, one.posture, Seed(one.shape_seed))
    inside, slope = surface[lung.whole > 0.5], lung.slope(surface)
    _, values = filled_to(lung, lung.whole, one.volume_ml, lambda level: (surface - np.float32(level)) / slope,
                          float(inside.min()) - 5, float(inside.max()) + 5)
    made = _structures(one, number)
    lobes = present(scene, f"lobe_{one.side}_*")
    inner = present(scene, *VESSELS, *AIRWAYS, *FISSURES)
    # Its outer border is what may be covered, not its shape: a cut by both would count voxels at the wall twice.
    outline = -lung.depth_mm - np.float32(BEYOND_MM)
    thick = one.atelectasis_mm * min(1.6, (one.volume_ml / 500.0) ** (1 / 3))
    paints = []
    if "change" in made:
        # Collapsed lung keeps its vessels and airways: it covers the lobes alone, and fades into aerated lung.
        hazy, airless = Layer(made["ground_glass"].label), Layer(made["change"].label, 0.4 * thick)
        paints.append(Paint(lung.shape(values - np.float32(thick)), (hazy, airless), lobes))
    covered = (*lobes, *inner, *earlier(number), *(s.label for name, s in made.items() if name != "fluid"))
    fluid = np.maximum(values, outline)
    paints.append(Paint(lung.shape(fluid), (Layer(made["fluid"].label),), covered))
    attributes = {"type": "free", "side": one.side, "posture": one.posture, "fluid_ml": round(one.volume_ml, 1),
                  "size": size_class(one.volume_ml), "fluid": fluid_word(one.fluid_hu),
                  "passive_atelectasis": "change" in made, "host_share": round(one.volume_ml / lung.volume_ml, 4)}
    return Lesion(number, one.kind, EFFUSION, tuple(made.values()), tuple(paints), f"lobe_{one.side}_lower", attributes,
                  one.model_dump(mode="json"))


def surface_mm(lung: Region, posture: str, seed: Seed) -> Array:
    """Return the level of the fluid at which each voxel of a lung is under it, (k, j, i) mm of height."""
    climb, fade, round_ = CLIMB_MM["upright" if posture == "upright" else "lying"]
    away = np.linalg.norm((lung.points_mm - lung.hilum_mm)[..., :2], axis=-1)
    wall = MEDIAL + (1 - MEDIAL) * np.clip((away - 25.0) / 40.0, 0, 1)
    meniscus = climb * wall * np.exp(-np.maximum(lung.depth_mm, 0) / fade)
    height = height_mm(lung.points_mm, posture)
    height = height - meniscus - round_ * lung.floor_mm(height)
    if posture != "upright":
        height += BASE_FIRST * lung.points_mm[..., 2]
    return (height + SWAY_MM * lung.noise(seed.child("sway"), SWAY_WAVELENGTH_MM)).astype(np.float32)


def size_class(volume_ml: float) -> str:
    """Return the size class of an effusion.

    Examples
    --------
    >>> size_class(350)
    'moderate'
    """
    return next((name for name, end in SIZES if volume_ml < end), "massive")


def fluid_word(hu: float) -> str:
    """Return what its CT number suggests a fluid to be; transudates and exudates overlap."""
    return "blood" if hu > BLOOD_HU else "exudate" if hu > EXUDATE_HU else "transudate"


def _structures(one: EffusionSpec, number: int) -> dict[str, Structure]:
    made = {"fluid": lesion_part(number, "fluid", "pleural_fluid", EFFUSION, whole=True,
                                 mixture=mixture_for_hu("pleural_fluid", one.fluid_hu, dense="blood"))}
    if one.atelectasis_mm > 0.5:
        lung = Texture(octaves=((7.0, 0.02), (3.0, 0.015)))
        made["change"] = lesion_part(number, "change", "nodule_solid", EFFUSION, texture=lung,
                                     enhancement="atelectasis")
        made["ground_glass"] = lesion_part(number, "ground_glass", "nodule_solid", EFFUSION,
                                           texture=Texture(octaves=((8.0, 0.12), (4.0, 0.10))),
                                           mixture=mixture_for_hu("nodule_solid", -480.0))
    return made


FAMILY = Family("pleural_effusion", "Free pleural effusion with passive atelectasis", EffusionOptions, sample_specs,
                insert, ("thorax", "torso"))
