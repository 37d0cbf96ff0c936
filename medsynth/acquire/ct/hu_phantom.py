"""A CT volume as a phantom: every value of HU as a mixture of air, soft tissue, fat and bone."""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct.hu import structure_hu
from medsynth.core.errors import RecipeError
from medsynth.core.volume import Volume
from medsynth.scene.label_map import BODY
from medsynth.scene.phantom import FRACTION_UNIT, Phantom
from medsynth.scene.structure import BACKGROUND, Structure

# From air up: each step mixes two neighbours by volume, as Schneider et al. 2000 (doi:10.1088/0031-9155/45/2/314) do
# between air, lung, adipose tissue, water, soft tissue and bone; the last one stands for metal.
LADDER = ("air", "lung_tissue", "adipose", "water", "soft_tissue", "cortical_bone", "titanium")
DENSEST_LUNG = 0.8  # lung tissue beyond this share of the voxel is not air-filled any more: about -170 HU
STEPS = 12  # of each mixture
AIR_HU = -500.0  # a CT volume that holds nothing below is in other units, or has no air in it
LEAST_AIR = 1e-4  # as a share of its voxels
LARGEST_HU = 32767.0


def checked_hu(values: NDArray[np.floating], name: str, *, air: bool = True) -> None:
    """Raise unless an array can be a CT volume in HU.

    Parameters
    ----------
    air : whether some of it must be air or lung; a piece of an abdomen may have none.

    Raises
    ------
    RecipeError
        One line: NaN or infinite values, other units than HU.
    """
    if not np.isfinite(values).all():
        bad = int(values.size - np.isfinite(values).sum())
        raise RecipeError(f"{name} must hold finite HU, got {bad} voxels that are NaN or infinite")
    low, high = float(values.min()), float(values.max())
    if high > LARGEST_HU or low < -LARGEST_HU - 1:
        raise RecipeError(f"{name} must be in HU, got values from {low:g} to {high:g}")
    if air and np.count_nonzero(values < AIR_HU) < LEAST_AIR * values.size:
        raise RecipeError(f"{name} must be in HU with some air below {AIR_HU:g}, got values from {low:g} to {high:g}: "
                          f"is it scaled, or shifted by 1024? (air=False takes a volume without any air)")


@lru_cache(maxsize=1)
def ladder() -> tuple[Structure, ...]:
    """Return the mixtures from air to metal; 0, the background, is air and not among them."""
    found: list[Structure] = []

    def add(main: str, other: str, share: float) -> None:
        label = len(found) + 1
        mixture = ((other, share),) if share else ()
        # They count to one another, so that nobody measures sixty of them.
        found.append(Structure(f"mixture_{label}", label, main, BODY, part_of="mixture_1" if found else "",
                               mixture=mixture))

    for low, high in itertools.pairwise(LADDER):
        last = DENSEST_LUNG if high == "lung_tissue" else 1.0
        for step in range(1, STEPS + 1):
            share = last * step / STEPS
            if low == "lung_tissue":  # from the densest lung to fat
                parts = {"adipose": share, "lung_tissue": (1 - share) * DENSEST_LUNG}
                rest = 1 - sum(parts.values())
                label = len(found) + 1
                mixture = tuple((n, v) for n, v in (("lung_tissue", parts["lung_tissue"]), ("air", rest)) if v > 1e-9)
                found.append(Structure(f"mixture_{label}", label, "adipose", BODY, part_of="mixture_1",
                                       mixture=mixture))
            else:
                add(high, low, max(0.0, 1 - share))
    return tuple(found)


@lru_cache(maxsize=16)
def ladder_hu(kvp: float) -> NDArray[np.float64]:
    """Return the HU of the background and of every rung, rising."""
    hu = [-1000.0, *(structure_hu(one, kvp, "none") for one in ladder())]
    if np.any(np.diff(hu) <= 0):
        raise AssertionError(f"the ladder of HU must rise at {kvp:g} kV")
    return np.array(hu)


def hu_phantom(volume: Volume, kvp: float) -> Phantom:
    """Return the voxels of a CT volume as mixtures that have its HU at this tube voltage.

    HU below air count as air, those beyond metal as metal. Between two rungs a voxel holds both, so that its
    attenuation is exact to a 255th of their distance, a quarter of an HU in soft tissue.
    """
    knots = ladder_hu(kvp)
    hu = np.clip(volume.array.astype(np.float64), knots[0], knots[-1])
    lower = np.clip(np.searchsorted(knots, hu, side="right") - 1, 0, len(knots) - 2)
    share = (hu - knots[lower]) / (knots[lower + 1] - knots[lower])
    upper = share > 0.5
    labels = np.where(upper, lower + 1, lower).astype(np.uint16)
    neighbour = np.where(upper, lower, lower + 1).astype(np.uint16)
    fraction = np.rint(np.minimum(share, 1 - share) * FRACTION_UNIT).astype(np.uint8)
    neighbour[fraction == 0] = BACKGROUND
    return Phantom(volume.grid, labels, neighbour, fraction, np.zeros(labels.shape, np.int16), ladder())


def hu_at(volume: NDArray[np.float32], kvp: float, other_kvp: float) -> NDArray[np.float32]:
    """Return HU at another tube voltage, by the same mixtures."""
    if kvp == other_kvp:
        return volume
    return np.interp(volume, ladder_hu(kvp), ladder_hu(other_kvp)).astype(np.float32)
