"""CT, physics tier: slices are projected, read out and reconstructed as a scanner does."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.ct import _kernels as image_kernels
from medsynth.acquire.ct.hu import ct_beam
from medsynth.acquire.ct.kernel import KernelName, slice_taps
from medsynth.acquire.ct.paths import ANGLES, coarse_paths, current_along, current_around
from medsynth.acquire.ct.physics import reconstruct
from medsynth.acquire.ct.physics._kernels import LANES
from medsynth.acquire.ct.physics.basis import Basis, basis_of
from medsynth.acquire.ct.physics.chain import Chain
from medsynth.acquire.ct.physics.detector import gain_errors
from medsynth.acquire.ct.physics.options import PhysicsOptions
from medsynth.acquire.ct.physics.projector import project
from medsynth.acquire.ct.physics.scanner import Scanner, scanner
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import Grid, centred_mm
from medsynth.core.seed import Seed
from medsynth.scene.phantom import Phantom

Float32 = NDArray[np.float32]
IMAGE = "image"


@dataclass(frozen=True)
class Output:
    """One image that a scan gives.

    Attributes
    ----------
    name : "image" is the scan itself; others are its pairs.
    readings : which readings it is made of: "image", "dose_50", "noise_free", "artifact_free".
    kernel, thickness_mm : how it is reconstructed.
    dose_share : of the scan's tube current.
    """

    name: str
    readings: str
    kernel: KernelName
    thickness_mm: float
    dose_share: float = 1.0


def outputs_of(protocol: CtProtocol) -> tuple[Output, ...]:
    """Return the images that a protocol asks for; the scan itself comes first.

    "artifact_map" is not among them: it is the noise-free image less the artifact-free one.
    """
    own = Output(IMAGE, IMAGE, protocol.kernel, protocol.slice_thickness_mm)
    pairs = protocol.physics.pairs
    found = [own]
    for percent in pairs.dose_percent:
        name = f"dose_{percent:g}".replace(".", "p")
        found.append(Output(name, name, own.kernel, own.thickness_mm, percent / 100))
    found += [Output(kernel, IMAGE, kernel, own.thickness_mm) for kernel in pairs.kernels]
    found += [Output(f"thickness_{mm:g}".replace(".", "p"), IMAGE, own.kernel, mm) for mm in pairs.thicknesses_mm]
    wanted = set(pairs.targets) | ({"noise_free", "artifact_free"} if "artifact_map" in pairs.targets else set())
    found += [Output(name, name, own.kernel, own.thickness_mm) for name in ("noise_free", "artifact_free")
              if name in wanted]
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Scan:
    """Everything that is fixed before the first slice is scanned.

    Attributes
    ----------
    chains : the scanner at each tube voltage; the first makes the images.
    mas : (k, view) of every reading, at the first voltage.
    corner_mm : (x, y) of the object's first pixel's outer corner from the isocentre.
    centre_mm : (x, y) of the image's middle from the isocentre.
    notes : what a user must know, e.g. of truncation.
    """

    protocol: CtProtocol
    scanner: Scanner
    chains: tuple[Chain, ...]
    mas: NDArray[np.float64]
    grid: Grid
    spacing_mm: float
    corner_mm: tuple[float, float]
    centre_mm: tuple[float, float]
    seed: Seed
    notes: tuple[str, ...] = field(default=())

    @property
    def options(self) -> PhysicsOptions:
        """The physics tier's settings."""
        return self.protocol.physics

    @property
    def basis(self) -> Basis:
        """The basis materials of the paths."""
        return self.chains[0].basis


def prepare(body: Phantom, grid: Grid, protocol: CtProtocol, *, seed: Seed) -> Scan:
    """Return the scan of a body.

    Parameters
    ----------
    body : without lesions, on a grid with the image's slices that holds all of it in plane.
    grid : of the image.

    Raises
    ------
    RecipeError
        If the scanner cannot do what the protocol asks.
    """
    options = protocol.physics
    machine = scanner(options.scanner)
    rotation_s = _rotation(machine, protocol)
    step_mm = grid.spacing_mm[0]
    voltages = [protocol.kvp, *([options.spectral.second_kvp] if options.spectral.second_kvp else [])]
    basis = basis_of(body.structures, min(voltages), protocol.phase)
    gains = None
    if options.ring_percent:
        gains = gain_errors(machine, options.ring_percent, rng=seed.child("gains").rng())
    chains = tuple(Chain(machine, options, kvp, basis, step_mm, rotation_s, gains) for kvp in voltages)
    spacing = body.grid.spacing_mm[2]
    half = body.grid.shape_kji[2] * spacing / 2, body.grid.shape_kji[1] * spacing / 2
    offset = np.subtract(grid.centre_mm, body.grid.centre_mm)[:2]
    notes = _truncation(body, machine)
    return Scan(protocol, machine, chains, _charge(body, machine, protocol, rotation_s), grid, spacing,
                (-half[0], -half[1]), (float(offset[0]), float(offset[1])), seed, notes)


