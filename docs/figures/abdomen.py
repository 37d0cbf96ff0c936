"""Draw docs/figures/abdomen.png: generated portal venous CT of three adults, every slice as it came out.

Run from the repository root: `python docs/figures/abdomen.py`. Rows: axial cuts from the liver to the pelvic brim; the
last row shows coronal cuts of the second person.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import medsynth as ms

HEIGHT_PX, WINDOW = 250, (60.0, 380.0)
PEOPLE = (
    ({"sex": "female", "age_years": 34, "bmi": 22}, 5),
    ({"sex": "male", "age_years": 58, "bmi": 26}, 2),
    ({"sex": "male", "age_years": 66, "bmi": 33}, 8),
)
CUTS = (0.80, 0.66, 0.56, 0.46, 0.30, 0.12)  # from the caudal end
SCAN = {"modality": "ct", "phase": "portal", "kvp": 120, "mas": 200, "slice_thickness_mm": 2.5, "increment_mm": 2.5,
        "pixel_mm": 0.8, "kernel": "standard"}  # fmt: skip


def case_of(subject: dict[str, object], seed: int) -> tuple[NDArray[np.int16], tuple[float, ...]]:
    """Return HU and spacing of one generated case, cropped to the body."""
    recipe = ms.load_recipe({"description": "figure of the abdomen", "phantom": {"body": "abdomen", "range": "abdomen"},
                             "subject": subject, "acquisitions": {"ct": SCAN}})  # fmt: skip
    case = ms.generate_case(recipe, seed=seed)
    image, held = case.images["ct"], np.argwhere(case.labels["ct"].array.max(axis=0) > 0)
    (j0, i0), (j1, i1) = held.min(axis=0), held.max(axis=0) + 1
    return image.array[:, j0:j1, i0:i1], image.grid.spacing_mm


def tile(hu: NDArray[np.int16], row_mm: float, column_mm: float) -> Image.Image:
    """Return a slice at the figure's window, its true aspect and the figure's height."""
    centre, width = WINDOW
    grey = np.asarray(np.clip((hu - centre + width / 2) / width, 0, 1) * 255, np.uint8)
    size = round(HEIGHT_PX * hu.shape[1] * column_mm / (hu.shape[0] * row_mm)), HEIGHT_PX
    return Image.fromarray(grey).resize(size, Image.Resampling.LANCZOS)


def main() -> None:
    """Draw the figure."""
    rows = []
    coronal: list[Image.Image] = []
    for number, (subject, seed) in enumerate(PEOPLE):
        hu, (dk, dj, di) = case_of(subject, seed)
        rows.append([tile(hu[int(len(hu) * cut)], dj, di) for cut in CUTS])
        if number == 1:
            coronal = [tile(hu[::-1, int(hu.shape[1] * f)], dk, di) for f in (0.22, 0.32, 0.40, 0.48, 0.58)]
    rows.append(coronal)
    sheet = Image.new("L", (max(sum(cut.width for cut in row) for row in rows), HEIGHT_PX * len(rows)))
    for r, row in enumerate(rows):
        left = 0
        for cut in row:
            sheet.paste(cut, (left, r * HEIGHT_PX))
            left += cut.width
    sheet.save(Path(__file__).with_name("abdomen.png"), optimize=True)


if __name__ == "__main__":
    main()
