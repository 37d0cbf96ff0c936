"""What the beam meets besides tissues, and the few basis materials of which everything is a linear combination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import numpy as np
import yaml
from numpy.typing import ArrayLike, NDArray

from medsynth.acquire.common.basis import COMMON, IODINE, Basis, iodine_cm_per_cm, structure_tissue
from medsynth.scene.structure import Structure
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.contrast import Phase
from medsynth.tissues.table import Tissue, tissue

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

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


def basis_of(structures: Sequence[Structure], energies_keV: Float64, weights: Float64, phase: Phase, *,
             further: Sequence[str] = ()) -> Basis:
    """Return the smallest basis that represents all structures, and their coefficients.

    Parameters
    ----------
    energies_keV, weights : (E,) the beam that the fit of attenuation against energy minds.
    further : tissue-table names that must be in the basis or be spanned by it, e.g. metals of devices.
    """
    wanted = _wanted(structures, phase)
    parts = {key: spec[1] for key, spec in wanted.values()} | {name: (name,) for name in further}
    made = {key: spec[0] for key, spec in wanted.values()} | {name: material(name) for name in further}
    spectra = {key: linear_attenuation(one, energies_keV) for key, one in made.items()}
    names = [*COMMON, *([IODINE] if any(key[-1] for key, _ in wanted.values()) else [])]
    while True:
        fits = {key: fit(names, mu, energies_keV, weights) for key, mu in spectra.items()}
        worst = max(fits, key=lambda key: fits[key][1])
        if fits[worst][1] <= TOLERANCE:
            break
        left = [name for name in parts[worst] if name not in names]
        if "I" in made[worst].mass_fractions and IODINE not in names:
            left = [IODINE]
        if not left:  # everything that it is made of is in the basis already
            break
        names.append(max(left, key=lambda name: material(name).density_g_cm3))
    air = fit(names, linear_attenuation(tissue("air"), energies_keV), energies_keV, weights)[0]
    table = np.zeros((65536, len(names)), np.float32)
    for label, (key, _) in wanted.items():
        table[label] = fits[key][0] - air
        if key[-1]:
            table[label, names.index(IODINE)] += key[-1]
    return Basis(tuple(material(name) for name in names), table)


def boneless(basis: Basis, structures: Sequence[Structure], energies_keV: Float64, weights: Float64) -> Float32:
    """Return the table of `basis` with every bone replaced by soft tissue."""
    soft, air = (fit(basis.names, linear_attenuation(tissue(name), energies_keV), energies_keV, weights)[0]
                 for name in (SOFT, "air"))
    table = basis.table.copy()
    table[bone_labels(structures)] = soft - air
    return table


def _wanted(structures: Sequence[Structure], phase: Phase
            ) -> dict[int, tuple[tuple[Any, ...], tuple[Tissue, tuple[str, ...]]]]:
    """Return by label a key that structures of the same content share, and their material and its parts.

    The last of a key is the iodine of the contrast agent in cm per cm.
    """
    found: dict[int, tuple[tuple[Any, ...], tuple[Tissue, tuple[str, ...]]]] = {}
    made: dict[tuple[Any, ...], tuple[Tissue, tuple[str, ...]]] = {}
    for one in structures:
        iodine = iodine_cm_per_cm(one, phase)
        key = (one.tissue, one.mixture, iodine)
        if key not in made:
            made[key] = structure_tissue(one), (one.tissue, *(name for name, _ in one.mixture))
        found[one.label] = key, made[key]
    return found


def bone_labels(structures: Sequence[Structure]) -> list[int]:
    """Return the labels of bones and teeth, marrow and all."""
    return [s.label for s in structures if {s.tissue, *(name for name, _ in s.mixture)} & set(BONE)]


def fit(names: Sequence[str], linear_per_cm: Float64, energies_keV: Float64, weights: Float64) -> tuple[Float64, float]:
    """Return the (B,) cm of each basis material per cm, and the root-mean-square miss, relative to water or to itself.

    The miss counts where photons are left: behind 1 cm of a material that is far denser than water there are none.
    """
    design = _attenuations(tuple(names), tuple(energies_keV.tolist()))
    scale = np.sqrt(weights / weights.sum()) / np.maximum(linear_per_cm, design[:, 0])
    coefficients = np.linalg.lstsq(design * scale[:, None], linear_per_cm * scale, rcond=None)[0]
    missed = (design @ coefficients - linear_per_cm) * scale
    return np.asarray(coefficients, np.float64), float(np.sqrt(missed @ missed))


@lru_cache(maxsize=64)
def _attenuations(names: tuple[str, ...], energies_keV: tuple[float, ...]) -> Float64:
    """Return the (E, B) attenuation of basis materials, water first."""
    return np.stack([linear_attenuation(material(name), energies_keV) for name in names], axis=1)
