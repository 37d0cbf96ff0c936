"""Images as 8-bit pictures: one a slice of a volume, as its DICOM file shows it, or one of a projection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medsynth.core.errors import DatasetError, expected
from medsynth.export.layouts.options import ExportOptions
from medsynth.export.layouts.source import SourceAcquisition, SourceCase
from medsynth.export.nifti import stored_voxels

# Centre and width in HU, as radiologists' workstations have them by default (unverified: makers differ a little).
WINDOWS: Mapping[str, tuple[float, float]] = {"lung": (-600.0, 1500.0), "soft": (40.0, 400.0), "bone": (400.0, 1800.0)}
COMPOSITE = "composite"  # red, green and blue are the three windows in this order: no tissue is lost
_PERCENTILES = (0.5, 99.5)  # of the voxels above 0 of an MR volume: black and white
_P_VALUES = 4095.0  # of a radiograph to read


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture with what it shows.

    Attributes
    ----------
    name : unique in the dataset, without an ending.
    slice_k : index of the slice.
    pixels : (rows, columns) or (rows, columns, 3) uint8.
    masks : (name of the class, number of the instance) -> (rows, columns) bool; of projections they overlap.
    """

    name: str
    case: SourceCase
    one: SourceAcquisition
    slice_k: int
    pixels: NDArray[np.uint8]
    masks: Mapping[tuple[str, int], NDArray[np.bool_]]

    def save(self, path: Path) -> None:
        """Write it as PNG; nothing in it depends on a clock."""
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self.pixels).save(path, format="PNG", compress_level=6)


def window_of(words: str) -> tuple[float, float] | None:
    """Return centre and width in HU of a window by name or as `CENTRE,WIDTH`; None of the composite."""
    if words == COMPOSITE:
        return None
    if words in WINDOWS:
        return WINDOWS[words]
    try:
        centre, width = (float(number) for number in words.split(","))
    except ValueError:
        centre, width = 0.0, 0.0
    if not (np.isfinite(centre) and np.isfinite(width) and width > 0):
        what = f"one of {', '.join((COMPOSITE, *WINDOWS))}, or CENTRE,WIDTH in HU"
        raise DatasetError(expected("window", words, what))
    return centre, width


def pictures(case: SourceCase, one: SourceAcquisition, options: ExportOptions, organs: Mapping[int, str],
             flat_organs: Mapping[str, str], kinds: Mapping[str, str]) -> Iterator[Picture]:
    """Give the pictures of one image of a case.

    Parameters
    ----------
    organs : label -> class of the structures that are wanted.
    flat_organs : name -> class of the structures that are wanted in projections.
    kinds : family -> class of the lesions that are wanted.
    """
    voxels = stored_voxels(case.file(f"{one.name}.nii.gz"))
    shown = _windowed(voxels, one, options)
    if one.flat:
        masks = dict(_flat_masks(case, one, flat_organs, kinds))
        yield Picture(f"{case.name}_{one.name}", case, one, 0, shown[0], masks)
        return
    labels = stored_voxels(case.file(f"{one.name}_labels.nii.gz")) if organs else None
    lesions = stored_voxels(case.file(f"{one.name}_lesions.nii.gz")) if kinds else None
    of_lesion = {int(found["id"]): kinds[found["kind"]] for found in one.lesions if found["kind"] in kinds}
    for k in range(0, len(voxels), options.every):
        masks = {}
        if labels is not None:
            masks |= {(organs[value], 1): labels[k] == value for value in _values(labels[k]) if value in organs}
        if lesions is not None:
            masks |= {(of_lesion[value], value): lesions[k] == value for value in _values(lesions[k])
                      if value in of_lesion}
        yield Picture(f"{case.name}_{one.name}_{k:04d}", case, one, k, shown[k], masks)


def _values(plane: NDArray[Any]) -> list[int]:
    """Return the numbers that occur, rising, without 0."""
    found: list[int] = np.flatnonzero(np.bincount(plane.ravel())).tolist()
    return [value for value in found if value]


def _flat_masks(case: SourceCase, one: SourceAcquisition, organs: Mapping[str, str], kinds: Mapping[str, str]
                ) -> Iterator[tuple[tuple[str, int], NDArray[np.bool_]]]:
    """Give the masks of a projection from their files."""
    folder = f"{one.name}_masks"
    wanted = [((organs[name], 1), name) for name in sorted(one.told["structures"]) if name in organs]
    wanted += [((kinds[found["kind"]], int(found["id"])), f"lesion_{found['id']}") for found in one.lesions
               if found["kind"] in kinds and found.get("shadow") is not None]
    for key, name in wanted:
        mask = stored_voxels(case.file(f"{folder}/{name}.nii.gz"))[0] > 0
        if mask.any():
            yield key, mask


def _windowed(voxels: NDArray[Any], one: SourceAcquisition, options: ExportOptions) -> NDArray[np.uint8]:
    """Return the image as 0..255; of the composite with a last axis of three colours."""
    if one.quantity == "HU":
        window = window_of(options.window)
        if window is None:
            return np.stack([_grey(voxels, centre - width / 2, centre + width / 2)
                             for centre, width in WINDOWS.values()], axis=-1)
        return _grey(voxels, window[0] - window[1] / 2, window[0] + window[1] / 2)
    if one.flat:
        return _grey(voxels, 0.0, max(_P_VALUES, float(voxels.max())))
    inside = voxels[voxels > 0]
    low, high = np.percentile(inside, _PERCENTILES) if inside.size else (0.0, 1.0)
    return _grey(voxels, min(float(low), float(high) - 1), float(high))


def _grey(voxels: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    scaled = (voxels.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
