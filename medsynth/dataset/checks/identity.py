"""Nobody is in here: every name, number and date must be the one that follows from the dataset's seed.

The invented patient of a case is a pure function of seed and index (`medsynth.export.dicom.identity`), so that there is
no guessing what looks like a real one: anything else is foreign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import nibabel as nib
from PIL import Image

from medsynth.core.errors import MedsynthError
from medsynth.core.seed import Seed
from medsynth.dataset.checks.view import CaseView, Problem
from medsynth.dataset.folder import case_name
from medsynth.scene.subject import Subject

IDENTITY = "identity"
# Of persons and places, by the Basic Application Level Confidentiality Profile (DICOM PS3.15, annex E): empty, or ours.
_EMPTY = (
    "AccessionNumber", "AdditionalPatientHistory", "AdmissionID", "AdmittingDiagnosesDescription", "CountryOfResidence",
    "DeviceSerialNumber", "EthnicGroup", "ImageComments", "InstitutionAddress", "InstitutionName",
    "InstitutionalDepartmentName", "IssuerOfPatientID", "MedicalAlerts", "MilitaryRank", "Occupation",
    "OtherPatientIDs", "PatientAddress", "PatientComments", "PatientInsurancePlanCodeSequence",
    "PatientMotherBirthName", "PatientReligiousPreference", "PatientTelephoneNumbers", "RegionOfResidence",
    "RequestedProcedureComments", "SpecialNeeds", "StationName", "StudyComments", "StudyID", "VisitComments",
)
_OURS = re.compile(r"SYNTH|medsynth|S[0-9A-F]{8}$|0$")  # ids and serial numbers that `identity` and `marks` make
_CREATOR = "MEDSYNTH^TRUTH"  # of segmentations: this program
_UID_ROOTS = ("2.25.", "1.2.840.10008.")  # UUIDs drawn from the seed, and the standard's own
# A birth date follows from an age that annotations.json rounds; the true one is at most this far away.
_BIRTH_DAYS = 2
_TEXT = {".json", ".md", ".jsonl", ".csv", ".txt"}
_PRIVATE_PLACES = re.compile(r"(/home/|/Users/|/root/|[A-Z]:\\\\Users)[^\"\s]*")
_PERSONAL_KEYS = re.compile(r'"(Patient(Name|ID|BirthDate|Address)|OtherPatientIDs?|InstitutionName|AccessionNumber|'
                            r'OperatorsName|ReferringPhysicianName|(Study|Series|Acquisition)(Date|DateTime))"\s*:\s*'
                            r'"([^"]+)"')


def check_identity(case: CaseView) -> Iterator[Problem]:
    """Look for a real person in every file of a case."""
    for path in sorted(case.folder.rglob("*")):
        if path.suffix == ".dcm":
            for message in _dicom(case, path):
                yield case.problem(IDENTITY, path, message)
        elif path.name.endswith((".nii", ".nii.gz")):
            for message in _nifti(path):
                yield case.problem(IDENTITY, path, message)
        elif path.suffix == ".png":
            for message in _png(path):
                yield case.problem(IDENTITY, path, message)
        elif path.suffix in _TEXT:
            for message in text_messages(path):
                yield case.problem(IDENTITY, path, message)


def text_messages(path: Path) -> Iterator[str]:
    """Give what a text file tells of a person, or of the machine it was written on."""
    text = path.read_text(encoding="utf-8", errors="replace")
    for found in _PERSONAL_KEYS.finditer(text):
        if not _OURS.match(found[5]):
            yield f"{found[1]} must not be told, got {found[5]!r}"
    place = _PRIVATE_PLACES.search(text)
    if place is not None:
        yield f"holds a path of a machine: {place[0]}"


def _dicom(case: CaseView, path: Path) -> Iterator[str]:
    """Give what one DICOM file tells of anybody but the case's invented patient."""
    import pydicom

    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
    except (OSError, ValueError, pydicom.errors.InvalidDicomError) as error:
        yield f"is no readable DICOM file: {' '.join(str(error).split())}"
        return
    try:
        study = _study(case)
    except (MedsynthError, KeyError, TypeError, ValueError):
        yield f"cannot be compared: {case_name(0)[:4]} has no subject or seed"
        return
    own = {"PatientID": study.patient_id, "StudyID": study.study_id, "AccessionNumber": study.accession_number}
    for keyword, value in own.items():
        if str(dataset.get(keyword, "")) != value:
            yield f"{keyword} must be {value}, which follows from the seed, got {str(dataset.get(keyword, ''))!r}"
    if dataset.get("SyntheticData") != "YES":
        yield "SyntheticData must be YES"
    yield from _elements(dataset, study)


