"""From exposure to an image to read: log, normalised by the exposure, equalised by scale, through a tone curve."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.acquire.xray.looks import Look
from medsynth.acquire.xray.pyramid import decompose, recompose, reduced

Float32 = NDArray[np.float32]

P_MAX = 4095  # 12 bits of presentation values
AIR_SHARE = 0.5  # what gets more than this share of the unattenuated exposure passed beside the body
SKIN_MM = 4.0  # the rim of the body that does not count for the exposure index
INDEX_PERCENTILE = 50.0  # of the exposure behind the body: its value of interest
WIDEST_MM = 45.0  # about the widest band that has a gain of its own
PENUMBRA_MM = 1.5  # of the shutters


@dataclass(frozen=True, eq=False)
class Field:
    """What of an image is body.

    Attributes
    ----------
    first_ji, shape_ji : the collimated field as whole pixels that lie in it completely.
    air : (rows, columns) bool of the field: beside the body, direct exposure.
    interest : value of interest: the exposure in the middle of the histogram behind the body.
    noise : variance of the noise in log10 of the exposure, times the exposure; 0 for an image without any.
    """

    first_ji: tuple[int, int]
    shape_ji: tuple[int, int]
    air: NDArray[np.bool_]
    interest: float
    noise: float


def find_field(signal: Float32, edges_ji: tuple[float, float, float, float], unattenuated: float, pixel_mm: float
               ) -> Field:
    """Tell shutters, direct exposure and body apart.

    Parameters
    ----------
    signal : (rows, columns) linear in the exposure.
    edges_ji : first row, first column, last row, last column of the collimated field, as the collimator knows it; an
        edge of the image itself has no shutter.
    unattenuated : signal without a body.
    """
    inset = 1 + int(np.ceil(PENUMBRA_MM / pixel_mm))
    top, left = (int(np.ceil(edge)) + inset if edge > 0 else 0 for edge in edges_ji[:2])
    bottom, right = (int(edge) + 1 - inset if edge < count - 1 else count
                     for edge, count in zip(edges_ji[2:], signal.shape, strict=True))
    inside = signal[top:bottom, left:right]
    smooth = ndimage.uniform_filter(inside, max(1, round(2.0 / pixel_mm)))
    air = smooth > AIR_SHARE * unattenuated
    body = ~ndimage.binary_dilation(air, iterations=max(1, round(SKIN_MM / pixel_mm)))
    if not body.any():
        body = np.ones_like(air)
    # The finest band is mostly noise; the median of chi squared with one degree of freedom is 0.455 of its mean.
    finest = decompose(_log(inside, 1.0), 1)[0][0]
    noise = float(np.median((finest * finest * inside)[body])) / 0.455 / _white_sd()[0] ** 2
    return Field((top, left), inside.shape, air, float(np.percentile(inside[body], INDEX_PERCENTILE)), noise)


def present(signal: Float32, field: Field, look: Look, pixel_mm: float) -> NDArray[np.uint16]:
    """Return P-values, 0 to 4095: thin is dark.

    The same exposure gives the same image whatever else is in it: nothing is stretched to the image's own least and
    greatest value. Twice the exposure gives the same image, too, as the value of interest takes it out.

    Parameters
    ----------
    signal : (rows, columns) linear in the exposure.
    field : of this signal, or of another whose scale it shall have (the same exposure without a lesion, say).
    """
    (top, left), (height, width) = field.first_ji, field.shape_ji
    inside = signal[top:top + height, left:left + width]
    x = -_log(inside, field.interest)
    shown = tone(equalised(x, inside, field.noise, look, pixel_mm), look)
    out = np.zeros(signal.shape, np.uint16)  # behind the shutters: black, as readers want it
    out[top:top + height, left:left + width] = shown
    return out


def equalised(x: Float32, signal: Float32, noise: float, look: Look, pixel_mm: float) -> Float32:
    """Return x with each band of its Laplacian pyramid amplified as the look says.

    Parameters
    ----------
    x : (rows, columns) log10 attenuation.
    signal, noise : the exposure it comes of, and the variance of the noise in x times the exposure (see `Field`).
    """
    levels = max(1, round(np.log2(WIDEST_MM / pixel_mm)) + 1)
    bands, rest = decompose(x, levels)
    here = signal
    for n, band in enumerate(bands):
        gain = look.gain(pixel_mm * 2**n)
        strength = ((band * band + np.float32(look.floor**2)) / np.float32(look.at**2)) ** np.float32(
            (look.exponent - 1) / 2)
        factor = np.float32(gain) * strength
        if look.noise and noise and n < len(_white_sd()):
            variance = look.noise * noise * _white_sd()[n] ** 2 / np.maximum(here, np.float32(1e-6))
            power = ndimage.gaussian_filter(band * band, 2.0)
            kept = np.maximum(0, 1 - variance / np.maximum(power, np.float32(1e-12)))
            factor = np.where(factor > 1, 1 + (factor - 1) * kept, factor)
        bands[n] = band * factor.astype(np.float32)
        here = reduced(here)
    return recompose(bands, np.float32(look.rest) * rest)  # the value of interest, x = 0, stays where it is


def tone(x: Float32, look: Look) -> NDArray[np.uint16]:
    """Return the P-values of equalised log10 attenuation."""
    y = (x - np.float32(look.middle)) / np.float32(look.latitude)
    bend = np.float32(look.shoulder)
    y = np.where(y > 0, bend * np.log1p(np.maximum(y, 0) / bend), y)
    return np.rint(P_MAX / (1 + np.exp(-y))).astype(np.uint16)


def _log(signal: Float32, unit: float) -> Float32:
    """Return log10 of the exposure in a unit, at least four decades below it."""
    return np.log10(np.maximum(signal / np.float32(unit), np.float32(1e-4))).astype(np.float32)


@lru_cache(maxsize=1)
def _white_sd() -> tuple[float, ...]:
    """Return the SD of each band of white noise of SD 1."""
    noise = np.random.Generator(np.random.PCG64(1)).standard_normal((256, 256)).astype(np.float32)
    return tuple(float(band.std()) for band in decompose(noise, 4)[0])
