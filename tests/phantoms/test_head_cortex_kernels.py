"""The cortex's inner loops against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from phantoms.head.cortex_kernels import carve_sulci, gather, polyline_distance, redistance


def _axes(shape: tuple[int, int, int], step: float) -> tuple[np.ndarray, ...]:
    return tuple(np.meshgrid(*((np.arange(n) - n // 2) * step for n in shape), indexing="ij"))


@pytest.mark.parametrize("step", [0.8, 1.5])
def test_redistance_turns_a_steep_ball_into_its_distance(step: float):
    z, y, x = _axes((48, 51, 54), step)
    true = np.sqrt(x * x + y * y + z * z) - 14.0 * step
    squeezed = np.where(np.abs(true) < step, true, true * 1.7).astype(np.float32)
    redistance(squeezed, step, 6.0 * step)
    near = np.abs(true) < 4 * step
    assert np.abs(squeezed - true)[near].max() < 0.35 * step
    assert np.array_equal(squeezed[near] < 0, true[near] < 0)


def test_gather_reads_a_linear_field_exactly():
    z, y, x = np.meshgrid(*(np.arange(7.0),) * 3, indexing="ij")
    pack = np.stack([x + 2 * y, 3 * z - y], axis=-1).astype(np.float32)
    places = np.random.default_rng(1).uniform(0.2, 5.8, (50, 3)).astype(np.float32)
    out = np.empty((50, 2), np.float32)
    gather(pack, places, out)
    assert np.allclose(out[:, 0], places[:, 0] + 2 * places[:, 1], atol=1e-4)
    assert np.allclose(out[:, 1], 3 * places[:, 2] - places[:, 1], atol=1e-4)


def test_polyline_distance_names_the_nearest_curve():
    starts = np.array([[0.0, 0, 0], [0, 10, 0]])
    ends = np.array([[10.0, 0, 0], [10, 10, 0]])
    points = np.array([[5.0, 2, 0], [5, 9, 0], [-3, 0, 4]])
    distance, which = np.empty(3), np.empty(3, np.int64)
    polyline_distance(points, starts, ends, np.array([7, 8]), distance, which)
    assert np.allclose(distance, [2, 1, 5])
    assert which.tolist() == [7, 8, 7]


def test_a_flat_hull_with_straight_stripes_gets_sulci_of_the_asked_depth_width_and_spacing():
    step, wave, width, deepest = 1.0, 12.0, 2.0, 15.0
    nz, ny, nx = 41, 20, 64  # the hull is the plane z = 0 and the brain under it
    z = (np.arange(nz) - 35.0)[:, None, None] + np.zeros((nz, ny, nx))
    x = np.arange(nx)[None, None, :] + np.zeros((nz, ny, nx))
    hull = np.stack([z, 0 * z, 0 * z, 0 * z + 1], axis=-1)
    k = 2 * np.pi / wave
    fold = np.stack([-np.cos(k * x), k * np.sin(k * x), 0 * x, 0 * x], axis=-1)
    folds = np.concatenate([fold, fold], axis=-1)
    depths = np.stack([0 * x + deepest, 0 * x, 0 * x + 1], axis=-1)
    both = [np.ascontiguousarray(np.stack([a, a]), np.float32) for a in (hull, 0 * hull[..., :3], folds, depths)]
    origin = np.array([0.0, 0.0, -35.0])
    out, under = np.empty((nz, ny, nx), np.float32), np.empty((nz, ny, nx), np.float32)
    waves = np.array([wave, 7.0])
    carve_sulci(*both, origin, step, origin, step, waves, width, 3.0, out, under)
    level = out[:, 10, :]
    assert np.allclose(under[:, 10, 5], -z[:, 10, 5], atol=0.01)
    at_8_mm = level[35 - 8]
    peaks = (at_8_mm[1:-1] > at_8_mm[:-2]) & (at_8_mm[1:-1] > at_8_mm[2:])
    assert np.flatnonzero(peaks).tolist() == [11, 23, 35, 47, 59]
    assert at_8_mm[24] == pytest.approx(width / 2, abs=0.05)
    assert at_8_mm[30] < -4
    column = level[:36, 24][::-1]  # downwards in the middle of a sulcus
    assert np.all(column[1:14] > 0)
    assert np.all(column[17:] < 0)
