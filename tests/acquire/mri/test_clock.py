"""The order and time of k-space lines."""

import numpy as np
import pytest

from medsynth.acquire.mri.clock import Timing, make_clock, measured_rows
from medsynth.acquire.mri.encode import plan
from medsynth.core.errors import RecipeError
from medsynth.core.grid import Grid
from tests.acquire.mri.objects import options


def clock_of(shape, timing, dimensions=2, **parts):
    opts = options(**parts)
    encoding = plan(Grid.centred(shape, (5.0, 2.0, 2.0)), opts, dimensions=dimensions, field_T=3.0,
                    bandwidth_hz_px=200.0)
    return encoding, make_clock(encoding, timing, opts)


@pytest.mark.parametrize("order", ["linear", "reverse", "centric", "interleaved"])
@pytest.mark.parametrize("rows", [16, 17])
@pytest.mark.parametrize("train", [1, 4, 16])
def test_every_row_is_measured_once_per_average_and_never_two_at_a_time(order, rows, train):
    _, clock = clock_of((3, rows, 16), Timing(2.0, 0.01, train, 0.01), sampling={"order": order, "averages": 2})
    assert np.bincount(clock.phase).tolist() == [2] * rows
    times = np.sort(clock.time_s.ravel())
    assert np.diff(times).min() > 1e-6
    assert np.all(np.diff(clock.time_s, axis=1) > 0)  # clock order
    assert np.all(np.bincount(clock.shot) <= train)


@pytest.mark.parametrize("centre_echo", [0, 3, 7])
def test_the_middle_of_kspace_is_measured_at_the_echo_that_was_asked_for(centre_echo):
    _, clock = clock_of((1, 64, 16), Timing(2.0, 0.01, 8, 0.01, centre_echo=centre_echo))
    assert set(clock.echo[clock.phase == 32]) == {centre_echo}
    for echo in range(8):  # one echo holds one band of neighbouring rows
        rows = np.sort(clock.phase[clock.echo == echo])
        assert len(rows) == 8
        assert np.all(np.diff(rows) == 1)


def test_centric_starts_in_the_middle_and_reverse_at_the_far_end():
    assert clock_of((1, 16, 16), Timing(1.0), sampling={"order": "centric"})[1].phase[:3].tolist() == [8, 7, 9]
    assert clock_of((1, 16, 16), Timing(1.0), sampling={"order": "reverse"})[1].phase[:2].tolist() == [15, 14]


def test_slices_are_excited_odd_first_and_all_within_one_repetition():
    _, clock = clock_of((5, 16, 16), Timing(1.0, 0.02))
    assert clock.time_s[:, 0] == pytest.approx([0.02, 0.62, 0.22, 0.82, 0.42])
    assert clock.duration_s == pytest.approx(16.0)
    _, passes = clock_of((5, 16, 16), Timing(1.0, 0.02, passes=2))
    assert passes.duration_s == pytest.approx(32.0)
    assert passes.time_s[1, 0] == pytest.approx(16.0 + 0.02)
    _, single = clock_of((5, 16, 16), Timing(0.004, 0.002, sequential=True))
    assert single.time_s[2, 0] == pytest.approx(16 * 0.004 + 0.002)


def test_partitions_run_inside_rows_and_trains_along_either_axis():
    _, plain = clock_of((8, 16, 16), Timing(0.01, 0.0), dimensions=3)
    assert plain.partition[:9].tolist() == [*range(8), 0]
    assert plain.phase[:9].tolist() == [0] * 8 + [1]
    assert plain.time_s[0, -1] == pytest.approx(127 * 0.01)
    _, mprage = clock_of((8, 16, 16), Timing(2.0, 0.5, 8, 0.01, train_axis="partition"), dimensions=3)
    assert mprage.partition[:8].tolist() == list(range(8))
    assert mprage.shot[7] == 0
    assert mprage.shot[8] == 1
    assert mprage.time_s[0, 9] == pytest.approx(2.0 + 0.5 + 0.01)


def test_acceleration_keeps_every_nth_row_with_the_middle_and_calibration():
    opts = options(coils={"count": 4}, acceleration={"method": "grappa", "phase": 3, "calibration_lines": 12})
    rows = measured_rows(60, 1.0, 3, opts, "phase")
    assert set(range(0, 60, 3)) <= set(rows.tolist())
    assert set(range(24, 36)) <= set(rows.tolist())
    assert len(rows) == 20 + 8
    sense = options(coils={"count": 4}, acceleration={"method": "sense", "phase": 4})
    assert measured_rows(64, 1.0, 4, sense, "phase").tolist() == list(range(0, 64, 4))


def test_partial_fourier_leaves_out_the_first_rows():
    _, clock = clock_of((1, 64, 16), Timing(1.0), partial_fourier={"phase": 0.625})
    assert sorted(clock.phase.tolist()) == list(range(24, 64))


@pytest.mark.parametrize(("make", "words"), [
    (lambda: Timing(-1.0), "tr_s must be finite and > 0, got -1.0"),
    (lambda: Timing(1.0, -0.1), "first_echo_s must be finite and >= 0, got -0.1"),
    (lambda: Timing(0.1, 0.05, 16, 0.01), "tr_s must hold the whole echo train of 0.2 s, got 0.1"),
    (lambda: Timing(1.0, 0.0, 4, 0.01, centre_echo=4), r"centre_echo must be in 0..3, the train's echoes, got 4"),
    (lambda: clock_of((40, 16, 16), Timing(1.0, 0.05)), r"must hold the echo train of 0.05 s, got 1 / 40"),
    (lambda: clock_of((4, 16, 16), Timing(1.0, 0.0, 4, 0.01, train_axis="partition")),
     "train_axis of a 2D scan must be 'phase', got 'partition'"),
    (lambda: clock_of((1, 16, 16), Timing(1.0), coils={"count": 4},
                      acceleration={"method": "grappa", "phase": 2, "calibration_lines": 24}),
     "calibration_lines must be <= the 16 rows of the phase axis, got 24"),
])
def test_times_that_cannot_be_are_told(make, words):
    with pytest.raises(RecipeError, match=words):
        make()
