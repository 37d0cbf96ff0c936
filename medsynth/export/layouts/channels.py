"""Images of one visit as channels: what segmentation frameworks train on."""

from __future__ import annotations

from pathlib import Path

from medsynth.core.errors import DatasetError
from medsynth.export.layouts.labels import Targets, targets_of, wanted_labels
from medsynth.export.layouts.options import ExportOptions
from medsynth.export.layouts.source import Source, SourceAcquisition, SourceCase

TOLERANCE_MM = 1e-3


def channels_of(case: SourceCase, options: ExportOptions) -> tuple[SourceAcquisition, ...]:
    """Return the images of a case in the order of the names asked for; of all, the primary one is first.

    Raises
    ------
    DatasetError
        If they do not lie on one grid: a network sees one voxel of each at a time.
    """
    found = case.acquisitions(options.acquisitions)
    ordered = tuple(found[name] for name in (options.acquisitions or found))
    first = ordered[0]
    for one in ordered[1:]:
        if not one.grid.is_close(first.grid, TOLERANCE_MM):
            raise DatasetError(f"acquisitions {first.name} and {one.name} of {case.name} do not lie on one grid "
                               f"({_words(first)} and {_words(one)}) and cannot be channels of one image; choose with "
                               f"--acquisition, e.g. --acquisition {first.name}")
    return ordered


def _words(one: SourceAcquisition) -> str:
    spacing = " x ".join(f"{step:g}" for step in one.grid.spacing_mm)
    return f"{' x '.join(map(str, one.grid.shape_kji))} voxels of {spacing} mm"


def channel_names(source: Source, options: ExportOptions) -> list[str]:
    """Return the names of the channels; HU are called CT, by which nnU-Net and others pick their normalisation."""
    return ["CT" if one.quantity == "HU" else one.name for one in channels_of(source.cases[0], options)]


def training_targets(source: Source, options: ExportOptions) -> Targets:
    """Return the classes of a segmentation layout."""
    return targets_of(source, options, wanted_labels(source, options), parts=options.parts)


def image_file(case: SourceCase, one: SourceAcquisition) -> Path:
    """Return the NIfTI file of an image."""
    return case.file(f"{one.name}.nii.gz")
