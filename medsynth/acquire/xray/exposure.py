"""How much radiation: automatic exposure control, exposure index, dose to the patient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.xray.detector import Detector, signal_per_ugy
from medsynth.acquire.xray.geometry import Geometry
from medsynth.acquire.xray.source import Box, Technique, fluence, full_beam
from medsynth.core.errors import RecipeError
from medsynth.core.grid import Grid
from medsynth.scene.phantom import Phantom

Float32 = NDArray[np.float32]
INDEX_PER_UGY = 100.0  # IEC 62494-1
BACKSCATTER = 1.35  # of the entrance surface dose; depends on field and kVp (unverified: 1.2-1.5)


def detector_dose_ugy(signal: Float32, detector: Detector, pixel_mm: float) -> Float32:
    """Return the air kerma at RQA5 that gives the same signal per pixel, in uGy."""
    return signal / np.float32(signal_per_ugy(detector)[0] * (pixel_mm / 10) ** 2)


def automatic_mas(signal_per_mas: Float32, technique: Technique, detector: Detector, geometry: Geometry) -> float:
    """Return the mAs of a technique: its own, or what brings its dose to the detector in the measuring fields.

    Parameters
    ----------
    signal_per_mas : (rows, columns) float32 signal per pixel, scatter included.

    Raises
    ------
    RecipeError
        If a measuring field lies off the detector or gets no radiation.
    """
    if technique.mas is not None:
        return technique.mas
    dose = detector_dose_ugy(signal_per_mas, detector, geometry.pixel_mm)
    fields = technique.fields_ji or (middle_field(geometry, technique),)
    # The chambers' currents are averaged, as their areas are alike.
    means = [float(dose[box].mean()) if dose[box].size else 0.0 for box in (_pixels(b, geometry) for b in fields)]
    if min(means) <= 0:
        where = fields[int(np.argmin(means))]
        raise RecipeError(f"measuring fields must lie on the detector within the beam, got {where}")
    return float(np.clip(technique.dose_ugy / np.mean(means), *technique.mas_limits))


def middle_field(geometry: Geometry, technique: Technique) -> Box:
    """Return the middle ninth of the open field."""
    rows, columns = geometry.shape_ji
    top, left, bottom, right = technique.field_ji or (0.0, 0.0, rows - 1.0, columns - 1.0)
    return (top + (bottom - top) / 3, left + (right - left) / 3, top + 2 * (bottom - top) / 3,
            left + 2 * (right - left) / 3)


def _pixels(box: Box, geometry: Geometry) -> tuple[slice, slice]:
    low = [max(0, int(np.ceil(v - 0.5))) for v in box[:2]]
    high = [int(np.floor(v + 0.5)) + 1 for v in box[2:]]
    return (slice(low[0], min(high[0], geometry.shape_ji[0])), slice(low[1], min(high[1], geometry.shape_ji[1])))


def exposure_index(dose_ugy: Float32, relevant: NDArray[np.bool_]) -> float:
    """Return the exposure index: 100 x the median detector dose in uGy over the relevant image region.

    References
    ----------
    IEC 62494-1:2008; AAPM report 116, doi:10.1118/1.3121505.
    """
    return INDEX_PER_UGY * float(np.median(dose_ugy[relevant])) if relevant.any() else 0.0


def deviation_index(index: float, target: float) -> float:
    """Return 10 lg(index / target): +-1 is 26 % more or 21 % less than wanted."""
    return 10 * float(np.log10(index / target)) if index > 0 else float("-inf")


def dose_area_product(geometry: Geometry, technique: Technique, open_share: Float32, mas: float) -> float:
    """Return the air kerma of the beam x its area in uGy m2, without the body; the same at any distance."""
    per_ugy = full_beam(technique).kerma_ugy * mas
    return float(per_ugy * (fluence(geometry, technique) * open_share).mean(dtype=np.float64)
                 * np.prod(geometry.size_mm) / 1e6)


def entrance_ugy(technique: Technique, source_to_skin_mm: float, mas: float) -> tuple[float, float]:
    """Return incident air kerma at the skin and entrance surface dose (with backscatter), in uGy."""
    incident = full_beam(technique).kerma_ugy * mas * (1000 / source_to_skin_mm) ** 2
    return incident, BACKSCATTER * incident


def depths_mm(phantom: Phantom, geometry: Geometry, solid: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the distances from source to skin along the ray to the detector's middle, and from exit side to detector.

    Parameters
    ----------
    solid : (65536,) which labels count as body.
    """
    ray = geometry.rays((geometry.shape_ji[0] - 1) / 2, (geometry.shape_ji[1] - 1) / 2)
    length = float(np.linalg.norm(geometry.centre_mm - geometry.source_mm))
    at = np.arange(0.0, length, 0.5 * min(phantom.grid.spacing_mm))
    inside = _labels(phantom, np.array(geometry.source_mm) + at[:, None] * ray)
    skin = at[solid[inside]]
    lowest, highest = _extent(phantom, geometry, solid)
    return (float(skin[0]) if len(skin) else lowest), max(0.0, geometry.sid_mm - highest)


def _extent(phantom: Phantom, geometry: Geometry, solid: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the least and the greatest distance from the source, square to the detector, of the body's bulk."""
    every = tuple(slice(None, None, max(1, n // 32)) for n in phantom.grid.shape_kji)
    found = np.argwhere(solid[phantom.labels[every]])
    if not len(found):
        return geometry.sid_mm, geometry.sid_mm
    places = phantom.grid.world_mm(found * [s.step for s in every])
    depth = (places - geometry.source_mm) @ geometry.normal
    low, high = np.percentile(depth, [0.5, 99.5])
    return float(low), float(high)


def _labels(phantom: Phantom, points_mm: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Return the labels at points (n, 3), 0 beyond the grid."""
    grid: Grid = phantom.grid
    index = np.rint(grid.index_kji(points_mm)).astype(int)
    inside = ((index >= 0) & (index < np.asarray(grid.shape_kji))).all(axis=1)
    labels = np.zeros(len(points_mm), np.uint16)
    labels[inside] = phantom.labels[tuple(index[inside].T)]
    return labels
