"""DICOMDIR: the index of a tree of DICOM files (PS3.3, F). Linear in the number of files, the same bytes every time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import MediaStorageDirectoryStorage

from medsynth.core.errors import DatasetError
from medsynth.core.seed import Seed
from medsynth.export.dicom.identity import dicom_uid
from medsynth.export.dicom.marks import file_meta, save

_PATIENT = ("PatientName", "PatientID")
_STUDY = ("StudyDate", "StudyTime", "AccessionNumber", "StudyDescription", "StudyInstanceUID", "StudyID")
_SERIES = ("Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription")
# Modality -> type of the record, letters of the file's name, and what the record must tell (PS3.3, F.5).
_LEAVES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "SR": ("SR DOCUMENT", "SR", ("InstanceNumber", "CompletionFlag", "VerificationFlag", "ContentDate", "ContentTime",
                                 "ConceptNameCodeSequence")),
    "RTSTRUCT": ("RT STRUCTURE SET", "RS", ("InstanceNumber", "StructureSetLabel", "StructureSetDate",
                                            "StructureSetTime")),
}
_IMAGE = ("IMAGE", "IM", ("InstanceNumber",))
HEADER = tuple(dict.fromkeys((*_PATIENT, *_STUDY, *_SERIES, "SOPClassUID", "SOPInstanceUID",
                              *(word for _, _, words in (_IMAGE, *_LEAVES.values()) for word in words))))
_LARGEST = 10**6


@dataclass(eq=False)
class _Node:
    """A record with those below it; `found` leads from a UID to its node."""

    record: Dataset
    file_id: tuple[str, ...] = ()
    below: list[_Node] = field(default_factory=list)
    found: dict[str, _Node] = field(default_factory=dict)


class Directory:
    """Gathers files; tells where each belongs, and writes the index at the end."""

    def __init__(self) -> None:
        self._root = _Node(Dataset())

    def add(self, header: Dataset) -> Path:
        """Take up one object and return its path in the tree: names of at most eight letters and digits.

        Parameters
        ----------
        header : the object with its file's own header; at least the attributes `HEADER`.
        """
        patient = self._level(self._root, "PATIENT", "PT", str(header.PatientID), header, _PATIENT)
        study = self._level(patient, "STUDY", "ST", str(header.StudyInstanceUID), header, _STUDY)
        series = self._level(study, "SERIES", "SE", str(header.SeriesInstanceUID), header, _SERIES)
        kind, letters, words = _LEAVES.get(str(header.Modality), _IMAGE)
        if str(header.SOPInstanceUID) in series.found:
            raise DatasetError(f"two objects have the SOP Instance UID {header.SOPInstanceUID}; a study tree holds one")
        leaf = self._level(series, kind, letters, str(header.SOPInstanceUID), header, words)
        leaf.record.ReferencedFileID = list(leaf.file_id)
        leaf.record.ReferencedSOPClassUIDInFile = header.SOPClassUID
        leaf.record.ReferencedSOPInstanceUIDInFile = header.SOPInstanceUID
        leaf.record.ReferencedTransferSyntaxUIDInFile = header.file_meta.TransferSyntaxUID
        return Path(*leaf.file_id)

    def _level(self, above: _Node, kind: str, letters: str, key: str, header: Dataset, words: Sequence[str]) -> _Node:
        if key not in above.found:
            if len(above.below) >= _LARGEST:
                raise DatasetError(f"a DICOMDIR names at most {_LARGEST} {kind} records on one level; export fewer")
            record = Dataset()
            record.OffsetOfTheNextDirectoryRecord = record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
            record.RecordInUseFlag, record.DirectoryRecordType = 0xFFFF, kind
            record.SpecificCharacterSet = "ISO_IR 192"
            for word in words:
                if word in header:
                    record[word] = header[word]
                else:
                    setattr(record, word, "")
            node = _Node(record, (*above.file_id, f"{letters}{len(above.below):06d}"))
            above.found[key] = node
            above.below.append(node)
        return above.found[key]

    def write(self, path: Path, seed: Seed) -> None:
        """Write the index; its UID is drawn from `seed`."""
        uid = dicom_uid(seed.child("dicomdir"))
        dataset = Dataset()
        dataset.file_meta = file_meta(MediaStorageDirectoryStorage, uid)
        dataset.FileSetID = "SYNTHETIC"
        dataset.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
        dataset.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 0
        dataset.FileSetConsistencyFlag = 0
        dataset.DirectoryRecordSequence = []
        save(dataset, path)
        records = self._linked(path.stat().st_size, dataset)
        dataset.DirectoryRecordSequence = records
        save(dataset, path)

    def _linked(self, start: int, dataset: Dataset) -> list[Dataset]:
        """Return the records in order, with the places in the file of those that follow them."""
        nodes: list[_Node] = []
        _gather(self._root, nodes)
        place, places = start, {}
        for node in nodes:
            places[id(node)] = place
            place += 8 + _encoded_length(node.record)
        for node in (self._root, *nodes):
            for one, following in itertools.pairwise(node.below):  # the last one keeps 0: none follows
                one.record.OffsetOfTheNextDirectoryRecord = places[id(following)]
            if node.below and node is not self._root:
                node.record.OffsetOfReferencedLowerLevelDirectoryEntity = places[id(node.below[0])]
        if nodes:
            dataset.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = places[id(self._root.below[0])]
            dataset.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = places[id(self._root.below[-1])]
        return [node.record for node in nodes]


def _gather(node: _Node, nodes: list[_Node]) -> None:
    for one in node.below:
        nodes.append(one)
        _gather(one, nodes)


def _encoded_length(record: Dataset) -> int:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    return int(write_dataset(buffer, record))
