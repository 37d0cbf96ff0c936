"""What the beam meets besides tissues, and the few basis materials of which everything is a linear combination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import numpy as np
import yaml
from numpy.typing import ArrayLike, NDArray

from medsynth.acquire.ct.hu import structure_tissue
from medsynth.scene.structure import BACKGROUND, Structure
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.contrast import Phase, iodine_mg_per_ml
from medsynth.tissues.table import Tissue, tissue

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

COMMON = ("water", "cortical_bone")  # span photoelectric and Compton interactions of light elements
IODINE = "iodine"
# A tissue whose attenuation the basis misses by more than this share of water's, root mean square over the beam, adds
# a basis material: its iodine, or the densest of its parts (metals).
TOLERANCE = 0.005
# Bones are what holds either of these; their marrow counts to them.
BONE = ("cortical_bone", "hydroxyapatite", "tooth_enamel", "tooth_dentine", "red_marrow", "yellow_marrow")
SOFT = "soft_tissue"


@cache
def read_data(name: str) -> Any:
    """Return the content of `medsynth/acquire/xray/data/<name>`."""
    return yaml.safe_load(files("medsynth.acquire.xray").joinpath("data", name).read_text(encoding="utf-8"))


@cache
def material(name: str) -> Tissue:
    """Return a material of filters, anodes and sensors by name, or else of the tissue table."""
    row = read_data("tubes.yaml")["materials"].get(name)
    if row is None:
        return tissue(name)
    return Tissue(name, row["density_g_cm3"], MappingProxyType(row["mass_fractions"]), row["source"])


def transmission(layers_mm: Mapping[str, float], energies_keV: ArrayLike) -> Float64:
    """Return the share (...) of photons of these energies that pass flat layers, material -> mm, straight on."""
    energies = np.asarray(energies_keV, float)
    depth = np.zeros(energies.shape)
    for name, mm in layers_mm.items():
        depth += mm / 10 * linear_attenuation(material(name), energies)
    return np.exp(-depth)


@dataclass(frozen=True, eq=False)
class Basis:
    """Basis materials and what every label holds of them.

    Attributes
    ----------
    names : (B,) tissue-table names, water first.
    table : (65536, B) float32: cm of each basis material per cm of the label, less those of air, so that paths count
        from the empty beam.
    soft : the same with every bone replaced by soft tissue.
    """

    names: tuple[str, ...]
    table: Float32
    soft: Float32

    def linear_per_cm(self, energies_keV: Float64) -> Float64:
        """Return (B, E): the attenuation of the basis materials."""
        return np.stack([linear_attenuation(material(name), energies_keV) for name in self.names])


def basis_of(structures: Sequence[Structure], energies_keV: Float64, weights: Float64, phase: Phase, *,
             further: Sequence[str] = ()) -> Basis:
    """Return the smallest basis that represents all structures, and their coefficients.

    Parameters
    ----------
    energies_keV, weights : (E,) the beam that the fit of attenuation against energy minds.
    further : tissue-table names that must be in the basis or be spanned by it, e.g. metals of devices.
    """
    materials: dict[int, Tissue] = {BACKGROUND: tissue("air")}
    iodine: dict[int, float] = {}
    for structure in structures:
        materials[structure.label] = structure_tissue(structure)
        iodine[structure.label] = iodine_mg_per_ml(structure.enhancement, phase) / 1000 / tissue(IODINE).density_g_cm3
    parts = {s.label: (s.tissue, *(name for name, _ in s.mixture)) for s in structures}
    names = [*COMMON, *([IODINE] if any(iodine.values()) else [])]
    wanted = {**{n: (m, parts.get(n, ("air",))) for n, m in materials.items()},
              **{-1 - n: (material(name), (name,)) for n, name in enumerate(further)}}
    spectra = {n: linear_attenuation(m, energies_keV) for n, (m, _) in wanted.items()}
    water = linear_attenuation(tissue("water"), energies_keV)
    while True:
        fits = {n: fit(names, mu, energies_keV, weights, water) for n, mu in spectra.items()}
        worst = max(fits, key=lambda n: fits[n][1])
        if fits[worst][1] <= TOLERANCE:
            break
        holder, own = wanted[worst]
        left = [name for name in own if name not in names]
        if "I" in holder.mass_fractions and IODINE not in names:
            left = [IODINE]
        if not left:  # everything that it is made of is in the basis already
            break
        names.append(max(left, key=lambda name: material(name).density_g_cm3))
    table = np.zeros((65536, len(names)), np.float32)
    for label in materials:
        table[label] = fits[label][0] - fits[BACKGROUND][0]
        if iodine.get(label):
            table[label, names.index(IODINE)] += iodine[label]
    soft = table.copy()
    soft_row = fit(names, linear_attenuation(tissue(SOFT), energies_keV), energies_keV, weights, water)[0]
    for label in bone_labels(structures):
        soft[label] = soft_row - fits[BACKGROUND][0]
    return Basis(tuple(names), table, soft)


def bone_labels(structures: Sequence[Structure]) -> list[int]:
    """Return the labels of bones and teeth, marrow and all."""
    return [s.label for s in structures if {s.tissue, *(name for name, _ in s.mixture)} & set(BONE)]


def fit(names: Sequence[str], linear_per_cm: Float64, energies_keV: Float64, weights: Float64, water_per_cm: Float64
        ) -> tuple[Float64, float]:
    """Return the (B,) cm of each basis material per cm, and the root-mean-square miss, relative to water or to itself.

    The miss counts where photons are left: behind 1 cm of a material that is far denser than water there are none.
    """
    design = np.stack([linear_attenuation(material(name), energies_keV) for name in names], axis=1)
    scale = np.sqrt(weights / weights.sum()) / np.maximum(linear_per_cm, water_per_cm)
    coefficients = np.linalg.lstsq(design * scale[:, None], linear_per_cm * scale, rcond=None)[0]
    missed = (design @ coefficients - linear_per_cm) * scale
    return np.asarray(coefficients, np.float64), float(np.sqrt(missed @ missed))
