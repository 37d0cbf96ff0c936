"""Images of energy: how much water and how much iodine lay on each ray, from readings of two or more spectra.

Readings at two tube voltages along the same rays, or in the bins of a counting detector, are taken apart into lengths
of two basis materials before reconstruction, so that beam hardening is part of the model. Each basis image shows how
much of a voxel acts as that material, in cm per cm; any tissue is such a combination, exactly so for mixtures of the
basis materials and nearly so for others. Basis images give attenuation at any energy, and the iodine concentration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.acquire.ct.physics.detector import response
from medsynth.acquire.ct.physics.scanner import Scanner
from medsynth.acquire.ct.physics.source import beam
from medsynth.acquire.ct.physics.spectral_kernels import decompose_rays
from medsynth.core.errors import RecipeError, expected
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue

BASIS = ("water", "iodine")
# Nodes of a channel's table along both axes; water to 45 cm and 400 mg/cm2 of iodine come back within 1 ug/cm2.
NODES = (24, 32)
# Share of the linear term in the warp of each axis: nodes lie densest where the beam still hardens.
BENDS = (0.3, 0.05)
# What the table covers, in mean free paths of the unhardened beam: the first material, and the second.
DEPTHS = ((-0.2, 13.0), (-0.1, 9.0))
# Readings beyond carry no information: e^-20 of a million photons is none.
READINGS = (-2.0, 20.0)
# Steps in mean free paths, and residuals, after which a ray is at rest: the error left goes with the step's square.
STILL = 1e-4
STILL_READING = 2e-7
# Condition number beyond which spectra count as alike (80 and 140 kVp: about 10, 110 and 120 kVp: about 60).
WORST = 1e4


@dataclass(frozen=True, eq=False)
class Inverse:
    """The line integrals of every pair of lengths, tabulated per channel; made once per scan, used for all slices.

    Attributes
    ----------
    tables : (channel or 1, bin, NODES[0] + 2, NODES[1] + 2) float32 spline coefficients.
    counts : (channel or 1, bin) float64, the detected quanta without object.
    frame : low, span and bend of both axes, and the skew (cm of the second material per cm of the first).
    bounds_cm : least and most of the first, least and most of the second length that can come out.
    per_cm : mean attenuation of the first and the second material by the unhardened beam.
    channels : how many channels the weights were given for; 1 fits any.
    """

    tables: NDArray[np.float32]
    counts: NDArray[np.float64]
    frame: tuple[float, float, float, float, float, float, float]
    bounds_cm: tuple[float, float, float, float]
    per_cm: tuple[float, float]
    channels: int


def _nodes(low: float, span: float, bend: float, count: int) -> NDArray[np.float64]:
    u = np.linspace(0.0, 1.0, count)
    return low + span * (bend * u + (1 - bend) * u**2)


def _spline(count: int) -> NDArray[np.float64]:
    """Return the (count + 2, count) matrix from values at nodes to cubic B-spline coefficients, not-a-knot ends."""
    system = np.zeros((count + 2, count + 2))
    for n in range(count):
        system[n, n:n + 3] = 1 / 6, 4 / 6, 1 / 6
    system[count, :5] = system[count + 1, -5:] = 1, -4, 6, -4, 1  # the third derivative goes on across the second node
    return np.asarray(np.linalg.inv(system)[:, :count], np.float64)


def spectral_inverse(weights: ArrayLike, linear_per_cm: ArrayLike) -> Inverse:
    """Tabulate the line integrals of two materials as each channel and bin measures them.

    The reading of bin m behind lengths a and c is -ln(sum_E w_m exp(-a mu_0 - c mu_1) / sum_E w_m). The second axis of
    the table is c + skew a: along its lower end some of the second material is taken away from the first, as in fat.

    Parameters
    ----------
    weights : (bin, channel, E) or (bin, E), share or number of detected quanta of each energy, >= 0, two bins or more;
        for readings of an integrating detector each weighted by its signal.
    linear_per_cm : (2, E) linear attenuation of the basis materials.

    Raises
    ------
    RecipeError
        If there are fewer than two bins, a bin detects nothing, or all bins detect the same energies.
    """
    w = np.asarray(weights, float)
    mu = np.asarray(linear_per_cm, float)
    w = w[:, None, :] if w.ndim == 2 else w
    if w.ndim != 3 or len(w) < 2 or mu.shape != (2, w.shape[2]):
        raise RecipeError(expected("weights", w.shape, "(bin >= 2, channel, E) for linear_per_cm (2, E)"))
    totals = w.sum(axis=2)
    if not (w.min() >= 0 and np.isfinite(totals).all() and totals.min() > 0):
        raise RecipeError(expected("weights", float(totals.min()), ">= 0 with a positive sum in each bin and channel"))
    channels = w.shape[1]
    if (w == w[:, :1]).all():
        w, totals = w[:, :1], totals[:, :1]
    mean = w.sum(axis=(0, 1))
    per_cm = mu @ mean / mean.sum()
    seen = mean > 1e-6 * mean.max()
    change = w @ mu.T / totals[..., None]  # of a reading per cm, (bin, channel, 2)
    if not (np.linalg.cond(change.swapaxes(0, 1) / per_cm) < WORST).all():
        raise RecipeError(expected("spectra", f"{len(w)} alike", "of different energy, to tell two materials apart"))
    skew = 0.5 * float((mu[0] / mu[1])[seen].min())  # what remains still attenuates at every energy
    (low_a, high_a), (low_d, high_d) = ((low / part, high / part) for (low, high), part in
                                        zip(DEPTHS, per_cm.tolist(), strict=True))
    a = _nodes(low_a, high_a - low_a, BENDS[0], NODES[0])
    d = _nodes(low_d, high_d - low_d, BENDS[1], NODES[1])
    second = d[None, :] - skew * a[:, None]
    transmitted = np.exp(-(a[:, None, None] * mu[0] + second[..., None] * mu[1])).reshape(-1, w.shape[2])
    lines = np.log(totals)[..., None] - np.log(w @ transmitted.T)
    values = lines.reshape(*totals.shape, *NODES).swapaxes(0, 1)
    tables = _spline(NODES[0]) @ values @ _spline(NODES[1]).T
    bounds = (-0.25 * high_a, 1.25 * high_a, -high_d, 1.25 * high_d)
    return Inverse(tables.astype(np.float32), np.ascontiguousarray(totals.T),
                   (low_a, high_a - low_a, BENDS[0], low_d, high_d - low_d, BENDS[1], skew), bounds,
                   (float(per_cm[0]), float(per_cm[1])), channels)


def scanner_inverse(scanner: Scanner, kvps: Sequence[float], *, bowtie: str | None = None,
                    monoenergetic: bool = False) -> Inverse:
    """Return the inverse for water and iodine of a scanner at one or two voltages.

    Its bins are those of the detector at the first voltage, then those at the second.

    Raises
    ------
    RecipeError
        If voltages and bins are too few, or alike.
    """
    return _scanner_inverse(scanner.model_dump_json(), tuple(float(kvp) for kvp in kvps), bowtie, monoenergetic)


@lru_cache(maxsize=8)
def _scanner_inverse(preset: str, kvps: tuple[float, ...], bowtie: str | None, monoenergetic: bool) -> Inverse:
    scanner = Scanner.model_validate_json(preset)
    beams = [beam(scanner, kvp, bowtie=bowtie, monoenergetic=monoenergetic) for kvp in kvps]
    energies = np.concatenate([one.energies_keV for one in beams])
    weights, first = [], 0
    for one in beams:
        last = first + len(one.energies_keV)
        for signal in response(scanner, one.energies_keV).signal:
            weights.append(np.zeros((scanner.channels, len(energies))))
            weights[-1][:, first:last] = one.photons * signal
        first = last
    if len(weights) < 2:
        raise RecipeError(expected("spectral.second_kvp", None, "given, with a detector that does not tell energies"))
    inverse = spectral_inverse(np.array(weights), [linear_attenuation(tissue(name), energies) for name in BASIS])
    for array in (inverse.tables, inverse.counts):
        array.setflags(write=False)
    return inverse


def decomposed(line_integrals: NDArray[np.floating], inverse: Inverse,
               variance: NDArray[np.floating] | None = None) -> NDArray[np.float32]:
    """Return the length of both basis materials along every ray.

    With two bins the lengths are those that give exactly the two readings; with more, those of the weighted least
    squares. Rays without signal (infinite, NaN) count as darkest; lengths stay within `Inverse.bounds_cm`.

    Parameters
    ----------
    line_integrals : (bin, view, channel), -ln(signal / air signal).
    variance : (bin, view, channel) > 0, of the line integrals; by default that of Poisson noise,
        exp(line integral) / sum of the weights. Without effect for two bins, but at the bounds.

    Returns
    -------
    (2, view, channel) float32 in cm of each basis material (iodine: of the element at its tabulated density).

    References
    ----------
    Alvarez and Macovski, Phys Med Biol 1976, doi:10.1088/0031-9155/21/5/002 (the decomposition; solved here by
    Gauss-Newton steps on splines).
    """
    lines = np.ascontiguousarray(line_integrals, np.float32)
    bins = inverse.counts.shape[1]
    if lines.ndim != 3 or len(lines) != bins or inverse.channels not in (1, lines.shape[2]):
        raise RecipeError(expected("line_integrals", lines.shape, f"({bins}, view, {inverse.channels})"))
    if variance is None:
        precision = np.empty((0, 0, 0), np.float32)
    elif variance.shape != lines.shape or not variance.min() > 0:
        raise RecipeError(expected("variance", variance.shape, f"> 0 and of the shape {lines.shape}"))
    else:
        precision = (1 / variance).astype(np.float32)
    out = np.empty((2, *lines.shape[1:]), np.float32)
    still = (STILL / inverse.per_cm[0], STILL / inverse.per_cm[1], STILL_READING)
    decompose_rays(lines, precision, variance is not None, inverse.tables, inverse.counts, inverse.frame,
                   inverse.bounds_cm, still, inverse.per_cm[0], READINGS, out)
    return out


def decompose(line_integrals: NDArray[np.floating], weights: ArrayLike, linear_per_cm: ArrayLike,
              variance: NDArray[np.floating] | None = None) -> NDArray[np.float32]:
    """Return the length of both basis materials along every ray (`spectral_inverse`, then `decomposed`)."""
    return decomposed(line_integrals, spectral_inverse(weights, linear_per_cm), variance)


def monoenergetic_hu(water_image: NDArray[np.floating], iodine_image: NDArray[np.floating],
                     energy_keV: float) -> NDArray[np.float32]:
    """Return the image that photons of one energy would make.

    Parameters
    ----------
    water_image, iodine_image : basis images in cm per cm, of any one shape, counted from air, as the readings of a
        scanner that was calibrated in air give them: air is (0, 0).
    energy_keV : 35 to 140; nearer the K-edge of iodine (33.2 keV) its attenuation jumps.

    Returns
    -------
    float32 HU, 1000 (mu - mu_water) / (mu_water - mu_air) at that energy.
    """
    if not 35 <= energy_keV <= 140:
        raise RecipeError(expected("monoenergetic_keV", energy_keV, "in 35..140"))
    water, iodine, air = (float(linear_attenuation(tissue(name), energy_keV)) for name in (*BASIS, "air"))
    unit = 1000 / (water - air)
    return np.asarray(water_image * np.float32(unit * water) + iodine_image * np.float32(unit * iodine)
                      - np.float32(1000), np.float32)


def iodine_mg_per_ml(iodine_image: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the concentration of iodine in mg/mL, from a basis image in cm of the element per cm."""
    return np.asarray(iodine_image * np.float32(1000 * tissue("iodine").density_g_cm3), np.float32)
