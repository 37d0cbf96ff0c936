"""`medsynth refine apply`: a dataset made once more from its own recipe, with a refiner in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from medsynth.core.errors import DatasetError
from medsynth.dataset.executors import Stage
from medsynth.dataset.folder import finished_indices
from medsynth.dataset.header import build_header, difference, read_header
from medsynth.dataset.recipe import load_recipe
from medsynth.dataset.run import Summary, generate


def apply_refiner(folder: Path, out: Path, refine: dict[str, Any], *, workers: int | None = 1,
                  progress: Callable[[Stage], None] | None = None) -> Summary:
    """Make the cases of a dataset again, refined; every other file is as it was.

    Bodies, lesions and noise follow from recipe and seed, so that DICOM, segmentations and annotations are those of
    the refined images, and the gate has the lesion-free twin whether it was written or not.

    Parameters
    ----------
    refine : the part `refine` of a recipe.

    Raises
    ------
    DatasetError
        If the folder is no dataset, is refined already, or was made by another version, which would give other images.
    """
    header = read_header(folder)
    if header.get("generation") != 0:
        raise DatasetError(f"{folder} must be made by simulation only, it is of generation {header.get('generation')}")
    if "recipe" not in header or "seed" not in header:
        raise DatasetError(f"{folder} has no recipe in its dataset.json")
    recipe = load_recipe(header["recipe"])
    again = build_header(recipe, int(header["seed"]), bool(header.get("twin")))
    if again["fingerprint"] != header.get("fingerprint"):
        raise DatasetError(f"{folder} cannot be made again here: {difference(header, again)}")
    cases = finished_indices(folder)
    if not cases:
        raise DatasetError(f"{folder} holds no finished case")
    with_refiner = load_recipe(recipe, overrides={"refine": refine})
    return generate(with_refiner, cases[-1] + 1, out, seed=int(header["seed"]), twin=bool(header.get("twin")),
                    workers=workers, progress=progress)


def refine_mapping(model: Path | None, reference: Path | None, strength: float, steps: int,
                   acquisitions: list[str] | None) -> dict[str, Any]:
    """Return the part `refine` of a recipe that the command line's options name."""
    if (model is None) == (reference is None):
        raise DatasetError("--model or --reference must be given, and not both")
    part: dict[str, Any] = {"strength": strength}
    part |= ({"refiner": "diffusion", "model": str(model), "steps": steps} if model is not None
             else {"refiner": "texture", "reference": str(reference)})
    return part | ({"acquisitions": acquisitions} if acquisitions else {})
