"""Photon spectra of X-ray tubes, and the air kerma of photons."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from medsynth.core.errors import RecipeError, expected
from medsynth.tissues.reading import read_table

Target = Literal["W", "Mo"]
# Joules per keV; 1 mm2 = 0.01 cm2; 1 uGy = 1e-9 J/g.
UGY_PER_KEV_PER_G = 1.602176634e-16 / 1e-9


@cache
def _spectra(table: str, target: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    rows = read_table(table)
    columns = [key for key in rows[0] if key != "energy_keV" and key.startswith(target)]
    photons = np.array([[float(row[key]) for row in rows] for key in columns])
    voltages = np.array([float(key.removeprefix(target)) for key in columns])
    return np.array([float(row["energy_keV"]) for row in rows]), voltages, photons


def _spectrum(table: str, target: str, tube_kV: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    energies, voltages, photons = _spectra(table, target)
    if not voltages[0] <= tube_kV <= voltages[-1]:
        raise RecipeError(expected("kvp", tube_kV, f"in {voltages[0]:g}..{voltages[-1]:g}"))
    above = int(np.clip(np.searchsorted(voltages, tube_kV), 1, len(voltages) - 1))
    share = (tube_kV - voltages[above - 1]) / (voltages[above] - voltages[above - 1])
    return energies, (1 - share) * photons[above - 1] + share * photons[above]


def ct_spectrum(tube_kV: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the spectrum of a CT tube: tungsten anode at 7 degrees, 6 mm aluminium in all.

    Parameters
    ----------
    tube_kV : 70 to 150; between the tabulated voltages (every 5 kV) photon numbers are interpolated linearly.

    Returns
    -------
    (bins,) bin centres in keV, and (bins,) photons per cm2, keV and mAs at 1 m.

    References
    ----------
    Poludniowski et al., Med Phys 2021, doi:10.1002/mp.14945 (SpekPy, which made the table).
    """
    return _spectrum("ct_spectra.csv", "", tube_kV)


def dx_spectrum(tube_kV: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the spectrum of a radiographic tube: tungsten anode at 12 degrees behind 1 mm aluminium.

    Parameters
    ----------
    tube_kV : 40 to 150; between the tabulated voltages (every 5 kV) photon numbers are interpolated linearly.

    Returns
    -------
    (bins,) bin centres in keV, and (bins,) photons per cm2, bin and mAs at 1 m.

    References
    ----------
    Poludniowski et al., Med Phys 2021, doi:10.1002/mp.14945 (SpekPy, which made the table).
    """
    return _spectrum("dx_spectra.csv", "W", tube_kV)


def mammography_spectrum(target: Target, tube_kV: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the spectrum of a mammographic tube: anode at 20 degrees behind 0.5 mm beryllium.

    Parameters
    ----------
    target : of the anode: tungsten or molybdenum.
    tube_kV : 20 to 40; as in `dx_spectrum` (every 2 kV).

    Returns
    -------
    (bins,) bin centres in keV, and (bins,) photons per cm2, bin (0.5 keV) and mAs at 1 m.
    """
    energies, photons = _spectrum("mammography_spectra.csv", target, tube_kV)
    return energies, photons * (energies[1] - energies[0])


@cache
def _air_absorption() -> CubicSpline:
    rows = read_table("air_absorption.csv")
    energies, values = (np.log([float(row[key]) for row in rows]) for key in ("energy_keV", "air"))
    return CubicSpline(energies, values)


def air_kerma_ugy(energies_keV: ArrayLike) -> NDArray[np.float64]:
    """Return the air kerma in uGy of one photon per cm2 at each of these energies (10 to 150 keV)."""
    energies = np.asarray(energies_keV, float)
    return UGY_PER_KEV_PER_G * energies * np.exp(_air_absorption()(np.log(energies)))
