"""Photon spectra of CT tubes."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import RecipeError, expected
from medsynth.tissues.reading import read_table


@cache
def _spectra() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    rows = read_table("ct_spectra.csv")
    voltages = [key for key in rows[0] if key != "energy_keV"]
    photons = np.array([[float(row[kv]) for row in rows] for kv in voltages])
    return np.array([float(row["energy_keV"]) for row in rows]), np.array([float(kv) for kv in voltages]), photons


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
    energies, voltages, photons = _spectra()
    if not voltages[0] <= tube_kV <= voltages[-1]:
        raise RecipeError(expected("kvp", tube_kV, f"in {voltages[0]:g}..{voltages[-1]:g}"))
    above = int(np.clip(np.searchsorted(voltages, tube_kV), 1, len(voltages) - 1))
    share = (tube_kV - voltages[above - 1]) / (voltages[above] - voltages[above - 1])
    return energies, (1 - share) * photons[above - 1] + share * photons[above]
