"""What every object of a study says: patient, study, equipment, and that nobody was scanned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian
from pydicom.valuerep import DSfloat

from medsynth.core.version import __version__
from medsynth.export.dicom.identity import StudyInfo

MANUFACTURER = "medsynth"
SERIAL_NUMBER = "0"
PRIVATE_SCHEME = "99MEDSYNTH"  # codes that no published terminology has
STATEMENT = "SYNTHETIC: computed from an anatomical model; no patient, no scanner"
# One fixed UUID names this program's files (PS3.7, annex D.3.3.2).
_IMPLEMENTATION_UID = "2.25.331051175199773467220845514180053834882"
_IMPLEMENTATION_NAME = f"MEDSYNTH_{__version__}"[:16]

_CLOCK_DATES = ("InstanceCreationDate", "ContentDate", "SeriesDate")
_CLOCK_TIMES = ("InstanceCreationTime", "ContentTime", "SeriesTime")


def decimal(value: float) -> DSfloat:
    """Return a decimal string of at most 16 characters, as DICOM demands."""
    return DSfloat(float(value), auto_format=True)


def date_of(study: StudyInfo) -> str:
    """Return the study's day, YYYYMMDD."""
    return study.start.strftime("%Y%m%d")


def time_of(study: StudyInfo) -> str:
    """Return the study's time, HHMMSS."""
    return study.start.strftime("%H%M%S")


def describe_study(dataset: Dataset, study: StudyInfo, description: str) -> None:
    """Set the Patient, General Study and Patient Study attributes."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = f"SYNTH^{study.patient_id.removeprefix('SYNTH').strip('-_ ') or 'PATIENT'}"
    dataset.PatientID = study.patient_id
    dataset.PatientBirthDate = study.birth_date.strftime("%Y%m%d")
    dataset.PatientSex = {"female": "F", "male": "M"}[study.sex]
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Synthetic data: there is no patient"
    dataset.StudyInstanceUID = study.study_uid
    dataset.StudyDate, dataset.StudyTime = date_of(study), time_of(study)
    dataset.StudyID = study.study_id
    dataset.StudyDescription = description
    dataset.AccessionNumber = study.accession_number
    dataset.ReferringPhysicianName = ""
    dataset.PatientAge = f"{study.age_years:03d}Y"
    dataset.PatientSize = decimal(round(study.height_cm / 100, 3))
    dataset.PatientWeight = decimal(round(study.weight_kg, 1))


def mark_synthetic(dataset: Dataset, study: StudyInfo) -> None:
    """Say in every place that software or people look at that this object is synthetic, and who made it."""
    dataset.SyntheticData = "YES"  # (0008,001C), SOP Common
    description = dataset.get("SeriesDescription") or ""
    if not description.startswith("SYNTHETIC"):
        dataset.SeriesDescription = f"SYNTHETIC {description}".strip()[:64]
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [code_item(codes.DCM.SynthesizingEquipment)]
    item.Manufacturer = MANUFACTURER
    item.ManufacturerModelName = "medsynth"
    item.SoftwareVersions = __version__
    item.ContributionDateTime = date_of(study) + time_of(study)
    item.ContributionDescription = STATEMENT
    dataset.ContributingEquipmentSequence = [*dataset.get("ContributingEquipmentSequence", []), item]


def mark_processed(dataset: Dataset, study: StudyInfo, words: str) -> None:
    """Say what was done to an image after it was made: it is no longer what the simulated scanner gave."""
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [code_item(codes.DCM.ProcessingEquipment)]
    item.Manufacturer = MANUFACTURER
    item.ManufacturerModelName = "medsynth refiner"
    item.SoftwareVersions = __version__
    item.ContributionDateTime = date_of(study) + time_of(study)
    item.ContributionDescription = words
    dataset.ContributingEquipmentSequence = [*dataset.get("ContributingEquipmentSequence", []), item]


def code_item(code: object) -> Dataset:
    """Return the item of a code sequence for anything with `value`, `scheme_designator` and `meaning`."""
    item = Dataset()
    item.CodeValue = code.value  # type: ignore[attr-defined]
    item.CodingSchemeDesignator = code.scheme_designator  # type: ignore[attr-defined]
    item.CodeMeaning = code.meaning  # type: ignore[attr-defined]
    return item


def file_meta(sop_class_uid: str, sop_instance_uid: str,
              transfer_syntax: str = ExplicitVRLittleEndian) -> FileMetaDataset:
    """Return the file's own header; it names this program, not the library below it."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.ImplementationClassUID = UID(_IMPLEMENTATION_UID)
    meta.ImplementationVersionName = _IMPLEMENTATION_NAME
    return meta


def finish(dataset: Dataset, study: StudyInfo, organization_uid: str) -> None:
    """Make an object of highdicom ours: patient, marks, and no clock or random UID left in it."""
    mark_synthetic(dataset, study)
    describe_study(dataset, study, dataset.get("StudyDescription") or "SYNTHETIC STUDY")
    for level in _levels(dataset):
        for keyword in _CLOCK_DATES:
            if keyword in level:
                setattr(level, keyword, date_of(study))
        for keyword in _CLOCK_TIMES:
            if keyword in level:
                setattr(level, keyword, time_of(study))
        if "ContributionDateTime" in level:
            level.ContributionDateTime = date_of(study) + time_of(study)
        if "DimensionOrganizationUID" in level:
            level.DimensionOrganizationUID = organization_uid
    scheme = Dataset()
    scheme.CodingSchemeDesignator = PRIVATE_SCHEME
    scheme.CodingSchemeName = "medsynth private codes"
    scheme.CodingSchemeResponsibleOrganization = MANUFACTURER
    dataset.CodingSchemeIdentificationSequence = [*dataset.get("CodingSchemeIdentificationSequence", []), scheme]
    dataset.file_meta = file_meta(dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.file_meta.TransferSyntaxUID)


def save(dataset: Dataset, path: Path) -> None:
    """Write one object as a DICOM file."""
    dataset.save_as(path, enforce_file_format=True)


def _levels(dataset: Dataset) -> Iterator[Dataset]:
    """Give the dataset and the items of its short sequences; frames and report content hold no clock."""
    yield dataset
    for keyword in ("ContributingEquipmentSequence", "DimensionOrganizationSequence", "DimensionIndexSequence"):
        yield from dataset.get(keyword, [])
