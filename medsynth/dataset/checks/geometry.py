"""Where voxels are: both transforms of every NIfTI file agree, and truth lies on the image's own grid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np

from medsynth.core.grid import Grid
from medsynth.dataset.checks.view import CaseView, Problem
from medsynth.export.nifti import DTYPES, ras_affine

GEOMETRY = "geometry"
_BESIDE = ("_labels", "_lesions", "_lesion_fraction", "_lesion_parts")
# Positions are stored in 32 bits, and the quaternion of qform is rounded once more.
_TOLERANCE_MM = 1e-3


def check_geometry(case: CaseView) -> Iterator[Problem]:
    """Check every NIfTI file of a case and of its twin."""
    for folder in (case.folder, case.folder / "twin"):
        for name in case.acquisitions:
            image = folder / f"{name}.nii.gz"
            if not image.exists():
                continue
            header, problems = _header(case, image)
            yield from problems
            if header is None:
                continue
            yield from _against_annotations(case, name, image, header)
            truth = [folder / f"{name}{ending}.nii.gz" for ending in _BESIDE]
            truth += sorted(folder.glob(f"{name}_masks/*.nii.gz")) + sorted(folder.glob(f"{name}_thickness/*.nii.gz"))
            for path in truth:
                if path.exists():
                    yield from _same_grid(case, path, image, header)
            for path in sorted(folder.glob(f"{name}_*.nii.gz")):
                if path not in truth:
                    yield from _header(case, path)[1]


def _same_grid(case: CaseView, path: Path, image: Path, wanted: Any) -> Iterator[Problem]:
    header, problems = _header(case, path)
    yield from problems
    if header is None:
        return
    if header.get_data_shape() != wanted.get_data_shape():
        yield case.problem(GEOMETRY, path, f"shape must be that of {image.name}, {wanted.get_data_shape()}, "
                                           f"got {header.get_data_shape()}")
    elif not np.array_equal(header.get_sform(), wanted.get_sform()):
        yield case.problem(GEOMETRY, path, f"sform must be that of {image.name}, to the bit")


def _header(case: CaseView, path: Path) -> tuple[Any, list[Problem]]:
    """Return a file's header, or None, and what is wrong with it alone."""
    try:
        header: Any = cast(nib.Nifti1Image, nib.load(path)).header
    except (OSError, EOFError, ValueError, nib.filebasedimages.ImageFileError) as error:
        return None, [case.problem(GEOMETRY, path, f"is no readable NIfTI file: {' '.join(str(error).split())}")]
    said = []
    codes = int(header["sform_code"]), int(header["qform_code"])
    if codes != (1, 1):
        said.append(f"sform_code and qform_code must be 1, got {codes[0]} and {codes[1]}")
    elif not np.allclose(header.get_sform(), header.get_qform(), atol=_TOLERANCE_MM):
        apart = np.abs(header.get_sform() - header.get_qform()).max()
        said.append(f"sform and qform must be equal, but differ by up to {apart:.3g} mm")
    if header.get_xyzt_units()[0] != "mm":
        said.append(f"units must be mm, got {header.get_xyzt_units()[0]}")
    if header.get_data_dtype().name not in DTYPES:
        said.append(f"dtype must be one of {', '.join(DTYPES)}, got {header.get_data_dtype().name}")
    return header, [case.problem(GEOMETRY, path, one) for one in said]


def _against_annotations(case: CaseView, name: str, image: Path, header: Any) -> Iterator[Problem]:
    """Compare the image with the grid that annotations.json tells."""
    grid = case.annotations.get("acquisitions", {}).get(name, {}).get("grid")
    if grid is None:
        yield case.problem(GEOMETRY, case.folder / "annotations.json", f"acquisitions.{name}.grid is missing")
        return
    told = Grid(tuple(grid["shape_kji"]), tuple(grid["spacing_mm"]), tuple(grid["origin_mm"]),
                tuple(tuple(row) for row in grid["direction"]))  # type: ignore[arg-type]
    if tuple(header.get_data_shape()) != told.shape_kji[::-1]:
        yield case.problem(GEOMETRY, image, f"shape must be {told.shape_kji[::-1]} as annotations.json tells, got "
                                            f"{header.get_data_shape()}")
    elif not np.allclose(header.get_sform(), ras_affine(told), atol=_TOLERANCE_MM):
        apart = np.abs(header.get_sform() - ras_affine(told)).max()
        yield case.problem(GEOMETRY, image, f"sform is {apart:.3g} mm away from the grid of annotations.json")
