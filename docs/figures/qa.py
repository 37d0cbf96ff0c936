"""Draw docs/figures/qa.png: one CT slice of every test object, and T1 of the MR sphere, which CT does not show.

Run from the repository root: `python docs/figures/qa.py`. Nothing in it is retouched.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medsynth.acquire.ct.acquire import acquire_ct
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.seed import Seed
from medsynth.scene.subject import Subject
from phantoms.qa import CTP404, CTP528, MITA, MR, ORIENTATION, RESOLUTION, SHEPP_LOGAN, WATER
from phantoms.qa.mr import relaxation

EDGE_PX = 360
# Object, height of the slice in mm, window (centre, width), mAs, kernel.
SLICES = (
    (WATER, 0.0, (0.0, 400.0), 100, "standard"), (SHEPP_LOGAN, -25.0, (30.0, 120.0), 2000, "soft"),
    (CTP404, 0.0, (50.0, 700.0), 300, "standard"), (CTP528, 0.0, (400.0, 1200.0), 2000, "sharp"),
    (MITA, 0.0, (5.0, 40.0), 2000, "soft"), (RESOLUTION, 0.0, (100.0, 600.0), 2000, "sharp"),
    (MR, 20.0, (1100.0, 2200.0), 300, "standard"), (ORIENTATION, 0.0, (200.0, 1200.0), 300, "standard"),
)  # fmt: skip


def _t1_ms(labels: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return T1 at 3 T of the vials, and a grey for water and shell."""
    table = np.zeros(65536)
    for structure in MR.structures():
        times = relaxation().get(structure.name)
        table[structure.label] = times["t1_ms_3T"] if times else 500.0
    return table[labels]


def main() -> None:
    """Scan every object and write the figure."""
    someone = Subject("female", 40.0, 165.0, 60.0)
    tiles = []
    for body, z_mm, (centre, width), mas, kernel in SLICES:
        scene = body.build(someone, {})
        low, high = scene.bounds_mm
        fov = float(np.subtract(high, low)[:2].max()) + 16.0
        protocol = CtProtocol(scan_range="all", fov_mm=fov, matrix=512, slice_thickness_mm=2.0, mas=mas, kernel=kernel)
        acquired = acquire_ct(scene, (), protocol, seed=Seed(1).child(body.name))
        k = round(float(acquired.image.grid.index_kji([0.0, 0.0, z_mm])[0]))
        shown = _t1_ms(acquired.phantom.labels[k]) if body is MR else acquired.image.array[k]
        grey = np.clip((shown - centre) / width + 0.5, 0, 1) * 255
        tiles.append(Image.fromarray(grey.astype(np.uint8)).resize((EDGE_PX, EDGE_PX), Image.Resampling.LANCZOS))
    sheet = Image.new("L", (4 * EDGE_PX, 2 * EDGE_PX))
    for n, tile in enumerate(tiles):
        sheet.paste(tile, (n % 4 * EDGE_PX, n // 4 * EDGE_PX))
    sheet.save(Path(__file__).with_name("qa.png"), optimize=True)


if __name__ == "__main__":
    main()
