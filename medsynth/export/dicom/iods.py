"""The kinds of image objects, one entry each: what sets a modality apart, as PS3.3 (annex A, C.8) has it.

An entry gives the attributes that its objects must have beyond those that all share; what the scanner tells goes over
them. A further modality is one more function and one more line in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import (
    CTImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    MRImageStorage,
)

from medsynth.core.errors import DatasetError, expected
from medsynth.core.grid import Grid
from medsynth.core.scanner import AttributeValue, ScannerRecord
from medsynth.core.volume import Volume

Values = Mapping[str, AttributeValue | None]  # by DICOM keyword; None and () are an empty attribute

INTENT, RAW, SHOWN = "PresentationIntentType", "FOR PROCESSING", "FOR PRESENTATION"
_DISPLAY = ("VOILUTFunction", "WindowCenter", "WindowWidth")
PHASE = "phase_rad"  # quantity of an MR image that holds phase rather than magnitude
_PHASE_STEP = 1e-4

_LETTERS = (("R", "L"), ("A", "P"), ("F", "H"))  # towards lower and higher LPS x, y, z
_SLANT = 0.26  # a direction within 15 degrees of an axis is named by that axis alone


@dataclass(frozen=True)
class Iod:
    """One kind of image object.

    Attributes
    ----------
    name : in words, for messages.
    sop_class : its UID.
    procedure : what was done, for reports.
    values : the attributes of its own, from image and scanner.
    dtypes : of the voxels that it can hold.
    quantities : what the voxels may mean; empty for anything.
    steps : quantity of a float image -> what a stored 1 means, for those that become whole numbers.
    projection : whether it is an image plane of its own rather than a slice in the patient's frame of reference.
    without : what a scanner may tell of other images that does not belong into these.
    """

    name: str
    sop_class: str
    procedure: Code
    values: Callable[[Volume, ScannerRecord], Values]
    dtypes: tuple[str, ...] = ("uint16",)
    quantities: tuple[str, ...] = ()
    steps: Mapping[str, float] = field(default_factory=dict)
    projection: bool = False
    without: tuple[str, ...] = ()

    def holds(self, image: Volume) -> bool:
        """Whether an image can be written as such an object."""
        if image.array.dtype == np.float32 and image.quantity in self.steps:
            return True
        return image.array.dtype.name in self.dtypes and (not self.quantities or image.quantity in self.quantities)

    def stored(self, image: Volume) -> Volume:
        """Return an image as the whole numbers that its files hold; itself where it has them already."""
        step = self.steps.get(image.quantity)
        if step is None or image.array.dtype != np.float32:
            return image
        return replace(image, array=np.rint(np.clip(image.array / step, -32768, 32767)).astype(np.int16))


def iod_of(scanner: ScannerRecord) -> Iod:
    """Return the kind of object of a scanner's images.

    Raises
    ------
    DatasetError
        If its modality has none.
    """
    name = f"{scanner.modality} {RAW}" if scanner.attributes.get(INTENT) == RAW else scanner.modality
    if name not in IODS:
        raise DatasetError(expected("modality of a DICOM series", name, f"one of {', '.join(IODS)}"))
    return IODS[name]


def patient_orientation(grid: Grid) -> tuple[str, str]:
    """Return the patient directions of a row (rising column) and of a column (rising row), e.g. `("L", "F")`.

    Directions between axes have several letters, the nearest axis first (PS3.3, C.7.6.1.1.1).
    """
    direction = np.asarray(grid.direction)
    return _named(direction[:, 2]), _named(direction[:, 1])


def _named(step: NDArray[np.float64]) -> str:
    axes = [axis for axis in np.argsort(-np.abs(step), kind="stable").tolist() if abs(step[axis]) > _SLANT]
    return "".join(_LETTERS[axis][int(step[axis] > 0)] for axis in axes)


def _window(scanner: ScannerRecord) -> Values:
    return {"WindowCenter": scanner.window[0], "WindowWidth": max(1.0, scanner.window[1])}


def _ct(image: Volume, scanner: ScannerRecord) -> Values:
    return {"ImageType": ("DERIVED", "PRIMARY", "AXIAL"), "PatientPosition": "HFS", "KVP": None,
            "SliceThickness": image.grid.spacing_mm[0], "PhotometricInterpretation": "MONOCHROME2",
            "RescaleIntercept": 0, "RescaleSlope": 1, "RescaleType": "HU", **_window(scanner)}


def _mr(image: Volume, scanner: ScannerRecord) -> Values:
    phase = image.quantity == PHASE
    # The slope that makes radians of a phase is an addition of ours to the object, as other makers add it.
    slope: Values = {"RescaleIntercept": 0, "RescaleSlope": _PHASE_STEP, "RescaleType": "US"} if phase else {}
    return {"ImageType": ("DERIVED", "PRIMARY", "P" if phase else "M"), "PatientPosition": "HFS",
            "ScanningSequence": "RM", "SequenceVariant": "NONE", "ScanOptions": None, "MRAcquisitionType": None,
            "RepetitionTime": None, "EchoTime": None, "EchoTrainLength": None,
            "SliceThickness": image.grid.spacing_mm[0], "PhotometricInterpretation": "MONOCHROME2",
            **slope, **_window(scanner)}


def _dx(image: Volume, scanner: ScannerRecord) -> Values:
    """Return what the DX modules demand: series, anatomy, image, detector, positioning, acquisition context.

    Bone is bright in every image: values that grow with the exposure are MONOCHROME1, others MONOCHROME2.
    """
    raw = scanner.attributes.get(INTENT) == RAW
    sign = scanner.attributes.get("PixelIntensityRelationshipSign", 1 if raw else -1)
    inverse = sign == 1
    return {
        INTENT: RAW if raw else SHOWN,
        "ImageType": ("DERIVED", "PRIMARY"),
        "ImageLaterality": "U",
        "AnatomicRegionSequence": (),
        "PatientOrientation": patient_orientation(image.grid),
        "PhotometricInterpretation": "MONOCHROME1" if inverse else "MONOCHROME2",
        "PixelIntensityRelationship": "LIN" if raw else "LOG",
        "PixelIntensityRelationshipSign": sign,
        "PresentationLUTShape": "INVERSE" if inverse else "IDENTITY",
        "RescaleIntercept": 0, "RescaleSlope": 1, "RescaleType": "US",
        "DetectorType": "SCINTILLATOR",
        "ImagerPixelSpacing": image.grid.spacing_mm[1:],
        "PositionerType": "NONE",
        "ViewPosition": None,
        "ViewCodeSequence": (),
        "AcquisitionContextSequence": (),
        **({} if raw else _window(scanner)),
    }


def _mg(image: Volume, scanner: ScannerRecord) -> Values:
    return {**_dx(image, scanner), "PositionerType": "MAMMOGRAPHIC", "OrganExposed": "BREAST", "ImageLaterality": None,
            "DetectorType": "DIRECT", "BreastImplantPresent": "NO"}


# By modality; a space and FOR PROCESSING where the values are not for the eye.
IODS: dict[str, Iod] = {
    "CT": Iod("CT image", CTImageStorage, codes.SCT.ComputedTomography, _ct, ("int16",), ("HU",)),
    "MR": Iod("MR image", MRImageStorage, Code("113091000", "SCT", "Magnetic resonance imaging"), _mr,
              ("uint16", "int16"), ("signal", PHASE), {PHASE: _PHASE_STEP}),
    "DX": Iod("DX image", DigitalXRayImageStorageForPresentation, codes.SCT.PlainRadiography, _dx, projection=True),
    f"DX {RAW}": Iod("DX image for processing", DigitalXRayImageStorageForProcessing, codes.SCT.PlainRadiography, _dx,
                     projection=True, without=_DISPLAY),
    "MG": Iod("MG image", DigitalMammographyXRayImageStorageForPresentation, codes.SCT.Mammography, _mg,
              projection=True),
    f"MG {RAW}": Iod("MG image for processing", DigitalMammographyXRayImageStorageForProcessing, codes.SCT.Mammography,
                     _mg, projection=True, without=_DISPLAY),
}
