"""Basis materials: the few of which everything is a linear combination, as far as X-rays can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct.hu import ct_beam, structure_tissue
from medsynth.acquire.ct.physics import _kernels as kernels
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Structure
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.contrast import Phase, iodine_mg_per_ml
from medsynth.tissues.table import Tissue, tissue

# Photoelectric and Compton interactions of light elements are spanned by these two.
COMMON = ("water", "cortical_bone")
IODINE = "iodine"
# A tissue whose attenuation the basis misses by more than this, root mean square over the beam, asks for a basis
# material more: its iodine, or itself (metals).
TOLERANCE_HU = 5.0
LOWEST_KEV = 25.0


@dataclass(frozen=True, eq=False)
class Basis:
    """Basis materials and what every label holds of them.

    Attributes
    ----------
    names : (B,) tissue-table names, water first.
    table : (65536, B) float32: cm of each basis material per cm of the label, less those of air, so that paths count
        from the air in which a scanner is calibrated.
    """

    names: tuple[str, ...]
    table: NDArray[np.float32]

    def linear_per_cm(self, energies_keV: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (B, E): the attenuation of the basis materials."""
        return np.stack([linear_attenuation(tissue(name), energies_keV) for name in self.names])

    def maps(self, phantom: Phantom, first: int, last: int) -> NDArray[np.float32]:
        """Return (j, i, lane) of the slices from `first` up to `last`; lane = slice x B + basis material.

        Beyond the ends of the phantom the outermost slice goes on.
        """
        out = np.empty((*phantom.grid.shape_kji[1:], (last - first) * len(self.names)), np.float32)
        kernels.basis_maps(phantom.labels, phantom.neighbour, phantom.fraction, phantom.texture, self.table, first, out)
        return out


def basis_of(structures: Sequence[Structure], tube_kV: float, phase: Phase) -> Basis:
    """Return the smallest basis that represents all structures to `TOLERANCE_HU`, and their coefficients.

    Coefficients are a least-squares fit of attenuation against energy, weighted by the beam behind 20 cm of water.
    """
    beam = ct_beam(tube_kV)
    used = beam.energies_keV >= LOWEST_KEV
    energies, weights = beam.energies_keV[used], beam.weights[used]
    air, background = tissue("air"), 0
    materials: dict[int, Tissue] = {background: air}
    parts: dict[int, tuple[str, ...]] = {background: ("air",)}
    iodine: dict[int, float] = {}
    for structure in structures:
        materials[structure.label] = structure_tissue(structure)
        parts[structure.label] = (structure.tissue, *(name for name, _ in structure.mixture))
        iodine[structure.label] = iodine_mg_per_ml(structure.enhancement, phase) / 1000 / tissue(IODINE).density_g_cm3
    names = [*COMMON, *([IODINE] if any(iodine.values()) else [])]
    spectra = {label: linear_attenuation(material, energies) for label, material in materials.items()}
    while True:
        design = np.stack([linear_attenuation(tissue(name), energies) for name in names], axis=1)
        fits = {label: _fit(design, mu, weights, beam.water_per_cm) for label, mu in spectra.items()}
        label, worst = max(((n, miss) for n, (_, miss) in fits.items()), key=lambda pair: pair[1])
        if worst <= TOLERANCE_HU:
            break
        names.append(_missing(parts[label], "I" in materials[label].mass_fractions, names))
    table = np.zeros((65536, len(names)), np.float32)
    for label, (coefficients, _) in fits.items():
        table[label] = coefficients - fits[background][0]
        if iodine.get(label):
            table[label, names.index(IODINE)] += iodine[label]
    return Basis(tuple(names), table)


def _missing(parts: Sequence[str], iodine: bool, names: Sequence[str]) -> str:
    """Return what a material that the basis `names` misses adds to it: iodine, or the densest of its parts."""
    if iodine and IODINE not in names:
        return IODINE
    return max((name for name in parts if name not in names), key=lambda name: tissue(name).density_g_cm3)


def _fit(design: NDArray[np.float64], mu: NDArray[np.float64], weights: NDArray[np.float64], water_per_cm: float
         ) -> tuple[NDArray[np.float64], float]:
    """Return the coefficients, and what they miss of the attenuation in HU, root mean square over the beam."""
    root = np.sqrt(weights) / mu
    coefficients = np.linalg.lstsq(design * root[:, None], mu * root, rcond=None)[0]
    missed = design @ coefficients - mu
    worst = 1000 * float(np.sqrt(weights @ missed**2 / weights.sum())) / water_per_cm
    return np.asarray(coefficients, np.float64), worst
