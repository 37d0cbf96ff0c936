"""medsynth: labelled synthetic medical images from anatomy and physics, with no patient data.

The three functions import what they need when they are called: `import medsynth` alone stays quick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from medsynth.core.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from medsynth.dataset.case import Case
    from medsynth.dataset.executors import Stage
    from medsynth.dataset.recipe import Recipe
    from medsynth.dataset.run import Summary

__all__ = ["__version__", "generate", "generate_case", "load_recipe"]


def load_recipe(source: str | Path | Mapping[str, Any] | Recipe, *,
                overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Return the checked recipe of a built-in name, a YAML file or a mapping.

    Parameters
    ----------
    source : e.g. `"chest-ct-nodules"`, `"mine.yaml"`, `{"phantom": {"body": "thorax"}, ...}`.
    overrides : dotted path -> value, e.g. `{"acquisitions.ct.kvp": 100, "lesions.0.count": 3}`.

    Raises
    ------
    RecipeError
        One line that names the field's path, its value and what was expected.
    """
    from medsynth.dataset import recipe

    return recipe.load_recipe(source, overrides=overrides)


def generate_case(recipe: Recipe | str | Path | Mapping[str, Any], seed: int = 0, index: int = 0, *,
                  twin: bool = False) -> Case:
    """Return case number `index` of the dataset of this recipe and seed, in memory; nothing is written.

    Parameters
    ----------
    recipe : as for `load_recipe`.
    twin : make the same case without its lesions too (`case.twin`).

    Raises
    ------
    RecipeError
        If the recipe or a number cannot be used.
    PlacementError
        If a lesion finds no place.
    """
    from medsynth.dataset import case

    return case.generate_case(load_recipe(recipe), seed, index, twin=twin)


def generate(recipe: Recipe | str | Path | Mapping[str, Any], count: int = 1, out: str | Path = "dataset", *,
             seed: int = 0, workers: int | None = 1, formats: str | Sequence[str] | None = None, twin: bool = False,
             shard: tuple[int, int] | None = None, cluster: str | None = None, retry_failed: bool = False,
             progress: Callable[[Stage], None] | None = None) -> Summary:
    """Make cases 0 to `count - 1` in the folder `out`; what is finished there already is kept.

    Parameters
    ----------
    recipe : as for `load_recipe`.
    seed : >= 0; with a case's number it decides everything that is drawn.
    workers : processes; the files are the same for any number of them. None: what cores and memory bear.
    formats : e.g. `["nifti", "dicom"]` instead of the recipe's own.
    twin : write each case without its lesions too.
    shard : (number from 1, of how many): make that part of the cases alone, e.g. one task of a cluster's job array.
    cluster : address of a Dask scheduler, e.g. `"tcp://10.0.0.1:8786"`; its workers make the cases, in place of ours.
    retry_failed : try the cases of failures.jsonl again, which are left alone otherwise.
    progress : called with each stage of each case.

    Returns
    -------
    Summary
        How many cases were made and kept, and those that failed.

    Raises
    ------
    RecipeError
        If the recipe or an argument cannot be used.
    DatasetError
        If `out` holds another dataset, is being written to, or cannot be written; or if the cluster cannot be used.
    """
    from medsynth.dataset import run

    return run.generate(recipe, count, out, seed=seed, workers=workers, formats=formats, twin=twin, shard=shard,
                        cluster=cluster, retry_failed=retry_failed, progress=progress)
