"""The CT physics tier beside closed forms and published numbers: one table, "claim | ours | truth | error | bar".

`python benchmarks/ct_truth.py [beam water noise resolution contrast speed]` prints the rows of these groups (all when
none is named); `python benchmarks/ct_truth.py chest` scans a chest of 512 x 512 x 300 and prints time and peak memory.
"""

from __future__ import annotations

import dataclasses
import resource
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import j1

from medsynth.acquire.common.basis import Basis
from medsynth.acquire.ct.acquire import acquire_ct
from medsynth.acquire.ct.hu import ct_beam
from medsynth.acquire.ct.kernel import KERNELS
from medsynth.acquire.ct.physics import detector, reconstruct, scatter
from medsynth.acquire.ct.physics.basis import basis_of
from medsynth.acquire.ct.physics.chain import Chain
from medsynth.acquire.ct.physics.images import scan_phantom
from medsynth.acquire.ct.physics.options import PhysicsOptions
from medsynth.acquire.ct.physics.scanner import Scanner, scanner
from medsynth.acquire.ct.physics.source import Beam, beam, fan_angles_rad
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.body import load_body
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Code, Structure
from medsynth.scene.subject import Subject
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue

Array = NDArray[np.float64]
SOMEONE = Subject("male", 50.0, 175.0, 78.0)
CODE = Code("0", "benchmark")
WATER = Structure("water", 1, "water", CODE)
QUIET = {"quantum_noise": False, "electronic_noise": False}
IDEAL = PhysicsOptions(polychromatic=False, scatter=False, detector_blur=False, **QUIET)
# Nominal HU of the CTP404 module's inserts.
CTP404 = {"air": -1000, "pmp": -200, "ldpe": -100, "polystyrene": -35, "water": 0, "acrylic": 120, "delrin": 340,
          "teflon": 990}
