"""Draw the contact sheets of the bodies, docs/figures/BODY.png: generated CT cases, every slice as it came out.

Run from the repository root: `python docs/figures/bodies.py [SHEET ...]`; without names it draws all of `SHEETS`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import medsynth as ms

SOFT, ABDOMEN, BONE, BREAST, BRAIN = (50.0, 400.0), (60.0, 380.0), (400.0, 1900.0), (-30.0, 320.0), (36.0, 90.0)
MARGIN_MM = 4.0


@dataclass(frozen=True)
class Row:
    """One generated case and its cuts: plane (axial, coronal, sagittal), place from 0 to 1, window.

    Axial places count from the caudal end, coronal from the front, sagittal from the right.
    """

    body: str
    subject: dict[str, Any]
    seed: int
    cuts: tuple[tuple[str, float, tuple[float, float]], ...]
    scan: dict[str, Any]
    scan_range: str = ""
    height_px: int = 250


def cuts(plane: str, window: tuple[float, float], *places: float) -> tuple[tuple[str, float, tuple[float, float]], ...]:
    """Return the cuts of one plane and window."""
    return tuple((plane, place, window) for place in places)


def scan(thickness_mm: float, pixel_mm: float, **more: Any) -> dict[str, Any]:
    """Return an acquisition."""
    return {"modality": "ct", "kvp": 120, "mas": 200, "slice_thickness_mm": thickness_mm,
            "increment_mm": thickness_mm, "pixel_mm": pixel_mm, "kernel": "standard", **more}  # fmt: skip


PORTAL, FINE, HEAD = scan(2.5, 0.8, phase="portal"), scan(1.0, 0.6), scan(1.0, 0.5, mas=300)
OLD_MAN = {"sex": "male", "age_years": 64, "bmi": 27}
SHEETS: dict[str, tuple[Row, ...]] = {
    "abdomen": (
        Row("abdomen", {"sex": "female", "age_years": 34, "bmi": 22}, 5,
            cuts("axial", ABDOMEN, 0.80, 0.66, 0.56, 0.46, 0.30, 0.12), PORTAL),
        Row("abdomen", {"sex": "male", "age_years": 66, "bmi": 33}, 8,
            cuts("axial", ABDOMEN, 0.80, 0.66, 0.56, 0.46, 0.30, 0.12), PORTAL),
        Row("abdomen", {"sex": "male", "age_years": 58, "bmi": 26}, 2,
            cuts("axial", ABDOMEN, 0.80, 0.66, 0.56, 0.46, 0.30, 0.12), PORTAL),
        Row("abdomen", {"sex": "male", "age_years": 58, "bmi": 26}, 2,
            cuts("coronal", ABDOMEN, 0.22, 0.32, 0.40, 0.48, 0.58), PORTAL),
    ),
    "pelvis": (
        Row("pelvis", {"sex": "female", "age_years": 38, "bmi": 24}, 3,
            cuts("axial", SOFT, 0.88, 0.68, 0.52, 0.40, 0.30, 0.10), PORTAL),
        Row("pelvis", OLD_MAN, 5, cuts("axial", SOFT, 0.88, 0.68, 0.52, 0.40, 0.30, 0.10), PORTAL),
        Row("pelvis", {"sex": "male", "age_years": 45, "bmi": 35}, 6,
            cuts("axial", SOFT, 0.88, 0.68, 0.52, 0.40, 0.30, 0.10), PORTAL),
    ),
    "torso": (
        Row("torso", OLD_MAN, 5, (*cuts("coronal", SOFT, 0.25, 0.4, 0.52, 0.64), *cuts("sagittal", SOFT, 0.36, 0.5)),
            scan(2.5, 0.9, phase="portal"), height_px=460),
    ),
    "head": (
        Row("head", {"sex": "male", "age_years": 47, "bmi": 25}, 4,
            cuts("axial", BRAIN, 0.88, 0.80, 0.72, 0.66, 0.58, 0.50), HEAD, "head-neck"),
        Row("head", {"sex": "male", "age_years": 47, "bmi": 25}, 4,
            cuts("axial", BONE, 0.58, 0.50, 0.44, 0.36, 0.28, 0.16), HEAD, "head-neck"),
        Row("head", {"sex": "female", "age_years": 78, "bmi": 23}, 7,
            cuts("axial", BRAIN, 0.88, 0.80, 0.72, 0.66, 0.58, 0.50), HEAD, "head-neck"),
        Row("head", {"sex": "female", "age_years": 78, "bmi": 23}, 7,
            (*cuts("coronal", SOFT, 0.22, 0.38), *cuts("coronal", BONE, 0.5), *cuts("sagittal", SOFT, 0.5),
             *cuts("sagittal", BONE, 0.5, 0.36)), HEAD, "head-neck"),
    ),
    "knee": (
        Row("knee", {"sex": "male", "age_years": 42, "bmi": 25}, 6,
            cuts("axial", SOFT, 0.12, 0.32, 0.47, 0.62, 0.72, 0.92), FINE),
        Row("knee", {"sex": "male", "age_years": 42, "bmi": 25}, 6,
            (*cuts("sagittal", SOFT, 0.36, 0.46, 0.50, 0.62), *cuts("coronal", BONE, 0.36, 0.43, 0.52)), FINE),
    ),
    "breast": tuple(
        Row("breast", {"sex": "female", "age_years": age, "bmi": bmi}, seed,
            (*cuts("axial", BREAST, 0.38, 0.45, 0.52), *cuts("sagittal", BREAST, 0.45, 0.55)), FINE)
        for seed, age, bmi in ((3, 28, 20), (5, 45, 25), (9, 58, 29), (12, 72, 34))
    ),
}  # fmt: skip


def case_of(row: Row) -> tuple[NDArray[np.int16], tuple[float, ...]]:
    """Return HU and spacing of the row's case, cropped to the body."""
    phantom = {"body": row.body, "range": row.scan_range or row.body}
    recipe = ms.load_recipe({"description": f"figure of the {row.body}", "phantom": phantom, "subject": row.subject,
                             "acquisitions": {"ct": row.scan}})  # fmt: skip
    case = ms.generate_case(recipe, seed=row.seed)
    image, held = case.images["ct"], np.argwhere(case.labels["ct"].array.max(axis=0) > 0)
    spare = round(MARGIN_MM / image.grid.spacing_mm[1])
    low, high = np.maximum(held.min(axis=0) - spare, 0), held.max(axis=0) + 1 + spare
    return image.array[:, low[0] : high[0], low[1] : high[1]], image.grid.spacing_mm


