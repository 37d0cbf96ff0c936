"""The k-space engine: from components of the object to the image, its targets, its noise and its truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medsynth.acquire.mri.artifacts import add_faults
from medsynth.acquire.mri.clock import Clock, partial_rows
from medsynth.acquire.mri.coils import CoilArray, coil_array, on_grid
from medsynth.acquire.mri.component import Component
from medsynth.acquire.mri.encode import Encoding
from medsynth.acquire.mri.kspace import Measurement, measure, measurement, times_measured
from medsynth.acquire.mri.motion import MotionPlan, plan_motion
from medsynth.acquire.mri.noise import add_noise, noise_sd
from medsynth.acquire.mri.options import Acceleration, Artifacts, Fields, KspaceOptions, Motion, PartialFourier
from medsynth.acquire.mri.reconstruct import (
    Combined,
    Reconstruction,
    combined_shading,
    pixel_shape,
    reconstruct,
)
from medsynth.acquire.mri.streams import Stream, cells_per_hz, streams_of, turned, turned_grid
from medsynth.acquire.mri.trajectory import pulse_factors
from medsynth.core.errors import GeometryError, expected
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume, resample


def acquire_kspace(components: Sequence[Component], encoding: Encoding, clock: Clock, options: KspaceOptions, *,
                   grid: Grid, body: NDArray[np.bool_], b0_hz: NDArray[np.float32] | None = None,
                   arteries: NDArray[np.float32] | None = None, seed: Seed,
                   patient: Seed | None = None) -> Reconstruction:
    """Measure and reconstruct one volume.

    Parameters
    ----------
    components : of the object, on `grid`.
    encoding, clock : of the scan, from `plan` and `make_clock` with the same options.
    grid : of `object_grid`.
    body : (k, j, i) where the patient is: coils lie around it, it turns about its centre of mass.
    b0_hz : (k, j, i) off-resonance from `b0_map`; None for a homogeneous field.
    arteries : (k, j, i) share of the signal that is pulsating blood; None for none.
    seed : streams "noise" and "faults" below it.
    patient : streams "motion" and "pulse" below it: volumes that share it share the patient's movements. `seed` when
        left out.

    Returns
    -------
    Reconstruction
        On `encoding.image_grid`.

    Raises
    ------
    GeometryError, RecipeError
        If what is given does not belong together.
    """
    if body.shape != grid.shape_kji:
        raise GeometryError(expected("shape of the body", body.shape, f"the grid's shape {grid.shape_kji}"))
    field = b0_hz if options.fields.b0 else None
    patient = seed if patient is None else patient
    work, inside = turned_grid(grid, encoding), turned(body, encoding)
    coils = coil_array(options.coils, inside, work)
    motion = plan_motion(options.motion, clock, encoding.phase.samples // 2, inside, work, seed=patient.child("motion"))
    m = measurement(encoding, clock, options, work, coils, motion)
    streams = streams_of(components, encoding, options, grid, clock.lines, field)
    streams += _pulsating(streams, arteries, m, patient)
    kspace = measure(streams, m)
    del streams
    times = times_measured(encoding, clock)
    _cut_readout(kspace, m)
    log: dict[str, object] = {"motion": motion.log(clock)} if not options.motion.still else {}
    log |= add_faults(kspace, options.artifacts, encoding, clock, times, seed=seed.child("faults"))
    sd = noise_sd(options.noise, encoding)
    measured, pixels = _patterns(coils, encoding)
    targets = {}
    if "noise_free" in options.targets:
        targets["noise_free"] = _back(reconstruct(kspace.copy(), 0.0, encoding, options, measured, pixels).image,
                                      encoding)
    add_noise(kspace, times[:, :, None], sd, coils.covariance, seed=seed.child("noise"))
    _cut_readout(kspace, m)
    raw = _raw(kspace, m, measured, sd) if options.raw else {}
    made = reconstruct(kspace, sd / np.sqrt(options.sampling.averages), encoding, options, measured, pixels)
    del kspace
    if "artifact_free" in options.targets:
        targets["artifact_free"] = _ideal(components, m, grid)
    return _finished(made, m, pixels, field, grid, targets, raw, log)


def _pulsating(streams: Sequence[Stream], arteries: NDArray[np.float32] | None, m: Measurement,
               seed: Seed) -> list[Stream]:
    """Return what arterial blood adds to each stream: its share, times how far each line's factor is from 1."""
    pulse = m.options.motion.pulsation
    if arteries is None or not pulse.severity:
        return []
    share = turned(arteries, m.encoding)
    if share.shape != m.grid.shape_kji:
        raise GeometryError(expected("shape of arteries", arteries.shape, "that of the object's grid"))
    factor = pulse_factors(pulse, m.clock.time_s, m.clock.duration_s, seed=seed.child("pulse"))
    return [Stream(stream.image * share, stream.weights * (factor - 1)) for stream in streams]


def _cut_readout(kspace: NDArray[np.complex64], m: Measurement) -> None:
    """Set the samples to 0 that an asymmetric readout does not measure, in place."""
    count = m.encoding.readout.samples
    kspace[..., : count - partial_rows(count, m.options.partial_fourier.readout)] = 0


