"""The sequences a protocol may name, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medsynth.acquire.mri.sequences.balanced import BALANCED
from medsynth.acquire.mri.sequences.base import Sequence
from medsynth.acquire.mri.sequences.diffusion import DIFFUSION
from medsynth.acquire.mri.sequences.gradient_echo import DIXON, INFLOW, SPOILED, T1_MAP, WEIGHTED
from medsynth.acquire.mri.sequences.mprage import MPRAGE
from medsynth.acquire.mri.sequences.spin_echo import ECHO_TRAIN, SPIN_ECHO, T2_MAP

if TYPE_CHECKING:
    from medsynth.acquire.mri.protocol import MriProtocol


def _random(protocol: MriProtocol) -> None:
    """Accept any times: a random image has none of its own."""


SEQUENCES: dict[str, Sequence] = {
    "se": SPIN_ECHO,
    "tse": ECHO_TRAIN,
    "spgr": SPOILED,
    "mprage": MPRAGE,
    "bssfp": BALANCED,
    "swi": WEIGHTED,
    "tof": INFLOW,
    "dixon": DIXON,
    "dwi": DIFFUSION,
    "t1_map": T1_MAP,
    "t2_map": T2_MAP,
    "random": Sequence("random contrast, for networks that shall not care which scanner made an image", _random,
                       SPOILED.timing, SPOILED.respond, SPOILED.precession_s, SPOILED.contrasts, SPOILED.derive,
                       (("RM",), ("NONE",))),
}
