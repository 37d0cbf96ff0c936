"""Spoiled gradient echoes: SPGR, susceptibility weighting, angiography by inflow, Dixon, T1 from flip angles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri import epg, signals
from medsynth.acquire.mri.clock import Timing
from medsynth.acquire.mri.pools import Pools
from medsynth.acquire.mri.sequences.base import (
    Images,
    Readout,
    Sequence,
    Signals,
    check_echo_in_repetition,
    check_no_inversion,
    echo_time_precession,
    nothing_derived,
    one_contrast,
    passes,
)

if TYPE_CHECKING:
    from medsynth.acquire.mri.protocol import MriProtocol

SLOW_MM_S = 1.0
SLAB_REACH = 3.0  # a body slab's pulses reach beyond what is imaged, so that blood comes in saturated (unverified)
_INCREMENT_DEG = {"rf117": 117.0, "rf50": 50.0}
STATIONARY_TR_MS = 200.0  # beyond it T2 coherences have died and every spoiling is ideal (unverified)


def respond_spoiled(pools: Pools, protocol: MriProtocol, readout: Readout, b1: float, _offset_hz: float) -> Signals:
    """Return the spoiled steady state; blood that moves through the volume has felt fewer pulses.

    Angiography saturates veins before they enter: they give what resting blood gives.
    """
    flip = np.deg2rad(protocol.flip_deg) * b1
    if protocol.spoiling == "ideal" or protocol.tr_ms > STATIONARY_TR_MS:
        steady = signals.spoiled_gradient_echo(pools.t1_s, np.inf, tr_s=protocol.tr_s, te_s=0.0, flip_rad=flip)
    else:
        steady = epg.spoiled_gradient_echo(pools.t1_s, pools.t2_s, tr_s=protocol.tr_s, flip_rad=flip,
                                           increment_deg=_INCREMENT_DEG[protocol.spoiling],
                                           adc_mm2_s=pools.adc_mm2_s)
    moving = pools.speed_mm_s > SLOW_MM_S
    if protocol.sequence == "tof":
        moving &= pools.arterial
    if moving.any():
        wide = 1.0 if protocol.sequence == "tof" or protocol.dimensions == 2 else SLAB_REACH
        felt = wide * readout.thickness_mm / np.maximum(pools.speed_mm_s * protocol.tr_s, 1e-9)
        inflow = signals.inflow_gradient_echo(pools.t1_s, np.inf, tr_s=protocol.tr_s, te_s=0.0, flip_rad=float(flip),
                                              pulses=felt)
        steady = np.where(moving, inflow, steady)
    return np.asarray((steady * np.exp(-protocol.te_s / pools.t2_star_s))[:, None], np.complex128)


def _timing(protocol: MriProtocol, readout: Readout) -> Timing:
    return Timing(protocol.tr_s, protocol.te_s, passes=passes(protocol.tr_s, protocol.te_s, readout.slices))


def _check(protocol: MriProtocol) -> None:
    check_echo_in_repetition(protocol)
    check_no_inversion(protocol)


def _check_t1(protocol: MriProtocol) -> None:
    _check(protocol)
    if len(set(protocol.flips_deg)) < 2:
        raise ValueError(f"flips_deg must be at least two different angles to fit T1, got {protocol.flips_deg}")


def _check_dixon(protocol: MriProtocol) -> None:
    _check(protocol)
    if protocol.fat_saturation != "none":
        raise ValueError(f"fat_saturation must be 'none' for sequence 'dixon', got {protocol.fat_saturation!r}")


def dixon_echoes_ms(protocol: MriProtocol) -> tuple[float, float]:
    """Return the first opposed-phase echo time and the in-phase one after it, from water and the main peak of fat."""
    cycle = 1000 / (3.4e-6 * signals.GAMMA_HZ_T * protocol.field_T)
    return cycle / 2, cycle


def _dixon(protocol: MriProtocol) -> Mapping[str, MriProtocol]:
    opposed, together = dixon_echoes_ms(protocol)
    return {"in": protocol.model_copy(update={"te_ms": together}),
            "opposed": protocol.model_copy(update={"te_ms": opposed})}


def _separate(_protocol: MriProtocol, images: Images) -> Mapping[str, tuple[NDArray[np.float32], str]]:
    """Return water (the image) and fat by two points; the phase that field errors leave is taken off first.

    The in-phase image has the phase of field and coils; twice the opposed one's remaining phase does not mind whether
    water or fat is more, and is smoothed to be the field's part between the echoes.
    """
    from scipy import ndimage

    together, opposed = images["in"], images["opposed"]
    product = opposed * np.conj(together)
    squared = product * product / np.maximum(np.abs(product), 1e-12)
    sigma = (0.0, 3.0, 3.0)
    smooth = ndimage.gaussian_filter(squared.real, sigma) + 1j * ndimage.gaussian_filter(squared.imag, sigma)
    field = np.angle(smooth) / 2
    turned = product * np.exp(-1j * field)
    magnitude = np.abs(together)
    other = np.real(turned) / np.maximum(magnitude, 1e-12)
    return {"image": (np.maximum((magnitude + other) / 2, 0).astype(np.float32), "signal"),
            "fat": (np.maximum((magnitude - other) / 2, 0).astype(np.float32), "signal")}


def _flips(protocol: MriProtocol) -> Mapping[str, MriProtocol]:
    angles = sorted(set(protocol.flips_deg))
    names = {angle: f"flip_{angle:g}".replace(".", "p") for angle in angles}
    names[angles[-1]] = "image"
    return {names[angle]: protocol.model_copy(update={"flip_deg": angle}) for angle in angles}


def _fit_t1(protocol: MriProtocol, images: Images) -> Mapping[str, tuple[NDArray[np.float32], str]]:
    """Return T1 in ms from the line S / sin a = E1 S / tan a + M0 (1 - E1) through the flip angles."""
    angles = np.deg2rad(sorted(set(protocol.flips_deg)))
    y = [np.abs(image).astype(np.float64) / np.sin(a) for a, image in zip(angles, images.values(), strict=True)]
    x = [one * np.cos(a) for a, one in zip(angles, y, strict=True)]
    count, mean_x, mean_y = len(x), sum(x) / len(x), sum(y) / len(y)
    variance = sum((one - mean_x) ** 2 for one in x) / count
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / count / np.maximum(variance, 1e-300)
    good = (slope > 0) & (slope < 1)
    t1 = np.where(good, -protocol.tr_ms / np.log(np.where(good, slope, 0.5)), 0.0)
    return {"t1": (np.clip(t1, 0, 10000).astype(np.float32), "T1_ms")}


SWI_FILTER_SHARE = 1 / 6  # half-width of the low-pass window over that of k-space (unverified; 64 of 384 in products)
SWI_POWER = 4


def _susceptibility(_protocol: MriProtocol, images: Images) -> Mapping[str, tuple[NDArray[np.float32], str]]:
    """Return the weighted image: magnitude times the fourth power of a mask of negative phase (Haacke 2004).

    The phase is divided by its own low frequencies (homodyne). In this convention (`fields.precessed`) the faster spins
    of a vein along the field have negative phase; the mask falls from 1 at no phase to 0 at -pi.
    """
    image = images["magnitude"]
    phase = np.angle(image * np.conj(_low_pass(image)))
    mask = np.where(phase < 0, np.clip(1 + phase / np.pi, 0, 1), 1.0) ** SWI_POWER
    return {"image": ((np.abs(image) * mask).astype(np.float32), "signal"),
            "phase_filtered": (phase.astype(np.float32), "phase_rad")}


def _low_pass(image: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Return each slice with only the low frequencies of a Hann window in the plane."""
    from scipy import fft

    windows = []
    for count in image.shape[1:]:
        f = np.abs(np.fft.fftfreq(count)) / (0.5 * SWI_FILTER_SHARE)
        windows.append(np.where(f < 1, np.cos(np.pi / 2 * f) ** 2, 0.0).astype(np.float32))
    spectrum = fft.fft2(image, axes=(1, 2)) * windows[0][:, None] * windows[1][None, :]
    return np.asarray(fft.ifft2(spectrum, axes=(1, 2)), np.complex64)


def _magnitude(protocol: MriProtocol) -> Mapping[str, MriProtocol]:
    return {"magnitude": protocol}


_GR = (("GR",), ("SP",))
SPOILED = Sequence("spoiled gradient echo", _check, _timing, respond_spoiled, echo_time_precession, one_contrast,
                   nothing_derived, _GR)
INFLOW = Sequence("angiography by inflow (time of flight)", _check, _timing, respond_spoiled, echo_time_precession,
                  one_contrast, nothing_derived, (("GR",), ("SP", "TOF")))
WEIGHTED = Sequence("susceptibility-weighted imaging", _check, _timing, respond_spoiled, echo_time_precession,
                    _magnitude, _susceptibility, _GR)
DIXON = Sequence("two-point Dixon: water, fat, in and opposed phase", _check_dixon, _timing, respond_spoiled,
                 echo_time_precession, _dixon, _separate, _GR)
T1_MAP = Sequence("gradient echoes of several flip angles and the T1 that fits them", _check_t1, _timing,
                  respond_spoiled, echo_time_precession, _flips, _fit_t1, _GR)
