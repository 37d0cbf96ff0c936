"""The layouts, one line each; a further one is one file with a `write` function and one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from medsynth.export.layouts.options import ExportOptions
from medsynth.export.layouts.source import Source


class Write(Protocol):
    """What a layout's file has: the dataset into an empty folder."""

    def __call__(self, source: Source, options: ExportOptions, out: Path, name: str) -> None:
        """Write `source` into `out`.

        name : of the folder when it is finished; `out` has a temporary one.
        """
        ...


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout.

    Attributes
    ----------
    description : what it is, and who reads it.
    module : the file in this folder that writes it; imported when it is used.
    options : its own options, names of `ExportOptions`.
    """

    description: str
    module: str
    options: tuple[str, ...] = ()

    def write(self) -> Callable[..., None]:
        """Return what writes it."""
        return cast(Write, import_module(f"medsynth.export.layouts.{self.module}").write)


LAYOUTS: dict[str, Layout] = {
    "nnunet": Layout("nnU-Net v2 raw dataset", "nnunet", ("parts", "name", "number")),
    "msd": Layout("Medical Segmentation Decathlon (dataset.json)", "msd", ("parts",)),
    "monai": Layout("MONAI data list with folds (datalist.json)", "monai", ("parts", "folds")),
    "bids": Layout("BIDS, for MR", "bids"),
    "coco": Layout("COCO: boxes, masks and keypoints on pictures", "coco", ("window", "every", "masks")),
    "yolo": Layout("YOLO: detection and segmentation texts on pictures", "yolo", ("window", "every")),
    "dicom": Layout("DICOM study tree with DICOMDIR and RTSTRUCT", "dicom"),
    "webdataset": Layout("WebDataset shards (tar)", "webdataset", ("shard_cases",)),
    "zarr": Layout("OME-Zarr (OME-NGFF 0.4) pyramids with labels", "zarr", ("chunk",)),
    "croissant": Layout("the folder as it is, with its Croissant metadata", "croissant"),
}
