"""Contrast of our brain beside a real one: ratios of grey, white matter and fluid in T1w, T2w and FLAIR.

Real images (a folder, see below) carry no tissue labels: three classes are found by k-means on the three contrasts
together, and their medians compared. Ours are measured twice: on the true tissue labels, and by the same k-means.
Published ranges hold for routine protocols; they are wide because protocols are.

The folder holds `mr_brain_ms26_t1.nii.gz`, `..._t2.nii.gz`, `..._flair.nii.gz` (co-registered, skull-stripped).

Run: python benchmarks/mri_look.py FOLDER [--seed 1] [--out sheet.png]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri.acquire import acquire_mri
from medsynth.acquire.mri.protocol import MriProtocol
from medsynth.core.seed import Seed
from medsynth.scene.acquired import Acquired
from medsynth.scene.body import load_body
from medsynth.scene.subject import Subject

PRESETS = {"t1": "brain-t1w", "t2": "brain-t2w", "flair": "brain-flair"}
# Lowest and highest over routine protocols at 1.5 T and 3 T (unverified); fluid on T1w depends on the preparation.
PUBLISHED = {"t1 white / grey": (1.05, 1.7), "t1 fluid / grey": (0.05, 0.5), "t2 grey / white": (1.1, 1.5),
             "t2 fluid / grey": (1.5, 5.0), "flair grey / white": (1.0, 1.35), "flair fluid / grey": (0.0, 0.45)}
TISSUES = {"grey": ("cerebral_cortex",), "white": ("cerebral_white",), "fluid": ("lateral_ventricle",)}
GEOMETRY = {"plane": "axial", "pixel_mm": 1.5, "slice_thickness_mm": 3.0, "slice_gap_mm": 0.0}


def classes(t1: NDArray, t2: NDArray, flair: NDArray) -> dict[str, NDArray]:
    """Return the medians of (t1, t2, flair) of the three classes by k-means, started from their usual order."""
    values = np.stack([t1, t2, flair], axis=1).astype(float)[::5]
    share = np.percentile(values, [5, 25, 40, 60, 85, 98], axis=0)
    centres = np.array([[share[0, 0], share[5, 1], share[0, 2]], [share[2, 0], share[3, 1], share[3, 2]],
                        [share[4, 0], share[1, 1], share[2, 2]]])
    scale = values.std(axis=0)
    for _ in range(60):
        nearest = (((values[:, None] - centres[None]) / scale) ** 2).sum(axis=-1).argmin(axis=1)
        centres = np.array([np.median(values[nearest == k], axis=0) for k in range(3)])
    return dict(zip(("fluid", "grey", "white"), centres, strict=True))


def ratios(level: dict[str, NDArray]) -> dict[str, float]:
    """Return the six ratios of class medians."""
    found = {}
    for n, name in enumerate(PRESETS):
        bright, dark = ("white", "grey") if name == "t1" else ("grey", "white")
        found[f"{name} {bright} / {dark}"] = float(level[bright][n] / level[dark][n])
        found[f"{name} fluid / grey"] = float(level["fluid"][n] / level["grey"][n])
    return found


def ours(seed: Seed) -> tuple[dict[str, Acquired], dict[str, NDArray], dict[str, NDArray]]:
    """Return the images, and medians by true label and by k-means."""
    body, subject = load_body("head"), Subject("male", 45, 176, 76)
    scene = body.build(subject, body.sample_spec(subject, rng=seed.rng()))
    made = {name: acquire_mri(scene, (), MriProtocol(preset=preset, **GEOMETRY), seed=seed.child(name))
            for name, preset in PRESETS.items()}
    phantom = made["t1"].phantom
    named = {s.label: s.name for s in phantom.structures}
    level = {}
    for tissue, starts in TISSUES.items():
        labels = [label for label, name in named.items() if name.startswith(starts) and "hyper" not in name]
        inside = np.isin(phantom.labels, labels) & (phantom.fraction == 0)
        level[tissue] = np.array([np.median(one.image.array[inside]) for one in made.values()])
    brain = np.isin(phantom.labels, [label for label, name in named.items() if name.startswith(
        ("cerebral", "lateral_ventricle", "third", "subarachnoid", "caudate", "putamen", "thalamus", "corpus"))])
    return made, level, classes(*(one.image.array[brain] for one in made.values()))


def main() -> None:
    """Print the ratios side by side, and draw the images where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    real = [np.asarray(nib.load(arguments.folder / f"mr_brain_ms26_{name}.nii.gz").dataobj, float)
            for name in PRESETS]
    brain = (real[0] > 0) & (real[1] > 0)
    measured = ratios(classes(*(one[brain] for one in real)))
    made, by_label, by_class = ours(Seed(arguments.seed))
    labelled, classed = ratios(by_label), ratios(by_class)
    print(f"{'':<22}{'real':>8}{'ours':>8}{'ours, labels':>14}   published")
    for name, (low, high) in PUBLISHED.items():
        fits = "" if low <= labelled[name] <= high else "  outside"
        print(f"{name:<22}{measured[name]:>8.2f}{classed[name]:>8.2f}{labelled[name]:>14.2f}   {low:g}-{high:g}{fits}")
    if arguments.out:
        draw(made, real, arguments.out)


def draw(made: dict[str, Acquired], real: list[NDArray], path: Path) -> None:
    """Write slices of both, each from 0 to a little above the 99th percentile."""
    from PIL import Image

    rows = []
    for (_, one), other in zip(made.items(), real, strict=True):
        own = one.image.array.astype(float)
        theirs = np.flip(other.transpose(2, 1, 0), axis=1)
        tiles = [_tile(volume[int(share * len(volume))], np.percentile(volume[volume > 0], 99))
                 for volume, shares in ((own, (0.45, 0.6, 0.72)), (theirs, (0.42, 0.52, 0.65))) for share in shares]
        rows.append(np.hstack(tiles))
    Image.fromarray(np.vstack(rows)).save(path)


def _tile(plane: NDArray, top: float, size: int = 240) -> NDArray[np.uint8]:
    from PIL import Image

    grey = (np.clip(plane / (1.05 * top), 0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(grey)
    image.thumbnail((size, size))
    out = Image.new("L", (size, size))
    out.paste(image, ((size - image.width) // 2, (size - image.height) // 2))
    return np.asarray(out)


if __name__ == "__main__":
    main()
