"""The tube: photons that reach each channel, per energy and mAs, after filters, bowtie and anode."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
import yaml
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from medsynth.acquire.ct.hu import ct_beam
from medsynth.acquire.ct.physics.scanner import Scanner
from medsynth.core.errors import RecipeError, expected
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.spectra import ct_spectrum
from medsynth.tissues.table import Tissue, tissue

# Borders of the energy groups in keV; each group of tabulated 1 keV bins becomes two energies. The K edges of iodine
# (33.17) and gadolinium (50.24) lie at borders. Against 1 keV bins, line integrals of water change by less than 1e-4 of
# themselves from 100 kVp on (3e-4 at 80 kVp and below 5 mm), those behind iodine, bone and metals by less than 4e-4.
GROUPS_KEV = (10, 20, 25, 33, 41, 50, 60, 70, 95, 122, 151)
# The energies of a group suit photons behind this much water: those count at the detector.
BEHIND_CM = 10.0
# Mean depth in the anode at which detected photons arise, along the electrons' way, at 120 kV, and the power of the
# voltage with which it grows: fitted to the heel effect of SpekPy 2.5.4 (doi:10.1002/mp.14945) at 80-140 kV, which it
# gives within 0.01 over +-20 mm.
ANODE_DEPTH_CM = 2.0e-4
ANODE_DEPTH_POWER = 1.65


@dataclass(frozen=True, eq=False)
class Beam:
    """What the tube sends to each channel with nothing in the beam.

    Attributes
    ----------
    tube_kV : tube voltage.
    energies_keV : (E,) float64.
    photons : (channels, E) float64, photons per mAs that reach a detector cell 1 mm high, the height being measured at
        the isocentre.
    """

    tube_kV: float
    energies_keV: NDArray[np.float64]
    photons: NDArray[np.float64]


@cache
def _tables() -> dict[str, Any]:
    text = files("medsynth.acquire.ct").joinpath("data", "bowties.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def bowtie_names() -> tuple[str, ...]:
    """Return the names of the shaped filters, "none" first."""
    return ("none", *_tables()["bowties"])


@cache
def filter_material(name: str) -> Tissue:
    """Return a material of filters or anode: of the filters' own list, or else of the tissue table."""
    row = _tables()["materials"].get(name)
    if row is None:
        return tissue(name)
    return Tissue(name, row["density_g_cm3"], MappingProxyType(row["mass_fractions"]), row["source"])


def bowtie_mm(name: str, fan_rad: ArrayLike) -> tuple[Tissue, NDArray[np.float64]]:
    """Return the material of a bowtie and its thickness along rays at these fan angles.

    Parameters
    ----------
    fan_rad : (...) angles from the central ray in rad.

    Returns
    -------
    the material, and (...) float64 thickness in mm; zeros for "none".

    Raises
    ------
    RecipeError
        If there is no such bowtie.
    """
    degrees = np.abs(np.degrees(np.asarray(fan_rad, float)))
    if name == "none":
        return filter_material("aluminium"), np.zeros(degrees.shape)
    if name not in _tables()["bowties"]:
        raise RecipeError(expected("bowtie", name, f"one of {sorted(bowtie_names())}"))
    row = _tables()["bowties"][name]
    angles, thickness = np.array(sorted(row["thickness_mm"].items()), float).T
    curve = PchipInterpolator(angles, thickness)
    return filter_material(row["material"]), curve(np.minimum(degrees, angles[-1]))


def fan_angles_rad(scanner: Scanner) -> NDArray[np.float64]:
    """Return the (channels,) angles of the channels' rays from the central ray; of a parallel detector, as if a fan."""
    centres = scanner.centres()
    return np.arcsin(np.clip(centres / scanner.sid_mm, -1, 1)) if scanner.geometry == "parallel" else centres


def _anode(scanner: Scanner, kvp: float, energies_keV: NDArray[np.float64], z_mm: float) -> NDArray[np.float64]:
    """Return the (E,) change of the photons by the anode's own attenuation, for rays through z at the isocentre.

    A photon born at depth d leaves at the angle anode_deg + atan(z / SID) to the surface, through
    d cos(anode) / sin(that angle) of tungsten.
    """
    anode = np.radians(scanner.anode_deg)
    leaving = anode + np.arctan2(z_mm, scanner.sid_mm)
    if leaving < np.radians(0.5):
        raise RecipeError(expected("z_mm", z_mm, f"in the beam of an anode of {scanner.anode_deg:g} degrees"))
    depth_cm = ANODE_DEPTH_CM * (kvp / 120) ** ANODE_DEPTH_POWER
    extra_cm = depth_cm * np.cos(anode) * (1 / np.sin(leaving) - 1 / np.sin(anode))
    return np.exp(-extra_cm * linear_attenuation(filter_material("tungsten"), energies_keV))


