"""What the image shows of a lesion: its CT numbers and how far it stands out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.annotate.diameters import LEVEL

Image = NDArray[np.generic]

SHELL_MM = (1.5, 6.0)  # distance from the lesion of the surroundings it is compared with
LEAST_VOXELS = 8


@dataclass(frozen=True, slots=True)
class Intensity:
    """Image values in and around a lesion (HU in a CT image).

    Attributes
    ----------
    mean, sd : over the voxels that the lesion fills at least half; None where it touches no voxel.
    around_mean, around_sd : over the host between 1.5 and 6 mm away; None with fewer than 8 voxels.
    contrast : mean less around_mean.
    cnr : contrast over around_sd.
    twin_contrast : mean difference from the lesion-free twin over the lesion's voxels; None without a twin.
    """

    mean: float | None = None
    sd: float | None = None
    around_mean: float | None = None
    around_sd: float | None = None
    contrast: float | None = None
    cnr: float | None = None
    twin_contrast: float | None = None


def measure_intensity(image: Image, fraction: NDArray[np.float32], host: NDArray[np.bool_],
                      spacing_mm: tuple[float, float, float], twin: Image | None = None) -> Intensity:
    """Measure image values in and around a lesion; all arrays (k, j, i) on one grid.

    Parameters
    ----------
    fraction : how much of each voxel the lesion fills. Where no voxel is half full, all are weighted by it.
    host : voxels of the lesion's host in the lesion-free body: only they count as surroundings.
    spacing_mm : voxel spacing along k, j, i.
    """
    weights = (fraction >= LEVEL).astype(float)
    if not weights.any():
        weights = fraction.astype(float)
    if not weights.any():
        return Intensity()
    values = image.astype(float)
    mean = float(np.average(values, weights=weights))
    sd = float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))
    distance = ndimage.distance_transform_edt(fraction <= 0, sampling=spacing_mm)
    near, far = SHELL_MM[0] + 0.5 * min(spacing_mm), SHELL_MM[1] + max(spacing_mm)
    shell = values[(distance > near) & (distance <= far) & host]
    around_mean = float(shell.mean()) if len(shell) >= LEAST_VOXELS else None
    around_sd = float(shell.std()) if around_mean is not None else None
    contrast = None if around_mean is None else mean - around_mean
    cnr = None if contrast is None or not around_sd else contrast / around_sd
    against = None if twin is None else float(np.average(values - twin.astype(float), weights=weights))
    return Intensity(mean, sd, around_mean, around_sd, contrast, cnr, against)
