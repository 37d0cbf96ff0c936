"""Draw docs/figures/xray.png: views of four bodies, and pairs of one exposure. Nothing in it is retouched.

Run from the repository root: `python docs/figures/xray.py`; `--all` draws every view. With a folder of other chest
radiographs (PNG), `python docs/figures/xray.py --beside FOLDER -o mixed.png` draws ten of ours mixed with ten of those
instead, to look at: such a sheet is not for the repository.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import medsynth as ms

HEIGHT_PX, WIDTH_PX = 330, 1500
ADULT = {"sex": "female", "age_years": 48, "height_cm": 167, "weight_kg": 66}
PA, RAISED, LYING = ({"arms_down": 2, "upright": 1}, {"arms_down": 0, "upright": 1},
                     {"arms_down": 1, "upright": 0, "breath": 0.8})
Views = tuple[tuple[str, Mapping[str, Any], tuple[Mapping[str, Any], ...]], ...]
# Body, its spec, and the acquisitions of it that are shown.
VIEWS: Views = (
    ("knee", {}, ({"view": "knee_ap", "look": "bone"}, {"view": "knee_lateral", "look": "bone"})),
    ("breast", {}, ({"view": "mammo_cc"}, {"view": "mammo_mlo"})),
    ("thorax", PA, ({"view": "chest_pa", "pairs": {"looks": ["soft", "bone"], "targets": [
        "for_processing", "bone_suppressed", "scatter_free"]}},)),
    ("pelvis", {}, ({"view": "pelvis_ap"},)),
)
FURTHER: Views = (
    ("thorax", RAISED, ({"view": "chest_lateral"},)),
    ("thorax", LYING, ({"view": "chest_ap_supine"},)),
    ("torso", {}, ({"view": "abdomen_ap"},)),
    ("head", {}, ({"view": "skull_ap"}, {"view": "skull_lateral"})),
)
COARSE = {"chest": (0.3, (0.8, 2.0)), "abdomen": (0.3, (0.9, 2.0)), "pelvis": (0.3, (0.8, 2.0)),
          "skull": (0.25, (0.6, 1.0)), "knee": (0.15, (0.4, 0.6)), "mammo": (0.14, (0.3, 0.7))}


def radiographs(body: str, spec: Mapping[str, Any], protocols: tuple[Mapping[str, Any], ...], seed: int
                ) -> list[tuple[str, Image.Image]]:
    """Return the images of one case with what they are, its pairs after each."""
    acquisitions = {}
    for protocol in protocols:
        pixel_mm, voxel_mm = COARSE[protocol["view"].split("_")[0]]
        acquisitions[protocol["view"].replace("_", "-")] = {"modality": "xray", "pixel_mm": pixel_mm,
                                                            "voxel_mm": voxel_mm, **protocol}
    case = ms.generate_case(ms.load_recipe({"phantom": {"body": body, "spec": dict(spec)}, "subject": ADULT,
                                            "acquisitions": acquisitions}), seed=seed)
    shown = []
    for name, one in case.acquired.items():
        shown.append((name.replace("-", " "), tile(one.image.array[0])))
        shown += [(pair.replace("_", " "), tile(volume.array[0])) for pair, (volume, _) in one.pairs.items()]
    return shown


def progress(tiles: list[tuple[str, Image.Image]]) -> list[tuple[str, Image.Image]]:
    """Return the tiles, and tell that they are done: a case takes minutes."""
    print(", ".join(name for name, _ in tiles), flush=True)
    return tiles


def tile(values: NDArray[np.uint16], height_px: int = HEIGHT_PX) -> Image.Image:
    """Return an image as 8 bits at the sheet's height; readings between nothing and the open beam."""
    top = 4095 if values.max() <= 4095 else float(np.percentile(values, 99.5))
    grey = np.clip(values / top, 0, 1) * 255
    width = round(height_px * values.shape[1] / values.shape[0])
    return Image.fromarray(grey.astype(np.uint8)).resize((width, height_px), Image.Resampling.LANCZOS)


def sheet(tiles: list[tuple[str, Image.Image]], width_px: int = WIDTH_PX) -> Image.Image:
    """Return the tiles in rows, each with its name."""
    rows: list[list[tuple[str, Image.Image]]] = [[]]
    for one in tiles:
        if rows[-1] and sum(t.width for _, t in rows[-1]) + one[1].width > width_px:
            rows.append([])
        rows[-1].append(one)
    whole = Image.new("L", (width_px, sum(row[0][1].height for row in rows)))
    draw, y = ImageDraw.Draw(whole), 0
    for row in rows:
        x = 0
        for name, picture in row:
            whole.paste(picture, (x, y))
            draw.text((x + 5, y + 4), name, fill=255, stroke_width=1, stroke_fill=0)
            x += picture.width
        y += row[0][1].height
    return whole


def beside(folder: Path) -> Image.Image:
    """Return ten of ours and the folder's radiographs, mixed by a fixed shuffle, without names."""
    others = [Image.open(path).convert("L") for path in sorted(folder.glob("*.png"))[:10]]
    height = 300
    tiles = [("", picture.resize((round(height * picture.width / picture.height), height))) for picture in others]
    for seed in range(10):
        spec = LYING if seed % 2 else {**PA, "breath": 0.9}
        view = "chest_ap_supine" if seed % 2 else "chest_pa"
        recipe = {"phantom": {"body": "thorax", "spec": dict(spec)}, "acquisitions": {"cxr": {
            "modality": "xray", "view": view, "pixel_mm": 0.4, "voxel_mm": (1.0, 2.5)}}}
        tiles.append(("", tile(ms.generate_case(ms.load_recipe(recipe), seed=seed).images["cxr"].array[0], height)))
    order = np.random.default_rng(5).permutation(len(tiles))
    return sheet([tiles[n] for n in order])


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", type=Path)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).with_name("xray.png"))
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    if arguments.beside:
        picture = beside(arguments.beside)
    else:
        picture = sheet([one for entry in VIEWS + FURTHER * arguments.all
                         for one in progress(radiographs(*entry, arguments.seed))])
    picture.quantize(64, dither=Image.Dither.NONE).save(arguments.out, optimize=True)
    print(arguments.out, picture.size, f"{arguments.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
