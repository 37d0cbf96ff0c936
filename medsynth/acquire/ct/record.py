"""What files say about a CT acquisition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medsynth.acquire.ct.hu import ct_beam, structure_hu
from medsynth.acquire.ct.kernel import KERNELS
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.scanner import ScannerRecord
from medsynth.scene.structure import Structure

ROTATION_S = 0.5
PITCH = 1.0
_KERNEL_NAMES = {"soft": "SOFT", "standard": "STANDARD", "sharp": "SHARP"}
_BODY_PARTS = {"chest": "CHEST", "thorax": "CHEST", "abdomen": "ABDOMEN", "torso": "CHESTABDPELVIS", "pelvis": "PELVIS",
               "head": "HEAD", "neck": "NECK"}
_WINDOWS = {"soft": (40.0, 400.0), "standard": (40.0, 400.0), "sharp": (-600.0, 1500.0)}
_PHASES = {"none": "without contrast agent", "arterial": "arterial phase", "portal": "portal venous phase"}


def scanner_record(protocol: CtProtocol, fov_mm: float) -> ScannerRecord:
    """Return the DICOM attributes of the acquisition; one scan at pitch 1, so that mAs is current times rotation."""
    attributes: dict[str, str | int | float | tuple[float, ...] | tuple[str, ...]] = {
        "Manufacturer": "medsynth",
        "ManufacturerModelName": f"medsynth CT {protocol.fidelity}",
        "BodyPartExamined": _BODY_PARTS.get(protocol.scan_range, protocol.scan_range.upper()[:16]),
        "ScanOptions": "HELICAL MODE",
        "KVP": protocol.kvp,
        "DataCollectionDiameter": max(500.0, fov_mm),
        "ReconstructionDiameter": fov_mm,
        "GantryDetectorTilt": 0.0,
        "RotationDirection": "CW",
        "ExposureTime": round(1000 * ROTATION_S / PITCH),
        "XRayTubeCurrent": max(1, round(protocol.mas * PITCH / ROTATION_S)),
        "Exposure": max(1, round(protocol.mas)),
        "FilterType": "BODY",
        "FocalSpots": 0.9,
        "ConvolutionKernel": _KERNEL_NAMES[protocol.kernel],
        "SliceThickness": protocol.slice_thickness_mm,
        "SpacingBetweenSlices": protocol.slice_step_mm,
        "RevolutionTime": ROTATION_S,
        "SpiralPitchFactor": PITCH,
        "PatientPosition": "HFS",
    }
    if protocol.phase != "none":
        attributes |= {"ContrastBolusAgent": "Iodinated contrast agent", "ContrastBolusRoute": "IV",
                       "ContrastBolusIngredient": "IODINE"}
    words = f"CT {protocol.scan_range} {_PHASES[protocol.phase]}, {protocol.kernel}, {protocol.slice_thickness_mm:g} mm"
    return ScannerRecord("CT", words, attributes, _WINDOWS[protocol.kernel])


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


def _mtf_height(kernel: str, height: float) -> float:
    f = np.linspace(0.0, 3.0, 3001)
    above = np.flatnonzero(KERNELS[kernel].mtf(f) >= height)
    return float(f[above[-1]])
