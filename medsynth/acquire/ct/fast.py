"""CT, fast tier: HU, sharpness and noise directly in the image, without projections of every view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct.couch import with_couch
from medsynth.acquire.ct.hu import ct_beam, structure_hu
from medsynth.acquire.ct.kernel import KERNELS
from medsynth.acquire.ct.mean_image import mean_hu, optics
from medsynth.acquire.ct.noise import noise_filter, noise_run
from medsynth.acquire.ct.paths import NoiseLevel, noise_level
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.acquire.ct.record import scanner_record
from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.scene.acquired import Acquired
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import add_lesions, rasterize
from medsynth.scene.structure import Lesion, Scene

RUN = 16  # slices in work at a time: bounds the memory, changes no value
HU_RANGE = (-1024, 3071)  # 12 bits, as scanners store
FOV_MARGIN_MM = 12.0
FOV_STEP_MM = 5.0


def acquire_ct(scene: Scene, lesions: Sequence[Lesion], protocol: CtProtocol, *, seed: Seed, twin: bool = False
               ) -> Acquired:
    """Scan a scene.

    Parameters
    ----------
    lesions : inserted before the physics.
    seed : of this acquisition; noise of slice k comes from `seed.child("noise", k)`.
    twin : also give the image of the same scan without the lesions.

    Returns
    -------
    The image in int16 HU, axial, with the truth on its grid.

    Raises
    ------
    RecipeError
        If the body has no such scan range.
    """
    grid = scan_grid(scene, protocol)
    healthy = rasterize(with_couch(scene) if protocol.table else scene, grid)
    phantom = add_lesions(healthy, lesions, texture_seed=scene.texture_seed) if lesions else healthy
    return image_phantom(phantom, healthy, protocol, seed=seed, twin=twin)


def scan_grid(scene: Scene, protocol: CtProtocol) -> Grid:
    """Return the axial grid that the protocol asks for, centred on the body."""
    if protocol.scan_range not in scene.scan_range_mm:
        raise RecipeError(expected("scan_range", protocol.scan_range, f"one of {sorted(scene.scan_range_mm)}"))
    bottom, top = scene.scan_range_mm[protocol.scan_range]
    low, high = (np.array(corner) for corner in scene.bounds_mm)
    needed = float((high - low)[:2].max()) + 2 * FOV_MARGIN_MM
    pixels, pixel_mm = protocol.in_plane(FOV_STEP_MM * np.ceil(needed / FOV_STEP_MM))
    slices = max(1, round((top - bottom) / protocol.slice_step_mm))
    centre = (float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2, (bottom + top) / 2)
    return Grid.centred((slices, pixels, pixels), (protocol.slice_step_mm, pixel_mm, pixel_mm), centre)


def image_phantom(phantom: Phantom, healthy: Phantom, protocol: CtProtocol, *, seed: Seed, twin: bool = False
                  ) -> Acquired:
    """Scan voxels: `phantom` with its lesions, and `healthy`, the same without them (or the same object).

    Noise comes from the healthy phantom, so that both images differ only within the lesions' reach: their voxels and
    the width of the point spread (`Optics.reach_kji`).
    """
    grid = phantom.grid
    shape_ji = grid.shape_kji[1:]
    level = noise_level(healthy, protocol)
    noise = noise_filter(protocol, shape_ji, grid.spacing_mm[2])
    image = np.empty(grid.shape_kji, np.int16)
    other = image if healthy is phantom else np.empty(grid.shape_kji, np.int16)
    for first in range(0, grid.shape_kji[0], RUN):
        last = min(first + RUN, grid.shape_kji[0])
        added = noise_run(level, noise, shape_ji, first, last, seed=seed.child("noise"))
        image[first:last] = _stored(mean_hu(phantom, protocol, first, last) + added)
        if twin and healthy is not phantom:
            other[first:last] = _stored(mean_hu(healthy, protocol, first, last) + added)
    return Acquired(Volume(image, grid, "HU"), phantom, healthy, Volume(other, grid, "HU") if twin else None,
                    scanner_record(protocol, grid.shape_kji[2] * grid.spacing_mm[2]),
                    _parameters(phantom, protocol, level))


def _stored(hu: NDArray[np.float32]) -> NDArray[np.int16]:
    np.rint(hu, out=hu)
    np.clip(hu, *HU_RANGE, out=hu)
    return hu.astype(np.int16)


def _parameters(phantom: Phantom, protocol: CtProtocol, level: NoiseLevel) -> dict[str, Any]:
    """Return the protocol and what follows from it, as JSON values."""
    beam = ct_beam(protocol.kvp)
    block = level.block
    inside = phantom.labels[:, block // 2::block, block // 2::block] != 0
    sigma = level.total_hu()[:, :inside.shape[1], :inside.shape[2]]
    weights = optics(protocol, phantom.grid.spacing_mm[2])
    return {
        "protocol": protocol.model_dump(mode="json"),
        "mu_water_per_cm": beam.water_per_cm,
        "effective_energy_keV": beam.energy_keV,
        "noise_sd_hu": float(sigma[inside].mean()) if inside.any() else float(sigma.mean()),
        "tube_current_by_slice": [round(float(c), 4) for c in level.current],
        "mtf50_per_mm": _mtf_height(protocol.kernel, 0.5),
        "mtf10_per_mm": _mtf_height(protocol.kernel, 0.1),
        "lesion_reach_kji": list(weights.reach_kji),
        "hu": {s.name: round(structure_hu(s, protocol.kvp, protocol.phase), 1) for s in phantom.structures},
    }


def _mtf_height(kernel: str, height: float) -> float:
    f = np.linspace(0.0, 3.0, 3001)
    above = np.flatnonzero(KERNELS[kernel].mtf(f) >= height)
    return float(f[above[-1]])
