"""Ascites: free fluid between the organs of the peritoneal cavity, a given volume of it, more where it is low."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from medsynth.core.errors import PlacementError
from medsynth.lesions.abdomen.focal import DIRECTIONS, organ
from medsynth.lesions.distributions import Distribution, LogNormal, Options, Poisson, Uniform
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.host import Host, host, labels_of
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.scene.structure import Code, Layer, Lesion, Paint, Scene
from medsynth.shapes.sampled import SampledShape

Posture = Literal["supine", "prone", "upright", "left_decubitus", "right_decubitus"]
ASCITES = Code("389026000", "Ascites")
FAT = "abdominal_fat"
COATED = ("liver*", "spleen*", "stomach*", "small_bowel*", "colon*", "gallbladder*", "bladder*", "uterus*")
BEHIND = ("kidney_right*", "kidney_left*", "adrenal_*", "abdominal_aorta*", "inferior_vena_cava", "psoas_*",
          "vertebra_*",
          "quadratus_lumborum_*", "pancreas*", "duodenum*", "ureter_*", "prostate*")  # behind or below the peritoneum
GRAVITY = 0.15  # mm of distance from an organ that a mm of height is worth: how the fluid gathers where it is low
BEHIND_MM = 40.0  # what a place behind the peritoneum is worth: it fills last


class AscitesOptions(Options):
    """Ascites of one recipe entry: one pool at most in a body.

    Attributes
    ----------
    count : 0 or 1.
    volume_ml : within the body that is built.
    fluid_hu : mean CT number, up to 20 for a transudate and more for blood.
    posture : the fluid gathers where the cavity is low in it.
    """

    count: Distribution = Poisson(mean=1, low=1, high=1)
    volume_ml: Distribution = LogNormal(median=350, sigma=0.7, low=60, high=2500)  # unverified
    fluid_hu: Distribution = Uniform(low=0, high=20)
    posture: Posture = "supine"


class AscitesSpec(Options):
    """One pool of ascites in plain numbers; it lies around all else and takes no place (reach 0)."""

    kind: Literal["ascites"] = "ascites"
    volume_ml: float = Field(gt=0)
    fluid_hu: float
    posture: Posture
    centre_mm: tuple[float, float, float]
    reach_mm: float = Field(ge=0)


def sample_specs(options: AscitesOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the ascites of one recipe entry as a spec of JSON values.

    Raises
    ------
    PlacementError
        If more than one is asked for, or the cavity has no room for it.
    """
    count = int(options.count.sample(rng=rng))
    if count + sum(other["kind"] == "ascites" for other in taken) > 1:
        raise PlacementError(f"lesions.ascites: a body has one peritoneal cavity, got count {count} in all")
    if count == 0:
        return []
    fat = host(scene, FAT)
    middle = fat.grid.world_mm((np.asarray(fat.share.shape, float) - 1)[None] / 2)[0].tolist()
    one = AscitesSpec(volume_ml=options.volume_ml.sample(rng=rng), fluid_hu=options.fluid_hu.sample(rng=rng),
                      posture=options.posture, centre_mm=(middle[0], middle[1], middle[2]), reach_mm=0.0)
    _level(scene, one.posture, one.volume_ml)  # refuses what does not fit
    return [one.model_dump(mode="json")]


@lru_cache(maxsize=4)
def _order(scene: Scene, posture: Posture) -> tuple[Host, NDArray[np.float32]]:
    """Return the fat's map and when each of its voxels fills (k, j, i): low values first."""
    fat = host(scene, FAT)
    step = fat.grid.spacing_mm

    def distance(*patterns: str) -> NDArray[np.float32]:
        there = fat.phantom.occupancy(*organ(scene, *patterns).labels) >= 0.5
        return ndimage.distance_transform_edt(~there, sampling=step).astype(np.float32)

    coated, behind = distance(*COATED), distance(*BEHIND)
    nk, nj, ni = fat.share.shape
    k, j, i = np.arange(nk)[:, None, None], np.arange(nj)[:, None], np.arange(ni)
    origin, spacing = fat.grid.origin_mm, step
    down = DIRECTIONS[posture]
    height = -(down[0] * (origin[0] + spacing[2] * i) + down[1] * (origin[1] + spacing[1] * j)
               + down[2] * (origin[2] + spacing[0] * k))
    order = coated + GRAVITY * height + BEHIND_MM * np.clip((coated - behind + 6) / 6, 0, 1)
    return fat, ndimage.gaussian_filter(order.astype(np.float32), 0.5)


def _level(scene: Scene, posture: Posture, volume_ml: float) -> tuple[float, Host, NDArray[np.float32]]:
    """Return the value of the order up to which the cavity is full."""
    fat, order = _order(scene, posture)
    cell = fat.grid.voxel_volume_mm3 / 1000
    share, values = fat.share[fat.share > 0], order[fat.share > 0]
    low, high = float(values.min()), float(np.quantile(values, 0.7))

    def filled(level: float) -> float:
        return float((np.clip(0.5 - (values - level) / 2.0, 0, 1) * share).sum()) * cell

    if filled(high) < volume_ml:
        raise PlacementError(f"lesions.ascites of volume_ml {volume_ml:.0f} does not fit: the cavity of this person "
                             f"has room for {filled(high):.0f}")
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if filled(middle) < volume_ml else (low, middle)
    return high, fat, order


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(AscitesSpec, spec, number)
    level, fat, order = _level(scene, one.posture, one.volume_ml)
    pool = SampledShape(np.ascontiguousarray(order - np.float32(level)), fat.grid.origin_mm, fat.grid.spacing_mm[0])
    part = lesion_part(number, "fluid", "cyst_fluid", ASCITES, whole=True,
                       mixture=mixture_for_hu("cyst_fluid", one.fluid_hu))
    amount = "small" if one.volume_ml < 400 else "moderate" if one.volume_ml < 1500 else "large"  # unverified
    return Lesion(number, one.kind, ASCITES, (part,), (Paint(pool, (Layer(part.label),), labels_of(scene, FAT)),), FAT,
                  {"posture": one.posture, "amount": amount, "recist_measurable": False}, one.model_dump(mode="json"))


FAMILY = Family("ascites", "Free fluid in the peritoneal cavity", AscitesOptions, sample_specs, insert,
                ("abdomen", "pelvis", "torso"))
