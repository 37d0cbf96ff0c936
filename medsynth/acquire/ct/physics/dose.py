"""Dose of a CT scan: CTDIvol and DLP from the protocol, the size-specific estimate from the body."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import ArrayLike, NDArray

from medsynth.core.errors import RecipeError, expected

PhantomCm = Literal[16, 32]


@cache
def _data() -> dict[str, Any]:
    text = files("medsynth.acquire.ct").joinpath("data", "dose.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def _of_phantom(rows: dict[int, Any], phantom_cm: float) -> Any:
    if phantom_cm not in rows:
        raise RecipeError(expected("phantom_cm", phantom_cm, f"one of {sorted(rows)}"))
    return rows[int(phantom_cm)]


def ctdi_vol_mGy(kvp: float, mas: float, phantom_cm: PhantomCm = 32) -> float:
    """Return CTDIvol in mGy: what the scan gives to an acrylic phantom of 16 (head) or 32 cm (body).

    Parameters
    ----------
    kvp : 70 to 150; the dose goes with its power 2.6.
    mas : tube current x time / pitch in mAs, the mean over the scan.

    Raises
    ------
    RecipeError
        If the voltage lies outside 70..150, or there is no such phantom.
    """
    if not 70 <= kvp <= 150:
        raise RecipeError(expected("kvp", kvp, "in 70..150"))
    data = _data()["ctdi_vol"]
    return float(mas * _of_phantom(data["mGy_per_mAs"], phantom_cm) * (kvp / data["kvp"]) ** data["exponent"])


def dlp_mGy_cm(ctdi_mGy: float, length_mm: float) -> float:
    """Return the dose-length product in mGy cm of a scan over `length_mm`."""
    return ctdi_mGy * length_mm / 10


def water_equivalent_diameter_mm(image_hu: ArrayLike, pixel_mm: tuple[float, float],
                                 inside: NDArray[np.bool_] | None = None) -> float:
    """Return the diameter of the water cylinder that attenuates as an axial image does.

    D = 2 sqrt(sum(HU / 1000 + 1) x pixel area / pi).

    Parameters
    ----------
    image_hu : (rows, columns) of one slice, or (slices, rows, columns) whose mean is taken.
    pixel_mm : height and width of a pixel.
    inside : where to look, as `image_hu`; everywhere if None (air counts nothing, a table counts).

    References
    ----------
    AAPM Report 220 (2014), equation 4b.
    """
    water = np.asarray(image_hu, float) / 1000 + 1
    if inside is not None:
        water = np.where(inside, water, 0)
    area_mm2 = max(float(water.sum(axis=(-2, -1)).mean()), 0.0) * pixel_mm[0] * pixel_mm[1]
    return float(2 * np.sqrt(area_mm2 / np.pi))


def size_factor(diameter_mm: float, phantom_cm: PhantomCm = 32) -> float:
    """Return size-specific dose over CTDIvol for a body of this effective or water-equivalent diameter.

    Examples
    --------
    >>> round(size_factor(280.0), 2)
    1.32
    """
    row = _of_phantom(_data()["size_specific"]["by_phantom"], phantom_cm)
    return float(row["a"] * np.exp(-row["b"] * diameter_mm / 10))


def size_specific_dose_mGy(ctdi_mGy: float, diameter_mm: float, phantom_cm: PhantomCm = 32) -> float:
    """Return the size-specific dose estimate in mGy.

    Parameters
    ----------
    ctdi_mGy : CTDIvol in the phantom of `phantom_cm`.
    diameter_mm : water-equivalent diameter of the body.

    References
    ----------
    AAPM Report 204 (2011).
    """
    return ctdi_mGy * size_factor(diameter_mm, phantom_cm)
