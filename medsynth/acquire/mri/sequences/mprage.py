"""MPRAGE: an inversion, then one excitation per partition, iterated from shot to shot to its steady state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medsynth.acquire.mri.clock import Timing
from medsynth.acquire.mri.pools import Pools
from medsynth.acquire.mri.sequences.base import (
    Readout,
    Sequence,
    Signals,
    check_echo_in_repetition,
    echo_time_precession,
    nothing_derived,
    one_contrast,
)
from medsynth.acquire.mri.sequences.spin_echo import inverted
from medsynth.core.errors import RecipeError

if TYPE_CHECKING:
    from medsynth.acquire.mri.protocol import MriProtocol


def _waits_s(protocol: MriProtocol, readout: Readout) -> tuple[float, float]:
    """Return the times from the inversion to the first excitation, and from the last spacing to the next inversion.

    TI runs from the inversion to the excitation of the middle partition.

    Raises
    ------
    RecipeError
        If the train of excitations does not fit.
    """
    spacing = protocol.echo_spacing_ms / 1000
    first = protocol.ti_s - readout.middle_partition * spacing
    last = protocol.tr_s - first - readout.partitions * spacing
    if first < 0:
        raise RecipeError(f"ti_ms must hold the {readout.middle_partition} excitations before the middle partition "
                          f"({1000 * readout.middle_partition * spacing:g} ms), got {protocol.ti_ms:g}")
    if last < 0:
        raise RecipeError(f"tr_ms must hold ti_ms ({protocol.ti_ms:g}) and the {readout.partitions} excitations "
                          f"({1000 * readout.partitions * spacing:g} ms), got {protocol.tr_ms:g}")
    return first, last


def _respond(pools: Pools, protocol: MriProtocol, readout: Readout, b1: float, _offset_hz: float) -> Signals:
    """Return sin a Mz(n) exp(-TE/T2*) of every partition.

    Each step is affine in Mz, so that two runs, from 0 and from 1, give the steady state over shots. Flowing blood is a
    mixture of spins that have felt all of it and of fresh ones.
    """
    first, last = _waits_s(protocol, readout)
    flip = np.deg2rad(protocol.flip_deg) * b1
    spacing, turned = protocol.echo_spacing_ms / 1000, inverted(protocol.inversion_efficiency, b1)
    t1 = pools.t1_s

    def shot(start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mz = 1 - (1 - turned * start) * np.exp(-first / t1)
        train = np.empty((len(t1), readout.partitions))
        step = np.exp(-spacing / t1)
        for n in range(readout.partitions):
            train[:, n] = mz
            mz = 1 - (1 - mz * np.cos(flip)) * step
        return train, 1 - (1 - mz) * np.exp(-last / t1)

    none, end_none = shot(np.zeros_like(t1))
    one, end_one = shot(np.ones_like(t1))
    start = end_none / (1 - (end_one - end_none))
    train = none + start[:, None] * (one - none)
    fresh = pools.fresh[:, None]
    mixed = (1 - fresh) * train + fresh
    return np.asarray(mixed * np.sin(flip) * np.exp(-protocol.te_s / pools.t2_star_s)[:, None], np.complex128)


def _timing(protocol: MriProtocol, readout: Readout) -> Timing:
    first, _ = _waits_s(protocol, readout)
    return Timing(protocol.tr_s, first + protocol.te_s, readout.partitions, protocol.echo_spacing_ms / 1000,
                  train_axis="partition")


def _check(protocol: MriProtocol) -> None:
    check_echo_in_repetition(protocol)
    if protocol.ti_ms <= 0:
        raise ValueError(f"ti_ms must be > 0 for sequence 'mprage', got {protocol.ti_ms:g}")
    if protocol.te_ms >= protocol.echo_spacing_ms:
        raise ValueError(f"te_ms must be < echo_spacing_ms ({protocol.echo_spacing_ms:g}), got {protocol.te_ms:g}")
    if protocol.dimensions == 2:
        raise ValueError(f"dimensions must be 3 for sequence 'mprage', got {protocol.dimensions}")


MPRAGE = Sequence("inversion-prepared 3D gradient echo", _check, _timing, _respond, echo_time_precession, one_contrast,
                  nothing_derived, (("GR", "IR"), ("SP", "MP")))
