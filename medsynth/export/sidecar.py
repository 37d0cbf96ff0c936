"""The JSON file beside an MR image: what the scanner did, in the names and units of BIDS."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medsynth.core.scanner import ScannerRecord


def _same(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _seconds(milliseconds: Any) -> Any:
    return round(float(milliseconds) / 1000, 9)


# DICOM keyword -> name in BIDS, and how its unit becomes that of BIDS: seconds, degrees, tesla, MHz, Hz, mm.
# https://bids-specification.readthedocs.io/en/stable/glossary.html#objects.metadata
_FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "Manufacturer": ("Manufacturer", _same),
    "ManufacturerModelName": ("ManufacturersModelName", _same),
    "MagneticFieldStrength": ("MagneticFieldStrength", float),
    "ImagingFrequency": ("ImagingFrequency", float),
    "BodyPartExamined": ("BodyPart", _same),
    "PatientPosition": ("PatientPosition", _same),
    "ProtocolName": ("ProtocolName", _same),
    "SequenceName": ("SequenceName", _same),
    "ScanningSequence": ("ScanningSequence", _same),
    "SequenceVariant": ("SequenceVariant", _same),
    "ScanOptions": ("ScanOptions", _same),
    "MRAcquisitionType": ("MRAcquisitionType", _same),
    "EchoTime": ("EchoTime", _seconds),
    "RepetitionTime": ("RepetitionTime", _seconds),
    "InversionTime": ("InversionTime", _seconds),
    "FlipAngle": ("FlipAngle", float),
    "EchoTrainLength": ("EchoTrainLength", int),
    "NumberOfAverages": ("NumberOfAverages", float),
    "PixelBandwidth": ("PixelBandwidth", float),
    "PercentSampling": ("PercentSampling", float),
    "SliceThickness": ("SliceThickness", float),
    "SpacingBetweenSlices": ("SpacingBetweenSlices", float),
    "DiffusionBValue": ("DiffusionBValue", float),
    "ReceiveCoilName": ("ReceiveCoilName", _same),
    "ParallelReductionFactorInPlane": ("ParallelReductionFactorInPlane", float),
}
# What the values of a map mean -> their unit; signals have none.
_UNITS = {"T1_ms": "ms", "T2_ms": "ms", "T2star_ms": "ms", "ADC_um2_s": "um2/s", "phase_rad": "rad", "Hz": "Hz"}
# Lines are phase-encoded along rows (i) or columns (j) of the image; the file's axes are i, j, k too. The direction
# along the axis is not known to DICOM, so that this is the axis alone.
_PHASE_AXIS = {"ROW": "i", "COL": "j"}


def sidecar(scanner: ScannerRecord, quantity: str = "signal") -> dict[str, Any]:
    """Return what a scanner tells of an MR image, in the names and units of BIDS.

    Parameters
    ----------
    quantity : what the values of the image mean.
    """
    told = scanner.attributes
    found: dict[str, Any] = {"Modality": scanner.modality, "SeriesDescription": scanner.description}
    found |= {name: convert(told[keyword]) for keyword, (name, convert) in _FIELDS.items() if keyword in told}
    if told.get("InPlanePhaseEncodingDirection") in _PHASE_AXIS:
        found["PhaseEncodingAxis"] = _PHASE_AXIS[str(told["InPlanePhaseEncodingDirection"])]
    if quantity in _UNITS:
        found["Units"] = _UNITS[quantity]
    return {**found, **{name: _same(value) for name, value in scanner.sidecar.items()}, "SyntheticData": True}


def write_sidecar(scanner: ScannerRecord, path: Path, quantity: str = "signal") -> None:
    """Write the JSON file of an image whose values mean `quantity`."""
    path.write_text(json.dumps(sidecar(scanner, quantity), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
