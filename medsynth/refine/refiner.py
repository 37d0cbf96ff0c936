"""What a refiner is, what it is told of the truth, and the refiner that changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import MedsynthError, expected
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume

CROSS_SECTIONS = ("CT", "MR")


class RefineError(MedsynthError):
    """An image, a model or training data that a refiner cannot use."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of an image that is refined, on its grid.

    Attributes
    ----------
    labels : (k, j, i) uint16 anatomy.
    lesions : (k, j, i) uint16 lesion numbers, 0 outside.
    names : label -> name of its structure.
    modality : as DICOM names it.
    """

    labels: NDArray[np.uint16]
    lesions: NDArray[np.uint16]
    names: Mapping[int, str]
    modality: str = "CT"

    def healthy(self) -> Truth:
        """Return the truth of the lesion-free twin."""
        return Truth(self.labels, np.zeros_like(self.lesions), self.names, self.modality)


class Refiner(Protocol):
    """Gives what is to be added to an image; `medsynth.refine.pair` anchors it and `medsynth.refine.gate` judges it."""

    @property
    def told(self) -> Mapping[str, object]:
        """What files say of it, as JSON values: name, hash of the model, generation."""
        ...

    @property
    def spread(self) -> Mapping[str, float]:
        """Structure -> standard deviation that what it adds has there, in the image's unit; `""`: elsewhere."""
        ...

    @property
    def noise_gain(self) -> Mapping[str, float]:
        """Structure -> by how much it is meant to multiply the noise; `""`: elsewhere."""
        ...

    def residual(self, image: Volume, truth: Truth, *, strength: float, seed: Seed) -> NDArray[np.float32]:
        """Return what it adds to the image, (k, j, i); equal seeds give equal bytes."""
        ...


@dataclass(frozen=True)
class IdentityRefiner:
    """Changes nothing."""

    told: Mapping[str, object] = field(default_factory=lambda: {"kind": "identity", "generation": 0})
    spread: Mapping[str, float] = field(default_factory=dict)
    noise_gain: Mapping[str, float] = field(default_factory=dict)

    def residual(self, image: Volume, truth: Truth, *, strength: float, seed: Seed) -> NDArray[np.float32]:  # noqa: ARG002
        """Return zeros."""
        return np.zeros(image.array.shape, np.float32)


def check_input(image: Volume, truth: Truth, strength: float) -> None:
    """Raise, in one line, unless a refiner can work on this.

    Raises
    ------
    RefineError
        If the strength is not in 0..1, the truth is on another grid, the image is a projection or holds NaN.
    """
    if not 0 <= strength <= 1:  # NaN too
        raise RefineError(expected("strength", strength, "in 0..1"))
    if truth.modality not in CROSS_SECTIONS:
        raise RefineError(expected("modality", truth.modality, f"one of {', '.join(CROSS_SECTIONS)}: projections have "
                                   "no label of their own in each pixel"))
    for name in ("labels", "lesions"):
        shape = getattr(truth, name).shape
        if shape != image.array.shape:
            raise RefineError(expected(f"shape of {name}", shape, f"that of the image, {image.array.shape}"))
    if image.array.dtype.kind == "f" and not np.isfinite(image.array).all():
        raise RefineError("the image must hold finite numbers only, got NaN or infinity")
