"""What a lesion adds to a CT image without noise, and how noise disturbs an observer of it (fast tier)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from medsynth.acquire.ct.level import SECTORS, NoiseLevel, noise_level
from medsynth.acquire.ct.mean_image import mean_hu, optics
from medsynth.acquire.ct.noise import noise_filter
from medsynth.acquire.ct.paths import Hardening, hardening
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.scene.extent import Index
from medsynth.scene.phantom import Phantom

HALO_PX = 48  # the noise's correlation has died out there


@dataclass(frozen=True, eq=False)
class CtProbe:
    """The fast tier, asked about a part of its image.

    Attributes
    ----------
    phantom, healthy : voxels with and without the lesions.
    """

    phantom: Phantom
    healthy: Phantom
    protocol: CtProtocol
    hard: Hardening
    level: NoiseLevel

    @classmethod
    def of(cls, phantom: Phantom, healthy: Phantom, protocol: CtProtocol) -> CtProbe:
        """Return the probe of a scan that has not been made."""
        return cls(phantom, healthy, protocol, hardening(healthy, protocol), noise_level(healthy, protocol))

    @property
    def shape_kji(self) -> Index:
        """Of the image."""
        return self.phantom.grid.shape_kji

    @property
    def reach_kji(self) -> Index:
        """How many voxels beyond its own a lesion changes the image."""
        return optics(self.protocol, self.phantom.grid.spacing_mm[2]).reach_kji

    def difference(self, low: Index, high: Index) -> NDArray[np.float32]:
        """Return what the lesions add, (k, j, i) HU, between two corners of the image; without noise."""
        (k0, j0, i0), (k1, j1, i1) = low, high
        ill, well = (mean_hu(one, self.protocol, k0, k1, self.hard) for one in (self.phantom, self.healthy))
        return (ill - well)[:, j0:j1, i0:i1]

    def template_sd(self, template: NDArray[np.floating], low: Index) -> float:
        """Return the standard deviation of the sum of template times noise, the template's first voxel at `low`.

        Noise is white noise w times the kernel's amplitude A_s in each sector s of directions, times that sector's
        level: the sum is w times the filtered template, whose squares therefore add up to the variance.
        """
        k, j, i = template.shape
        noise = noise_filter(self.protocol, (j + 2 * HALO_PX, i + 2 * HALO_PX), self.phantom.grid.spacing_mm[2])
        padded = noise.shape_ji
        taps = noise.slices.astype(np.float64)
        seen = np.zeros((k + len(taps) - 1, padded[0], padded[1] // 2 + 1), np.complex128)
        for n in range(k):
            total = np.zeros(seen.shape[1:], np.complex128)
            for sector in range(SECTORS):
                canvas = np.zeros(padded)
                canvas[:j, :i] = template[n] * self._level(low[0] + n, sector, low, (j, i))
                total += scipy.fft.rfft2(canvas, workers=1) * noise.wedges[sector]
            for t, tap in enumerate(taps):
                seen[n + t] += tap * total
        power = np.square(np.abs(seen))
        power[..., 1:] *= 2  # a real image's spectrum is stored by half
        if padded[1] % 2 == 0:
            power[..., -1] /= 2
        return float(np.sqrt(power.sum() / np.prod(padded)))

    def _level(self, k: int, sector: int, low: Index, shape_ji: tuple[int, int]) -> NDArray[np.float32]:
        """Return the noise level of one slice and sector in the part, interpolated between its blocks."""
        sigma, block = self.level.sigma_hu[k, sector], self.level.block
        rows, columns = (np.clip((np.arange(first, first + count) + 0.5) / block - 0.5, 0, n - 1)
                         for first, count, n in zip(low[1:], shape_ji, sigma.shape, strict=True))
        r, c = np.minimum(rows.astype(int), sigma.shape[0] - 2), np.minimum(columns.astype(int), sigma.shape[1] - 2)
        a, b = (rows - r)[:, None], (columns - c)[None]
        low_row = (1 - b) * sigma[np.ix_(r, c)] + b * sigma[np.ix_(r, c + 1)]
        high_row = (1 - b) * sigma[np.ix_(r + 1, c)] + b * sigma[np.ix_(r + 1, c + 1)]
        return np.asarray((1 - a) * low_row + a * high_row, np.float32)
