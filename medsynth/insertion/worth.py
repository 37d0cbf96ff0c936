"""What each part of a lesion is worth in the image's own unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Layer, Paint, Scene, Structure
from medsynth.shapes.primitives import RoundBox

Modality = Literal["ct", "mri", "xray"]
BLOCK_MM = 30.0  # of each material in the little scan that tells MR signals
VOXEL_MM = 3.0
LINES = 64  # more than a single shot needs to reach its echo time


def ct_numbers(structures: Sequence[Structure], *, kvp: float, phase: str) -> dict[int, float]:
    """Return label -> CT number of structures without texture."""
    from medsynth.acquire.ct.hu import structure_hu

    return {s.label: structure_hu(s, kvp, phase) for s in structures}


def mr_ratios(structures: Sequence[Structure], host: Structure, scene: Scene, preset: str) -> dict[int, float]:
    """Return label -> signal over the host's, from a scan of blocks with a preset's sequence, without noise.

    Raises
    ------
    RecipeError
        If there is no such preset, or the host gives no signal with it.
    """
    from medsynth.acquire.mri.fast_images import fast_images
    from medsynth.acquire.mri.presets import presets
    from medsynth.acquire.mri.protocol import MriProtocol
    from medsynth.acquire.mri.scan import prepare

    if preset not in presets():
        raise RecipeError(expected("--weighting", preset, f"one of {', '.join(presets())}"))
    protocol = MriProtocol.model_validate({"preset": preset, "kspace": {"targets": ["noise_free"]}})
    blocks = (host, *structures)
    reach = BLOCK_MM * len(blocks) / 2
    half = BLOCK_MM / 2, LINES * VOXEL_MM / 2, BLOCK_MM / 2
    paints = tuple(Paint(RoundBox((BLOCK_MM * (n + 0.5) - reach, 0.0, 0.0), half), (Layer(s.label),))
                   for n, s in enumerate(blocks))
    each = round(BLOCK_MM / VOXEL_MM)
    grid = Grid.centred((each, LINES, LINES), (VOXEL_MM,) * 3)  # whichever way the sequence encodes
    row = Scene("blocks", "middle", scene.subject, blocks, paints, {}, {}, {}, ((-reach, -half[1], -15.0),
                                                                               (reach, half[1], 15.0)), {})
    phantom = rasterize(row, grid)
    scan = prepare(row, phantom, phantom, protocol, seed=Seed(0))
    made = fast_images(scan, phantom, phantom, twin=False)
    name = next(n for n in ("image", "magnitude", "in") if n in made.targets["noise_free"])
    image = np.abs(made.targets["noise_free"][name])
    inner = image[3:7, LINES // 4:-LINES // 4]
    left = (LINES - each * len(blocks)) // 2
    signals = [float(inner[..., left + each * n + 3:left + each * n + 7].mean()) for n in range(len(blocks))]
    if not signals[0] > 1e-6 * max(signals):
        raise RecipeError(f"{host.tissue} gives no signal with the preset {preset!r}: give --contrast instead")
    return {s.label: signal / signals[0] for s, signal in zip(structures, signals[1:], strict=True)}


def scaled(ratios: Mapping[int, float], whole: int, contrast: float) -> dict[int, float]:
    """Return ratios whose `whole` part has this contrast, the others in proportion to their own distance from 1."""
    own = ratios[whole] - 1
    factor = (contrast - 1) / own if abs(own) > 1e-6 else 0.0
    return {label: contrast if label == whole else max(1 + (ratio - 1) * factor, 0.0)
            for label, ratio in ratios.items()}
