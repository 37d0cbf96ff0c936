"""Weights of k-space that trade resolution against ringing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri.options import Window


def window(options: Window, samples: int) -> NDArray[np.float32] | None:
    """Return the weight (samples,) of each row, 1 in the middle; None where there is no window.

    Hamming: 0.54 + 0.46 cos. Tukey: flat, then a half cosine down to 0 at the edge. Rows q and -q weigh alike.
    """
    if options.kind == "none":
        return None
    share = np.abs(np.arange(samples) - samples // 2) / (samples / 2)
    if options.kind == "hamming":
        return (0.54 + 0.46 * np.cos(np.pi * share)).astype(np.float32)
    falling = np.clip((share - (1 - options.taper)) / options.taper, 0, 1)
    return (0.5 * (1 + np.cos(np.pi * falling))).astype(np.float32)
