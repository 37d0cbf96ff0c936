"""When each line of k-space is measured, and in which shot and echo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medsynth.acquire.mri.encode import SLICE, Encoding
from medsynth.acquire.mri.options import KspaceOptions, Order
from medsynth.core.errors import RecipeError, expected

Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of a sequence.

    Attributes
    ----------
    tr_s : from one shot of a slice or slab to its next.
    first_echo_s : from the start of a shot to its first measured line.
    train, echo_spacing_s : measured lines per shot and the time between them.
    train_axis : along which axis of k-space a train runs; a 3D scan may use either.
    centre_echo : echo of the train (0 is the first) that carries the middle of k-space; None leaves it to the order.
    passes : groups of slices that are measured one after the other, each over the whole scan's shots.
    sequential : whether each slice is finished before the next one starts.
    """

    tr_s: float
    first_echo_s: float = 0.0
    train: int = 1
    echo_spacing_s: float = 0.0
    train_axis: Literal["phase", "partition"] = "phase"
    centre_echo: int | None = None
    passes: int = 1
    sequential: bool = False

    def __post_init__(self) -> None:
        for name in ("first_echo_s", "echo_spacing_s"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise RecipeError(expected(name, getattr(self, name), "finite and >= 0"))
        if not (np.isfinite(self.tr_s) and self.tr_s > 0):
            raise RecipeError(expected("tr_s", self.tr_s, "finite and > 0"))
        if self.train < 1 or self.passes < 1:
            raise RecipeError(expected("train and passes", (self.train, self.passes), "whole numbers >= 1"))
        if self.centre_echo is not None and not 0 <= self.centre_echo < self.train:
            raise RecipeError(expected("centre_echo", self.centre_echo, f"in 0..{self.train - 1}, the train's echoes"))
        lasts = self.first_echo_s + (self.train - 1) * self.echo_spacing_s
        if lasts > self.tr_s * (1 + 1e-9):
            raise RecipeError(f"tr_s must hold the whole echo train of {lasts:g} s, got {self.tr_s:g}")


@dataclass(frozen=True, eq=False)
class Clock:
    """The measured lines of a slice (2D) or of the slab (3D), in the order in which they are measured.

    Attributes
    ----------
    phase, partition : (lines,) int32 row of k-space along the phase-encoded axis and along partitions, 0 at the most
        negative frequency, n // 2 in the middle; `partition` is 0 in 2D.
    shot, echo, average : (lines,) int32; `echo` counts within the train.
    time_s : (slices, lines) float64 since the start of the scan; one row in 3D.
    duration_s : of the whole scan.
    """

    phase: Ints
    partition: Ints
    shot: Ints
    echo: Ints
    average: Ints
    time_s: NDArray[np.float64]
    duration_s: float

    @property
    def lines(self) -> int:
        """How many lines are measured per slice or slab, averages counted."""
        return len(self.phase)


def make_clock(encoding: Encoding, timing: Timing, options: KspaceOptions) -> Clock:
    """Return when the lines of a scan are measured.

    The lines along the train's axis are put in order and cut into as many bands as a train has echoes; echo e of every
    shot takes one line of band e, so that contrast changes smoothly over k-space. With `centre_echo` the bands are
    rolled until the middle of k-space is measured at that echo.

    Raises
    ------
    RecipeError
        If trains are asked along partitions of a 2D scan, or the slices of a pass do not fit into the repetition time.
    """
    phases = measured_rows(encoding.phase.samples, options.partial_fourier.phase, options.acceleration.phase,
                           options, "phase")
    partitions: Ints = np.zeros(1, np.int32)
    if encoding.dimensions == 3:
        partitions = measured_rows(encoding.slice.samples, options.partial_fourier.slice, options.acceleration.slice,
                                   options, "slice")
    elif timing.train_axis == "partition":
        raise RecipeError(expected("train_axis of a 2D scan", timing.train_axis, "'phase'"))
    inner, outer = (phases, partitions) if timing.train_axis == "phase" else (partitions, phases)
    inner_count = (encoding.phase if timing.train_axis == "phase" else encoding.slice).samples
    outer_count = (encoding.slice if timing.train_axis == "phase" else encoding.phase).samples
    inner_order, outer_order = options.sampling.order, options.sampling.partition_order
    rows, shot, echo = trains(inner, inner_count, inner_order, timing.train, timing.centre_echo)
    others = ordered(outer, outer_count, outer_order)
    # A train's axis runs inside; without trains along phase in 3D all partitions of a row come before the next row.
    if timing.train_axis == "phase" and timing.train == 1:
        inner_rows, other_rows = np.repeat(rows, len(others)), np.tile(others, len(rows))
        shots: NDArray[np.integer] = np.arange(len(inner_rows))
        echoes: NDArray[np.integer] = np.zeros_like(shots)
    else:
        inner_rows, other_rows = np.tile(rows, len(others)), np.repeat(others, len(rows))
        shots = np.tile(shot, len(others)) + np.repeat(np.arange(len(others)) * (int(shot.max()) + 1), len(rows))
        echoes = np.tile(echo, len(others))
    averages = options.sampling.averages
    per_average = int(shots.max()) + 1
    average = np.repeat(np.arange(averages), len(shots))
    shots = np.tile(shots, averages) + average * per_average
    echoes = np.tile(echoes, averages)
    time = timing.first_echo_s + shots * timing.tr_s + echoes * timing.echo_spacing_s
    starts, duration = _slice_starts(encoding, timing, options, per_average * averages)
    phase, partition = (inner_rows, other_rows) if timing.train_axis == "phase" else (other_rows, inner_rows)
    return Clock(_int(np.tile(phase, averages)), _int(np.tile(partition, averages)), _int(shots), _int(echoes),
                 _int(average), starts[:, None] + time[None, :], duration)


def measured_rows(count: int, partial: float, acceleration: int, options: KspaceOptions, axis: str) -> Ints:
    """Return the measured rows of an axis with `count` of them, in ascending order.

    Partial Fourier leaves out the first rows. Acceleration measures every nth row, the middle one among them, and for
    GRAPPA the calibration lines around it.

    Raises
    ------
    RecipeError
        If the axis is too short for the calibration lines.
    """
    rows = np.arange(count - partial_rows(count, partial), count)
    if acceleration == 1:
        return _int(rows)
    middle = count // 2
    kept = (rows - middle) % acceleration == 0
    if options.acceleration.method == "grappa":
        lines = options.acceleration.calibration_lines
        if lines > count:
            raise RecipeError(f"calibration_lines must be <= the {count} rows of the {axis} axis, got {lines}")
        kept |= (rows >= middle - lines // 2) & (rows < middle - lines // 2 + lines)
    return _int(rows[kept])


def partial_rows(count: int, share: float) -> int:
    """Return how many of `count` rows are measured for a partial Fourier share, always more than half of them.

    Examples
    --------
    >>> partial_rows(64, 0.75), partial_rows(63, 1.0)
    (48, 63)
    """
    return count if share >= 1 else min(count, max(round(count * share), count - count // 2 + 1))


def ordered(rows: NDArray[np.integer], count: int, order: Order) -> NDArray[np.integer]:
    """Return the rows in the order in which they are measured.

    Examples
    --------
    >>> ordered(np.arange(6), 6, "centric").tolist(), ordered(np.arange(5), 5, "interleaved").tolist()
    ([3, 2, 4, 1, 5, 0], [0, 2, 4, 1, 3])
    """
    if order == "reverse":
        return rows[::-1]
    if order == "centric":
        return rows[np.argsort(np.abs(2 * (rows - count // 2) + 0.5), kind="stable")]
    if order == "interleaved":
        return np.concatenate([rows[::2], rows[1::2]])
    return rows


def trains(rows: Ints, count: int, order: Order, train: int,
           centre_echo: int | None) -> tuple[NDArray[np.integer], Ints, Ints]:
    """Return rows, shot and echo of each line of one axis, in the order of measurement."""
    sequence = ordered(rows, count, "linear" if order == "interleaved" and train > 1 else order)
    total = len(sequence)
    echo = np.arange(total) * train // total if total >= train else np.arange(total)
    if centre_echo is not None:
        middle = int(echo[int(np.flatnonzero(sequence == count // 2)[0])])
        echo = (echo + centre_echo - middle) % train
    shot = np.zeros(total, np.int64)
    for e in range(train):
        at = np.flatnonzero(echo == e)
        shot[at] = np.arange(len(at))
    by_time = np.lexsort((echo, shot))
    return sequence[by_time], _int(shot[by_time]), _int(echo[by_time])


def _slice_starts(encoding: Encoding, timing: Timing, options: KspaceOptions,
                  shots: int) -> tuple[NDArray[np.float64], float]:
    """Return when each slice's first shot starts, (slices,), and the duration of the scan."""
    whole = shots * timing.tr_s
    if encoding.dimensions == 3:
        return np.zeros(1), whole
    count = encoding.axes[SLICE].pixels
    order = slice_order(count, interleaved=options.sampling.interleaved_slices)
    starts = np.zeros(count)
    if timing.sequential:
        starts[order] = np.arange(count) * whole
        return starts, count * whole
    per_pass = -(-count // timing.passes)
    lasts = timing.first_echo_s + (timing.train - 1) * timing.echo_spacing_s
    if lasts > timing.tr_s / per_pass * (1 + 1e-9):
        raise RecipeError(f"tr_s / slices per pass must hold the echo train of {lasts:g} s, got {timing.tr_s:g} / "
                          f"{per_pass}")
    position = np.arange(count)
    starts[order] = position // per_pass * whole + position % per_pass * timing.tr_s / per_pass
    return starts, timing.passes * whole


def slice_order(count: int, *, interleaved: bool) -> NDArray[np.int64]:
    """Return the slices in the order in which they are excited.

    Examples
    --------
    >>> slice_order(5, interleaved=True).tolist()
    [0, 2, 4, 1, 3]
    """
    return np.concatenate([np.arange(0, count, 2), np.arange(1, count, 2)]) if interleaved else np.arange(count)




def _int(values: NDArray[np.integer]) -> Ints:
    return np.ascontiguousarray(values, np.int32)
