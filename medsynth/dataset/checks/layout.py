"""The folder: every file that belongs there and no other, hashes, and lists that agree with the cases."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medsynth.dataset.checks.view import CaseView, Problem
from medsynth.dataset.folder import RECORD, finished_indices, record_text
from medsynth.dataset.header import HEADER, ORIGIN
from medsynth.dataset.job import hashes
from medsynth.dataset.journal import MANIFEST, failure_rows

LAYOUT, HASHES = "layout", "hashes"
_HEADER_KEYS = ("fingerprint", "generator", "labels", "recipe", "seed", "twin", "versions", *ORIGIN)


def check_dataset(root: Path, header: Mapping[str, Any]) -> Iterator[Problem]:
    """Check what stands beside the cases."""
    for key in _HEADER_KEYS:
        if key not in header:
            yield Problem(LAYOUT, HEADER, f"{key} is missing")
    finished = finished_indices(root)
    yield from _manifest(root, finished)
    for row in failure_rows(root):
        if row["index"] in set(finished):
            yield Problem(LAYOUT, "failures.jsonl", f"{row['case']} is finished and cannot have failed")
    for entry in sorted(root.iterdir()):
        if entry.name.startswith("case-") and not (entry / RECORD).exists():
            yield Problem(LAYOUT, entry.name, f"{RECORD} is missing: the case is not finished, generate it again")
        elif entry.name.startswith(".tmp-"):
            yield Problem(LAYOUT, entry.name, "left by a run that was killed; the next run removes it")


def _manifest(root: Path, finished: list[int]) -> Iterator[Problem]:
    """Compare the manifest with the records in the case folders, line by line."""
    try:
        lines = (root / MANIFEST).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        yield Problem(LAYOUT, MANIFEST, f"cannot be read: {error.strerror}")
        return
    told: dict[int, str] = {}
    numbers = []
    for number, line in enumerate(lines, start=1):
        try:
            index = int(json.loads(line)["index"])
        except (ValueError, KeyError, TypeError):
            yield Problem(LAYOUT, MANIFEST, f"line {number} is no record of a case")
            continue
        numbers.append(index)
        told[index] = line
    if numbers != sorted(set(numbers)):
        yield Problem(LAYOUT, MANIFEST, "cases must stand once each, in order; generate again puts them so")
    for index in sorted(set(finished) | set(told)):
        name = f"case-{index:05d}"
        if index not in told:
            yield Problem(LAYOUT, MANIFEST, f"{name} is finished but has no line")
        elif index not in set(finished):
            yield Problem(LAYOUT, MANIFEST, f"{name} has a line but no finished folder")
        elif told[index] != record_text(root, index):
            yield Problem(LAYOUT, MANIFEST, f"the line of {name} differs from {name}/{RECORD}")


def check_layout(case: CaseView) -> Iterator[Problem]:
    """Check that the files of the recipe's formats are there."""
    for key in ("id", "index", "seed", "fingerprint", "hashes", "subject", "findings"):
        if key not in case.record:
            yield case.problem(LAYOUT, case.folder / RECORD, f"{key} is missing")
    if case.record.get("id") != case.folder.name:
        yield case.problem(LAYOUT, case.folder / RECORD, f"id must be {case.folder.name}, got {case.record.get('id')}")
    if case.record.get("fingerprint") != case.header.get("fingerprint"):
        yield case.problem(LAYOUT, case.folder / RECORD, "fingerprint is not that of dataset.json: of another dataset")
    for name in _wanted(case):
        if not (case.folder / name).exists():
            yield case.problem(LAYOUT, case.folder / name, "is missing")


def _wanted(case: CaseView) -> Iterator[str]:
    """Give what every case of the recipe has."""
    yield from ("annotations.json", "preview.png")
    if case.header.get("twin"):
        yield "twin/annotations.json"
    for name in case.acquisitions:
        flat = case.is_projection(name)
        if "nifti" in case.formats:
            yield from (f"{name}.nii.gz", f"{name}_lesions.nii.gz")
            yield f"{name}_masks" if flat else f"{name}_labels.nii.gz"
        if "dicom" in case.formats:
            yield f"dicom/{name}"
        if "png" in case.formats and flat:
            yield f"{name}.png"


def check_hashes(case: CaseView) -> Iterator[Problem]:
    """Compare every file with the hash that was taken as it was written; a DICOM series counts as one."""
    told = dict(case.record.get("hashes") or {})
    found = {name: value for name, value in hashes(case.folder).items() if name != RECORD}
    for name in sorted({*told, *found}):
        path = case.folder / name
        if name not in told:
            yield case.problem(HASHES, path, "was not written by medsynth: the record has no hash of it")
        elif name not in found:
            yield case.problem(HASHES, path, "is missing")
        elif told[name] != found[name]:
            yield case.problem(HASHES, path, f"sha256 must be {told[name][:12]}..., got {found[name][:12]}...: "
                                             "changed since it was written")
