"""Annotations against what can be measured again on the written masks, and labels against the label table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.core.errors import MedsynthError
from medsynth.core.volume import Volume
from medsynth.dataset.checks.view import CaseView, Problem
from medsynth.export.nifti import read_nifti

LABELS, ANNOTATIONS = "labels", "annotations"
# annotations.json has six digits of a volume in ml.
_VOLUME_ML = 1e-5
# A voxel between two lesions is counted to the nearer one, and holds the other too.
_SHARED = 0.02
# A majority mask misses at most half of each voxel of its border, on both sides; of what has no core, any.
_LEAST_VOXELS = 2000
_CORE = 0.3


def check_labels(case: CaseView) -> Iterator[Problem]:
    """Check the label table, and that images hold no label that it lacks."""
    table = case.header.get("labels", [])
    numbers = [row["label"] for row in table]
    if len(set(numbers)) < len(numbers):
        yield Problem(LABELS, "dataset.json", "labels must have each number once")
    for folder in (case.folder, case.folder / "twin"):
        for name in case.acquisitions:
            path = folder / f"{name}_labels.nii.gz"
            volume = _read(path)
            if volume is None:
                continue
            foreign = sorted(set(np.unique(volume.array).tolist()) - {0, *numbers})
            if foreign:
                yield case.problem(LABELS, path, f"labels must be in the table of dataset.json, got {foreign[:5]}")


def check_annotations(case: CaseView) -> Iterator[Problem]:
    """Measure volumes and boxes again."""
    if not case.annotations:
        yield case.problem(ANNOTATIONS, case.folder / "annotations.json", "is no readable JSON")
        return
    first = case.annotations.get("primary_acquisition")
    for name, told in case.annotations.get("acquisitions", {}).items():
        whole: Mapping[str, Any] = case.annotations if name == first else told
        if name not in case.acquisitions:
            yield case.problem(ANNOTATIONS, case.folder / "annotations.json", f"{name} is no acquisition of the recipe")
        elif case.is_projection(name):
            yield from _flat(case, name, told, whole.get("lesions", []))
        else:
            yield from _lesions(case, name, whole.get("lesions", []))
            yield from _organs(case, name, whole)
    findings = [(row["id"], row["volume_ml"]) for row in case.record.get("findings", [])]
    if findings != [(row["id"], row["volume_ml"]) for row in case.annotations.get("lesions", [])]:
        yield case.problem(ANNOTATIONS, case.folder / "annotations.json", "lesions differ from those of the manifest")


def _lesions(case: CaseView, name: str, told: list[Mapping[str, Any]]) -> Iterator[Problem]:
    """Compare lesion numbers, volumes and boxes with the lesion images."""
    numbers = _read(case.folder / f"{name}_lesions.nii.gz")
    if numbers is None:
        return
    path = case.folder / f"{name}_lesions.nii.gz"
    foreign = sorted(set(np.unique(numbers.array).tolist()) - {0, *(row["id"] for row in told)})
    if foreign:
        yield case.problem(ANNOTATIONS, path, f"holds lesions that annotations.json does not tell: {foreign[:5]}")
    fraction = _read(case.folder / f"{name}_lesion_fraction.nii.gz")
    if fraction is None:
        if told:
            yield case.problem(ANNOTATIONS, case.folder / f"{name}_lesion_fraction.nii.gz", "is missing")
        return
    share = fraction.array.astype(np.float64)
    voxel_ml = fraction.grid.voxel_volume_mm3 / 1000
    total = sum(row["volume_ml"] for row in told)
    if abs(share.sum() * voxel_ml - total) > _VOLUME_ML * max(1, len(told)) + 1e-6 * total:
        yield case.problem(ANNOTATIONS, case.folder / "annotations.json",
                           f"lesions of {name}: {total:.6g} ml together, but the fractions give "
                           f"{share.sum() * voxel_ml:.6g} ml")
        return
    owner = _owners(share, numbers.array, told)
    for row in told:
        yield from _lesion(case, name, row, np.where(owner == row["id"], share, 0), voxel_ml)


def _owners(share: NDArray[np.float64], numbers: NDArray[Any], told: list[Mapping[str, Any]]) -> NDArray[np.int64]:
    """Give each voxel that lesions fill to one: by the lesion image, else to the lesion whose centre is nearest."""
    owner = np.where(share > 0, numbers, 0).astype(np.int64)
    orphans = np.argwhere((share > 0) & (owner == 0))
    if len(orphans):
        seeds = numbers > 0
        boxed = [row for row in told if row["centre_kji"] is not None and row["volume_ml"] > 0]
        if seeds.any() and len(boxed) > 1:
            at = ndimage.distance_transform_edt(~seeds, return_distances=False, return_indices=True)
            near = numbers[tuple(at[:, *orphans.T])]
        else:
            near = np.zeros(len(orphans), np.int64)
        centres = np.array([row["centre_kji"] for row in boxed], float)
        ids = np.array([row["id"] for row in boxed])
        if len(boxed):
            radii = np.array([max(row["diameters_mm"]["max_3d"], 1.0) for row in boxed])
            gap = np.linalg.norm(orphans[:, None] - centres[None], axis=-1) / radii
            small = ~np.isin(ids, numbers)  # lesions that hold the most of no voxel at all
            nearest = ids[np.argmin(gap, axis=1)]
            near = np.where((near == 0) | np.isin(nearest, ids[small]), nearest, near)
        owner[tuple(orphans.T)] = near
    return owner


def _lesion(case: CaseView, name: str, row: Mapping[str, Any], share: NDArray[np.float64],
            voxel_ml: float) -> Iterator[Problem]:
    path, label = case.folder / "annotations.json", f"lesion {row['id']} of {name}"
    volume = float(share.sum()) * voxel_ml
    if abs(volume - row["volume_ml"]) > _VOLUME_ML + _SHARED * row["volume_ml"] + 0.5 * voxel_ml:
        yield case.problem(ANNOTATIONS, path, f"{label}: volume_ml is {row['volume_ml']}, but the masks give "
                                              f"{volume:.6g}")
    if row["box_kji"] is None or not (share > 0).any():
        if row["volume_ml"] > 0 and row["box_kji"] is None:
            yield case.problem(ANNOTATIONS, path, f"{label}: box_kji is missing")
        return
    level = 0.5 if (share >= 0.5).any() else 1e-9
    at = np.argwhere(share >= level)
    box = [at.min(0).tolist(), (at.max(0) + 1).tolist()]
    if np.abs(np.array(box) - np.array(row["box_kji"])).max() > 1:
        yield case.problem(ANNOTATIONS, path, f"{label}: box_kji is {row['box_kji']}, but the masks give {box}")


def _organs(case: CaseView, name: str, whole: Mapping[str, Any]) -> Iterator[Problem]:
    """Compare large organs' volumes with their voxels, within what a majority mask can tell."""
    volume = _read(case.folder / f"{name}_labels.nii.gz")
    if volume is None:
        return
    number = {row["name"]: row["label"] for row in case.header.get("labels", [])}
    voxel_ml = volume.grid.voxel_volume_mm3 / 1000
    replaced = sum(row["volume_ml"] for row in whole.get("lesions", []))
    boxes = ndimage.find_objects(volume.array.astype(np.int32))
    for organ, told in whole.get("structure_volumes_ml", {}).items():
        label = number.get(organ)
        if label is None:
            yield case.problem(ANNOTATIONS, case.folder / "annotations.json", f"{organ} is not in the label table")
            continue
        box = boxes[label - 1] if label <= len(boxes) else None
        mask = np.zeros(0, bool) if box is None else np.pad(volume.array[box] == label, 1)
        count = int(mask.sum())
        core = ndimage.binary_erosion(mask) if count >= _LEAST_VOXELS else np.zeros(1, bool)
        if core.sum() < _CORE * count or not core.any():
            continue
        border = int((ndimage.binary_dilation(mask) ^ core).sum())
        if abs(count * voxel_ml - told) > 0.5 * border * voxel_ml + replaced + _VOLUME_ML:
            yield case.problem(ANNOTATIONS, case.folder / "annotations.json",
                               f"{organ} of {name}: {told:g} ml, but its voxels are {count * voxel_ml:.5g} ml")


