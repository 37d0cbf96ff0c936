"""CT, physics tier: slices are projected, read out and reconstructed as a scanner does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct import _kernels as image_kernels
from medsynth.acquire.ct.couch import COUCH_STRUCTURES
from medsynth.acquire.ct.denoise import reduced
from medsynth.acquire.ct.hu import ct_beam
from medsynth.acquire.ct.kernel import KERNELS, SCANNER_VARIANCE_MM2, KernelName, relative_variance, slice_taps
from medsynth.acquire.ct.physics import reconstruct
from medsynth.acquire.ct.physics._kernels import LANES
from medsynth.acquire.ct.physics.basis import basis_maps, sharpened
from medsynth.acquire.ct.physics.chain import Chain
from medsynth.acquire.ct.physics.motion import bounds_of, moved, phases
from medsynth.acquire.ct.physics.projector import project
from medsynth.acquire.ct.physics.scan import ARTIFACT_FREE, IMAGE, IODINE, WATER, Output, Scan
from medsynth.acquire.ct.physics.spectral import decomposed, scanner_inverse
from medsynth.core.grid import centred_mm
from medsynth.scene.phantom import Phantom

Float32 = NDArray[np.float32]
# Groups of views that see the body at rest when it moves.
MOTION_GROUPS = 12
HEART = ("left_ventricle", "right_ventricle", "left_atrium", "right_atrium", "myocardium")


def volumes(scan: Scan, body: Phantom, outputs: tuple[Output, ...], *, only: NDArray[np.bool_] | None = None,
            rest: NDArray[np.int16] | None = None, raw: Float32 | None = None,
            progress: Callable[[float], None] | None = None) -> dict[str, Float32]:
    """Return the image (k, j, i) of every output in HU.

    Parameters
    ----------
    only : (k,) slices whose readings are wanted; others, where no slice profile reaches these, are those of `rest`.
    progress : called with the share of the slices that are done.
    raw : (k, bin, view, channel) where the scan's own line integrals are put, before the water correction.
    """
    shape, step_mm = scan.grid.shape_kji, scan.grid.spacing_mm[0]
    found = {(one.readings, one.kernel): np.empty(shape, np.float32) for one in outputs}
    reach = max(len(slice_taps(one.thickness_mm, step_mm)) for one in outputs) // 2
    wanted = np.ones(shape[0], bool) if only is None else _widened(only, reach)
    needed = _widened(wanted, reach)
    shares = {one.readings: one.dose_share for one in outputs}
    for first, lines in runs(scan, body, shares, needed, raw):
        last = min(first + LANES, shape[0])
        for (readings, kernel), volume in found.items():
            image = image_of(scan, lines[readings], kernel, chain_of(scan, readings),
                             hu=readings not in (WATER, IODINE))
            if scan.protocol.iterative and readings in scan.noisy:
                louder = np.float32(1 / np.sqrt(shares[readings]))
                image = smoothed(scan, image, kernel, scan.noise_sd_hu(first, last) * louder)
            volume[first:last] = image
        if progress is not None:
            progress(last / shape[0])
    images = {one.name: thickened(found[one.readings, one.kernel], one.thickness_mm, step_mm) for one in outputs}
    if rest is not None:
        for image in images.values():
            image[~wanted] = rest[~wanted]
    return images


def room_for_raw(scan: Scan) -> Float32:
    """Return an empty (k, bin, view, channel) for `volumes`."""
    bins = max(1, len(scan.scanner.thresholds_keV))
    return np.zeros((scan.grid.shape_kji[0], bins, scan.scanner.views, scan.scanner.channels), np.float32)


def _widened(slices: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Return these slices and those up to `reach` away."""
    return np.asarray(np.convolve(slices, np.ones(2 * reach + 1), mode="same") > 0.5) if len(slices) > 2 * reach \
        else np.full(len(slices), slices.any())


