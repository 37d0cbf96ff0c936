"""What an image is like where a lesion shall go: its sharpness, its noise, and more noise of the same kind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import ndimage

Float32 = NDArray[np.float32]
Image = NDArray[np.floating[Any]]

SIZES_PX = (24, 16, 8)  # of patches: large ones see slow noise, small ones fit between structures
STRIDES = 3  # patches overlap: so many begin along one
INFLATED = 1.3  # a larger patch that says this much more than the smallest holds structure
LEAST_PATCHES = 12
MOST_PATCHES = 20_000
MODE_SHARE = 0.15  # the densest run of this share of the patches tells the noise
EDGE_SHARE = 0.2  # share of the sharpest edges that tells the sharpness
LEAST_SIGMA_PX = 0.35


@dataclass(frozen=True, eq=False)
class Noise:
    """The noise of an image around a place.

    Attributes
    ----------
    sd : in the image's unit.
    spectrum : (n, n) float, power by spatial frequency in a slice, mean 1.
    between_slices : correlation of neighbouring slices.
    """

    sd: float
    spectrum: NDArray[np.float64]
    between_slices: float

    def draw(self, shape_kji: tuple[int, int, int], *, rng: np.random.Generator) -> Float32:
        """Return noise of this kind, (k, j, i) float32."""
        k, j, i = shape_kji
        amplitude = _stretched(np.sqrt(self.spectrum), (j, i))
        rho = float(np.clip(self.between_slices, 0.0, 0.65))
        # Each slice is a mixture of three neighbouring draws a, 1, a: their correlation is 2 a / (1 + 2 a^2).
        a = 0.0 if rho == 0 else (1 - np.sqrt(max(1 - 2 * rho**2, 0.0))) / (2 * rho)
        white = rng.standard_normal((k + 2, j, i))
        mixed = (a * white[:-2] + white[1:-1] + a * white[2:]) / np.sqrt(1 + 2 * a * a)
        shaped = scipy.fft.ifft2(scipy.fft.fft2(mixed) * amplitude).real
        return (shaped * (self.sd / np.sqrt(np.mean(amplitude**2)))).astype(np.float32)


def measure_noise(image: Image, allowed: NDArray[np.bool_]) -> Noise:
    """Measure the noise of an image where nothing else varies much.

    Patches in every slice, freed of a plane, have a spread that is noise or noise and structure: the densest part of
    these spreads is taken to be noise, and the spectrum is that of the patches in it. Large patches are believed
    unless small ones, corrected for the slow noise that their plane took away, say much less.

    Parameters
    ----------
    image : (k, j, i).
    allowed : voxels that may be looked at, e.g. the body, or the organ.
    """
    found = [noise for noise in (_at_size(image, allowed, size) for size in SIZES_PX) if noise is not None]
    if not found:
        return Noise(float(_robust_sd(image, allowed)), np.ones((SIZES_PX[-1],) * 2), 0.0)
    smallest = _corrected(found[-1])
    return next((noise for noise in found[:-1] if noise.sd <= INFLATED * smallest.sd), smallest)


def _at_size(image: Image, allowed: NDArray[np.bool_], size: int) -> Noise | None:
    """Return what patches of one size say; None with too few of them."""
    patches, places = _patches(image, allowed, size)
    if len(patches) < LEAST_PATCHES:
        return None
    flat = _without_plane(patches)
    spreads = flat.reshape(len(flat), -1).std(axis=1) * np.sqrt(size**2 / (size**2 - 3))  # a plane: three freedoms
    sd = _mode(spreads)
    quiet = np.abs(spreads - sd) <= 0.25 * sd
    power = (np.abs(scipy.fft.fft2(flat[quiet])) ** 2).mean(axis=0)
    return Noise(sd, power / max(power.mean(), 1e-30), _between_slices(flat, places, quiet))


def _corrected(noise: Noise) -> Noise:
    """Return the noise of small patches with its slow part put back, for the blur of white noise that fits best."""
    size = len(noise.spectrum)
    share = np.log(noise.spectrum + 1e-3)
    share[0, 0] = 0
    fits = [(float(np.square(np.log(seen + 1e-3) - share)[_rough(size)].sum()), kept, whole)
            for kept, seen, whole in _blurred_patches(size)]
    _, kept, whole = min(fits, key=lambda fit: fit[0])
    return Noise(noise.sd / kept, whole, noise.between_slices)


@cache
def _blurred_patches(size: int) -> tuple[tuple[float, NDArray[np.float64], NDArray[np.float64]], ...]:
    """Return, for blurs of white noise, what a patch keeps of its spread, its mean spectrum, and the true one."""
    white = np.random.Generator(np.random.PCG64(1)).standard_normal((64 * size, 8 * size))
    table = []
    frequency = np.fft.fftfreq(size)
    square = frequency[:, None] ** 2 + frequency[None] ** 2
    for sigma in np.arange(0.0, 1.75, 0.125):
        noise = ndimage.gaussian_filter(white, sigma, mode="wrap")
        noise /= noise.std()
        flat = _without_plane(noise.reshape(64, size, 8, size).swapaxes(1, 2).reshape(-1, size, size))
        power = (np.abs(scipy.fft.fft2(flat)) ** 2).mean(axis=0)
        whole = np.exp(-4 * np.pi**2 * sigma**2 * square)
        kept = float(flat.reshape(len(flat), -1).std(axis=1).mean() * np.sqrt(size**2 / (size**2 - 3)))
        table.append((kept, power / power.mean(), whole / whole.mean()))
    return tuple(table)


def _rough(size: int) -> NDArray[np.bool_]:
    """Return the frequencies that a patch tells well: not the two slowest, which the plane and structure spoil."""
    frequency = np.abs(np.fft.fftfreq(size)) * size
    return np.asarray(np.hypot(frequency[:, None], frequency[None]) >= 2)


def sharpness_px(image: Image) -> float:
    """Return the standard deviation of the blur in a slice, in pixels, from the sharpest edges of an image.

    Across a straight edge of height h blurred by sigma the steepest slope is h / (sigma sqrt(2 pi)); h is the range of
    values within a few pixels.
    """
    plane = np.asarray(image, float)
    span = ndimage.maximum_filter(plane, (1, 7, 7)) - ndimage.minimum_filter(plane, (1, 7, 7))
    slope = np.hypot(*np.gradient(ndimage.gaussian_filter(plane, (0, 0.5, 0.5)), axis=(1, 2)))
    strong = span >= np.quantile(span, 0.995)
    if not strong.any() or span[strong].min() <= 0:
        return LEAST_SIGMA_PX
    ratio = slope[strong] / span[strong]
    sharpest = np.quantile(ratio, 1 - EDGE_SHARE)
    sigma2 = 1 / (2 * np.pi * max(sharpest, 1e-6) ** 2) - 0.5**2 - 0.4**2  # less the filter's and the difference's own
    return float(np.clip(np.sqrt(max(sigma2, LEAST_SIGMA_PX**2)), LEAST_SIGMA_PX, 3.0))


def _patches(image: Image, allowed: NDArray[np.bool_], size: int
             ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the patches that lie in `allowed`, (n, size, size), and the number of each along the axes, (n, 3)."""
    if min(image.shape[1:]) < size:
        return np.empty((0, size, size)), np.empty((0, 3), np.int64)
    stride = max(1, size // STRIDES)
    windows, whole = (sliding_window_view(a, (size, size), axis=(1, 2))[:, ::stride, ::stride]
                      for a in (np.asarray(image), allowed))
    places = np.argwhere(whole.all(axis=(3, 4)))
    if len(places) > MOST_PATCHES:  # whole runs of slices, so that neighbours stay neighbours
        places = places[len(places) // 2 - MOST_PATCHES // 2:][:MOST_PATCHES]
    return windows[tuple(places.T)].astype(float), places


def _without_plane(patches: NDArray[np.float64]) -> NDArray[np.float64]:
    size = patches.shape[-1]
    axis = np.arange(size) - (size - 1) / 2
    square = float((axis**2).sum()) * size
    down = (patches * axis[:, None]).sum(axis=(1, 2)) / square
    right = (patches * axis[None]).sum(axis=(1, 2)) / square
    mean = patches.mean(axis=(1, 2))
    plane = mean[:, None, None] + down[:, None, None] * axis[:, None] + right[:, None, None] * axis[None]
    return np.asarray(patches - plane)


def _mode(values: NDArray[np.float64]) -> float:
    """Return the middle of the shortest run that holds a share of the values."""
    ordered = np.sort(values)
    count = max(2, int(np.ceil(MODE_SHARE * len(ordered))))
    widths = ordered[count - 1:] - ordered[:len(ordered) - count + 1]
    first = int(np.argmin(widths))
    return float(np.median(ordered[first:first + count]))


def _between_slices(flat: NDArray[np.float64], places: NDArray[np.int64], quiet: NDArray[np.bool_]) -> float:
    at = {tuple(place): n for n, place in enumerate(places.tolist())}
    products, squares = [], []
    for n, place in enumerate(places.tolist()):
        above = at.get((place[0] + 1, place[1], place[2]))
        if above is not None and quiet[n] and quiet[above]:
            products.append(float((flat[n] * flat[above]).mean()))
            squares.append(float(np.sqrt((flat[n]**2).mean() * (flat[above]**2).mean())))
    return float(np.sum(products) / np.sum(squares)) if squares else 0.0


def _robust_sd(image: Image, allowed: NDArray[np.bool_]) -> float:
    """Return the noise from differences of neighbours, where there is no room for patches."""
    difference = np.diff(np.asarray(image, float), axis=2)
    both = allowed[:, :, 1:] & allowed[:, :, :-1]
    values = difference[both] if both.any() else difference
    return 1.4826 * float(np.median(np.abs(values - np.median(values)))) / np.sqrt(2) if values.size else 0.0


def _stretched(amplitude: NDArray[np.float64], shape_ji: tuple[int, int]) -> NDArray[np.float64]:
    """Return a spectral amplitude at the frequencies of another size; the zero frequency takes its neighbours'."""
    size = len(amplitude)
    own = np.fft.fftshift(np.fft.fftfreq(size))
    centred = np.fft.fftshift(amplitude)
    middle = size // 2
    around = [centred[middle + a, middle + b] for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b]
    centred = centred.copy()
    centred[middle, middle] = np.mean(around)  # a plane was taken out there
    at = [np.interp(np.fft.fftfreq(n), own, np.arange(size)) for n in shape_ji]
    grid = np.meshgrid(*at, indexing="ij")
    return np.asarray(ndimage.map_coordinates(centred, grid, order=1, mode="nearest"))
