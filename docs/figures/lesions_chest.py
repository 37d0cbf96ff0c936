"""Draw docs/images/lesions/*.png of the chest: each family beside its lesion-free twin, CT in two windows.

Run from the repository root: `python docs/figures/lesions_chest.py [KIND ...]`. Nothing in them is retouched.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medsynth.acquire.ct.fast import image_phantom
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.acquire.xray.acquire import acquire_xray
from medsynth.acquire.xray.protocol import XrayProtocol
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.lesions.families import family
from medsynth.scene.body import load_body
from medsynth.scene.lesion_parts import part_labels
from medsynth.scene.rasterize import rasterize, with_lesions
from medsynth.scene.structure import Lesion, Scene
from medsynth.scene.subject import Subject

OUT = Path(__file__).parents[1] / "images" / "lesions"
LUNG, SOFT, VESSEL, BONE = (-600.0, 1500.0), (40.0, 400.0), (150.0, 700.0), (350.0, 1600.0)
STEP_MM, SLICE_MM = 1.3, 2.0
WIDTH_PX = 260
FIGURES: dict[str, tuple[list[tuple[str, dict[str, Any]]], tuple[tuple[float, float], ...], str]] = {
    "consolidation": ([("consolidation", {"lobes": {"lobe_right_lower": 1}, "share": 0.5,
                                          "bronchograms": {"probability": 1}})], (LUNG, SOFT), "none"),
    "ground_glass_pneumonia": ([("ground_glass_pneumonia", {"count": 4, "crazy_paving": {"probability": 1}})],
                               (LUNG, SOFT), "none"),
    "pleural_effusion": ([("pleural_effusion", {"sides": {"both": 1}, "volume_ml": 550})], (LUNG, SOFT), "portal"),
    "pneumothorax": ([("pneumothorax", {"sides": {"left": 1}, "volume_ml": 600})], (LUNG, SOFT), "none"),
    "pulmonary_embolism": ([("pulmonary_embolism", {"count": 3, "saddle": {"probability": 1}})], (VESSEL, SOFT),
                           "arterial"),
    "emphysema": ([("emphysema", {"types": {"mixed": 1}, "share": 0.15})], ((-750.0, 700.0), LUNG), "none"),
    "atelectasis": ([("atelectasis", {"types": {"lobar": 1}, "lobes": {"lobe_left_lower": 1}}),
                     ("atelectasis", {"types": {"plate": 1}, "lobes": {"lobe_right_lower": 1}})], (LUNG, SOFT), "none"),
    "lung_cavity": ([("lung_cavity", {"types": {"abscess": 1}, "diameter_mm": 48, "wall_share": 0.25,
                                      "fluid_level": {"probability": 1, "low": 0.4, "high": 0.5}})], (LUNG, SOFT),
                    "portal"),
    "thoracic_lymph_node": ([("thoracic_lymph_node", {"count": 4, "short_axis_mm": 19})], (SOFT, LUNG), "portal"),
}
RADIOGRAPH = [("consolidation", {"lobes": {"lobe_left_lower": 1}, "share": 0.3}),
              ("pleural_effusion", {"sides": {"right": 1}, "volume_ml": 800, "posture": "upright"}),
              ("pneumothorax", {"sides": {"left": 1}, "rim_mm": 32, "posture": "upright"})]


def grey(values: NDArray[Any], window: tuple[float, float]) -> Image.Image:
    """Return values shown at a (centre, width) window."""
    centre, width = window
    return Image.fromarray(np.asarray(np.clip((values - centre + width / 2) / width, 0, 1) * 255, np.uint8))


def lesions_of(scene: Scene, wanted: list[tuple[str, dict[str, Any]]], seed: int) -> list[Lesion]:
    """Return lesions of these kinds and options."""
    specs: list[dict[str, Any]] = []
    for n, (kind, options) in enumerate(wanted):
        one = family(kind)
        specs += one.sample_specs(one.options.model_validate(options), scene, rng=Seed(seed).child(kind, n).rng(),
                                  taken=tuple(specs))
    return [family(spec["kind"]).insert(spec, scene, n) for n, spec in enumerate(specs, start=1)]


def person(upright: bool) -> Scene:
    """Return one man, lying with raised arms or standing."""
    body, subject = load_body("thorax"), Subject("male", 58.0, 177.0, 78.0)
    spec = dict(body.sample_spec(subject, rng=Seed(11).rng()))
    return body.build(subject, spec | ({"arms_down": 2, "upright": 1} if upright else {}))


def sheet(name: str, scene: Scene) -> Image.Image:
    """Return lesion (above) and twin (below): one axial slice in two windows, one frontal."""
    wanted, windows, phase = FIGURES[name]
    lesions = lesions_of(scene, wanted, 5)
    low, high = scene.scan_range_mm["chest"]
    grid = Grid.covering((*scene.bounds_mm[0][:2], low), (*scene.bounds_mm[1][:2], high), (SLICE_MM, STEP_MM, STEP_MM))
    healthy = rasterize(scene, grid)
    ill, _ = with_lesions(healthy, scene, lesions)
    first = part_labels(ill.structures, 1)
    filled = ill.occupancy(*first.values())
    k, j = int(filled.sum((1, 2)).argmax()), int(filled.sum((0, 2)).argmax())
    protocol = CtProtocol(mas=160, phase=phase, slice_thickness_mm=SLICE_MM, increment_mm=SLICE_MM, pixel_mm=STEP_MM)
    scan = image_phantom(ill, healthy, protocol, seed=Seed(1), twin=True)
    rows = []
    for image in (scan.image.array, scan.twin.array):  # type: ignore[union-attr]
        tiles = [grey(image[k], window) for window in windows] + [grey(image[::-1, j], windows[0])]
        tall = (1.0, 1.0, SLICE_MM / STEP_MM)
        heights = [round(WIDTH_PX * t.height * share / t.width) for t, share in zip(tiles, tall, strict=True)]
        rows.append([t.resize((WIDTH_PX, h), Image.Resampling.LANCZOS) for t, h in zip(tiles, heights, strict=True)])
    return pasted(rows)


def close_up(scene: Scene) -> Image.Image:
    """Return three neighbouring slices of one rib: broken, its twin, and six weeks later."""
    fractures = family("rib_fracture")
    options = fractures.options.model_validate({"count": 1, "step_mm": 3.5, "gap_mm": 1.4, "ribs": {"6": 1, "7": 1}})
    spec = fractures.sample_specs(options, scene, rng=Seed(5).rng())[0]
    centre = np.asarray(spec["centre_mm"])
    grid = Grid.covering(centre - [42, 30, 9], centre + [42, 30, 9], (1.0, 0.6, 0.6))
    healthy = rasterize(scene, grid)
    protocol = CtProtocol(mas=300, kernel="sharp", slice_thickness_mm=1, increment_mm=1, pixel_mm=0.6)
    rows = []
    for one in (spec, None, {**spec, "age_days": 42.0}):
        ill = healthy if one is None else with_lesions(healthy, scene, [fractures.insert(one, scene, 1)])[0]
        image, middle = image_phantom(ill, healthy, protocol, seed=Seed(1)).image.array, grid.shape_kji[0] // 2
        tiles = [grey(image[middle + off], BONE) for off in (-2, 0, 2)]
        rows.append([t.resize((WIDTH_PX, round(WIDTH_PX * t.height / t.width))) for t in tiles])
    return pasted(rows)


def pasted(rows: list[list[Image.Image]]) -> Image.Image:
    """Return rows of tiles as one picture."""
    height = max(t.height for row in rows for t in row)
    picture = Image.new("L", (sum(t.width for t in rows[0]), height * len(rows)))
    for n, row in enumerate(rows):
        x = 0
        for t in row:
            picture.paste(t, (x, n * height + (height - t.height) // 2))
            x += t.width
    return picture


def radiograph(scene: Scene) -> Image.Image:
    """Return a chest radiograph with three findings, and its twin."""
    protocol = XrayProtocol(view="chest_pa", pixel_mm=0.8, voxel_mm=(1.2, 3.0))
    shot = acquire_xray(scene, lesions_of(scene, RADIOGRAPH, 5), protocol, seed=Seed(2), twin=True)
    tiles = []
    for image in (shot.image.array[0], shot.twin.array[0]):  # type: ignore[union-attr]
        values = image.astype(float)
        tile = grey(values, (float(values.max() + values.min()) / 2, float(np.ptp(values))))
        tiles.append(tile.resize((400, round(400 * tile.height / tile.width)), Image.Resampling.LANCZOS))
    return pasted([tiles])


def main(names: list[str]) -> None:
    """Draw the sheets."""
    OUT.mkdir(parents=True, exist_ok=True)
    lying = person(upright=False) if set(names) - {"radiograph"} else None
    for name in names:
        if lying is not None and name != "radiograph":
            picture = close_up(lying) if name == "rib_fracture" else sheet(name, lying)
        else:
            picture = radiograph(person(upright=True))
        out = OUT / f"{'chest_radiograph' if name == 'radiograph' else name}.png"
        picture.quantize(64, dither=Image.Dither.NONE).save(out, optimize=True)
        print(out, picture.size, f"{out.stat().st_size / 1024:.0f} KiB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or [*FIGURES, "rib_fracture", "radiograph"])
