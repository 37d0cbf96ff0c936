"""Draw docs/figures/pelvis.png: generated CT of a woman's and two men's pelves, and one trunk from front and side.

Run from the repository root: `python docs/figures/pelvis.py`. Rows: axial cuts from the iliac crests to the upper
thighs; the last row shows coronal and sagittal cuts of a whole trunk.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import medsynth as ms

HEIGHT_PX, WINDOW = 230, (50.0, 400.0)
PEOPLE = (
    ({"sex": "female", "age_years": 38, "bmi": 24}, 3),
    ({"sex": "male", "age_years": 64, "bmi": 27}, 5),
    ({"sex": "male", "age_years": 45, "bmi": 35}, 6),
)
CUTS = (0.88, 0.68, 0.52, 0.40, 0.30, 0.10)  # from the caudal end
SCAN = {"modality": "ct", "phase": "portal", "kvp": 120, "mas": 200, "slice_thickness_mm": 2.5, "increment_mm": 2.5,
        "pixel_mm": 0.9, "kernel": "standard"}  # fmt: skip


def case_of(body: str, subject: dict[str, object], seed: int) -> tuple[NDArray[np.int16], tuple[float, ...]]:
    """Return HU and spacing of one generated case, cropped to the body."""
    recipe = ms.load_recipe({"description": "figure of the pelvis", "phantom": {"body": body, "range": body},
                             "subject": subject, "acquisitions": {"ct": SCAN}})  # fmt: skip
    case = ms.generate_case(recipe, seed=seed)
    image, held = case.images["ct"], np.argwhere(case.labels["ct"].array.max(axis=0) > 0)
    (j0, i0), (j1, i1) = held.min(axis=0), held.max(axis=0) + 1
    return image.array[:, j0:j1, i0:i1], image.grid.spacing_mm


def tile(hu: NDArray[np.int16], row_mm: float, column_mm: float, height_px: int = HEIGHT_PX) -> Image.Image:
    """Return a slice at the figure's window and its true aspect."""
    centre, width = WINDOW
    grey = np.asarray(np.clip((hu - centre + width / 2) / width, 0, 1) * 255, np.uint8)
    size = round(height_px * hu.shape[1] * column_mm / (hu.shape[0] * row_mm)), height_px
    return Image.fromarray(grey).resize(size, Image.Resampling.LANCZOS)


def main() -> None:
    """Draw the figure."""
    rows = []
    for subject, seed in PEOPLE:
        hu, (_, dj, di) = case_of("pelvis", subject, seed)
        rows.append([tile(hu[int(len(hu) * cut)], dj, di) for cut in CUTS])
    hu, (dk, dj, di) = case_of("torso", *PEOPLE[1])
    cuts = [tile(hu[::-1, int(hu.shape[1] * f)], dk, di, 2 * HEIGHT_PX) for f in (0.25, 0.4, 0.52, 0.64)]
    cuts += [tile(hu[::-1, :, int(hu.shape[2] * f)], dk, dj, 2 * HEIGHT_PX) for f in (0.36, 0.5)]
    rows.append(cuts)
    size = max(sum(cut.width for cut in row) for row in rows), sum(row[0].height for row in rows)
    sheet, top = Image.new("L", size), 0
    for row in rows:
        left = 0
        for cut in row:
            sheet.paste(cut, (left, top))
            left += cut.width
        top += row[0].height
    sheet.save(Path(__file__).with_name("pelvis.png"), optimize=True)


if __name__ == "__main__":
    main()