def _flat(case: CaseView, name: str, told: Mapping[str, Any], lesions: list[Mapping[str, Any]]) -> Iterator[Problem]:
    """Compare boxes and areas with the masks of a projection, exactly."""
    shown = dict(told.get("structures", {}))
    shown |= {f"lesion_{row['id']}": row["shadow"] for row in lesions if row.get("shadow") is not None}
    folder = case.folder / f"{name}_masks"
    if not folder.is_dir():
        return
    for structure, measured in shown.items():
        path = folder / f"{structure}.nii.gz"
        mask = _read(path)
        if mask is None:
            yield case.problem(ANNOTATIONS, path, "is missing or unreadable, but annotations.json measures it")
            continue
        at = np.argwhere(mask.array[0] > 0)
        box = [at.min(0).tolist(), (at.max(0) + 1).tolist()] if len(at) else None
        if measured["area_px"] != len(at) or (len(at) and measured["box_ji"] != box):
            yield case.problem(ANNOTATIONS, path, f"annotations.json tells {measured['area_px']} pixels in "
                                                  f"{measured['box_ji']}, the mask has {len(at)} in {box}")


def _read(path: Path) -> Volume | None:
    """Return a volume, or None where it is absent or unreadable, which other checks tell."""
    if not path.exists():
        return None
    try:
        return read_nifti(path)
    except MedsynthError:
        return None
