"""k-space of a scan: objects at their poses, heard by the coils, line by line, with faults and noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri import _kernels as kernels
from medsynth.acquire.mri import transform
from medsynth.acquire.mri.clock import Clock
from medsynth.acquire.mri.coils import CoilArray, on_grid
from medsynth.acquire.mri.encode import SLICE, Encoding, offsets, slice_weights
from medsynth.acquire.mri.motion import MotionPlan, Pose, moved_nodes, occupied, spline_nodes
from medsynth.acquire.mri.options import KspaceOptions
from medsynth.acquire.mri.streams import Stream, turned_grid
from medsynth.core.grid import Grid

Complex = NDArray[np.complex64]
FEW_LINES = 40  # up to so many lines are summed directly; more are taken from a fast transform


@dataclass(frozen=True, eq=False)
class Measurement:
    """What is fixed before any line is measured.

    Attributes
    ----------
    grid : of the object's images, turned to (k, phase, readout).
    profiles : (slices, planes) float32 of a 2D scan; one row, the slab's, in 3D.
    """

    encoding: Encoding
    clock: Clock
    options: KspaceOptions
    grid: Grid
    profiles: NDArray[np.float32]
    coils: CoilArray
    motion: MotionPlan

    @property
    def starts(self) -> tuple[int, int, int]:
        """At which cell of the encoded field of view the object starts along (k, phase, readout)."""
        k, j, i = offsets(self.encoding, turned_grid(self.grid, self.encoding))
        return (k, j, i) if self.encoding.phase_axis == 1 else (k, i, j)

    @property
    def correct(self) -> bool:
        """Whether the object's cells are points."""
        return self.options.sampling.aperture_correction

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(coils, k, phase, readout) of k-space."""
        encoding = self.encoding
        return self.coils.count, encoding.slice.samples, encoding.phase.samples, encoding.readout.samples


def times_measured(encoding: Encoding, clock: Clock) -> NDArray[np.int64]:
    """Return (k, phase): how often each line was measured."""
    count = np.zeros((encoding.slice.samples, encoding.phase.samples), np.int64)
    if encoding.dimensions == 2:
        count[:] = np.bincount(clock.phase, minlength=count.shape[1])
    else:
        np.add.at(count, (clock.partition, clock.phase), 1)
    return count


def measure(streams: Sequence[Stream], m: Measurement) -> Complex:
    """Return noise-free k-space (coils, k, phase, readout); lines that are not measured are 0.

    Lines that are measured more than once are averaged.
    """
    kspace = np.zeros(m.shape, np.complex64)
    times = times_measured(m.encoding, m.clock)
    moves = not all(pose.identity for pose in m.motion.poses)
    for stream in streams:
        nodes = spline_nodes(stream.image) if moves else stream.image
        full = occupied(stream.image) if moves else np.zeros((1, 1, 1), bool)
        for number, pose in enumerate(m.motion.poses):
            factors = _factors(stream, m, number, times)
            if not factors.any():
                continue
            image, ramp_mm = stream.image, np.zeros(3)
            if pose.shift_only and not pose.identity and _exact_shift(m, pose):
                ramp_mm = np.asarray(m.grid.direction).T @ pose.shift_mm
            elif not pose.identity:
                image = moved_nodes(nodes, full, m.motion, pose, m.grid)
            _add(kspace, _selected(image, m), factors, ramp_mm, m)
    return kspace


def _exact_shift(m: Measurement, pose: Pose) -> bool:
    """Whether a shift is a mere phase: one uniform coil, and nothing moves through slices or the slab."""
    through = float(np.asarray(m.grid.direction)[:, SLICE] @ pose.shift_mm)
    unselective = m.encoding.dimensions == 3 and m.encoding.thickness_mm is None
    return m.coils.nodes is None and (unselective or abs(through) < 1e-9)


def _factors(stream: Stream, m: Measurement, pose: int, times: NDArray[np.int64]) -> Complex:
    """Return (k, phase): the sum of a stream's weights over the lines measured at a pose, over the number of all."""
    total = np.zeros(times.shape, np.complex128)
    weights = stream.weights
    for row, index in enumerate(m.motion.index):
        at = np.flatnonzero(index == pose)
        line = weights[min(row, len(weights) - 1), at]
        if m.encoding.dimensions == 2:
            np.add.at(total[row], m.clock.phase[at], line)
        else:
            np.add.at(total, (m.clock.partition[at], m.clock.phase[at]), line)
    return (total / np.maximum(times, 1)).astype(np.complex64)


