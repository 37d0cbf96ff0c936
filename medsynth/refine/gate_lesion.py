"""Whether a lesion is still what its label says, measured on the images without any network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]

RING_MM = (2.0, 5.0)  # about the lesion, in its host; at least one to three voxels
AROUND_MM = 30.0  # of the lesion, in which the host's noise is measured
FINER = 3  # of the lattice on which a volume at half contrast is counted
SMOOTH_VOXELS = 3.0  # sigma of what counts as smooth, not as noise
FEWEST_PLACES = 40  # of a displaced lesion, for a standard deviation


@dataclass(frozen=True, eq=False)
class Place:
    """A lesion's neighbourhood, cut out of the images.

    Attributes
    ----------
    before, after : (k, j, i) the image.
    bare_before, bare_after : the lesion-free twin, or None.
    mask : the lesion. lesions : any lesion. labels : anatomy.
    """

    before: Floats
    after: Floats
    bare_before: Floats | None
    bare_after: Floats | None
    mask: NDArray[np.bool_]
    lesions: NDArray[np.bool_]
    labels: NDArray[np.uint16]
    spacing_mm: tuple[float, float, float]


def measure_lesion(place: Place, gain_of: Mapping[int, float]) -> dict[str, float]:
    """Return what changed; a value that cannot be measured is left out.

    Parameters
    ----------
    gain_of : label -> by how much the refiner is meant to multiply the noise; 0: elsewhere.

    Returns
    -------
    contrast_before, contrast_after : mean of the lesion over that of a ring in its host, in the image's unit.
    contrast_change, contrast_se : after less before, and the standard deviation that this has at places without lesion.
    signal_ratio : of what the lesion adds, projected on what it added before; 1: unchanged.
    cnr_ratio, dprime_ratio : after over before, times what the noise is meant to gain. cnr_se, dprime_se of them.
    edge_voxels : shift of the edge or of the centre, the larger.
    volume_ratio, volume_tolerance : at half contrast; the volume of half a voxel over the lesion's.
    """
    away: Floats = ndimage.distance_transform_edt(~place.mask, sampling=place.spacing_mm)
    host, ring = _ring(place, away)
    gain = gain_of.get(host, gain_of.get(0, 1.0))
    template = place.mask / place.mask.sum() - ring / max(1, ring.sum())
    found = {f"contrast_{name}": float((template * image).sum())
             for name, image in (("before", place.before), ("after", place.after))}
    found["contrast_change"] = found["contrast_after"] - found["contrast_before"]
    inner = inner_part(place.labels == host)
    free = inner & (ndimage.distance_transform_edt(~place.lesions, sampling=place.spacing_mm)
                                     > RING_MM[1])
    change = _spread(place.after - place.before, template, free)
    found["contrast_se"] = 0.0 if change is None else change[0]
    bare = [image if twin is None else twin for image, twin in ((place.before, place.bare_before),
                                                                (place.after, place.bare_after))]
    signals = _signals(place, away, ring)
    noise = [fine_texture(image, inner) for image in bare]
    found |= _ratio("cnr", [found["contrast_before"], found["contrast_after"]],
                    [_spread(one, np.ones((1, 1, 1)), free) for one in noise], gain)
    reach = away <= 2 * max(place.spacing_mm)
    templates = [signal * reach for signal in signals]
    found |= _ratio("dprime", [float(np.square(one).sum()) for one in templates],
                    [_spread(one, t, free) for one, t in zip(noise, templates, strict=True)], gain)
    return found | _form(place, away, *signals)


def _ring(place: Place, away: Floats) -> tuple[int, NDArray[np.bool_]]:
    """Return the host's label and the ring about the lesion in it."""
    voxel = max(place.spacing_mm)
    near = (away > max(RING_MM[0], 0.9 * voxel)) & (away <= max(RING_MM[1], 3 * voxel)) & ~place.lesions
    if not near.any():
        return 0, near
    host = int(np.bincount(place.labels[near]).argmax())
    return host, near & (place.labels == host)


