"""Echo-planar readouts: odd and even lines that do not agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri.clock import Clock
from medsynth.acquire.mri.encode import Encoding
from medsynth.acquire.mri.transform import frequencies, to_image, to_kspace
from medsynth.core.errors import RecipeError

GHOST_RAD = 0.8  # constant phase between odd and even lines at severity 1
GHOST_SAMPLES = 1.0  # delay between them


def add_nyquist_ghost(kspace: NDArray[np.complex64], severity: float, encoding: Encoding,
                      clock: Clock) -> dict[str, float]:
    """Turn the lines of odd echoes against those of even ones, in place; return what was done.

    A constant phase p makes cos(p / 2) of the image and a ghost of sin(p / 2), half a field of view away; a delay of d
    samples adds 2 pi d x / field of view to p at place x of the readout.

    Parameters
    ----------
    kspace : (coils, k, phase, readout).

    Raises
    ------
    RecipeError
        If the scan is not echo-planar.
    """
    if not encoding.epi_spacing_s:
        raise RecipeError(f"artifacts.nyquist_ghost must be 0 without an echo-planar train, got {severity:g}")
    odd = np.zeros((kspace.shape[1], kspace.shape[2]), bool)
    at = clock.echo % 2 == 1
    if encoding.dimensions == 2:
        odd[:, clock.phase[at]] = True
    else:
        odd[clock.partition[at], clock.phase[at]] = True
    angle, delay = severity * GHOST_RAD, severity * GHOST_SAMPLES
    count = kspace.shape[3]
    turn = (angle / 2 + np.pi * delay * frequencies(count) / count)[None, None, :]
    factor = np.exp(1j * np.where(odd[:, :, None], turn, -turn)).astype(np.complex64)
    for coil in kspace:
        coil[:] = to_kspace(to_image(coil, 2) * factor, 2)
    return {"phase_rad": angle, "delay_samples": delay}
