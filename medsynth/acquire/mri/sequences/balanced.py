"""Balanced steady-state free precession."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medsynth.acquire.mri import signals
from medsynth.acquire.mri.clock import Timing
from medsynth.acquire.mri.pools import Pools
from medsynth.acquire.mri.sequences.base import (
    Readout,
    Sequence,
    Signals,
    check_echo_in_repetition,
    check_no_inversion,
    no_precession,
    nothing_derived,
    one_contrast,
    passes,
)

if TYPE_CHECKING:
    from medsynth.acquire.mri.protocol import MriProtocol


def _respond(pools: Pools, protocol: MriProtocol, _readout: Readout, b1: float, offset_hz: float) -> Signals:
    """Return the steady state at TE; spins half-way between two pulses are refocused, so that T2' plays no part."""
    signal = signals.balanced(pools.t1_s, pools.t2_s, tr_s=protocol.tr_s, te_s=protocol.te_s,
                              flip_rad=float(np.deg2rad(protocol.flip_deg) * b1),
                              offset_rad=2 * np.pi * offset_hz * protocol.tr_s)
    # half a period refocuses the phase: the sign alternates from one band to the next
    return np.asarray((signal * np.exp(-1j * np.pi * offset_hz * protocol.tr_s))[:, None])


def _check(protocol: MriProtocol) -> None:
    check_echo_in_repetition(protocol)
    check_no_inversion(protocol)


def _timing(protocol: MriProtocol, readout: Readout) -> Timing:
    return Timing(protocol.tr_s, protocol.te_s, passes=passes(protocol.tr_s, protocol.te_s, readout.slices))


BALANCED = Sequence("balanced steady-state free precession", _check, _timing, _respond, no_precession, one_contrast,
                    nothing_derived, (("GR",), ("SS",)))
