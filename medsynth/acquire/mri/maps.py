"""True property maps of a phantom: PD, T1, T2, T2*, ADC, susceptibility on its grid."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri.pools import Spins
from medsynth.core.volume import Volume
from medsynth.scene.phantom import FRACTION_UNIT, TEXTURE_UNIT, Phantom

MapName = Literal["pd", "t1", "t2", "t2_star", "adc"]
QUANTITY: dict[MapName, str] = {"pd": "PD", "t1": "T1_ms", "t2": "T2_ms", "t2_star": "T2star_ms", "adc": "ADC_um2_s"}


def property_map(phantom: Phantom, spins: Spins, name: MapName) -> Volume:
    """Return the true value of a property in every voxel, 0 where there are no protons.

    Times are means of rates and ADC a mean of itself over the protons of a voxel, fat included. Pure water has PD 1.
    Texture acts on PD, T1 and T2; what it stands for beyond its threshold (`Spins.partner`) is left out.
    """
    pools = spins.pools
    value = {"pd": np.ones_like(pools.t1_s), "t1": 1 / pools.t1_s, "t2": 1 / pools.t2_s, "t2_star": 1 / pools.t2_star_s,
             "adc": pools.adc_mm2_s}[name]
    protons = spins.density.sum(axis=1)
    amount = (spins.density @ value).astype(np.float32)
    column = {"pd": 0, "t1": 1, "t2": 2, "t2_star": 2, "adc": -1}[name]
    first, second = spins.row[phantom.labels], spins.row[phantom.neighbour]
    f = phantom.fraction.astype(np.float32) / FRACTION_UNIT
    mixed = (1 - f) * amount[first] + f * amount[second]
    if name == "pd":
        result = mixed
    else:
        density = protons.astype(np.float32)
        total = (1 - f) * density[first] + f * density[second]
        mean = mixed / np.maximum(total, 1e-9)
        scale = {"adc": 1e6}.get(name, 1e3)
        result = mean * scale if name == "adc" else np.where(total > 0, scale / np.maximum(mean, 1e-9), 0)
    if column >= 0:
        result = result * (1 + spins.texture[:, column].astype(np.float32)[first] * phantom.texture * TEXTURE_UNIT)
    return Volume(np.ascontiguousarray(result, np.float32), phantom.grid, QUANTITY[name])


def susceptibility_ppm(phantom: Phantom, spins: Spins) -> NDArray[np.float32]:
    """Return the volume susceptibility less that of water, (k, j, i) float32 in ppm."""
    chi = spins.chi_ppm.astype(np.float32)
    f = phantom.fraction.astype(np.float32) / FRACTION_UNIT
    return np.asarray((1 - f) * chi[spins.row[phantom.labels]] + f * chi[spins.row[phantom.neighbour]], np.float32)
