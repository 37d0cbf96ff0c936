"""Hounsfield units from composition, density and beam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.common.basis import structure_tissue
from medsynth.scene.structure import BACKGROUND, Structure
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.contrast import Phase, iodine_mg_per_ml
from medsynth.tissues.spectra import ct_spectrum
from medsynth.tissues.table import Tissue, tissue

# The beam that forms the image has passed about this much tissue; a scanner's water calibration makes HU refer to it.
WATER_CM = 20.0
DEPTHS_CM = tuple(range(2, 51, 4))  # where the hardening of the beam is tabulated
HARDNESS_CM = 9.0  # with it HU of bone, fat and iodine are nearly parabolas of `hardness`
# Ceramic scintillator of the energy-integrating detector (unverified: between 1 and 3 mm in products).
SCINTILLATOR = "gadolinium_oxysulfide"
SCINTILLATOR_CM = 0.14


@dataclass(frozen=True, eq=False)
class Beam:
    """The detected beam behind some water, 20 cm where nothing else is said.

    Attributes
    ----------
    tube_kV : tube voltage.
    energies_keV, weights : (bins,) share of each energy in the detector's signal; the weights sum to 1.
    water_per_cm, air_per_cm : their effective attenuation.
    energy_keV : effective energy, at which water attenuates as much.
    quanta : noise-equivalent quanta per cm2 and mAs at 1 m behind the water, (sum E N)^2 / sum E^2 N.
    signal_keV : energy that stops in the scintillator, per cm2 and mAs at 1 m behind the water.
    """

    tube_kV: float
    energies_keV: NDArray[np.float64]
    weights: NDArray[np.float64]
    water_per_cm: float
    air_per_cm: float
    energy_keV: float
    quanta: float
    signal_keV: float

    def attenuation_per_cm(self, material: Tissue, iodine: float = 0.0) -> float:
        """Return the effective attenuation in 1/cm of a material with `iodine` mg/mL added to it."""
        return float(self.weights @ _linear(material, iodine, self.energies_keV))

    def hounsfield(self, attenuation_per_cm: float) -> float:
        """Return 1000 (mu - mu_water) / (mu_water - mu_air)."""
        return 1000 * (attenuation_per_cm - self.water_per_cm) / (self.water_per_cm - self.air_per_cm)


def _linear(material: Tissue, iodine: float, energies_keV: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the attenuation in 1/cm of a material with `iodine` mg/mL added to it."""
    linear = linear_attenuation(material, energies_keV)
    if iodine:
        linear = linear + iodine / 1000 / tissue("iodine").density_g_cm3 * linear_attenuation(
            tissue("iodine"), energies_keV)
    return linear


def _effective_energy_keV(water_per_cm: float) -> float:
    energies = np.linspace(20.0, 150.0, 2601)
    return float(np.interp(-water_per_cm, -linear_attenuation(tissue("water"), energies), energies))


@lru_cache(maxsize=256)
def ct_beam(tube_kV: float, water_cm: float = WATER_CM) -> Beam:
    """Return the detected beam of this tube voltage behind `water_cm` of water.

    The weight of energy E is N(E) exp(-mu_water(E) water) (1 - exp(-mu_scintillator(E) t)) E: photons that arrive,
    that stop in the scintillator, and the light each makes.
    """
    energies, photons = ct_spectrum(tube_kV)
    arriving = photons * np.exp(-water_cm * linear_attenuation(tissue("water"), energies))
    stopped = arriving * -np.expm1(-SCINTILLATOR_CM * linear_attenuation(tissue(SCINTILLATOR), energies))
    signal = stopped * energies
    weights = signal / signal.sum()
    water, air = (float(weights @ linear_attenuation(tissue(name), energies)) for name in ("water", "air"))
    quanta = float(signal.sum() ** 2 / (stopped * energies**2).sum())
    return Beam(tube_kV, energies, weights, water, air, _effective_energy_keV(water), quanta, float(signal.sum()))


@lru_cache(maxsize=4096)
def structure_hu(structure: Structure, tube_kV: float, phase: Phase, water_cm: float = WATER_CM) -> float:
    """Return the HU of a structure without texture, behind `water_cm` of water in all."""
    beam = ct_beam(tube_kV, water_cm)
    return beam.hounsfield(beam.attenuation_per_cm(structure_tissue(structure),
                                                   iodine_mg_per_ml(structure.enhancement, phase)))


def attenuation_table(structures: Sequence[Structure], tube_kV: float, phase: Phase) -> NDArray[np.float32]:
    """Return the (65536,) attenuation of every label behind 20 cm of water, in HU above vacuum.

    That is 1000 mu / (mu_water - mu_air): it mixes and scales as attenuation does, and HU are this less the value of
    water. Labels that no structure names are air, as the background is.
    """
    return np.ascontiguousarray(hardening_table(structures, tube_kV, phase)[:, 0])


