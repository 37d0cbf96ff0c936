"""Write medsynth/acquire/xray/data/scatter.csv: scattered radiation behind slabs of water, by Monte Carlo.

A pencil beam meets a slab of water square on. Photons are followed through photoelectric absorption (as a weight),
Compton scattering by bound electrons (Klein and Nishina's formula x incoherent scattering function) and coherent
scattering (Thomson's x form factor), cross sections and factors from xraylib, atoms taken as independent. What leaves
the far side flies straight on to the detector at some gap and counts as the energy that 0.4 mm of caesium iodide
absorb. Its radial distribution is fitted by a sum of Gaussians of fixed widths, none negative.

Run it as `python scripts/make_scatter_table.py` (about ten minutes on two cores).
"""

from __future__ import annotations

import csv
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

import numba
import numpy as np
import xraylib
from scipy.optimize import nnls

ENERGIES_KEV = (15, 20, 25, 32, 40, 50, 60, 75, 90, 115, 150)
WATER_CM = (1, 2, 4, 6, 8, 12, 16, 20, 25, 30, 40)
GAPS_MM = (0, 15, 50, 100, 200, 300)
SD_MM = (2.5, 6, 14, 30, 60, 110, 200, 400)
PHOTONS = 1_000_000  # twice as many behind 16 cm and more
HIGHEST_DEPTH = 14.0  # mean free paths beyond which no primary photon counts; the row before stands for those
ELECTRON_KEV = 510.99895
TABLE_KEV = np.arange(4.0, 151.0, 1.0)
ANGLES = 512
CSI_G_CM2 = 0.04 * 4.51
EDGES_MM = np.concatenate([[0.0], np.geomspace(1.0, 2000.0, 60)])


def cross_sections() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return by energy: 1/cm of water in all and scattered, share of Compton, inverse of the angles' distributions."""
    parts = {1: 0.111894, 8: 0.888106}
    weights = {1: 2.0, 8: 1.0}
    total, compton, coherent = (np.array([sum(m * one(z, float(e)) for z, m in parts.items()) for e in TABLE_KEV])
                                for one in (xraylib.CS_Total, xraylib.CS_Compt, xraylib.CS_Rayl))
    cosines = np.linspace(-1, 1, 4001)
    half = np.sqrt((1 - cosines) / 2)
    inverse = np.empty((2, len(TABLE_KEV), ANGLES))
    for n, energy in enumerate(TABLE_KEV):
        ratio = 1 / (1 + energy / ELECTRON_KEV * (1 - cosines))
        transfer = energy / 12.39842 * half  # 1/Angstrom
        klein = ratio**2 * (ratio + 1 / ratio - 1 + cosines**2)
        bound = sum(w * np.array([xraylib.SF_Compt(z, max(float(q), 5e-3)) for q in transfer[::20]])
                    for z, w in weights.items())
        form = sum(w * np.array([xraylib.FF_Rayl(z, float(q)) for q in transfer[::20]]) ** 2
                   for z, w in weights.items())
        for m, density in enumerate((klein * np.interp(cosines, cosines[::20], bound),
                                     (1 + cosines**2) * np.interp(cosines, cosines[::20], form))):
            steps = (density[1:] + density[:-1]) / 2
            summed = np.concatenate([[0], np.cumsum(steps)]) / steps.sum()
            inverse[m, n] = np.interp(np.linspace(0, 1, ANGLES), summed, cosines)
    return total, compton + coherent, compton / (compton + coherent), inverse[0], inverse[1]


