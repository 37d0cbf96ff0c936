"""What lesions are made of: structures of parts, and mixtures that have the CT number asked for."""

from __future__ import annotations

from functools import cache

import numpy as np

from medsynth.core.errors import RecipeError, expected
from medsynth.scene.lesion_parts import STRANDS, part_label
from medsynth.scene.structure import Code, Laterality, Structure, Texture
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.spectra import ct_spectrum
from medsynth.tissues.table import tissue

HARDENING_CM = 20.0  # water that the beam has passed: HU refer to it, as in a scanner's calibration


@cache
def hu_of(name: str) -> float:
    """Return the CT number of a row of the tissue table at 120 kVp, to about 1 HU below 300 HU and 3 % above."""
    energies, photons = ct_spectrum(120.0)
    water = linear_attenuation(tissue("water"), energies)
    weights = photons * np.exp(-HARDENING_CM * water) * energies
    weights /= weights.sum()
    mu, mu_water, mu_air = (float(weights @ linear_attenuation(tissue(n), energies)) for n in (name, "water", "air"))
    return 1000 * (mu - mu_water) / (mu_water - mu_air)


def mixture_for_hu(name: str, hu: float, *, dense: str = "hydroxyapatite") -> tuple[tuple[str, float], ...]:
    """Return what to mix into a tissue so that it has this CT number at 120 kVp without contrast.

    Water thins it, fat and then air take it below zero; above its own number `dense` is added.

    Raises
    ------
    RecipeError
        If no mixture has that number.

    Examples
    --------
    >>> mixture_for_hu("water", 0.0)
    ()
    """
    own = hu_of(name)
    steps = (("water", 0.0), ("adipose", hu_of("adipose")), ("air", -1000.0))
    if hu > own:
        top = hu_of(dense)
        if hu > top:
            raise RecipeError(expected(f"CT number of {name} with {dense}", hu, f"<= {top:.0f}"))
        return ((dense, _round((hu - own) / (top - own))),) if hu - own > 0.05 else ()
    for other, value in steps:
        if value < own and value <= hu:
            share = (own - hu) / (own - value)
            return ((other, _round(share)),) if share > 1e-4 else ()
    raise RecipeError(expected(f"CT number of {name}", hu, ">= -1000"))


def lesion_part(number: int, part: str, tissue_name: str, code: Code, *, whole: bool = False, host: str = "",
                mixture: tuple[tuple[str, float], ...] = (), texture: Texture | None = None, enhancement: str = "",
                laterality: Laterality = "") -> Structure:
    """Return the structure of one part of lesion `number`.

    Parameters
    ----------
    part : a word of `medsynth.scene.lesion_parts.PART_INDEX`; strands count to `host`, all others to the lesion.
    whole : for the one part that stands for the lesion itself; a lesion has exactly one.
    """
    name = f"lesion_{number}"
    if part in STRANDS:
        if not host:
            raise RecipeError(f"part {part!r} of lesion {number} needs the name of its host")
        belongs = host
    else:
        belongs = "" if whole else name
    return Structure(name if whole else f"{name}_{part}", part_label(number, part), tissue_name, code, laterality,
                     belongs, texture or Texture(), enhancement, mixture)


def _round(share: float) -> float:
    return float(np.clip(round(share, 6), 0, 1))
