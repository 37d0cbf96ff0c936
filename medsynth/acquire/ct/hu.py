"""Hounsfield units from composition, density and beam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import BACKGROUND, Structure
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.contrast import Phase, iodine_mg_per_ml
from medsynth.tissues.spectra import ct_spectrum
from medsynth.tissues.table import Tissue, mixed, tissue

# The beam that forms the image has passed about this much tissue; a scanner's water calibration makes HU refer to it.
WATER_CM = 20.0
# Ceramic scintillator of the energy-integrating detector (unverified: between 1 and 3 mm in products).
SCINTILLATOR = "gadolinium_oxysulfide"
SCINTILLATOR_CM = 0.14


@dataclass(frozen=True, eq=False)
class Beam:
    """The detected beam behind 20 cm of water.

    Attributes
    ----------
    tube_kV : tube voltage.
    energies_keV, weights : (bins,) share of each energy in the detector's signal; the weights sum to 1.
    water_per_cm, air_per_cm : their effective attenuation.
    energy_keV : effective energy, at which water attenuates as much.
    quanta : noise-equivalent quanta per cm2 and mAs at 1 m behind the water, (sum E N)^2 / sum E^2 N.
    """

    tube_kV: float
    energies_keV: NDArray[np.float64]
    weights: NDArray[np.float64]
    water_per_cm: float
    air_per_cm: float
    energy_keV: float
    quanta: float

    def attenuation_per_cm(self, material: Tissue, iodine: float = 0.0) -> float:
        """Return the effective attenuation in 1/cm of a material with `iodine` mg/mL added to it."""
        linear = linear_attenuation(material, self.energies_keV)
        if iodine:
            linear = linear + iodine / 1000 / tissue("iodine").density_g_cm3 * linear_attenuation(
                tissue("iodine"), self.energies_keV)
        return float(self.weights @ linear)

    def hounsfield(self, attenuation_per_cm: float) -> float:
        """Return 1000 (mu - mu_water) / (mu_water - mu_air)."""
        return 1000 * (attenuation_per_cm - self.water_per_cm) / (self.water_per_cm - self.air_per_cm)


def _effective_energy_keV(water_per_cm: float) -> float:
    energies = np.linspace(20.0, 150.0, 2601)
    return float(np.interp(-water_per_cm, -linear_attenuation(tissue("water"), energies), energies))


@lru_cache(maxsize=32)
def ct_beam(tube_kV: float) -> Beam:
    """Return the detected beam of this tube voltage.

    The weight of energy E is N(E) exp(-mu_water(E) 20 cm) (1 - exp(-mu_scintillator(E) t)) E: photons that arrive,
    that stop in the scintillator, and the light each makes.
    """
    energies, photons = ct_spectrum(tube_kV)
    arriving = photons * np.exp(-WATER_CM * linear_attenuation(tissue("water"), energies))
    stopped = arriving * -np.expm1(-SCINTILLATOR_CM * linear_attenuation(tissue(SCINTILLATOR), energies))
    signal = stopped * energies
    weights = signal / signal.sum()
    water, air = (float(weights @ linear_attenuation(tissue(name), energies)) for name in ("water", "air"))
    quanta = float(signal.sum() ** 2 / (stopped * energies**2).sum())
    return Beam(tube_kV, energies, weights, water, air, _effective_energy_keV(water), quanta)


def structure_tissue(structure: Structure) -> Tissue:
    """Return what a structure is made of, its finely mixed parts included."""
    rest = 1 - sum(part for _, part in structure.mixture)
    if not structure.mixture:
        return tissue(structure.tissue)
    parts = [(tissue(structure.tissue), rest), *((tissue(name), part) for name, part in structure.mixture)]
    return mixed(structure.name, parts)


def structure_hu(structure: Structure, tube_kV: float, phase: Phase) -> float:
    """Return the HU of a structure without texture."""
    beam = ct_beam(tube_kV)
    return beam.hounsfield(beam.attenuation_per_cm(structure_tissue(structure),
                                                   iodine_mg_per_ml(structure.enhancement, phase)))


def attenuation_table(structures: Sequence[Structure], tube_kV: float, phase: Phase) -> NDArray[np.float32]:
    """Return the (65536,) attenuation of every label, in HU above vacuum.

    That is 1000 mu / (mu_water - mu_air): it mixes and scales as attenuation does, and HU are this less the value of
    water. Labels that no structure names are air, as the background is.
    """
    beam = ct_beam(tube_kV)
    unit = 1000 / (beam.water_per_cm - beam.air_per_cm)
    table = np.full(65536, unit * beam.air_per_cm, np.float32)
    for structure in structures:
        iodine = iodine_mg_per_ml(structure.enhancement, phase)
        table[structure.label] = unit * beam.attenuation_per_cm(structure_tissue(structure), iodine)
    table[BACKGROUND] = unit * beam.air_per_cm
    return table


def water_level(tube_kV: float) -> float:
    """Return the attenuation of water on the scale of `attenuation_table`, in HU above vacuum."""
    beam = ct_beam(tube_kV)
    return 1000 * beam.water_per_cm / (beam.water_per_cm - beam.air_per_cm)