def heel(scanner: Scanner, kvp: float, z_mm: ArrayLike) -> NDArray[np.float64]:
    """Return the fluence along z relative to the central plane: less on the anode's side (z < 0), more on the other.

    Parameters
    ----------
    z_mm : (...) places at the isocentre.

    Returns
    -------
    (...) float64, 1 at z = 0.
    """
    energies, photons = ct_spectrum(kvp)
    places = np.asarray(z_mm, float)
    factors = [photons @ _anode(scanner, kvp, energies, z) / photons.sum() for z in places.ravel()]
    return np.reshape(factors, places.shape)


def beam(scanner: Scanner, kvp: float, *, bowtie: str | None = None, monoenergetic: bool = False,
         z_mm: float = 0.0) -> Beam:
    """Return the beam of a scanner at a tube voltage.

    Photons of the spectrum at 1 m are carried to the isocentre by the inverse square and counted through the channel's
    width there (which is the same as at the detector); flat filters stand across the central ray.

    Parameters
    ----------
    kvp : 70 to 150.
    bowtie : other than the scanner's own.
    monoenergetic : all photons at the effective energy of `ct_beam`.
    z_mm : place at the isocentre whose share of the heel effect is taken.

    Raises
    ------
    RecipeError
        If the voltage lies outside the tables, or there is no such bowtie or filter.
    """
    return _beam(scanner.model_dump_json(), float(kvp), scanner.bowtie if bowtie is None else bowtie, monoenergetic,
                 float(z_mm))


@lru_cache(maxsize=64)
def _beam(preset: str, kvp: float, bowtie: str, monoenergetic: bool, z_mm: float) -> Beam:
    scanner = Scanner.model_validate_json(preset)
    energies, per_cm2 = ct_spectrum(kvp)
    angles = fan_angles_rad(scanner)
    material, thickness_mm = bowtie_mm(bowtie, angles)
    depth = np.outer(thickness_mm, linear_attenuation(material, energies)) / 10
    for name, flat_mm in scanner.filter_mm.items():
        depth += np.outer(flat_mm / np.cos(angles), linear_attenuation(filter_material(name), energies)) / 10
    cell_cm2_at_1m = scanner.pitch_mm * 1.0 * (1000 / scanner.sid_mm) ** 2 * scanner.fill / 100
    if z_mm:
        per_cm2 = per_cm2 * _anode(scanner, kvp, energies, z_mm)
    photons = cell_cm2_at_1m * per_cm2 * np.exp(-depth)
    if monoenergetic:
        energies, photons = np.array([ct_beam(kvp).energy_keV]), photons.sum(axis=1, keepdims=True)
    else:
        energies, photons = _rebinned(energies, photons)
    for array in (energies, photons):
        array.setflags(write=False)
    return Beam(kvp, energies, photons)


def _rebinned(energies: NDArray[np.float64], photons: NDArray[np.float64]
              ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return energies (E,) and photons (channels, E), two of each for every group of 1 keV bins.

    The two energies are the nodes of the Gauss quadrature of the group's photons behind `BEHIND_CM` of water; every
    channel's photons are shared between them so that their number and mean energy are kept.
    """
    behind = photons.mean(axis=0) * np.exp(-BEHIND_CM * linear_attenuation(tissue("water"), energies))
    nodes, shared = [], []
    for low, high in pairwise(GROUPS_KEV):
        inside = (energies > low) & (energies < high) & (photons.max(axis=0) > 0)
        if not inside.any():
            continue
        here, weight = energies[inside], behind[inside] / behind[inside].sum()
        mean = here @ weight
        spread, skew = ((here - mean) ** 2 @ weight), ((here - mean) ** 3 @ weight)
        if spread < 1e-6:
            nodes.append(np.array([mean]))
            shared.append(photons[:, inside].sum(axis=1, keepdims=True))
            continue
        middle, half = mean + skew / (2 * spread), np.sqrt(spread + (skew / (2 * spread)) ** 2)
        pair = np.array([middle - half, middle + half])
        total = photons[:, inside].sum(axis=1)
        upper = np.clip((photons[:, inside] @ here - total * pair[0]) / (2 * half), 0, total)
        nodes.append(pair)
        shared.append(np.stack([total - upper, upper], axis=1))
    return np.concatenate(nodes), np.ascontiguousarray(np.concatenate(shared, axis=1))
