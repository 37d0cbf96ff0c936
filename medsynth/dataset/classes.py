"""Label images for training: a few classes made of many structures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.annotate.masks import lesion_instances
from medsynth.annotate.projected import ProjectionMasks, lesion_plane
from medsynth.core.errors import RecipeError, expected
from medsynth.core.volume import Volume
from medsynth.scene.acquired import Acquired
from medsynth.scene.projection import Projection
from medsynth.scene.structure import Lesion, Structure, organ_labels

# Class name -> patterns of structure names, e.g. {"lung": ["lung_*"], "nodule": ["lesion"]}.
Classes = Mapping[str, Sequence[str]]

LESION = "lesion"  # the pattern of every lesion; "lesion:<kind>" is those of one family


def checked_classes(classes: Mapping[str, str | Sequence[str]], structures: Sequence[Structure]) -> Classes:
    """Return the classes with lists of patterns, each of which fits a structure or means lesions.

    Raises
    ------
    RecipeError
        If there is none, or a pattern fits no structure.
    """
    if not classes:
        raise RecipeError(expected("classes", classes, "a mapping from class names to structure names"))
    found = {}
    names = [s.name for s in structures]
    for name, patterns in classes.items():
        found[name] = [patterns] if isinstance(patterns, str) else list(patterns)
        for pattern in found[name]:
            if not _means_lesion(pattern) and not any(fnmatchcase(one, pattern) for one in names):
                raise RecipeError(expected(f"classes.{name}", pattern, "a structure's name, with * for any letters, or "
                                           f"{LESION!r}") + _near(pattern, names))
    return found


def _near(pattern: str, names: Sequence[str]) -> str:
    """Return what else might be meant; a body has hundreds of names."""
    near = get_close_matches(pattern.replace("*", ""), names, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _means_lesion(pattern: str) -> bool:
    return pattern == LESION or pattern.startswith(f"{LESION}:")


def class_image(acquired: Acquired, lesions: Sequence[Lesion], classes: Classes | None) -> NDArray[Any] | None:
    """Return the label image of an acquisition.

    Parameters
    ----------
    classes : class n is the n-th of them from 1; a later one covers an earlier one, and lesions cover organs. Left
        out, the anatomy's own labels.

    Returns
    -------
    (k, j, i) uint16; of a projection, in which structures overlap, (class, rows, columns) uint8, 1 inside, or None
    without classes.
    """
    if acquired.projection is not None:
        return None if classes is None else _projected(acquired, acquired.projection, lesions, classes)
    anatomy = acquired.beside.organ_image()
    if classes is None:
        return anatomy
    structures = acquired.beside.structures
    organ, table = organ_labels(structures), np.zeros(65536, np.uint16)
    for value, patterns in enumerate(classes.values(), start=1):
        wanted = [p for p in patterns if not _means_lesion(p)]
        table[[organ[s.label] for s in structures if any(fnmatchcase(s.name, p) for p in wanted)]] = value
    image = table[anatomy]
    numbers = lesion_instances(acquired.phantom, lesions)
    for value, patterns in enumerate(classes.values(), start=1):  # after the organs that they lie in
        found = {n for p in patterns if _means_lesion(p) for n in _numbers(lesions, p)}
        if found:
            image[np.isin(numbers, sorted(found))] = value
    return image


def _numbers(lesions: Sequence[Lesion], pattern: str) -> list[int]:
    kind = pattern.removeprefix(LESION).removeprefix(":")
    return [one.number for one in lesions if kind in ("", one.kind)]


def _projected(acquired: Acquired, projection: Projection, lesions: Sequence[Lesion], classes: Classes
               ) -> NDArray[np.uint8]:
    masks = ProjectionMasks(projection, acquired.image.grid)
    out = np.zeros((len(classes), *acquired.image.grid.shape_kji[1:]), np.uint8)
    for row, patterns in zip(out, classes.values(), strict=True):
        for pattern in patterns:
            if _means_lesion(pattern):
                wanted = [f"lesion_{n}" for n in _numbers(lesions, pattern)]
            else:
                wanted = [name for name in projection.structures if fnmatchcase(name, pattern)]
            for name in wanted:
                if name in masks:
                    row |= masks[name].array[0]
    return out


def lesion_image(acquired: Acquired, lesions: Sequence[Lesion]) -> NDArray[np.uint16]:
    """Return the number of the lesion in every voxel, (k, j, i) uint16, of a projection (1, rows, columns)."""
    if acquired.projection is not None:
        plane: Volume = lesion_plane(acquired.projection, acquired.image.grid)
        return plane.array
    return lesion_instances(acquired.phantom, lesions)
