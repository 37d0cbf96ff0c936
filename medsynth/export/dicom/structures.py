"""RT Structure Set: organs and lesions as contours on the slices of their image series (PS3.3, A.19)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

from medsynth.core.errors import DatasetError
from medsynth.core.seed import Seed
from medsynth.core.version import __version__
from medsynth.export.colours import Rgb
from medsynth.export.contours import Outline
from medsynth.export.dicom.identity import dicom_uid
from medsynth.export.dicom.marks import MANUFACTURER, SERIAL_NUMBER, STATEMENT, file_meta, save

_SHARED = ("SpecificCharacterSet", "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge",
           "PatientSize", "PatientWeight", "PatientIdentityRemoved", "DeidentificationMethod", "StudyInstanceUID",
           "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber", "ReferringPhysicianName",
           "FrameOfReferenceUID", "PositionReferenceIndicator", "SyntheticData", "ContributingEquipmentSequence")
_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"  # Detached Study Management (retired); what the sequence is to name
_CONTOURS, _CONTOUR_SEQUENCE, _CONTOUR_IMAGES = 0x3006_0039, 0x3006_0040, 0x3006_0016
_GEOMETRIC_TYPE, _POINTS, _DATA = 0x3006_0042, 0x3006_0046, 0x3006_0050
_SERIES_OFFSET = 4  # SEG and SR of acquisition n have the series numbers 100 n + 1 to + 3


@dataclass(frozen=True, eq=False)
class Roi:
    """One structure.

    Attributes
    ----------
    name : at most 64 characters are written.
    lesion : whether it is one, rather than an organ.
    code : SNOMED CT identifier and its meaning; empty where there is none.
    planes : (slice, outlines in it).
    """

    name: str
    lesion: bool
    colour: Rgb
    code: tuple[str, str]
    planes: Iterable[tuple[int, Sequence[Outline]]]


@dataclass(frozen=True, eq=False)
class StructureSet:
    """The object in two parts, since a case has tens of thousands of contours.

    Attributes
    ----------
    dataset : all but the contours.
    contours : the encoded items of ROIContourSequence, implicit VR, little endian; one a structure.
    """

    dataset: Dataset
    contours: Sequence[bytes]

    def save(self, path: Path) -> None:
        """Write the file."""
        before, after = Dataset(), Dataset()
        for element in self.dataset:
            (before if element.tag < _CONTOURS else after).add(element)
        before.file_meta = self.dataset.file_meta
        path.parent.mkdir(parents=True, exist_ok=True)
        save(before, path)
        with path.open("ab") as file:
            file.write(_element(_CONTOURS, b"".join(_item(one) for one in self.contours)))
            file.write(_encoded(after))


def structure_set(images: Sequence[Dataset], rois: Iterable[Roi], label: str) -> StructureSet:
    """Return the object; a structure without an outline is left out.

    Parameters
    ----------
    images : the datasets of the series, one per slice, pixels not needed.
    label : of the structure set, at most 16 characters are written.

    Raises
    ------
    DatasetError
        If the images are not slices in a patient's frame of reference.
    """
    first = images[0]
    if "ImageOrientationPatient" not in first:
        raise DatasetError("structure sets need slices with a place in the patient, got a projection")
    dataset = _head(first, label)
    dataset.ReferencedFrameOfReferenceSequence = [_references(images)]
    dataset.StructureSetROISequence, dataset.RTROIObservationsSequence = [], []
    slices = [_Slice(image) for image in images]
    encoded: list[bytes] = []
    for roi in rois:
        contours = [_item(slices[k].contour(outline)) for k, lines in roi.planes for outline in lines]
        if contours:
            number = len(encoded) + 1
            _add(dataset, roi, number)
            drawn = Dataset()
            drawn.ROIDisplayColor, drawn.ReferencedROINumber = list(roi.colour), number
            colour, reference = drawn["ROIDisplayColor"], drawn["ReferencedROINumber"]
            encoded.append(_one(colour) + _element(_CONTOUR_SEQUENCE, b"".join(contours)) + _one(reference))
    return StructureSet(dataset, encoded)


def _head(first: Dataset, label: str) -> Dataset:
    seed = Seed(0).child("rtstruct", str(first.SeriesInstanceUID))
    dataset = Dataset()
    for keyword in _SHARED:
        if keyword in first:
            dataset[keyword] = first[keyword]
    dataset.SOPClassUID, dataset.SOPInstanceUID = RTStructureSetStorage, dicom_uid(seed.child("instance"))
    dataset.SeriesInstanceUID = dicom_uid(seed)
    dataset.Modality, dataset.InstanceNumber = "RTSTRUCT", 1
    dataset.SeriesNumber = 100 * int(first.SeriesNumber) + _SERIES_OFFSET
    dataset.SeriesDescription = f"SYNTHETIC structures of {label} (truth)"[:64]
    dataset.OperatorsName = ""
    dataset.Manufacturer, dataset.ManufacturerModelName = MANUFACTURER, "medsynth structures"
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = SERIAL_NUMBER, __version__
    dataset.InstanceCreationDate = dataset.SeriesDate = dataset.StructureSetDate = first.StudyDate
    dataset.InstanceCreationTime = dataset.SeriesTime = dataset.StructureSetTime = first.StudyTime
    dataset.StructureSetLabel, dataset.StructureSetDescription = label[:16], STATEMENT
    # Contours of more than 64 KB do not fit the lengths of the explicit form.
    dataset.file_meta = file_meta(RTStructureSetStorage, dataset.SOPInstanceUID, ImplicitVRLittleEndian)
    return dataset


def _references(images: Sequence[Dataset]) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = images[0].SeriesInstanceUID
    series.ContourImageSequence = [_reference(image) for image in images]
    study = Dataset()
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = _STUDY_CLASS, images[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def _reference(image: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    return item


class _Slice:
    """Places and reference of one slice, read once."""

    def __init__(self, image: Dataset) -> None:
        along = np.asarray(image.ImageOrientationPatient, float).reshape(2, 3)
        down_mm, right_mm = (float(step) for step in image.PixelSpacing)
        self._steps = np.stack((down_mm * along[1], right_mm * along[0]))
        self._origin = np.asarray(image.ImagePositionPatient, float)
        self._image = _element(_CONTOUR_IMAGES, _item(_encoded(_reference(image))))

    def contour(self, outline: Outline) -> bytes:
        """Return one contour: points in LPS mm with three decimals, within the 16 characters of a number."""
        points = outline @ self._steps + self._origin
        text = "\\".join([f"{value:.3f}" for value in points.ravel().tolist()]).encode()
        return (self._image + _element(_GEOMETRIC_TYPE, b"CLOSED_PLANAR ")
                + _element(_POINTS, _padded(str(len(points)).encode())) + _element(_DATA, _padded(text)))


def _padded(text: bytes) -> bytes:
    return text + b" " * (len(text) % 2)


def _element(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def _item(value: bytes) -> bytes:
    return _element(0xFFFE_E000, value)


def _one(element: DataElement) -> bytes:
    dataset = Dataset()
    dataset.add(element)
    return _encoded(dataset)


def _encoded(dataset: Dataset) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    write_dataset(buffer, dataset)
    return bytes(buffer.getvalue())


def _add(dataset: Dataset, roi: Roi, number: int) -> None:
    named = Dataset()
    named.ROINumber, named.ReferencedFrameOfReferenceUID = number, dataset.FrameOfReferenceUID
    named.ROIName, named.ROIGenerationAlgorithm = roi.name[:64], "AUTOMATIC"
    dataset.StructureSetROISequence.append(named)
    observed = Dataset()
    observed.ObservationNumber = observed.ReferencedROINumber = number
    observed.RTROIInterpretedType, observed.ROIInterpreter = "GTV" if roi.lesion else "ORGAN", ""
    if roi.code[0]:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = roi.code[0], "SCT", roi.code[1][:64]
        observed.RTROIIdentificationCodeSequence = [code]
    dataset.RTROIObservationsSequence.append(observed)
