"""The part `refine` of a recipe: which refiner, how strong, on which images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from medsynth.core.errors import MedsynthError, RecipeError, expected
from medsynth.dataset.parts import Part


class RefinePart(Part):
    """A refiner of images.

    Attributes
    ----------
    refiner : "diffusion" needs a model, "texture" a reference folder; "identity" changes nothing, but is judged.
    model : path of a model that `medsynth refine train` wrote.
    sha256 : of the model or of the reference's files; filled in when the recipe is read, and checked where it is given.
    reference : a dataset, or a folder of NAME.nii.gz.
    strength : 0 to 1; lowered by three tenths at most `retries` times where the gate rejects an image, which then
        stays unrefined.
    steps : of the diffusion model from noise to image.
    acquisitions : which; all cross-sections when left out.
    """

    refiner: Literal["identity", "texture", "diffusion"] = "diffusion"
    model: str | None = None
    sha256: str | None = None
    reference: str | None = None
    strength: Annotated[float, Field(gt=0, le=1)] = 0.5
    steps: Annotated[int, Field(ge=1, le=50)] = 4
    retries: Annotated[int, Field(ge=0, le=6)] = 3
    acquisitions: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        for kind, name in (("diffusion", "model"), ("texture", "reference")):
            given = getattr(self, name) is not None
            if given != (self.refiner == kind):
                raise ValueError(f"{name} must {'not be' if given else 'be'} given for the {self.refiner} refiner")
        return self

    def as_kept(self) -> dict[str, Any]:
        """Return it for files: paths, which tell of a machine, are cut to their last part; the hash stands for them."""
        data = {key: value for key, value in self.model_dump(mode="json").items() if value is not None}
        return data | {key: Path(data[key]).name for key in ("model", "reference") if key in data}


def pinned(part: RefinePart, acquisitions: dict[str, Any], projections: set[str]) -> RefinePart:
    """Return the part with its acquisitions and the hash of its files.

    Parameters
    ----------
    acquisitions : name -> protocol. projections : modalities of which no voxel has a label of its own.

    Raises
    ------
    RecipeError
        If a name or a file cannot be used.
    """
    usable = [name for name, protocol in acquisitions.items() if str(protocol.modality) not in projections]
    for name in part.acquisitions or ():
        if name not in usable:
            raise RecipeError(expected("refine.acquisitions", name, f"one of {usable}, the cross-sections"))
    if not usable:
        raise RecipeError("refine: there is no cross-section to refine, only projections")
    changes: dict[str, Any] = {"acquisitions": part.acquisitions or tuple(usable)}
    if part.model is not None or part.reference is not None:
        try:
            found = _hash(part)
        except MedsynthError as error:
            raise RecipeError(f"refine: {error}") from error
        if part.sha256 not in (None, found):
            raise RecipeError(expected("refine.sha256", part.sha256, f"that of the file, {found}"))
        changes["sha256"] = found
    return part.model_copy(update=changes)


def generation_of(part: RefinePart) -> int:
    """Return the generation of images that this refiner changed."""
    if part.model is not None:
        from medsynth.refine.network import read_card

        return read_card(Path(part.model)).generation
    if part.reference is not None:
        from medsynth.dataset.refine_data import reference_images

        return reference_images(Path(part.reference))[1] + 1
    return 0


def _hash(part: RefinePart) -> str:
    if part.model is not None:
        from medsynth.refine.network import file_hash, read_card

        read_card(Path(part.model))
        return file_hash(Path(part.model))
    from medsynth.dataset.refine_data import files_digest, reference_images

    return files_digest(reference_images(Path(str(part.reference)))[0])
