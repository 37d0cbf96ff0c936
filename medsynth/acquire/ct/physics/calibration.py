"""The water calibration: polychromatic line integrals become lengths of water."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct.hu import ct_beam
from medsynth.acquire.ct.physics import _detector as kernels
from medsynth.acquire.ct.physics.detector import response
from medsynth.acquire.ct.physics.scanner import Scanner
from medsynth.acquire.ct.physics.source import beam
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue

# Lengths of water that a calibration covers; beyond the last the correction goes on as a straight line.
LONGEST_CM = 60.0
LENGTHS = 160
# Polynomial terms per channel: with 7 the residual stays below 2e-4 of any length (5: 1e-3).
TERMS = 7


@dataclass(frozen=True, eq=False)
class WaterCorrection:
    """A polynomial per bin and channel that turns line integrals of water into mu_eff x length.

    Attributes
    ----------
    water_per_cm : mu_eff, the attenuation of water that HU refer to.
    last : (bins, channels) float32, the line integral of the longest length calibrated.
    coefficients : (bins, terms, channels) float32, from the constant up: corrected = p sum_k c_k (p / last)^k.
    """

    water_per_cm: float
    last: NDArray[np.float32]
    coefficients: NDArray[np.float32]

    def __call__(self, line_integrals: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return corrected (bins, view, channel) float32 line integrals; for water they are mu_eff x length."""
        if line_integrals.ndim != 3 or line_integrals.shape[::2] != self.last.shape:
            raise ValueError(f"line_integrals must be (bins, view, channel) for {self.last.shape} bins and channels, "
                             f"got {line_integrals.shape}")
        out = np.empty(line_integrals.shape, np.float32)
        for one, terms, last, into in zip(line_integrals, self.coefficients, self.last, out, strict=True):
            kernels.corrected(np.ascontiguousarray(one), terms, last, into)
        return out


def water_correction(scanner: Scanner, kvp: float, *, bowtie: str | None = None, monoenergetic: bool = False
                     ) -> WaterCorrection:
    """Return the water correction of a scanner at a tube voltage.

    For lengths up to 60 cm the line integral p of water is computed per channel, its beam hardened by the bowtie, and
    the ratio mu_eff length / p is fitted by a polynomial in p. mu_eff is `ct_beam(kvp).water_per_cm`, as in the fast
    tier.
    """
    return _water_correction(scanner.model_dump_json(), float(kvp), bowtie, monoenergetic)


@lru_cache(maxsize=32)
def _water_correction(preset: str, kvp: float, bowtie: str | None, monoenergetic: bool) -> WaterCorrection:
    scanner = Scanner.model_validate_json(preset)
    source = beam(scanner, kvp, bowtie=bowtie, monoenergetic=monoenergetic)
    detector = response(scanner, source.energies_keV)
    water = linear_attenuation(tissue("water"), source.energies_keV)
    target = ct_beam(kvp).water_per_cm
    # Chebyshev spacing: dense at both ends, where polynomials stray
    lengths_cm = LONGEST_CM * (1 - np.cos(np.pi * (np.arange(LENGTHS) + 0.5) / LENGTHS)) / 2
    lengths_cm = np.append(lengths_cm, LONGEST_CM)
    passed = np.exp(-np.outer(lengths_cm, water))
    last, coefficients = [], []
    for signal in detector.signal:
        weights = source.photons * signal
        line = -np.log(passed @ weights.T / weights.sum(axis=1))
        ratio = target * lengths_cm[:, None] / line
        fits = [np.polynomial.polynomial.polyfit(line[:, c] / line[-1, c], ratio[:, c], TERMS - 1)
                for c in range(scanner.channels)]
        last.append(line[-1])
        coefficients.append(np.array(fits).T)
    result = WaterCorrection(target, np.array(last, np.float32),
                             np.ascontiguousarray(np.array(coefficients), np.float32))
    for array in (result.last, result.coefficients):
        array.setflags(write=False)
    return result
