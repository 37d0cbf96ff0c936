"""Validate an algorithm against the truth: the volume that a half-contrast threshold measures of lung nodules.

    python examples/nodule_volume_bias.py [--plot bias.png] [--small]

The same person and the same nodules are scanned at several doses, kernels and slice thicknesses, and measured by a
threshold half-way between nodule and lung. True volumes are known before any voxel: they are numbers of the nodules.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from medsynth.acquire.ct.acquire import acquire_ct
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.dataset.anatomy_cache import Body
from medsynth.dataset.case import build_anatomy
from medsynth.dataset.pose import Pose
from medsynth.dataset.recipe import load_recipe
from medsynth.lesions.families import build_lesions, sample_lesions
from medsynth.scene.structure import Lesion, Scene

STANDARD: dict[str, Any] = {"mas": 80.0, "kernel": "standard", "slice_thickness_mm": 1.0}
CHANGES: dict[str, list[Any]] = {"mas": [10.0, 30.0, 240.0], "kernel": ["soft", "sharp"],
                                 "slice_thickness_mm": [2.5, 5.0]}
SMOOTH = {"types": {"solid": 1.0}, "attachments": {"none": 1.0}, "calcifications": {"none": 1.0},
          "lobulation": {"probability": 0.0}, "spiculation": {"probability": 0.0},
          "solid_hu": 40.0, "diameter_mm": {"min": 4.0, "max": 12.0}}
LUNG_HU = -850.0


@dataclass(frozen=True)
class Measurement:
    """One nodule in one image: settings, true and measured volume in ml."""

    settings: dict[str, Any]
    nodule: int
    diameter_mm: float
    true_ml: float
    measured_ml: float

    @property
    def bias(self) -> float:
        """Relative error."""
        return self.measured_ml / self.true_ml - 1


def half_contrast_ml(image: Volume, centre_mm: Sequence[float], diameter_mm: float) -> float:
    """Return the volume in ml of what is connected to the centre and denser than half-way between nodule and lung.

    The algorithm that is validated: it knows the place of the nodule and about its size, as a reader's click tells.
    """
    hu, grid = image.array.astype(float), image.grid
    index = grid.index_kji(centre_mm)
    reach = np.ceil((0.75 * diameter_mm + 3) / np.array(grid.spacing_mm)).astype(int)
    low = np.clip(np.rint(index).astype(int) - reach, 0, np.array(hu.shape) - 1)
    high = np.clip(np.rint(index).astype(int) + reach + 1, 1, hu.shape)
    part = hu[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    offset = np.moveaxis(np.indices(part.shape), 0, -1) + low - index
    r = np.linalg.norm(offset * np.array(grid.spacing_mm), axis=-1)
    inside = part[r < max(0.25 * diameter_mm, 0.9 * min(grid.spacing_mm))]
    nodule = float(np.median(inside)) if inside.size else float(part[np.unravel_index(r.argmin(), r.shape)])
    lung = float(np.median(part[(r > 0.5 * diameter_mm + 2) & (r < 0.75 * diameter_mm + 3)]))
    marks, _ = ndimage.label((part > (nodule + lung) / 2) & (r < 0.75 * diameter_mm + 2))
    mark = marks[np.unravel_index(r.argmin(), r.shape)]
    return float((marks == mark).sum()) * grid.voxel_volume_mm3 / 1000 if mark else 0.0


def nodules_of(scene: Scene, count: int, slab_mm: float, seed: Seed) -> tuple[tuple[Lesion, ...], tuple[float, float]]:
    """Return smooth solid nodules in the slab of the lungs that holds most of them, and where the slab lies."""
    recipe = load_recipe("chest-ct-nodules-small", overrides={f"lesions.0.{k}": v for k, v in SMOOTH.items()}
                         | {"lesions.0.count": count})
    specs = sample_lesions([part.options for part in recipe.lesions], scene, rng=seed.rng())
    z = np.array([spec["centre_mm"][2] for spec in specs])
    inner = slab_mm / 2 - 12.0
    middle = max(z, key=lambda at: int((np.abs(z - at) < inner).sum()))
    kept = [spec for spec in specs if abs(spec["centre_mm"][2] - middle) < inner]
    return build_lesions(kept, scene), (middle - slab_mm / 2, middle + slab_mm / 2)


def study(*, count: int, slab_mm: float, pixel_mm: float, repeats: int, changes: dict[str, list[Any]], seed: int = 1
          ) -> list[Measurement]:
    """Return every nodule's measurement in every scan."""
    scene = build_anatomy(load_recipe("chest-ct-nodules-small"), Seed(seed))[0]
    lesions, slab = nodules_of(scene, count, slab_mm, Seed(seed).child("nodules"))
    body = Body(replace(scene, scan_range_mm={**scene.scan_range_mm, "slab": slab}), again=True)
    runs = [STANDARD, *({**STANDARD, name: value} for name, values in changes.items() for value in values)]
    found = []
    for settings in runs:
        protocol = CtProtocol(**settings, increment_mm=settings["slice_thickness_mm"], pixel_mm=pixel_mm,
                              scan_range="slab")
        for repeat in range(repeats):
            image = acquire_ct(body.scene, lesions, protocol, seed=Seed(seed).child("scan", repeat),
                               voxelise=body.voxeliser(Pose())).image
            for lesion in lesions:
                diameter = float(lesion.spec["diameter_mm"])
                found.append(Measurement(settings, lesion.number, diameter, np.pi / 6 * diameter**3 / 1000,
                                         half_contrast_ml(image, lesion.spec["centre_mm"], diameter)))
    return found