def tile(hu: NDArray[np.int16], steps_mm: tuple[float, ...], cut: tuple[str, float, tuple[float, float]],
         height_px: int) -> Image.Image:
    """Return one cut at its window, true aspect and the row's height."""
    plane, place, (centre, width) = cut
    axis = ("axial", "coronal", "sagittal").index(plane)
    flat = hu.take(int(place * hu.shape[axis]), axis=axis)
    flat = flat if axis == 0 else flat[::-1]
    row_mm, column_mm = (step for n, step in enumerate(steps_mm) if n != axis)
    grey = np.asarray(np.clip((flat - centre + width / 2) / width, 0, 1) * 255, np.uint8)
    size = round(height_px * flat.shape[1] * column_mm / (flat.shape[0] * row_mm)), height_px
    return Image.fromarray(grey).resize(size, Image.Resampling.LANCZOS)


def draw(name: str) -> None:
    """Draw one sheet."""
    made: dict[tuple[str, int], tuple[NDArray[np.int16], tuple[float, ...]]] = {}
    lines = []
    for row in SHEETS[name]:
        key = row.body, row.seed
        if key not in made:
            made[key] = case_of(row)
        lines.append([tile(*made[key], cut, row.height_px) for cut in row.cuts])
    width = max(sum(cut.width for cut in line) for line in lines)
    sheet, top = Image.new("L", (width, sum(line[0].height for line in lines))), 0
    for line in lines:
        left = 0
        for cut in line:
            sheet.paste(cut, (left, top))
            left += cut.width
        top += line[0].height
    out = Path(__file__).with_name(f"{name}.png")
    sheet.quantize(96, dither=Image.Dither.NONE).save(out, optimize=True)
    print(out.name, sheet.size, f"{out.stat().st_size / 1024:.0f} KiB", flush=True)


if __name__ == "__main__":
    for sheet_name in sys.argv[1:] or SHEETS:
        draw(sheet_name)
