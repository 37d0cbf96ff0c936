"""A dictionary transform in MONAI's form that puts lesions into training images."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import PlacementError, RecipeError, expected
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.export.nifti import grid_of_affine
from medsynth.insertion.files import AIRY_HU
from medsynth.insertion.insert import Insertion, insert_lesion
from medsynth.lesions.families import family


class RandInsertLesiond:
    """Insert a lesion of the catalogue into an image, with a probability, and mark it in a label.

    It follows MONAI's conventions (dictionaries, channel first, `set_random_state`) and needs neither MONAI nor torch:
    tensors that carry an `affine` (MONAI's `MetaTensor`) come back as they came.

    Parameters
    ----------
    kinds : families, drawn alike.
    image_key, mask_key : the image, (1, i, j, k), and where the lesion may grow (not 0).
    label_key : gets `label_value` where the lesion fills at least half of a voxel; absent, it is made.
    affine : from (i, j, k) to RAS mm, where the image carries none.
    how : contrast and options; the place is drawn.
    skip : leave the image as it is where no lesion finds room, instead of an error.

    Raises
    ------
    RecipeError
        If a family is unknown or the probability lies outside 0..1.
    """

    def __init__(self, kinds: Sequence[str], *, image_key: Hashable = "image", mask_key: Hashable = "label",
                 label_key: Hashable = "lesion", label_value: int = 1, prob: float = 0.5,
                 modality: str | None = None, affine: NDArray[np.floating] | None = None,
                 how: Insertion | None = None, skip: bool = True) -> None:
        if not 0 <= prob <= 1:
            raise RecipeError(expected("prob", prob, "in 0..1"))
        if not kinds:
            raise RecipeError("kinds must name at least one lesion family")
        for kind in kinds:
            family(kind)
        self.kinds, self.prob, self.skip, self.how = tuple(kinds), prob, skip, how or Insertion()
        self.image_key, self.mask_key, self.label_key, self.label_value = image_key, mask_key, label_key, label_value
        self.modality, self.affine = modality, affine
        self._rng = Seed(0).rng()

    def set_random_state(self, seed: int | None = None, state: Any = None) -> RandInsertLesiond:
        """Set the stream, as MONAI's `Compose` does for every random transform in it.

        Parameters
        ----------
        seed : 0 where left out.
        state : a generator of MONAI's; one number is drawn from it.
        """
        self._rng = Seed(int(state.randint(2**31 - 1)) if state is not None else int(seed or 0)).rng()
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the dictionary with the lesion in it, or unchanged."""
        found = dict(data)
        chance = self._rng.uniform()
        number, pick = (int(self._rng.integers(n)) for n in (2**53, len(self.kinds)))
        image = found[self.image_key]
        label = found.get(self.label_key)
        marks = np.zeros(_numpy(image).shape, np.uint8) if label is None else _numpy(label).copy()
        if chance < self.prob:
            volume, mask = self._volume(image), self._volume(found[self.mask_key], image)
            try:
                made = insert_lesion(volume, self.kinds[pick], how=self.how, mask=mask, seed=Seed(number),
                                     modality=self.modality)  # type: ignore[arg-type]
            except PlacementError:
                if not self.skip:
                    raise
            else:
                found[self.image_key] = _like(made.image.array.T[None], image)
                marks[0][made.full(made.fraction).T >= 0.5] = self.label_value
        found[self.label_key] = _like(marks, image if label is None else label)
        return found

    def _volume(self, array: Any, place: Any = None) -> Volume:
        values = _numpy(array)
        if values.ndim != 4 or values.shape[0] != 1:
            raise RecipeError(expected("shape of an image", values.shape, "(1, i, j, k)"))
        affine = getattr(array if place is None else place, "affine", None)
        affine = self.affine if affine is None else _numpy(affine)
        if affine is None:
            raise RecipeError("the image has no affine: give a MetaTensor, or affine= to the transform")
        kji = np.ascontiguousarray(values[0].T)
        quantity = "HU" if self.modality == "ct" or (self.modality is None and float(kji.min()) < AIRY_HU) else "signal"
        return Volume(kji, grid_of_affine(kji.shape, np.asarray(affine, float)), quantity)


def _numpy(array: Any) -> NDArray[Any]:
    return np.asarray(array.detach().cpu().numpy() if hasattr(array, "detach") else array)


def _like(values: NDArray[Any], like: Any) -> Any:
    """Return an array in the form of another: a NumPy array, a tensor, or a tensor with its metadata."""
    values = np.ascontiguousarray(values)
    if not hasattr(like, "detach"):
        return values
    tensor = like.new_tensor(values) if not hasattr(like, "meta") else like.as_tensor().new_tensor(values)
    if hasattr(like, "meta"):
        return type(like)(tensor, meta=dict(like.meta))
    return tensor
