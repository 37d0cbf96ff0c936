"""A scene on a grid: labels, partial volume and texture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.core.grid import Grid
from medsynth.scene.structure import Structure, organ_labels

FRACTION_UNIT = 255  # a stored fraction of 255 is a whole voxel
TEXTURE_UNIT = 1e-4  # a stored texture of 1 is this relative change of density


@dataclass(frozen=True, eq=False)
class Phantom:
    """Voxels of a scene. Each holds up to two structures: (1 - f) of `labels` and f <= 1/2 of `neighbour`.

    Attributes
    ----------
    grid : where the voxels are.
    labels, neighbour : (k, j, i) uint16 structure labels; 0 is the air around the body.
    fraction : (k, j, i) uint8, f x 255.
    texture : (k, j, i) int16, relative density deviation x 10^4 of the structure in `labels`.
    structures : the structures the labels name.
    """

    grid: Grid
    labels: NDArray[np.uint16]
    neighbour: NDArray[np.uint16]
    fraction: NDArray[np.uint8]
    texture: NDArray[np.int16]
    structures: tuple[Structure, ...]

    def occupancy(self, *labels: int) -> NDArray[np.float32]:
        """Return the volume fraction (k, j, i) that these structure labels fill together."""
        wanted = np.zeros(65536, bool)
        wanted[list(labels)] = True
        f = self.fraction.astype(np.float32) / FRACTION_UNIT
        return np.where(wanted[self.labels], 1 - f, 0) + np.where(wanted[self.neighbour], f, 0)

    def volumes_ml(self) -> dict[str, float]:
        """Return the fraction-weighted volume of every organ (its parts included) in ml, by name."""
        organ = organ_labels(self.structures)
        counts = np.zeros(65536, np.int64)  # units of 1 / FRACTION_UNIT voxel
        for k in range(self.grid.shape_kji[0]):  # slice by slice: the sums are whole numbers, so order is no matter
            f = self.fraction[k].ravel().astype(np.int64)
            label_sum = np.bincount(organ[self.labels[k]].ravel(), FRACTION_UNIT - f, 65536)
            neighbour_sum = np.bincount(organ[self.neighbour[k]].ravel(), f, 65536)
            counts += (label_sum + neighbour_sum).astype(np.int64)
        total = counts / FRACTION_UNIT
        ml = self.grid.voxel_volume_mm3 / 1000
        return {s.name: float(total[s.label] * ml) for s in self.structures if not s.part_of}

    def organ_image(self) -> NDArray[np.uint16]:
        """Return (k, j, i) uint16: the organ that holds most of each voxel (parts count to their organ)."""
        return organ_labels(self.structures)[self.labels]
