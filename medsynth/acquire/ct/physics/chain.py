"""From path lengths to corrected line integrals: everything between the object and the reconstruction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.common.basis import Basis
from medsynth.acquire.ct.hu import WATER_CM
from medsynth.acquire.ct.physics import detector, scatter
from medsynth.acquire.ct.physics.calibration import water_correction
from medsynth.acquire.ct.physics.options import PhysicsOptions
from medsynth.acquire.ct.physics.scanner import Scanner
from medsynth.acquire.ct.physics.source import Beam, beam
from medsynth.core.seed import Seed
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue

Float32 = NDArray[np.float32]
NOISE_FREE_LOW = 1e-6
DARKEST = 0.25  # of what counts as a low signal: where noisy readings end, too


@dataclass(frozen=True, eq=False)
class Chain:
    """A scanner set up for one tube voltage and slice.

    Attributes
    ----------
    kvp : tube voltage.
    basis : of the paths.
    height_mm : what a reading covers along z at the isocentre.
    rotation_s : time of a turn.
    gains : (channels,) factors that air calibration missed, or None.
    """

    scanner: Scanner
    options: PhysicsOptions
    kvp: float
    basis: Basis
    height_mm: float
    rotation_s: float
    gains: Float32 | None = None

    @cached_property
    def _beam(self) -> Beam:
        return beam(self.scanner, self.kvp, monoenergetic=not self.options.polychromatic)

    @cached_property
    def _response(self) -> detector.Response:
        return detector.response(self.scanner, self._beam.energies_keV)

    @cached_property
    def _linear(self) -> NDArray[np.float64]:
        return self.basis.linear_per_cm(self._beam.energies_keV)

    @cached_property
    def _air(self) -> NDArray[np.float64]:
        """(bins, channel) signal per mAs without an object."""
        return detector.air_signal(self.scanner, self._beam, self._response, self.height_mm,
                                   blur=self.options.detector_blur)

    def weights(self) -> NDArray[np.float64]:
        """Return (bins, channel, E): what each energy adds to the signal with nothing in the beam."""
        return self._response.signal[:, None, :] * self._beam.photons[None, :, :]

    def expected(self, paths_cm: Float32, mas: NDArray[np.float64]) -> tuple[Float32, Float32]:
        """Return mean and variance (bins, view, channel) of the readings of paths (view, channel, B)."""
        mean, square = detector.expected(np.ascontiguousarray(paths_cm), self._linear, self._beam, self._response, mas,
                                         self.height_mm)
        if self.options.detector_blur:
            mean, square = (detector.blurred(part, self.scanner) for part in (mean, square))
        if self.options.scatter:
            mean, square = scatter.added(mean, square, self._air, mas, self.scanner, grid=self.options.scatter_grid)
        return mean, square

    def lines(self, mean: Float32, square: Float32, mas: NDArray[np.float64], *, seed: Seed | None) -> Float32:
        """Return corrected line integrals (bins, view, channel) of expected readings.

        seed : of the noise; None: noise-free.
        """
        options = self.options
        if seed is None:
            readings = detector.spread(mean, self.scanner, self.rotation_s) if options.detector_blur else mean
        else:
            readings = detector.readings(
                mean, square, self.scanner, quantum=options.quantum_noise, electronic=options.electronic_noise,
                height_mm=self.height_mm, rng=seed.rng(),
                rotation_s=self.rotation_s if options.detector_blur else None)
        if self.gains is not None:
            readings = readings * self.gains
        if options.scatter and options.scatter_correction:
            readings = scatter.corrected(readings, self._air, mas, self.scanner, grid=options.scatter_grid)
        low = detector.low_signal(self.scanner, self.height_mm)
        if seed is None:  # no neighbours are needed, but behind metal the correction of scatter leaves nothing
            readings = np.maximum(readings, np.float32(DARKEST * low)) if options.scatter else readings
            low = NOISE_FREE_LOW
        return detector.line_integrals(readings, self._air, mas, low=low)

    def corrected(self, lines: Float32) -> Float32:
        """Return line integrals after the water correction, those of all bins as one: (view, channel)."""
        if self.options.water_correction:
            lines = water_correction(self.scanner, self.kvp, monoenergetic=not self.options.polychromatic)(lines)
        return np.asarray(np.tensordot(self._shares, lines, axes=1), np.float32) if len(lines) > 1 else lines[0]

    @cached_property
    def _shares(self) -> Float32:
        """(bins,) weight of each bin's line integrals: its share of the counts behind 20 cm of water."""
        behind = np.exp(-WATER_CM * linear_attenuation(tissue("water"), self._beam.energies_keV))
        counts = (self.weights() * behind).sum(axis=(1, 2))
        return (counts / counts.sum()).astype(np.float32)

    def delay_rad(self) -> float:
        """Return by what angle lag holds the readings back, which a scanner's calibration knows."""
        if not self.options.detector_blur:
            return 0.0
        turn = np.pi if self.scanner.geometry == "parallel" else 2 * np.pi
        return detector.delay_views(self.scanner, self.rotation_s) * turn / self.scanner.views

    def ideal(self) -> Chain:
        """Return the same without any imperfection: one energy, no scatter, blur or gain error."""
        kept = self.options.model_copy(update={"polychromatic": False, "scatter": False, "detector_blur": False})
        return replace(self, options=kept, gains=None)
