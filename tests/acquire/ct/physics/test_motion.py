"""Motion: rigid shifts to the pixel, a back and a table that stay, mass that stays, a heart of the right size."""

from __future__ import annotations

from itertools import pairwise

import numba
import numpy as np
import pytest

from medsynth.acquire.ct.physics.motion import HEART_REACH, Bounds, bounds_of, moved, phases
from medsynth.acquire.ct.physics.options import Motion
from medsynth.core.errors import GeometryError

MM = 1.5


def disc(shape_ji: tuple[int, int], row: float, column: float, half_rows: float, half_columns: float) -> np.ndarray:
    """Share of each pixel inside an ellipse, by 8 x 8 sub-samples."""
    fine = (np.arange(8) + 0.5) / 8 - 0.5
    y = (np.arange(shape_ji[0])[:, None] + fine).ravel()[:, None]
    x = (np.arange(shape_ji[1])[:, None] + fine).ravel()[None]
    inside = ((y - row) / half_rows) ** 2 + ((x - column) / half_columns) ** 2 < 1
    return inside.reshape(shape_ji[0], 8, shape_ji[1], 8).mean(axis=(1, 3)).astype(np.float32)


def run(shape_ji: tuple[int, int] = (160, 201)) -> tuple[np.ndarray, Bounds]:
    """Two slices of two materials: a body; in the first slice, a heart."""
    rng = np.random.default_rng(1)
    body, heart = disc(shape_ji, 75.0, 100.0, 60.0, 85.0), disc(shape_ji, 65.0, 112.0, 25.0, 25.0)
    water = body * (1 + 0.05 * rng.standard_normal(shape_ji).astype(np.float32))
    maps = np.stack([water, 0.3 * heart, water, 0.1 * body], axis=-1).astype(np.float32)
    masks = np.stack([body, body]) > 0.5, np.stack([heart, 0 * heart]) > 0.5
    return maps, bounds_of(*masks, MM)


def test_bounds_are_the_rows_of_the_body_and_the_circle_of_the_heart():
    _, bounds = run()
    assert (bounds.front[0], bounds.back[0]) == pytest.approx((15, 135), abs=1)
    assert bounds.heart[0] == pytest.approx((65, 112, 25), abs=0.2)
    assert bounds.heart[1, 2] == 0
    nothing = bounds_of(np.zeros((1, 8, 8), bool), None, MM)
    assert nothing.front[0] == nothing.back[0]


def test_in_the_middle_of_the_turn_and_without_motion_the_very_maps_come_back():
    maps, bounds = run()
    everything = Motion(breathing_mm=10, heart_percent=10, shift_mm=(3, 4))
    assert moved(maps, MM, 0.0, everything, bounds) is maps
    assert moved(maps, MM, 0.5, Motion(), bounds) is maps


@pytest.mark.parametrize("phase", [-0.5, 0.5])
def test_a_shift_by_whole_pixels_moves_every_value_to_the_left_and_back(phase: float):
    maps, bounds = run()
    got = moved(maps, MM, phase, Motion(shift_mm=(4 * MM, 6 * MM)), bounds)
    step = np.sign(phase).astype(int)
    np.testing.assert_allclose(got, np.roll(maps, (3 * step, 2 * step), axis=(0, 1)), atol=1e-6)


def test_breathing_in_lifts_the_front_wall_by_its_share_and_leaves_the_back():
    maps, bounds = run()
    got = moved(maps, MM, 0.5, Motion(breathing_mm=4 * MM), bounds)
    np.testing.assert_allclose(got[13:25], maps[15:27], atol=1e-6)  # rigid wall
    assert np.array_equal(got[76:], maps[76:])
    assert np.any(got[60:74] != maps[60:74])


@pytest.mark.parametrize("phase", [-0.5, -0.2, 0.35, 0.5])
def test_breathing_and_shift_keep_the_mass_of_every_material(phase: float):
    maps, bounds = run()
    got = moved(maps, MM, phase, Motion(breathing_mm=12, shift_mm=(5.2, -3.1)), bounds)
    assert got.sum((0, 1)) == pytest.approx(maps.sum((0, 1)), rel=3e-3)
    assert got.sum((0, 1))[0] == pytest.approx(maps.sum((0, 1))[0], rel=1e-3)


