"""How chest radiographs look in numbers: ours beside a folder of others, which is an argument and stays where it is.

    python benchmarks/xray_look.py OURS [--others FOLDER] [--ratios 0.50 0.47 ...]

OURS is a folder of PNG images (8, 12 or 16 bits), or a dataset made with `--formats png`, whose annotations tell the
cardiothoracic ratios, too; `--ratios` are those of the others, measured by a person. Every image is cropped to what is
not plain black or white border, and brought to 512 pixels across, so that bands mean about the same width.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medsynth.acquire.xray.pyramid import decompose

WIDTH = 512
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
Grey = NDArray[np.float32]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours", type=Path)
    parser.add_argument("--others", type=Path)
    parser.add_argument("--ratios", type=float, nargs="*", default=[])
    arguments = parser.parse_args()
    print_table("ours", arguments.ours)
    if arguments.others:
        print_table("others", arguments.others)
    for title, ratios in (("ours", cardiothoracic_ratios(arguments.ours)), ("others", arguments.ratios)):
        if ratios:
            print(f"cardiothoracic ratio, {title}: {min(ratios):.2f} to {max(ratios):.2f}, median "
                  f"{np.median(ratios):.2f} of {len(ratios)}")


def cardiothoracic_ratios(folder: Path) -> list[float]:
    """Return the ratios that the annotations below a folder tell."""
    found = []
    for path in sorted(folder.rglob("annotations.json")):
        acquisitions = json.loads(path.read_text(encoding="utf-8"))["acquisitions"]
        measures = [one.get("measures", {}) for one in acquisitions.values()]
        found += [float(m["cardiothoracic_ratio"]) for m in measures if "cardiothoracic_ratio" in m]
    return found


def print_table(title: str, folder: Path) -> None:
    """Print grey values and band contrasts of the images in a folder: each image, then median and range."""
    paths = [path for path in sorted(folder.rglob("*.png")) if path.name != "preview.png"]
    rows = {path.name: measures(loaded(path)) for path in paths}
    names = list(next(iter(rows.values())))
    print(f"\n{title}: {len(rows)} images in {folder}")
    print(f"{'':>24} " + " ".join(f"{name:>8}" for name in names))
    for name, values in rows.items():
        print(f"{name[-24:]:>24} " + " ".join(f"{values[n]:8.3f}" for n in names))
    table = np.array([[values[n] for n in names] for values in rows.values()])
    for word, line in (("least", table.min(0)), ("median", np.median(table, 0)), ("most", table.max(0))):
        print(f"{word:>24} " + " ".join(f"{value:8.3f}" for value in line))


def loaded(path: Path) -> Grey:
    """Return an image, 0 to 1, without its plain borders, `WIDTH` pixels across."""
    pixels = np.asarray(Image.open(path).convert("I"), np.float32)
    grey = pixels / next(top for top in (255, 4095, 65535) if pixels.max() <= top)
    plain = (grey < 0.02) | (grey > 0.98)
    rows, columns = (np.flatnonzero(plain.mean(axis=axis) < 0.6) for axis in (1, 0))
    if len(rows) and len(columns):
        grey = grey[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    height = round(grey.shape[0] * WIDTH / grey.shape[1])
    return np.asarray(Image.fromarray(grey).resize((WIDTH, height), Image.Resampling.LANCZOS), np.float32)


def measures(grey: Grey) -> dict[str, float]:
    """Return percentiles of the grey values, and the SD of the bands of the middle of the image, as grey values."""
    found = {f"p{p}": float(np.percentile(grey, p)) for p in PERCENTILES}
    bands, rest = decompose(grey, 6)
    for n, band in enumerate(bands):
        inner = band[band.shape[0] // 8:-band.shape[0] // 8, band.shape[1] // 8:-band.shape[1] // 8]
        found[f"{2**n}px"] = 100 * float(inner.std())
    found["rest"] = 100 * float(rest.std())
    return found


if __name__ == "__main__":
    main()
