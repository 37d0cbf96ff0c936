"""Training data of the refiner, from datasets of ours and from folders of real images with masks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import DatasetError, expected
from medsynth.core.volume import Volume
from medsynth.dataset.folder import case_name, finished_indices
from medsynth.dataset.header import HEADER, read_header
from medsynth.export.nifti import read_nifti
from medsynth.refine.examples import Example, real_example
from medsynth.refine.guard import check_generation, check_real
from medsynth.refine.refiner import Truth

DICOM_MODALITY = {"ct": "CT", "mri": "MR"}
QUICK, FULL = "fast", "physics"  # the tiers
MARK = b"synthetic"  # in `descrip` of our NIfTI files


def paired_examples(folder: Path, quick: str | None, full: str | None, *, force: bool = False
                    ) -> tuple[list[Example], dict[str, Any]]:
    """Return the pairs of a dataset, and what a model card says of it.

    Parameters
    ----------
    quick, full : names of its acquisitions; left out, those of the fast and the physics tier, if there is one of each.

    Raises
    ------
    DatasetError, RefineError
        If it is no dataset, was made by a generative model, or has no such pair on one grid.
    """
    header = read_header(folder)
    generation = check_generation(str(folder), header.get("generation"), force=force)
    acquisitions: Mapping[str, Any] = header.get("recipe", {}).get("acquisitions", {})
    first, last = _pair_of(folder, acquisitions, quick, full)
    modality = DICOM_MODALITY.get(str(acquisitions[first]["modality"]))
    if modality is None:
        raise DatasetError(expected(f"modality of {first}", acquisitions[first]["modality"], "ct or mri"))
    names = {int(row["label"]): str(row["name"]) for row in header.get("labels", [])}
    cases = finished_indices(folder)
    if not cases:
        raise DatasetError(f"{folder} holds no finished case")
    examples = []
    for index in cases:
        case = folder / case_name(index)
        one, two = (read_nifti(_there(case / f"{name}.nii.gz")) for name in (first, last))
        if not one.grid.is_close(two.grid):
            raise DatasetError(f"{case}: {first} and {last} must lie on one grid to be a pair")
        labels = read_nifti(_there(case / f"{first}_labels.nii.gz")).array.astype(np.uint16)
        lesions = read_nifti(_there(case / f"{first}_lesions.nii.gz")).array.astype(np.uint16)
        examples.append(Example(one.array, two.array, Truth(labels, lesions, names, modality), one.grid.spacing_mm))
    return examples, {"kind": "simulated pairs", "quick": first, "full": last, "images": len(examples),
                      "generation": generation, "fingerprint": header.get("fingerprint"),
                      "manifest_sha256": files_digest([folder / "manifest.jsonl"])}


def real_examples(folder: Path, modality: str, *, force: bool = False) -> tuple[list[Example], dict[str, Any]]:
    """Return pairs of the real images of a folder, NAME.nii.gz with NAME_labels.nii.gz.

    Where there are lesions, NAME_lesions.nii.gz; labels.json tells what labels are called, {"1": "liver"}.

    Raises
    ------
    DatasetError, RefineError
        If there is none, a mask is missing or on another grid, or one is marked as synthetic.
    """
    check_real(str(folder), synthetic=(folder / HEADER).exists(), force=force)
    images = sorted(path for path in folder.glob("*.nii.gz")
                    if not path.name.endswith(("_labels.nii.gz", "_lesions.nii.gz")))
    if not images:
        raise DatasetError(f"{folder} holds no image NAME.nii.gz")
    names = _label_names(folder / "labels.json")
    examples = []
    for path in images:
        check_real(str(path), synthetic=_marked(path), force=force)
        stem = path.name.removesuffix(".nii.gz")
        volume = read_nifti(path)
        masks = [_mask(folder / f"{stem}_{kind}.nii.gz", volume.array.shape, needed=kind == "labels")
                 for kind in ("labels", "lesions")]
        truth = Truth(masks[0], masks[1], names, modality)
        examples.append(real_example(volume.array, truth, volume.grid.spacing_mm))
    return examples, {"kind": "real images", "images": len(examples), "forced": force, "sha256": files_digest(images)}


def reference_images(folder: Path) -> tuple[list[Path], int]:
    """Return the images of a reference folder, a dataset of ours or any folder of NIfTI files, and their generation."""
    generation = int(read_header(folder).get("generation", 0)) if (folder / HEADER).exists() else 0
    masks = ("_labels.nii.gz", "_lesions.nii.gz", "_lesion_fraction.nii.gz", "_lesion_parts.nii.gz")
    found = sorted(path for pattern in ("*.nii.gz", "case-*/*.nii.gz") for path in folder.glob(pattern)
                   if not path.name.endswith(masks))
    if not found:
        raise DatasetError(f"reference {folder} holds no image NAME.nii.gz")
    return found, generation


def reference_pair(path: Path) -> tuple[Volume, Truth | None]:
    """Return an image of a reference folder, and its truth where NAME_labels.nii.gz lies beside it."""
    volume, stem = read_nifti(path), path.name.removesuffix(".nii.gz")
    if not (path.parent / f"{stem}_labels.nii.gz").exists():
        return volume, None
    labels, lesions = (_mask(path.parent / f"{stem}_{kind}.nii.gz", volume.array.shape, needed=False)
                       for kind in ("labels", "lesions"))
    return volume, Truth(labels, lesions, {})


def _pair_of(folder: Path, acquisitions: Mapping[str, Any], quick: str | None, full: str | None) -> tuple[str, str]:
    chosen = []
    for option, name, tier in (("--quick", quick, QUICK), ("--full", full, FULL)):
        if name is None:
            known = [key for key, protocol in acquisitions.items() if protocol.get("fidelity") == tier]
            if len(known) != 1:
                raise DatasetError(f"{option} must name an acquisition: {folder} has {len(known)} of fidelity {tier}, "
                                   f"of {', '.join(acquisitions)}")
            name = known[0]
        if name not in acquisitions:
            raise DatasetError(expected(option, name, f"one of {', '.join(acquisitions)}"))
        chosen.append(name)
    if acquisitions[chosen[0]]["modality"] != acquisitions[chosen[1]]["modality"]:
        raise DatasetError(expected(f"modality of {chosen[1]}", acquisitions[chosen[1]]["modality"],
                                    f"that of {chosen[0]}, {acquisitions[chosen[0]]['modality']}"))
    return chosen[0], chosen[1]


def _there(path: Path) -> Path:
    if not path.exists():
        raise DatasetError(f"{path} is missing: training needs images and labels as NIfTI")
    return path


def _mask(path: Path, shape: tuple[int, ...], *, needed: bool) -> NDArray[np.uint16]:
    if not path.exists() and not needed:
        return np.zeros(shape, np.uint16)
    array = read_nifti(_there(path)).array
    if array.shape != shape:
        raise DatasetError(expected(f"shape of {path.name}", array.shape, f"that of its image, {shape}"))
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > 65535 or (array != np.rint(array)).any():
        raise DatasetError(f"{path} must hold whole labels from 0 to 65535")
    return array.astype(np.uint16)


def _label_names(path: Path) -> dict[int, str]:
    if not path.exists():
        return {}
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return {int(label): str(name) for label, name in told.items()}
    except (OSError, ValueError, AttributeError) as error:
        wanted = 'a JSON mapping of labels to names, {"1": "liver"}'
        raise DatasetError(expected(str(path), str(error), wanted)) from error


def _marked(path: Path) -> bool:
    import nibabel as nib

    try:
        header: Any = cast(nib.Nifti1Image, nib.load(path)).header
        return MARK in bytes(header["descrip"]).lower()
    except (OSError, KeyError, ValueError, nib.filebasedimages.ImageFileError):
        return False


def files_digest(paths: Sequence[Path]) -> str:
    """Return one SHA-256 of some files, in their order; those that are absent do not count."""
    total = hashlib.sha256()
    for path in paths:
        if path.exists():
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
