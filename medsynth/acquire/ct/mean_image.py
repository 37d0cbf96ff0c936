"""The noiseless image: attenuation with partial volume, slice profile and sharpness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct import _kernels as kernels
from medsynth.acquire.ct.hu import hardening_table, water_level
from medsynth.acquire.ct.kernel import KERNELS, blur_taps, slice_taps
from medsynth.acquire.ct.paths import Hardening
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.scene.phantom import Phantom


@dataclass(frozen=True, eq=False)
class Optics:
    """The weights of one protocol on one grid.

    Attributes
    ----------
    slices : (2 n + 1) weights over neighbouring slices.
    terms : per Gaussian of the kernel, (weight, (2 n + 1) weights along rows and columns).
    """

    slices: NDArray[np.float32]
    terms: tuple[tuple[float, NDArray[np.float32]], ...]

    @property
    def reach_kji(self) -> tuple[int, int, int]:
        """How many voxels away a change can be seen."""
        in_plane = max(len(taps) for _, taps in self.terms) // 2
        return len(self.slices) // 2, in_plane, in_plane


def optics(protocol: CtProtocol, pixel_mm: float) -> Optics:
    """Return the weights of this protocol for square pixels of `pixel_mm`."""
    kernel = KERNELS[protocol.kernel]
    terms = tuple((w, np.array(blur_taps(sigma, pixel_mm), np.float32)) for w, sigma in kernel.terms)
    return Optics(np.array(slice_taps(protocol.slice_thickness_mm, protocol.slice_step_mm), np.float32), terms)


def mean_hu(phantom: Phantom, protocol: CtProtocol, first: int, last: int, hardening: Hardening | None = None
            ) -> NDArray[np.float32]:
    """Return the noiseless image of the slices from `first` up to, not including, `last`.

    Attenuation, not HU, is mixed where a voxel holds two structures; texture scales the share of the voxel's label.

    Parameters
    ----------
    hardening : how hard the beam is in every place; that behind 20 cm of water when left out.

    Returns
    -------
    (last - first, j, i) float32 in HU. It does not depend on how a volume is cut into such runs.
    """
    weights = optics(protocol, phantom.grid.spacing_mm[2])
    table = hardening_table(phantom.structures, protocol.kvp, protocol.phase)
    if hardening is None:
        hardening = Hardening(np.zeros((len(phantom.labels), 1, 1), np.float32), max(phantom.grid.shape_kji))
    halo = weights.reach_kji[0]
    image = np.empty((last - first + 2 * halo, *phantom.grid.shape_kji[1:]), np.float32)
    kernels.attenuation(phantom.labels, phantom.neighbour, phantom.fraction, phantom.texture, table,
                        hardening.x, hardening.block, first - halo, image)
    if halo:
        image = kernels.across_slices(image, weights.slices)
    out = np.zeros_like(image)
    for weight, taps in weights.terms:
        kernels.in_plane(image, taps, np.float32(weight), out)
    out -= np.float32(water_level(protocol.kvp))
    return out
