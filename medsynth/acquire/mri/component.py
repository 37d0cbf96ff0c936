"""What contrast hands to the k-space engine: images of spins that share one history and one resonance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import GeometryError, RecipeError, expected


@dataclass(frozen=True, eq=False)
class Component:
    """Spins whose signal differs from line to line by one common factor.

    The k-space of a scan is the sum over its components of `weights[line]` x the Fourier transform of `image` on that
    line. Fields, coils, motion and noise are the engine's.

    Attributes
    ----------
    image : (k, j, i) complex64 transverse magnetisation on the object grid at the echo that `weights` 1 stands for:
        proton density, contrast and partial volume included, off-resonance left out.
    weights : (lines,) complex64, the factor of each acquired line in the order of the scan's `Clock`.
    shift_hz : resonance of these spins less that of water, e.g. about -447 Hz for fat at 3 T.

    Raises
    ------
    GeometryError
        If `image` is not a volume.
    RecipeError
        If `weights` is not one line of numbers, or a number is not finite.
    """

    image: NDArray[np.complex64]
    weights: NDArray[np.complex64]
    shift_hz: float = 0.0

    def __post_init__(self) -> None:
        if self.image.ndim != 3:
            raise GeometryError(expected("image of a component", self.image.shape, "a volume (k, j, i)"))
        if self.weights.ndim != 1 or not np.all(np.isfinite(self.weights)):
            raise RecipeError(expected("weights of a component", self.weights, "finite, one per line"))
        if not np.isfinite(self.shift_hz):
            raise RecipeError(expected("shift_hz of a component", self.shift_hz, "finite"))
        # float images would be transformed in double and cost twice the memory
        object.__setattr__(self, "image", np.ascontiguousarray(self.image, np.complex64))
        object.__setattr__(self, "weights", np.ascontiguousarray(self.weights, np.complex64))
