"""Draw a sheet of insertions, before and after, into images of your own.

python docs/figures/insertion.py OUT.png IMAGE KIND X,Y,Z [OPTION=VALUE ...] [-- IMAGE KIND ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from medsynth.core.seed import Seed
from medsynth.dataset.reading import parse_assignments
from medsynth.insertion.files import read_image
from medsynth.insertion.insert import Insertion, insert_lesion

HALF_MM = 45.0
TILE_PX = 320
WINDOWS = {"lung": (-1350.0, 150.0), "soft": (-160.0, 240.0)}


def row(words: list[str]) -> np.ndarray:
    """Return before, after and fraction of one insertion, side by side."""
    path, kind, place, *rest = words
    settings = parse_assignments(rest)
    own = {key: settings.pop(key) for key in ("weighting", "contrast", "phase", "window") if key in settings}
    window = own.pop("window", None)
    volume = read_image(Path(path)).volume
    at = tuple(float(v) for v in place.split(","))
    made = insert_lesion(volume, kind, how=Insertion(at_mm=at, options=settings, **own), seed=Seed(1))
    k, j, i = (round(v) for v in made.record.centre_kji)
    h = max(8, int(HALF_MM / volume.grid.spacing_mm[2]))
    part = (k, slice(max(0, j - h), j + h), slice(max(0, i - h), i + h))
    low, high = WINDOWS[window] if window in WINDOWS else np.quantile(volume.array[part], (0.01, 0.995))
    tiles = [np.clip((a[part].astype(float) - low) / (high - low) * 255, 0, 255)
             for a in (volume.array, made.image.array)] + [made.full(made.fraction)[part] * 255]
    return np.hstack([np.asarray(Image.fromarray(t.astype(np.uint8)).resize((TILE_PX, TILE_PX), Image.BICUBIC))
                      for t in tiles])


def main() -> None:
    """Draw a row for each call of the command line."""
    out, *words = sys.argv[1:]
    calls, one = [], []
    for word in [*words, "--"]:
        if word == "--":
            calls.append(one)
            one = []
        else:
            one.append(word)
    Image.fromarray(np.vstack([row(call) for call in calls if call])).save(out)
    print(out)


if __name__ == "__main__":
    main()