def _rotation(machine: Scanner, protocol: CtProtocol) -> float:
    """Return the shortest rotation time at which the tube can give the mAs.

    Raises
    ------
    RecipeError
        If no rotation time does.
    """
    low, high = machine.current_mA
    able = [s for s in machine.rotations_s if low <= protocol.mas / s <= high]
    if not able:
        limits = min(low * s for s in machine.rotations_s), max(high * s for s in machine.rotations_s)
        raise RecipeError(expected("mas", protocol.mas, f"in {limits[0]:g}..{limits[1]:g} with scanner "
                                   f"{protocol.physics.scanner!r}"))
    near = [s for s in able if s >= 0.5]
    return min(near) if near else max(able)


def _charge(body: Phantom, machine: Scanner, protocol: CtProtocol, rotation_s: float) -> NDArray[np.float64]:
    """Return (k, view) mAs of every view: the tube follows the body, within what it can give."""
    options = protocol.physics
    sinogram, _, _ = coarse_paths(body, protocol)
    along = current_along(sinogram, body.grid.spacing_mm[0], options.longitudinal_exponent)
    around = current_around(sinogram, options.angular_exponent)
    at = (machine.angles_rad() % np.pi) * ANGLES / np.pi
    first = at.astype(int) % ANGLES
    share = at - np.floor(at)
    views = (1 - share) * around[:, first] + share * around[:, (first + 1) % ANGLES]
    current = protocol.mas / rotation_s * along[:, None] * views
    low, high = machine.current_mA
    return np.asarray(np.clip(current, low, high) * rotation_s / machine.views, np.float64)


def _truncation(body: Phantom, machine: Scanner) -> tuple[str, ...]:
    """Warn where the body leaves the circle that every view sees."""
    rows, columns = (np.flatnonzero((body.labels != 0).any(axis=axes)) for axes in ((0, 2), (0, 1)))
    if not len(rows):
        return ()
    spacing = body.grid.spacing_mm[2]
    middle = (np.array(body.grid.shape_kji[1:]) - 1) / 2
    y, x = (np.array([part[0], part[-1]]) - m for part, m in zip((rows, columns), middle, strict=True))
    widest = float(max(np.abs(x).max(), np.abs(y).max()) * spacing)
    if 2 * widest <= machine.field_mm:
        return ()
    note = (f"the body reaches {widest:.0f} mm from the isocentre, beyond the field of {machine.field_mm / 2:.0f} mm: "
            "its edge is cut off in some views, the image brightens towards the rim of the field")
    warnings.warn(note, stacklevel=2)
    return (note,)


def volumes(scan: Scan, body: Phantom, outputs: tuple[Output, ...], *, only: NDArray[np.bool_] | None = None,
            rest: NDArray[np.int16] | None = None) -> dict[str, Float32]:
    """Return the image (k, j, i) of every output in HU.

    Parameters
    ----------
    only : (k,) slices whose readings are wanted; others, where no slice profile reaches these, are those of `rest`.
    """
    shape, step_mm = scan.grid.shape_kji, scan.grid.spacing_mm[0]
    found = {(one.readings, one.kernel): np.empty(shape, np.float32) for one in outputs}
    reach = max(len(slice_taps(one.thickness_mm, step_mm)) for one in outputs) // 2
    wanted = np.ones(shape[0], bool) if only is None else _widened(only, reach)
    needed = _widened(wanted, reach)
    shares = {one.readings: one.dose_share for one in outputs}
    for first, lines in runs(scan, body, shares, needed):
        last = min(first + LANES, shape[0])
        for (readings, kernel), volume in found.items():
            volume[first:last] = image_of(scan, lines[readings], kernel)[:last - first]
    images = {one.name: thickened(found[one.readings, one.kernel], one.thickness_mm, step_mm) for one in outputs}
    if rest is not None:
        for image in images.values():
            image[~wanted] = rest[~wanted]
    return images


