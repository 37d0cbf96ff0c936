"""Draw docs/figures/knee.png and docs/figures/breast.png: generated CT cases, every slice as it came out.

Run from the repository root: `python docs/figures/knee_and_breast.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import medsynth as ms

HEIGHT_PX = 300
SOFT, BONE, BREAST = (50.0, 350.0), (350.0, 1700.0), (-30.0, 320.0)
FINE = {"modality": "ct", "kvp": 120, "mas": 200, "slice_thickness_mm": 1.0, "increment_mm": 0.8, "pixel_mm": 0.6,
        "kernel": "standard"}  # fmt: skip


def grey(hu: NDArray[np.int16], window: tuple[float, float]) -> NDArray[np.uint8]:
    """Return HU shown at a (centre, width) window."""
    centre, width = window
    return np.asarray(np.clip((hu - centre + width / 2) / width, 0, 1) * 255, np.uint8)


def tile(array: NDArray[np.uint8], row_mm: float, column_mm: float) -> Image.Image:
    """Return a slice at its true aspect and the figure's height."""
    width = round(HEIGHT_PX * array.shape[1] * column_mm / (array.shape[0] * row_mm))
    return Image.fromarray(array).resize((width, HEIGHT_PX), Image.Resampling.LANCZOS)


def case_of(body: str, subject: dict[str, object], seed: int) -> tuple[NDArray[np.int16], tuple[float, ...]]:
    """Return HU and spacing of one generated case, cropped to the body."""
    recipe = ms.load_recipe({"description": f"figure of the {body}", "phantom": {"body": body, "range": body},
                             "subject": subject, "acquisitions": {"ct": FINE}})  # fmt: skip
    case = ms.generate_case(recipe, seed=seed)
    labels, image = case.labels["ct"].array, case.images["ct"]
    held = np.argwhere(labels.max(axis=0) > 0)
    (j0, i0), (j1, i1) = held.min(axis=0), held.max(axis=0) + 1
    part = (slice(None), slice(max(j0 - 6, 0), j1 + 6), slice(max(i0 - 6, 0), i1 + 6))
    return image.array[part], image.grid.spacing_mm


def write(name: str, rows: list[list[Image.Image]]) -> None:
    """Write rows of pictures as one figure."""
    width = max(sum(cut.width for cut in row) for row in rows)
    sheet = Image.new("L", (width, HEIGHT_PX * len(rows)))
    for r, row in enumerate(rows):
        left = 0
        for cut in row:
            sheet.paste(cut, (left, r * HEIGHT_PX))
            left += cut.width
    sheet.save(Path(__file__).with_name(name), optimize=True)


def knee() -> None:
    """Draw a man's knee: axial cuts, then sagittal and coronal ones at a bone window."""
    hu, (dk, dj, di) = case_of("knee", {"sex": "male", "age_years": 42, "bmi": 25}, 6)
    nk, nj, ni = hu.shape
    axial = [tile(grey(hu[int(nk * f)], SOFT), dj, di) for f in (0.12, 0.32, 0.47, 0.62, 0.72, 0.92)]
    sagittal = [tile(grey(hu[::-1, :, int(ni * f)], SOFT), dk, dj) for f in (0.36, 0.46, 0.50, 0.62)]
    coronal = [tile(grey(hu[::-1, int(nj * f)], BONE), dk, di) for f in (0.36, 0.43, 0.52)]
    write("knee.png", [axial[:3] + sagittal[:2], axial[3:] + sagittal[2:], coronal])


def breasts() -> None:
    """Draw four women from young to old: an axial and a sagittal cut through the glandular tissue of each."""
    rows = []
    for seed, age, bmi in ((3, 28, 20), (5, 45, 25), (9, 58, 29), (12, 72, 34)):
        hu, (dk, dj, di) = case_of("breast", {"sex": "female", "age_years": age, "bmi": bmi}, seed)
        nk, _, ni = hu.shape
        rows += [[tile(grey(hu[int(nk * f)], BREAST), dj, di) for f in (0.38, 0.45, 0.52)]
                 + [tile(grey(hu[::-1, :, int(ni * f)], BREAST), dk, dj) for f in (0.45, 0.55)]]  # fmt: skip
    write("breast.png", rows)


if __name__ == "__main__":
    knee()
    breasts()
