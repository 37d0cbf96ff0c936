"""OME-Zarr (OME-NGFF 0.4): a pyramid for each image, its labels inside.

https://ngff.openmicroscopy.org/0.4/
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import DatasetError
from medsynth.export.colours import Rgb, lesion_colour, structure_colours
from medsynth.export.layouts.options import ExportOptions
from medsynth.export.layouts.source import Source, SourceAcquisition, SourceCase
from medsynth.export.nifti import stored_voxels

VERSION = "0.4"
_SMALLEST = 128  # voxels along the longest axis of the last level
_MOST_LEVELS = 8
_ALIKE = 1.5  # an axis is halved while its step is less than this many times the shortest one
_LEVEL_OF_ZSTD = 3
Shape = tuple[int, ...]


def write(source: Source, options: ExportOptions, out: Path, name: str) -> None:  # noqa: ARG001 - as every layout
    """Write CASE/ACQUISITION.zarr with `labels/organs` and `labels/lesions`.

    Raises
    ------
    DatasetError
        If zarr is not installed.
    """
    try:
        import zarr  # noqa: F401
    except ImportError as error:
        raise DatasetError("the layout zarr needs the extra `zarr`: pip install medsynth-toolkit[zarr]") from error
    for case in source.cases:
        for one in case.acquisitions(options.acquisitions).values():
            _write_image(source, case, one, options, out / case.name / f"{one.name}.zarr")


def _write_image(source: Source, case: SourceCase, one: SourceAcquisition, options: ExportOptions, path: Path) -> None:
    import zarr

    path.parent.mkdir(parents=True, exist_ok=True)
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    datasets = pyramid(group, stored_voxels(case.file(f"{one.name}.nii.gz")), one.grid.spacing_mm, options.chunk, mean)
    group.attrs.update({
        "multiscales": [_multiscales(one.name, datasets, "mean")],
        "medsynth": {"synthetic": True, "case": case.name, "modality": one.modality, "quantity": one.quantity,
                     "affine_kji_to_lps_mm": one.grid.affine.tolist()}})
    wanted = {"organs": f"{one.name}_labels.nii.gz", "lesions": f"{one.name}_lesions.nii.gz"}
    names = [kind for kind, file in wanted.items()
             if options.labels in (None, "both", kind) and (case.folder / file).exists()]
    if not names:
        return
    labels = group.create_group("labels")
    labels.attrs["labels"] = names
    for kind in names:
        within = labels.create_group(kind)
        datasets = pyramid(within, stored_voxels(case.file(wanted[kind])), one.grid.spacing_mm, options.chunk, mode)
        within.attrs.update({"multiscales": [_multiscales(kind, datasets, "mode")],
                             "image-label": _label_table(source, one, kind)})


def pyramid(group: Any, voxels: NDArray[Any], spacing_mm: Sequence[float], chunk: int, halve: Any
             ) -> list[dict[str, Any]]:
    """Write the levels and return what `multiscales` says of each; places are relative to the first voxel."""
    from numcodecs import Blosc

    level, scale = voxels, np.asarray(spacing_mm, float)
    found: list[dict[str, Any]] = []
    while True:
        array = group.create_array(
            str(len(found)), shape=level.shape, chunks=tuple(min(chunk, n) for n in level.shape), dtype=level.dtype,
            compressors=Blosc(cname="zstd", clevel=_LEVEL_OF_ZSTD, shuffle=Blosc.SHUFFLE),
            chunk_key_encoding={"name": "v2", "separator": "/"}, fill_value=0)
        array[:] = level
        shift = (scale - np.asarray(spacing_mm, float)) / 2
        found.append({"path": str(len(found)), "coordinateTransformations": [
            {"type": "scale", "scale": scale.tolist()}, {"type": "translation", "translation": shift.tolist()}]})
        if max(level.shape) <= _SMALLEST or len(found) == _MOST_LEVELS:
            return found
        factors = tuple(2 if step < _ALIKE * scale.min() and count > 1 else 1
                        for step, count in zip(scale, level.shape, strict=True))
        level, scale = halve(_blocks(level, factors)), scale * factors


def _blocks(voxels: NDArray[Any], factors: Shape) -> NDArray[Any]:
    """Return (k, j, i, voxels of a block); an odd end repeats its last voxel."""
    padded = np.pad(voxels, [(0, -n % f) for n, f in zip(voxels.shape, factors, strict=True)], mode="edge")
    parts = [n for size, f in zip(padded.shape, factors, strict=True) for n in (size // f, f)]
    return padded.reshape(parts).transpose(0, 2, 4, 1, 3, 5).reshape(*parts[::2], -1)


def mean(blocks: NDArray[Any]) -> NDArray[Any]:
    """Return the mean of each block (k, j, i, voxels), whole numbers rounded."""
    averaged = blocks.mean(axis=-1, dtype=np.float32)
    return (np.rint(averaged) if blocks.dtype.kind in "iu" else averaged).astype(blocks.dtype)


def mode(blocks: NDArray[Any]) -> NDArray[Any]:
    """Return the most frequent label of each block (k, j, i, voxels); of equally frequent ones the lowest."""
    rising = np.sort(blocks, axis=-1)
    best, most = rising[..., 0].copy(), np.zeros(rising.shape[:-1], np.uint8)
    for place in range(rising.shape[-1]):
        count = (rising == rising[..., place:place + 1]).sum(axis=-1, dtype=np.uint8)
        better = count > most
        best[better], most[better] = rising[..., place][better], count[better]
    return best


def _multiscales(name: str, datasets: list[dict[str, Any]], how: str) -> dict[str, Any]:
    axes = [{"name": axis, "type": "space", "unit": "millimeter"} for axis in "zyx"]
    return {"version": VERSION, "name": name, "axes": axes, "datasets": datasets, "type": how}


def _label_table(source: Source, one: SourceAcquisition, kind: str) -> dict[str, Any]:
    """Return the colours and names of a label image."""
    if kind == "organs":
        colours = structure_colours(row.name for row in source.structures)
        rows = [(row.label, row.name, colours[row.name]) for row in source.structures if row.organ == row.label]
    else:
        rows = [(int(lesion["id"]), f"{lesion['kind']} {lesion['id']}", lesion_colour(int(lesion["id"])))
                for lesion in one.lesions]
    return {"version": VERSION, "source": {"image": "../../"},
            "colors": [{"label-value": label, "rgba": _rgba(colour)} for label, _, colour in rows],
            "properties": [{"label-value": label, "name": name} for label, name, _ in rows]}


def _rgba(colour: Rgb) -> list[int]:
    return [*colour, 255]