def _signals(place: Place, away: Floats, ring: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return what the lesion adds before and after, (k, j, i); without a twin, over the mean of the ring."""
    if place.bare_before is not None and place.bare_after is not None:
        return place.before - place.bare_before, place.after - place.bare_after
    near = away <= 2 * max(place.spacing_mm)
    before, after = ((image - (image[ring].mean() if ring.any() else 0.0)) * near
                     for image in (place.before, place.after))
    return before, after


def _spread(field: Floats, template: Floats, free: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Return the robust SD of the template's sum over the field, displaced to free places, and how many are apart."""
    if free.sum() < FEWEST_PLACES:
        return None
    shape = [scipy.fft.next_fast_len(a + b) for a, b in zip(field.shape, template.shape, strict=True)]
    used = np.argwhere(template != 0)
    if not len(used):
        return None
    low, high = used.min(axis=0), used.max(axis=0) + 1
    cut = template[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    spectrum = scipy.fft.rfftn(field, shape, workers=1) * np.conj(scipy.fft.rfftn(cut, shape, workers=1))
    sums = scipy.fft.irfftn(spectrum, shape, workers=1)
    # The sum that belongs to the template's middle at voxel v stands at v less the half of its size.
    half = [n // 2 for n in cut.shape]
    sums = np.roll(sums, half, (0, 1, 2))[tuple(slice(0, n) for n in field.shape)]
    inner = np.zeros_like(free)
    inner[tuple(slice(h, n - h) for h, n in zip(half, field.shape, strict=True))] = True
    values = sums[free & inner]
    if len(values) < FEWEST_PLACES:
        return None
    apart = len(values) / max(1.0, float(np.square(cut).sum()) ** 2 / float(np.power(cut, 4).sum()))
    return 1.4826 * float(np.median(np.abs(values - np.median(values)))), max(apart, 4.0)


def inner_part(host: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a structure without its outermost voxels, which its neighbours are blurred into; all of a thin one."""
    inner: NDArray[np.bool_] = ndimage.binary_erosion(host)
    return inner if inner.sum() >= 10 * FEWEST_PLACES else host


def fine_texture(image: Floats, host: NDArray[np.bool_]) -> Floats:
    """Return an image less its smooth part, both within the host alone: noise and fine texture."""
    inside = host.astype(np.float64)
    share = ndimage.gaussian_filter(inside, SMOOTH_VOXELS, mode="constant")
    smooth = ndimage.gaussian_filter(image * inside, SMOOTH_VOXELS, mode="constant") / np.maximum(share, 1e-6)
    return np.asarray((image - smooth) * inside)


def _ratio(name: str, values: list[float], spreads: list[tuple[float, float] | None], gain: float
           ) -> dict[str, float]:
    """Return the ratio of value over spread, after to before, and its relative standard error."""
    first, last = spreads
    if first is None or last is None or first[0] <= 0 or last[0] <= 0 or values[0] == 0:
        return {}
    changed = last[0] != first[0]
    return {f"{name}_ratio": float(values[1] / values[0] * first[0] / last[0] * gain),
            f"{name}_se": float(np.sqrt(0.68 / min(first[1], last[1]))) if changed else 0.0}


def _form(place: Place, away: Floats, before: Floats, after: Floats) -> dict[str, float]:
    """Return how the lesion's strength, size and place changed, from what it adds."""
    sign = np.sign(before[place.mask].sum()) or 1.0
    near = away <= RING_MM[1]
    first, last = sign * before * near, sign * after * near
    energy = float(np.square(first).sum())
    if energy == 0:
        return {}
    top = float(np.quantile(first[place.mask], 0.9))
    top_after = float(np.quantile(last[place.mask], 0.9))
    found = {"signal_ratio": float((first * last).sum() / energy)}
    if top <= 0:
        return found
    volumes = [_half_volume(one, level, near) for one, level in ((first, top), (last, max(top_after, 0.1 * top)))]
    found["volume_ratio"] = volumes[1] / volumes[0] if volumes[0] else 1.0
    found["volume_tolerance"] = 0.5 / max(volumes[0], 0.5)
    centres = [_centre(one, level) for one, level in ((first, top), (last, max(top_after, 0.1 * top)))]
    shift = float(np.linalg.norm(centres[1] - centres[0]))
    radii = [(3 * volume / (4 * np.pi)) ** (1 / 3) for volume in volumes]
    found["edge_voxels"] = max(shift, abs(radii[1] - radii[0]))
    return found


def _half_volume(signal: Floats, top: float, near: NDArray[np.bool_]) -> float:
    """Return how many voxels are above half of the top, counted on a finer lattice."""
    low, high = np.argwhere(near).min(axis=0), np.argwhere(near).max(axis=0) + 1
    cut = signal[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    fine = ndimage.zoom(cut, FINER, order=1, mode="nearest", grid_mode=True)
    return float((fine >= top / 2).sum()) / FINER**3


def _centre(signal: Floats, top: float) -> Floats:
    """Return the centre of what is above a quarter of the top, weighted by its height, in voxels."""
    weight = np.clip(signal - top / 4, 0, top)
    total = float(weight.sum())
    if total == 0:
        return np.full(3, np.inf)
    axes = np.indices(signal.shape)
    return np.array([float((weight * axis).sum()) / total for axis in axes])
