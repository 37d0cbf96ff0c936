"""A body without a scanner: draw a person, change one number of the spec, build, voxelise, measure and look.

Run: python examples/thorax_body.py [picture.png]
"""

import sys

import numpy as np
from PIL import Image

from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.body import load_body
from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject

seed, body = Seed(7), load_body("thorax")
subject = Subject("female", age_years=62, height_cm=165, weight_kg=72)
spec = dict(body.sample_spec(subject, rng=seed.child("spec").rng()))
spec["liver_ml"] *= 1.3  # the same woman with a large liver
scene = body.build(subject, spec)

low, high = scene.bounds_mm
bottom, top = scene.scan_range_mm["chest"]
phantom = rasterize(scene, Grid.covering((*low[:2], bottom), (*high[:2], top), (2.0, 2.0, 2.0)))
for name, ml in phantom.volumes_ml().items():
    if name in ("lobe_right_upper", "left_ventricle", "liver", "spleen"):
        print(f"{name:18} {ml:6.0f} ml")

colours = seed.child("colours").rng().integers(60, 255, (65536, 3)).astype(np.uint8)
colours[0] = 0
k, j, i = (n // 2 for n in phantom.grid.shape_kji)
image = phantom.organ_image()
planes = [image[k], image[::-1, j], image[::-1, :, i]]  # axial; coronal and sagittal, head up
height = max(plane.shape[0] for plane in planes)
picture = np.hstack([np.pad(colours[p], ((0, height - p.shape[0]), (0, 4), (0, 0))) for p in planes])
Image.fromarray(picture).save(sys.argv[1] if len(sys.argv) > 1 else "thorax.png")