def runs(scan: Scan, body: Phantom, shares: Mapping[str, float], needed: NDArray[np.bool_],
         raw: Float32 | None = None) -> Iterator[tuple[int, dict[str, Float32]]]:
    """Yield the first slice of each run of up to `LANES` slices, and its corrected line integrals by kind of readings.

    These are (slice, theta, t) float32, sorted into parallel rays. Runs without a needed slice are left out.
    shares : kind of readings -> share of the scan's tube current.
    """
    count = len(scan.basis.names)
    for first in range(0, scan.grid.shape_kji[0], LANES):
        if not needed[first:first + LANES].any():
            continue
        paths = still = paths_of(scan, body, first)
        if ARTIFACT_FREE in shares and not scan.options.motion.still:
            still = paths_of(scan, body, first, still=True)
        rows: dict[str, list[Float32]] = {name: [] for name in shares}
        for n, k in enumerate(range(first, min(first + LANES, scan.grid.shape_kji[0]))):
            own, at_rest = (part[:, :, n * count:(n + 1) * count] for part in (paths, still))
            for name, lines in read(scan, own, at_rest, k, shares, None if raw is None else raw[k]).items():
                rows[name].append(reconstruct.to_parallel(lines, scan.scanner))
        yield first, {name: np.stack(part) for name, part in rows.items()}


def paths_of(scan: Scan, body: Phantom, first: int, *, still: bool = False) -> Float32:
    """Return path lengths (view, channel, lane) in cm of a run of slices; lane = slice x B + basis material.

    What moves does so between groups of views, each of which sees a body at rest. With `still` nothing moves.
    """
    last = min(first + LANES, len(body.labels))
    maps = sharpened(basis_maps(scan.basis, body, first, last), scan.protocol.kernel, scan.spacing_mm)
    motion = scan.options.motion
    if motion.still or still:
        return project(maps, scan.spacing_mm, scan.corner_mm, scan.scanner)
    labels = body.labels[first:last]
    table = np.isin(labels, [s.label for s in COUCH_STRUCTURES])
    heart = np.isin(labels, [s.label for s in body.structures if s.name in HEART])
    bounds = bounds_of((labels != 0) & ~table, heart if heart.any() else None, scan.spacing_mm)
    fixed = np.ascontiguousarray(np.moveaxis(table, 0, 2))
    angles = scan.scanner.angles_rad()
    parts = [project(moved(maps, scan.spacing_mm, phase, motion, bounds, fixed), scan.spacing_mm, scan.corner_mm,
                     scan.scanner, angles[begin:end]) for begin, end, phase in phases(len(angles), MOTION_GROUPS)]
    return np.concatenate(parts)


def read(scan: Scan, paths_cm: Float32, still_cm: Float32, k: int, shares: Mapping[str, float],
         raw: Float32 | None = None) -> dict[str, Float32]:
    """Return corrected line integrals (view, channel) of one slice, by kind of readings.

    still_cm : the paths if nothing moved.
    """
    plain = {name: share for name, share in shares.items() if name not in (ARTIFACT_FREE, WATER, IODINE)}
    found = readings_of(scan, paths_cm, scan.mas[k], plain, (k,), raw)
    if ARTIFACT_FREE in shares:
        found |= readings_of(scan, still_cm, scan.mas[k], {ARTIFACT_FREE: 1.0}, (k,))
    if WATER in shares:
        found[WATER], found[IODINE] = materials(scan, paths_cm, k)
    return found


def readings_of(scan: Scan, paths_cm: Float32, mas: NDArray[np.float64], shares: Mapping[str, float],
                place: tuple[int, ...], raw: Float32 | None = None) -> dict[str, Float32]:
    """Return corrected line integrals (view, channel) of a detector row, by kind of readings.

    Parameters
    ----------
    paths_cm : (view, channel, B).
    mas : (view,).
    shares : kind of readings -> share of the scan's tube current.
    place : what the row's noise is drawn under.
    raw : (bin, view, channel) where the scan's own line integrals are put, before the water correction.
    """
    found: dict[str, Float32] = {}
    if ARTIFACT_FREE in shares:
        ideal = chain_of(scan, ARTIFACT_FREE)
        found[ARTIFACT_FREE] = ideal.corrected(ideal.lines(*ideal.expected(paths_cm, mas), mas, seed=None))
    others = {name: share for name, share in shares.items() if name != ARTIFACT_FREE}
    if not others:
        return found
    chain = scan.chains[0]
    mean, square = chain.expected(paths_cm, mas)
    for name, dose in others.items():
        seed = scan.seed.child("noise", *place) if name == IMAGE else scan.seed.child("noise", name, *place)
        if name == "noise_free":
            found[name] = chain.corrected(chain.lines(mean, square, mas, seed=None))
        else:
            share = np.float32(dose)
            lines = chain.lines(mean * share, square * share, mas * share, seed=seed)
            if name == IMAGE and raw is not None:
                raw[:] = lines
            found[name] = chain.corrected(lines)
    return found


