"""Training data without files and without torch: a loop that makes each case in memory when it is asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

import medsynth as ms


def pairs(count: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give image (float32, about -1 to 1) and lesion mask (bool) of each case; both (slices, rows, columns)."""
    recipe = ms.load_recipe("chest-ct-nodules-small")
    for index in range(count):
        case = ms.generate_case(recipe, seed=seed, index=index)
        yield case.images["ct"].array.astype(np.float32) / 1000, case.lesion_labels["ct"].array > 0


def main(count: int) -> None:
    """Print what a training loop would see."""
    for image, mask in pairs(count, seed=1):
        print(f"image {image.shape}, mean {image.mean():.3f}; lesion voxels: {int(mask.sum())}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
