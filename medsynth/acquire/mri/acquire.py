"""An MR acquisition: the scene on its grid, the person's tissues, the signal of each spin, then one of the tiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri.geometry import scan_grid
from medsynth.acquire.mri.maps import QUANTITY, property_map
from medsynth.acquire.mri.protocol import MriProtocol
from medsynth.acquire.mri.receiver import gain, stored, window
from medsynth.acquire.mri.record import scanner_record
from medsynth.acquire.mri.scan import Made, Scan, prepare
from medsynth.acquire.mri.sequences.base import Images
from medsynth.acquire.mri.sequences.table import SEQUENCES
from medsynth.core.grid import Grid
from medsynth.core.scanner import ScannerRecord
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.scene.acquired import Acquired
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import Voxelise, rasterize, with_lesions
from medsynth.scene.structure import Lesion, Scene

Pairs = Mapping[str, tuple[Volume, ScannerRecord]]


def acquire_mri(scene: Scene, lesions: Sequence[Lesion], protocol: MriProtocol, *, seed: Seed, twin: bool = False,
                progress: Callable[[float], None] | None = None, voxelise: Voxelise = rasterize) -> Acquired:
    """Scan a scene.

    Parameters
    ----------
    lesions : inserted before the physics.
    seed : of this acquisition. The person's tissue values come from the scene, so that all acquisitions share them.
    twin : also give the image of the same scan without the lesions.
    progress : called with the share of the work that is done, where it takes long.
    voxelise : what puts the healthy scene on a grid; it may keep what it made, or lay the body askew in the scanner,
        and the image lies on the grid that it gives.

    Returns
    -------
    The image in uint16 ("signal", see `receiver`), with the truth on its grid.

    Raises
    ------
    RecipeError
        If the body has no such scan range, or the sequence does not fit the matrix.
    """
    grid = scan_grid(scene, protocol)

    def beside(where: Grid) -> tuple[Phantom, Phantom, Phantom]:
        healthy = voxelise(scene, where)
        ill, anatomy = with_lesions(healthy, scene, lesions) if lesions else (healthy, healthy)
        return ill, healthy, anatomy

    def on(where: Grid) -> tuple[Phantom, Phantom]:
        ill, healthy, _ = beside(where)
        return ill, healthy

    phantom, healthy, anatomy = beside(grid)
    if protocol.sequence == "random":
        from medsynth.acquire.mri.random_contrast import acquire_random

        return replace(acquire_random(scene, phantom, healthy, protocol, seed=seed, twin=twin), anatomy=anatomy)
    scan = prepare(scene, phantom, healthy, protocol, seed=seed)
    if protocol.fidelity == "physics":
        from medsynth.acquire.mri.physics import physics_images

        made = physics_images(scan, scene, on, twin=twin, progress=progress)
    else:
        from medsynth.acquire.mri.fast_images import fast_images

        made = fast_images(scan, phantom, healthy, twin=twin, progress=progress)
    return replace(finished(scan, phantom, healthy, made), anatomy=anatomy)


def finished(scan: Scan, phantom: Phantom, healthy: Phantom, made: Made) -> Acquired:
    """Return the acquisition: magnitudes in stored numbers, derived images, maps, and what files say."""
    protocol = scan.protocol
    factor = gain(protocol, scan.readout)
    record = scanner_record(protocol, scan.encoding, scan.clock, window(protocol, scan.readout))
    volumes = volumes_of(protocol, made.images, factor)
    image, record = Volume(volumes.pop("image"), phantom.grid, "signal"), _own_record(protocol, record, "image")
    pairs: dict[str, tuple[Volume, ScannerRecord]] = {
        name: (Volume(array, phantom.grid, quantity_of(name)), _own_record(protocol, record, name))
        for name, array in volumes.items()}
    for target, images in made.targets.items():
        array = volumes_of(protocol, images, factor)["image"]
        words = f"{target.replace('_', ' ')}: {record.description}"
        pairs[target] = Volume(array, phantom.grid, "signal"), replace(record, description=words)
    pairs |= _extras(scan, phantom, made, record)
    twin = None
    if made.bare is not None:
        twin = Volume(volumes_of(protocol, made.bare, factor)["image"], phantom.grid, "signal")
    return Acquired(image, phantom, healthy, twin, record, _parameters(scan, made, factor), pairs, made.raw)


def volumes_of(protocol: MriProtocol, images: Images, factor: float) -> dict[str, NDArray[Any]]:
    """Return magnitudes in stored numbers and the derived volumes, by name; "image" is the acquisition's image."""
    found: dict[str, NDArray[Any]] = {name: stored(np.abs(image), factor) for name, image in images.items()}
    for name, (array, quantity) in SEQUENCES[protocol.sequence].derive(protocol, images).items():
        found[name] = stored(array, factor) if quantity == "signal" else array
    return found