@numba.njit(cache=True)
def follow(photons, energy_keV, thick_cm, tables, absorbed, edges, gaps, out, rng):
    """Add the signal of scattered photons to `out` (gap, ring)."""
    total, scattered, compton_share, compton, coherent = tables
    low = TABLE_KEV[0]
    for _ in range(photons):
        x = y = z = 0.0
        u = v = 0.0
        w = 1.0
        energy, weight, events = energy_keV, 1.0, 0
        while True:
            n = min(max(int(energy - low + 0.5), 0), total.shape[0] - 1)
            step = -np.log(1.0 - rng.random()) / total[n]
            ahead = (thick_cm - z) / w if w > 0 else (-z / w if w < 0 else 1e9)
            if step >= ahead:
                if w > 0 and events > 0:
                    xe, ye = x + u * ahead, y + v * ahead
                    # An oblique ray goes through more of the sensor.
                    m = min(int(energy + 0.5), absorbed.shape[0] - 1)
                    signal = weight * energy * (1 - np.exp(-absorbed[m] / w))
                    for g in range(gaps.shape[0]):
                        far = gaps[g] / 10 / w
                        r = 10 * np.hypot(xe + u * far, ye + v * far)
                        ring = np.searchsorted(edges, r, side="right") - 1
                        if ring < out.shape[1]:
                            out[g, ring] += signal
                break
            x, y, z = x + u * step, y + v * step, z + w * step
            weight *= scattered[n] / total[n]
            if weight < 1e-3:
                if rng.random() < 0.5:
                    break
                weight *= 2
            events += 1
            place = rng.random() * (compton.shape[1] - 1)
            at = int(place)
            if rng.random() < compton_share[n]:
                cosine = compton[n, at] + (place - at) * (compton[n, at + 1] - compton[n, at])
                energy = energy / (1 + energy / ELECTRON_KEV * (1 - cosine))
            else:
                cosine = coherent[n, at] + (place - at) * (coherent[n, at + 1] - coherent[n, at])
            sine, phi = np.sqrt(max(0.0, 1 - cosine * cosine)), 2 * np.pi * rng.random()
            a, b = sine * np.cos(phi), sine * np.sin(phi)
            if abs(w) > 0.99999:
                u, v, w = a, b, cosine * np.sign(w)
            else:
                h = np.sqrt(1 - w * w)
                u, v, w = (a * u * w - b * v) / h + cosine * u, (a * v * w + b * u) / h + cosine * v, cosine * w - a * h
            length = np.sqrt(u * u + v * v + w * w)
            u, v, w = u / length, v / length, w / length


def one(case: tuple[int, int]) -> list[list[float]]:
    """Return the rows of one energy and thickness: scatter over primary in each Gaussian, by gap."""
    energy, thick = case
    tables = cross_sections()
    absorbed = CSI_G_CM2 * np.array([0.0] + [0.5115 * xraylib.CS_Total(55, float(e)) + 0.4885 * xraylib.CS_Total(
        53, float(e)) for e in range(1, 152)])
    depth = tables[0][round(energy - TABLE_KEV[0])] * thick
    if depth > HIGHEST_DEPTH:
        return []
    photons = PHOTONS * (2 if thick >= 16 else 1)
    gaps = np.array(GAPS_MM, float)
    rings = np.zeros((len(gaps), len(EDGES_MM) - 1))
    follow(photons, float(energy), float(thick), tables, absorbed, EDGES_MM, gaps, rings,
           np.random.Generator(np.random.PCG64(1000 * energy + thick)))
    primary = photons * np.exp(-depth) * energy * (1 - np.exp(-absorbed[energy]))
    # Each Gaussian's share of a ring; rings count by their relative size, far ones less.
    design = np.stack([np.exp(-EDGES_MM[:-1] ** 2 / (2 * sd**2)) - np.exp(-EDGES_MM[1:] ** 2 / (2 * sd**2))
                       for sd in SD_MM], axis=1)
    rows = []
    for gap, ring in zip(GAPS_MM, rings / primary, strict=True):
        scale = 1 / np.sqrt(np.maximum(ring, 1e-4 * ring.max()))
        shares, _ = nnls(design * scale[:, None], ring * scale)
        shares *= ring.sum() / (design.sum(axis=0) @ shares)
        rows.append([energy, thick, gap, *shares])
    return rows


def main() -> None:
    """Write S/P per Gaussian for every energy, thickness and gap."""
    cases = list(product(ENERGIES_KEV, WATER_CM))
    cross_sections()
    path = Path(__file__).parents[1] / "medsynth" / "acquire" / "xray" / "data" / "scatter.csv"
    with ProcessPoolExecutor(2) as pool, path.open("w", newline="") as file:
        file.write("# scatter over primary signal (0.4 mm CsI) behind a slab of water, pencil beam, by Gaussians of "
                   "these SD in mm on the detector; Monte Carlo, made by scripts/make_scatter_table.py\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["energy_keV", "water_cm", "gap_mm", *(f"{sd:g}" for sd in SD_MM)])
        for rows in pool.map(one, cases):
            writer.writerows([[*(f"{v:g}" for v in row[:3]), *(f"{v:.4g}" for v in row[3:])] for row in rows])


if __name__ == "__main__":
    main()
