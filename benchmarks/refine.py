"""A small refiner from quick to full CT, measured: `python -m benchmarks.refine WORK [--steps N]`.

Makes quick and physics-tier chests in WORK (minutes a case), trains a model on three, and judges it on a fourth that it
never saw: distance of radiomic features and of noise power to the full images, lesions, time, memory.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import scipy.linalg
from scipy import ndimage

from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.dataset.refine_data import paired_examples
from medsynth.dataset.refine_train import train_refiner
from medsynth.dataset.run import generate
from medsynth.export.nifti import read_nifti
from medsynth.refine.gate import Images, judge
from medsynth.refine.pair import refine_pair
from medsynth.refine.texture import TextureRefiner, labelled_patches, radial_power, texture_statistics

SCAN = {"modality": "ct", "kvp": 120, "slice_thickness_mm": 2.5, "pixel_mm": 2.5, "kernel": "standard"}
RECIPE = {
    "name": "pairs", "description": "Quick and full CT of the same chests",
    "phantom": {"body": "thorax", "range": "chest"},
    "lesions": [{"kind": "lung_nodule", "count": {"distribution": "poisson", "mean": 4, "low": 2, "high": 8}}],
    "acquisitions": {"quick": {**SCAN, "fidelity": "fast", "mas": 2000, "reconstruction": "iterative"},
                     "full": {**SCAN, "fidelity": "physics", "mas": 100, "reconstruction": "fbp"}},
    "formats": ["nifti"]}
TRAIN_SEED, HELD_SEED, CASES = 4, 30, 3
SIDE, STEP = 24, 12  # pixels of the patches that features are taken of
STEPS = 4
BIG = 512  # pixels of the slice that time is extrapolated from


def features(array: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return (patches, features): first order, co-occurrence at one pixel, Laplacian and gradient energies."""
    layers = [array.astype(np.float32)]
    layers += [ndimage.gaussian_laplace(layers[0], (0, s, s)) for s in (0.7, 1.0, 1.5, 2.5)]
    layers += [ndimage.sobel(layers[0], axis) for axis in (1, 2)]
    cut = [np.lib.stride_tricks.sliding_window_view(one, (SIDE, SIDE), axis=(1, 2))[:, ::STEP, ::STEP].reshape(
        -1, SIDE * SIDE) for one in (*layers, inside)]
    full = cut.pop().mean(axis=1) > 0.95
    values = [one[full] for one in cut]
    plain = values[0].reshape(-1, SIDE, SIDE)
    low, middle, high = np.quantile(values[0], (0.1, 0.5, 0.9), axis=1)
    centred = plain - plain.mean(axis=(1, 2), keepdims=True)
    variance = np.maximum(centred.var(axis=(1, 2)), 1e-3)
    pairs = [(centred[:, :, 1:] * centred[:, :, :-1]).mean(axis=(1, 2)) / variance,
             (centred[:, 1:] * centred[:, :-1]).mean(axis=(1, 2)) / variance]
    steps = [np.abs(np.diff(plain, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)]
    energy = [np.log(one.std(axis=1) + 0.1) for one in values]
    return np.stack([middle, high - low, *pairs, *(np.log(step + 0.1) for step in steps), *energy], axis=1)


def frechet(ours: np.ndarray, reference: np.ndarray) -> float:
    """Return the Frechet distance of Gaussians fitted to features that are scaled by the reference's spread."""
    mean, spread = reference.mean(axis=0), reference.std(axis=0) + 1e-9
    a, b = ((one - mean) / spread for one in (ours, reference))
    root = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    return float(np.square(a.mean(0) - b.mean(0)).sum() + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root))


def power(array: np.ndarray, truth, pixel_mm: float) -> np.ndarray:
    """Return the noise power inside structures by rings of frequency."""
    return radial_power(labelled_patches(array.astype(np.float32), truth), pixel_mm)[1]


class Segmenter:
    """Linear discriminant of lesion against its surroundings, from three blurs; trained on full images alone."""

    def __init__(self, examples) -> None:
        rows, wanted = [], []
        for one in examples:
            near = self._near(one.truth)
            rows.append(self._features(one.full)[near])
            wanted.append((one.truth.lesions > 0)[near])
        x, y = np.concatenate(rows), np.concatenate(wanted).astype(float)
        weight = np.where(y > 0, 1 / y.sum(), 1 / (1 - y).sum())
        self.weights = np.linalg.lstsq(x * np.sqrt(weight)[:, None], (2 * y - 1) * np.sqrt(weight), rcond=None)[0]

    def dice(self, array: np.ndarray, truth) -> float:
        """Return the overlap near the lesions."""
        near = self._near(truth)
        found, there = self._features(array)[near] @ self.weights > 0, (truth.lesions > 0)[near]
        return float(2 * (found & there).sum() / max(1, found.sum() + there.sum()))

    @staticmethod
    def _near(truth) -> np.ndarray:
        lungs = np.isin(truth.labels, [n for n, name in truth.names.items() if "lobe" in name or "lung" in name])
        return ndimage.binary_dilation(truth.lesions > 0, iterations=4) & (lungs | (truth.lesions > 0))

    @staticmethod
    def _features(array: np.ndarray) -> np.ndarray:
        values = np.clip(array.astype(np.float32), -1000, 200) / 100
        return np.stack([np.ones_like(values), values, ndimage.gaussian_filter(values, 0.7),
                         ndimage.gaussian_filter(values, 1.5)], axis=-1)


