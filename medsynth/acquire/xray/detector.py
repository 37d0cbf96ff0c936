"""The detector: presets, response to photons, sharpness, noise and digital values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft
from scipy.interpolate import PchipInterpolator

from medsynth.acquire.common.detection_kernels import quanta
from medsynth.acquire.xray.materials import material, read_data
from medsynth.acquire.xray.source import Beam, spectrum
from medsynth.core.errors import RecipeError, expected
from medsynth.tissues.attenuation import linear_attenuation

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

PAD = 48  # pixels by which images are mirrored at their edges before filters
ALIASES = 1  # orders of aliasing in the noise that are told apart


@dataclass(frozen=True)
class Detector:
    """A flat detector.

    Attributes
    ----------
    sensor, sensor_mm : what stops the photons, and its thickness at full density.
    swank : signal of absorbed photons: squared mean over mean square.
    pixel_mm : pitch it is made with; the geometry's pixels count, which may be binned.
    mtf : lp/mm -> presampled MTF, pixel aperture included.
    electronic_ugy : air kerma (RQA5) at which electronic noise equals quantum noise.
    saturation_ugy : air kerma (RQA5) of the highest value.
    bits : of the values.
    glare_share, glare_mm : share of the signal that spreads widely, and the mean distance it goes.
    """

    name: str
    words: str
    source: str
    sensor: str
    sensor_mm: float
    swank: float
    pixel_mm: float
    mtf: Mapping[float, float]
    electronic_ugy: float
    saturation_ugy: float
    bits: int
    glare_share: float
    glare_mm: float

    @property
    def top(self) -> int:
        """Highest value."""
        return (1 << self.bits) - 1

    @property
    def values_per_ugy(self) -> float:
        """Digital values per uGy (RQA5)."""
        return self.top / self.saturation_ugy


@cache
def detectors() -> dict[str, Detector]:
    """Return every preset by name."""
    found = {}
    for name, row in read_data("detectors.yaml").items():
        glare = row.pop("glare")
        found[name] = Detector(name=name, glare_share=glare["share"], glare_mm=glare["mm"], **row)
    return found


def detector(name: str, **changes: object) -> Detector:
    """Return a preset, with some of its numbers changed."""
    if name not in detectors():
        raise RecipeError(expected("detector", name, f"one of {sorted(detectors())}"))
    return replace(detectors()[name], **changes)  # type: ignore[arg-type]


def absorbed(detector: Detector, energies_keV: ArrayLike) -> Float64:
    """Return the share of photons (...) of these energies that the sensor stops."""
    return -np.expm1(-detector.sensor_mm / 10 * linear_attenuation(material(detector.sensor), energies_keV))


def response(detector: Detector, energies_keV: ArrayLike) -> tuple[Float64, Float64]:
    """Return mean and mean square signal in keV and keV^2 per arriving photon of these energies (E,)."""
    energies = np.asarray(energies_keV, float)
    share = absorbed(detector, energies)
    return share * energies, share * energies**2 / detector.swank


@lru_cache(maxsize=32)
def rqa5() -> Beam:
    """Return the calibration beam: 70 kV behind 21 mm added aluminium (IEC 61267)."""
    return spectrum("general", 70.0).behind({"aluminium": 21.0})


def signal_per_ugy(detector: Detector) -> tuple[float, float]:
    """Return signal and squared signal per cm2 and uGy of the calibration beam."""
    beam = rqa5()
    mean, square = response(detector, beam.energies_keV)
    return float(beam.photons @ mean / beam.kerma_ugy), float(beam.photons @ square / beam.kerma_ugy)


def mtf(detector: Detector, lp_per_mm: ArrayLike) -> Float64:
    """Return the presampled MTF (...) at these frequencies, of the detector as made; 0 towards high frequencies."""
    knots = np.array([0.0, *detector.mtf])
    curve = PchipInterpolator(knots, np.log([1.0, *detector.mtf.values()]))
    f = np.abs(np.asarray(lp_per_mm, float))
    last, slope = knots[-1], float(curve.derivative()(knots[-1]))
    return np.exp(np.where(f <= last, curve(np.minimum(f, last)), curve(last) + slope * (f - last)))


def spread_mtf(detector: Detector, lp_per_mm: ArrayLike) -> Float64:
    """Return the MTF (...) of the sensor alone: `mtf` without the aperture of the pixel it was measured with."""
    f = np.asarray(lp_per_mm, float)
    aperture = np.sinc(detector.pixel_mm * np.minimum(np.abs(f), 0.8 / detector.pixel_mm))
    return np.minimum(mtf(detector, f) / aperture, 1.0)


def sharpness(detector: Detector, pixel_mm: float, shape_ji: tuple[int, int]) -> tuple[Float32, Float32]:
    """Return what the sensor does to signal and to noise at the frequencies of a real FFT of such an image.

    Pixels hold the mean signal over themselves. The signal is multiplied by the sensor's MTF. The noise is sampled
    after it was spread: its spectrum is the sum over aliases of (MTF x aperture)^2.

    Returns
    -------
    two (rows, columns // 2 + 1) float32.
    """
    fy, fx = fft.fftfreq(shape_ji[0], pixel_mm), fft.rfftfreq(shape_ji[1], pixel_mm)
    radius = np.hypot(fy[:, None], fx[None, :])
    top = (1 + 2 * ALIASES) / pixel_mm
    grid = np.linspace(0, top, 2048)
    curve = spread_mtf(detector, grid)
    signal = np.interp(radius, grid, curve)
    power, seen = np.zeros_like(signal), np.zeros_like(signal)
    for m in range(-ALIASES, ALIASES + 1):
        for n in range(-ALIASES, ALIASES + 1):
            y, x = fy + m / pixel_mm, fx + n / pixel_mm
            aperture = (np.sinc(pixel_mm * y) ** 2)[:, None] * (np.sinc(pixel_mm * x) ** 2)[None, :]
            seen += aperture
            power += np.interp(np.hypot(y[:, None], x[None, :]), grid, curve) ** 2 * aperture
    power += (1 - seen) * np.interp((ALIASES + 0.5) / pixel_mm, grid, curve) ** 2  # all apertures sum to 1
    return signal.astype(np.float32), np.sqrt(power).astype(np.float32)


def read_out(mean: Float32, ratio: Float32, detector: Detector, pixel_mm: float, *, blur: bool,
             quantum: Float32 | None, electronic: Float32 | None) -> Float32:
    """Return the signal (rows, columns) that is read out of an expected one.

    Photons are counted first, then their light spreads, so that noise is blurred as the image is; electronic noise
    comes last.

    Parameters
    ----------
    mean : (rows, columns) float32, expected signal per pixel in keV.
    ratio : (rows, columns) float32, variance of the quantum noise over the mean, in keV.
    quantum, electronic : (rows, columns) float32 standard normal draws, None for no noise.
    """
    noise = None if quantum is None else quantum_noise(mean, ratio, quantum)
    flat = mean if noise is None else mean + noise
    image = spread(mean, detector, pixel_mm, noise=noise) if blur else flat
    return image if electronic is None else image + np.float32(electronic_kev(detector, pixel_mm)) * electronic


def quantum_noise(mean: Float32, ratio: Float32, draws: Float32) -> Float32:
    """Return quantum noise (rows, columns): scaled Poisson numbers less their mean, a steady function of the draws."""
    drawn = np.empty(mean.shape, np.float32)
    quanta(np.ascontiguousarray(mean).ravel(), (mean * ratio).ravel(), np.ascontiguousarray(draws).ravel(),
           drawn.reshape(-1))
    return drawn - mean


def electronic_kev(detector: Detector, pixel_mm: float) -> float:
    """Return the SD of the electronic noise per pixel."""
    return float(np.sqrt(detector.electronic_ugy * signal_per_ugy(detector)[1]) * pixel_mm / 10)


def spread(signal: Float32, detector: Detector, pixel_mm: float, *, noise: Float32 | None = None) -> Float32:
    """Return a signal (rows, columns) blurred by the sensor; `noise`, white but for its strength, is added blurred."""
    rows, columns = signal.shape
    shape = (fft.next_fast_len(rows + 2 * PAD, real=True), fft.next_fast_len(columns + 2 * PAD, real=True))
    pads = ((PAD, shape[0] - rows - PAD), (PAD, shape[1] - columns - PAD))
    for_signal, for_noise = _sharpness(detector.sensor, tuple(detector.mtf.items()), detector.pixel_mm, pixel_mm, shape)
    total = fft.rfft2(np.pad(signal, pads, mode="symmetric"))
    total *= for_signal
    if noise is not None:
        total += fft.rfft2(np.pad(noise, pads, mode="symmetric")) * for_noise
    out = fft.irfft2(total, s=shape, overwrite_x=True)
    return np.ascontiguousarray(out[PAD:PAD + rows, PAD:PAD + columns])


@lru_cache(maxsize=4)
def _sharpness(sensor: str, curve: tuple[tuple[float, float], ...], made_mm: float, pixel_mm: float,
               shape_ji: tuple[int, int]) -> tuple[Float32, Float32]:
    like = next(d for d in detectors().values() if d.sensor == sensor)
    return sharpness(replace(like, mtf=dict(curve), pixel_mm=made_mm), pixel_mm, shape_ji)


def digital(signal: Float32, detector: Detector, pixel_mm: float) -> NDArray[np.uint16]:
    """Return the values (rows, columns) of a signal: linear in exposure, rounded, saturated."""
    return np.clip(np.rint(in_values(signal, detector, pixel_mm)), 0, detector.top).astype(np.uint16)


def in_values(signal: Float32, detector: Detector, pixel_mm: float) -> Float32:
    """Return a signal (rows, columns) in keV on the scale of the digital values, neither rounded nor saturated."""
    per_ugy = signal_per_ugy(detector)[0] * (pixel_mm / 10) ** 2
    return signal * np.float32(detector.values_per_ugy / per_ugy)
