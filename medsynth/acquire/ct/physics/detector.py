"""The detector: expected signal behind the object, blur, noise, air calibration and the logarithm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import erf

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.acquire.common.detection_kernels import detected, quanta
from medsynth.acquire.ct.physics import _detector as kernels
from medsynth.acquire.ct.physics.scanner import Scanner
from medsynth.acquire.ct.physics.source import Beam
from medsynth.core.errors import RecipeError
from medsynth.core.errors import expected as must_be
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# A counting detector's energy resolution, and the share of photons whose charge is split between cells so that any
# part of their energy is registered (unverified: 5-10 keV and a third at 0.3-0.5 mm pixels).
RESOLUTION_KEV_FWHM = 8.0
SHARED = 0.25
# Readings of less than this many SD of the electronic noise (or counts) are low; neighbours lie so many views and
# channels away: more views, since shadows run along them.
LOW_SD = 3.0
LOW_COUNTS = 4.0
LOW_REACH = (3, 1)


@dataclass(frozen=True, eq=False)
class Response:
    """What one arriving photon does on average.

    Attributes
    ----------
    signal : (bins, E) mean signal per photon that arrives: keV (integrating), counts (counting).
    square : (bins, E) mean squared signal per photon that arrives.
    """

    signal: Float64
    square: Float64


@cache
def _sensors() -> tuple[tuple[str, ...], Float64]:
    """Return the names and the table (column, row) of sensor materials: log keV, then log of 1/cm of each."""
    text = files("medsynth.acquire.ct").joinpath("data", "sensors.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return tuple(lines[0].split(",")[1:]), np.log(np.array([line.split(",") for line in lines[1:]], float)).T


def sensor_per_cm(name: str, energies_keV: ArrayLike) -> Float64:
    """Return the linear attenuation in 1/cm of a sensor: of the sensors' table, or else of the tissue table."""
    names, table = _sensors()
    energies = np.asarray(energies_keV, float)
    if name not in names:
        return linear_attenuation(tissue(name), energies)
    return np.exp(np.interp(np.log(energies), table[0], table[1 + names.index(name)]))


def response(scanner: Scanner, energies_keV: ArrayLike) -> Response:
    """Return the detector's response to photons of these energies.

    An integrating detector absorbs 1 - exp(-mu t) of the photons and registers all of their energy; the escape of
    fluorescence and the spread of the light yield (a Swank factor of 0.9-0.95) are left out. A counting detector
    registers the photon's energy with a Gaussian error or, if its charge is shared, any part of it; a photon is counted
    once, in the bin between the thresholds where it falls.

    Parameters
    ----------
    energies_keV : (E,) 10 to 150.
    """
    energies = np.asarray(energies_keV, float)
    absorbed = -np.expm1(-scanner.scintillator_mm / 10 * sensor_per_cm(scanner.scintillator, energies))
    if scanner.detector == "integrating":
        return Response((absorbed * energies)[None], (absorbed * energies**2)[None])
    sd_keV = RESOLUTION_KEV_FWHM / np.sqrt(8 * np.log(2))
    above = []
    for threshold in sorted(scanner.thresholds_keV):
        whole = np.array([(1 + erf((energy - threshold) / (sd_keV * np.sqrt(2)))) / 2 for energy in energies])
        part = np.clip(1 - threshold / energies, 0, 1)
        above.append(absorbed * ((1 - SHARED) * whole + SHARED * part))
    counted = -np.diff(np.array([*above, np.zeros_like(absorbed)]), axis=0)
    return Response(counted, counted)


def expected(paths_cm: Float32, linear_per_cm: Float64, beam: Beam, response: Response, mas: ArrayLike,
             height_mm: float) -> tuple[Float32, Float32]:
    """Return the expected signal of every reading, and its variance by quantum noise.

    Parameters
    ----------
    paths_cm : (view, channel, B) float32, path length through each basis material; may be negative.
    linear_per_cm : (B, E) attenuation of the basis materials at the beam's energies.
    mas : (view,) tube current x time of each view in mAs.
    height_mm : height of the detector cell, measured at the isocentre.

    Returns
    -------
    two (bins, view, channel) float32: mean, sum of N S, and square, sum of N S^2, over energies; keV and keV^2, or
    counts.
    """
    views, channels, bases = paths_cm.shape
    if beam.photons.shape[0] != channels or linear_per_cm.shape != (bases, len(beam.energies_keV)):
        raise ValueError(f"paths_cm {paths_cm.shape} and linear_per_cm {linear_per_cm.shape} must fit a beam of "
                         f"{beam.photons.shape} channels and energies")
    scale = np.broadcast_to(np.asarray(mas, float) * height_mm, (views,))
    bins = len(response.signal)
    mean, square = (np.empty((bins, views, channels), np.float32) for _ in range(2))
    detected(np.ascontiguousarray(paths_cm, np.float32), (linear_per_cm / np.log(2)).astype(np.float32),
             np.ascontiguousarray(beam.photons.T, np.float32), response.signal.astype(np.float32),
             response.square.astype(np.float32), scale.astype(np.float32), mean, square)
    return mean, square


