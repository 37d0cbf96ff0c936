"""What masses of the breast are made of, so that they have a radiographic density relative to glandular tissue."""

from __future__ import annotations

from functools import cache

import numpy as np

from medsynth.core.errors import RecipeError, expected
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue

Mixture = tuple[tuple[str, float], ...]

ENERGY_KEV = 20.0  # mean of mammographic beams behind the breast; ratios change little from 18 to 25 keV
GLAND: Mixture = (("adipose", 0.08),)  # what the body's own fibroglandular tissue has between its lobules


@cache
def attenuation_per_cm(name: str) -> float:
    """Return the linear attenuation of a tissue at mammographic energy."""
    return float(linear_attenuation(tissue(name), np.array([ENERGY_KEV]))[0])


def relative_density(name: str, mixture: Mixture = ()) -> float:
    """Return the linear attenuation of a mixture relative to fibroglandular tissue."""
    return _of(name, mixture) / _of("breast_gland", GLAND)


def matter_of_density(ratio: float) -> tuple[str, Mixture]:
    """Return tissue and mixture whose attenuation is `ratio` times that of fibroglandular tissue.

    Above glandular tissue tumour is mixed with it, below it fat.

    Raises
    ------
    RecipeError
        If no such mixture has that attenuation.
    """
    dense, gland, fat = (attenuation_per_cm(name) for name in ("tumour", "breast_gland", "adipose"))
    wanted = ratio * _of("breast_gland", GLAND)
    if not fat <= wanted <= dense:
        low, high = (value / _of("breast_gland", GLAND) for value in (fat, dense))
        raise RecipeError(expected("density of a mass", ratio, f"in {low:.2f}..{high:.2f} of glandular tissue"))
    if wanted >= gland:
        return "tumour", (("breast_gland", round((dense - wanted) / (dense - gland), 6)),)
    return "breast_gland", (("adipose", round((gland - wanted) / (gland - fat), 6)),)


def _of(name: str, mixture: Mixture) -> float:
    rest = 1 - sum(share for _, share in mixture)
    return rest * attenuation_per_cm(name) + sum(share * attenuation_per_cm(other) for other, share in mixture)
