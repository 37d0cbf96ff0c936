"""Draw the sheets of the abdomen's and pelvis' lesions, docs/images/lesions/SHEET.png: lesion and twin side by side.

Run from the repository root: `python docs/figures/lesions_abdomen.py [SHEET ...]`; without names it draws all.
Every cell is a slice of a simulated scan as it came out; only the window is chosen.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from medsynth.acquire.ct.fast import image_phantom
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.acquire.mri.acquire import acquire_mri
from medsynth.acquire.mri.protocol import MriProtocol
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.lesions.families import build_lesions, family, sample_lesions
from medsynth.scene.rasterize import rasterize, with_lesions
from medsynth.scene.structure import Scene
from medsynth.scene.subject import Subject
from phantoms.torso import ABDOMEN, PELVIS

FOLDER = Path("docs/images/lesions")
CELL_PX = 190
PEOPLE = {"abdomen man": (ABDOMEN, Subject("male", 58.0, 176.0, 82.0)),
          "abdomen woman": (ABDOMEN, Subject("female", 47.0, 164.0, 64.0)),
          "pelvis man": (PELVIS, Subject("male", 64.0, 176.0, 80.0)),
          "pelvis woman": (PELVIS, Subject("female", 41.0, 165.0, 66.0))}


@dataclass(frozen=True)
class Row:
    """One lesion of one person in several scans.

    `scans` are CT phases, or MR presets; `half_mm` is half of the view; `plane` axial or coronal; `at` moves the
    slice from the lesion's middle, LPS mm.
    """

    person: str
    kind: str
    options: dict[str, Any]
    scans: tuple[str, ...] = ("arterial", "portal")
    seed: int = 1
    half_mm: float = 55.0
    plane: str = "axial"
    window: tuple[float, float] = (-100.0, 240.0)
    at: tuple[float, float, float] = field(default=(0.0, 0.0, 0.0))


def liver(kind: str, diameter_mm: float, seed: int = 1, **more: Any) -> Row:
    """Return the row of a focal liver lesion."""
    return Row("abdomen man", "liver_lesion", {"count": 1, "types": {kind: 1}, "diameter_mm": diameter_mm, **more},
               seed=seed)


ALL = {"probability": 1}
SHEETS: dict[str, tuple[Row, ...]] = {
    "liver": (
        liver("metastasis", 30), liver("hcc", 42, seed=2, capsule=ALL, washout=1, arterial_enhancement=1),
        liver("cyst", 24, seed=3), liver("haemangioma", 34, seed=4),
        Row("abdomen woman", "steatosis", {"fat_fraction": 0.25, "patterns": {"geographic": 1}, "sparing": 0},
            ("none", "portal"), half_mm=110.0, at=(40.0, -10.0, 45.0))),
    "kidney": (
        Row("abdomen man", "kidney_cyst", {"count": 1, "bosniak": {"I": 1}, "diameter_mm": 30, "exophytic": -0.2},
            ("none", "portal")),
        Row("abdomen man", "kidney_cyst", {"count": 1, "bosniak": {"III": 1}, "diameter_mm": 40}, ("none", "portal"),
            2),
        Row("abdomen man", "renal_mass", {"types": {"clear_cell": 1}, "diameter_mm": 42}),
        Row("abdomen man", "renal_mass", {"types": {"angiomyolipoma": 1}, "diameter_mm": 30}, seed=2),
        Row("abdomen woman", "kidney_stone", {"count": 1, "sites": {"upj": 1}, "diameter_mm": 8}, ("none", "portal"))),
    "bile-pancreas-spleen": (
        Row("abdomen woman", "gallstones", {"count": 1, "compositions": {"mixed": 1}, "diameter_mm": 12}, ("none",
                                                                                                           "portal")),
        Row("abdomen man", "pancreatic_cancer", {"sites": {"neck": 1}, "diameter_mm": 26, "contrast_hu": 45,
                                                 "iso_share": 0, "duct_mm": 7, "atrophy": 0.4}, seed=2),
        Row("abdomen man", "adrenal_nodule", {"types": {"adenoma_lipid_rich": 1}, "diameter_mm": 20}, ("none",
                                                                                                       "portal")),
        Row("abdomen man", "splenic_lesion", {"count": 1, "types": {"infarct": 1}, "diameter_mm": 28}),
        Row("abdomen man", "splenic_lesion", {"count": 1, "types": {"lymphoma": 1}, "diameter_mm": 20}, seed=3)),
    "vessels-cavity": (
        Row("abdomen man", "aortic_aneurysm", {"diameter_mm": 54, "thrombus": ALL, "calcified": ALL}, seed=2,
            half_mm=70.0),
        Row("abdomen woman", "aortic_dissection", {"thrombosed": 0, "true_share": 0.35}, half_mm=45.0,
            window=(-100.0, 400.0)),
        Row("abdomen man", "lymphadenopathy", {"count": 1, "short_axis_mm": 22}),
        Row("abdomen woman", "ascites", {"volume_ml": 1100}, ("none", "portal"), half_mm=125.0, at=(0.0, 0.0, 10.0))),
    "bowel": (
        Row("abdomen woman", "appendicitis", {"diameter_mm": 12, "stone": 1}, ("none", "portal"), window=(-150.0,
                                                                                                          220.0)),
        Row("abdomen woman", "bowel_obstruction", {"diameter_mm": 34, "extent": 0.6}, ("none", "portal"), half_mm=110.0,
            window=(-150.0, 250.0))),
    "female-pelvis": (
        Row("pelvis woman", "fibroid", {"count": 1, "sites": {"intramural": 1}, "diameter_mm": 30}, ("none", "portal")),
        Row("pelvis woman", "ovarian_cyst", {"types": {"simple": 1}, "diameter_mm": 40}, ("none", "portal")),
        Row("pelvis woman", "ovarian_cyst", {"types": {"dermoid": 1}, "diameter_mm": 44}, ("none", "portal"), 2)),
    "prostate": (
        Row("pelvis man", "prostate_lesion", {"count": 1, "types": {"cancer": 1}, "zones": {"peripheral": 1},
                                              "diameter_mm": 14, "conspicuity": 0.95}, ("prostate-t2w", "prostate-dwi"),
            half_mm=38.0),
        Row("pelvis man", "prostate_lesion", {"count": 1, "types": {"cancer": 1}, "zones": {"transition": 1},
                                              "diameter_mm": 14, "conspicuity": 0.95}, ("prostate-t2w",
                                                                                        "prostate-dwi"), 2,
            half_mm=38.0),
        Row("pelvis man", "prostate_lesion", {"count": 1, "types": {"bph_nodule": 1}, "diameter_mm": 15},
            ("prostate-t2w", "prostate-dwi"), half_mm=38.0)),
}


@cache
def scene_of(person: str) -> Scene:
    """Build a person."""
    body, subject = PEOPLE[person]
    return body.build(subject, body.sample_spec(subject, rng=Seed(21).child(person).rng()))


def cells(row: Row) -> list[np.ndarray]:
    """Return lesion and twin in each scan, uint8."""
    scene = scene_of(row.person)
    specs = sample_lesions([family(row.kind).options(**row.options)], scene, rng=Seed(row.seed).child(row.kind).rng())
    lesions = build_lesions(specs, scene)
    centre = np.asarray(specs[0]["centre_mm"]) + row.at
    found = []
    for scan in row.scans:
        if scan in ("none", "arterial", "portal"):
            half = np.array([row.half_mm, row.half_mm, 5.0] if row.plane == "axial" else [row.half_mm, 5.0,
                                                                                          row.half_mm])
            step = (2.5, 0.8, 0.8) if row.plane == "axial" else (0.8, 2.5, 0.8)
            healthy = rasterize(scene, Grid.covering(centre - half, centre + half, step))
            ill, _ = with_lesions(healthy, scene, lesions)
            got = image_phantom(ill, healthy, CtProtocol(phase=scan, mas=180, slice_thickness_mm=2.5), seed=Seed(3),
                                twin=True)
            pair = [got.image.array, got.twin.array]  # type: ignore[union-attr]
            low, high = row.window
            for image in pair:
                flat = image[image.shape[0] // 2] if row.plane == "axial" else image[::-1, image.shape[1] // 2]
                found.append((flat - low) / (high - low))
        else:
            name = next(iter(scene.scan_range_mm))
            got = acquire_mri(scene, lesions, MriProtocol(preset=scan, scan_range=name), seed=Seed(3), twin=True)
            k, j, i = np.rint(got.image.grid.index_kji(centre)).astype(int)
            reach = int(row.half_mm / got.image.grid.spacing_mm[1])
            for image in (got.image.array, got.twin.array):  # type: ignore[union-attr]
                flat = np.pad(image[k].astype(float), reach)[j:j + 2 * reach, i:i + 2 * reach]
                found.append(flat / np.percentile(flat, 99.5))
    return [np.asarray(Image.fromarray((np.clip(one, 0, 1) * 255).astype(np.uint8)).resize((CELL_PX, CELL_PX),
                                                                                         Image.Resampling.BICUBIC))
            for one in found]


def main() -> None:
    """Draw the sheets named on the command line."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or SHEETS:
        sheet = np.vstack([np.hstack(cells(row)) for row in SHEETS[name]])
        Image.fromarray(sheet // 4 * 4).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
