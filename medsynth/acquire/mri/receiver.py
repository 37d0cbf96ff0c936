"""From magnetisation to stored numbers: one gain per protocol, the same for every person, twin and series."""

from __future__ import annotations

from collections.abc import Mapping
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
from medsynth.tissues.mr_parts import MrPhase

FULL = 2000.0  # stored value of the brightest reference tissue
LARGEST = 65535
# tissue -> what of a contrast agent it takes up, which counts for the window alone
REFERENCE_TISSUES = {"adipose": "", "csf": "", "grey_matter": "", "white_matter": "", "skeletal_muscle": "muscle",
                     "liver": "liver", "kidney": "kidney", "blood": ""}
HEAD = ("head", "head-neck")
_CODE = Code("85756007", "Body tissue structure")


def gain(protocol: MriProtocol, readout: Readout) -> float:
    """Return stored numbers per unit of magnetisation.

    The brightest of the reference tissues, resting, with the means of the tissue table and without contrast agent, is
    stored as `FULL`, in the brightest of the protocol's volumes.
    """
    return FULL / max(1e-6, *(max(row) for row in reference_signals(protocol, readout, "none").values()))


def window(protocol: MriProtocol, readout: Readout) -> tuple[float, float]:
    """Return (centre, width) for viewing, from the reference tissues of the image.

    Up to a little beyond the brightest one; in the head beyond the second, since fat lies outside what one looks at.
    """
    rows = reference_signals(protocol, readout, protocol.phase)
    ordered = sorted(rows["image"] if "image" in rows else next(iter(rows.values())), reverse=True)
    top = gain(protocol, readout) * (1.25 * max(ordered[1], 0.3 * ordered[0]) if protocol.scan_range in HEAD
                                     else 1.05 * ordered[0])
    if protocol.sequence == "tof":  # inflow shines beyond all resting tissue
        top *= 2
    return top / 2, top


@lru_cache(maxsize=64)
def reference_signals(protocol: MriProtocol, readout: Readout, phase: MrPhase) -> Mapping[str, tuple[float, ...]]:
    """Return the magnitudes of the reference tissues in each volume of a protocol."""
    structures = [Structure(name, n, name, _CODE, enhancement=key)
                  for n, (name, key) in enumerate(REFERENCE_TISSUES.items(), start=1)]
    table = spins(structures, protocol.field_T, MEAN, phase=phase, agent=protocol.agent)
    found = {}
    for name, one in SEQUENCES[protocol.sequence].contrasts(protocol).items():
        recipe = contrast_recipe(table, one, readout, b1=False, offsets=False)
        signal = np.abs(recipe.table[1:, 0] @ recipe.states[:, centre_state(one, readout)])
        found[name] = tuple(float(value) for value in signal)
    return found


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