def _study(case: CaseView) -> Any:
    from medsynth.export.dicom.identity import study_info

    told = case.annotations["subject"]
    subject = Subject(told["sex"], told["age_years"], told["height_cm"], told["weight_kg"])
    seed = Seed(int(case.header["seed"])).child("case", int(case.folder.name.removeprefix("case-"))).child("dicom")
    return study_info(subject, seed)


def _elements(dataset: Any, study: Any) -> Iterator[str]:
    """Walk through all elements, those of sequences too."""
    day = study.start.strftime("%Y%m%d")
    name = f"SYNTH^{study.patient_id.removeprefix('SYNTH').strip('-_ ')}"
    for element in dataset.iterall():
        values = element.value if element.VM > 1 else [element.value]
        told = [str(value) for value in values if element.VR != "SQ" and value not in (None, "")]
        word = element.keyword or str(element.tag)
        if element.tag.is_private:
            yield f"private element {element.tag} must not be there"
        for value in told:
            if element.VR == "PN" and value not in (name, _CREATOR):
                yield f"{word} must be {name} or empty, got {value!r}"
            elif element.VR in ("DA", "DT") and not _our_date(word, value, day, study):
                yield f"{word} must be the study's invented day, {day}, got {value!r}"
            elif element.VR == "UI" and not value.startswith(_UID_ROOTS):
                yield f"{word} must begin with {' or '.join(_UID_ROOTS)}, got {value}"
            elif word in _EMPTY and not _OURS.match(value):
                yield f"{word} must be empty, got {value!r}"


def _our_date(word: str, value: str, day: str, study: Any) -> bool:
    if word == "PatientBirthDate":
        from datetime import datetime

        try:
            born = datetime.strptime(value, "%Y%m%d").date()
        except ValueError:
            return False
        return abs((born - study.birth_date).days) <= _BIRTH_DAYS
    return value[:8] == day


def _nifti(path: Path) -> Iterator[str]:
    """Give what the free texts of a header tell; ours say that nobody was scanned, and have no extensions."""
    try:
        header: Any = cast(nib.Nifti1Image, nib.load(path)).header
    except (OSError, EOFError, ValueError, nib.filebasedimages.ImageFileError):
        return  # told by the check of the geometry
    texts = {name: bytes(header[name]).rstrip(b"\0").decode("latin-1")
             for name in ("descrip", "db_name", "aux_file", "intent_name")}
    if not texts.pop("descrip").startswith("synthetic (medsynth), no patient"):
        yield "descrip must begin with 'synthetic (medsynth), no patient'"
    for name, text in texts.items():
        if text:
            yield f"{name} must be empty, got {text!r}"
    if len(header.extensions):
        yield "must have no header extensions"


def _png(path: Path) -> Iterator[str]:
    """Give the texts of a picture."""
    with Image.open(path) as picture:
        told = {key: value for key, value in picture.info.items() if isinstance(value, str)}
        if len(picture.getexif()):
            told["EXIF"] = "..."
    for key, value in told.items():
        if not _OURS.search(value):
            yield f"text {key!r} must not be there, got {value[:40]!r}"