def air_signal(scanner: Scanner, beam: Beam, response: Response, height_mm: float, *, blur: bool = True) -> Float64:
    """Return the (bins, channel) signal per mAs with nothing in the beam, blurred as the readings are."""
    air = height_mm * response.signal @ beam.photons.T
    if not blur:
        return air
    for taps in (focal_taps(scanner), cross_talk_taps(scanner)):
        reach = len(taps) // 2
        padded = np.pad(air, ((0, 0), (reach, reach)), mode="edge")
        air = sum(tap * padded[:, i:i + air.shape[1]] for i, tap in enumerate(taps))
    return air


def _matched(moments: tuple[float, float, float]) -> Float64:
    """Return the 7 symmetrical taps with these second, fourth and sixth moments; their sum is 1."""
    offsets = np.arange(1.0, 4.0)
    side = np.linalg.solve(2 * offsets ** np.array([[2], [4], [6]]), np.array(moments))
    return np.concatenate([side[::-1], [1 - 2 * side.sum()], side])


def focal_taps(scanner: Scanner) -> Float64:
    """Return the taps over channels of the focal spot's width, seen at the isocentre.

    A Gaussian whose FWHM is the focal spot's width x (SDD - SID) / SID on the detector. Where it is narrow, the taps
    have its moments up to the sixth, for samples of it would not keep its width.
    """
    if scanner.geometry == "parallel" or scanner.focal_mm[0] == 0:
        return np.ones(1)
    fwhm = scanner.focal_mm[0] * (scanner.magnification - 1) / scanner.channel_mm
    variance = fwhm**2 / (8 * np.log(2))
    if variance < 0.5:
        return _matched((variance, 3 * variance**2, 15 * variance**3))
    reach = int(np.ceil(4.5 * np.sqrt(variance)))
    taps = np.exp(-np.arange(-reach, reach + 1.0) ** 2 / (2 * variance))
    return taps / taps.sum()


def cross_talk_taps(scanner: Scanner) -> Float64:
    """Return the 3 taps over channels of the detector's cross-talk."""
    share = scanner.cross_talk
    return np.array([share, 1 - 2 * share, share]) if share else np.ones(1)


def lag_parts(scanner: Scanner, rotation_s: float) -> tuple[Float64, Float64, Float64]:
    """Return of each lag component its share, the part of it that its own view leaves, and what a view leaves of that.

    Light that is made evenly over a view of duration T and decays with tau leaves tau / T (1 - exp(-T / tau)).
    """
    tau = np.array(list(scanner.lag), float) / 1000
    kept = np.exp(-rotation_s / scanner.views / tau)
    return np.array(list(scanner.lag.values()), float), (1 - kept) * tau * scanner.views / rotation_s, kept


def delay_views(scanner: Scanner, rotation_s: float) -> float:
    """Return by how many views lag delays readings: the image turns by that, unless angles allow for it.

    That is the delay of the main component; the others are a faint tail over many views, which moves no edge.
    """
    shares, stored, kept = lag_parts(scanner, rotation_s)
    return float((stored / (1 - kept))[np.argmax(shares)]) if len(shares) else 0.0


def blurred(values: Float32, scanner: Scanner) -> Float32:
    """Return expected signals blurred by the focal spot and by the gantry's turn during a reading.

    Both act on photons before they are counted, so this is for `mean` and `square` alike. The channel's own aperture
    belongs to the projector. The turn is a window one view long; beyond the first and last view those go on.

    Parameters
    ----------
    values : (bins, view, channel) float32 in any intensity unit.
    """
    turn = _matched((1 / 12, 1 / 80, 1 / 448)) if scanner.geometry == "fan" else np.ones(1)
    return _smoothed(values, focal_taps(scanner), turn)


def spread(values: Float32, scanner: Scanner, rotation_s: float) -> Float32:
    """Return readings with the detector's cross-talk and lag: after quantum noise, before electronic noise.

    Parameters
    ----------
    values : (bins, view, channel) float32.
    rotation_s : duration of `scanner.views` views.
    """
    values = _smoothed(values, cross_talk_taps(scanner), np.ones(1))
    if not scanner.lag:
        return values
    shares, stored, kept = (part.astype(np.float32) for part in lag_parts(scanner, rotation_s))
    out = np.empty_like(values)
    for one, into in zip(values, out, strict=True):
        kernels.lagged(one, shares, stored, kept, into)
    return out


def _smoothed(values: Float32, channel_taps: Float64, view_taps: Float64) -> Float32:
    if len(channel_taps) > 1:
        out = np.empty_like(values)
        for one, into in zip(values, out, strict=True):
            kernels.over_channels(one, channel_taps.astype(np.float32), into)
        values = out
    if len(view_taps) > 1:
        out = np.empty_like(values)
        for one, into in zip(values, out, strict=True):
            kernels.over_views(one, view_taps.astype(np.float32), into)
        values = out
    return values


