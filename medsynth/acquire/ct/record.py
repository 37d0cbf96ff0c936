"""What files say about a CT acquisition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from medsynth.acquire.ct.couch import COUCH_STRUCTURES
from medsynth.acquire.ct.hu import ct_beam, structure_hu
from medsynth.acquire.ct.kernel import KERNELS
from medsynth.acquire.ct.physics.dose import (
    ctdi_vol_mGy,
    dlp_mGy_cm,
    size_specific_dose_mGy,
    water_equivalent_diameter_mm,
)
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.scanner import ScannerRecord
from medsynth.core.volume import Volume
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Structure

ROTATION_S = 0.5
PITCH = 1.0
DOSE_STEP_MM = 10.0
_KERNEL_NAMES = {"soft": "SOFT", "standard": "STANDARD", "sharp": "SHARP"}
_BODY_PARTS = {"chest": "CHEST", "thorax": "CHEST", "abdomen": "ABDOMEN", "torso": "CHESTABDPELVIS", "pelvis": "PELVIS",
               "head": "HEAD", "neck": "NECK"}
_WINDOWS = {"soft": (40.0, 400.0), "standard": (40.0, 400.0), "sharp": (-600.0, 1500.0)}
_PHASES = {"none": "without contrast agent", "arterial": "arterial phase", "portal": "portal venous phase"}


def scanner_record(protocol: CtProtocol, fov_mm: float, *, rotation_s: float = ROTATION_S,
                   current: Sequence[float] = ()) -> ScannerRecord:
    """Return the DICOM attributes of the acquisition.

    Parameters
    ----------
    fov_mm : reconstruction diameter.
    current : tube current of each slice over the scan's mean.
    """
    physics = protocol.fidelity == "physics"
    helical = not physics or protocol.physics.mode == "helical"
    pitch = protocol.physics.pitch if physics else PITCH
    phantom_cm = dose_phantom_cm(protocol)
    mean_mA = protocol.mas * (pitch if helical else 1.0) / rotation_s
    attributes: dict[str, str | int | float | tuple[float, ...] | tuple[str, ...]] = {
        "Manufacturer": "medsynth",
        "ManufacturerModelName": f"medsynth CT {protocol.fidelity}",
        "BodyPartExamined": _BODY_PARTS.get(protocol.scan_range, protocol.scan_range.upper()[:16]),
        "ScanOptions": "HELICAL MODE" if helical else "AXIAL MODE",
        "KVP": protocol.kvp,
        "DataCollectionDiameter": max(500.0, fov_mm),
        "ReconstructionDiameter": fov_mm,
        "GantryDetectorTilt": 0.0,
        "RotationDirection": "CW",
        "ExposureTime": round(1000 * rotation_s / (pitch if helical else 1.0)),
        "XRayTubeCurrent": max(1, round(mean_mA)),
        "Exposure": max(1, round(protocol.mas)),
        "CTDIvol": round(ctdi_of(protocol), 3),
        "FilterType": "BODY",
        "FocalSpots": 0.9,
        "ConvolutionKernel": _KERNEL_NAMES[protocol.kernel],
        "SliceThickness": protocol.slice_thickness_mm,
        "SpacingBetweenSlices": protocol.slice_step_mm,
        "RevolutionTime": rotation_s,
        "PatientPosition": "HFS",
    }
    if helical:
        attributes["SpiralPitchFactor"] = pitch
    if protocol.phase != "none":
        attributes |= {"ContrastBolusAgent": "Iodinated contrast agent", "ContrastBolusRoute": "IV",
                       "ContrastBolusIngredient": "IODINE"}
    words = f"CT {protocol.scan_range} {_PHASES[protocol.phase]}, {protocol.kernel}, {protocol.slice_thickness_mm:g} mm"
    shares = np.asarray(current, float)
    by_slice = {"XRayTubeCurrent": tuple((mean_mA * shares).tolist()),
                "Exposure": tuple((protocol.mas * shares).tolist())}
    codes = {"CTDIPhantomTypeCodeSequence": ("113690", "DCM", "IEC Head Dosimetry Phantom") if phantom_cm == 16
             else ("113691", "DCM", "IEC Body Dosimetry Phantom")}
    return ScannerRecord("CT", words, attributes, _WINDOWS[protocol.kernel], by_slice if len(shares) else {}, codes)


def protocol_parameters(protocol: CtProtocol, structures: Sequence[Structure]) -> dict[str, Any]:
    """Return the protocol and what follows from it alone, as JSON values."""
    beam = ct_beam(protocol.kvp)
    return {
        "protocol": protocol.model_dump(mode="json"),
        "mu_water_per_cm": beam.water_per_cm,
        "effective_energy_keV": beam.energy_keV,
        "mtf50_per_mm": _mtf_height(protocol.kernel, 0.5),
        "mtf10_per_mm": _mtf_height(protocol.kernel, 0.1),
        "hu": {s.name: round(structure_hu(s, protocol.kvp, protocol.phase), 1) for s in structures},
    }


def dose_phantom_cm(protocol: CtProtocol) -> Literal[16, 32]:
    """Return the diameter of the dosimetry phantom that a scan's dose is given for."""
    return 16 if protocol.scan_range == "head" else 32


def ctdi_of(protocol: CtProtocol) -> float:
    """Return CTDIvol in mGy of all tube voltages of a scan."""
    second = protocol.physics.spectral.second_kvp if protocol.fidelity == "physics" else None
    return sum(ctdi_vol_mGy(kvp, protocol.mas, dose_phantom_cm(protocol)) for kvp in (protocol.kvp, second) if kvp)


def dose_parameters(protocol: CtProtocol, image: Volume, phantom: Phantom) -> dict[str, float]:
    """Return the dose of a scan as JSON values; sizes are means over slices, every few millimetres.

    The water-equivalent diameter is that of the body alone, without the table.
    """
    ctdi = ctdi_of(protocol)
    step_mm, _, pixel_mm = image.grid.spacing_mm
    table = [s.label for s in COUCH_STRUCTURES]
    sizes = []
    for k in range(0, image.grid.shape_kji[0], max(1, round(DOSE_STEP_MM / step_mm))):
        inside = (phantom.labels[k] != 0) & ~np.isin(phantom.labels[k], table)
        if inside.any():
            sizes.append(water_equivalent_diameter_mm(image.array[k], (pixel_mm, pixel_mm), inside))
    found = {"ctdi_vol_mGy": ctdi, "dlp_mGy_cm": dlp_mGy_cm(ctdi, step_mm * image.grid.shape_kji[0])}
    if sizes:
        diameter = float(np.mean(sizes))
        found |= {"water_equivalent_diameter_mm": diameter,
                  "size_specific_dose_mGy": size_specific_dose_mGy(ctdi, diameter, dose_phantom_cm(protocol))}
    return {name: round(value, 3) for name, value in found.items()}


def _mtf_height(kernel: str, height: float) -> float:
    f = np.linspace(0.0, 3.0, 3001)
    above = np.flatnonzero(KERNELS[kernel].mtf(f) >= height)
    return float(f[above[-1]])
