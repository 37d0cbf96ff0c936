"""BIDS for MR: sub-/ses-/anat and dwi with sidecars, labels as a derivative.

https://bids-specification.readthedocs.io. CT and radiographs have no place in BIDS; they, and MR contrasts without a
BIDS name, lie under sourcedata.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medsynth.core.errors import DatasetError
from medsynth.core.version import __version__
from medsynth.export.layouts.files import place, write_json, write_text
from medsynth.export.layouts.options import ExportOptions
from medsynth.export.layouts.source import Source, SourceAcquisition, SourceCase, read_json
from medsynth.export.nifti import read_nifti, write_nifti_stack

VERSION = "1.10.0"
STATEMENT = ("Synthetic images: computed by medsynth from an anatomical model and simulated physics. No patient and no "
             "volunteer was scanned, and no images of people were used.")
# What a sequence's image is called. https://bids-specification.readthedocs.io/en/stable/modality-specific-files
_SUFFIXES = {"mprage": "T1w", "spgr": "T1w", "dixon": "T1w", "bssfp": "T2w", "swi": "T2starw", "tof": "angio",
             "dwi": "dwi"}
_LONG_TE_MS, _LONG_TR_MS = 60.0, 1500.0  # of spin echoes: beyond, T2 and not T1 makes the contrast (a rule of thumb)
_FLAIR_TI_MS = 1000.0  # inversions that null water are longer, those that null fat shorter


@dataclass(frozen=True, slots=True)
class _Name:
    """Where an image goes: `anat` or `dwi`, its entities and its suffix."""

    folder: str
    stem: str
    suffix: str

    def path(self, ending: str) -> str:
        return f"{self.folder}/{self.stem}_{self.suffix}{ending}"


def write(source: Source, options: ExportOptions, out: Path, name: str) -> None:
    """Write the dataset.

    Raises
    ------
    DatasetError
        If no image has a place in BIDS.
    """
    people: dict[str, Mapping[str, Any]] = {}
    named = 0
    for case in source.cases:
        people.setdefault(_letters(case.person), case.record["subject"])
        for one in case.acquisitions(options.acquisitions).values():
            own = _name(case, one)
            if own is None:
                target = out / "sourcedata" / f"sub-{_letters(case.person)}" / f"ses-{case.visit:02d}"
                place(case.file(f"{one.name}.nii.gz"), target / f"{one.name}.nii.gz")
                continue
            named += 1
            _write_image(case, one, out / own.path(""))
            _write_labels(source, case, one, own, options, out / "derivatives" / "labels")
    if not named:
        raise DatasetError(f"{source.folder} has no MR image with a name in BIDS; CT and radiographs have none, choose "
                           "another layout, e.g. nnunet, msd or dicom")
    _write_head(out, name, people, "raw")
    _write_head(out / "derivatives" / "labels", f"Labels of {name}", {}, "derivative")


def _letters(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text) or "x"


def suffix_of(one: SourceAcquisition) -> str:
    """Return the BIDS suffix of an image, empty where it has none."""
    if one.modality != "MR":
        return ""
    told = one.told["parameters"]
    sequence = str(told.get("sequence", ""))
    if sequence not in ("se", "tse"):
        return _SUFFIXES.get(sequence, "")
    if float(told.get("ti_ms") or 0) > _FLAIR_TI_MS:
        return "FLAIR"
    if float(told["te_ms"]) >= _LONG_TE_MS or told.get("ti_ms"):
        return "T2w"
    return "PDw" if float(told["tr_ms"]) >= _LONG_TR_MS else "T1w"


def _name(case: SourceCase, one: SourceAcquisition) -> _Name | None:
    suffix, person = suffix_of(one), f"sub-{_letters(case.person)}"
    if not suffix:
        return None
    session, kind = f"ses-{case.visit:02d}", "dwi" if suffix == "dwi" else "anat"
    acquired = [] if one.name.lower() == suffix.lower() else [f"acq-{_letters(one.name)}"]
    return _Name(f"{person}/{session}/{kind}", "_".join([person, session, *acquired]), suffix)


def _write_image(case: SourceCase, one: SourceAcquisition, stem: Path) -> None:
    """Write image and sidecar; of diffusion all b values as one file of four axes."""
    sidecar = read_json(case.file(f"{one.name}.json"))
    image = case.file(f"{one.name}.nii.gz")
    b_values = [float(b) for b in one.told["parameters"].get("b_values") or ()]
    if suffix_of(one) != "dwi":
        place(image, stem.with_name(f"{stem.name}.nii.gz"))
        place(case.file(f"{one.name}.json"), stem.with_name(f"{stem.name}.json"))
        return
    files = [image if b == b_values[-1] else case.file(f"{one.name}_b{b:g}.nii.gz") for b in b_values]
    stem.parent.mkdir(parents=True, exist_ok=True)
    write_nifti_stack([read_nifti(file) for file in files], stem.with_name(f"{stem.name}.nii.gz"))
    # Diffusion is simulated as isotropic: a direction is demanded, and any gives the same image.
    directions = np.array([[1.0 if b > 0 else 0.0, 0.0, 0.0] for b in b_values]).T
    write_text(stem.with_name(f"{stem.name}.bval"), " ".join(f"{b:g}" for b in b_values) + "\n")
    write_text(stem.with_name(f"{stem.name}.bvec"),
               "".join(" ".join(f"{v:g}" for v in row) + "\n" for row in directions.tolist()))
    sidecar.pop("DiffusionBValue", None)
    write_json(stem.with_name(f"{stem.name}.json"), {**sidecar, "DiffusionDirection": "isotropic; bvec is nominal"})


def _write_labels(source: Source, case: SourceCase, one: SourceAcquisition, own: _Name, options: ExportOptions,
                  out: Path) -> None:
    """Link the label images of an image; the values are those of the dataset."""
    for kind, file in (("organs", "labels"), ("lesions", "lesions")):
        path = case.folder / f"{one.name}_{file}.nii.gz"
        if options.labels not in (None, "both", kind) or not path.exists() or (kind == "lesions" and not one.lesions):
            continue
        stem = f"{own.folder}/{own.stem}_desc-{own.suffix}{kind.capitalize()}_dseg"
        place(path, out / f"{stem}.nii.gz")
        write_json(out / f"{stem}.json", {"Sources": [f"bids:raw:{own.path('.nii.gz')}"], "SyntheticData": True})
        rows = ([(str(row.label), row.name) for row in source.structures if row.organ == row.label] if kind == "organs"
                else [(str(found["id"]), f"{found['kind']} {found['id']}") for found in one.lesions])
        _write_table(out / f"{stem}.tsv", ("index", "name"), rows)


def _write_table(path: Path, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    write_text(path, "".join("\t".join(row) + "\n" for row in (head, *rows)))


def _write_head(out: Path, name: str, people: Mapping[str, Mapping[str, Any]], kind: str) -> None:
    """Write what a dataset is, and who was imaged."""
    links = {"DatasetLinks": {"raw": "../.."}} if kind == "derivative" else {}
    write_json(out / "dataset_description.json", {
        "Name": name, "BIDSVersion": VERSION, "DatasetType": kind,
        "GeneratedBy": [{"Name": "medsynth", "Version": __version__, "Description": STATEMENT}],
        "Acknowledgements": STATEMENT, **links})
    write_text(out / "README.md", f"# {name}\n\n{STATEMENT}\n")
    if kind != "raw":
        return
    write_text(out / ".bidsignore", "medsynth-export.json\n")
    rows = [(f"sub-{person}", f"{told['age_years']:.0f}", told["sex"], f"{told['height_cm']:.1f}",
             f"{told['weight_kg']:.1f}") for person, told in people.items()]
    _write_table(out / "participants.tsv", ("participant_id", "age", "sex", "height", "weight"), rows)
    write_json(out / "participants.json", {
        "age": {"Description": "age of the simulated person", "Units": "year"},
        "sex": {"Description": "sex of the simulated person", "Levels": {"female": "female", "male": "male"}},
        "height": {"Description": "body height", "Units": "cm"},
        "weight": {"Description": "body weight", "Units": "kg"}})
