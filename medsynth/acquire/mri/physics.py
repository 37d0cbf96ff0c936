"""The volumes of a scan in the physics tier: contrast made on the object's grid, k-space and coils by the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri.coils import b1_map
from medsynth.acquire.mri.components import bin_places, components_of, contrast_recipe, images_of
from medsynth.acquire.mri.encode import object_grid
from medsynth.acquire.mri.engine import acquire_kspace
from medsynth.acquire.mri.fields import b0_map
from medsynth.acquire.mri.maps import susceptibility_ppm
from medsynth.acquire.mri.protocol import MriProtocol
from medsynth.acquire.mri.reconstruct import Reconstruction
from medsynth.acquire.mri.scan import Made, Scan, with_shown
from medsynth.acquire.mri.sequences.table import SEQUENCES
from medsynth.core.grid import Grid
from medsynth.core.volume import Volume
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Scene

Float32 = NDArray[np.float32]


def physics_images(scan: Scan, scene: Scene, on: Callable[[Grid], tuple[Phantom, Phantom]], *, twin: bool,
                   progress: Callable[[float], None] | None = None) -> Made:
    """Return every volume of the scan.

    Parameters
    ----------
    on : the phantom on a grid, with the lesions and without.
    """
    protocol = scan.protocol
    low, high = scene.bounds_mm
    grid = object_grid(scan.encoding, protocol.kspace, low, high)
    phantom, healthy = on(grid)
    scan = with_shown(scan, scene, (phantom, healthy))
    body = healthy.labels != 0  # coils and transmit field are those of the healthy body, for image and twin alike
    b1 = b1_map(body, grid, protocol.field_T) if protocol.kspace.fields.b1 and body.any() else None
    bodies = [phantom, healthy] if twin and healthy is not phantom else [phantom]
    contrasts = SEQUENCES[protocol.sequence].contrasts(protocol)
    found: list[dict[str, Reconstruction]] = [{} for _ in bodies]
    for index, where in enumerate(bodies):
        b0 = None
        if protocol.kspace.fields.b0 and body.any():
            b0 = b0_map(susceptibility_ppm(where, scan.spins), body, grid, protocol.field_T, protocol.kspace.fields)
        for number, (name, one) in enumerate(contrasts.items()):
            found[index][name] = _volume(scan, one, name, where, body, b1, b0)
            if progress is not None:
                progress((index * len(contrasts) + number + 1) / (len(bodies) * len(contrasts)))
    return _made(scan, found, twin=twin)


def _volume(scan: Scan, protocol: MriProtocol, name: str, phantom: Phantom, body: NDArray[np.bool_],
            b1: Float32 | None, b0_hz: Float32 | None) -> Reconstruction:
    """Measure one volume. All volumes share the patient's movements, each has noise of its own."""
    recipe = contrast_recipe(scan.spins, protocol, scan.readout, b1=b1 is not None, offsets=b0_hz is not None)
    images = images_of(phantom, scan.spins, recipe, bin_places(protocol, b1, b0_hz))
    components = components_of(images, recipe, scan.clock)
    encoding = replace(scan.encoding, dephasing_s=SEQUENCES[protocol.sequence].precession_s(protocol))
    return acquire_kspace(components, encoding, scan.clock, protocol.kspace, grid=phantom.grid, body=body,
                          b0_hz=b0_hz, arteries=_arteries(phantom, protocol), seed=scan.seed.child("noise", name),
                          patient=scan.seed.child("patient"))


def _arteries(phantom: Phantom, protocol: MriProtocol) -> Float32 | None:
    """Return the share of each voxel that is arterial blood, where it pulsates."""
    if not protocol.kspace.motion.pulsation.severity:
        return None
    labels = [s.label for s in phantom.structures if s.tissue == "blood" and s.enhancement == "aorta"]
    return phantom.occupancy(*labels).astype(np.float32)


def _made(scan: Scan, found: list[dict[str, Reconstruction]], *, twin: bool) -> Made:
    """Gather images, targets, maps and raw data; maps and raw data are those of the first volume."""
    first = next(iter(found[0].values()))
    image_grid = scan.encoding.image_grid
    names = first.targets.keys()
    targets = {target: {name: one.targets[target] for name, one in found[0].items()} for target in names}
    arrays = {"noise_sd": first.noise_sd, "shading": first.shading, **first.truth}
    if first.g_factor is not None:
        arrays["g_factor"] = first.g_factor
    maps = {name.removesuffix("_hz"): Volume(array, image_grid, _quantity(name)) for name, array in arrays.items()}
    bare = {name: one.image for name, one in found[-1].items()} if twin else None
    return Made({name: one.image for name, one in found[0].items()}, bare, targets, maps, first.raw,
                {"log": dict(first.log)})


def _quantity(name: str) -> str:
    return {"b0_hz": "Hz", "noise_sd": "signal_unscaled"}.get(name, "mm" if name.endswith("_mm") else "ratio")
