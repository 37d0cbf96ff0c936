"""Basis materials of a CT scan: the fewest that represent its structures to 5 HU, and maps of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.common.basis import COMMON, IODINE, Basis, iodine_cm_per_cm, structure_tissue
from medsynth.acquire.ct.hu import ct_beam
from medsynth.acquire.ct.kernel import KERNELS
from medsynth.acquire.ct.physics import _kernels as kernels
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Structure
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.contrast import Phase
from medsynth.tissues.table import Tissue, tissue

# A tissue whose attenuation the basis misses by more than this, root mean square over the beam, asks for a basis
# material more: its iodine, or itself (metals).
TOLERANCE_HU = 5.0
LOWEST_KEV = 25.0
SHARPENING_TAPS = 4  # on either side


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
        iodine[structure.label] = iodine_cm_per_cm(structure, phase)
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
    return Basis(tuple(tissue(name) for name in names), table)


def basis_maps(basis: Basis, phantom: Phantom, first: int, last: int) -> NDArray[np.float32]:
    """Return (j, i, lane) of the slices from `first` up to `last`; lane = slice x B + basis material.

    Beyond the ends of the phantom the outermost slice goes on.
    """
    out = np.empty((*phantom.grid.shape_kji[1:], (last - first) * len(basis.materials)), np.float32)
    kernels.basis_maps(phantom.labels, phantom.neighbour, phantom.fraction, phantom.texture, basis.table, first, out)
    return out


def sharpened(maps: NDArray[np.float32], kernel: str, pixel_mm: float) -> NDArray[np.float32]:
    """Return basis maps (j, i, lane) with the blur of their voxels taken away.

    A voxel is the mean over its own square, and the projection spreads it over that square again; a scanner does
    neither. Weights that sum to 1 give what the reconstruction samples on the same grid with this kernel the transfer
    of the fast tier: that of the kernel, but pixels too coarse for it keep their own aperture.
    """
    out = np.empty_like(maps)
    kernels.weighted_in_plane(maps, sharpening_taps(kernel, pixel_mm), out)
    return out


@lru_cache(maxsize=32)
def sharpening_taps(kernel: str, pixel_mm: float) -> NDArray[np.float32]:
    """Return the (2 n + 1) weights of `sharpened`.

    Voxels' values have the spectrum S(f); boxes of them, reconstructed with transfer H and sampled again, have
    S(f) sum over m of sinc(f pixel + m) H(f + m / pixel). The weights are the least-squares fit to what is missing to
    S(f) min(H(f) / sinc(f pixel), 1), trusted less near the Nyquist frequency.
    """
    cycles = (np.arange(512) + 0.5) / 1024
    transfer = KERNELS[kernel].delivered
    sampled = sum(np.sinc(cycles + m) * transfer((cycles + m) / pixel_mm, pixel_mm) for m in range(-4, 5))
    wanted = np.minimum(transfer(cycles / pixel_mm, pixel_mm) / np.sinc(cycles), 1)
    trust = np.exp(-((cycles / 0.45) ** 8))
    design = 2 * np.cos(2 * np.pi * np.outer(cycles, np.arange(1, SHARPENING_TAPS + 1))) - 2
    side = np.linalg.lstsq(design * trust[:, None], (wanted / sampled - 1) * trust, rcond=None)[0]
    taps = np.concatenate([side[::-1], [1 - 2 * side.sum()], side]).astype(np.float32)
    taps.setflags(write=False)
    return taps


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