def main() -> None:
    """Make what is missing in WORK, and print the table."""
    from medsynth.refine.diffusion import DiffusionRefiner

    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--slices", type=int, default=0, help="of the held-out case; 0: all")
    asked = parser.parse_args()
    model = asked.work / "model.safetensors"
    generate(RECIPE, CASES, asked.work / "train", seed=TRAIN_SEED)
    generate(RECIPE, 1, asked.work / "held", seed=HELD_SEED, twin=True)
    train, _ = paired_examples(asked.work / "train", None, None)
    if not model.exists():
        began = time.perf_counter()
        train_refiner(model, data=asked.work / "train", licence="Apache-2.0", options={
            "steps": asked.steps, "batch": 6, "patch": 48, "every": 100, "neighbours": 1, "channels": (16, 32, 32),
            "rate": 2e-3}, progress=lambda step, loss: print(f"step {step}: loss {loss:.3f}", flush=True))
        print(f"trained in {time.perf_counter() - began:.0f} s")
    report(DiffusionRefiner.load(model, steps=STEPS), train, asked.work / "held", asked.slices)


def report(refiner, train, held: Path, slices: int) -> None:
    """Print what the refiner does to a held-out case."""
    (one,), _ = paired_examples(held, None, None)
    bare = read_nifti(held / "case-00000" / "twin" / "quick.nii.gz")
    grid = bare.grid
    part = slice(None)
    if slices:
        middle = int(np.median(np.argwhere(one.truth.lesions > 0)[:, 0]))
        first = max(0, min(middle - slices // 2, grid.shape_kji[0] - slices))
        part = slice(first, first + slices)
        grid = Grid((slices, *grid.shape_kji[1:]), grid.spacing_mm, grid.origin_mm, grid.direction)
    truth = type(one.truth)(one.truth.labels[part], one.truth.lesions[part], one.truth.names)
    quick, full, twin = (np.ascontiguousarray(a[part]) for a in (one.quick, one.full, bare.array))
    image, twin = Volume(quick, grid, "HU"), Volume(twin, grid, "HU")
    inside = ndimage.binary_erosion(truth.labels > 0, iterations=2) & (truth.labels < 65000)
    reference, pixel_mm = features(full, inside), grid.spacing_mm[2]
    wanted = [power(full, truth, pixel_mm), power(full - quick.astype(np.float32), truth, pixel_mm)]
    segmenter = Segmenter(train)
    order = np.random.default_rng(0).permutation(len(reference))
    apart = frechet(reference[order[::2]], reference[order[1::2]])
    print(f"full images: {len(reference)} patches; halves of them {apart:.3f} apart; "
          f"lesion Dice {segmenter.dice(full, truth):.3f} (the ceiling)\n"
          "NPS: error of the power of image, and of what is added to the quick image, inside structures")
    print(f"{'':<22}{'FRD-like':>10}{'NPS image':>11}{'NPS added':>11}{'Dice':>8}"
          f"{'accepted':>10}{'fidelity':>10}{'lesions':>9}  failed")
    reference_texture = texture_statistics((Volume(e.full, Grid(e.full.shape, e.spacing_mm), "HU"), e.truth)
                                           for e in train)
    tries = [("quick, unrefined", None, 0.0), ("texture, s = 1", TextureRefiner(reference_texture), 1.0)]
    tries += [(f"diffusion, s = {s:g}", refiner, s) for s in (0.5, 0.6, 0.7, 1.0)]
    for name, tool, strength in tries:
        began, array, told = time.perf_counter(), quick, ""
        if tool is not None:
            if isinstance(tool, TextureRefiner):
                tool = tool.meant_for(twin, truth, strength)
            pair = refine_pair(tool, image, twin, truth, strength=strength, seed=Seed(1))
            seconds = time.perf_counter() - began
            verdict = judge(Images(image, twin, pair, gain_at(tool, pair, twin, truth)), truth)
            array = pair.image.array
            good = sum(numbers["fidelity"] >= 0.5 for numbers in verdict.lesions.values())
            told = (f"{verdict.accepted!s:>10}{verdict.fidelity:>10.2f}{good:>6}/{len(verdict.lesions)}  "
                    f"{', '.join(verdict.failed) or '-'} ({seconds:.0f} s)")
        ours = [power(array, truth, pixel_mm), power(array - quick.astype(np.float32), truth, pixel_mm)]
        off = [np.abs(one / two - 1).mean() for one, two in zip(ours, wanted, strict=True)]
        print(f"{name:<22}{frechet(features(array, inside), reference):>10.3f}{off[0]:>11.1%}{off[1]:>11.1%}"
              f"{segmenter.dice(array, truth):>8.3f}{told}", flush=True)
    speed(refiner, image, truth)


def gain_at(tool, pair, twin, truth) -> dict[str, float]:
    """Return the noise that is meant at this strength, as in the generator."""
    from medsynth.dataset.refining import meant_gain

    class Before:
        image = twin

    before = Before()
    before.twin = twin
    return dict(meant_gain(tool, pair, before, truth))


def speed(refiner, image: Volume, truth) -> None:
    """Print the time of 100 slices of 512 x 512, extrapolated from two, and the memory."""
    k = image.grid.shape_kji[0] // 2
    reps = -(-BIG // image.grid.shape_kji[1])
    big = [np.ascontiguousarray(np.tile(a[k:k + 2], (1, reps, reps))[:, :BIG, :BIG])
           for a in (image.array, truth.labels, truth.lesions)]
    volume = Volume(big[0], Grid((2, BIG, BIG), image.grid.spacing_mm), "HU")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu, wall = time.process_time(), time.perf_counter()
    refiner.residual(volume, type(truth)(big[1], big[2], truth.names), strength=1.0, seed=Seed(0))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"512 x 512 x 100 at {refiner.steps} steps, one thread: {50 * cpu:.0f} CPU s ({50 * wall:.0f} s on this "
          f"machine), extrapolated from 2 slices; peak memory {peak / 2**20:.2f} GiB (before: {before / 2**20:.2f})")


if __name__ == "__main__":
    main()
