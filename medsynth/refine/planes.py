"""What the network is told of a slice, as planes: the image, its neighbours, anatomy in bits, lesions. NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.errors import expected
from medsynth.refine.refiner import RefineError, Truth

Float32 = NDArray[np.float32]

LESION_BLUR = 1.0  # voxels, of the soft mask
FINE_SIGMA = 2.0  # pixels; what is finer than this is shown to the network at the scale of noise
FINE_RANGE = 5.0  # residual scales, at which the fine plane ends


@dataclass(frozen=True)
class Planes:
    """How planes are made: part of a model, fixed when its training begins.

    Attributes
    ----------
    structures : names the model knows, in the order of their codes from 1; 0 is everything outside.
    centre, scale : of the image's values: (value - centre) / scale.
    residual_scale : standard deviation of what the model learns to add, in the image's unit.
    neighbours : slices on either side that are planes, too (2.5D); 0: the slice alone.
    """

    structures: tuple[str, ...]
    centre: float
    scale: float
    residual_scale: float
    neighbours: int = 0

    @property
    def bits(self) -> int:
        """How many planes the anatomy takes."""
        return max(1, len(self.structures).bit_length())

    @property
    def count(self) -> int:
        """How many planes a slice has."""
        return 2 * self.neighbours + 3 + self.bits

    def codes(self, truth: Truth) -> NDArray[np.uint16]:
        """Return (k, j, i) the code of every voxel's structure.

        Raises
        ------
        RefineError
            If the image holds a structure that the model does not know.
        """
        known = {name: code for code, name in enumerate(self.structures, start=1)}
        present = np.flatnonzero(np.bincount(truth.labels.ravel(), minlength=65536))
        table = np.zeros(65536, np.uint16)
        unknown = []
        for label in present.tolist():
            if label == 0:
                continue
            name = truth.names.get(label, f"label {label}")
            if name in known:
                table[label] = known[name]
            else:
                unknown.append(name)
        if unknown:
            raise RefineError(f"the model does not know {', '.join(unknown[:5])}"
                              f"{f' and {len(unknown) - 5} more' if len(unknown) > 5 else ''}: its training data had "
                              f"{len(self.structures)} structures, without these")
        return table[truth.labels]

    def of(self, array: NDArray[np.generic], codes: NDArray[np.uint16], lesions: NDArray[np.uint16], k: int) -> Float32:
        """Return the planes of slice k, (count, j, i)."""
        image = array[k].astype(np.float32)
        fine = (image - ndimage.gaussian_filter(image, FINE_SIGMA, mode="nearest")) / self.residual_scale
        own = [(image - self.centre) / self.scale, np.clip(fine, -FINE_RANGE, FINE_RANGE)]
        for step in range(1, self.neighbours + 1):
            for n in (k - step, k + step):
                beside = array[min(max(n, 0), len(array) - 1)].astype(np.float32)
                own.append((beside - self.centre) / self.scale)
        soft = ndimage.gaussian_filter((lesions[k] > 0).astype(np.float32), LESION_BLUR)
        planes = [*own, soft, *((codes[k] >> bit & 1).astype(np.float32) for bit in range(self.bits))]
        return np.stack(planes).astype(np.float32)


def planes_for(images: Sequence[NDArray[np.generic]], residuals: Sequence[Float32], structures: Sequence[str],
               neighbours: int) -> Planes:
    """Return planes whose scales suit the training images.

    Raises
    ------
    RefineError
        If quick and full images are equal, or hold NaN.
    """
    values = np.concatenate([image[:, ::4, ::4].ravel() for image in images]).astype(np.float64)
    added = np.concatenate([one[:, ::2, ::2].ravel() for one in residuals]).astype(np.float64)
    if not (np.isfinite(values).all() and np.isfinite(added).all()):
        raise RefineError("training images must hold finite numbers only, got NaN or infinity")
    spread = float(np.sqrt(np.mean(np.square(added))))
    if spread == 0:
        raise RefineError(expected("difference between quick and full images", 0.0, "something to learn"))
    return Planes(tuple(structures), float(values.mean()), float(values.std()) or 1.0, spread, neighbours)
