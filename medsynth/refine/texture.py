"""Noise power and histogram of a set of images, and the refiner that gives them to others; NumPy alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.errors import expected
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.refine.gate_lesion import fine_texture, inner_part
from medsynth.refine.refiner import RefineError, Truth

Float32 = NDArray[np.float32]

PATCH = 24  # pixels of the patches that spectra are taken of
FLAT_SHARE = 0.25  # the flattest patches, in which there is noise but no edge
FREQUENCIES = PATCH // 2 - 1  # rings, each one step of a patch's frequencies wide, below the Nyquist frequency
QUANTILES = 65
PATCHES_MAX = 4000
LEAST_PATCHES = 8
LEAST_FILLED = 0.5  # of a patch, by structures
SAME_PIXEL = 0.1  # relative difference of pixel sizes that is no other size


@dataclass(frozen=True)
class TextureStatistics:
    """The texture of flat places.

    Attributes
    ----------
    frequency_per_mm : centres of rings of spatial frequency in plane.
    power : noise power in each, value^2 mm^2.
    quantiles : of the texture over its SD, at equal steps of probability.
    images : of how many images it was taken.
    generation : of the images, at most.
    """

    frequency_per_mm: tuple[float, ...]
    power: tuple[float, ...]
    quantiles: tuple[float, ...]
    images: int = 1
    generation: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def texture_statistics(images: Iterable[tuple[Volume, Truth | None]], *, generation: int = 0) -> TextureStatistics:
    """Return the texture of some images, which must have one pixel size.

    Parameters
    ----------
    images : with what is true of each. Texture is then looked for inside structures; without a truth in the flattest
        quarter of the body, which is fair only where organs are much larger than 24 pixels.

    Raises
    ------
    RefineError
        If there is no image, pixel sizes differ, or none has enough flat places.
    """
    patches: list[Float32] = []
    spacing: set[float] = set()
    count = 0
    for image, truth in images:
        spacing.add(round(image.grid.spacing_mm[2], 4))
        array = image.array.astype(np.float32)
        patches.append(flat_patches(array) if truth is None else labelled_patches(array, truth))
        count += 1
    if not count:
        raise RefineError("the reference must hold at least one image, got none")
    if len(spacing) != 1:
        raise RefineError(expected("pixel size of the reference in mm", sorted(spacing), "one for all images"))
    flat = np.concatenate(patches)
    if len(flat) < LEAST_PATCHES:
        raise RefineError(expected("number of flat places in the reference", len(flat), f">= {LEAST_PATCHES}"))
    pixel_mm = spacing.pop()
    frequency, power = radial_power(flat, pixel_mm)
    scaled = flat / np.maximum(flat.std(axis=(1, 2), keepdims=True), 1e-6)
    quantiles = np.quantile(scaled[flat != 0], np.linspace(0, 1, QUANTILES))
    return TextureStatistics(tuple(frequency.tolist()), tuple(power.tolist()), tuple(quantiles.tolist()), count,
                             generation)


def flat_patches(array: Float32) -> Float32:
    """Return (n, PATCH, PATCH) flat patches of slices (k, j, i), a plane taken away; those of constant value are none.

    Flat are those with the least mean square of values smoothed over 4 x 4 pixels.
    """
    _, rows, columns = array.shape
    if rows < PATCH or columns < PATCH:
        return np.zeros((0, PATCH, PATCH), np.float32)
    step = PATCH // 2
    views = np.lib.stride_tricks.sliding_window_view(array, (PATCH, PATCH), axis=(1, 2))[:, ::step, ::step]
    flat = views.reshape(-1, PATCH, PATCH)
    inside = flat.mean(axis=(1, 2)) > 0.5 * float(array.min()) + 0.5 * float(np.median(array[array > array.min()]))
    chosen = _detrended(flat[inside].astype(np.float32))
    chosen = chosen[chosen.std(axis=(1, 2)) > 0]
    if not len(chosen):
        return chosen
    coarse = chosen.reshape(-1, PATCH // 4, 4, PATCH // 4, 4).mean(axis=(2, 4))
    order = np.argsort(np.square(coarse).mean(axis=(1, 2)), kind="stable")
    return chosen[order[: min(PATCHES_MAX, max(1, int(FLAT_SHARE * len(order))))]]


def labelled_patches(array: Float32, truth: Truth) -> Float32:
    """Return (n, PATCH, PATCH) patches of the texture inside structures, whose edges the labels tell.

    In every structure what is smooth in it is taken away; a patch that structures fill in part is scaled to the power
    that it would have whole.
    """
    texture, inside = np.zeros(array.shape, np.float32), np.zeros(array.shape, bool)
    for label, box in enumerate(ndimage.find_objects(truth.labels.astype(np.int32)), start=1):
        if box is None:
            continue
        inner = inner_part(truth.labels[box] == label) & (truth.lesions[box] == 0)
        if inner.sum() < PATCH**2:
            continue
        texture[box] += fine_texture(array[box].astype(np.float64), inner).astype(np.float32)
        inside[box] |= inner
    if min(array.shape[1:]) < PATCH:
        return np.zeros((0, PATCH, PATCH), np.float32)
    step = PATCH // 2
    cut = [np.lib.stride_tricks.sliding_window_view(one, (PATCH, PATCH), axis=(1, 2))[:, ::step, ::step].reshape(
        -1, PATCH, PATCH) for one in (texture, inside)]
    share = cut[1].mean(axis=(1, 2))
    full = share >= LEAST_FILLED
    return np.asarray(cut[0][full] / np.sqrt(share[full])[:, None, None], np.float32)


def _detrended(patches: Float32) -> Float32:
    """Return patches less the plane that fits each best."""
    axis = (np.arange(PATCH) - (PATCH - 1) / 2).astype(np.float32)
    norm = float(np.square(axis).sum()) * PATCH
    kept = patches - patches.mean(axis=(1, 2), keepdims=True)
    down = (kept * axis[:, None]).sum(axis=(1, 2), keepdims=True) / norm
    along = (kept * axis[None, :]).sum(axis=(1, 2), keepdims=True) / norm
    return np.asarray(kept - down * axis[:, None] - along * axis[None, :], np.float32)


def radial_power(patches: Float32, pixel_mm: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rings of frequency (1/mm) and the noise power in each (value^2 mm^2) of detrended patches.

    NPS = pixel^2 / n^2 <|DFT|^2> (ICRU Report 87): its integral over frequency is the variance.
    """
    spectrum = np.square(np.abs(scipy.fft.fft2(patches, axes=(1, 2), workers=1))).mean(axis=0, dtype=np.float64)
    power = spectrum * pixel_mm**2 / PATCH**2
    f = scipy.fft.fftfreq(PATCH, pixel_mm)
    radius = np.hypot(f[:, None], f[None, :])
    edges = (np.arange(FREQUENCIES + 1) + 0.5) / PATCH / pixel_mm
    ring = np.digitize(radius, edges) - 1
    used = (ring >= 0) & (ring < FREQUENCIES)
    total = np.bincount(ring[used], power[used], FREQUENCIES)
    return (edges[1:] + edges[:-1]) / 2, total / np.maximum(np.bincount(ring[used], minlength=FREQUENCIES), 1)