# Taking the mean of linear interpolation over the place between samples keeps this part of the variance.
LINEAR = 12 * (1 / 18 - 1 / (6 * np.pi**2))
HEIGHT_MM, TURN_S, KVP = 3.0, 0.5, 120.0


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table; `error` and `bar` in the unit that `unit` names ("%" of the truth, "HU", ...)."""

    claim: str
    ours: float
    truth: float
    error: float
    bar: float
    unit: str

    @classmethod
    def relative(cls, claim: str, ours: float, truth: float, bar_percent: float) -> Row:
        """Return a row whose error is a share of the truth."""
        return cls(claim, float(ours), float(truth), 100 * float(ours / truth - 1), bar_percent, "%")

    @classmethod
    def absolute(cls, claim: str, ours: float, truth: float, bar: float, unit: str = "HU") -> Row:
        """Return a row whose error is the difference."""
        return cls(claim, float(ours), float(truth), float(ours - truth), bar, unit)

    def __str__(self) -> str:
        verdict = "" if abs(self.error) <= self.bar else " **missed**"
        return (f"| {self.claim} | {self.ours:.5g} | {self.truth:.5g} | {self.error:+.3g} {self.unit} | "
                f"{self.bar:g} {self.unit}{verdict} |")


# ---- objects with closed forms -------------------------------------------------------------------------------------

def mean_chord_cm(machine: Scanner, x_mm: float, y_mm: float, radius_mm: float, views: int | None = None) -> Array:
    """Return (view, channel) the chord through a disc, its exact mean over the width of each channel."""
    angles, edges = machine.angles_rad()[:views, None], machine.edges()[None]
    theta = angles if machine.geometry == "parallel" else angles - edges
    t = edges if machine.geometry == "parallel" else machine.sid_mm * np.sin(edges)
    away = t - x_mm * np.cos(theta) - y_mm * np.sin(theta)
    clipped = np.clip(away / radius_mm, -1, 1)
    area = radius_mm**2 * (clipped * np.sqrt(1 - clipped**2) + np.arcsin(clipped))
    return np.asarray(np.diff(area, axis=1) / np.diff(away, axis=1) / 10)


def chain_of(machine: Scanner, options: PhysicsOptions, structures: tuple[Structure, ...] = (WATER,), kvp: float = KVP
             ) -> Chain:
    """Return a scanner set up for an object of these structures."""
    return Chain(machine, options, kvp, basis_of(structures, kvp, "none"), HEIGHT_MM, TURN_S)


def cylinder(machine: Scanner, basis: Basis, radius_mm: float) -> NDArray[np.float32]:
    """Return paths (view, channel, B) of a water cylinder about the isocentre."""
    chord = mean_chord_cm(machine, 0.0, 0.0, radius_mm, 1)[:, :, None] * basis.table[1]
    return np.repeat(chord, machine.views, axis=0).astype(np.float32)


def corrected(chain: Chain, paths: NDArray[np.float32], mas: float, seed: Seed | None = None) -> NDArray[np.float32]:
    """Return the corrected line integrals (view, channel); mas is that of a turn; without a seed, no noise."""
    charge = np.full(chain.scanner.views, mas / chain.scanner.views)
    return chain.corrected(chain.lines(*chain.expected(paths, charge), charge, seed=seed))


def images(chain: Chain, lines: list[NDArray[np.float32]], kernel: str, matrix: int, pixel_mm: float,
           centre_mm: tuple[float, float] = (0.0, 0.0)) -> Array:
    """Return (n, j, i) in HU, as the tier reconstructs; nothing of the object is blurred by pixels."""
    machine = chain.scanner
    rays = reconstruct.turned(reconstruct.parallel_of(machine), -chain.delay_rad())
    response = reconstruct.kernel_response(kernel, machine, focal=chain.options.detector_blur)
    rows = [reconstruct.filtered(reconstruct.to_parallel(one, machine), rays.step_mm, response) for one in lines]
    found = reconstruct.back_projected(np.stack(rows, axis=2), rays, matrix, pixel_mm, centre_mm)
    scale = ct_beam(chain.kvp)
    hu = found.astype(float) * 1000 / (scale.water_per_cm - scale.air_per_cm) - 1000
    return np.ascontiguousarray(np.moveaxis(hu, 2, 0))


def radius_mm(matrix: int, pixel_mm: float, x_mm: float = 0.0, y_mm: float = 0.0) -> Array:
    """Return (j, i) the distance of pixels of a centred image from a place."""
    x = (np.arange(matrix) - (matrix - 1) / 2) * pixel_mm
    return np.asarray(np.hypot(x[None, :] - x_mm, x[:, None] - y_mm))


# ---- beam and detector ---------------------------------------------------------------------------------------------

def beam_rows() -> Iterator[Row]:
    """Yield transmission, the polychromatic curve, the variance of readings and scatter."""
    machine = scanner("generic-64")
    tube = Beam(KVP, np.array([60.0]), np.full((900, 1), 1e6))
    answer = detector.response(machine, tube.energies_keV)
    water = linear_attenuation(tissue("water"), tube.energies_keV)[None]
    paths = np.repeat(np.array([0, 30], np.float32)[:, None, None], 900, axis=1)
    mean, _ = detector.expected(paths, water, tube, answer, 1.0, 1.0)
    yield Row.relative("transmission of 30 cm water at 60 keV", mean[0, 1, 450] / mean[0, 0, 450], 2.077e-3, 0.2)
    thick = scanner("generic-64", scintillator_mm=3.0)  # the published curve is of a sensor that stops nearly all
    tube = beam(thick, KVP, bowtie="none")
    answer = detector.response(thick, tube.energies_keV)
    water = linear_attenuation(tissue("water"), tube.energies_keV)[None]
    lengths = {1: 0.2096, 5: 1.0321, 10: 2.0342, 20: 3.9814, 30: 5.8770, 40: 7.7359}
    paths = np.repeat(np.array(list(lengths), np.float32)[:, None, None], 900, axis=1)
    mean, square = detector.expected(paths, water, tube, answer, 1.0, 1.0)
    lines = detector.line_integrals(mean, detector.air_signal(thick, tube, answer, 1.0), np.ones(6), low=1e-20)
    for (length, truth), line in zip(lengths.items(), lines[0, :, 450], strict=True):
        yield Row.relative(f"line integral of {length} cm water, 120 kVp", line, truth, 0.5)
    for name, row in (("1 cm", 0), ("30 cm", 4)):
        means, squares = (np.tile(part[:, row:row + 1] * np.float32(0.1), (1, 1000, 1)) for part in (mean, square))
        drawn = detector.readings(means, squares, thick, quantum=True, electronic=True, height_mm=1.0,
                                  rng=np.random.default_rng(1))
        truth = squares[0, 0].astype(float).mean() + detector.electronic_sd(thick, 1.0) ** 2
        yield Row.relative(f"variance of a reading behind {name} water, 0.1 mAs (photons + electronics)",
                           drawn[0].var(axis=0, dtype=float).mean(), truth, 1.0)
    yield Row.relative("scatter over primary, 35 cm water, 40 mm beam, grid", _spr(machine, grid=True), 0.15, 7.0)
    yield Row.absolute("the same without a grid (published 1 to 1.5)", _spr(machine, grid=False), 1.25, 0.25, "")


def _spr(machine: Scanner, *, grid: bool) -> float:
    tube = beam(machine, KVP)
    answer = detector.response(machine, tube.energies_keV)
    off_mm = machine.sid_mm * np.sin(fan_angles_rad(machine))
    chords = 2 * np.sqrt(np.maximum(175.0**2 - off_mm**2, 0)) / 10
    paths = np.broadcast_to(chords[None, :, None], (60, machine.channels, 1)).astype(np.float32)
    water = linear_attenuation(tissue("water"), tube.energies_keV)[None]
    mean, square = detector.expected(paths, water, tube, answer, 0.1, 1.0)
    air = detector.air_signal(machine, tube, answer, 1.0)
    more, _ = scatter.scattered(mean, square, air, np.full(60, 0.1), machine, grid=grid, width_mm=40.0)
    return float(more[0, 30, 450] / mean[0, 30, 450])


# ---- water cylinders -----------------------------------------------------------------------------------------------

def water_rows() -> Iterator[Row]:
    """Yield HU of water and air, and cupping after the correction."""
    machine, matrix, pixel = scanner("generic-64"), 320, 1.5
    chain = chain_of(machine, IDEAL)
    image = images(chain, [corrected(chain, cylinder(machine, chain.basis, 100.0), 100.0)], "standard", matrix, pixel)
    r = radius_mm(matrix, pixel)
    inside, air = image[0][r < 95], image[0][(r > 106) & (r < 235)]
    yield Row.absolute("monoenergetic water cylinder of 20 cm, farthest pixel", inside[np.abs(inside).argmax()], 0.0, 1)
    yield Row.absolute("air around it, mean", air.mean(), -1000, 1)
    yield Row.absolute("air around it, farthest pixel (984 views: streaks of the edge)",
                       air[np.abs(air + 1000).argmax()], -1000, 5)
    for cm in (10, 20, 30, 40):
        for name, options in (("", PhysicsOptions(scatter=False, **QUIET)), (" and scatter", PhysicsOptions(**QUIET))):
            chain = chain_of(machine, options)
            lines = corrected(chain, cylinder(machine, chain.basis, 5.0 * cm), 100.0)
            image = images(chain, [lines], "soft", matrix, pixel)
            radii = np.arange(0, 5 * cm - 8, 4.0)
            rings = np.array([image[0][(r >= low) & (r < low + 4)].mean() for low in radii])
            yield Row.absolute(f"cupping of {cm} cm water after the correction{name}, highest less lowest ring",
                               np.ptp(rings), 0, 2)
            yield Row.absolute(f"mean HU of it{name}", image[0][r < 5 * cm - 8].mean(), 0, 2)


# ---- noise ---------------------------------------------------------------------------------------------------------

def parallel_noise_rows(lanes: int = 192) -> Iterator[Row]:
    """Yield SD and power spectrum of white noise in parallel samples, against their closed forms."""
    views, sigma, pixel, matrix = 720, 0.01, 0.7, 192
    machine, rng = scanner("parallel", channels=400, views=views), np.random.default_rng(2)
    for name, response in (("Ram-Lak", None), ("Hann", lambda f: np.cos(np.pi * f) ** 2)):
        parts = []
        for _ in range(0, lanes, 8):
            lines = sigma * rng.standard_normal((8, views, 400), dtype=np.float32)
            filtered = np.moveaxis(reconstruct.filtered(lines, 1.0, response), 0, 2)
            parts.append(reconstruct.back_projected(np.ascontiguousarray(filtered), reconstruct.parallel_of(machine),
                                                    matrix, pixel) / 10)
        noise = np.concatenate(parts, axis=-1).astype(float)
        f = np.linspace(0, 8, 80001)
        folded = np.abs(f - np.round(f))
        transfer = folded * (1 if response is None else response(folded)) * np.sinc(f) ** 2
        truth = np.sqrt(2 * np.pi**2 * sigma**2 / views * (transfer**2).sum() * f[1])
        if response is None:
            truth = np.pi * sigma / np.sqrt(12 * views) * np.sqrt(LINEAR)
        yield Row.relative(f"SD of FBP noise, parallel, {name}", noise.std(), truth, 0.5)
        taper = np.hanning(matrix)[:, None] * np.hanning(matrix)
        power = (np.abs(np.fft.fft2(noise * taper[:, :, None], axes=(0, 1))) ** 2).mean(-1) * pixel**2 / (
            taper**2).sum()
        shape = np.pi * sigma**2 / views * _windowed(_aliased(response, matrix, pixel), taper)
        f = np.hypot(*np.meshgrid(*[np.fft.fftfreq(matrix, pixel)] * 2))
        rings = [(f >= low) & (f < low + 0.05) for low in np.arange(0.05, 0.349, 0.05)]
        ratios = np.array([power[ring].mean() / shape[ring].mean() for ring in rings])
        worst = ratios[np.abs(ratios - 1).argmax()]
        yield Row.relative(f"noise power over f A^2, worst ring to 0.7 Nyquist, {name}", worst, 1.0, 2.6)


def _aliased(response: Callable[[Array], Array] | None, matrix: int, pixel_mm: float) -> Array:
    """Return (2 matrix, 2 matrix) f A^2 sinc^4 of samples 1 mm apart, folded as the image's pixels fold it."""
    axis, total = np.fft.fftfreq(2 * matrix, pixel_mm), np.zeros((2 * matrix, 2 * matrix))
    for m in range(-3, 4):
        for n in range(-3, 4):
            f = np.hypot(axis[None, :] + m / pixel_mm, axis[:, None] + n / pixel_mm)
            folded = np.abs(f - np.round(f))  # the samples' own spectrum repeats
            apodised = folded * (1 if response is None else response(folded))
            total += apodised**2 / np.maximum(f, 1e-9) * np.sinc(f) ** 4
    return total


