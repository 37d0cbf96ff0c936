"""The spins of a phantom: few kinds (pools), and how much of each every structure holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medsynth.scene.structure import Structure
from medsynth.tissues.mr import FAT, MrMaterial, TissueDraw
from medsynth.tissues.mr_parts import Agent, Flow, MrPhase, gadolinium_mmol_l, mr_parts, relaxivity

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pools:
    """Kinds of spins; every array is (pools,) float64.

    Attributes
    ----------
    t1_s, t2_s, t2_fse_s, t2_prime_s, adc_mm2_s, chi_ppm : as `MrMaterial` has them, with the contrast agent.
    speed_mm_s, fresh, arterial : as `Flow` has them.
    fat : whether the protons are those of fat, with its spectrum.
    """

    t1_s: Array
    t2_s: Array
    t2_fse_s: Array
    t2_prime_s: Array
    adc_mm2_s: Array
    chi_ppm: Array
    speed_mm_s: Array
    fresh: Array
    arterial: NDArray[np.bool_]
    fat: NDArray[np.bool_]

    @property
    def t2_star_s(self) -> Array:
        """1 / T2* = 1 / T2 + 1 / T2'."""
        return np.asarray(1 / (1 / self.t2_s + 1 / self.t2_prime_s))

    def scaled(self, t1: float, t2: float) -> Pools:
        """Return the same spins with relaxation times changed by these factors."""
        return replace(self, t1_s=self.t1_s * t1, t2_s=self.t2_s * t2, t2_fse_s=self.t2_fse_s * t2)


@dataclass(frozen=True, eq=False)
class Spins:
    """What every structure of a phantom holds.

    Attributes
    ----------
    pools : the kinds.
    density : (structures + 1, pools) proton density of each kind, pure water 1; row 0 is the air around the body.
    row : (65536,) uint16 from a structure's label to its row.
    texture : (structures + 1, 3) relative change of PD, T1, T2 per relative change of density.
    partner, threshold, full : (structures + 1,) what the texture stands for beyond a threshold: row of the partner
        among `partners` or -1.
    partners : (partners, pools) proton density of each kind.
    chi_ppm : (structures + 1,) susceptibility less that of water.
    """

    pools: Pools
    density: Array
    row: NDArray[np.uint16]
    texture: Array
    partner: NDArray[np.int64]
    threshold: Array
    full: Array
    partners: Array
    chi_ppm: Array


@dataclass(frozen=True, slots=True)
class _Kind:
    material: str
    compartment: Literal["water", "fat"]
    gadolinium_mmol_l: float
    flow: Flow


def spins(structures: Sequence[Structure], field_T: float, draw: TissueDraw, *, phase: MrPhase = "none",
          agent: Agent = "gadobutrol") -> Spins:
    """Return the spins of these structures in one person."""
    found: dict[_Kind, int] = {}
    kinds: list[_Kind] = []
    amounts: list[dict[int, float]] = [{}]
    parts = [mr_parts(s.name, s.tissue, s.mixture, s.enhancement) for s in structures]
    materials: dict[str, MrMaterial] = {}

    def known(name: str) -> MrMaterial:
        return materials.setdefault(name, draw.material(name, field_T))

    def add(row: dict[int, float], kind: _Kind, amount: float) -> None:
        if amount <= 0:
            return
        if kind not in found:
            found[kind] = len(kinds)
            kinds.append(kind)
        row[found[kind]] = row.get(found[kind], 0.0) + amount

    def fill(row: dict[int, float], name: str, share: float, concentration: float, flow: Flow) -> None:
        one = known(name)
        add(row, _Kind(name, "water", concentration, flow), share * one.pd * (1 - one.fat_fraction))
        add(row, _Kind(FAT, "fat", 0.0, Flow()), share * one.pd * one.fat_fraction)

    chi = [known("air").chi_ppm]
    for part in parts:
        row: dict[int, float] = {}
        concentration = gadolinium_mmol_l(part.enhancement, phase)
        for name, share in part.materials:
            fill(row, name, share, concentration, part.flow)
        amounts.append(row)
        chi.append(sum(share * known(name).chi_ppm for name, share in part.materials))
    names = sorted({part.texture.partner for part in parts} - {""})
    partners: list[dict[int, float]] = [{} for _ in names]
    for row, name in zip(partners, names, strict=True):
        fill(row, name, 1.0, 0.0, Flow())
    if not kinds:
        add({}, _Kind("water", "water", 0.0, Flow()), 1.0)
    table = np.zeros(65536, np.uint16)
    for index, structure in enumerate(structures, start=1):
        table[structure.label] = index
    responses = [part.texture for part in parts]
    return Spins(
        _pools(kinds, known, relaxivity(agent, field_T)), _dense(amounts, len(kinds)), table,
        np.array([(0.0, 0.0, 0.0), *((one.pd, one.t1, one.t2) for one in responses)]),
        np.array([-1, *(names.index(one.partner) if one.partner else -1 for one in responses)], np.int64),
        np.array([0.0, *(one.threshold for one in responses)]), np.array([1.0, *(one.full for one in responses)]),
        _dense(partners, len(kinds)), np.array(chi))


def _dense(rows: Sequence[dict[int, float]], count: int) -> Array:
    dense = np.zeros((len(rows), count))
    for index, row in enumerate(rows):
        for pool, amount in row.items():
            dense[index, pool] = amount
    return dense


def _pools(kinds: Sequence[_Kind], known: Callable[[str], MrMaterial], r: tuple[float, float]) -> Pools:
    """Return the kinds' properties; the contrast agent shortens those of water."""
    rows = []
    for kind in kinds:
        one = known(kind.material)
        rates = [1 / one.t1_s, 1 / one.t2_s, 1 / one.t2_fse_s]
        if kind.compartment == "water" and kind.gadolinium_mmol_l:
            rates = [rates[0] + r[0] * kind.gadolinium_mmol_l, *(v + r[1] * kind.gadolinium_mmol_l for v in rates[1:])]
        rows.append((*(1 / rate for rate in rates), one.t2_prime_s, one.adc_mm2_s, one.chi_ppm, kind.flow.speed_mm_s,
                     kind.flow.fresh))
    columns = np.ascontiguousarray(np.array(rows, float).reshape(-1, 8).T)
    t1, t2, fse, prime, adc, chi, speed, fresh = columns
    return Pools(t1, t2, fse, prime, adc, chi, speed, fresh,
                 arterial=np.array([kind.flow.arterial for kind in kinds], bool),
                 fat=np.array([kind.compartment == "fat" for kind in kinds], bool))
