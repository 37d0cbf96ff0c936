"""Look at the hand: a radiograph and CT slices of one adult, and the volume of its bones.

Run: python examples/hand_body/look.py [picture.png]    (after pip install examples/hand_body, or from its folder)
"""

import sys

import numpy as np
from hand_body import BODY
from PIL import Image

from medsynth.acquire.ct.hu import attenuation_table
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject

STEP_MM, HEIGHT_PX = 0.4, 760
subject = Subject("male", age_years=45, height_cm=177, weight_kg=78)
scene = BODY.build(subject, BODY.sample_spec(subject, rng=Seed(3).rng()))
(x0, y0, _), (x1, y1, _) = scene.bounds_mm
low, high = scene.scan_range_mm["hand"]
phantom = rasterize(scene, Grid.covering((x0 - 4, y0 - 4, low), (x1 + 4, y1 + 4, high), (STEP_MM,) * 3))
for name, ml in phantom.volumes_ml().items():
    if name in ("scaphoid", "capitate", "metacarpal_middle", "thenar_muscles"):
        print(f"{name:18} {ml:5.1f} ml")

table = attenuation_table(phantom.structures, 120.0, "none")
share = phantom.fraction.astype(np.float32) / 255
above_air = table[phantom.labels] * (1 + phantom.texture * np.float32(1e-4)) * (1 - share)
above_air += table[phantom.neighbour] * share
hu = above_air - 1000


def shown(plane: np.ndarray, centre: float, width: float) -> Image.Image:
    """Return a plane in a window, at the height of the picture."""
    grey = Image.fromarray((np.clip((plane - centre) / width + 0.5, 0, 1) * 255).astype(np.uint8))
    return grey.resize((round(grey.width * HEIGHT_PX / grey.height), HEIGHT_PX), Image.Resampling.LANCZOS)


absorbed = -np.expm1(-2.4e-5 * above_air[::-1].sum(axis=1) * STEP_MM)
slices = [hu[int(phantom.grid.index_kji([0, 0, z])[0])] for z in (-40.0, -12.0, 25.0, 55.0, 95.0)]
slices = [s[: s.shape[0] // 5 * 5] for s in slices]
j = int(phantom.grid.index_kji(scene.landmarks["knuckle_middle"])[1])
panels = [shown(absorbed / absorbed.max(), 0.5, 1.0), shown(hu[::-1, j], 300, 1500), shown(np.vstack(slices), 120, 900)]
picture = Image.new("L", (sum(p.width for p in panels), HEIGHT_PX))
for n, panel in enumerate(panels):
    picture.paste(panel, (sum(p.width for p in panels[:n]), 0))
picture.save(sys.argv[1] if len(sys.argv) > 1 else "hand.png")