@pytest.mark.parametrize(("phase", "percent"), [(0.5, 20.0), (-0.5, 20.0), (0.25, 10.0)])
def test_a_beating_disc_has_the_area_of_its_smaller_radius(phase: float, percent: float):
    maps, bounds = run()
    got = moved(maps, MM, phase, Motion(heart_percent=percent), bounds)
    heart = maps[..., 1].sum()
    assert got[..., 1].sum() == pytest.approx(heart * (1 - phase * percent / 100) ** 2, rel=3e-3)
    assert np.array_equal(got[..., 2:], maps[..., 2:])  # no heart in the second slice
    j, i = np.indices(maps.shape[:2])
    far = np.hypot(j - 65, i - 112) > HEART_REACH * 25 + 1
    assert np.array_equal(got[far], maps[far])
    assert got[..., 0].sum() == pytest.approx(maps[..., 0].sum(), rel=0.01)


def test_a_heart_that_breathes_beats_about_its_moved_middle():
    maps, bounds = run()
    both = moved(maps, MM, 0.5, Motion(breathing_mm=8, heart_percent=10, shift_mm=(6, 0)), bounds)[..., 1]
    breath = moved(maps, MM, 0.5, Motion(breathing_mm=8, shift_mm=(6, 0)), bounds)[..., 1]
    j, i = np.indices(both.shape)
    for axis in (j, i):
        assert (axis * both).sum() / both.sum() == pytest.approx((axis * breath).sum() / breath.sum(), abs=0.25)


def test_the_table_stays_while_the_patient_slides_and_no_mass_is_lost():
    maps, bounds = run()
    table = np.zeros((*maps.shape[:2], 2), bool)
    table[137:145, 30:170] = True
    maps[137:145, 30:170] = 0.7
    got = moved(maps, MM, 0.5, Motion(shift_mm=(4 * MM, -4 * MM)), bounds, table)
    np.testing.assert_allclose(got[140:145, 30:170], 0.7, atol=1e-6)
    assert np.all(got[137:145, 171:] == 0)
    assert got.sum() == pytest.approx(maps.sum(), rel=1e-5)


def test_a_body_too_shallow_for_the_breath_rises_less_and_keeps_its_mass():
    maps = disc((80, 80), 40.0, 40.0, 8.0, 20.0)[..., None]
    bounds = bounds_of(maps[None, ..., 0] > 0.5, None, MM)
    got = moved(maps, MM, 0.5, Motion(breathing_mm=30), bounds)
    assert got.sum() == pytest.approx(maps.sum(), rel=0.01)
    assert got[:30].sum() > 0


def test_the_groups_of_views_cover_the_turn_once_and_are_centred():
    found = phases(984, 10)
    assert found[0][0] == 0
    assert found[-1][1] == 984
    assert all(a[1] == b[0] for a, b in pairwise(found))
    assert sum((last - first) * phase for first, last, phase in found) == pytest.approx(0, abs=1e-9)
    assert -0.5 < found[0][2] < found[-1][2] < 0.5
    assert phases(4, 9) == phases(4, 4)


def test_motion_does_not_depend_on_threads_nor_on_how_slices_are_cut_into_runs():
    maps, bounds = run()
    motion = Motion(breathing_mm=9, heart_percent=15, shift_mm=(2.5, 1.0))
    whole = moved(maps, MM, 0.3, motion, bounds)
    before = numba.get_num_threads()
    try:
        for threads in (1, numba.config.NUMBA_NUM_THREADS):
            numba.set_num_threads(threads)
            assert np.array_equal(moved(maps, MM, 0.3, motion, bounds), whole)
    finally:
        numba.set_num_threads(before)
    for k in (0, 1):
        part = Bounds(bounds.front[k:k + 1], bounds.back[k:k + 1], bounds.heart[k:k + 1])
        lanes = np.ascontiguousarray(maps[..., 2 * k:2 * k + 2])
        assert np.array_equal(moved(lanes, MM, 0.3, motion, part), whole[..., 2 * k:2 * k + 2])


def test_what_does_not_belong_together_is_refused():
    maps, bounds = run()
    with pytest.raises(GeometryError, match="belong together"):
        moved(np.ascontiguousarray(maps[..., :3]), MM, 0.1, Motion(breathing_mm=1), bounds)
    with pytest.raises(GeometryError, match="phase must be in"):
        moved(maps, MM, 0.6, Motion(breathing_mm=1), bounds)
