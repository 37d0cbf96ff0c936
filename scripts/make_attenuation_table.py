"""Write medsynth/tissues/data/elements.csv: mass attenuation of the elements, from xraylib.

Run it as `python scripts/make_attenuation_table.py` after adding an element to the tissue table.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import xraylib

# What bodies, contrast agents, implants, tubes, filters and detectors are made of.
SYMBOLS = ("H", "Li", "Be", "B", "C", "N", "O", "F", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "Ar", "K", "Ca", "Ti", "V",
           "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Se", "Br", "Mo", "Rh", "Ag", "Sn", "I", "Cs", "Ba", "Gd", "Lu",
           "Ta", "W", "Pt", "Au", "Hg", "Pb", "Bi")
# Every half keV, and on both sides of each absorption edge, so that nothing is interpolated across a jump.
ENERGIES_KEV = np.arange(10.0, 150.01, 0.5)
EDGE_GAP_KEV = 1e-3  # wider than the table's own rounding of the edge
SHELLS = (xraylib.K_SHELL, xraylib.L1_SHELL, xraylib.L2_SHELL, xraylib.L3_SHELL)


def edges_keV(numbers: list[int]) -> list[float]:
    """Return the absorption edges of these elements that lie inside the table's range."""
    heavy = [z for z in numbers if z > 10]  # lighter elements have no edge above 1 keV
    found = [xraylib.EdgeEnergy(z, shell) for z in heavy for shell in SHELLS]
    return sorted(e for e in found if ENERGIES_KEV[0] < e < ENERGIES_KEV[-1])


def main() -> None:
    """Write the table beside the tissue table."""
    numbers = [xraylib.SymbolToAtomicNumber(symbol) for symbol in SYMBOLS]
    sides = [edge + side for edge in edges_keV(numbers) for side in (-EDGE_GAP_KEV, EDGE_GAP_KEV)]
    energies = np.unique(np.round(np.concatenate([ENERGIES_KEV, sides]), 5))
    path = Path(__file__).parents[1] / "medsynth" / "tissues" / "data" / "elements.csv"
    with path.open("w", newline="") as file:
        file.write(f"# mass attenuation with coherent scattering in cm2/g by energy_keV; xraylib "
                   f"{xraylib.XRAYLIB_MAJOR}.{xraylib.XRAYLIB_MINOR} CS_Total (doi:10.1016/j.sab.2011.09.011); "
                   "made by scripts/make_attenuation_table.py\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["energy_keV", *SYMBOLS])
        for energy in energies:
            writer.writerow([f"{energy:g}" if energy in ENERGIES_KEV else f"{energy:.5f}",
                             *(f"{xraylib.CS_Total(z, float(energy)):.5g}" for z in numbers)])


if __name__ == "__main__":
    main()
