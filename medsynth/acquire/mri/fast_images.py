"""The volumes of a scan in the fast tier."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri.coils import b1_map
from medsynth.acquire.mri.components import bin_places, components_of, contrast_recipe, images_of
from medsynth.acquire.mri.fast import reconstruct
from medsynth.acquire.mri.fields import b0_map
from medsynth.acquire.mri.maps import susceptibility_ppm
from medsynth.acquire.mri.protocol import MriProtocol
from medsynth.acquire.mri.scan import Made, Scan
from medsynth.acquire.mri.sequences.table import SEQUENCES
from medsynth.core.grid import Grid
from medsynth.core.volume import Volume
from medsynth.scene.phantom import Phantom

Complex64 = NDArray[np.complex64]
Float32 = NDArray[np.float32]
B1_CELL_MM = 6.0
COMPRESSION = 3e-3  # of the strongest signal: below the noise of any scan that this tier is for
NEEDS_FIELD = ("swi", "bssfp")  # their contrast is that of the main field


def fast_images(scan: Scan, phantom: Phantom, healthy: Phantom, *, twin: bool,
                progress: Callable[[float], None] | None = None) -> Made:
    """Return every volume of the scan. The transmit field is that of the healthy body, for image and twin alike."""
    protocol = scan.protocol
    fields = protocol.kspace.fields
    body = healthy.labels != 0
    b1 = smooth_b1(body, phantom.grid, protocol.field_T) if fields.b1 and body.any() else None
    bodies = [phantom, healthy] if twin and healthy is not phantom else [phantom]
    offsets = [_field(scan, one) for one in bodies]
    sequence = SEQUENCES[protocol.sequence]
    contrasts = sequence.contrasts(protocol)
    images: list[dict[str, Complex64]] = [{} for _ in bodies]
    targets: dict[str, dict[str, Complex64]] = {name: {} for name in protocol.kspace.targets}
    for number, (name, one) in enumerate(contrasts.items()):
        for index, (where, offset) in enumerate(zip(bodies, offsets, strict=True)):
            images[index][name] = _volume(scan, one, name, where, b1, offset)
        for target, kept in targets.items():
            ideal = target == "artifact_free"
            kept[name] = _volume(scan, one, name, phantom, None if ideal else b1, offsets[0], noise=False,
                                 imperfect=not ideal)
        if progress is not None:
            progress((number + 1) / len(contrasts))
    maps = {}
    if "maps" in protocol.extras:
        if b1 is not None:
            maps["b1"] = Volume(b1, phantom.grid, "B1")
        if offsets[0] is not None:
            maps["b0"] = Volume(offsets[0], phantom.grid, "Hz")
    bare = None if not twin else images[-1]
    return Made(images[0], bare, targets, maps, {}, {})


def smooth_b1(body: NDArray[np.bool_], grid: Grid, field_T: float) -> Float32:
    """Return `b1_map` computed on cells of about `B1_CELL_MM` and interpolated linearly: it is smooth enough."""
    coarse = grid.with_spacing(_coarse_mm(grid))
    index = [np.clip(((np.arange(n) + 0.5) * count / n).astype(int), 0, count - 1)
             for n, count in zip(coarse.shape_kji, grid.shape_kji, strict=True)]
    inside = body[np.ix_(*index)]
    if not inside.any():
        return b1_map(body, grid, field_T)
    field = b1_map(inside, coarse, field_T)
    for axis, count in enumerate(grid.shape_kji):
        nodes = field.shape[axis]
        places = np.clip((np.arange(count) + 0.5) * nodes / count - 0.5, 0, nodes - 1)
        low = np.minimum(places.astype(int), max(nodes - 2, 0))
        share = (places - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        field = np.take(field, low, axis) * (1 - share) + np.take(field, np.minimum(low + 1, nodes - 1), axis) * share
    return np.ascontiguousarray(field, np.float32)


def _coarse_mm(grid: Grid) -> tuple[float, float, float]:
    k, j, i = (max(mm, B1_CELL_MM) for mm in grid.spacing_mm)
    return k, j, i


def _field(scan: Scan, phantom: Phantom) -> Float32 | None:
    """Return the off-resonance in Hz where the contrast needs it."""
    options = scan.protocol.kspace.fields
    body = phantom.labels != 0
    if scan.protocol.sequence not in NEEDS_FIELD or not options.b0 or not body.any():
        return None
    return b0_map(susceptibility_ppm(phantom, scan.spins), body, phantom.grid, scan.protocol.field_T, options)


def _volume(scan: Scan, protocol: MriProtocol, name: str, phantom: Phantom, b1: Float32 | None,
            offset_hz: Float32 | None, *, noise: bool = True, imperfect: bool = True) -> Complex64:
    """Return one complex volume."""
    sequence = SEQUENCES[protocol.sequence]
    recipe = contrast_recipe(scan.spins, protocol, scan.readout, b1=b1 is not None, offsets=offset_hz is not None,
                             error=COMPRESSION)
    images = images_of(phantom, scan.spins, recipe, bin_places(protocol, b1, offset_hz))
    precession = sequence.precession_s(protocol)
    if precession:
        for image, shift in zip(images, recipe.shift_hz, strict=True):
            if shift:
                image *= np.complex64(np.exp(-2j * np.pi * shift * precession))
            if offset_hz is not None:
                image *= np.exp(np.float32(-2 * np.pi * precession) * 1j * offset_hz).astype(np.complex64)
    components = components_of(images, recipe, scan.clock)
    return reconstruct(components, scan.encoding, scan.clock, protocol.kspace, epi=sequence.epi, noise=noise,
                       imperfect=imperfect, seed=scan.seed.child("noise", name))
