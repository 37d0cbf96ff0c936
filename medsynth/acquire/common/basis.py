"""What structures are made of, and the few basis materials of which everything is a linear combination to X-rays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Structure
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.contrast import Phase, iodine_mg_per_ml
from medsynth.tissues.table import Tissue, mixed, tissue

COMMON = ("water", "cortical_bone")  # span photoelectric and Compton interactions of light elements
IODINE = "iodine"


@dataclass(frozen=True, eq=False)
class Basis:
    """Basis materials and what every label holds of them.

    Attributes
    ----------
    materials : B of them, water first.
    table : (65536, B) float32: cm of each basis material per cm of the label, less those of air, so that paths count
        from the empty beam, in which a detector is calibrated.
    """

    materials: tuple[Tissue, ...]
    table: NDArray[np.float32]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the materials."""
        return tuple(material.name for material in self.materials)

    def linear_per_cm(self, energies_keV: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (B, E): the attenuation of the basis materials."""
        return np.stack([linear_attenuation(material, energies_keV) for material in self.materials])


def structure_tissue(structure: Structure) -> Tissue:
    """Return what a structure is made of, its finely mixed parts included."""
    rest = 1 - sum(part for _, part in structure.mixture)
    if not structure.mixture:
        return tissue(structure.tissue)
    parts = [(tissue(structure.tissue), rest), *((tissue(name), part) for name, part in structure.mixture)]
    return mixed(structure.name, parts)


def iodine_cm_per_cm(structure: Structure, phase: Phase) -> float:
    """Return how many cm of the element a structure's contrast agent adds to each cm of it."""
    return iodine_mg_per_ml(structure.enhancement, phase) / 1000 / tissue(IODINE).density_g_cm3