def electronic_sd(scanner: Scanner, height_mm: float) -> float:
    """Return the SD of the electronic noise of a reading in signal units; rows add up to `height_mm` independently."""
    if scanner.detector == "counting":
        return 0.0
    return scanner.electronic_e / scanner.gain_e_per_keV * float(np.sqrt(height_mm / scanner.row_mm))


def readings(mean: Float32, square: Float32, scanner: Scanner, *, quantum: bool, electronic: bool, height_mm: float,
             rng: np.random.Generator, rotation_s: float | None = None) -> Float32:
    """Draw readings from their expected values.

    The signal is a compound Poisson sum; it is drawn as a scaled Poisson number with the same mean and variance,
    mean^2 / square effective quanta of square / mean each, one normal draw per reading: a scan of nearly the same
    object and the same stream has nearly the same noise. A scan at d percent of the dose is drawn from both expected
    values x d / 100. With `rotation_s` the detector's cross-talk and lag follow (`spread`), which correlate the noise;
    electronic noise comes last.

    Parameters
    ----------
    mean, square : (bins, view, channel) float32 of `expected` (after `blurred` and scatter).
    height_mm : as in `expected`; sets how many rows' electronic noise a reading holds.
    rotation_s : duration of a turn, None to leave cross-talk and lag out.

    Returns
    -------
    (bins, view, channel) float32; electronic noise can make readings negative.
    """
    out: Float32 = _quanta(mean, square, rng) if quantum else mean.copy()
    if rotation_s is not None:
        out = spread(out, scanner, rotation_s)
    sd = electronic_sd(scanner, height_mm)
    if electronic and sd > 0:
        out += np.float32(sd) * rng.standard_normal(out.shape, dtype=np.float32)
    return out


def _quanta(mean: Float32, square: Float32, rng: np.random.Generator) -> Float32:
    out: Float32 = np.empty(mean.shape, np.float32)
    quanta(np.ascontiguousarray(mean).ravel(), np.ascontiguousarray(square).ravel(),
           rng.standard_normal(mean.size, dtype=np.float32), out.reshape(-1))
    return out


def compound(absorbed: ArrayLike, signal: ArrayLike, *, rng: np.random.Generator) -> Float64:
    """Draw the exact compound Poisson sum, energy by energy: slow, the yardstick of `readings`.

    Parameters
    ----------
    absorbed : (..., E) mean number of absorbed photons.
    signal : (E,) what each of them adds.
    """
    return rng.poisson(np.asarray(absorbed, float)) @ np.asarray(signal, float)


def gain_errors(scanner: Scanner, percent: float, *, rng: np.random.Generator) -> Float32:
    """Return (channels,) factors of the readings that air calibration missed: rings of this SD in percent."""
    return np.asarray(1 + percent / 100 * rng.standard_normal(scanner.channels), np.float32)


def low_signal(scanner: Scanner, height_mm: float) -> float:
    """Return the signal that counts as low: 3 SD of the electronic noise, or 4 counts; at least 60 keV in all."""
    if scanner.detector == "counting":
        return LOW_COUNTS
    return max(LOW_SD * electronic_sd(scanner, height_mm), 60.0)


def line_integrals(readings: Float32, air: ArrayLike, mas: ArrayLike, *, low: float) -> Float32:
    """Return ln(air x mas / reading), defined for any reading.

    Where the mean of 7 views x 3 channels (13 x 5 where that is very low) is below `low`, it replaces the reading;
    above 3 `low` the reading stands, and between they are mixed. At `low_signal` the mean of a line integral is then
    within 0.06 of the truth down to four photons for a detector of 3.4 photons' electronic noise; still darker ones end
    at ln(4 air x mas / low). What it costs is resolution across dark shadows. For readings without noise take a `low`
    near 0.

    Parameters
    ----------
    readings : (bins, view, channel) float32.
    air : (bins, channel) signal per mAs with nothing in the beam (`air_signal`).
    mas : (view,) mAs of each view.
    low : signal, see `low_signal`.

    Raises
    ------
    RecipeError
        If a view or channel has no photons at all.
    """
    reference = np.asarray(air, float)
    charge = np.broadcast_to(np.asarray(mas, float), readings.shape[1:2])
    if not (charge > 0).all() or not (reference > 0).all():
        raise RecipeError(must_be("mas x photons", float(min(charge.min(), reference.min())), "> 0 in every reading"))
    out = np.empty(readings.shape, np.float32)
    for one, level, into in zip(readings, reference, out, strict=True):
        kernels.logarithms(np.ascontiguousarray(one), np.log(level).astype(np.float32), charge.astype(np.float32),
                           np.float32(low), LOW_REACH, into)
    return out
