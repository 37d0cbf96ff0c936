"""A small chest with four nodules and its twin, and refiners that spoil it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from medsynth.core.grid import Grid
from medsynth.core.volume import Volume
from medsynth.refine.gate import Images, Limits, Verdict, judge
from medsynth.refine.pair import RefinedPair
from medsynth.refine.refiner import Truth

SHAPE = (20, 64, 64)
NOISE_HU = 20.0
NODULES = (((6, 32, 42), 3.0), ((13, 26, 42), 1.6), ((10, 36, 21), 2.2))
NAMES = {1: "body", 2: "lung_left", 3: "lung_right"}


def noise(seed: int) -> np.ndarray:
    """Noise of a slice-by-slice reconstruction, NOISE_HU."""
    white = np.random.default_rng(seed).normal(size=SHAPE)
    coloured = ndimage.gaussian_filter(white, (0, 0.7, 0.7))
    return NOISE_HU * coloured / coloured.std()


def volume(values: np.ndarray) -> Volume:
    return Volume(np.rint(values).astype(np.int16), Grid(SHAPE, (2.5, 2.5, 2.5)), "HU")


def chest(seed: int = 0, noise_hu: float = NOISE_HU, blur: float = 0.6) -> tuple[Volume, Volume, Truth]:
    """Image, twin with the same noise, truth."""
    k, j, i = np.indices(SHAPE)
    labels = np.zeros(SHAPE, np.uint16)
    labels[np.hypot((j - 32) / 27, (i - 32) / 29) < 1] = 1
    for label, middle in ((2, 42), (3, 22)):
        labels[np.hypot((j - 32) / 18, (i - middle) / 8) < 1] = label
    base = np.array([-1000.0, 40.0, -850.0, -850.0])[labels]
    share, lesions = np.zeros(SHAPE), np.zeros(SHAPE, np.uint16)
    for number, (place, radius) in enumerate(NODULES, start=1):
        inside = np.clip(radius + 0.5 - np.sqrt(sum((a - b) ** 2 for a, b in zip((k, j, i), place, strict=True))), 0, 1)
        share = np.maximum(share, inside)
        lesions[inside >= 0.5] = number
    added = noise(seed) * noise_hu / NOISE_HU
    ill, well = (ndimage.gaussian_filter(x, (0, blur, blur)) + added for x in (base + share * (40 - base), base))
    return volume(ill), volume(well), Truth(labels, lesions, NAMES)


def painted_out(image: Volume, twin: Volume, truth: Truth, amount: float) -> RefinedPair:
    """Fade the smallest lesion into its twin."""
    near = ndimage.gaussian_filter(ndimage.binary_dilation(truth.lesions == 2, iterations=2).astype(float), 0.7)
    added = image.array - twin.array.astype(float)
    return RefinedPair(volume(image.array - amount * np.clip(1.3 * near, 0, 1) * added), twin)


def blob(image: Volume, twin: Volume, truth: Truth, amount: float) -> RefinedPair:
    """Add a nodule that no label knows, up to 600 HU."""
    one = np.zeros(SHAPE)
    one[10, 32, 23] = 1
    one = ndimage.gaussian_filter(one, 1.2)
    one *= 600 * amount / one.max()
    return RefinedPair(volume(image.array + one), volume(twin.array + one))


def shifted(image: Volume, twin: Volume, truth: Truth, amount: float) -> RefinedPair:
    """Shift along the rows, by up to one voxel."""
    return RefinedPair(*(volume(ndimage.shift(x.array.astype(float), (0, 0, amount), order=1, mode="nearest"))
                         for x in (image, twin)))


def blurred(image: Volume, twin: Volume, truth: Truth, amount: float) -> RefinedPair:
    """Blur in plane, sigma up to one voxel."""
    return RefinedPair(*(volume(ndimage.gaussian_filter(x.array.astype(float), (0, amount, amount)))
                         for x in (image, twin)))


def grown(image: Volume, twin: Volume, truth: Truth, amount: float) -> RefinedPair:
    """Let lesions grow, up to a voxel on every side."""
    wide = ndimage.grey_dilation(image.array.astype(float) - twin.array, (3, 3, 3))
    return RefinedPair(volume(image.array * (1 - amount) + amount * (twin.array + wide)), twin)


CORRUPTIONS = {"painted out": painted_out, "blob": blob, "shifted": shifted, "blurred": blurred, "grown": grown}


def renoised(image: Volume, twin: Volume, truth: Truth, seed: int, share: float = 1.0) -> RefinedPair:
    """What a good refiner does: other noise of the same kind, the same in both. `chest(0)` is taken for granted."""
    kept = np.sqrt(1 - share**2)
    change = (kept - 1) * noise(0) + share * noise(seed)
    return RefinedPair(*(volume(x.array + change) for x in (image, twin)))


def verdict(after: RefinedPair, image: Volume, twin: Volume | None, truth: Truth, limits: Limits | None = None
            ) -> Verdict:
    return judge(Images(image, twin, after), truth, limits)
