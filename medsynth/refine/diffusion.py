"""The diffusion refiner: a trained flow that adds, slice by slice, what the physics leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import expected
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.refine.network import ModelCard, file_hash, load_weights, read_card
from medsynth.refine.refiner import RefineError, Truth, check_input

if TYPE_CHECKING:
    import torch

# An image of other values is of another contrast: its mean, in SDs of the training images; its SD, over theirs.
OTHER_MEAN, OTHER_SPREAD = 2.0, 4.0
SAME_SPACING = 0.25  # relative difference of voxel sizes up to which a model is taken


@dataclass(frozen=True, eq=False)
class DiffusionRefiner:
    """A model, ready to be used.

    Attributes
    ----------
    steps : of Euler's method from noise to image.
    patch, overlap : pixels.
    """

    card: ModelCard
    network: torch.nn.Module
    sha256: str
    steps: int = 4
    patch: int = 96
    overlap: int = 24

    @classmethod
    def load(cls, path: Path, *, steps: int = 4) -> DiffusionRefiner:
        """Return the refiner of a model file.

        Raises
        ------
        RefineError
            If the file is no model of this version, or the extra `diffusion` is not installed.
        """
        card = read_card(path)
        return cls(card, load_weights(path, card), file_hash(path), steps=steps)

    @property
    def told(self) -> Mapping[str, object]:
        """What files say of it."""
        return {"kind": "diffusion", "model_sha256": self.sha256, "generation": self.card.generation,
                "licence": self.card.licence, "steps": self.steps}

    @property
    def spread(self) -> Mapping[str, float]:
        """SD of what the training data differed by."""
        return self.card.spread

    @property
    def noise_gain(self) -> Mapping[str, float]:
        """Noise of full over quick images of the training data."""
        return self.card.noise_gain

    def residual(self, image: Volume, truth: Truth, *, strength: float, seed: Seed) -> NDArray[np.float32]:
        """Return what the flow adds at this strength; 1: all of it from noise.

        Raises
        ------
        RefineError
            If modality, voxel size or structures are not those of the model.
        """
        check_input(image, truth, strength)
        card, planes = self.card, self.card.planes
        if truth.modality != card.modality:
            raise RefineError(expected("modality", truth.modality, f"that of the model, {card.modality}"))
        ratio = np.array(image.grid.spacing_mm) / card.spacing_mm
        if (np.abs(ratio - 1) > SAME_SPACING).any():
            raise RefineError(expected("voxel size in mm", image.grid.spacing_mm,
                                       f"about that of the model, {card.spacing_mm}"))
        mean, spread = float(image.array.mean(dtype=np.float64)), float(image.array.std(dtype=np.float64))
        if abs(mean - planes.centre) > OTHER_MEAN * planes.scale or not (
                1 / OTHER_SPREAD < spread / planes.scale < OTHER_SPREAD):
            raise RefineError(f"the image's values (mean {mean:.4g}, SD {spread:.4g}) are not like those that the "
                              f"model was trained on ({planes.centre:.4g}, {planes.scale:.4g}): another contrast?")
        from medsynth.refine.flow import euler, noise_of

        codes = planes.codes(truth)
        added = np.empty(image.array.shape, np.float32)
        for k in range(len(added)):
            told = planes.of(image.array, codes, truth.lesions, k)
            found = euler(self.network, told, noise_of(seed, k, image.array.shape[1:]), strength=strength,
                          steps=self.steps, patch=self.patch, overlap=self.overlap, multiple=card.shape.multiple)
            added[k] = found * planes.residual_scale
        if not np.isfinite(added).all():
            raise RefineError("the model gives numbers that are not finite: its weights are unusable")
        return added