def hardening_table(structures: Sequence[Structure], tube_kV: float, phase: Phase) -> NDArray[np.float32]:
    """Return (65536, 3): the attenuation of every label in HU above vacuum, as a parabola of the water around it.

    The columns are a, b and c of a + b x + c x^2, with x the `hardness` of the beam. The more water it has come
    through, the less bone and iodine are worth; water stays where it is. The parabola is exact at 20 cm and the
    least-squares fit from 2 to 50 cm: within 2 HU for bone and 1 % for iodine.
    """
    table = np.empty((65536, 3), np.float32)
    table[:] = _parabola(tissue("air"), 0.0, tube_kV)
    for structure in structures:
        if structure.label != BACKGROUND:
            table[structure.label] = _parabola_of(structure, tube_kV, phase)
    return table


@lru_cache(maxsize=4096)
def _parabola_of(structure: Structure, tube_kV: float, phase: Phase) -> tuple[float, float, float]:
    """Return a, b and c of a structure; every run of slices asks for the same hundreds of them."""
    return _parabola(structure_tissue(structure), iodine_mg_per_ml(structure.enhancement, phase), tube_kV)


def _parabola(material: Tissue, iodine: float, tube_kV: float) -> tuple[float, float, float]:
    """Return a, b and c of a material with `iodine` mg/mL added to it."""
    beams = _beams(tube_kV)
    linear = _linear(material, iodine, beams[0].energies_keV)  # the beams of one voltage share their energies
    hu = np.array([beam.hounsfield(float(beam.weights @ linear)) for beam in beams])
    b, c = _fit() @ (hu[1:] - hu[0])
    return float(hu[0]) + water_level(tube_kV), float(b), float(c)


@lru_cache(maxsize=16)
def _beams(tube_kV: float) -> tuple[Beam, ...]:
    return tuple(ct_beam(tube_kV, cm) for cm in (WATER_CM, *DEPTHS_CM))


@cache
def _fit() -> NDArray[np.float64]:
    """Return (2, depths): b and c from what HU change by at `DEPTHS_CM`."""
    x = hardness(np.array(DEPTHS_CM))
    return np.linalg.pinv(np.stack([x, x**2], axis=1))


def hardening_per_cm(material: Tissue, tube_kV: float, iodine: float = 0.0) -> float:
    """Return how many cm of water harden the beam as much as 1 cm of a material with `iodine` mg/mL in it.

    Behind a little more of a material the mean of E^-3 over the beam, which photoelectric absorption goes with, falls
    by its covariance with the material's attenuation: three times more for bone than for as much attenuation of water.
    The beam is that behind 40 cm of water, with which 1 to 5 cm of bone or aluminium are right within 10 %.
    """
    beam = ct_beam(tube_kV, 2 * WATER_CM)

    def covariance(linear: NDArray[np.float64]) -> float:
        weights, photoelectric = beam.weights, beam.energies_keV**-3.0
        return float(weights @ (linear * photoelectric) - (weights @ linear) * (weights @ photoelectric))

    return covariance(_linear(material, iodine, beam.energies_keV)) / covariance(
        linear_attenuation(tissue("water"), beam.energies_keV))


def water_table(structures: Sequence[Structure], tube_kV: float, phase: Phase) -> NDArray[np.float32]:
    """Return the (65536,) cm of water that harden the beam as much as 1 cm of each label (`hardening_per_cm`)."""
    table = np.zeros(65536, np.float32)
    for structure in structures:
        table[structure.label] = _hardening_of(structure, tube_kV, phase)
    table[BACKGROUND] = 0.0
    return table


@lru_cache(maxsize=4096)
def _hardening_of(structure: Structure, tube_kV: float, phase: Phase) -> float:
    """Return `hardening_per_cm` of a structure; every scan asks for the same hundreds of them."""
    return hardening_per_cm(structure_tissue(structure), tube_kV, iodine_mg_per_ml(structure.enhancement, phase))


def hardness(water_cm: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return how hard a beam is behind this much water: ln((water + 9 cm) / 29 cm), 0 at 20 cm."""
    return np.log((np.maximum(water_cm, 0) + HARDNESS_CM) / (WATER_CM + HARDNESS_CM))


def water_level(tube_kV: float) -> float:
    """Return the attenuation of water on the scale of `attenuation_table`, in HU above vacuum."""
    beam = ct_beam(tube_kV)
    return 1000 * beam.water_per_cm / (beam.water_per_cm - beam.air_per_cm)
