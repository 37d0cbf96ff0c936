"""A scan before its first slice: the images it gives, the scanner's settings, the tube's current, what to warn of."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.common.basis import Basis
from medsynth.acquire.ct.kernel import KernelName
from medsynth.acquire.ct.level import noise_level
from medsynth.acquire.ct.paths import ANGLES, coarse_paths, current_along, current_around
from medsynth.acquire.ct.physics.basis import basis_of
from medsynth.acquire.ct.physics.chain import Chain
from medsynth.acquire.ct.physics.detector import gain_errors
from medsynth.acquire.ct.physics.options import PhysicsOptions
from medsynth.acquire.ct.physics.scanner import Scanner, scanner
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.phantom import Phantom

IMAGE = "image"
ARTIFACT_FREE = "artifact_free"
# Readings that are decomposed into lengths of the basis materials of spectral imaging.
WATER, IODINE = "water", "iodine"


@dataclass(frozen=True)
class Output:
    """One image that a scan gives.

    Attributes
    ----------
    name : "image" is the scan itself; others are its pairs.
    readings : what it is made of: "image", "dose_50", "noise_free", "artifact_free", "water", "iodine".
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

    What is computed from these is not among them: the artifact map (the noise-free image less the artifact-free one),
    and the spectral images (from those of the basis materials, in cm per cm).
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
    if protocol.physics.spectral.asked:
        found += [Output(name, name, own.kernel, own.thickness_mm) for name in (WATER, IODINE)]
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Scan:
    """Everything that is fixed before the first slice is scanned.

    Attributes
    ----------
    chains : the scanner at each tube voltage; the first makes the images.
    mas : (k, view) of every reading, at the first voltage.
    noise : (k, j, i) expected SD in HU of slices as thin as they are apart and not smoothed, and pixels per place.
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
    noise: tuple[NDArray[np.float32], int]
    notes: tuple[str, ...] = field(default=())

    @property
    def options(self) -> PhysicsOptions:
        """The physics tier's settings."""
        return self.protocol.physics

    @property
    def noisy(self) -> tuple[str, ...]:
        """The readings whose images have noise that an iterative reconstruction smooths."""
        if not self.options.quantum_noise:
            return ()
        return (IMAGE, *(one.readings for one in outputs_of(self.protocol) if one.name.startswith("dose_")))

    def noise_sd_hu(self, first: int, last: int) -> NDArray[np.float32]:
        """Return the expected SD (k, j, i) of the noise of slices `first` up to `last`, on the image's pixels."""
        coarse, block = self.noise
        rows, columns = (np.minimum(np.arange(n) // block, m - 1)
                         for n, m in zip(self.grid.shape_kji[1:], coarse.shape[1:], strict=True))
        return np.asarray(coarse[first:last][:, rows[:, None], columns[None, :]], np.float32)

    @property
    def basis(self) -> Basis:
        """The basis materials of the paths."""
        return self.chains[0].basis


def prepare(body: Phantom, grid: Grid, protocol: CtProtocol, *, seed: Seed, inserted: Phantom | None = None) -> Scan:
    """Return the scan of a body.

    Parameters
    ----------
    body : without lesions, on a grid with the image's slices that holds all of it in plane.
    grid : of the image.
    inserted : the same body with its lesions, where the scan will be of that, too.

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
    basis = basis_of((body if inserted is None else inserted).structures, min(voltages), protocol.phase)
    if options.spectral.asked and machine.detector == "integrating" and len(voltages) == 1:
        raise RecipeError(expected("physics.spectral.second_kvp", None, f"a tube voltage: scanner {options.scanner!r} "
                                   "has no energy bins"))
    gains = None
    if options.ring_percent:
        gains = gain_errors(machine, options.ring_percent, rng=seed.child("gains").rng())
    height_mm = machine.row_mm if options.mode == "helical" else step_mm
    chains = tuple(Chain(machine, options, kvp, basis, height_mm, rotation_s, gains) for kvp in voltages)
    spacing = body.grid.spacing_mm[2]
    half = body.grid.shape_kji[2] * spacing / 2, body.grid.shape_kji[1] * spacing / 2
    offset = np.subtract(grid.centre_mm, body.grid.centre_mm)[:2]
    return Scan(protocol, machine, chains, _charge(body, machine, protocol, rotation_s), grid, spacing,
                (-half[0], -half[1]), (float(offset[0]), float(offset[1])), seed, _noise(body, grid, protocol, step_mm),
                _truncation(body, machine))


def _noise(body: Phantom, grid: Grid, protocol: CtProtocol, step_mm: float) -> tuple[NDArray[np.float32], int]:
    """Return (k, j, i) the noise that the fast tier expects of filtered back-projection, and its pixels per place.

    Where the body's grid is not the image's, one number per slice stands for all of it, the median in the body.
    """
    thin = protocol.model_copy(update={"slice_thickness_mm": step_mm, "increment_mm": None, "reconstruction": "fbp"})
    level = noise_level(body, thin)
    total = level.total_hu()
    if body.grid.is_close(grid):
        return total, level.block
    inside = body.labels[:, level.block // 2::level.block, level.block // 2::level.block] != 0
    inside = inside[:, :total.shape[1], :total.shape[2]]
    medians = [float(np.median(sd[mask])) if mask.any() else float(np.median(sd))
               for sd, mask in zip(total[:, :inside.shape[1], :inside.shape[2]], inside, strict=True)]
    return np.array(medians, np.float32)[:, None, None], max(grid.shape_kji)



def _rotation(machine: Scanner, protocol: CtProtocol) -> float:
    """Return the shortest rotation time at which the tube can give the mAs.

    Raises
    ------
    RecipeError
        If no rotation time does.
    """
    low, high = machine.current_mA
    pitch = protocol.physics.pitch if protocol.physics.mode == "helical" else 1.0
    able = [s for s in machine.rotations_s if low <= protocol.mas * pitch / s <= high]
    if not able:
        limits = (min(low * s for s in machine.rotations_s) / pitch, max(high * s for s in machine.rotations_s) / pitch)
        raise RecipeError(expected("mas", protocol.mas, f"in {limits[0]:g}..{limits[1]:g} with scanner "
                                   f"{protocol.physics.scanner!r}"))
    near = [s for s in able if s >= 0.5]
    return min(near) if near else max(able)


def _charge(body: Phantom, machine: Scanner, protocol: CtProtocol, rotation_s: float) -> NDArray[np.float64]:
    """Return (k, view) mAs of every view: the tube follows the body, within what it can give."""
    options = protocol.physics
    sinogram = coarse_paths(body, protocol).sinogram
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
