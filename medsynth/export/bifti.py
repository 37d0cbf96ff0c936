"""MR phantoms for Bloch simulators: JSON and 4D NIfTI in the format bifti-phantom-v1, which MRzero reads.

Format: https://github.com/mrx-org/bifti-phantoms. Axes are RAS+; times are in s, diffusion in 10^-3 mm2/s, field
offsets in Hz, transmit and receive fields relative.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medsynth.core.errors import DatasetError, GeometryError, expected
from medsynth.core.grid import Grid
from medsynth.core.volume import Volume, reorient
from medsynth.export.nifti import write_nifti_stack

Property = float | Volume

GYRO_MHZ_T = 42.577478518  # proton, CODATA 2018
_SCHEMA = "https://github.com/mrx-org/bifti-phantoms/bifti-phantom-v1"
_LONG_S = 1e3  # stands for "never" in a map: files should hold no infinite values
_UNITS = {"gyro": "MHz/T", "B0": "T", "T1": "s", "T2": "s", "T2'": "s", "ADC": "10^-3 mm^2/s", "dB0": "Hz",
          "B1+": "rel", "B1-": "rel"}
_ADC_PER_MM2_S = 1e3
# What our maps mean -> field of a tissue and the factor to its unit.
_OF_QUANTITY = {"PD": ("density", 1.0), "T1_ms": ("t1_s", 1e-3), "T2_ms": ("t2_s", 1e-3),
                "T2star_ms": ("t2_star_s", 1e-3), "ADC_um2_s": ("adc_mm2_s", 1e-6), "Hz": ("db0_hz", 1.0),
                "B1": ("b1_plus", 1.0)}


@dataclass(frozen=True, eq=False)
class MrTissue:
    """Spins of one kind; tissues may share voxels.

    Attributes
    ----------
    density : proton density, (k, j, i) float32.
    t1_s, t2_s, t2_prime_s : relaxation; infinite where nothing is known.
    adc_mm2_s : diffusion.
    db0_hz : resonance less that of water in the nominal field.
    b1_plus, b1_minus : relative fields of the transmit and receive channels; float32 or complex64.
    """

    density: Volume
    t1_s: Property = math.inf
    t2_s: Property = math.inf
    t2_prime_s: Property = math.inf
    adc_mm2_s: Property = 0.0
    db0_hz: Property = 0.0
    b1_plus: tuple[Property, ...] = (1.0,)
    b1_minus: tuple[Property, ...] = (1.0,)


def write_bifti(folder: Path, tissues: Mapping[str, MrTissue], *, field_T: float, name: str = "phantom") -> Path:
    """Write a phantom into an existing folder and return its JSON file.

    Numbers stand in the JSON file; maps in `<name>.nii.gz` (density), `<name>_T1.nii.gz` ..., one volume after the
    other, those that tissues share once.

    Raises
    ------
    DatasetError
        If there is no tissue, or a map has another type than float32 (fields also complex64).
    GeometryError
        If maps lie on different grids.
    """
    if not tissues:
        raise DatasetError(expected("tissues of a phantom", dict(tissues), "at least one"))
    files = _Files(name, next(iter(tissues.values())).density.grid)
    config = {
        "$schema": _SCHEMA,
        "units": _UNITS,
        "system": {"gyro": GYRO_MHZ_T, "B0": field_T},
        "tissues": {key: _tissue(tissue, files) for key, tissue in tissues.items()},
    }
    for kind, volumes in files.maps.items():
        write_nifti_stack([reorient(volume, "SAR") for volume in volumes], folder / files.name_of(kind))
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path


def tissue_of_maps(maps: Iterable[Volume]) -> MrTissue:
    """Return the one tissue of the maps of an MR acquisition (`extras: [maps]`), told apart by what they mean.

    T2' follows from T2 and T2*. Voxels without protons keep time 0, which their density makes harmless.
    """
    found: dict[str, Any] = {}
    maps = list(maps)
    for volume in maps:
        if volume.quantity in _OF_QUANTITY:
            field, factor = _OF_QUANTITY[volume.quantity]
            found[field] = replace(volume, array=(volume.array * factor).astype(np.float32))
    if "density" not in found:
        raise DatasetError(expected("maps of a phantom", [v.quantity for v in maps], "among them PD"))
    star, t2 = found.pop("t2_star_s", None), found.get("t2_s")
    if star is not None and t2 is not None:
        with np.errstate(divide="ignore"):
            rate = 1 / star.array - 1 / t2.array
            known = (star.array > 0) & (t2.array > 0) & (rate > 0)
            times = np.where(known, 1 / np.where(known, rate, 1), _LONG_S)
        found["t2_prime_s"] = replace(t2, array=times.astype(np.float32))
    if "b1_plus" in found:
        found["b1_plus"] = (found["b1_plus"],)
    return MrTissue(**found)


class _Files:
    """The maps of a phantom, by kind, in the order of their place in the files."""

    def __init__(self, name: str, grid: Grid) -> None:
        self.name, self.grid = name, grid
        self.maps: dict[str, list[Volume]] = {}

    def name_of(self, kind: str) -> str:
        return f"{self.name}.nii.gz" if kind == "density" else f"{self.name}_{kind}.nii.gz"

    def reference(self, kind: str, volume: Volume) -> str:
        """Return where a map lies, and keep it for writing."""
        allowed = ("float32", "complex64") if kind.startswith("B1") else ("float32",)
        if volume.array.dtype.name not in allowed:
            raise DatasetError(expected(f"dtype of the map {kind}", volume.array.dtype.name, " or ".join(allowed)))
        if not volume.grid.is_close(self.grid):
            raise GeometryError(expected(f"grid of the map {kind}", volume.grid, f"that of the density, {self.grid}"))
        there = self.maps.setdefault(kind, [])
        at = next((n for n, other in enumerate(there) if other is volume), len(there))
        if at == len(there):
            there.append(volume)
        return f"{self.name_of(kind)}[{at}]"


def _tissue(tissue: MrTissue, files: _Files) -> dict[str, Any]:
    """Return a tissue's entry; what is infinite is left out, which the format reads as infinite."""
    adc = tissue.adc_mm2_s
    scaled: Property
    if isinstance(adc, Volume):
        scaled = replace(adc, array=(adc.array * np.float32(_ADC_PER_MM2_S)).astype(np.float32))
    else:
        scaled = adc * _ADC_PER_MM2_S
    single = {"T1": tissue.t1_s, "T2": tissue.t2_s, "T2'": tissue.t2_prime_s, "ADC": scaled, "dB0": tissue.db0_hz}
    entry: dict[str, Any] = {"density": files.reference("density", tissue.density)}
    entry |= {kind: _entry(kind, value, files) for kind, value in single.items()
              if isinstance(value, Volume) or math.isfinite(value)}
    for kind, channels in (("B1+", tissue.b1_plus), ("B1-", tissue.b1_minus)):
        entry[kind] = [_entry(kind, value, files) for value in channels]
    return entry


def _entry(kind: str, value: Property, files: _Files) -> float | str:
    return files.reference(kind, value) if isinstance(value, Volume) else float(value)