@dataclass(frozen=True)
class TextureRefiner:
    """Adds the noise power that the reference has and the image lacks, with the reference's histogram.

    It takes nothing away: noise that the reference lacks stays.

    Attributes
    ----------
    reference : of images of the wanted look, at the pixel size of those that are refined.
    """

    reference: TextureStatistics
    spread: Mapping[str, float] = field(default_factory=dict)
    noise_gain: Mapping[str, float] = field(default_factory=dict)

    @property
    def told(self) -> Mapping[str, object]:
        """What files say of it."""
        return {"kind": "texture", "generation": self.reference.generation + 1}

    def meant_for(self, image: Volume, truth: Truth, strength: float) -> TextureRefiner:
        """Return the same refiner, which says what it is meant to do to the noise of this image."""
        own = labelled_patches(image.array.astype(np.float32), truth)
        target = np.array(self.reference.power)
        present = radial_power(own, image.grid.spacing_mm[2])[1] if len(own) else np.zeros_like(target)
        rings = np.array(self.reference.frequency_per_mm) * self.reference.frequency_per_mm[0]
        missing = float((np.maximum(target - present, 0) * rings).sum()) * strength**2 * 2 * np.pi
        there = float((present * rings).sum()) * 2 * np.pi
        gain = float(np.sqrt(1 + missing / there)) if there > 0 else 1.0
        return replace(self, spread={"": float(np.sqrt(missing)) or 1e-6}, noise_gain={"": gain})

    def residual(self, image: Volume, truth: Truth, *, strength: float, seed: Seed) -> Float32:
        """Return noise with the missing power; air outside the body (label 0) gets none."""
        own = labelled_patches(image.array.astype(np.float32), truth)
        pixel_mm = image.grid.spacing_mm[2]
        frequency, target = np.array(self.reference.frequency_per_mm), np.array(self.reference.power)
        wanted_mm = 1 / (PATCH * frequency[0])
        if abs(pixel_mm / wanted_mm - 1) > SAME_PIXEL:
            raise RefineError(expected("pixel size of the image in mm", pixel_mm, f"that of the reference, "
                                       f"{wanted_mm:.3g}"))
        present = radial_power(own, pixel_mm)[1] if len(own) else np.zeros_like(target)
        missing = np.sqrt(np.maximum(target - present, 0.0)) * strength
        rows, columns = image.array.shape[1:]
        f = np.hypot(scipy.fft.fftfreq(rows, pixel_mm)[:, None], scipy.fft.rfftfreq(columns, pixel_mm)[None, :])
        gain = np.interp(f, frequency, missing) / pixel_mm
        added = np.empty(image.array.shape, np.float32)
        for k in range(len(added)):
            white = seed.child("texture", k).rng().standard_normal((rows, columns))
            added[k] = scipy.fft.irfft2(scipy.fft.rfft2(white, workers=1) * gain, (rows, columns), workers=1)
        added *= truth.labels > 0
        return self._shaped(added)

    def _shaped(self, added: Float32) -> Float32:
        """Return noise whose values have the reference's histogram, with the same SD."""
        inside = added != 0
        sd = float(added[inside].std()) if inside.any() else 0.0
        if sd == 0:
            return added
        steps = np.linspace(0, 1, QUANTILES)
        values = added[inside]
        mapped = np.interp(values, np.quantile(values, steps), np.array(self.reference.quantiles))
        shaped = added.copy()
        shaped[inside] = (mapped - mapped.mean()) * sd / max(float(mapped.std()), 1e-6)
        return shaped
