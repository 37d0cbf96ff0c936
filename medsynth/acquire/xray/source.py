"""The tube: what a person sets, and the photons that would reach each pixel with nothing in the beam."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import erf

from medsynth.acquire.xray.geometry import Geometry
from medsynth.acquire.xray.materials import material, read_data, transmission
from medsynth.core.errors import RecipeError, expected
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.contrast import Phase
from medsynth.tissues.spectra import Target, air_kerma_ugy, dx_spectrum, mammography_spectrum

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Box = tuple[float, float, float, float]  # first row, first column, last row, last column, fractional pixels
AnodeSide = Literal["up", "down", "left", "right", "none"]

# Borders in keV of the energy groups, each of which becomes two energies; they are no bin's middle, and K edges (of Mo,
# Rh, Ag, I, Cs) lie near borders, since filters, contrast agent and sensors jump there.
GROUPS_KEV = {"general": (10, 20, 25, 33, 36, 41, 50, 60, 70, 95, 122, 151),
              "mammography": (10, 12.5, 15, 17.5, 20, 23.5, 25.5, 30, 41)}
BEHIND_CM = {"general": 12.0, "mammography": 4.0}  # the energies suit photons behind this much water
# Depth in the anode at which detected photons arise, along the electrons' way, at 120 kV, and the power of the voltage
# with which it grows: fitted to the air kerma of SpekPy 2.5.4 (doi:10.1002/mp.14945) at 12 and 16 degrees, 60-120 kV,
# within 0.025 over -8 to +10 degrees.
ANODE_DEPTH_CM = 1.69e-4
ANODE_DEPTH_POWER = 1.57
# Radiation beyond the shutters: leakage and scatter in tube and room, as a share of the open beam (unverified), and
# the half-width of their edge per mm of focus (the penumbra: shutters stand at about a quarter of the way, unverified).
LEAKAGE = 2e-4
SHUTTER_PENUMBRA = 3.0
OFF_FOCUS = 0.02  # share of the beam that comes from around the focus (unverified: 2-10 % before the collimator)
OFF_FOCUS_MM = 8.0


@dataclass(frozen=True, slots=True)
class Tube:
    """A tube: its anode, its own filter and focal spots; see `data/tubes.yaml`."""

    name: str
    words: str
    source: str
    target: Target
    anode_deg: float
    kvp: tuple[float, float]
    filter_mm: Mapping[str, float]
    focal_mm: Mapping[str, float]

    @property
    def family(self) -> Literal["general", "mammography"]:
        """Which spectra it has."""
        return "general" if self.name == "general" else "mammography"


@cache
def tubes() -> dict[str, Tube]:
    """Return every tube by name."""
    return {name: Tube(name=name, **{**row, "kvp": tuple(row["kvp"])}) for name, row in
            read_data("tubes.yaml")["tubes"].items()}


def tube(name: str) -> Tube:
    """Return the tube called `name`."""
    if name not in tubes():
        raise RecipeError(expected("tube", name, f"one of {sorted(tubes())}"))
    return tubes()[name]


@dataclass(frozen=True)
class Technique:
    """What a person sets for one exposure.

    Attributes
    ----------
    kvp : tube voltage.
    tube : of `tubes()`.
    filter_mm : filters added to the tube's own, material -> mm, e.g. `{"copper": 0.1, "aluminium": 1.0}`.
    layers_mm : what else every ray passes, material -> mm, e.g. a table top `{"carbon_fibre": 1.5}` or a paddle
        `{"acrylic": 2.5}`; it attenuates and does not scatter.
    mas : tube current x time; None leaves it to automatic exposure control.
    dose_ugy : what the control brings to the detector in its fields, mean air kerma at RQA5 of the same signal.
    fields_ji : its measuring fields as (first row, first column, last row, last column); empty: the middle ninth of
        the field.
    mas_limits : within which it stays.
    field_ji : the open field between the shutters, likewise; None: the whole detector.
    grid : of `medsynth.acquire.xray.scatter.grids()`.
    grid_lines : whether the grid's lines show.
    grid_offset_mm : how far the focal spot is off the grid's axis, across its lines.
    focus : "fine", "broad" ... of the tube, or a size in mm.
    anode : the side of the image that the anode points to.
    phase : of the iodine contrast agent.
    target_index : exposure index that the deviation index refers to; None: that of `dose_ugy`.
    scatter, noise, blur : imperfections that can be left out.
    """

    kvp: float
    tube: str = "general"
    filter_mm: Mapping[str, float] = field(default_factory=dict)
    layers_mm: Mapping[str, float] = field(default_factory=dict)
    mas: float | None = None
    dose_ugy: float = 2.5
    fields_ji: tuple[Box, ...] = ()
    mas_limits: tuple[float, float] = (0.1, 600.0)
    field_ji: Box | None = None
    grid: str = "none"
    grid_lines: bool = False
    grid_offset_mm: float = 0.0
    focus: str | float = "broad"
    anode: AnodeSide = "up"
    phase: Phase = "none"
    target_index: float | None = None
    scatter: bool = True
    noise: bool = True
    blur: bool = True

    def __post_init__(self) -> None:
        own = tube(self.tube)
        if not own.kvp[0] <= self.kvp <= own.kvp[1]:
            where = f"in {own.kvp[0]:g}..{own.kvp[1]:g} for the tube {self.tube!r}"
            raise RecipeError(expected("kvp", self.kvp, where))
        if self.mas is not None and not self.mas > 0:
            raise RecipeError(expected("mas", self.mas, "> 0, or None for automatic exposure control"))
        if not self.dose_ugy > 0:
            raise RecipeError(expected("dose_ugy", self.dose_ugy, "> 0"))
        if isinstance(self.focus, str) and self.focus not in own.focal_mm:
            raise RecipeError(expected("focus", self.focus, f"one of {sorted(own.focal_mm)} or a size in mm"))
        for name, mm in {**self.filter_mm, **self.layers_mm}.items():
            material(name)
            if not mm >= 0:
                raise RecipeError(expected(f"mm of {name}", mm, ">= 0"))
        for box in (*self.fields_ji, *([] if self.field_ji is None else [self.field_ji])):
            if np.size(box) != 4 or not (box[0] < box[2] and box[1] < box[3]):
                raise RecipeError(expected("field", box, "(first row, first column, last row, last column), rising"))

    @property
    def focal_mm(self) -> float:
        """Size of the focal spot."""
        return tube(self.tube).focal_mm[self.focus] if isinstance(self.focus, str) else float(self.focus)


@dataclass(frozen=True, eq=False)
class Beam:
    """Photons of the central ray behind all filters.

    Attributes
    ----------
    energies_keV, photons : (E,), photons per cm2 and mAs at 1 m.
    """

    energies_keV: Float64
    photons: Float64

    @property
    def kerma_ugy(self) -> float:
        """Air kerma per mAs at 1 m."""
        return float(self.photons @ air_kerma_ugy(self.energies_keV))

    @property
    def mean_keV(self) -> float:
        """Mean photon energy."""
        return float(self.photons @ self.energies_keV / self.photons.sum())

    def behind(self, layers_mm: Mapping[str, float]) -> Beam:
        """Return what flat layers, material -> mm, leave of it."""
        return Beam(self.energies_keV, self.photons * transmission(layers_mm, self.energies_keV))


def spectrum(tube_name: str, kvp: float) -> Beam:
    """Return the beam of a tube behind its own filter, in the bins of the tables."""
    own = tube(tube_name)
    energies, photons = dx_spectrum(kvp) if own.family == "general" else mammography_spectrum(own.target, kvp)
    return Beam(energies, photons).behind(own.filter_mm)


def full_beam(technique: Technique, *, layers: bool = False) -> Beam:
    """Return the beam of a technique behind its filters in the bins of the tables, for kerma and half-value layers."""
    beam = spectrum(technique.tube, technique.kvp).behind(technique.filter_mm)
    return beam.behind(technique.layers_mm) if layers else beam


def beam_of(technique: Technique) -> Beam:
    """Return the beam of a technique behind every filter and layer, in a few energies that stand for all.

    Energies are the nodes of the Gauss quadrature of each group's photons behind water; a group's two nodes keep the
    number and the mean energy of its photons.
    """
    return _beam(technique.tube, float(technique.kvp), tuple(sorted(technique.filter_mm.items())),
                 tuple(sorted(technique.layers_mm.items())))


@lru_cache(maxsize=128)
def _beam(tube_name: str, kvp: float, filters: tuple[tuple[str, float], ...], layers: tuple[tuple[str, float], ...]
          ) -> Beam:
    full = spectrum(tube_name, kvp).behind(dict(filters)).behind(dict(layers))
    family = tube(tube_name).family
    behind = full.behind({"water": 10 * BEHIND_CM[family]})
    nodes, shared = [], []
    for low, high in pairwise(GROUPS_KEV[family]):
        inside = (full.energies_keV > low) & (full.energies_keV < high) & (behind.photons > 0)
        if not inside.any():
            continue
        here, number, weight = full.energies_keV[inside], full.photons[inside], behind.photons[inside]
        weight = weight / weight.sum()
        mean = here @ weight
        spread, skew = (here - mean) ** 2 @ weight, (here - mean) ** 3 @ weight
        if spread < 1e-6:
            nodes.append([mean])
            shared.append([number.sum()])
            continue
        middle, half = mean + skew / (2 * spread), np.sqrt(spread + (skew / (2 * spread)) ** 2)
        upper = np.clip((number @ here - number.sum() * (middle - half)) / (2 * half), 0, number.sum())
        nodes.append([middle - half, middle + half])
        shared.append([number.sum() - upper, upper])
    return Beam(np.concatenate(nodes), np.concatenate(shared))


def hvl_mm(beam: Beam, *, share: float = 0.5, metal: str = "aluminium") -> float:
    """Return the thickness that leaves `share` of the air kerma: the first half-value layer in mm Al."""
    kerma = beam.photons * air_kerma_ugy(beam.energies_keV)
    per_mm = linear_attenuation(material(metal), beam.energies_keV) / 10

    def left(mm: float) -> float:
        return float(kerma @ np.exp(-mm * per_mm) / kerma.sum() - share)

    return float(brentq(left, 0.0, 1.0 / per_mm.min() * 5))


def heel(tube_name: str, kvp: float, towards_cathode_rad: ArrayLike) -> Float64:
    """Return the air kerma (...) at these angles from the central ray, relative to it: less towards the anode.

    A photon born at depth d in the anode leaves through d cos(anode) / sin(anode + angle) of it.
    """
    own = tube(tube_name)
    full = spectrum(tube_name, kvp)
    metal = {"W": "tungsten", "Mo": "molybdenum"}[own.target]
    anode = np.radians(own.anode_deg)
    angles = np.asarray(towards_cathode_rad, float)
    leaving = np.maximum(anode + angles, np.radians(0.3))
    depth_cm = ANODE_DEPTH_CM * (kvp / 120) ** ANODE_DEPTH_POWER
    extra_cm = depth_cm * np.cos(anode) * (1 / np.sin(leaving) - 1 / np.sin(anode))
    kerma = full.photons * air_kerma_ugy(full.energies_keV)
    return np.exp(-extra_cm[..., None] * linear_attenuation(material(metal), full.energies_keV)) @ kerma / kerma.sum()


def fluence(geometry: Geometry, technique: Technique) -> Float32:
    """Return the open beam (rows, columns) at the detector, relative to the beam at 1 m: distance, obliquity, heel."""
    rows, columns = geometry.shape_ji
    foot = np.array(geometry.source_mm) + geometry.sid_mm * geometry.normal - geometry.origin_mm
    y = np.arange(rows) * geometry.pixel_mm - foot @ np.array(geometry.row_step)
    x = np.arange(columns) * geometry.pixel_mm - foot @ np.array(geometry.column_step)
    sid = geometry.sid_mm
    squared = (sid**2 + (y**2)[:, None] + (x**2)[None, :]).astype(np.float32)
    out = np.float32(1000.0**2 * sid) * squared ** np.float32(-1.5)
    if technique.anode != "none":
        along = {"up": y, "down": -y, "left": x, "right": -x}[technique.anode]
        factor = heel(technique.tube, technique.kvp, np.arctan(along / sid)).astype(np.float32)
        out *= factor[:, None] if technique.anode in ("up", "down") else factor[None, :]
    return out


def shutters(geometry: Geometry, technique: Technique) -> Float32:
    """Return the share (rows, columns) of the open beam that the shutters let through: 1 inside, leakage outside.

    Their edge is as soft as the focal spot and what surrounds it make it.
    """
    rows, columns = geometry.shape_ji
    if technique.field_ji is None:
        return np.ones((rows, columns), np.float32)
    edges = technique.field_ji

    def profile(count: int, low: float, high: float) -> Float64:
        at = np.arange(count)
        total = np.zeros(count)
        for share, wide_mm in ((1 - OFF_FOCUS, technique.focal_mm), (OFF_FOCUS, OFF_FOCUS_MM)):
            sd = max(SHUTTER_PENUMBRA * wide_mm / 2.355 / geometry.pixel_mm, 0.3) * np.sqrt(2)
            total += share * (erf((at - low + 0.5) / sd) - erf((at - high - 0.5) / sd)) / 2
        return total

    open_share = np.outer(profile(rows, edges[0], edges[2]), profile(columns, edges[1], edges[3]))
    return (LEAKAGE + (1 - LEAKAGE) * open_share).astype(np.float32)


def water_energies(technique: Technique) -> tuple[Float64, Float64]:
    """Return energies and weights (E,) of the beam behind some water, on which material fits are weighted."""
    beam = beam_of(technique)
    behind = beam.behind({"water": 5 * BEHIND_CM[tube(technique.tube).family]})
    return beam.energies_keV, behind.photons * beam.energies_keV
