"""What a recipe says about lung nodules, and the numbers that one nodule is drawn as."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medsynth.lesions.distributions import Distribution, Fixed, LogNormal, Options, Trait, Uniform

NoduleType = Literal["solid", "part_solid", "ground_glass"]
Calcification = Literal["none", "central", "popcorn", "laminated", "diffuse", "non_central"]
Attachment = Literal["none", "juxtapleural", "pleural_tag", "juxtavascular", "perifissural"]
Lobe = Literal["lobe_right_upper", "lobe_right_middle", "lobe_right_lower", "lobe_left_upper", "lobe_left_lower"]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]

# Solid 10..60 HU; ground glass -750..-500 (phantoms use -800 and -630, small pure ones have means <= -600:
# PMC3388248, PMC8184508); the weights of types, patterns, attachments and lobes are plausible, not measured.
LARGEST_MM = 400.0


class LungNoduleOptions(Options):
    """Lung nodules of one recipe entry.

    Attributes
    ----------
    count : how many.
    types, calcifications, attachments, lobes : relative weights; what is not named has weight 0.
    diameter_mm : diameter of the sphere with the nodule's volume (all its parts; not the pleural tag).
    lobulation, spiculation : 0 none to 1 marked. Ground-glass nodules have no spicules.
    solid_share : part-solid nodules: share of the volume that is solid.
    peripheral_preference : 0 anywhere in the lobe, 1 strongly towards the pleura.
    solid_hu, ground_glass_hu : mean CT number at 120 kVp, without contrast.
    calcified_share : volume fraction of hydroxyapatite in calcified parts.
    """

    count: Distribution = Fixed(value=1)
    types: dict[NoduleType, Weight] = Field(default={"solid": 0.75, "part_solid": 0.1, "ground_glass": 0.15})
    diameter_mm: Distribution = LogNormal(median=6.5, sigma=0.45, low=3, high=30)
    lobulation: Trait = Trait(probability=0.5)
    spiculation: Trait = Trait(probability=0.2)
    solid_share: Distribution = Uniform(low=0.1, high=0.5)
    calcifications: dict[Calcification, Weight] = Field(default={
        "none": 0.84, "central": 0.05, "popcorn": 0.02, "laminated": 0.02, "diffuse": 0.05, "non_central": 0.02})
    attachments: dict[Attachment, Weight] = Field(default={
        "none": 0.5, "juxtapleural": 0.17, "pleural_tag": 0.1, "juxtavascular": 0.18, "perifissural": 0.05})
    lobes: dict[Lobe, Weight] = Field(default={
        "lobe_right_upper": 0.3, "lobe_right_middle": 0.08, "lobe_right_lower": 0.22, "lobe_left_upper": 0.22,
        "lobe_left_lower": 0.18})
    peripheral_preference: Share = 0.5
    solid_hu: Distribution = Uniform(low=10, high=60)
    ground_glass_hu: Distribution = Uniform(low=-750, high=-500)
    calcified_share: Distribution = Uniform(low=0.1, high=0.3)

    @model_validator(mode="after")
    def _within_limits(self) -> LungNoduleOptions:
        limits = {"count": (0, 200), "diameter_mm": (1.0, LARGEST_MM), "solid_share": (0.02, 0.9),
                  "solid_hu": (-50, 100), "ground_glass_hu": (-900, -300), "calcified_share": (0.02, 1.0)}
        for name, (least, most) in limits.items():
            low, high = getattr(self, name).range
            if low < least or high > most:
                raise ValueError(f"{name} must be in {least}..{most}, got {low:g}..{high:g}")
        if any(end != int(end) for end in self.count.range):
            raise ValueError(f"count must be whole, got {self.count.range}")
        for name in ("types", "calcifications", "attachments", "lobes"):
            weights = getattr(self, name)
            if not sum(weights.values()) > 0:
                raise ValueError(f"{name} must have a weight > 0, got {weights}")
        return self


class LungNoduleSpec(Options):
    """One nodule in plain numbers: they and the scene rebuild it exactly.

    Attributes
    ----------
    axes : relative semi-axes of the ellipsoid below the lobules, product 1.
    quaternion : (w, x, y, z) its orientation.
    core_offset : part-solid: place of the solid core, relative to the room the ground glass leaves it.
    shape_seed : seed of lobules, spicules and grains.
    reach_mm : radius of the ball about the centre that holds all of it but the pleural tag.
    """

    kind: Literal["lung_nodule"] = "lung_nodule"
    type: NoduleType
    diameter_mm: float = Field(gt=0, le=LARGEST_MM)
    lobe: Lobe
    centre_mm: tuple[float, float, float]
    attachment: Attachment
    axes: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    lobulation: Share
    spiculation: Share
    solid_share: Share
    core_offset: tuple[float, float, float]
    calcification: Calcification
    calcified_share: Share
    solid_hu: float
    ground_glass_hu: float
    shape_seed: int = Field(ge=0)
    reach_mm: float = Field(default=0.0, ge=0)
