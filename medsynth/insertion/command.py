"""What `medsynth insert` does with its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.insertion.files import (
    FLAT_MODALITIES,
    option_values,
    read_image,
    read_mask,
    write_inserted,
    write_shadow,
)
from medsynth.insertion.insert import Insertion, insert_lesion
from medsynth.insertion.radiograph import insert_shadow
from medsynth.insertion.worth import Modality
from medsynth.lesions.families import family

MODALITIES = ("ct", "mri", "xray")
PHASES = ("none", "arterial", "portal")


def run_insert(image: Path, lesion: str, out: Path, *, at: str | None, within: str | None, diameter_mm: float | None,
               seed: int, modality: str | None, contrast: float | None, weighting: str, phase: str, kvp: float,
               assignments: Mapping[str, Any]) -> Path:
    """Read, insert, write; return the written image's path.

    Raises
    ------
    MedsynthError
        One line that names the argument, its value and what was expected.
    """
    known = family(lesion).options.model_fields
    for name, value, allowed in (("--modality", modality, (None, *MODALITIES)), ("--phase", phase, PHASES)):
        if value not in allowed:
            raise RecipeError(expected(name, value, f"one of {', '.join(str(a) for a in allowed if a)}"))
    if contrast is not None and not np.isfinite(contrast):
        raise RecipeError(expected("--contrast", contrast, "a finite number"))
    if not 40 <= kvp <= 150:
        raise RecipeError(expected("--kvp", kvp, "in 40..150"))
    if seed < 0:
        raise RecipeError(expected("--seed", seed, "a whole number >= 0"))
    options = option_values(diameter_mm, dict(assignments), dict(known))
    how = Insertion(at_mm=None if at is None else _point(at), options=options, kvp=kvp, phase=phase,
                    weighting=weighting, contrast=contrast)
    name = image.name.removesuffix(".gz").removesuffix(".nii")
    source = read_image(image, hu=None if modality is None else modality == "ct")
    mask = None if within is None else read_mask(within)
    kind = cast("Modality | None", modality)
    if modality == "xray" or source.modality in FLAT_MODALITIES:
        shadow = insert_shadow(source.volume, lesion, how=how, mask=mask, seed=Seed(seed).child("insert"))
        write_shadow(source, shadow, out, name, seed=seed, how=how)
        return out / f"{name}.nii.gz"
    result = insert_lesion(source.volume, lesion, how=how, mask=mask, seed=Seed(seed).child("insert"), modality=kind)
    write_inserted(source, result, out, name, seed=seed, how=how)
    return out / f"{name}.nii.gz"


def _point(text: str) -> Vector:
    try:
        x, y, z = (float(v) for v in text.split(","))
    except ValueError:
        raise RecipeError(expected("--at", text, "three numbers X,Y,Z in LPS mm")) from None
    if not np.isfinite([x, y, z]).all():
        raise RecipeError(expected("--at", text, "three finite numbers"))
    return x, y, z