def quantity_of(name: str) -> str:
    """Return what a value of a volume of the sequence means."""
    return {"t1": "T1_ms", "t2": "T2_ms", "adc": "ADC_um2_s", "phase_filtered": "phase_rad"}.get(name, "signal")


_MAP_WINDOWS = {"T1_ms": (1250.0, 2500.0), "T2_ms": (100.0, 200.0), "T2star_ms": (50.0, 100.0), "PD": (0.5, 1.0),
                "ADC_um2_s": (1250.0, 2500.0), "phase_rad": (0.0, 6.3), "Hz": (0.0, 200.0), "B1": (1.0, 1.0)}


def _own_record(protocol: MriProtocol, record: ScannerRecord, name: str) -> ScannerRecord:
    """Return what files say of one volume: its own echo time, flip angle or b value."""
    attributes = dict(record.attributes)
    own = SEQUENCES[protocol.sequence].contrasts(protocol).get(name)
    if own is not None:
        attributes |= {"EchoTime": own.te_ms, "FlipAngle": own.flip_deg}
        if protocol.sequence == "dwi":
            attributes["DiffusionBValue"] = float(own.b_values[-1])
    if name == "image":
        return replace(record, attributes=attributes)
    window_of = _MAP_WINDOWS.get(quantity_of(name), record.window)
    words = f"{name.replace('_', ' ')}: {record.description}"
    return replace(record, description=words, attributes=attributes, window=window_of)


def _extras(scan: Scan, phantom: Phantom, made: Made, record: ScannerRecord) -> Pairs:
    """Return the true maps, and phase or complex parts of the measured volume."""
    found: dict[str, tuple[Volume, ScannerRecord]] = {}

    def add(name: str, volume: Volume) -> None:
        words = f"{name.replace('_', ' ')}: {record.description}"
        found[name] = volume, replace(record, description=words,
                                      window=_MAP_WINDOWS.get(volume.quantity, record.window))

    if "maps" in scan.protocol.extras:
        for known in QUANTITY:
            add(f"map_{known}", property_map(phantom, scan.spins, known))
        for name, volume in made.maps.items():
            add(f"map_{name}", volume)
    measured = next((made.images[name] for name in ("image", "magnitude", "in") if name in made.images), None)
    if measured is not None and "phase" in scan.protocol.extras:
        add("phase", Volume(np.angle(measured).astype(np.float32), phantom.grid, "phase_rad"))
    if measured is not None and "complex" in scan.protocol.extras:
        factor = np.float32(gain(scan.protocol, scan.readout))
        add("real", Volume(np.ascontiguousarray(measured.real) * factor, phantom.grid, "signal"))
        add("imaginary", Volume(np.ascontiguousarray(measured.imag) * factor, phantom.grid, "signal"))
    return found


def _parameters(scan: Scan, made: Made, factor: float) -> dict[str, Any]:
    """Return the protocol and what follows from it, as JSON values."""
    protocol = scan.protocol
    return protocol.model_dump(mode="json") | {
        "gain": factor,
        "duration_s": round(scan.clock.duration_s, 3),
        "lines": scan.clock.lines,
        "matrix_kji": list(scan.encoding.matrix_kji),
        **made.notes,
    }
