"""CT, fast tier: HU, sharpness and noise directly in the image, without projections of every view."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct.level import NoiseLevel, noise_level
from medsynth.acquire.ct.mean_image import mean_hu, optics
from medsynth.acquire.ct.noise import noise_filter, noise_run
from medsynth.acquire.ct.paths import hardening
from medsynth.acquire.ct.probe import CtProbe
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.acquire.ct.record import dose_parameters, protocol_parameters, scanner_record
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.scene.acquired import Acquired
from medsynth.scene.phantom import Phantom

RUN = 16  # slices in work at a time: bounds the memory, changes no value
HU_RANGE = (-1024, 3071)  # 12 bits, as scanners store


def image_phantom(phantom: Phantom, healthy: Phantom, protocol: CtProtocol, *, seed: Seed, twin: bool = False
                  ) -> Acquired:
    """Scan voxels: `phantom` with its lesions, and `healthy`, the same without them (or the same object).

    Noise and the beam's hardness come from the healthy phantom, so that both images differ only within the lesions'
    reach: their voxels and the width of the point spread (`Optics.reach_kji`).
    """
    grid = phantom.grid
    shape_ji = grid.shape_kji[1:]
    level, hard = noise_level(healthy, protocol), hardening(healthy, protocol)
    noise = noise_filter(protocol, shape_ji, grid.spacing_mm[2])
    image = np.empty(grid.shape_kji, np.int16)
    other = image if healthy is phantom else np.empty(grid.shape_kji, np.int16)
    for first in range(0, grid.shape_kji[0], RUN):
        last = min(first + RUN, grid.shape_kji[0])
        added = noise_run(level, noise, shape_ji, first, last, seed=seed.child("noise"))
        image[first:last] = stored(mean_hu(phantom, protocol, first, last, hard) + added)
        if twin and healthy is not phantom:
            other[first:last] = stored(mean_hu(healthy, protocol, first, last, hard) + added)
    volume = Volume(image, grid, "HU")
    record = scanner_record(protocol, grid.shape_kji[2] * grid.spacing_mm[2], current=level.current.tolist())
    parameters = _parameters(phantom, protocol, level) | {"dose": dose_parameters(protocol, volume, healthy)}
    probe = CtProbe(phantom, healthy, protocol, hard, level) if healthy is not phantom else None
    return Acquired(volume, phantom, healthy, Volume(other, grid, "HU") if twin else None, record, parameters,
                    probe=probe)


def stored(hu: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return float HU (changed in place) as scanners store them: whole numbers of 12 bits."""
    np.rint(hu, out=hu)
    np.clip(hu, *HU_RANGE, out=hu)
    return hu.astype(np.int16)


def _parameters(phantom: Phantom, protocol: CtProtocol, level: NoiseLevel) -> dict[str, Any]:
    """Return the protocol and what follows from it, as JSON values."""
    block = level.block
    inside = phantom.labels[:, block // 2::block, block // 2::block] != 0
    sigma = level.total_hu()[:, :inside.shape[1], :inside.shape[2]]
    return protocol_parameters(protocol, phantom.structures) | {
        "noise_sd_hu": float(sigma[inside].mean()) if inside.any() else float(sigma.mean()),
        "tube_current_by_slice": [round(float(c), 4) for c in level.current],
        "lesion_reach_kji": list(optics(protocol, phantom.grid.spacing_mm[2]).reach_kji),
    }
