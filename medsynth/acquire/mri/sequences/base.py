"""What a pulse sequence is to the rest: a row of functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri.clock import Timing
from medsynth.acquire.mri.pools import Pools

if TYPE_CHECKING:
    from medsynth.acquire.mri.protocol import MriProtocol

Signals = NDArray[np.complex128]
Images = Mapping[str, NDArray[np.complex64]]
FLOW_DEPHASING_MM_S = 60.0  # speed at which 1/e of the signal of a 3D echo train is left (unverified)


@dataclass(frozen=True, slots=True)
class Readout:
    """What the geometry of a scan says to its sequence.

    Attributes
    ----------
    lines : measured rows along the in-plane phase axis, of which row number `middle` is the middle of k-space.
    partitions, middle_partition : the same along the slab; 1 and 0 in 2D.
    thickness_mm : of a slice, or of the slab.
    slices : of a 2D scan.
    """

    lines: int
    middle: int
    partitions: int
    middle_partition: int
    thickness_mm: float
    slices: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """A pulse sequence.

    Attributes
    ----------
    words : what it is.
    check : raises ValueError, naming both values, where a protocol's settings contradict each other.
    timing : when lines are measured.
    respond : (pools, protocol, readout, b1, offset_hz) -> (pools, states) signal of protons of density 1; `b1` is the
        flip angle over the nominal one, `offset_hz` the off-resonance that contrast depends on (bSSFP alone). States
        are the echoes of a train, in its order; one state where contrast stays.
    precession_s : how long off-resonance has acted freely at the echo: TE of a gradient echo, 0 of a spin echo.
    contrasts : name -> protocol of each measured volume; the image is the one called "image" or is derived.
    derive : from the measured volumes (complex) to further ones, name -> (array, quantity).
    dicom : ScanningSequence and SequenceVariant.
    """

    words: str
    check: Callable[[MriProtocol], None]
    timing: Callable[[MriProtocol, Readout], Timing]
    respond: Callable[[Pools, MriProtocol, Readout, float, float], Signals]
    precession_s: Callable[[MriProtocol], float]
    contrasts: Callable[[MriProtocol], Mapping[str, MriProtocol]]
    derive: Callable[[MriProtocol, Images], Mapping[str, tuple[NDArray[np.float32], str]]]
    dicom: tuple[tuple[str, ...], tuple[str, ...]]
    epi: bool = False


def one_contrast(protocol: MriProtocol) -> Mapping[str, MriProtocol]:
    """Return the protocol itself."""
    return {"image": protocol}


def nothing_derived(_protocol: MriProtocol, _images: Images) -> Mapping[str, tuple[NDArray[np.float32], str]]:
    """Return nothing."""
    return {}


def no_precession(_protocol: MriProtocol) -> float:
    """Return 0: a spin echo."""
    return 0.0


def echo_time_precession(protocol: MriProtocol) -> float:
    """Return TE: a gradient echo."""
    return protocol.te_s


def check_echo_in_repetition(protocol: MriProtocol) -> None:
    """Raise ValueError unless the echo and the inversion lie within the repetition."""
    if protocol.te_ms >= protocol.tr_ms:
        raise ValueError(f"te_ms must be < tr_ms ({protocol.tr_ms:g}), got {protocol.te_ms:g}")
    if protocol.ti_ms >= protocol.tr_ms:
        raise ValueError(f"ti_ms must be < tr_ms ({protocol.tr_ms:g}), got {protocol.ti_ms:g}")


def check_no_inversion(protocol: MriProtocol) -> None:
    """Raise ValueError where an inversion time is given that the sequence has no use for."""
    if protocol.ti_ms:
        raise ValueError(f"ti_ms must be 0 for sequence {protocol.sequence!r}, which does not invert, got "
                         f"{protocol.ti_ms:g}")


def passes(tr_s: float, last_s: float, slices: int) -> int:
    """Return into how many groups slices must be put so that each one's `last_s` fits into its share of TR."""
    together = max(1, int(tr_s / max(last_s, 1e-6) + 1e-9))
    return -(-slices // together)


def washed_in(pools: Pools, protocol: MriProtocol, readout: Readout, seconds: float) -> NDArray[np.float64]:
    """Return the share of flowing spins that feel excitation and refocusing `seconds` apart, (pools,).

    In 2D those that have left the slice give no echo: arteries are taken to run across the slice, veins in every
    direction, which leaves 1 - a/2 of them, or 1/(2 a), for a path of a slices. In a slab the gradients dephase them.
    """
    if protocol.dimensions == 2:
        path = pools.speed_mm_s * seconds / readout.thickness_mm
        any_way = np.where(path <= 1, 1 - path / 2, 1 / (2 * np.maximum(path, 1.0)))
        return np.where(pools.arterial, np.clip(1 - path, 0.0, 1.0), any_way)
    return np.asarray(np.exp(-pools.speed_mm_s / FLOW_DEPHASING_MM_S))
