"""What files say about a radiograph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from medsynth.acquire.xray.detector import Detector
from medsynth.acquire.xray.looks import looks
from medsynth.acquire.xray.positioning import Stand
from medsynth.acquire.xray.processing import P_MAX
from medsynth.acquire.xray.source import Technique, tube
from medsynth.acquire.xray.views import View
from medsynth.core.scanner import AttributeValue, ScannerRecord

UGYM2_PER_DGYCM2 = 10.0
_TARGETS = {"W": "TUNGSTEN", "Mo": "MOLYBDENUM"}
_FILTERS = {"aluminium": "ALUMINUM"}  # DICOM spells it so
_SENSORS = {"selenium": "DIRECT", "gadolinium_oxysulfide": "SCINTILLATOR", "caesium_iodide": "SCINTILLATOR"}


def scanner_record(view: View, stand: Stand, technique: Technique, detector: Detector, numbers: Mapping[str, Any], *,
                   look: str, side: str = "", thickness_mm: float | None = None, force_N: float | None = None
                   ) -> ScannerRecord:
    """Return the DICOM attributes of a radiograph FOR PRESENTATION.

    Parameters
    ----------
    numbers : of the exposure, see `chain.Exposure.numbers`.
    side : "left" or "right" of a paired part that is alone on the image.
    thickness_mm, force_N : of a compressed breast.
    """
    geometry = stand.geometry
    rows_mm, columns_mm = geometry.size_mm
    top, left, bottom, right = stand.field_ji
    middle = float(geometry.magnification([stand.aim_mm])[0])
    attributes: dict[str, AttributeValue] = {
        "ManufacturerModelName": f"medsynth {view.modality}",
        "PresentationIntentType": "FOR PRESENTATION",
        "BodyPartExamined": view.body_part,
        "ViewPosition": view.view_position,
        "ImageLaterality": {"left": "L", "right": "R"}.get(side, "U"),
        "BitsStored": 12,
        "KVP": technique.kvp,
        "Exposure": max(1, round(numbers["mas"])),
        "ExposureInuAs": round(1000 * numbers["mas"]),
        "ExposureControlMode": "MANUAL" if technique.mas is not None else "AUTOMATIC",
        "FocalSpots": technique.focal_mm,
        "AnodeTargetMaterial": _TARGETS[tube(technique.tube).target],
        "DistanceSourceToDetector": geometry.sid_mm,
        "DistanceSourceToPatient": stand.skin_mm,
        "EstimatedRadiographicMagnificationFactor": middle,
        "DetectorType": _SENSORS.get(detector.sensor, "SCINTILLATOR"),
        "DetectorDescription": detector.words[:64],
        "FieldOfViewShape": "RECTANGLE",
        "FieldOfViewDimensions": (round(rows_mm), round(columns_mm)),
        "CollimatorShape": "RECTANGULAR",
        # Edges as numbers of rows and columns, which DICOM counts from 1.
        "CollimatorUpperHorizontalEdge": round(top) + 1,
        "CollimatorLowerHorizontalEdge": round(bottom) + 1,
        "CollimatorLeftVerticalEdge": round(left) + 1,
        "CollimatorRightVerticalEdge": round(right) + 1,
        "ExposureIndex": numbers["exposure_index"],
        "TargetExposureIndex": numbers["target_exposure_index"],
        "DeviationIndex": numbers["deviation_index"],
        "ImageAndFluoroscopyAreaDoseProduct": numbers["dap_ugy_m2"] / UGYM2_PER_DGYCM2,
        "EntranceDoseInmGy": numbers["entrance_kerma_ugy"] / 1000,
        "Grid": ("FIXED", "FOCUSED") if technique.grid != "none" else "NONE",
        "AcquisitionDeviceProcessingDescription": looks()[look].words[:64],
        "PixelIntensityRelationship": "LOG",
        "PixelIntensityRelationshipSign": -1,
        "PresentationLUTShape": "IDENTITY",
        "VOILUTFunction": "LINEAR",
    }
    filters = {**tube(technique.tube).filter_mm, **technique.filter_mm}
    if filters:
        attributes |= {"FilterMaterial": tuple(_FILTERS.get(name, name.upper()) for name in filters),
                       "FilterThicknessMinimum": tuple(filters.values()),
                       "FilterThicknessMaximum": tuple(filters.values())}
    if thickness_mm is not None:
        attributes["BodyPartThickness"] = thickness_mm
    if force_N is not None:
        attributes["CompressionForce"] = force_N
    codes = {"AnatomicRegionSequence": view.region, "ViewCodeSequence": view.projection}
    words = f"{view.words}, {look}"
    return ScannerRecord(view.modality, words, attributes, ((P_MAX + 1) / 2, float(P_MAX + 1)), codes=codes)


def processed_otherwise(record: ScannerRecord, words: str) -> ScannerRecord:
    """Return the record of a further image for presentation of the same exposure."""
    attributes = {**record.attributes, "AcquisitionDeviceProcessingDescription": words[:64]}
    return replace(record, description=f"{record.description.rsplit(', ', 1)[0]}, {words}", attributes=attributes)


def for_processing(record: ScannerRecord, detector: Detector) -> ScannerRecord:
    """Return the record of the readings: linear in the exposure, more is darker where they are shown."""
    attributes: dict[str, Any] = {**record.attributes, "PresentationIntentType": "FOR PROCESSING",
                                  "BitsStored": detector.bits, "PixelIntensityRelationship": "LIN",
                                  "PixelIntensityRelationshipSign": 1, "PresentationLUTShape": "INVERSE"}
    for name in ("AcquisitionDeviceProcessingDescription", "VOILUTFunction"):
        attributes.pop(name, None)
    top = float(detector.top)
    words = f"{record.description.rsplit(', ', 1)[0]}, for processing"
    return replace(record, description=words, attributes=attributes, window=((top + 1) / 2, top + 1))
