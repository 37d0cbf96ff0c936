"""Diffusion-weighted spin-echo EPI and the apparent diffusion coefficient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri import signals
from medsynth.acquire.mri.clock import Timing
from medsynth.acquire.mri.pools import Pools
from medsynth.acquire.mri.sequences.base import (
    Images,
    Readout,
    Sequence,
    Signals,
    check_echo_in_repetition,
    no_precession,
    passes,
    washed_in,
)
from medsynth.acquire.mri.sequences.spin_echo import inverted
from medsynth.core.errors import RecipeError

if TYPE_CHECKING:
    from medsynth.acquire.mri.protocol import MriProtocol

BLOOD_MM2_S = 0.05  # pseudo-diffusion of flowing blood (unverified: IVIM, 0.01-0.1)


def _first_echo_s(protocol: MriProtocol, readout: Readout) -> float:
    before = readout.middle * protocol.echo_spacing_ms / 1000
    if before >= protocol.te_s / 2:
        raise RecipeError(f"te_ms / 2 must be > the {readout.middle} echo spacings before the middle of k-space "
                          f"({1000 * before:g} ms), got {protocol.te_ms / 2:g}")
    return protocol.te_s - before


def _respond(pools: Pools, protocol: MriProtocol, readout: Readout, b1: float, _offset_hz: float) -> Signals:
    """Return the signal of every line of the echo-planar train.

    All lines share the diffusion weighting; a line that is read dt from the spin echo has decayed by exp(-dt/T2) and
    dephased by exp(-|dt|/T2').
    """
    flip = np.deg2rad(protocol.flip_deg) * b1
    refocused = np.sin(np.deg2rad(protocol.refocusing_deg) * b1 / 2) ** 2
    mz = 1 - 2 * np.exp(-(protocol.tr_s - protocol.te_s / 2) / pools.t1_s) + np.exp(-protocol.tr_s / pools.t1_s)
    if protocol.ti_ms:
        turned = inverted(protocol.inversion_efficiency, b1)
        mz = 1 - (1 - turned * mz) * np.exp(-protocol.ti_s / pools.t1_s)
    b = protocol.b_values[-1] if protocol.b_values else 0.0
    moving = np.where(pools.speed_mm_s > 0, BLOOD_MM2_S, pools.adc_mm2_s)
    weight = signals.diffusion(moving, b) * washed_in(pools, protocol, readout, protocol.te_s / 2)
    dt = (np.arange(readout.lines) - readout.middle) * protocol.echo_spacing_ms / 1000
    decay = np.exp(-(protocol.te_s + dt)[None, :] / pools.t2_s[:, None]
                   - np.abs(dt)[None, :] / pools.t2_prime_s[:, None])
    return np.asarray((mz * np.sin(flip) * refocused * weight)[:, None] * decay, np.complex128)


def _timing(protocol: MriProtocol, readout: Readout) -> Timing:
    first = protocol.ti_s + _first_echo_s(protocol, readout)
    spacing = protocol.echo_spacing_ms / 1000
    return Timing(protocol.tr_s, first, readout.lines, spacing,
                  passes=passes(protocol.tr_s, first + readout.lines * spacing, readout.slices))


def _check(protocol: MriProtocol) -> None:
    check_echo_in_repetition(protocol)
    if not protocol.b_values:
        raise ValueError("b_values must hold at least one number for sequence 'dwi', got none")
    if list(protocol.b_values) != sorted(set(protocol.b_values)):
        raise ValueError(f"b_values must be ascending, got {protocol.b_values}")
    if protocol.dimensions == 3:
        raise ValueError(f"dimensions must be 2 for sequence 'dwi', got {protocol.dimensions}")
    if protocol.kspace.sampling.order not in ("linear", "reverse"):
        raise ValueError(f"kspace.sampling.order must be 'linear' or 'reverse' for sequence 'dwi', got "
                         f"{protocol.kspace.sampling.order!r}")


def _weightings(protocol: MriProtocol) -> Mapping[str, MriProtocol]:
    """Return one volume per b value; the image is the last."""
    found = {}
    for b in protocol.b_values:
        name = "image" if b == protocol.b_values[-1] else f"b{b:g}"
        found[name] = protocol.model_copy(update={"b_values": (b,)})
    return found


def _fit_adc(protocol: MriProtocol, images: Images) -> Mapping[str, tuple[NDArray[np.float32], str]]:
    """Return the slope of the logarithm over b in 1e-6 mm^2/s, as scanners store it."""
    if len(images) < 2:
        return {}
    b = np.array(protocol.b_values) - np.mean(protocol.b_values)
    logs = [np.log(np.maximum(np.abs(image), 1e-12)) for image in images.values()]
    slope = sum(weight * log for weight, log in zip(b, logs, strict=True)) / float((b**2).sum())
    return {"adc": (np.clip(-1e6 * slope, 0, 10000).astype(np.float32), "ADC_um2_s")}


DIFFUSION = Sequence("diffusion-weighted spin-echo EPI", _check, _timing, _respond, no_precession, _weightings,
                     _fit_adc, (("EP", "SE"), ("SK",)), epi=True)
