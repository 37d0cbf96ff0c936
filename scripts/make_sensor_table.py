"""Write the attenuation of sensors whose elements are not in the tissues' table, by xraylib.

Run it as `python scripts/make_sensor_table.py > medsynth/acquire/ct/data/sensors.csv`.
"""

import numpy as np
import xraylib

# name -> atomic numbers of its atoms, one each, and density in g/cm3
SENSORS = {"cadmium_telluride": ((48, 52), 5.85)}
EDGES = sorted(xraylib.EdgeEnergy(number, xraylib.K_SHELL) for atoms, _ in SENSORS.values() for number in atoms)

energies = np.unique(np.concatenate([np.arange(10.0, 150.25, 0.5), *([edge - 0.01, edge + 0.01] for edge in EDGES)]))
print("# linear attenuation with coherent scattering in 1/cm by energy_keV; xraylib CS_Total "
      "(doi:10.1016/j.sab.2011.09.011); made by scripts/make_sensor_table.py")
print(",".join(["energy_keV", *SENSORS]))
for energy in energies:
    row = [f"{energy:.5g}" if energy * 2 == round(energy * 2) else f"{energy:.4f}"]
    for atoms, density in SENSORS.values():
        masses = np.array([xraylib.AtomicWeight(number) for number in atoms])
        per_g = sum(mass / masses.sum() * xraylib.CS_Total(number, float(energy))
                    for number, mass in zip(atoms, masses, strict=True))
        row.append(f"{density * per_g:.5g}")
    print(",".join(row))