def _windowed(power: Array, taper: Array) -> Array:
    """Return what a periodogram of tapered images has in the mean, from the power on twice the grid."""
    seen = np.abs(np.fft.fft2(taper, power.shape)) ** 2
    return np.real(np.fft.fft2(np.fft.ifft2(power) * np.fft.ifft2(seen)))[::2, ::2] / (taper**2).sum()


def _keys(f: Array) -> Array:
    """Return the four weights (..., 4) of Keys' cubic convolution at fractions f."""
    away = np.abs(f[..., None] - np.array([-1.0, 0.0, 1.0, 2.0]))
    near, far = 1.5 * away**3 - 2.5 * away**2 + 1, -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
    return np.asarray(np.where(away <= 1, near, far))


def reading_weights(chain: Chain, kernel: str, x_mm: float, y_mm: float) -> Array:
    """Return (view, channel): what each corrected line integral adds to the pixel at a place, in HU.

    The way back through linear interpolation, filter, and cubic interpolation over channels and views.
    """
    machine = chain.scanner
    rays = reconstruct.parallel_of(machine)
    response = reconstruct.kernel_response(kernel, machine, focal=chain.options.detector_blur)
    size = 4 * rays.count
    f = np.fft.rfftfreq(size, rays.step_mm)
    taps = np.fft.irfft(reconstruct.ramp(size, rays.step_mm) * response(f), size)
    u = (x_mm * np.cos(rays.thetas_rad) + y_mm * np.sin(rays.thetas_rad) - rays.start_mm) / rays.step_mm
    at, k = np.floor(u).astype(int)[:, None], np.arange(rays.count)[None]
    share = (u - np.floor(u))[:, None]
    beam_ = ct_beam(chain.kvp)
    scale = 10 * np.pi / len(rays.thetas_rad) * 1000 / (beam_.water_per_cm - beam_.air_per_cm)
    parallel = scale * ((1 - share) * taps[at - k] + share * taps[at + 1 - k])
    # samples of t from rays of both sides, half a channel apart, first those at -gamma of the last channel
    centres, channels, pitch = machine.centres(), machine.channels, machine.pitch_rad
    gammas = np.sort(np.concatenate([centres, -centres]))
    t = rays.start_mm + rays.step_mm * np.arange(rays.count)
    places = (np.arcsin(t / machine.sid_mm) - gammas[0]) / (pitch / 2)
    first = np.floor(places).astype(int)
    spread = np.zeros((rays.count, 2 * channels))
    for m, weight in enumerate(_keys(places - first).T):
        np.add.at(spread, (np.arange(rays.count), np.clip(first - 1 + m, 0, 2 * channels - 1)), weight)
    mixed = parallel @ spread
    weights = np.zeros(machine.views * channels)
    for side, sign in ((0, 1.0), (1, -1.0)):
        column = np.searchsorted(gammas, sign * centres - 1e-9)
        views = (rays.thetas_rad[:, None] + centres[None] + np.pi * side) / (2 * np.pi / machine.views)
        first = np.floor(views).astype(int)
        for m, weight in enumerate(np.moveaxis(_keys(views - first), -1, 0)):
            index = ((first - 1 + m) % machine.views) * channels + np.arange(channels)
            weights += np.bincount(index.ravel(), (weight * mixed[:, column]).ravel(), len(weights))
    return weights.reshape(machine.views, channels)


