"""Forward projection of slices: path lengths of every basis material along every ray."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct.physics import _kernels as kernels
from medsynth.acquire.ct.physics.scanner import Scanner
from medsynth.core.errors import RecipeError


def project(maps: NDArray[np.float32], spacing_mm: float, corner_mm: tuple[float, float], scanner: Scanner,
            angles_rad: NDArray[np.float64] | None = None) -> NDArray[np.float32]:
    """Return path lengths through slices, each channel the mean over its own width.

    Pixels are boxes of constant content, so that nothing but the pixels' and the channels' own width blurs.

    Parameters
    ----------
    maps : (j, i, lane) float32, cm of a basis material per cm.
    spacing_mm : pixel size.
    corner_mm : (x, y) of the outer corner of pixel (0, 0), relative to the isocentre; +x left, +y posterior.
    angles_rad : (view,) source angles; the scanner's own when left out.

    Returns
    -------
    (view, channel, lane) float32 in cm.

    Raises
    ------
    RecipeError
        If a fan's source would stand within the object.
    """
    angles = scanner.angles_rad() if angles_rad is None else np.asarray(angles_rad, np.float64)
    out = np.zeros((len(angles), scanner.channels, maps.shape[2]), np.float32)
    window = _window(maps)
    if window is None:
        return out
    (low_j, high_j), (low_i, high_i) = window
    x0, y0 = corner_mm[0] + low_i * spacing_mm, corner_mm[1] + low_j * spacing_mm
    far = np.hypot(max(abs(x0), abs(x0 + (high_i - low_i) * spacing_mm)),
                   max(abs(y0), abs(y0 + (high_j - low_j) * spacing_mm)))
    if scanner.geometry == "fan" and far >= scanner.sid_mm:
        raise RecipeError(f"the object must lie within the source's circle of {scanner.sid_mm:g} mm about the "
                          f"isocentre, got one that reaches {far:.0f} mm")
    along_rows, along_columns = kernels.running_sums(maps, low_j, low_i, high_j - low_j, high_i - low_i)
    sources = scanner.sid_mm * np.stack([np.sin(angles), -np.cos(angles)], axis=1)
    kernels.project(along_rows, along_columns, x0, y0, spacing_mm, sources, angles, scanner.edges(), scanner.centres(),
                    scanner.geometry == "fan", out)
    return out


def _window(maps: NDArray[np.float32]) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return the first row and column that hold anything and those after the last, or None."""
    rows, columns = kernels.occupied(maps)
    if not rows.any():
        return None
    j, i = np.flatnonzero(rows), np.flatnonzero(columns)
    return (int(j[0]), int(j[-1]) + 1), (int(i[0]), int(i[-1]) + 1)
