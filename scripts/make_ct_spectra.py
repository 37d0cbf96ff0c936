"""Write medsynth/tissues/data/ct_spectra.csv: photon spectra of a CT tube, from SpekPy.

Needs `pip install spekpy` (2.5.4 was used); medsynth itself does not. Run it as `python scripts/make_ct_spectra.py`.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import spekpy

TUBE_KV = range(70, 151, 5)
ANODE_DEG = 7.0  # tungsten anode of a CT tube
FILTER_MM_AL = 6.0  # total filtration in mm of aluminium
DISTANCE_CM = 100.0


def main() -> None:
    """Write photons / (cm2 keV mAs) at 1 m on the axis, in bins of 1 keV, one column per tube voltage."""
    columns = {}
    for kv in TUBE_KV:
        tube = spekpy.Spek(kvp=kv, th=ANODE_DEG, dk=1.0, z=DISTANCE_CM, mas=1.0)
        tube.filter("Al", FILTER_MM_AL)
        centres_keV, photons = tube.get_spectrum()
        columns[kv] = dict(zip(np.round(centres_keV, 3).tolist(), photons.tolist(), strict=True))
    path = Path(__file__).parents[1] / "medsynth" / "tissues" / "data" / "ct_spectra.csv"
    with path.open("w", newline="") as file:
        file.write("# photons per cm2, keV and mAs at 1 m in bins of 1 keV by tube voltage; tungsten, "
                   f"{ANODE_DEG:g} degrees, {FILTER_MM_AL:g} mm Al; SpekPy 2.5.4 (doi:10.1002/mp.14945); "
                   "made by scripts/make_ct_spectra.py\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["energy_keV", *(str(kv) for kv in TUBE_KV)])
        for centre in np.arange(10.5, max(TUBE_KV), 1.0):
            writer.writerow([f"{centre:g}", *(f"{column.get(float(centre), 0.0):.5g}" for column in columns.values())])


if __name__ == "__main__":
    main()
