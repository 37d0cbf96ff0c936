"""Draw docs/figures/ct.png: what the two CT tiers make of the same bodies. Nothing in it is retouched.

Run from the repository root: `python docs/figures/ct.py`. It scans a few slices of three bodies (1-3 minutes).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from medsynth.acquire.ct.acquire import acquire_ct
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.scene.acquired import Acquired
from medsynth.scene.body import load_body
from medsynth.scene.structure import Scene
from medsynth.scene.subject import Subject

SOMEONE = Subject("male", 60.0, 176.0, 80.0)
SOFT, LUNG, WIDE, NARROW = (40.0, 400.0), (-600.0, 1500.0), (150.0, 1400.0), (80.0, 300.0)
STEP_MM, SLICES = 2.5, 3
TILE_PX, GREYS = 340, 64


def thin_scene(body: str, part: str, at: float, **spec: int) -> Scene:
    """Return a body of which a scan covers few slices, `at` of the way up the range `part`."""
    person = load_body(body)
    scene = person.build(SOMEONE, {**person.sample_spec(SOMEONE, rng=Seed(3).rng()), **spec})
    low, high = scene.scan_range_mm[part]
    middle, half = low + at * (high - low), STEP_MM * SLICES / 2
    return replace(scene, scan_range_mm={part: (middle - half, middle + half)})


def scan(scene: Scene, fidelity: str = "physics", physics: dict[str, Any] | None = None, **settings: Any) -> Acquired:
    """Return the scan of a scene."""
    part, = scene.scan_range_mm
    protocol = CtProtocol(fidelity=fidelity, scan_range=part, slice_thickness_mm=STEP_MM, matrix=512,
                          physics=physics or {}, **settings)
    return acquire_ct(scene, [], protocol, seed=Seed(1))


def tile(image: Volume, window: tuple[float, float], words: str, box_mm: tuple[float, float, float, float]
         ) -> Image.Image:
    """Return the middle slice at a (centre, width) window.

    box_mm : what is shown: (x, y) of its middle from the image's, width and height.
    """
    hu, pixel_mm = image.array[SLICES // 2].astype(float), image.grid.spacing_mm[2]
    grey: NDArray[np.uint8] = np.asarray(np.clip((hu - window[0]) / window[1] + 0.5, 0, 1) * 255, np.uint8)
    x, y, width, height = box_mm
    left, top = (hu.shape[1] / 2 + (x - width / 2) / pixel_mm, hu.shape[0] / 2 + (y - height / 2) / pixel_mm)
    picture = Image.fromarray(grey).resize((TILE_PX, round(TILE_PX * height / width)), Image.Resampling.LANCZOS, box=(
        left, top, left + width / pixel_mm, top + height / pixel_mm))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, draw.textlength(words) + 8, 14), fill=0)
    draw.text((4, 1), words, fill=230)
    return picture


def chest_rows() -> list[list[Image.Image]]:
    """Return both tiers at two windows, and the same slice while the chest rises."""
    scene = thin_scene("thorax", "chest", 0.40)
    settings = {"mas": 60.0, "reconstruction": "fbp"}
    fast, still = scan(scene, "fast", **settings).image, scan(scene, **settings).image
    moved = scan(scene, physics={"motion": {"breathing_mm": 12.0, "heart_percent": 12.0}}, **settings).image
    box = (0.0, -12.0, 370.0, 262.0)
    return [[tile(fast, SOFT, "fast tier, 60 mAs", box), tile(still, SOFT, "physics tier, 60 mAs", box),
             tile(fast, LUNG, "fast tier", box), tile(still, LUNG, "physics tier", box)],
            [tile(still, SOFT, "physics, at rest", box), tile(moved, SOFT, "breathing 12 mm, heart 12 % a turn", box),
             tile(still, LUNG, "physics, at rest", box), tile(moved, LUNG, "breathing 12 mm, heart 12 % a turn", box)]]


def hip_row() -> list[Image.Image]:
    """Return an artificial hip with and without what makes streaks."""
    scene = thin_scene("pelvis", "pelvis", 0.42, hip_implant=1)
    found = scan(scene, physics={"pairs": {"targets": ["noise_free", "artifact_free", "artifact_map"]}}, mas=150.0,
                 kernel="soft", reconstruction="fbp")
    box = (0.0, 0.0, 400.0, 250.0)
    pairs = {name: volume for name, (volume, _) in found.pairs.items()}
    return [tile(found.image, SOFT, "artificial hip, 150 mAs", box),
            tile(pairs["noise_free"], SOFT, "target: noise_free", box),
            tile(pairs["artifact_free"], SOFT, "target: artifact_free", box),
            tile(pairs["artifact_map"], (0.0, 400.0), "artifact_map, +- 200 HU", box)]


def dose_row() -> list[Image.Image]:
    """Return the liver at three doses, and without noise."""
    scene = thin_scene("abdomen", "abdomen", 0.62)
    found = scan(scene, physics={"pairs": {"dose_percent": [25.0, 10.0], "targets": ["noise_free"]}}, mas=150.0,
                 kernel="soft", phase="portal")
    box = (-35.0, 0.0, 260.0, 185.0)
    return [tile(found.image, NARROW, "portal venous, 150 mAs = 100 %", box),
            *(tile(found.pairs[f"dose_{percent}"][0], NARROW, f"{percent} % of the dose", box) for percent in (25, 10)),
            tile(found.pairs["noise_free"][0], NARROW, "target: noise_free", box)]


def main() -> None:
    """Scan, and write the figure."""
    both, breathing = chest_rows()
    rows = [both, hip_row(), dose_row(), breathing]
    sheet = Image.new("L", (4 * TILE_PX, sum(row[0].height for row in rows)))
    y = 0
    for row in rows:
        for n, picture in enumerate(row):
            sheet.paste(picture, (n * TILE_PX, y))
        y += row[0].height
    out = Path(__file__).with_name("ct.png")
    sheet.quantize(GREYS, dither=Image.Dither.NONE).save(out, optimize=True)
    print(out, sheet.size, f"{out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