def _widened(slices: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Return these slices and those up to `reach` away."""
    return np.asarray(np.convolve(slices, np.ones(2 * reach + 1), mode="same") > 0.5) if len(slices) > 2 * reach \
        else np.full(len(slices), slices.any())


def runs(scan: Scan, body: Phantom, shares: Mapping[str, float], needed: NDArray[np.bool_]
         ) -> Iterator[tuple[int, dict[str, Float32]]]:
    """Yield the first slice of each run of `LANES` slices, and its corrected line integrals by kind of readings.

    These are (slice, theta, t) float32, sorted into parallel rays. Runs without a needed slice are left out.
    shares : kind of readings -> share of the scan's tube current.
    """
    count = len(scan.basis.names)
    for first in range(0, scan.grid.shape_kji[0], LANES):
        if not needed[first:first + LANES].any():
            continue
        maps = scan.basis.maps(body, first, first + LANES)
        paths = project(maps, scan.spacing_mm, scan.corner_mm, scan.scanner)
        rows: dict[str, list[Float32]] = {name: [] for name in shares}
        for n in range(LANES):
            k = min(first + n, scan.grid.shape_kji[0] - 1)
            own = paths[:, :, n * count:(n + 1) * count]
            for name, lines in read(scan, own, k, shares).items():
                rows[name].append(reconstruct.to_parallel(lines, scan.scanner))
        yield first, {name: np.stack(part) for name, part in rows.items()}


def read(scan: Scan, paths_cm: Float32, k: int, shares: Mapping[str, float]) -> dict[str, Float32]:
    """Return corrected line integrals (view, channel) of one slice, by kind of readings."""
    chain, mas = scan.chains[0], scan.mas[k]
    mean, square = chain.expected(paths_cm, mas)
    found: dict[str, Float32] = {}
    for name, dose in shares.items():
        seed = scan.seed.child("noise", k) if name == IMAGE else scan.seed.child("noise", name, k)
        if name == "noise_free":
            found[name] = chain.corrected(chain.lines(mean, square, mas, seed=None))
        elif name == "artifact_free":
            ideal = chain.ideal()
            found[name] = ideal.corrected(ideal.lines(*ideal.expected(paths_cm, mas), mas, seed=None))
        else:
            share = np.float32(dose)
            found[name] = chain.corrected(chain.lines(mean * share, square * share, mas * share, seed=seed))
    return found


def image_of(scan: Scan, lines: Float32, kernel: KernelName) -> Float32:
    """Return the image (slice, j, i) in HU of parallel line integrals (slice, theta, t)."""
    rays = reconstruct.parallel_of(scan.scanner)
    response = reconstruct.kernel_response(kernel, scan.scanner, scan.spacing_mm, focal=scan.options.detector_blur)
    projections = np.moveaxis(reconstruct.filtered(lines, rays.step_mm, response), 0, 2)
    turned = reconstruct.turned(rays, -scan.chains[0].delay_rad())
    image = reconstruct.back_projected(projections, turned, scan.grid.shape_kji[2], scan.grid.spacing_mm[2],
                                       scan.centre_mm)
    beam = ct_beam(scan.protocol.kvp)
    image *= np.float32(1000 / (beam.water_per_cm - beam.air_per_cm))
    image -= np.float32(1000)
    image[_beyond(scan)] = -1000
    return np.ascontiguousarray(np.moveaxis(image, 2, 0))


def _beyond(scan: Scan) -> NDArray[np.bool_]:
    """Return (j, i): pixels outside the circle that every view sees; there the image is air."""
    count, pixel_mm = scan.grid.shape_kji[2], scan.grid.spacing_mm[2]
    x, y = (centred_mm(count, pixel_mm) + c for c in scan.centre_mm)
    return np.asarray(np.hypot(x[None, :], y[:, None]) > scan.scanner.field_mm / 2 - scan.scanner.pitch_mm)


def thickened(volume: Float32, thickness_mm: float, step_mm: float) -> Float32:
    """Return slices as wide as asked, each the weighted mean of its neighbours."""
    taps = np.array(slice_taps(thickness_mm, step_mm), np.float32)
    reach = len(taps) // 2
    if not reach:
        return volume
    padded = np.pad(volume, ((reach, reach), (0, 0), (0, 0)), mode="edge")
    return np.asarray(image_kernels.across_slices(padded, taps), np.float32)
