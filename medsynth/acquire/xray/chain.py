"""One exposure, from the phantom to the FOR PROCESSING image and everything that is true of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.acquire.common.basis import Basis
from medsynth.acquire.common.detection_kernels import detected
from medsynth.acquire.xray import detector as sensor
from medsynth.acquire.xray import exposure, scatter
from medsynth.acquire.xray.detector import Detector
from medsynth.acquire.xray.geometry import Geometry, check_corners
from medsynth.acquire.xray.materials import basis_of, boneless, fit, material
from medsynth.acquire.xray.project import Device, body_corners, difference_lengths, path_lengths, tube_paths
from medsynth.acquire.xray.source import Technique, beam_of, fluence, full_beam, hvl_mm, shutters, water_energies
from medsynth.core.seed import Seed
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Structure
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue

Float32 = NDArray[np.float32]
FWHM = 2.3548
LEAST_BLUR = 0.15  # pixels SD, below which the focal spot is a point
SOLID = 0.02  # of water's density: what is thinner is air
RELEVANT_MM = 5.0  # of water: pixels behind more count for the exposure index
TINY = np.float32(1e-20)


@dataclass(frozen=True, eq=False)
class Exposure:
    """One radiograph FOR PROCESSING, and its truth; images are (rows, columns), all in the same linear values.

    Attributes
    ----------
    raw : uint16, linear in exposure, saturated at the detector's top.
    noise_free, scatter_free : float32, the expected image, and that without scatter and glare; None unless asked for.
    primary, scatter : float32, the expected primary and scattered parts behind the grid, before the sensor's blur.
    bone_suppressed : uint16, the same exposure and noise of a body whose bones are soft tissue; its scatter is that of
        the body. None unless asked for.
    twin : uint16, the same exposure and noise without the lesions; None unless asked for.
    water_mm : float32, the thickness of water that weakens the primary beam as much.
    mas : tube current x time.
    index, deviation : exposure index and deviation index.
    kerma_ugy : air kerma of the open beam at the detector's middle.
    dap_ugy_m2 : dose-area product.
    entrance_ugy : incident air kerma at the skin.
    numbers : these and what else files tell of the exposure (JSON values).
    """

    raw: NDArray[np.uint16]
    noise_free: Float32 | None
    scatter_free: Float32 | None
    primary: Float32
    scatter: Float32
    bone_suppressed: NDArray[np.uint16] | None
    twin: NDArray[np.uint16] | None
    water_mm: Float32
    mas: float
    index: float
    deviation: float
    kerma_ugy: float
    dap_ugy_m2: float
    entrance_ugy: float
    numbers: Mapping[str, float | str]


def expose(phantom: Phantom, geometry: Geometry, technique: Technique, detector: Detector, *, seed: Seed,
           healthy: Phantom | None = None, patches: Sequence[Phantom] = (), devices: Sequence[Device] = (),
           pairs: bool = True, bone_suppressed: bool = False) -> Exposure:
    """Take a radiograph.

    Parameters
    ----------
    phantom : the body with its lesions; what is outside its grid is air.
    healthy : the same without lesions, on the same grid: gives the twin.
    patches : finer phantoms of parts of the body (see `path_lengths`).
    devices : thin things that are not in the phantom.
    seed : of the noise.
    pairs : also give the noise-free and the scatter-free image.
    bone_suppressed : also give the image without bones.

    Raises
    ------
    GeometryError
        If the geometry cannot image the body.
    RecipeError
        If a measuring field gets no radiation.
    """
    check_corners(geometry, body_corners(phantom))
    energies, weights = water_energies(technique)
    structures = _structures(phantom, healthy, patches)
    basis = basis_of(structures, energies, weights, technique.phase,
                     further=tuple(dict.fromkeys(d.tissue for d in devices)))
    chain = _Chain(geometry, technique, detector, basis, phantom)
    paths = path_lengths(phantom, geometry, basis.table, patches=patches)
    things = _device_paths(devices, geometry, phantom, basis, energies, weights)
    if things is not None:
        paths += things
    mean, ratio = chain.primary(paths)
    water_mm = chain.water_mm(mean)
    mean = chain.focused(mean)
    scattered = chain.scattered(mean)
    per_mas = chain.total(mean, scattered)
    mas = exposure.automatic_mas(per_mas, technique, detector, geometry)
    noise = _Noise(chain, mas, seed)
    signal = noise.read_out(per_mas, ratio)
    twin = suppressed = None
    if healthy is not None:
        first, change = difference_lengths(phantom, healthy, geometry, basis.table)
        twin = chain.values(noise.changed(signal, per_mas, ratio, paths, first, change))
    if bone_suppressed:
        soft = path_lengths(phantom, geometry, boneless(basis, structures, energies, weights), patches=patches)
        bare, bare_ratio = chain.primary(soft if things is None else soft + things)
        suppressed = chain.values(noise.read_out(chain.total(chain.focused(bare), scattered), bare_ratio))
    expected = [chain.expected(mas * image) if pairs else None
                for image in (per_mas, mean * chain.line)]
    dose = exposure.detector_dose_ugy(mas * per_mas, detector, geometry.pixel_mm)
    index = exposure.exposure_index(dose, (water_mm > RELEVANT_MM) & (chain.open_share > 0.5))
    return _described(chain, mas, index, raw=chain.values(signal), noise_free=expected[0], scatter_free=expected[1],
                      primary=chain.scaled(mas * mean * chain.line),
                      scatter=chain.scaled(mas * chain.scatter_share * scattered), bone_suppressed=suppressed,
                      twin=twin, water_mm=water_mm)


class _Chain:
    """What does not depend on the mAs: beam, grid and detector of one exposure. Signals are keV per pixel and mAs."""

    def __init__(self, geometry: Geometry, technique: Technique, detector: Detector, basis: Basis, phantom: Phantom
                 ) -> None:
        self.geometry, self.technique, self.detector, self.basis = geometry, technique, detector, basis
        self.beam = beam_of(technique)
        self.signal, self.square = sensor.response(detector, self.beam.energies_keV)
        self.open_share = shutters(geometry, technique)
        self.line, self.scatter_share = scatter.grid_transmission(geometry, technique)
        self.arriving = fluence(geometry, technique) * self.open_share * np.float32((geometry.pixel_mm / 10) ** 2)
        self.skin_mm, self.gap_mm = exposure.depths_mm(phantom, geometry, np.abs(basis.table).max(axis=1) > SOLID)

    def primary(self, paths: Float32, box: tuple[slice, slice] = (slice(None), slice(None))
                ) -> tuple[Float32, Float32]:
        """Return the primary signal behind path lengths (rows, columns, B), and its variance over its mean."""
        rows, columns = paths.shape[:2]
        mean, square = (np.empty((1, rows, columns), np.float32) for _ in range(2))
        linear = self.basis.linear_per_cm(self.beam.energies_keV) / np.log(2)
        photons = np.repeat(self.beam.photons[:, None], columns, axis=1)
        detected(np.ascontiguousarray(paths), linear.astype(np.float32), photons.astype(np.float32),
                 self.signal[None].astype(np.float32), self.square[None].astype(np.float32), np.ones(rows, np.float32),
                 mean, square)
        square /= np.maximum(mean, TINY)
        return mean[0] * self.arriving[box], square[0]

    def focused(self, mean: Float32) -> Float32:
        """Return a signal blurred by the focal spot, as magnified as in the body's middle plane."""
        middle_mm = (self.skin_mm + self.geometry.sid_mm - self.gap_mm) / 2
        sd = self.technique.focal_mm * (self.geometry.sid_mm / middle_mm - 1) / FWHM / self.geometry.pixel_mm
        if not self.technique.blur or sd < LEAST_BLUR:
            return mean
        return ndimage.gaussian_filter(mean, sd, mode="nearest", truncate=3.5)

    def scattered(self, mean: Float32) -> Float32:
        """Return the scattered signal before the grid."""
        if not self.technique.scatter:
            return np.zeros_like(mean)
        air = np.float32(self.beam.photons @ self.signal)
        return scatter.scattered(mean, air * self.arriving, self.geometry, self.technique, self.detector, self.gap_mm)

    def total(self, mean: Float32, scattered: Float32) -> Float32:
        """Return all signal behind the grid, glare included."""
        both = mean * self.line + np.float32(self.scatter_share) * scattered
        return scatter.glare(both, self.detector, self.geometry.pixel_mm) if self.technique.scatter else both

    def expected(self, signal: Float32) -> Float32:
        """Return the expected image in values."""
        blurred = sensor.spread(signal, self.detector, self.geometry.pixel_mm) if self.technique.blur else signal
        return self.scaled(blurred)

    def scaled(self, signal: Float32) -> Float32:
        """Return a signal on the scale of the digital values."""
        return sensor.in_values(signal, self.detector, self.geometry.pixel_mm)

    def values(self, signal: Float32) -> NDArray[np.uint16]:
        """Return the digital values of a signal."""
        return sensor.digital(signal, self.detector, self.geometry.pixel_mm)

    def water_mm(self, mean: Float32) -> Float32:
        """Return the thickness of water that weakens the beam as much as the body does."""
        water_cm = np.concatenate([np.linspace(0, 5, 51), np.linspace(5.5, 80, 150)])
        left = np.exp(-np.outer(water_cm, linear_attenuation(tissue("water"), self.beam.energies_keV)))
        depths = -np.log(left @ (self.beam.photons * self.signal) / (self.beam.photons @ self.signal))
        air = np.float32(self.beam.photons @ self.signal)
        depth = np.log(air * self.arriving / np.maximum(mean, TINY * self.arriving))
        return np.interp(depth, depths, 10 * water_cm).astype(np.float32)