def _patterns(coils: CoilArray, encoding: Encoding) -> tuple[CoilArray, CoilArray]:
    """Return the coils on the measured matrix and on the image's pixels, (k, phase, readout)."""
    return (on_grid(coils, turned_grid(encoding.measured_grid, encoding)),
            on_grid(coils, turned_grid(encoding.image_grid, encoding)))


def _ideal(components: Sequence[Component], m: Measurement, grid: Grid) -> NDArray[np.complex64]:
    """Return the image of the same coils and resolution without noise, motion, field errors and faults."""
    options = m.options.model_copy(update={
        "acceleration": Acceleration(), "partial_fourier": PartialFourier(), "motion": Motion(),
        "artifacts": Artifacts(), "fields": Fields(b0=False, b1=False, chemical_shift=False)})
    streams = streams_of([Component(c.image, c.weights, 0.0) for c in components], m.encoding, options, grid,
                         m.clock.lines, None)
    whole, clock = _every_line(streams, m)
    plan = MotionPlan(m.motion.poses[:1], np.zeros(clock.time_s.shape, np.int64), m.motion.centre_mm)
    kspace = measure(whole, Measurement(m.encoding, clock, options, m.grid, m.profiles, m.coils, plan))
    measured, pixels = _patterns(m.coils, m.encoding)
    return _back(reconstruct(kspace, 0.0, m.encoding, options, measured, pixels).image, m.encoding)


def _every_line(streams: Sequence[Stream], m: Measurement) -> tuple[list[Stream], Clock]:
    """Return streams and a clock of all lines of k-space; lines that were left out weigh as their neighbours."""
    shape = (m.encoding.slice.samples if m.encoding.dimensions == 3 else 1, m.encoding.phase.samples)
    partition, phase = (a.ravel() for a in np.indices(shape))
    first = np.full(shape, -1)
    first[m.clock.partition[::-1], m.clock.phase[::-1]] = np.arange(m.clock.lines)[::-1]
    nearest = ndimage.distance_transform_edt(first < 0, return_distances=False, return_indices=True)
    line = first[tuple(nearest)].ravel()
    clock = Clock(phase.astype(np.int32), partition.astype(np.int32), m.clock.shot[line], m.clock.echo[line],
                  np.zeros(len(line), np.int32), m.clock.time_s[:, line], m.clock.duration_s)
    return [Stream(s.image, s.weights[:, line]) for s in streams], clock


def _back(array: NDArray[np.complex64], encoding: Encoding) -> NDArray[np.complex64]:
    return np.ascontiguousarray(turned(array, encoding))


def _finished(made: Combined, m: Measurement, pixels: CoilArray, field: NDArray[np.float32] | None, grid: Grid,
              targets: Mapping[str, NDArray[np.complex64]], raw: Mapping[str, NDArray[Any]],
              log: Mapping[str, object]) -> Reconstruction:
    encoding = m.encoding
    shading = np.ones(pixel_shape(encoding), np.float32)
    if not m.options.coils.normalise:
        shading = combined_shading(pixels, pixel_shape(encoding), m.options)
    truth: dict[str, NDArray[np.float32]] = {}
    if field is not None:
        truth["b0_hz"] = resample(Volume(field, grid, "Hz"), encoding.image_grid).array
        for axis, rate in cells_per_hz(encoding, m.options, grid):
            name = ("slice", "phase", "readout")[axis]
            mm = rate * m.grid.spacing_mm[axis]
            truth[f"displacement_{name}_mm"] = np.asarray(truth["b0_hz"] * np.float32(mm), np.float32)
    return Reconstruction(
        _back(made.image, encoding), turned(made.noise_sd, encoding).astype(np.float32),
        None if made.g_factor is None else turned(made.g_factor, encoding).astype(np.float32),
        turned(shading, encoding).astype(np.float32), targets, truth, raw, log)


def _raw(kspace: NDArray[np.complex64], m: Measurement, measured: CoilArray, sd: float) -> dict[str, NDArray[Any]]:
    """Return the arrays of raw data; their schema stands on the page "MRI acquisition"."""
    return {
        "kspace": kspace.copy(),
        "sensitivities": measured.planes(0, 1).reshape(-1, *(axis for axis in m.shape[1:])),
        "noise_covariance": m.coils.covariance * (sd**2),
        "line_phase": m.clock.phase, "line_partition": m.clock.partition, "line_shot": m.clock.shot,
        "line_echo": m.clock.echo, "line_average": m.clock.average, "line_time_s": m.clock.time_s,
        "line_pose": m.motion.index.astype(np.int32),
        "pose_rotation": np.stack([pose.rotation for pose in m.motion.poses]),
        "pose_shift_mm": np.stack([pose.shift_mm for pose in m.motion.poses]),
        "pose_breath": np.array([pose.breath for pose in m.motion.poses]),
        "rotation_centre_mm": m.motion.centre_mm,
        "phase_axis": np.array(m.encoding.phase_axis),
        "fov_mm": np.array([m.encoding.slice.fov_mm, m.encoding.phase.fov_mm, m.encoding.readout.fov_mm]),
    }
