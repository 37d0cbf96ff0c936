"""From magnetisation to stored numbers: one gain per protocol, the same for every person, twin and series."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri.components import contrast_recipe
from medsynth.acquire.mri.pools import spins
from medsynth.acquire.mri.protocol import MriProtocol
from medsynth.acquire.mri.sequences.base import Readout
from medsynth.acquire.mri.sequences.table import SEQUENCES
from medsynth.scene.structure import Code, Structure
from medsynth.tissues.mr import MEAN

FULL = 2000.0  # stored value of the brightest reference tissue
LARGEST = 65535
REFERENCE_TISSUES = ("adipose", "csf", "grey_matter", "white_matter", "skeletal_muscle", "liver", "kidney", "blood")
_CODE = Code("85756007", "Body tissue structure")


def gain(protocol: MriProtocol, readout: Readout) -> float:
    """Return stored numbers per unit of magnetisation.

    The brightest of the reference tissues, resting, with the means of the tissue table and without contrast agent, is
    stored as `FULL`, in the brightest of the protocol's volumes.
    """
    return FULL / max(reference_signals(protocol, readout)[0], 1e-6)


def window(protocol: MriProtocol, readout: Readout) -> tuple[float, float]:
    """Return (centre, width) for viewing: up to a little beyond the second brightest of the reference tissues."""
    ordered = reference_signals(protocol, readout)
    top = 1.25 * FULL * max(ordered[1] / max(ordered[0], 1e-6), 0.3)
    return top / 2, top


@lru_cache(maxsize=64)
def reference_signals(protocol: MriProtocol, readout: Readout) -> tuple[float, ...]:
    """Return the magnitudes of the reference tissues, largest first, each in its brightest volume."""
    structures = [Structure(name, n, name, _CODE) for n, name in enumerate(REFERENCE_TISSUES, start=1)]
    table = spins(structures, protocol.field_T, MEAN)
    sequence = SEQUENCES[protocol.sequence]
    best = np.zeros(len(structures))
    for one in sequence.contrasts(protocol).values():
        recipe = contrast_recipe(table, one, readout, b1=False, offsets=False)
        states = recipe.states[:, centre_state(one, readout)]
        best = np.maximum(best, np.abs(recipe.table[1:, 0] @ states))
    return tuple(sorted(best.tolist(), reverse=True))


def centre_state(protocol: MriProtocol, readout: Readout) -> int:
    """Return the state of the train that carries the middle of k-space."""
    if protocol.sequence == "tse":
        return protocol.centre_echo
    return {"mprage": readout.middle_partition, "dwi": readout.middle}.get(protocol.sequence, 0)


def stored(magnitude: NDArray[np.float32], factor: float) -> NDArray[np.uint16]:
    """Return the magnitude in stored numbers; `magnitude` is changed in place."""
    magnitude *= np.float32(factor)
    np.rint(magnitude, out=magnitude)
    np.minimum(magnitude, LARGEST, out=magnitude)
    return magnitude.astype(np.uint16)
