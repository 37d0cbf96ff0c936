"""DICOM SR: the measurements of the lesions as a TID 1500 report that points into the segmentation."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from highdicom import sr
from highdicom.sr.coding import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import SegmentationStorage

from medsynth.core.findings import Finding
from medsynth.export.dicom.identity import StudyInfo, dicom_uid
from medsynth.export.dicom.marks import MANUFACTURER, PRIVATE_SCHEME, date_of, finish, time_of

_SIDES = {"left": codes.SCT.Left, "right": codes.SCT.Right}
_Group = (sr.VolumetricROIMeasurementsAndQualitativeEvaluations | sr.PlanarROIMeasurementsAndQualitativeEvaluations
          | sr.MeasurementsAndQualitativeEvaluations)
_CODE_LETTERS = 16
_ML = Code("mL", "UCUM", "milliliter")
_MM2 = Code("mm2", "UCUM", "square millimeter")
_CONTRAST = Code("CONTRAST", PRIVATE_SCHEME, "Mean attenuation less that of the surroundings")
_SIGNAL_CONTRAST = Code("SIGNAL_CONTRAST", PRIVATE_SCHEME, "Mean value less that of the surroundings")
_PIXEL_VALUE = Code("PIXEL_VALUE", PRIVATE_SCHEME, "Pixel value")
_TRUE_VOLUME = Code("TRUE_VOLUME", PRIVATE_SCHEME, "Volume of the body that throws the shadow")
_RAY_LENGTH = Code("RAY_LENGTH", PRIVATE_SCHEME, "Longest way of a ray through it")


def measurement_report(images: Sequence[Dataset], segmentation: Dataset, findings: Sequence[Finding],
                       study: StudyInfo, *, series: str, series_number: int, shown: Sequence[int],
                       procedure: Code) -> Dataset:
    """Return the Comprehensive 3D SR with one measurement group per finding.

    A group of a projection is planar and holds the outline of the shadow; its lengths are those on the detector.

    Parameters
    ----------
    images : the datasets of the image series.
    segmentation : the lesion SEG of the same findings.
    findings : at least one.
    shown : slices to describe in the report's image library; all of them would take seconds and a megabyte.
    procedure : what was done.
    """
    segments = [segment for segment in segmentation.SegmentSequence if "TrackingUID" in segment]  # no background
    ordered = sorted(findings, key=lambda finding: finding.number)
    groups = [_group(finding, segment, images, segmentation)
              for finding, segment in zip(ordered, segments, strict=True)]
    content = sr.MeasurementReport(
        observation_context=_context(study),
        procedure_reported=procedure,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=[images[k] for k in shown],
    )
    report: Dataset = sr.Comprehensive3DSR(
        evidence=[*images, segmentation],
        content=content,
        series_instance_uid=study.series_uid(series),
        series_number=series_number,
        sop_instance_uid=study.instance_uid(series, 1),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        series_description="SYNTHETIC Lesion measurements (truth)",
    )
    report.ObservationDateTime = date_of(study) + time_of(study)
    finish(report, study, "")
    return report


def measurements(finding: Finding) -> list[tuple[Code, float, Code, Code | None]]:
    """Return (name, value, unit, derivation) of every number of a finding that is known."""
    mean, spread, mm = codes.SCT.Mean, codes.SCT.StandardDeviation, codes.UCUM.Millimeter
    shadow = finding.shadow
    rows: list[tuple[Code, float | None, Code, Code | None]]
    if shadow is None:
        rows = [(codes.SCT.Volume, finding.volume_ml, _ML, None), (codes.SCT.LongAxis, finding.long_axis_mm, mm, None),
                (codes.SCT.ShortAxis, finding.short_axis_mm, mm, None),
                (codes.SCT.Diameter, finding.mean_diameter_mm, mm, mean)]
    else:
        rows = [(codes.SCT.Area, shadow.area_mm2, _MM2, None), (codes.SCT.LongAxis, shadow.long_axis_mm, mm, None),
                (codes.SCT.ShortAxis, shadow.short_axis_mm, mm, None), (_RAY_LENGTH, shadow.thickness_mm, mm, None),
                (_TRUE_VOLUME, finding.volume_ml, _ML, None)]
    value = codes.DCM.MRSignalIntensity if shadow is None else _PIXEL_VALUE
    rows += [
        (codes.DCM.AttenuationCoefficient, finding.mean_hu, codes.UCUM.HounsfieldUnit, mean),
        (codes.DCM.AttenuationCoefficient, finding.sd_hu, codes.UCUM.HounsfieldUnit, spread),
        (_CONTRAST, finding.contrast_hu, codes.UCUM.HounsfieldUnit, None),
        (value, finding.mean_signal, codes.UCUM.NoUnits, mean),
        (value, finding.sd_signal, codes.UCUM.NoUnits, spread),
        (_SIGNAL_CONTRAST, finding.contrast_signal, codes.UCUM.NoUnits, None),
    ]
    return [(name, value, unit, derivation) for name, value, unit, derivation in rows if value is not None]


def _context(study: StudyInfo) -> sr.ObservationContext:
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=dicom_uid(study.seed.child("observer")), name="medsynth", manufacturer_name=MANUFACTURER,
        model_name="medsynth truth")
    observer = sr.ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    return sr.ObservationContext(observer_device_context=observer)


def _group(finding: Finding, segment: Dataset, images: Sequence[Dataset], segmentation: Dataset) -> _Group:
    value, meaning = finding.site_code
    numbers: list[tuple[Any, float, Code, Code | None]] = [*measurements(finding)]
    numbers += [(_private(key), float(amount), codes.UCUM.NoUnits, None)
                for key, amount in finding.attributes.items() if _is_number(amount)]
    words = {key: str(word) for key, word in finding.attributes.items() if not _is_number(word)}
    shared: dict[str, Any] = {
        "tracking_identifier": sr.TrackingIdentifier(uid=segment.TrackingUID, identifier=segment.TrackingID),
        "finding_category": codes.SCT.MorphologicallyAbnormalStructure,
        "finding_type": Code(finding.code[0], "SCT", finding.code[1][:64]),
        "finding_sites": [sr.FindingSite(Code(value, "SCT", meaning[:64]), _SIDES.get(finding.site_laterality))],
        "measurements": [sr.Measurement(name=name, value=_short(amount), unit=unit, derivation=derivation)
                         for name, amount, unit, derivation in numbers],
        "qualitative_evaluations": [sr.QualitativeEvaluation(_private(key), _private(word))
                                    for key, word in words.items()],
    }
    if finding.shadow is not None:
        # SCOORD counts from the corner of the first pixel, columns first (PS3.3, C.18.6.1.2).
        corner = np.array(finding.shadow.outline_ji)[:, ::-1] + 0.5
        region = sr.ImageRegion(sr.GraphicTypeValues.POLYLINE, corner,
                                sr.SourceImageForRegion(images[0].SOPClassUID, images[0].SOPInstanceUID))
        return sr.PlanarROIMeasurementsAndQualitativeEvaluations(referenced_region=region, **shared)
    if segmentation.SOPClassUID != SegmentationStorage:
        # Validators refuse a segment number that points into a label map; there the tracking UID leads to the segment.
        return sr.MeasurementsAndQualitativeEvaluations(**shared)
    source = sr.SourceSeriesForSegmentation(images[0].SeriesInstanceUID)
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        referenced_segment=sr.ReferencedSegment(segmentation.SOPClassUID, segmentation.SOPInstanceUID,
                                                segment.SegmentNumber, source_series=source), **shared)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(value: float) -> float:
    """Round to six digits, so that the number fits a decimal string and prints as people write it."""
    return float(f"{value:.6g}")


def _private(words: str) -> CodedConcept:
    """Return a code of our own for words that no terminology has: the words themselves, where they fit.

    Code values have at most 16 characters; readers stumble over the attribute for longer ones.
    """
    text = words.strip() or "none"
    value = re.sub(r"[^A-Z0-9]+", "_", text.upper())
    if len(value) > _CODE_LETTERS:
        value = f"{value[:9]}_{hashlib.blake2b(text.encode(), digest_size=3).hexdigest().upper()}"
    return CodedConcept(value, PRIVATE_SCHEME, text.replace("_", " ")[:64])
