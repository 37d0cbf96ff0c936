"""`medsynth refine train`: data in, a model out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth.core.errors import DatasetError, expected
from medsynth.dataset.refine_data import paired_examples, real_examples
from medsynth.refine.network import INSTALL
from medsynth.refine.refiner import RefineError

if TYPE_CHECKING:
    from medsynth.refine.examples import Example


def train_refiner(out: Path, *, data: Path | None = None, real: Path | None = None, quick: str | None = None,
                  full: str | None = None, modality: str = "CT", licence: str = "unstated", force: bool = False,
                  options: dict[str, Any] | None = None, progress: Callable[[int, float], None] | None = None) -> Path:
    """Train a refiner on a dataset of pairs, on real images with masks, or on both; return the model's path.

    Parameters
    ----------
    data : a dataset with a quick and a full acquisition of the same objects.
    real : a folder of NAME.nii.gz and NAME_labels.nii.gz.
    modality : of the real images alone, CT or MR.
    force : train on what a generative model made, or on synthetic images in place of real ones.
    options : of `medsynth.refine.train.TrainingOptions`; `channels` and `blocks` of the network among them.

    Raises
    ------
    DatasetError, RefineError
        If there is nothing to train on, or the extra `diffusion` is missing.
    """
    if data is None and real is None:
        raise DatasetError("--data or --real must name a folder to train on")
    examples: list[Example] = []
    told = []
    if data is not None:
        found, row = paired_examples(data, quick, full, force=force)
        examples += found
        told.append(row)
    if real is not None:
        found, row = real_examples(real, examples[0].truth.modality if examples else modality, force=force)
        examples += found
        told.append(row)
    try:
        from medsynth.refine.network import NetworkShape
        from medsynth.refine.train import Origin, TrainingOptions, train
    except ImportError as error:
        raise RefineError(f"medsynth refine train {INSTALL} ({error})") from error
    given = dict(options or {})
    shape = NetworkShape(tuple(given.pop("channels", NetworkShape().channels)),
                         given.pop("blocks", NetworkShape().blocks))
    generation = max((int(row.get("generation", 0)) for row in told), default=0)
    return train(examples, out, Origin(tuple(told), generation, licence), TrainingOptions(**given, shape=shape),
                 progress=progress)


def parse_channels(text: str) -> tuple[int, ...]:
    """Return `(16, 32)` of `"16,32"`."""
    parts = text.split(",")
    if not all(part.strip().isdigit() for part in parts):
        raise RefineError(expected("--channels", text, "whole numbers, e.g. 16,32,32"))
    return tuple(int(part) for part in parts)
