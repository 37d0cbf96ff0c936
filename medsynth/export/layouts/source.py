"""A dataset folder as the layouts see it: its cases in order, their files, what is known of each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medsynth.core.errors import DatasetError, expected
from medsynth.core.grid import Grid, as_direction

Split = Literal["train", "val", "test"]
# Names of splits in a manifest; every other name (a held-out scanner, an age group) is kept from training: test.
_SPLITS: dict[str, Split] = {"": "train", "train": "train", "training": "train", "val": "val", "validation": "val"}
_PROJECTIONS = ("DX", "MG")


@dataclass(frozen=True, slots=True)
class StructureRow:
    """A row of the dataset's label table; `organ` is the label that label images and volumes count it to."""

    name: str
    label: int
    organ: int
    laterality: str
    snomed_code: str
    snomed_meaning: str


@dataclass(frozen=True, slots=True)
class SourceAcquisition:
    """One image of a case.

    Attributes
    ----------
    modality : of DICOM: CT, MR, DX, MG.
    quantity : what its values mean, e.g. `"HU"`.
    told : its part of annotations.json.
    lesions : those measured in it, as annotations.json has them.
    """

    name: str
    modality: str
    quantity: str
    grid: Grid
    told: Mapping[str, Any]
    lesions: Sequence[Mapping[str, Any]]

    @property
    def flat(self) -> bool:
        """Whether it is a projection, in which structures overlap."""
        return self.modality in _PROJECTIONS


@dataclass(frozen=True, slots=True)
class SourceCase:
    """One finished case.

    Attributes
    ----------
    name : of its folder, e.g. `"case-00007"`.
    split : what it is for; train where the manifest tells nothing.
    divided : whether the manifest told a split.
    person, visit : who was imaged, and at which time point from 1; each case is a person where nothing is told.
    """

    name: str
    folder: Path
    record: Mapping[str, Any]
    split: Split
    divided: bool
    person: str
    visit: int

    def annotations(self) -> Mapping[str, Any]:
        """Return annotations.json; it is read at every call, so that no dataset is too large."""
        return read_json(self.folder / "annotations.json")

    def acquisitions(self, names: Sequence[str] = ()) -> dict[str, SourceAcquisition]:
        """Return its images, or those of these names: the primary one first, then by name.

        Raises
        ------
        DatasetError
            If there is no acquisition of such a name.
        """
        annotations = self.annotations()
        told: Mapping[str, Any] = annotations["acquisitions"]
        for name in names:
            if name not in told:
                raise DatasetError(expected("acquisition", name, f"one of {', '.join(told)} ({self.name})"))
        ordered = sorted(told, key=lambda name: (name != annotations["primary_acquisition"], name))
        return {name: _acquisition(name, told[name], annotations) for name in ordered if not names or name in names}

    def file(self, name: str) -> Path:
        """Return the path of one of its files.

        Raises
        ------
        DatasetError
            If it is not there.
        """
        path = self.folder / name
        if not path.exists():
            wanted = "nifti" if name.endswith(".nii.gz") else "dicom" if name.startswith("dicom") else ""
            hint = f"; make the dataset with --formats {wanted}" if wanted else ""
            raise DatasetError(f"{path} is missing{hint}")
        return path


@dataclass(frozen=True)
class Source:
    """A dataset folder.

    Attributes
    ----------
    header : the content of dataset.json.
    structures : its label table.
    cases : by their number, whatever the order of the manifest's lines.
    """

    folder: Path
    header: Mapping[str, Any]
    structures: tuple[StructureRow, ...]
    cases: tuple[SourceCase, ...]

    @property
    def title(self) -> str:
        """The recipe's name, or the folder's."""
        return str(self.header.get("recipe", {}).get("name") or self.folder.resolve().name)

    def of_split(self, *splits: Split) -> Iterator[SourceCase]:
        """Give the cases of some splits, in order."""
        return (case for case in self.cases if case.split in splits)


def open_source(folder: Path) -> Source:
    """Return the dataset in `folder`.

    Raises
    ------
    DatasetError
        If it was not made by `medsynth generate`, or holds no finished case.
    """
    if not (folder / "dataset.json").is_file():
        raise DatasetError(expected("DIR", str(folder), "a folder that medsynth generate made (it has dataset.json)"))
    header = read_json(folder / "dataset.json")
    if header.get("generator") != "medsynth" or "labels" not in header:
        raise DatasetError(expected("DIR", str(folder), "a folder that medsynth generate made (dataset.json differs)"))
    found = {case.name: case for case in _cases(folder)}  # a line that comes later counts
    cases = tuple(sorted(found.values(), key=lambda case: (int(case.record.get("index", 0)), case.name)))
    if not cases:
        raise DatasetError(f"{folder} holds no finished case; run medsynth generate first")
    return Source(folder, header, _structures(header["labels"]), cases)


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object from a file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(expected("file", str(path), f"readable JSON ({error})")) from error
    if not isinstance(value, dict):
        raise DatasetError(expected("content of " + str(path), type(value).__name__, "a JSON object"))
    return value


def _cases(folder: Path) -> Iterator[SourceCase]:
    manifest = folder / "manifest.jsonl"
    if not manifest.is_file():
        return
    with manifest.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                name = str(record["id"])
            except (ValueError, KeyError, TypeError) as error:
                raise DatasetError(expected(f"line {number} of {manifest}", line.strip()[:60], "a case")) from error
            if not (folder / name / "annotations.json").is_file():
                raise DatasetError(f"{folder / name} is in the manifest but not on the disk; run medsynth generate "
                                   "again to make it")
            told = str(record.get("split") or "")
            yield SourceCase(name, folder / name, record, _SPLITS.get(told, "test"), bool(told),
                             str(record.get("subject_id") or name), int(record.get("visit") or 1))


def _structures(rows: Sequence[Mapping[str, Any]]) -> tuple[StructureRow, ...]:
    labels = {row["name"]: int(row["label"]) for row in rows}
    return tuple(StructureRow(row["name"], int(row["label"]), labels.get(row["part_of"], int(row["label"])),
                              row["laterality"], str(row["snomed_code"]), row["snomed_meaning"]) for row in rows)


def _acquisition(name: str, told: Mapping[str, Any], annotations: Mapping[str, Any]) -> SourceAcquisition:
    at = told["grid"]
    grid = Grid(tuple(at["shape_kji"]), tuple(at["spacing_mm"]), tuple(at["origin_mm"]), as_direction(at["direction"]))
    return SourceAcquisition(name, told["modality"], told.get("quantity", "HU"), grid, told,
                             told.get("lesions", annotations["lesions"]))
