"""Projections as 16-bit grayscale PNG, for whoever trains on pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from medsynth.core.errors import DatasetError, expected
from medsynth.core.volume import Volume


def write_png(volume: Volume, path: Path) -> None:
    """Write a projection (1, rows, columns) uint16 as it is: no window, nothing scaled, the first row on top.

    Raises
    ------
    DatasetError
        If the volume has more than one slice or another type.
    """
    if volume.array.dtype != np.uint16 or volume.grid.shape_kji[0] != 1:
        got = f"{volume.array.dtype.name} {volume.grid.shape_kji}"
        raise DatasetError(expected("image of a PNG file", got, "uint16 with one slice"))
    Image.fromarray(np.ascontiguousarray(volume.array[0])).save(path, format="PNG", compress_level=6)
