"""Draw figures/mri.png: one head in eight contrasts, not retouched; each in the window its files name.

Run: python docs/figures/mri.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from medsynth.acquire.mri.acquire import acquire_mri
from medsynth.acquire.mri.protocol import MriProtocol
from medsynth.core.seed import Seed
from medsynth.scene.body import load_body
from medsynth.scene.structure import Scene
from medsynth.scene.subject import Subject

PLACE_MM = 14.0  # height of the slice over the origin
TILE = 300
SHOWN: tuple[tuple[str, dict[str, Any]], ...] = (
    ("T1w MPRAGE", {"preset": "brain-t1w", "plane": "axial"}),
    ("T2w TSE", {"preset": "brain-t2w"}),
    ("FLAIR", {"preset": "brain-flair"}),
    ("T1w SE, 1.5 T", {"preset": "brain-t1w-se"}),
    ("SWI", {"preset": "brain-swi"}),
    ("TOF", {"preset": "brain-tof", "pixel_mm": 0.8, "slab_mm": None}),
    ("DWI b 1000", {"preset": "brain-dwi", "fidelity": "physics", "kspace": {"coils": {"count": 8}}}),
    ("random contrast", {"sequence": "random", "pixel_mm": 1.0, "slice_thickness_mm": 2.0,
                         "random": {"native_chance": 1.0}}),
)


def tile(scene: Scene, words: str, settings: dict[str, Any]) -> np.ndarray:
    """Return the slice at `PLACE_MM` as 8-bit grey."""
    one = acquire_mri(scene, (), MriProtocol(**settings), seed=Seed(3).child(words))
    k = int(np.clip(round(float(one.image.grid.index_kji((0, 0, PLACE_MM))[0])), 0, len(one.image.array) - 1))
    plane = one.image.array[k].astype(float)
    if words == "TOF":  # as it is looked at: the maximum over a slab
        plane = one.image.array[max(0, k - 30):k + 10].max(axis=0).astype(float)
    centre, width = one.scanner.window
    grey = np.clip((plane - centre + width / 2) / width, 0, 1) * 255
    image = Image.fromarray(grey.astype(np.uint8))
    size = [round(n * mm * TILE / 240) for n, mm in zip(plane.shape[::-1], one.image.grid.spacing_mm[::-1][:2],
                                                       strict=True)]
    out = Image.new("L", (TILE, TILE))
    image = image.resize((size[0], size[1]), Image.Resampling.BICUBIC)
    out.paste(image, ((TILE - image.width) // 2, (TILE - image.height) // 2))
    ImageDraw.Draw(out).text((6, 4), words, fill=255)
    return np.asarray(out)


def main() -> None:
    """Write the figure."""
    body, subject = load_body("head"), Subject("female", 52.0, 168.0, 66.0)
    scene = body.build(subject, body.sample_spec(subject, rng=Seed(3).rng()))
    tiles = [tile(scene, words, settings) for words, settings in SHOWN]
    sheet = np.vstack([np.hstack(tiles[:4]), np.hstack(tiles[4:])])
    Image.fromarray(sheet).save(Path(__file__).with_name("mri.png"), optimize=True)


if __name__ == "__main__":
    main()