class _Noise:
    """The noise of one exposure: the same draws for the image, its twin and its bone-suppressed sibling."""

    def __init__(self, chain: _Chain, mas: float, seed: Seed) -> None:
        self.chain, self.mas = chain, np.float32(mas)
        shape = chain.geometry.shape_ji
        self.quantum: Float32 | None = None
        self.electronic: Float32 | None = None
        if chain.technique.noise:
            self.quantum, self.electronic = (seed.child(name).rng().standard_normal(shape, dtype=np.float32)
                                             for name in ("quantum", "electronic"))

    def read_out(self, per_mas: Float32, ratio: Float32) -> Float32:
        """Return the noisy signal of an expected one."""
        c = self.chain
        return sensor.read_out(self.mas * per_mas, ratio, c.detector, c.geometry.pixel_mm, blur=c.technique.blur,
                               quantum=self.quantum, electronic=self.electronic)

    def changed(self, signal: Float32, per_mas: Float32, ratio: Float32, paths: Float32, first: tuple[int, int],
                change: Float32) -> Float32:
        """Return the noisy signal of another body, whose path lengths differ by `change` from pixel `first` on.

        The scatter stays; beyond the reach of the sensor's blur around the change no value differs.
        """
        c = self.chain
        if not change.size:
            return signal
        low = [max(0, f - sensor.PAD) for f in first]
        high = [min(n, f + size + sensor.PAD) for n, f, size in
                zip(c.geometry.shape_ji, first, change.shape[:2], strict=True)]
        box = slice(low[0], high[0]), slice(low[1], high[1])
        inner = tuple(slice(f - a, f - a + size) for f, a, size in zip(first, low, change.shape[:2], strict=True))
        other = paths[box].copy()
        other[inner] += change
        before, after = c.primary(paths[box], box), c.primary(other, box)
        difference = c.focused(after[0] - before[0]) * np.broadcast_to(c.line, per_mas.shape)[box]
        old = self.mas * per_mas[box]
        new = np.maximum(old + self.mas * np.float32(1 - c.detector.glare_share) * difference, 0)
        new_ratio = ratio[box] + after[1] - before[1]
        noise = None
        if self.quantum is not None:
            draws = self.quantum[box]
            noise = sensor.quantum_noise(new, new_ratio, draws) - sensor.quantum_noise(old, ratio[box], draws)
        delta = new - old
        if c.technique.blur:
            delta = sensor.spread(delta, c.detector, c.geometry.pixel_mm, noise=noise)
        elif noise is not None:
            delta = delta + noise
        out = signal.copy()
        out[box] += delta
        return out


