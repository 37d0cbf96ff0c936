"""What a scan of the physics tier gives back: images, pairs, raw data, and what files say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct.fast import stored
from medsynth.acquire.ct.physics import spiral, tier
from medsynth.acquire.ct.physics.scan import IMAGE, IODINE, WATER, Output, Scan, outputs_of, prepare
from medsynth.acquire.ct.physics.spectral import iodine_mg_per_ml, monoenergetic_hu
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.acquire.ct.record import dose_parameters, protocol_parameters, scanner_record
from medsynth.core.scanner import ScannerRecord
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.scene.acquired import Acquired
from medsynth.scene.phantom import Phantom

Float32 = NDArray[np.float32]


def scan_phantom(phantom: Phantom, healthy: Phantom, body: Phantom, bare: Phantom, protocol: CtProtocol, *, seed: Seed,
                 twin: bool = False, progress: Callable[[float], None] | None = None) -> Acquired:
    """Scan voxels.

    Parameters
    ----------
    phantom, healthy : the truth on the image's grid, with and without lesions (or the same object).
    body, bare : the same on a grid that holds the whole body; the same objects where the image's grid does.
    seed : of this acquisition; the noise of slice k comes from `seed.child("noise", k)`, with and without lesions.
    progress : called with the share of the work that is done, a twin's not counted.

    Raises
    ------
    RecipeError
        If the scanner cannot do what the protocol asks.
    """
    scan = prepare(bare, phantom.grid, protocol, seed=seed, inserted=body)
    outputs = outputs_of(protocol)
    raw = None
    if protocol.physics.mode == "helical":
        volumes = spiral.volumes(scan, body, outputs, progress=progress)
    else:
        raw = tier.room_for_raw(scan) if protocol.physics.sinogram else None
        volumes = tier.volumes(scan, body, outputs, raw=raw, progress=progress)
    charge = scan.mas.sum(axis=1)
    record = scanner_record(protocol, phantom.grid.shape_kji[2] * phantom.grid.spacing_mm[2],
                            rotation_s=scan.chains[0].rotation_s, current=(charge / charge.mean()).tolist())
    record = replace(record, attributes=dict(record.attributes) | {
        "ManufacturerModelName": f"medsynth CT {protocol.physics.scanner}", "FocalSpots": scan.scanner.focal_mm[0],
        "FilterType": scan.scanner.bowtie.upper(), "DataCollectionDiameter": round(scan.scanner.field_mm, 1)})
    images = {one.name: (_volume(volumes[one.name], phantom), _record(record, one)) for one in outputs
              if one.name not in {WATER, IODINE, "noise_free", "artifact_free"} - set(protocol.physics.pairs.targets)}
    images |= _computed(volumes, phantom, protocol, record)
    image, _ = images.pop(IMAGE)
    other = None
    if twin:
        other = image if bare is body else _volume(_bare(scan, body, bare, image, outputs[0]), phantom)
    parameters = _parameters(scan, phantom) | {"dose": dose_parameters(protocol, image, healthy)}
    return Acquired(image, phantom, healthy, other, record, parameters, images,
                    {} if raw is None else _raw(scan, raw))


def _computed(volumes: Mapping[str, Float32], phantom: Phantom, protocol: CtProtocol, record: ScannerRecord
              ) -> dict[str, tuple[Volume, ScannerRecord]]:
    """Return the images that are computed from others: artifact map, monoenergetic images, iodine map."""
    found: dict[str, tuple[Volume, ScannerRecord]] = {}
    options = protocol.physics
    if "artifact_map" in options.pairs.targets:
        difference = volumes["noise_free"] - volumes["artifact_free"]
        found["artifact_map"] = _volume(difference, phantom), replace(
            record, description=f"artifact map: {record.description}", window=(0.0, 200.0))
    for energy in options.spectral.monoenergetic_keV:
        hu = monoenergetic_hu(volumes[WATER], volumes[IODINE], energy)
        found[f"mono_{energy:g}".replace(".", "p")] = _volume(hu, phantom), replace(
            record, description=f"{energy:g} keV: {record.description}")
    if options.spectral.iodine:
        found["iodine"] = Volume(iodine_mg_per_ml(volumes[IODINE]), phantom.grid, "mg/mL"), replace(
            record, description=f"iodine: {record.description}")
    return found


def _volume(hu: Float32, phantom: Phantom) -> Volume:
    return Volume(stored(hu), phantom.grid, "HU")


def _bare(scan: Scan, body: Phantom, bare: Phantom, image: Volume, own: Output) -> Float32:
    """Return the image without the lesions; axial slices that no lesion reaches are those of `image`, bit for bit."""
    if scan.options.mode == "helical":
        return spiral.volumes(scan, bare, (own,))[own.name]
    parts = [(getattr(body, name), getattr(bare, name)) for name in ("labels", "neighbour", "fraction", "texture")]
    differ = np.array([any(not np.array_equal(ours[k], theirs[k]) for ours, theirs in parts)
                       for k in range(len(body.labels))])
    return tier.volumes(scan, bare, (own,), only=differ, rest=image.array)[own.name]


def _raw(scan: Scan, lines: Float32) -> dict[str, NDArray[Any]]:
    """Return line integrals with the geometry that they were measured in (docs/files.md says what each part is)."""
    machine, grid = scan.scanner, scan.grid
    return {
        "line_integrals": lines,
        "mas": scan.mas,
        "angle_rad": machine.angles_rad(),
        "channel": machine.centres(),
        "slice_z_mm": grid.world_mm([(k, 0, 0) for k in range(grid.shape_kji[0])])[:, 2],
        "isocentre_mm": np.array([*(grid.centre_mm[:2] - np.array(scan.centre_mm))]),
        "sid_mm": np.array(machine.sid_mm),
        "sdd_mm": np.array(machine.sdd_mm),
        "geometry": np.array(machine.geometry),
        "kvp": np.array(scan.protocol.kvp),
    }


def _record(record: ScannerRecord, one: Output) -> ScannerRecord:
    """Return what files say of a pair."""
    if one.name == IMAGE:
        return record
    attributes = dict(record.attributes) | {"SliceThickness": one.thickness_mm, "ConvolutionKernel": one.kernel.upper()}
    by_slice = dict(record.by_slice)
    if one.readings.startswith("dose_"):
        for key in ("XRayTubeCurrent", "Exposure", "CTDIvol"):
            attributes[key] = float(attributes[key]) * one.dose_share  # type: ignore[arg-type]
        by_slice = {key: tuple(value * one.dose_share for value in values) for key, values in by_slice.items()}
    words = one.name.replace("_", " ")
    return replace(record, description=f"{words}: {record.description}", attributes=attributes, by_slice=by_slice)


def _parameters(scan: Scan, phantom: Phantom) -> dict[str, Any]:
    """Return the protocol and what follows from it, as JSON values."""
    rotation_s = scan.chains[0].rotation_s
    return protocol_parameters(scan.protocol, phantom.structures) | {
        "scanner": scan.scanner.model_dump(mode="json"),
        "rotation_s": rotation_s,
        "basis_materials": list(scan.basis.names),
        "tube_current_mA": [round(float(mas.sum() / rotation_s), 2) for mas in scan.mas],
        "notes": list(scan.notes),
    }