def materials(scan: Scan, paths_cm: Float32, k: int) -> Float32:
    """Return lengths (2, view, channel) of water and iodine in cm, from all bins and voltages of one slice."""
    mas = scan.mas[k]
    lines = [chain.lines(*chain.expected(paths_cm, mas), mas, seed=scan.seed.child("noise", "spectral", n, k))
             for n, chain in enumerate(scan.chains)]
    inverse = scanner_inverse(scan.scanner, [chain.kvp for chain in scan.chains],
                              monoenergetic=not scan.options.polychromatic)
    return decomposed(np.concatenate(lines), inverse)


def chain_of(scan: Scan, readings: str) -> Chain:
    """Return the scanner that makes these readings: its blur and lag are what the reconstruction makes up for."""
    return scan.chains[0].ideal() if readings == ARTIFACT_FREE else scan.chains[0]


def image_of(scan: Scan, lines: Float32, kernel: KernelName, chain: Chain, *, hu: bool = True) -> Float32:
    """Return the image (slice, j, i) of parallel line integrals (slice, theta, t): HU, or 1/cm less that of air."""
    rays = reconstruct.parallel_of(scan.scanner)
    response = reconstruct.kernel_response(kernel, scan.scanner, scan.spacing_mm, focal=chain.options.detector_blur)
    projections = np.moveaxis(reconstruct.filtered(lines, rays.step_mm, response), 0, 2)
    turned = reconstruct.turned(rays, -chain.delay_rad())
    image = reconstruct.back_projected(projections, turned, scan.grid.shape_kji[2], scan.grid.spacing_mm[2],
                                       scan.centre_mm)
    image[_beyond(scan)] = 0
    image = np.ascontiguousarray(np.moveaxis(image, 2, 0))
    return to_hu(scan, image) if hu else image


def to_hu(scan: Scan, image: Float32) -> Float32:
    """Turn attenuation in 1/cm less that of air into HU, in place."""
    beam = ct_beam(scan.protocol.kvp)
    image *= np.float32(1000 / (beam.water_per_cm - beam.air_per_cm))
    image -= np.float32(1000)
    return image


def _beyond(scan: Scan) -> NDArray[np.bool_]:
    """Return (j, i): pixels outside the circle that every view sees; there the image is air."""
    count, pixel_mm = scan.grid.shape_kji[2], scan.grid.spacing_mm[2]
    x, y = (centred_mm(count, pixel_mm) + c for c in scan.centre_mm)
    return np.asarray(np.hypot(x[None, :], y[:, None]) > scan.scanner.field_mm / 2 - scan.scanner.pitch_mm)


def smoothed(scan: Scan, image: Float32, kernel: KernelName, noise_sd_hu: Float32) -> Float32:
    """Return slices whose noise is blurred to the spectrum that the fast tier's iterative kernels have."""
    pixel_mm = scan.grid.spacing_mm[2]
    blur_mm = np.sqrt(KERNELS[kernel].noise_blur_mm**2 + SCANNER_VARIANCE_MM2)
    own, this = (relative_variance(name, iterative=False, pixel_mm=scan.spacing_mm)
                 for name in (scan.protocol.kernel, kernel))
    return reduced(image, noise_sd_hu * np.float32(np.sqrt(this / own)), pixel_mm, float(blur_mm))


def thickened(volume: Float32, thickness_mm: float, step_mm: float) -> Float32:
    """Return slices as wide as asked, each the weighted mean of its neighbours."""
    taps = np.array(slice_taps(thickness_mm, step_mm), np.float32)
    reach = len(taps) // 2
    if not reach:
        return volume
    padded = np.pad(volume, ((reach, reach), (0, 0), (0, 0)), mode="edge")
    return np.asarray(image_kernels.across_slices(padded, taps), np.float32)