def propagated(chain: Chain, paths: NDArray[np.float32], mas: float) -> Callable[[Array, Array], float]:
    """Return the function that gives the covariance in HU^2 of two pixels from their weights."""
    charge = np.full(chain.scanner.views, mas / chain.scanner.views)
    mean, square = chain.expected(paths, charge)
    lines = chain.lines(mean, square, charge, seed=None)
    step = np.float32(1e-2)
    slope = (chain.corrected(lines + step) - chain.corrected(lines - step)) / (2 * step)
    taps = detector.cross_talk_taps(chain.scanner)
    read = detector.spread(mean, chain.scanner, chain.rotation_s)[0].astype(float)
    electronic = detector.electronic_sd(chain.scanner, chain.height_mm)

    def covariance(one: Array, other: Array) -> float:
        ours = [part * slope / read for part in (one, other)]
        spread = [sum(tap * np.roll(part, n - len(taps) // 2, axis=1) for n, tap in enumerate(taps)) for part in ours]
        return float((spread[0] * spread[1] * square[0]).sum() + electronic**2 * (ours[0] * ours[1]).sum())

    return covariance


def fan_noise_rows(slices: int = 64) -> Iterator[Row]:
    """Yield SD and texture of a whole scan of 20 cm water, against the variance of its readings propagated."""
    machine = scanner("generic-64", lag={})  # lag correlates readings by 1 %; it has tests of its own
    chain, mas, matrix, pixel = chain_of(machine, PhysicsOptions(scatter=False)), 100.0, 192, 0.7
    paths = cylinder(machine, chain.basis, 100.0)
    charge = np.full(machine.views, mas / machine.views)
    expected = chain.expected(paths, charge)
    clean = images(chain, [chain.corrected(chain.lines(*expected, charge, seed=None))], "standard", matrix, pixel)
    noise = np.concatenate([images(chain, [chain.corrected(chain.lines(*expected, charge, seed=Seed(n)))
                                           for n in range(first, first + 8)], "standard", matrix, pixel) - clean
                            for first in range(0, slices, 8)])
    covariance, r = propagated(chain, paths, mas), radius_mm(matrix, pixel)
    ratios = []
    for place in (6.0, 20.0, 33.0, 46.0, 60.0):
        turns = np.radians(np.linspace(0, 90, 4)[:-1] + 7)
        weights = [reading_weights(chain, "standard", place * np.cos(a), place * np.sin(a)) for a in turns]
        truth = np.sqrt(np.mean([covariance(one, one) for one in weights]))
        ring = noise[:, np.abs(r - place) < 4.0]
        ours = np.sqrt((ring**2).mean())
        ratios.append((ours / truth, ring.size))
        yield Row.relative(f"SD of 20 cm water, 100 mAs, {place:g} mm from the middle", ours, truth, 3.0)
    number = np.array([size for _, size in ratios])
    yield Row.relative("SD of all of these over their truth", np.average([ratio for ratio, _ in ratios],
                                                                          weights=number), 1.0, 0.5)
    own = reading_weights(chain, "standard", 5.3, 7.9)
    truths, ours_, near = [], [], r < 16
    variance = (noise[:, near] ** 2).mean()
    for lag in range(1, 9):
        other = reading_weights(chain, "standard", 5.3 + lag * pixel, 7.9)
        truths.append(covariance(own, other) / covariance(own, own))
        pairs = [(noise * np.roll(noise, lag, axis=axis))[:, near].mean() for axis in (1, 2)]
        ours_.append(np.mean(pairs) / variance)
    worst = np.abs(np.subtract(ours_, truths)).argmax()
    yield Row.absolute(f"texture: autocorrelation of the noise, worst of 8 lags ({(worst + 1) * pixel:.1f} mm)",
                       100 * ours_[worst], 100 * truths[worst], 2.6, "%")


def dose_rows() -> Iterator[Row]:
    """Yield how noise depends on mAs and on the diameter."""
    machine = scanner("generic-64")
    options = PhysicsOptions(scatter=False, electronic_noise=False)
    chain = chain_of(machine, options)
    low, high = (_middle_sd(chain, 20, mas, "soft", 30.0) for mas in (25.0, 400.0))
    yield Row.absolute("exponent of noise against mAs, 25 to 400", np.log(high / low) / np.log(16), -0.5, 0.01, "")
    mono = chain_of(machine, options.model_copy(update={"polychromatic": False}))
    for what, one, truth in (
            ("one energy: mu / 2", mono, ct_beam(KVP).water_per_cm / 2),
            # the correction of hardening, steeper behind more water, adds to it
            ("120 kVp: mu / 2 of the published curve", chain, (5.8770 - 2.0342) / 20 / 2)):
        small, large = (_middle_sd(one, cm, 100.0, "sharp", 12.0) for cm in (10, 30))
        yield Row.relative(f"growth of ln(noise) per cm of diameter, 10 to 30 cm, {what}", np.log(large / small) / 20,
                           truth, 3.0 if one is mono else 10.0)


def _middle_sd(chain: Chain, diameter_cm: float, mas: float, kernel: str, within_mm: float) -> float:
    """Return the SD in HU about the middle of a water cylinder, from 24 scans."""
    machine = chain.scanner
    charge = np.full(machine.views, mas / machine.views)
    expected = chain.expected(cylinder(machine, chain.basis, 5.0 * diameter_cm), charge)
    lines = [chain.corrected(chain.lines(*expected, charge, seed=Seed(n))) for n in range(24)]
    stack = np.concatenate([images(chain, lines[n:n + 8], kernel, 100, 0.7) for n in (0, 8, 16)])
    apart = stack - stack.mean(axis=0)
    return float(apart[:, radius_mm(100, 0.7) < within_mm].std() * np.sqrt(24 / 23))


def noise_rows() -> Iterator[Row]:
    """Yield every row about noise."""
    yield from parallel_noise_rows()
    yield from fan_noise_rows()
    yield from dose_rows()


# ---- resolution ----------------------------------------------------------------------------------------------------

def wire_transfer(chain: Chain, kernel: str, x_mm: float, y_mm: float, wire_mm: float = 0.2
                  ) -> tuple[Array, Array, Array, Array]:
    """Return frequencies per mm and the transfer: radial mean, along x, along y, of a thin wire of water in air."""
    matrix, pixel = 256, 0.1
    paths = (mean_chord_cm(chain.scanner, x_mm, y_mm, wire_mm)[:, :, None] * chain.basis.table[1]).astype(np.float32)
    centre = round(x_mm / pixel) * pixel + pixel / 2, round(y_mm / pixel) * pixel + pixel / 2
    image = images(chain, [corrected(chain, paths, 100.0)], kernel, matrix, pixel, centre)[0] + 1000
    f = np.fft.fftfreq(1024, pixel)
    # phase counts from the wire, so that what is random averages out
    dx, dy = (place - middle + (matrix - 1) / 2 * pixel for place, middle in zip((x_mm, y_mm), centre, strict=True))
    transfer = np.real(np.fft.fft2(image, (1024, 1024)) * np.exp(2j * np.pi * (f[None, :] * dx + f[:, None] * dy)))
    radial = np.hypot(f[:, None], f[None, :])
    edges = np.arange(0, 2.0, 0.02) - 0.01
    mean = np.histogram(radial, edges, weights=transfer)[0] / np.histogram(radial, edges)[0]
    bins = (edges[1:] + edges[:-1]) / 2
    along = [np.interp(bins, f[:512], part[:512]) for part in (transfer[0], transfer[:, 0])]
    own = np.where(bins > 0, 2 * j1(2 * np.pi * wire_mm * bins) / np.maximum(2 * np.pi * wire_mm * bins, 1e-9), 1)
    mean, across, down = (part / transfer[0, 0] / own for part in (mean, *along))
    return bins, mean, across, down


def parts_product(chain: Chain, kernel: str, f: Array, *, taps: bool = False) -> Array:
    """Return the transfer that the parts have: focal spot, channel, cross-talk, interpolation, and the filter.

    taps : the focal spot as it is applied, by weights over whole channels, instead of the Gaussian that it stands for.
    """
    machine = chain.scanner
    blur = chain.options.detector_blur
    spot_mm = machine.focal_mm[0] * (machine.sdd_mm - machine.sid_mm) / machine.sdd_mm if blur else 0.0
    focal = np.exp(-((np.pi * spot_mm * f) ** 2) / (4 * np.log(2)))
    if taps and blur:
        weights = detector.focal_taps(machine)
        places = machine.pitch_mm * (np.arange(len(weights)) - len(weights) // 2)
        focal = np.cos(2 * np.pi * np.outer(f, places)) @ weights
    talk = 1 - 2 * machine.cross_talk * (1 - np.cos(2 * np.pi * f * machine.pitch_mm)) if blur else 1.0
    step = reconstruct.parallel_of(machine).step_mm
    apodisation = reconstruct.kernel_response(kernel, machine, focal=blur)(f)
    return np.asarray(focal * talk * np.sinc(f * machine.pitch_mm) * np.sinc(f * step) ** 2 * apodisation)


def height(f: Array, transfer: Array, level: float) -> float:
    """Return the frequency where a transfer falls below a level."""
    n = int(np.argmax(transfer < level))
    return float(np.interp(level, transfer[n:n - 2:-1], f[n:n - 2:-1]))


def resolution_rows() -> Iterator[Row]:
    """Yield the transfer of a wire against the product of the parts and the kernels' own."""
    machine = scanner("generic-64")
    chain = chain_of(machine, PhysicsOptions(polychromatic=False, scatter=False, **QUIET))
    for kernel, nominal in KERNELS.items():
        f, radial, _, _ = wire_transfer(chain, kernel, 3.13, -2.27)
        for what, taps, last in (("focal spot as applied over channels", True, 2.0),
                                 ("focal spot a Gaussian, to 0.65/mm", False, 0.65),
                                 ("focal spot a Gaussian, beyond", False, 2.0)):
            product = parts_product(chain, kernel, f, taps=taps)
            used = (product > 0.1) & (f > 0) & (f <= last)
            worst = np.abs(radial[used] / product[used] - 1).argmax()
            yield Row.relative(f"{kernel}: transfer of a wire over the product of its parts ({what}), worst to 10 %, "
                               f"at {f[used][worst]:.2f}/mm", radial[used][worst], product[used][worst], 3.0)
        for level in (0.5, 0.1):
            yield Row.relative(f"{kernel}: MTF{100 * level:.0f} per mm at the isocentre, wire",
                               height(f, radial, level), height(f, nominal.mtf(f), level), 5.0 if level == 0.5 else 12)
        f, _, across, down = wire_transfer(chain, kernel, 150.0, 0.0)
        sweep = 150.0 * 2 * np.pi / machine.views  # what passes a channel during a view
        yield Row.relative(f"{kernel}: MTF50 per mm 15 cm off, radial", height(f, across, 0.5),
                           height(f, nominal.mtf(f), 0.5), 5.0)
        lost = parts_product(chain, kernel, f) * np.sinc(sweep * f) * keys_transfer(sweep * f)
        yield Row.relative(f"{kernel}: MTF50 per mm 15 cm off, azimuthal (truth: lost to the turn and to interpolation "
                           "between views)", height(f, down, 0.5), height(f, lost, 0.5), 5.0)


def keys_transfer(cycles: Array) -> Array:
    """Return the Fourier transform of Keys' cubic at frequencies in cycles per sample."""
    x = np.linspace(-2, 2, 4001)
    away = np.abs(x)
    kernel = np.where(away <= 1, 1.5 * away**3 - 2.5 * away**2 + 1, -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2)
    return np.asarray([np.trapezoid(kernel * np.cos(2 * np.pi * c * x), x) for c in cycles])


# ---- contrast ------------------------------------------------------------------------------------------------------

def contrast_rows() -> Iterator[Row]:
    """Yield HU of inserts, iodine at two voltages, and contrasts against closed forms."""
    person = load_body("qa-ctp404")
    scene = person.build(SOMEONE, person.sample_spec(SOMEONE, rng=Seed(3).rng()))
    scene = dataclasses.replace(scene, scan_range_mm={"module": (-1.0, 1.0)})
    protocol = CtProtocol(fidelity="physics", scan_range="module", slice_thickness_mm=2.0, table=False, fov_mm=220.0,
                          physics=PhysicsOptions(**QUIET), reconstruction="fbp", mas=200)
    found = acquire_ct(scene, [], protocol, seed=Seed(1))
    places = found.image.grid
    x = places.world_mm([(0, 0, i) for i in range(512)])[:, 0]
    y = places.world_mm([(0, j, 0) for j in range(512)])[:, 1]
    for name, nominal in CTP404.items():
        px, py, _ = scene.landmarks[name]
        inside = np.hypot(x[None, :] - px, y[:, None] - py) < 4.0
        yield Row.absolute(f"CTP404 {name}, 120 kVp", found.image.array[0][inside].mean(), nominal, 15)
    measured = {kvp: rod_contrast(kvp, 5.0, "iodine") for kvp in (80.0, 120.0)}
    for kvp, (ours, truth) in measured.items():
        yield Row.relative(f"5 mg/mL iodine in 20 cm water, {kvp:g} kVp: contrast in HU", ours, truth, 1.4)
    yield Row.absolute("iodine, 80 over 120 kVp (published 1.57)", measured[80.0][0] / measured[120.0][0], 1.57, 0.05,
                       "")
    for name, share in (("cortical_bone", 0.1), ("adipose", 0.3), ("skeletal_muscle", 1.0)):
        yield Row.relative(f"{100 * share:.0f} % {name} in 20 cm water, 120 kVp: contrast in HU",
                           *rod_contrast(120.0, share, name), 1.4)


def rod_contrast(kvp: float, amount: float, name: str) -> tuple[float, float]:
    """Return the contrast in HU of a rod of 12 mm in the middle of 20 cm of water, and its closed form.

    The closed form weights the attenuation by what the detector registers behind the water: a thin rod adds
    sum W mu to the line integral, and the correction scales that by mu_eff / sum W mu_water.

    amount : mg/mL of iodine, or the share of the water that is replaced.
    """
    machine = scanner("generic-64")
    options = PhysicsOptions(scatter=False, **QUIET)
    names = ("water", "iodine") if name == "iodine" else ("water", name)
    per_cm = amount / 1000 / tissue("iodine").density_g_cm3 if name == "iodine" else amount
    added = np.array([0.0 if name == "iodine" else -amount, per_cm])
    basis = Basis(tuple(tissue(one) for one in names), np.zeros((2, 2), np.float32))
    chain = Chain(machine, options, kvp, basis, HEIGHT_MM, TURN_S)
    water = mean_chord_cm(machine, 0.0, 0.0, 100.0, 1)[:, :, None] * [1.0, 0.0]
    rod = mean_chord_cm(machine, 0.0, 0.0, 6.0, 1)[:, :, None] * added
    stacks = [np.repeat(part, machine.views, axis=0).astype(np.float32) for part in (water, water + rod)]
    plain, with_rod = images(chain, [corrected(chain, part, 100.0) for part in stacks], "standard", 64, 0.5)
    inside = radius_mm(64, 0.5) < 4
    tube = beam(machine, kvp)
    mu = {key: linear_attenuation(tissue(key), tube.energies_keV) for key in names}
    signal = detector.response(machine, tube.energies_keV).signal[0]
    weights = tube.photons[machine.channels // 2] * signal * np.exp(-20 * mu["water"])
    scale = ct_beam(kvp)
    truth = (weights @ (added[0] * mu["water"] + added[1] * mu[names[1]])) / (weights @ mu["water"]) * (
        1000 * scale.water_per_cm / (scale.water_per_cm - scale.air_per_cm))
    return float((with_rod - plain)[inside].mean()), float(truth)


# ---- speed ---------------------------------------------------------------------------------------------------------

def speed_rows() -> Iterator[Row]:
    """Yield seconds per slice of 512 x 512, 984 views of 900 channels, everything switched on; the best of three."""
    pixel = 0.8
    x = (np.arange(512) - 255.5) * pixel
    plane = (np.hypot(x[None, :] / 170, x[:, None] / 125) < 1).astype(np.uint16)
    times: dict[int, list[tuple[float, float]]] = {8: [], 1: []}
    for slices in (8, 1) * 3:
        labels = np.repeat(plane[None], slices, axis=0)
        empty = np.zeros(labels.shape, np.uint16)
        phantom = Phantom(Grid.centred(labels.shape, (1.0, pixel, pixel)), labels, empty, empty.astype(np.uint8),
                          empty.astype(np.int16), (WATER,))
        begin, used = time.perf_counter(), time.process_time()
        scan_phantom(phantom, phantom, phantom, phantom, CtProtocol(fidelity="physics"), seed=Seed(1))
        times[slices].append(((time.perf_counter() - begin) / slices, (time.process_time() - used) / slices))
    for slices, found in times.items():
        seconds, cpu = (min(part) for part in zip(*found, strict=True))
        yield Row(f"seconds per slice, {'one alone' if slices == 1 else 'in a run of 8'} ({cpu:.2f} s of all cores)",
                  seconds, 0.0, seconds, 1.5, "s")


def chest() -> None:
    """Scan a chest of 512 x 512 x 300 and print time and peak memory."""
    person = load_body("thorax")
    scene = person.build(SOMEONE, person.sample_spec(SOMEONE, rng=Seed(3).rng()))
    low, high = scene.scan_range_mm["chest"]
    middle = (low + high) / 2
    scene = dataclasses.replace(scene, scan_range_mm={"chest": (middle - 150, middle + 150)})
    begin, told = time.perf_counter(), [0]

    def progress(share: float) -> None:
        if int(20 * share) > told[0]:
            told[0] = int(20 * share)
            print(f"{100 * share:3.0f} % after {time.perf_counter() - begin:.0f} s", flush=True)

    found = acquire_ct(scene, [], CtProtocol(fidelity="physics"), seed=Seed(1), progress=progress)
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    minutes = (time.perf_counter() - begin) / 60
    name = " x ".join(str(n) for n in reversed(found.image.array.shape))
    print(Row(f"chest of {name}: minutes", minutes, 0, minutes, 8, "min"))
    print(Row("its peak memory", peak_gib, 0, peak_gib, 6, "GiB"))


GROUPS = {"beam": beam_rows, "water": water_rows, "noise": noise_rows, "resolution": resolution_rows,
          "contrast": contrast_rows, "speed": speed_rows}


def main() -> None:
    """Print the table, or scan the chest."""
    asked = sys.argv[1:] or list(GROUPS)
    if asked == ["chest"]:
        chest()
        return
    unknown = sorted(set(asked) - set(GROUPS))
    if unknown:
        sys.exit(f"group must be one of {', '.join(GROUPS)} or chest, got {unknown[0]}")
    print("| claim | ours | truth | error | bar |\n|---|---|---|---|---|")
    for name in asked:
        for row in GROUPS[name]():
            print(row, flush=True)


if __name__ == "__main__":
    main()
