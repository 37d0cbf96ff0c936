"""Write medsynth/tissues/data/dx_spectra.csv and mammography_spectra.csv: tubes of radiography, from SpekPy.

Needs `pip install spekpy` (2.5.4 was used); medsynth itself does not. Run it as `python scripts/make_xray_spectra.py`.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import spekpy

DATA = Path(__file__).parents[1] / "medsynth" / "tissues" / "data"
DISTANCE_CM = 100.0
LOW_KEV = 10.0  # the attenuation tables begin here; filters and body leave nothing below
# File, bins in keV, and for each target: anode angle, what the beam has passed, voltages.
TABLES = {
    "dx_spectra.csv": (1.0, {"W": (12.0, [("Al", 1.0)], range(40, 151, 5))}),
    "mammography_spectra.csv": (0.5, {"W": (20.0, [("Be", 0.5)], range(20, 41, 2)),
                                      "Mo": (20.0, [("Be", 0.5)], range(20, 41, 2))}),
}


def main() -> None:
    """Write photons / (cm2 keV mAs) at 1 m on the axis, one column per target and tube voltage."""
    for name, (bin_keV, targets) in TABLES.items():
        columns, words = {}, []
        for target, (angle, filters, voltages) in targets.items():
            passed = " + ".join(f"{mm:g} mm {metal}" for metal, mm in filters)
            words.append(f"{target}: {angle:g} degrees, {passed}")
            for kv in voltages:
                tube = spekpy.Spek(kvp=kv, th=angle, dk=bin_keV, z=DISTANCE_CM, mas=1.0, targ=target)
                for metal, mm in filters:
                    tube.filter(metal, mm)
                centres, photons = tube.get_spectrum()
                columns[f"{target}{kv}"] = dict(zip(np.round(centres, 3).tolist(), photons.tolist(), strict=True))
        centres = np.arange(LOW_KEV + bin_keV / 2, max(max(v) for _, _, v in targets.values()), bin_keV)
        with (DATA / name).open("w", newline="") as file:
            file.write(f"# photons per cm2, keV and mAs at 1 m in bins of {bin_keV:g} keV by target and tube voltage; "
                       f"{'; '.join(words)}; SpekPy 2.5.4 (doi:10.1002/mp.14945); "
                       "made by scripts/make_xray_spectra.py\n")
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["energy_keV", *columns])
            for centre in centres:
                at = round(float(centre), 3)
                writer.writerow([f"{centre:g}", *(f"{column.get(at, 0.0):.5g}" for column in columns.values())])


if __name__ == "__main__":
    main()
