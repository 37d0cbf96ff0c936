"""Acute appendicitis: a wide appendix with a thick wall, in stranded fat, with or without a stone in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.seed import Seed
from medsynth.lesions.abdomen.focal import organ
from medsynth.lesions.distributions import Distribution, Fixed, Options, Uniform
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import Host, host, labels_of, point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.star_body import Grains
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene, Structure, Texture
from medsynth.shapes.blend import Offset

APPENDICITIS = Code("74400008", "Appendicitis")
STEP_MM = 1.0
HALO_MM, HALO_BALLS = (4.0, 10.0), 9  # how far the stranding reaches beyond the appendix (unverified)
SOFT = ("abdominal_fat", "appendix", "ileum*", "caecum*")


class AppendicitisOptions(Options):
    """Inflamed appendices of one recipe entry: one at most in a body.

    Attributes
    ----------
    count : 0 or 1.
    diameter_mm : outer, across; healthy ones are up to 6 mm.
    wall_mm : thickness.
    stone : probability of an appendicolith.
    stranding : water mixed into the fat around it, as a share.
    """

    count: Distribution = Fixed(value=1)
    diameter_mm: Distribution = Uniform(low=8, high=15)  # > 6 mm tells it (unverified)
    wall_mm: Distribution = Uniform(low=2.0, high=3.5)  # > 2 mm (unverified)
    stone: float = Field(default=0.3, ge=0, le=1)  # unverified
    stranding: Distribution = Uniform(low=0.15, high=0.4)  # unverified


class AppendicitisSpec(Options):
    """One inflamed appendix in plain numbers; it follows the appendix of its scene."""

    kind: Literal["appendicitis"] = "appendicitis"
    across_mm: float = Field(gt=0, le=40)
    wall_mm: float = Field(gt=0)
    stone_mm: float = Field(ge=0)
    stranding: float = Field(ge=0, le=0.8)
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)
    shape_seed: int = Field(ge=0)


def sample_specs(options: AppendicitisOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the inflamed appendix of one recipe entry as a spec of JSON values.

    Raises
    ------
    PlacementError
        If the person has none in this body, or more than one is asked for.
    """
    count = int(options.count.sample(rng=rng))
    if count + sum(other["kind"] == "appendicitis" for other in taken) > 1:
        raise PlacementError(f"lesions.appendicitis: a body has one appendix, got count {count} in all")
    if count == 0:
        return []
    appendix = host(scene, "appendix", step_mm=STEP_MM)
    at = appendix.grid.world_mm(np.argwhere(appendix.share >= 0.5).astype(float))
    across = float(options.diameter_mm.sample(rng=rng))
    stone = float(rng.uniform(0.35, 0.6)) * across if rng.uniform() < options.stone else 0.0
    reach = float(np.linalg.norm(at - at.mean(0), axis=1).max()) + across / 2
    return [AppendicitisSpec(
        across_mm=across, wall_mm=min(options.wall_mm.sample(rng=rng), 0.4 * across), stone_mm=stone,
        stranding=options.stranding.sample(rng=rng), centre_mm=point(at.mean(0)), reach_mm=round(reach, 3),
        shape_seed=int(rng.integers(2**53))).model_dump(mode="json")]


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(AppendicitisSpec, spec, number)
    appendix = host(scene, "appendix", step_mm=STEP_MM)
    rng = Seed(one.shape_seed).rng()
    swollen = Offset(appendix.shape, one.across_mm / 2 - float(appendix.depth_mm.max()))
    fat = labels_of(scene, "abdominal_fat")
    # Colder by water: fat at -100 HU becomes streaky, -80 to -40.
    made: dict[str, Structure] = {
        "strand": lesion_part(number, "strand", "adipose", APPENDICITIS, host="abdominal_fat",
                              mixture=(("swollen_wall", round(one.stranding, 4)),),
                              texture=Texture(octaves=((9.0, 0.015), (4.0, 0.012)), ridges=((7.0, 0.2, 0.05),))),
        "wall": lesion_part(number, "wall", "swollen_wall", APPENDICITIS, whole=True, enhancement="inflamed_wall"),
        "fluid": lesion_part(number, "fluid", "cyst_fluid", APPENDICITIS, mixture=mixture_for_hu("cyst_fluid", 14.0))}
    # The fat about it is streaky: balls along the appendix that grow together.
    at = appendix.grid.world_mm(np.argwhere(appendix.share >= 0.5).astype(float))
    spots = at[np.linspace(0, len(at) - 1, HALO_BALLS).astype(int)]
    halo = Grains(spots, one.across_mm / 2 + rng.uniform(*HALO_MM, HALO_BALLS))
    over = (*organ(scene, *SOFT).labels, made["strand"].label)
    wall, fluid = made["wall"].label, made["fluid"].label
    paints = [Paint(halo, (Layer(made["strand"].label),), fat),
              Paint(swollen, (Layer(wall), Layer(fluid, one.wall_mm)), over, lattice_mm=0.6)]
    if one.stone_mm > 0:
        made["calcification"] = lesion_part(number, "calcification", "calcification", APPENDICITIS,
                                            mixture=mixture_for_hu("calcification", 300.0))
        paints.append(Paint(Grains(_deepest(appendix, rng=rng)[None], np.array([one.stone_mm / 2])),
                            (Layer(made["calcification"].label),), (fluid, wall), lattice_mm=0.4))
    return Lesion(number, one.kind, APPENDICITIS, tuple(made.values()), tuple(paints), "appendix",
                  {"across_mm": round(one.across_mm, 1), "wall_mm": round(one.wall_mm, 1),
                   "appendicolith": one.stone_mm > 0,
                   "fat_stranding": True, "perforated": False}, one.model_dump(mode="json"))


def _deepest(appendix: Host, *, rng: np.random.Generator) -> np.ndarray:
    """Return a point on the appendix's axis."""
    deep = np.argwhere(appendix.depth_mm >= 0.75 * appendix.depth_mm.max()).astype(float)
    return appendix.grid.world_mm(deep[int(rng.integers(len(deep)))][None])[0]


FAMILY = Family("appendicitis", "Acute appendicitis with fat stranding", AppendicitisOptions, sample_specs, insert,
                ("abdomen", "pelvis", "torso"))