def table(found: list[Measurement]) -> list[tuple[str, int, float, float, float]]:
    """Return settings, measurements, mean bias, its standard error over nodules, and the scatter over repeats."""
    rows = []
    for settings in {str(m.settings): m.settings for m in found}.values():
        own = [m for m in found if m.settings == settings]
        by_nodule = {n: [m.bias for m in own if m.nodule == n] for n in {m.nodule for m in own}}
        means = np.array([np.mean(values) for values in by_nodule.values()])
        scatter = float(np.sqrt(np.mean([np.var(v, ddof=1) for v in by_nodule.values()]))) if len(
            next(iter(by_nodule.values()))) > 1 else float("nan")
        words = f"{settings['mas']:g} mAs, {settings['kernel']}, {settings['slice_thickness_mm']:g} mm"
        rows.append((words, len(own), float(means.mean()), float(means.std(ddof=1) / np.sqrt(len(means))), scatter))
    return rows


def plot(found: list[Measurement], path: Path) -> None:
    """Draw the bias against dose, kernel and thickness, one line per range of diameters."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(11, 3.4), sharey=True)
    bounds = [4.0, 6.0, 9.0, 12.0]
    for axis, (name, words) in zip(axes, {"mas": "dose in mAs", "kernel": "kernel",
                                          "slice_thickness_mm": "slice thickness in mm"}.items(), strict=True):
        others = {key: value for key, value in STANDARD.items() if key != name}
        own = [m for m in found if all(m.settings[key] == value for key, value in others.items())]
        values = sorted({m.settings[name] for m in own}, key=lambda v: ("soft", "standard", "sharp").index(v)
                        if isinstance(v, str) else v)
        for low, high in pairwise(bounds):
            means = [100 * np.mean([m.bias for m in own if m.settings[name] == v and low <= m.diameter_mm < high] or
                                   [np.nan]) for v in values]
            axis.plot([str(v) if isinstance(v, str) else f"{v:g}" for v in values], means, "o-",
                      label=f"{low:g}-{high:g} mm")
        axis.axhline(0, color="grey", linewidth=0.8)
        axis.set_xlabel(words)
    axes[0].set_ylabel("error of the volume in %")
    axes[0].legend(title="diameter", frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def main(arguments: list[str] | None = None) -> list[Measurement]:
    """Run the study and print its table."""
    ask = argparse.ArgumentParser(description="Volume bias of a half-contrast threshold by dose, kernel, thickness.")
    ask.add_argument("--plot", type=Path, help="PNG file for the figure (needs matplotlib)")
    ask.add_argument("--small", action="store_true", help="fewer scans on coarser pixels, some ten seconds")
    given = ask.parse_args(arguments)
    if given.small:
        found = study(count=16, slab_mm=60.0, pixel_mm=1.4, repeats=1,
                      changes={"mas": [20.0], "slice_thickness_mm": [5.0]})
    else:
        found = study(count=60, slab_mm=80.0, pixel_mm=0.75, repeats=2, changes=CHANGES)
    print(f"{'scan':30s}{'n':>5s}{'bias':>9s}{'+-':>7s}{'scatter':>9s}")
    for words, n, bias, error, scatter in table(found):
        print(f"{words:30s}{n:5d}{bias:9.1%}{error:7.1%}{scatter:9.1%}")
    if given.plot:
        plot(found, given.plot)
    return found


if __name__ == "__main__":
    main()
