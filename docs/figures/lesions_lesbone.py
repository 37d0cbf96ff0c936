"""Draw docs/images/lesions/{breast,bone,joint}.png: lesions of breast, bone and knee, beside twins without them.

Run from the repository root: `python docs/figures/lesions_lesbone.py [breast|bone|joint]`. Nothing is retouched.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from medsynth.acquire.ct.fast import image_phantom
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.acquire.mri.acquire import acquire_mri
from medsynth.acquire.mri.protocol import MriProtocol
from medsynth.acquire.xray.acquire import acquire_xray
from medsynth.acquire.xray.protocol import XrayProtocol
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.lesions.families import build_lesions, family, sample_lesions
from medsynth.scene.body import load_body
from medsynth.scene.extent import lesion_bounds_mm
from medsynth.scene.rasterize import rasterize, with_lesions
from medsynth.scene.structure import Lesion, Scene
from medsynth.scene.subject import Subject

TILE_PX = 180
OUT = Path(__file__).parent.parent / "images" / "lesions"
Entry = tuple[str, dict[str, Any], str]  # family, options, what stands on the tile
Plane = NDArray[Any]


def scene_of(body: str, subject: Subject, seed: int, **spec: Any) -> Scene:
    """Build one person's body."""
    one = load_body(body)
    return one.build(subject, {**one.sample_spec(subject, rng=Seed(seed).child("figure").rng()), **spec})


def grow(scene: Scene, entries: Sequence[Entry], seed: int) -> tuple[Lesion, ...]:
    """Draw and build lesions."""
    options = [family(kind).options.model_validate(numbers) for kind, numbers, _ in entries]
    return build_lesions(sample_lesions(options, scene, rng=Seed(seed).child("figure-lesions").rng()), scene)


def pair(ill: Plane, twin: Plane, window: tuple[float, float], words: str) -> Image.Image:
    """Return a lesion and its twin side by side."""
    tile = Image.new("L", (2 * TILE_PX, TILE_PX))
    for n, plane in enumerate((ill, twin)):
        grey = np.clip((plane.astype(float) - window[0]) / (window[1] - window[0]), 0, 1) * 255
        tile.paste(Image.fromarray(grey.astype(np.uint8)).resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS),
                   (n * TILE_PX, 0))
    ImageDraw.Draw(tile).text((4, 3), words, fill=255)
    return tile


