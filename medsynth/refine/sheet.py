"""A picture of what a model does while it is trained: quick, refined and full slices side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.refine.examples import Example
from medsynth.refine.refiner import Refiner, Truth

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = 3


def write_sheet(path: Path, refiner: Refiner, example: Example) -> None:
    """Write a PNG with a row for each of a few slices: quick, refined, full; grey levels are those of the full ones."""
    count = len(example.quick)
    chosen = sorted({round(count * (n + 1) / (ROWS + 1)) for n in range(ROWS)} & set(range(count))) or [0]
    quick = np.ascontiguousarray(example.quick[chosen].astype(np.float32))
    truth = Truth(example.truth.labels[chosen], example.truth.lesions[chosen], example.truth.names,
                  example.truth.modality)
    image = Volume(quick, Grid(quick.shape, example.spacing_mm), "refined")
    refined = quick + refiner.residual(image, truth, strength=1.0, seed=Seed(0))
    full = example.full[chosen].astype(np.float32)
    low, high = np.quantile(full, (0.02, 0.98))
    rows = [np.concatenate(row, axis=1) for row in zip(quick, refined, full, strict=True)]
    sheet: NDArray[np.float32] = np.clip((np.concatenate(rows) - low) / max(float(high - low), 1e-6), 0, 1)
    Image.fromarray(np.rint(sheet * 255).astype(np.uint8)).save(path)