def _structures(phantom: Phantom, healthy: Phantom | None, patches: Sequence[Phantom]) -> tuple[Structure, ...]:
    """Return every structure that some voxel of these phantoms holds, once."""
    found: dict[int, Structure] = {}
    for one in (phantom, *patches, *([] if healthy is None else [healthy])):
        present = np.bincount(one.labels.ravel(), minlength=65536) + np.bincount(one.neighbour.ravel(), minlength=65536)
        found |= {s.label: s for s in one.structures if present[s.label]}
    return tuple(found.values())


def _device_paths(devices: Sequence[Device], geometry: Geometry, phantom: Phantom, basis: Basis,
                  energies: NDArray[np.float64], weights: NDArray[np.float64]) -> Float32 | None:
    """Return what devices add to the path lengths (rows, columns, B), less what they displace; None for no device."""
    if not devices:
        return None
    out = np.zeros((*geometry.shape_ji, len(basis.names)), np.float32)
    for device in devices:
        solid, displaced = tube_paths(device.tubes, geometry, phantom, basis.table)
        parts, _ = fit(basis.names, linear_attenuation(material(device.tissue), energies), energies, weights)
        out += solid[..., None] * parts.astype(np.float32)
        if device.displaces:
            out -= displaced
    return out


def _described(chain: _Chain, mas: float, index: float, **images: Any) -> Exposure:
    """Return the exposure with its numbers."""
    g, t, d = chain.geometry, chain.technique, chain.detector
    target = t.target_index or exposure.INDEX_PER_UGY * t.dose_ugy
    deviation = exposure.deviation_index(index, target)
    kerma = full_beam(t, layers=True).kerma_ugy * mas * (1000 / g.sid_mm) ** 2
    dap = exposure.dose_area_product(g, t, chain.open_share, mas)
    incident, surface = exposure.entrance_ugy(t, chain.skin_mm, mas)
    before = full_beam(t)
    numbers: dict[str, float | str] = {
        "kvp": t.kvp, "mas": mas, "tube": t.tube, "detector": d.name, "grid": t.grid, "focal_mm": t.focal_mm,
        "hvl_mm_al": hvl_mm(before), "mean_keV": before.mean_keV, "sid_mm": g.sid_mm,
        "source_to_skin_mm": chain.skin_mm, "air_gap_mm": chain.gap_mm,
        "exposure_index": index, "target_exposure_index": target, "deviation_index": deviation,
        "detector_kerma_ugy": kerma, "dap_ugy_m2": dap, "entrance_kerma_ugy": incident, "entrance_dose_ugy": surface,
        "values_per_ugy": d.values_per_ugy}
    return Exposure(**images, mas=mas, index=index, deviation=deviation, kerma_ugy=kerma, dap_ugy_m2=dap,
                    entrance_ugy=incident, numbers=numbers)