def _selected(image: Complex, m: Measurement) -> Complex:
    """Return the slices (2D) or the slab (3D) of an object."""
    if m.encoding.dimensions == 3:
        if (m.profiles == 1).all():
            return image
        return image * m.profiles[0][:, None, None]
    out = np.zeros((len(m.profiles), *image.shape[1:]), np.complex64)
    for slice_, row in zip(out, m.profiles, strict=True):
        for plane in np.flatnonzero(np.abs(row) > 1e-7):
            slice_ += row[plane] * image[plane]
    return out


def _add(kspace: Complex, planes: Complex, factors: Complex, ramp_mm: NDArray[np.float64], m: Measurement) -> None:
    """Add the lines whose factor is not 0 to all coils' k-space."""
    encoding, (start_k, start_j, start_i) = m.encoding, m.starts
    rows = np.flatnonzero(factors.any(axis=0))
    factors = np.ascontiguousarray(factors[:, rows])
    ramps = [np.exp(-2j * np.pi * transform.frequencies(axis.samples) * mm / axis.fov_mm).astype(np.complex64)
             for axis, mm in zip((encoding.slice, encoding.phase, encoding.readout), ramp_mm, strict=True)]
    if ramp_mm[1]:
        factors *= ramps[1][rows]
    if ramp_mm[0] and encoding.dimensions == 3:
        factors *= ramps[0][:, None]
    few = len(rows) <= min(FEW_LINES, encoding.phase.samples // 3)
    basis = transform.lines_basis(encoding.phase, start_j, planes.shape[1], rows, correct=m.correct) if few else None
    for coil in range(m.coils.count):
        if basis is not None:
            lines = m.coils.lines(planes, coil, basis)
            lines = transform.read_out(lines, 2, encoding.readout, start_i, correct=m.correct)
        else:
            lines = transform.read_out(m.coils.times(planes, coil), 2, encoding.readout, start_i, correct=m.correct)
            lines = transform.encoded(lines, 1, encoding.phase, start_j, correct=m.correct)
            if len(rows) < encoding.phase.samples:
                lines = np.ascontiguousarray(lines[:, rows])
        if encoding.dimensions == 3:
            lines = transform.encoded(lines, 0, encoding.slice, start_k, correct=m.correct)
        if ramp_mm[2]:
            lines *= ramps[2]
        kernels.add_lines(kspace[coil], rows, factors, lines)


def measurement(encoding: Encoding, clock: Clock, options: KspaceOptions, grid: Grid, coils: CoilArray,
                motion: MotionPlan) -> Measurement:
    """Return the measurement of objects on `grid` (k, phase, readout)."""
    profiles = slice_weights(encoding, turned_grid(grid, encoding))
    if encoding.dimensions == 2:  # coils hear slices, not the object's planes
        image = encoding.image_grid
        corner = image.world_mm((0, 0, 0)) - image.centre_mm
        across = np.asarray(grid.direction)[:, SLICE]
        origin = np.asarray(grid.origin_mm)
        origin = origin + across * (across @ (corner - (origin - image.centre_mm)))
        x, y, z = origin.tolist()
        slices = Grid((image.shape_kji[SLICE], *grid.shape_kji[1:]),
                      (image.spacing_mm[SLICE], *grid.spacing_mm[1:]), (x, y, z), grid.direction)
        coils = on_grid(coils, slices)
    return Measurement(encoding, clock, options, grid, profiles, coils, motion)