def write(name: str, tiles: Sequence[Image.Image], columns: int = 3) -> None:
    """Write a sheet of tiles."""
    rows = -(-len(tiles) // columns)
    sheet = Image.new("L", (columns * 2 * TILE_PX, rows * TILE_PX))
    for n, tile in enumerate(tiles):
        sheet.paste(tile, ((n % columns) * 2 * TILE_PX, (n // columns) * TILE_PX))
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}.png"
    sheet.quantize(32, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path, sheet.size, f"{path.stat().st_size / 1024:.0f} KiB")


def breast() -> None:
    """Mammograms (CC)."""
    entries: list[Entry] = [
        *(("breast_mass", {"diameter_mm": size, "shapes": {shape: 1}, "margins": {margin: 1}, "densities": {dense: 1}},
           f"{shape}, {margin}, {dense} density") for shape, margin, dense, size in (
               ("oval", "circumscribed", "equal", 13), ("oval", "microlobulated", "high", 14),
               ("irregular", "indistinct", "high", 14), ("irregular", "spiculated", "high", 13))),
        ("breast_cyst", {"diameter_mm": 14}, "cyst"),
        *(("breast_calcifications", {"morphologies": {form: 1}, "distributions": {spread: 1}, "specks": count},
           f"{form.replace('_', ' ')}, {spread}") for form, spread, count in (
               ("fine_pleomorphic", "grouped", 22), ("amorphous", "grouped", 24),
               ("coarse_heterogeneous", "grouped", 9),
               ("fine_linear_branching", "segmental", 45), ("punctate", "linear", 16), ("round", "grouped", 8)))]
    scene = scene_of("breast", Subject("female", 62.0, 164.0, 74.0), 4, density_class="B", side="left", volume_ml=640.0)
    lesions = grow(scene, entries, 6)
    shot = acquire_xray(scene, lesions, XrayProtocol(view="mammo_cc"), seed=Seed(1), twin=True)
    image, twin = shot.image.array[0], shot.twin.array[0]
    tiles = []
    for lesion, (_, _, words) in zip(lesions, entries, strict=True):
        shadow = shot.projection.lesions.get(lesion.number)
        if shadow is None or not shadow.thickness_mm.any():
            print("outside the image:", words)
            continue
        at = np.argwhere(shadow.inside()) + shadow.first_ji
        row, column = (int(v) for v in (at.min(0) + at.max(0)) / 2)
        half = int(max(190, 0.62 * np.ptp(at, axis=0).max()))
        box = np.s_[max(0, row - half):row + half, max(0, column - half):column + half]
        low, high = np.percentile(twin[box], (2, 99.8))
        tiles.append(pair(image[box], twin[box], (low, high + 0.3 * (high - low)), words))
    write("breast", tiles)


def bone() -> None:
    """CT of the spine, and of a fractured femur."""
    scene = scene_of("abdomen", Subject("male", 58.0, 176.0, 80.0), 3)
    spine = {"regions": {"spine": 1}, "count": 1}
    jobs: list[tuple[Entry, str]] = [
        *((("bone_metastasis", {**spine, "types": {"lytic": 1}, "margins": {margin: 1}, "diameter_mm": 17},
            f"lytic metastasis, Lodwick {margin}"), "axial") for margin in ("IB", "IC", "II")),
        (("bone_metastasis", {**spine, "types": {"blastic": 1}, "diameter_mm": 15}, "blastic metastasis"), "axial"),
        (("bone_metastasis", {**spine, "types": {"mixed": 1}, "diameter_mm": 18}, "mixed metastasis"), "axial"),
        (("enostosis", {**spine, "diameter_mm": 9}, "bone island"), "axial"),
        *((("vertebral_fracture", {"deformities": {form: 1}, "loss": loss, "ages": {age: 1}, "levels": {"L1": 1}},
            f"{form}, loss {loss:.0%}, {age}"), "sagittal") for form, loss, age in (
                ("wedge", 0.23, "acute"), ("wedge", 0.45, "old"), ("biconcave", 0.35, "acute"),
                ("crush", 0.35, "acute")))]
    tiles = [_ct(scene, entry, plane) for entry, plane in jobs]
    knee = scene_of("knee", Subject("male", 40.0, 178.0, 82.0), 2)
    for site, moved in (("tibia", 0.0), ("tibia", 6.0)):
        tiles.append(_ct(knee, ("long_bone_fracture", {"sites": {site: 1}, "displacement_mm": moved, "tilt_deg": 32},
                                f"{site}, displaced {moved:.0f} mm"), "coronal"))
    write("bone", tiles)


def _ct(scene: Scene, entry: Entry, plane: str) -> Image.Image:
    (lesion,) = grow(scene, [entry], 11)
    middle = np.mean(lesion_bounds_mm(lesion), axis=0)
    half = np.array([32.0, 32.0, 4.0]) if plane == "axial" else np.array([4.0, 48.0, 48.0])
    half = np.array([42.0, 4.0, 22.0]) if plane == "coronal" else half
    grid = Grid.covering(middle - half, middle + half, (0.7, 0.6, 0.6))
    healthy = rasterize(scene, grid)
    ill, _ = with_lesions(healthy, scene, [lesion])
    protocol = CtProtocol(kvp=120, mas=250, slice_thickness_mm=1.5, kernel="standard", pixel_mm=0.6)
    shot = image_phantom(ill, healthy, protocol, seed=Seed(5), twin=True)
    k, j, i = (n // 2 for n in grid.shape_kji)
    cut = {"axial": np.s_[k], "sagittal": np.s_[::-1, :, i], "coronal": np.s_[::-1, j]}[plane]
    return pair(_square(shot.image.array[cut]), _square(shot.twin.array[cut]), (-350.0, 1250.0), entry[2])


def _square(plane: Plane) -> Plane:
    side = max(plane.shape)
    rows, columns = ((side - n) // 2 for n in plane.shape)
    full = np.full((side, side), -1000, plane.dtype)
    full[rows:rows + plane.shape[0], columns:columns + plane.shape[1]] = plane
    return full


def joint() -> None:
    """MR of the knee: sagittal proton density with fat saturation."""
    entries: list[Entry] = [
        ("cartilage_defect", {"grades": {4: 1}, "surfaces": {"medial_femoral_condyle": 1}, "diameter_mm": 11},
         "cartilage, ICRS 4"),
        ("cartilage_defect", {"grades": {3: 1}, "surfaces": {"patella": 1}, "diameter_mm": 8}, "patella, ICRS 3"),
        ("meniscal_tear", {"types": {"horizontal": 1}, "menisci": {"medial": 1}, "horns": {"posterior": 1}},
         "meniscus, horizontal tear"),
        ("meniscal_tear", {"types": {"bucket_handle": 1}, "menisci": {"lateral": 1}}, "meniscus, bucket handle"),
        ("acl_tear", {"grades": {"complete": 1}}, "ACL, complete tear"),
        ("bone_marrow_oedema", {"sites": {"lateral_femoral_condyle": 1}, "volume_ml": 5}, "bone marrow oedema, PD-FS"),
        ("bone_marrow_oedema", {"sites": {"lateral_tibial_plateau": 1}, "volume_ml": 4}, "bone marrow oedema, T1"),
        ("joint_effusion", {"volume_ml": 35}, "effusion, 35 ml")]
    scene = scene_of("knee", Subject("male", 40.0, 178.0, 82.0), 2)
    lesions = grow(scene, entries, 1)
    shots = {preset: acquire_mri(scene, lesions, MriProtocol(preset=preset, scan_range="joint"), seed=Seed(1),
                                 twin=True) for preset in ("knee-pd-fs", "knee-t1w")}
    tiles = []
    for lesion, (_, _, words) in zip(lesions, entries, strict=True):
        shot = shots["knee-t1w" if words.endswith("T1") else "knee-pd-fs"]
        image, twin, grid = shot.image.array, shot.twin.array, shot.image.grid
        centre = np.mean(lesion_bounds_mm(lesion), axis=0)
        if lesion.kind == "joint_effusion":
            centre = np.array(lesion.spec["centre_mm"]) - [0.0, 0.0, 12.0]
        k, j, i = np.clip(np.round(grid.index_kji(centre)).astype(int), 0, np.array(grid.shape_kji) - 1)
        half = int(28 / grid.spacing_mm[1])
        j, i = (int(np.clip(v, half, n - half)) for v, n in zip((j, i), grid.shape_kji[1:], strict=True))
        box = np.s_[k, j - half:j + half, i - half:i + half]
        tiles.append(pair(image[box], twin[box], (0.0, float(np.percentile(image, 99.8))), words))
    write("joint", tiles)


if __name__ == "__main__":
    for sheet in sys.argv[1:] or ("breast", "bone", "joint"):
        {"breast": breast, "bone": bone, "joint": joint}[sheet]()
