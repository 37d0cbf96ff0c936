"""Labels without gaps: which structures and lesions a layout names, and label images of those numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import DatasetError
from medsynth.export.layouts.files import place, write_json
from medsynth.export.layouts.options import ExportOptions, Labels
from medsynth.export.layouts.source import Source, SourceAcquisition, SourceCase, StructureRow
from medsynth.export.nifti import rewrite_nifti, stored_voxels
from medsynth.scene.lesion_parts import FIRST_LESION_LABEL


@dataclass(frozen=True, slots=True)
class Target:
    """One class.

    Attributes
    ----------
    value : 1, 2, ... in label images of the layout.
    name : of the structure, or of the lesions' family, with `_part` where parts are classes.
    kind : what it is.
    label : of the structure in the dataset's own label images; 0 of what has none: a lesion, a whole in a projection.
    """

    value: int
    name: str
    kind: Literal["organ", "lesion"]
    label: int
    snomed_code: str
    snomed_meaning: str


@dataclass(frozen=True, slots=True)
class Targets:
    """The classes of an export, organs first, numbered without a gap; `parts` of lesions or lesions as a whole."""

    rows: tuple[Target, ...]
    parts: bool = False

    @property
    def organs(self) -> dict[int, int]:
        """Label in the dataset -> value."""
        return {row.label: row.value for row in self.rows if row.kind == "organ" and row.label}

    @property
    def lesions(self) -> dict[str, int]:
        """Family of a lesion, or its part -> value."""
        return {row.name: row.value for row in self.rows if row.kind == "lesion"}

    @property
    def names(self) -> dict[str, int]:
        """Name -> value, without background."""
        return {row.name: row.value for row in self.rows}

    def write(self, path: Path) -> None:
        """Write what each value means and where it comes from."""
        background = {"value": 0, "name": "background", "kind": "", "label": 0, "snomed_code": "", "snomed_meaning": ""}
        rows = [{key: getattr(row, key) for key in background} for row in self.rows]
        write_json(path, {"labels": [background, *rows]})


def wanted_labels(source: Source, options: ExportOptions) -> Labels:
    """Return which labels a training layout has: those asked for, else lesions where there are any, else organs."""
    if options.labels is not None:
        return options.labels
    return "lesions" if any(case.record.get("findings") for case in source.cases) else "organs"


def targets_of(source: Source, options: ExportOptions, labels: Labels, *, parts: bool = False) -> Targets:
    """Return the classes that occur in the dataset: organs in the order of their labels, then families of lesions.

    Raises
    ------
    DatasetError
        If nothing occurs.
    """
    names: set[str] = set()
    lesions: dict[str, tuple[str, str]] = {}
    for case in source.cases:
        for one in case.acquisitions(options.acquisitions).values():
            names.update(_structures_in(one, case))
            lesions |= {name: (str(found["code"]["value"]), found["code"]["meaning"])
                        for found in one.lesions if found["in_image"] for name in _classes(found, parts).values()}
    by_name = {row.name: row for row in source.structures}
    whole = StructureRow("", 0, 0, "", "", "")  # what a reader of projections names but the body has in parts
    organs = sorted((replace(by_name.get(name, whole), name=name) for name in names),
                    key=lambda row: (row.label or 65536, row.name))
    rows: list[tuple[str, Literal["organ", "lesion"], int, str, str]] = []
    if labels != "lesions":
        rows += [(row.name, "organ", row.label, row.snomed_code, row.snomed_meaning) for row in organs]
    if labels != "organs":
        rows += [(kind, "lesion", 0, *lesions[kind]) for kind in sorted(lesions)]
    if not rows:
        raise DatasetError(f"{source.folder} holds no {'labels' if labels == 'both' else labels} to export; "
                           "choose other ones with --labels")
    return Targets(tuple(Target(value, *row) for value, row in enumerate(rows, start=1)), parts)


def _classes(found: Mapping[str, Any], parts: bool) -> dict[int, str]:
    """Return number in the stored image of lesions -> class, of one lesion: its own, or those of its parts."""
    if not parts:
        return {int(found["id"]): found["kind"]}
    return {int(told["label"]) - FIRST_LESION_LABEL: f"{found['kind']}_{part}"
            for part, told in found["parts"].items()}


def _lesion_file(case: SourceCase, one: SourceAcquisition, targets: Targets) -> Path:
    """Return the image of lesions' numbers, or of their parts; a case without lesions has no parts."""
    parts = targets.parts and any(found["in_image"] for found in one.lesions)
    return case.file(f"{one.name}_lesion_parts.nii.gz" if parts else f"{one.name}_lesions.nii.gz")


def _structures_in(one: SourceAcquisition, case: SourceCase) -> Sequence[str]:
    """Return the names of the structures that an image shows."""
    if one.flat:
        return list(one.told["structures"])
    return list(one.told.get("structure_volumes_ml") or case.annotations()["structure_volumes_ml"])


def write_label_image(case: SourceCase, one: SourceAcquisition, targets: Targets, target: Path) -> None:
    """Write the label image of a case with the values of `targets`; where nothing changes it becomes a link.

    A lesion covers the organ that it lies in.

    Raises
    ------
    DatasetError
        If the image is a projection and organs are wanted: they overlap there, and a label image holds one of them.
    """
    organs, classes = targets.organs, _lesion_table(one, targets)
    if one.flat and any(row.kind == "organ" for row in targets.rows):
        raise DatasetError(f"structures of the projection {one.name} overlap and have no label image; "
                           "choose --labels lesions, or the layouts coco or yolo")
    numbers = {number for found in one.lesions if found["in_image"] for number in _classes(found, targets.parts)}
    if not targets.lesions:
        source, table = case.file(f"{one.name}_labels.nii.gz"), organs
        # What lesions cover wholly occurs in no volume but in the anatomy: it has no class, and must not stay.
        same = (all(label == value for label, value in organs.items())
                and int(stored_voxels(source).max()) <= len(targets.rows))
    elif not organs:
        source, table = _lesion_file(case, one, targets), classes
        same = all(classes.get(number) == number for number in numbers)
    else:
        _write_both(case, one, organs, classes, targets, target)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if same:
        place(source, target)
    else:
        look_up = _look_up(table, len(targets.rows))
        rewrite_nifti(source, target, lambda voxels: look_up[voxels])


def _write_both(case: SourceCase, one: SourceAcquisition, organs: dict[int, int], classes: dict[int, int],
                targets: Targets, target: Path) -> None:
    lesions = _look_up(classes, len(targets.rows))[stored_voxels(_lesion_file(case, one, targets))]
    look_up = _look_up(organs, len(targets.rows))
    target.parent.mkdir(parents=True, exist_ok=True)
    rewrite_nifti(case.file(f"{one.name}_labels.nii.gz"), target,
                  lambda voxels: np.where(lesions > 0, lesions, look_up[voxels]))


def _lesion_table(one: SourceAcquisition, targets: Targets) -> dict[int, int]:
    """Return number in the stored image of lesions -> value of its class."""
    values = targets.lesions
    return {number: values[name] for found in one.lesions for number, name in _classes(found, targets.parts).items()
            if name in values}


def _look_up(table: dict[int, int], largest: int) -> NDArray[Any]:
    """Return the values of all stored numbers; what no class names is background."""
    values = np.zeros(65536, np.uint8 if largest <= 255 else np.uint16)
    for stored, value in table.items():
        values[stored] = value
    return values
