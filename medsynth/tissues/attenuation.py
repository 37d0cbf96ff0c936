"""X-ray attenuation of tissues, from a table of the elements (10 to 150 keV)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.core.errors import RecipeError, expected
from medsynth.tissues.reading import read_table
from medsynth.tissues.table import Tissue


@cache
def _elements() -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Return log energy (keV) and, by element, log mass attenuation (cm2/g). The table comes from xraylib."""
    rows = read_table("elements.csv")
    log_energy = np.log([float(row["energy_keV"]) for row in rows])
    symbols = [key for key in rows[0] if key != "energy_keV"]
    return log_energy, {symbol: np.log([float(row[symbol]) for row in rows]) for symbol in symbols}


def mass_attenuation(material: Tissue, energies_keV: ArrayLike) -> NDArray[np.float64]:
    """Return the mass attenuation coefficient, coherent scattering included.

    Parameters
    ----------
    energies_keV : (...) photon energies, 10 to 150.

    Returns
    -------
    (...) float64 in cm2/g: the sum of the elements' coefficients by mass, each interpolated on a log-log scale.

    Raises
    ------
    RecipeError
        If an energy lies outside the table, or an element is not in it.
    """
    energies = np.asarray(energies_keV, float)
    log_energy, log_elements = _elements()
    if energies.size and not (energies.min() >= 10.0 and energies.max() <= 150.0):
        raise RecipeError(expected("energies_keV", (float(energies.min()), float(energies.max())), "in 10..150"))
    total, log_energies = np.zeros(energies.shape), np.log(energies)
    for symbol, mass in material.mass_fractions.items():
        if symbol not in log_elements:
            raise RecipeError(expected(f"element of {material.name}", symbol, f"one of {sorted(log_elements)}"))
        total += mass * np.exp(np.interp(log_energies, log_energy, log_elements[symbol]))
    return total


def linear_attenuation(material: Tissue, energies_keV: ArrayLike) -> NDArray[np.float64]:
    """Return the linear attenuation coefficient in 1/cm (see `mass_attenuation`)."""
    return material.density_g_cm3 * mass_attenuation(material, energies_keV)
