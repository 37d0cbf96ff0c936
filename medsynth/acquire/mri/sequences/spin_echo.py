"""Spin echo and echo trains, with or without inversion: SE, IR, TSE, HASTE, FLAIR, STIR; T2 maps from echoes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri import epg
from medsynth.acquire.mri.clock import Timing
from medsynth.acquire.mri.pools import Pools
from medsynth.acquire.mri.sequences.base import (
    Images,
    Readout,
    Sequence,
    Signals,
    check_echo_in_repetition,
    check_no_inversion,
    no_precession,
    nothing_derived,
    one_contrast,
    passes,
    washed_in,
)

if TYPE_CHECKING:
    from medsynth.acquire.mri.protocol import MriProtocol

SHORT_SPACING_MS = 20.0  # trains of shorter spacing refocus the J-coupling of fat


def _echo_signals(pools: Pools, protocol: MriProtocol, spacing_s: float, echoes: int, b1: float) -> Signals:
    """Return the echoes (pools, echoes) in the steady state over repetitions, by extended phase graphs.

    The magnetisation after the train is an affine function of that before it, and recovery is one too: their fixed
    point is the steady state. TR runs from excitation to excitation, or from inversion to inversion.
    """
    fse = echoes > 1 and spacing_s * 1000 <= SHORT_SPACING_MS
    t1, t2 = pools.t1_s, pools.t2_fse_s if fse else pools.t2_s
    flip = np.deg2rad(protocol.refocusing_deg) * b1
    flips = epg.refocusing_train(echoes, flip) if echoes > 1 else np.array([flip])

    def train(start: NDArray[np.float64] | float) -> tuple[Signals, NDArray[np.float64]]:
        return epg.spin_echo_train(t1, t2, spacing_s=spacing_s, refocusing_rad=flips, start=start,
                                   excitation_rad=np.deg2rad(protocol.flip_deg) * b1)

    none, left_none = train(0.0)
    one, left_one = train(1.0)
    slope = left_one - left_none
    before = _steady(t1, protocol, echoes * spacing_s, left_none, slope, b1)
    return np.asarray(none + before[:, None] * (one - none))


def _steady(t1: NDArray[np.float64], protocol: MriProtocol, train_s: float, left: NDArray[np.float64],
            slope: NDArray[np.float64], b1: float) -> NDArray[np.float64]:
    """Return Mz before the excitation: x = a + b x for the recovery after a train that leaves left + slope x."""
    rest = protocol.tr_s - protocol.ti_s - train_s
    recovery = np.exp(-rest / t1)
    a, b = 1 - (1 - left) * recovery, slope * recovery  # at the end of the repetition
    if protocol.ti_ms:
        turned = inverted(protocol.inversion_efficiency, b1)
        wait = np.exp(-protocol.ti_s / t1)
        a, b = 1 - wait + turned * a * wait, turned * b * wait
    return np.asarray(a / (1 - b))


def inverted(efficiency: float, b1: float) -> float:
    """Return what an inversion leaves of Mz: adiabatic pulses do not mind a flip angle that is a little off."""
    short = max(0.0, 0.7 - b1)  # below 0.7 of the nominal amplitude the pulse is no longer adiabatic (unverified)
    return -efficiency * (1 - 2 * short)


def _respond_se(pools: Pools, protocol: MriProtocol, readout: Readout, b1: float, _offset_hz: float) -> Signals:
    signal = _echo_signals(pools, protocol, protocol.te_s, 1, b1)
    return np.asarray(signal * washed_in(pools, protocol, readout, protocol.te_s / 2)[:, None])


def _respond_tse(pools: Pools, protocol: MriProtocol, readout: Readout, b1: float, _offset_hz: float) -> Signals:
    signal = _echo_signals(pools, protocol, protocol.echo_spacing_ms / 1000, protocol.echo_train, b1)
    return np.asarray(signal * washed_in(pools, protocol, readout, protocol.te_s)[:, None])


def _respond_t2(pools: Pools, protocol: MriProtocol, readout: Readout, b1: float, _offset_hz: float) -> Signals:
    signal = _echo_signals(pools, protocol, protocol.echo_spacing_ms / 1000, protocol.echo_train, b1)
    chosen = signal[:, protocol.centre_echo][:, None]
    return np.asarray(chosen * washed_in(pools, protocol, readout, protocol.te_s)[:, None])


def _check_se(protocol: MriProtocol) -> None:
    check_echo_in_repetition(protocol)
    _check_fits(protocol, protocol.te_ms, "te_ms")


def _check_fits(protocol: MriProtocol, train_ms: float, name: str) -> None:
    if protocol.ti_ms + train_ms >= protocol.tr_ms:
        raise ValueError(f"ti_ms + {name} must be < tr_ms ({protocol.tr_ms:g}), got {protocol.ti_ms:g} + {train_ms:g}")


def _check_tse(protocol: MriProtocol) -> None:
    check_echo_in_repetition(protocol)
    if protocol.single_shot:  # its train is known when the matrix is
        return
    _check_fits(protocol, protocol.echo_train * protocol.echo_spacing_ms, "echo_train x echo_spacing_ms")
    if protocol.centre_echo >= protocol.echo_train:
        longest = protocol.echo_train * protocol.echo_spacing_ms
        raise ValueError(f"te_ms must lie within the echo train, which ends at {longest:g}, got {protocol.te_ms:g}")


def _check_t2(protocol: MriProtocol) -> None:
    check_no_inversion(protocol)
    _check_tse(protocol)
    if protocol.echo_train < 2:
        raise ValueError(f"echo_train must be >= 2 to fit T2, got {protocol.echo_train}")


def _timing_se(protocol: MriProtocol, readout: Readout) -> Timing:
    first = protocol.ti_s + protocol.te_s
    return Timing(protocol.tr_s, first, passes=passes(protocol.tr_s, first, readout.slices))


def _timing_tse(protocol: MriProtocol, readout: Readout) -> Timing:
    spacing = protocol.echo_spacing_ms / 1000
    first = protocol.ti_s + spacing
    last = first + (protocol.echo_train - 1) * spacing
    return Timing(protocol.tr_s, first, protocol.echo_train, spacing, centre_echo=protocol.centre_echo,
                  passes=passes(protocol.tr_s, last, readout.slices))


def _echoes(protocol: MriProtocol) -> Mapping[str, MriProtocol]:
    """Return one volume per echo; the image is the first."""
    found = {}
    for n in range(1, protocol.echo_train + 1):
        name = "image" if n == 1 else f"echo_{n}"
        found[name] = protocol.model_copy(update={"te_ms": n * protocol.echo_spacing_ms})
    return found


def _fit_t2(protocol: MriProtocol, images: Images) -> Mapping[str, tuple[NDArray[np.float32], str]]:
    """Return T2 in ms from the logarithm of the echoes, weighted by their squared signal."""
    echoes = [np.abs(image) for image in images.values()]
    times = [(n + 1) * protocol.echo_spacing_ms for n in range(len(echoes))]
    w, x, xx, y, xy = (np.zeros(echoes[0].shape, np.float64) for _ in range(5))
    for time, image in zip(times, echoes, strict=True):
        weight = image.astype(np.float64) ** 2
        weighted = weight * np.log(np.maximum(image, 1e-12))
        w += weight
        x += time * weight
        xx += time * time * weight
        y += weighted
        xy += time * weighted
    slope = (w * xy - x * y) / np.maximum(w * xx - x * x, 1e-300)
    t2 = np.where(slope < 0, -1 / np.where(slope < 0, slope, -1.0), 0.0)
    return {"t2": (np.clip(t2, 0, 5000).astype(np.float32), "T2_ms")}


SPIN_ECHO = Sequence("spin echo", _check_se, _timing_se, _respond_se, no_precession, one_contrast, nothing_derived,
                     (("SE",), ("NONE",)))
ECHO_TRAIN = Sequence("turbo spin echo; with an inversion time FLAIR or STIR", _check_tse, _timing_tse, _respond_tse,
                      no_precession, one_contrast, nothing_derived, (("SE",), ("SK", "SP")))
T2_MAP = Sequence("spin echoes and the T2 that fits them", _check_t2, _timing_se, _respond_t2, no_precession, _echoes,
                  _fit_t2, (("SE",), ("NONE",)))
