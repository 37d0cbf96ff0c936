"""What files say about an MR acquisition: DICOM attributes, from which BIDS sidecars follow."""

from __future__ import annotations

from typing import Any

import numpy as np

from medsynth.acquire.mri.clock import Clock
from medsynth.acquire.mri.encode import Encoding
from medsynth.acquire.mri.protocol import MriProtocol
from medsynth.acquire.mri.sequences.table import SEQUENCES
from medsynth.acquire.mri.signals import GAMMA_HZ_T
from medsynth.core.scanner import ScannerRecord

_BODY_PARTS = {"head": "HEAD", "head-neck": "HEADNECK", "chest": "CHEST", "abdomen": "ABDOMEN", "pelvis": "PELVIS",
               "torso": "CHESTABDPELVIS", "knee": "KNEE", "joint": "KNEE", "breast": "BREAST"}
_PHASES = {"none": "", "arterial": "arterial phase", "portal": "portal venous phase", "delayed": "delayed phase"}
_SEQUENCE_NAMES = {"se": "*se", "tse": "*tse", "spgr": "*fl", "mprage": "*tfl", "bssfp": "*ssfp", "swi": "*swi",
                   "tof": "*tof", "dixon": "*fl_dixon", "dwi": "*ep_b", "t1_map": "*fl", "t2_map": "*se",
                   "random": "*random"}


def scanner_record(protocol: MriProtocol, encoding: Encoding, clock: Clock, window: tuple[float, float]
                   ) -> ScannerRecord:
    """Return the DICOM attributes of an acquisition."""
    options, sequence = protocol.kspace, SEQUENCES[protocol.sequence]
    kinds, variants = sequence.dicom
    if protocol.ti_ms and "IR" not in kinds:
        kinds = (*kinds, "IR")
    scan_options = [*(["FS"] if protocol.fat_saturation != "none" else []),
                    *(["PFP"] if options.partial_fourier.phase < 1 else [])]
    attributes: dict[str, Any] = {
        "Manufacturer": "medsynth",
        "ManufacturerModelName": f"medsynth MR {protocol.fidelity}",
        "BodyPartExamined": _BODY_PARTS.get(protocol.scan_range, protocol.scan_range.upper()[:16]),
        "ScanningSequence": kinds,
        "SequenceVariant": variants,
        "ScanOptions": tuple(scan_options),
        "SequenceName": _SEQUENCE_NAMES[protocol.sequence] + str(protocol.dimensions) + "d",
        "MRAcquisitionType": f"{protocol.dimensions}D",
        "MagneticFieldStrength": protocol.field_T,
        "ImagingFrequency": round(GAMMA_HZ_T * protocol.field_T / 1e6, 6),
        "ImagedNucleus": "1H",
        "RepetitionTime": protocol.tr_ms,
        "EchoTime": protocol.te_ms,
        "FlipAngle": protocol.flip_deg,
        "NumberOfAverages": options.sampling.averages,
        "EchoTrainLength": int(clock.echo.max()) + 1,
        "PixelBandwidth": protocol.bandwidth_hz_px,
        "SliceThickness": protocol.slice_thickness_mm,
        "SpacingBetweenSlices": protocol.slice_step_mm,
        "PercentSampling": options.sampling.phase_resolution_percent,
        "PercentPhaseFieldOfView": round(100 * encoding.phase.fov_mm / encoding.readout.fov_mm, 3),
        "NumberOfPhaseEncodingSteps": len(np.unique(clock.phase)),
        "AcquisitionMatrix": _acquisition_matrix(encoding),
        "InPlanePhaseEncodingDirection": "COL" if encoding.phase_axis == 1 else "ROW",
        "ParallelReductionFactorInPlane": float(options.acceleration.phase),
        "AcquisitionDuration": round(clock.duration_s, 3),
        "ReceiveCoilName": f"{options.coils.count} channels" if protocol.fidelity == "physics" else "uniform",
        "TransmitCoilName": "body",
        "PatientPosition": "HFS",
    }
    if protocol.ti_ms:
        attributes["InversionTime"] = protocol.ti_ms
    sidecar: dict[str, Any] = {}
    if protocol.sequence == "dwi":
        attributes["DiffusionBValue"] = float(protocol.b_values[-1])
        sidecar["EffectiveEchoSpacing"] = protocol.echo_spacing_ms / 1000 / options.acceleration.phase
    if protocol.phase != "none":
        attributes |= {"ContrastBolusAgent": protocol.agent, "ContrastBolusRoute": "IV",
                       "ContrastBolusIngredient": "GADOLINIUM"}
    return ScannerRecord("MR", description(protocol), attributes, window, sidecar=sidecar)


def description(protocol: MriProtocol) -> str:
    """Return the series in words."""
    name = (protocol.preset or protocol.sequence).replace("-", " ")
    phase = _PHASES[protocol.phase]
    words = [f"MR {name}", f"{protocol.field_T:g} T", protocol.plane, *([phase] if phase else [])]
    return ", ".join(words)


def _acquisition_matrix(encoding: Encoding) -> tuple[int, int, int, int]:
    """Return frequency rows, frequency columns, phase rows, phase columns; the axis that is not used is 0."""
    readout, phase = encoding.readout.samples, encoding.phase.samples
    return (0, readout, phase, 0) if encoding.phase_axis == 1 else (readout, 0, 0, phase)
