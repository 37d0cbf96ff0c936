"""Draw figures/brain.png: three brains with grey levels like a T1-weighted image, and one as CT.

Run: python docs/figures/brain.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from medsynth.acquire.ct.hu import attenuation_table, water_level
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject
from phantoms.head import BODY

PEOPLE = (
    Subject("female", 30.0, 168.0, 62.0),
    Subject("male", 52.0, 178.0, 82.0),
    Subject("female", 80.0, 160.0, 60.0),
)
# Relative signal at a repetition and echo time that make white matter bright and fluid dark.
T1_LIKE = {"grey_matter": 0.58, "white_matter": 0.88, "csf": 0.13, "soft_tissue": 0.35, "blood": 0.3, "adipose": 0.95,
           "skeletal_muscle": 0.45, "skin": 0.5, "red_marrow": 0.6, "yellow_marrow": 0.9, "brain": 0.7}  # fmt: skip
STEP_MM = 0.8
LOW_MM, HIGH_MM = (-84.0, -112.0, -78.0), (84.0, 108.0, 98.0)


def signal(phantom: Phantom) -> np.ndarray:
    """Return the T1-like signal (k, j, i), what is not listed dark."""
    table = np.zeros(65536)
    for s in phantom.structures:
        own = T1_LIKE.get(s.tissue, 0.08)
        mixed = sum(part * (T1_LIKE.get(name, 0.08) - own) for name, part in s.mixture)
        table[s.label] = own + mixed
    return _partial(phantom, table)


def _partial(phantom: Phantom, table: np.ndarray) -> np.ndarray:
    f = phantom.fraction / 255.0
    return table[phantom.labels] * (1 - f) + table[phantom.neighbour] * f


def row(image: np.ndarray, grid: Grid) -> np.ndarray:
    """Return three axial, two coronal and two sagittal cuts side by side."""

    def at(x: float, y: float, z: float) -> np.ndarray:
        return np.rint(grid.index_kji(np.array([[x, y, z]]))[0]).astype(int)

    axial = [image[at(0, 0, z)[0]] for z in (-12.0, 9.0, 45.0)]
    coronal = [image[::-1, at(0, y, 0)[1]] for y in (-6.0, 44.0)]
    sagittal = [image[::-1, :, at(x, 0, 0)[2]] for x in (4.0, 34.0)]
    tall = max(cut.shape[0] for cut in axial)
    return np.hstack([np.pad(c, (((tall - c.shape[0]) // 2, -((c.shape[0] - tall) // 2)), (0, 0)))
                      for c in (*axial, *coronal, *sagittal)])


def main() -> None:
    """Write the picture beside this file."""
    rows = []
    rng = Seed(1).child("noise").rng()
    for number, subject in enumerate(PEOPLE):
        scene = BODY.build(subject, BODY.sample_spec(subject, rng=Seed(20 + number).rng()))
        grid = Grid.covering(LOW_MM, HIGH_MM, (STEP_MM,) * 3)
        phantom = rasterize(scene, grid)
        image = ndimage.gaussian_filter(signal(phantom), 0.5) + 0.02 * rng.standard_normal(grid.shape_kji)
        rows.append(row(np.clip(image, 0, 1), grid))
        if number == len(PEOPLE) - 1:
            hu = _partial(phantom, attenuation_table(phantom.structures, 120.0, "none")) - water_level(120.0)
            hu = ndimage.gaussian_filter(hu, (1.6, 0.7, 0.7)) + ndimage.gaussian_filter(
                30.0 * rng.standard_normal(grid.shape_kji), (1.6, 0.8, 0.8)
            )
            rows.append(row(np.clip((hu - 38 + 40) / 80, 0, 1), grid))
    picture = Image.fromarray((255 * np.vstack(rows)).astype(np.uint8))
    picture.save(Path(__file__).with_name("brain.png"), optimize=True)


if __name__ == "__main__":
    main()
