"""Draw docs/figures/chest.png: one generated chest CT at three windows, and its labels.

Run from the repository root: `python docs/figures/chest.py [SEED]`. Nothing in it is retouched.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import medsynth as ms

OVERRIDES = {"subject.sex": "male", "subject.bmi": 26, "acquisitions.ct.phase": "portal", "acquisitions.ct.mas": 160,
             "acquisitions.ct.slice_thickness_mm": 2, "acquisitions.ct.increment_mm": 1}
HEIGHT_PX = 300
SOFT, LUNG, BONE = (40.0, 400.0), (-600.0, 1500.0), (400.0, 1800.0)


def grey(hu: NDArray[np.int16], window: tuple[float, float]) -> NDArray[np.uint8]:
    """Return HU shown at a (centre, width) window."""
    centre, width = window
    return np.asarray(np.clip((hu - centre + width / 2) / width, 0, 1) * 255, np.uint8)


def tile(array: NDArray[np.uint8], row_mm: float, column_mm: float) -> Image.Image:
    """Return a slice at its true aspect and the figure's height."""
    picture = Image.fromarray(array)
    width = round(HEIGHT_PX * array.shape[1] * column_mm / (array.shape[0] * row_mm))
    return picture.resize((width, HEIGHT_PX), Image.Resampling.LANCZOS)


def coloured(labels: NDArray[np.uint16], under: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the labels as colours over the grey slice."""
    palette = np.random.default_rng(4).integers(60, 255, (65536, 3)).astype(np.uint8)
    palette[0] = 0
    mixed = 0.55 * palette[labels] + 0.45 * under[..., None]
    return np.where(labels[..., None] > 0, mixed, under[..., None]).astype(np.uint8)


def main(seed: int) -> None:
    """Generate the case and write the figure."""
    case = ms.generate_case(ms.load_recipe("chest-ct-nodules", overrides=OVERRIDES), seed=seed)
    image, labels = case.images["ct"], case.labels["ct"]
    hu, (dk, dj, di) = image.array, image.grid.spacing_mm
    nk, nj, ni = hu.shape
    crop = slice(nj // 8, nj - nj // 8)
    rows = []
    for window, fractions in ((SOFT, (0.16, 0.47, 0.63)), (LUNG, (0.34, 0.52, 0.66))):
        cuts = [tile(grey(hu[int(nk * f), crop], window), dj, di) for f in fractions]
        cuts.append(tile(grey(hu[::-1, int(nj * 0.47)], window), dk, di))
        rows.append(cuts)
    middle, side = int(nk * 0.47), int(ni * 0.5)
    rows.append([tile(coloured(labels.array[middle, crop], grey(hu[middle, crop], SOFT)), dj, di),
                 tile(coloured(labels.array[::-1, int(nj * 0.47)], grey(hu[::-1, int(nj * 0.47)], SOFT)), dk, di),
                 tile(grey(hu[::-1, :, side], BONE), dk, dj), tile(grey(hu[::-1, int(nj * 0.62)], BONE), dk, di)])
    width = max(sum(cut.width for cut in row) for row in rows)
    sheet = Image.new("RGB", (width, HEIGHT_PX * len(rows)))
    for line, row in enumerate(rows):
        x = 0
        for cut in row:
            sheet.paste(cut.convert("RGB"), (x, line * HEIGHT_PX))
            x += cut.width
    out = Path(__file__).with_name("chest.png")
    sheet.quantize(128, dither=Image.Dither.NONE).save(out, optimize=True)
    print(out, sheet.size, f"{out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2026)
