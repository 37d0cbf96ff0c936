"""Sweeps: volumes and sections of straight ones, frames, owners and arc lengths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gamma

from medsynth.core.errors import GeometryError
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.primitives import Capsule
from medsynth.shapes.sweep import Sweep, spline_mm, sweep_distance, sweep_fields

LATTICE = Lattice((-34, -16, -16), (34, 16, 16), 0.8)
STRAIGHT = np.linspace([-20.0, 0, 0], [20.0, 0, 0], 41)


def straight(first: float, second: float, exponent: float = 2.0, normal=(0.0, 1.0, 0.0)) -> Sweep:
    return Sweep(STRAIGHT, np.tile(normal, (41, 1)), np.full(41, first), np.full(41, second), exponent)


def middle_area_mm2(sweep: Sweep) -> float:
    field = LATTICE.sample(sweep)[:, :, 30:-30]
    return float(np.clip(0.5 - field / 0.8, 0, 1).sum() / field.shape[2] * 0.64)


def test_a_straight_round_sweep_is_a_capsule():
    sweep = Sweep.round(STRAIGHT, 6.0)
    points = np.random.Generator(np.random.PCG64(1)).uniform([-29, -12, -12], [29, 12, 12], (2000, 3))
    assert sweep.distance_mm(points) == pytest.approx(
        Capsule((-20, 0, 0), (20, 0, 0), 6.0, 6.0).distance_mm(points), abs=1e-6
    )


@pytest.mark.parametrize(("first", "second"), [(6.0, 6.0), (9.0, 4.0), (3.0, 8.0)])
def test_an_elliptic_sweep_has_the_area_of_its_ellipse(first, second):
    assert middle_area_mm2(straight(first, second)) == pytest.approx(np.pi * first * second, rel=0.01)


@pytest.mark.parametrize("exponent", [2.5, 4.0, 8.0])
def test_a_superellipse_has_its_area(exponent):
    a, b = 8.0, 5.0
    area = 4 * a * b * gamma(1 + 1 / exponent) ** 2 / gamma(1 + 2 / exponent)
    assert middle_area_mm2(straight(a, b, exponent)) == pytest.approx(area, rel=0.015)


def test_the_ends_are_rounded_by_the_lesser_half_axis():
    sweep = straight(8.0, 5.0)
    along = np.array([[x, 0.0, 0.0] for x in (24.9, 25.1, 28.0)])
    assert sweep.distance_mm(along) == pytest.approx([-0.1, 0.1, 3.0], abs=1e-6)
    assert sweep.distance_mm(np.array([[24.0, 7.0, 0.0]])).item() > 0  # a corner that a flat end would have


def test_the_first_half_axis_follows_the_normal():
    sweep = straight(9.0, 4.0, normal=(0.0, 0.0, 1.0))
    ends = np.array([[0, 0, 9.0], [0, 0, -9.0], [0, 4.0, 0], [0, -4.0, 0]])
    assert np.abs(sweep.distance_mm(ends)).max() < 1e-6


def test_frames_are_orthonormal_and_perpendicular_to_the_axis():
    t = np.linspace(0, 4, 80)
    points = np.stack([20 * np.cos(t), 20 * np.sin(t), 8 * t], axis=1)
    for sweep in (Sweep(points, np.tile([0.0, 0.3, 1.0], (80, 1)), np.ones(80), np.ones(80)), Sweep.round(points, 1.0)):
        normal, binormal = sweep.frame()
        tangent = np.gradient(points, axis=0)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        frames = np.stack([tangent, normal, binormal], axis=1)
        assert frames @ np.swapaxes(frames, 1, 2) == pytest.approx(np.broadcast_to(np.eye(3), (80, 3, 3)), abs=1e-9)
        assert np.linalg.det(frames) == pytest.approx(1.0)


def test_a_ring_has_the_volume_of_a_torus():
    t = np.linspace(0, 2 * np.pi, 161)
    ring = Sweep.round(np.stack([11 * np.cos(t), 11 * np.sin(t), 0 * t], axis=1), 3.0)
    lattice = Lattice((-16, -16, -5), (16, 16, 5), 0.7)
    assert lattice.volume_ml(lattice.sample(ring)) == pytest.approx(2 * np.pi**2 * 11 * 9 / 1000, rel=0.01)


def test_a_tapering_sweep_changes_its_area_linearly_with_the_square_of_its_radius():
    radius = np.linspace(3.0, 9.0, 41)
    field = LATTICE.sample(Sweep.round(STRAIGHT, radius))
    areas = np.clip(0.5 - field / 0.8, 0, 1).sum(axis=(0, 1)) * 0.64
    x = LATTICE.x.ravel()
    body = np.abs(x) < 16
    assert areas[body] == pytest.approx(np.pi * np.interp(x, STRAIGHT[:, 0], radius)[body] ** 2, rel=0.04)


def test_fields_on_a_lattice_are_the_distances_and_tell_the_nearest_sweep():
    a = straight(5.0, 3.0)
    b = Sweep.round(STRAIGHT * 0.8 + [0, 9.0, 2.0], 2.5)
    field = sweep_fields([a, b], LATTICE, margin_mm=6.0)
    da, db = LATTICE.sample(a), LATTICE.sample(b)
    near = np.minimum(da, db) < 5
    assert field.values_mm[near] == pytest.approx(np.minimum(da, db)[near], abs=1e-3)
    assert np.all(field.values_mm <= 6.0)
    assert np.all(field.values_mm[~near] > 4.9)
    clear = near & (np.abs(da - db) > 1e-3)
    assert np.array_equal(field.owner[clear], (db < da)[clear].astype(np.uint8))


def test_arc_lengths_run_along_the_axis():
    distance, arc = sweep_distance(Sweep.round(STRAIGHT, 4.0), LATTICE, 8.0)
    x = np.broadcast_to(LATTICE.x, LATTICE.shape)
    inside = (distance < 0) & (np.abs(x) < 19)
    assert arc[inside] == pytest.approx((x + 20)[inside], abs=1e-3)


@pytest.mark.parametrize("exponent", [2.0, 4.0, 10.0])
@pytest.mark.parametrize("normal", [(0, 1, 0), (0, 1, 1)])
def test_the_box_holds_the_inside(exponent, normal):
    sweep = straight(6.0, 6.0, exponent, normal)
    low, high = (np.asarray(b) for b in sweep.bounds_mm())
    points = np.random.Generator(np.random.PCG64(1)).uniform([-28, -11, -11], [28, 11, 11], (20000, 3))
    inside = points[sweep.distance_mm(points) < 0]
    assert np.all((inside >= low) & (inside <= high))


def test_a_spline_passes_through_its_points_evenly_spaced():
    knots = np.array([[0.0, 0, 0], [10, 5, 0], [20, 0, 8], [35, 2, 8]])
    line = spline_mm(knots, 0.5)
    for knot in knots:
        assert np.linalg.norm(line - knot, axis=1).min() < 0.3
    spacing = np.linalg.norm(np.diff(line, axis=0), axis=1)
    assert spacing.max() < 1.0
    assert line[0] == pytest.approx(knots[0])
    assert line[-1] == pytest.approx(knots[-1])


def test_a_spline_through_a_point_twice_is_refused():
    with pytest.raises(GeometryError, match="differ"):
        spline_mm([[0, 0, 0], [0, 0, 0], [1, 1, 1]])


def bad(**change) -> dict:
    good = {
        "points_mm": STRAIGHT,
        "normals": np.tile([0.0, 1, 0], (41, 1)),
        "first_mm": np.ones(41),
        "second_mm": np.ones(41),
    }
    return good | change


@pytest.mark.parametrize(
    "tables",
    [
        bad(first_mm=np.ones(40)),
        bad(normals=np.ones((41, 2))),
        bad(second_mm=np.zeros(41)),
        bad(second_mm=np.full(41, np.nan)),
        bad(points_mm=STRAIGHT[:1], normals=np.ones((1, 3)), first_mm=np.ones(1), second_mm=np.ones(1)),
        bad(exponent=0.5),
    ],
)
def test_tables_that_cannot_be_are_refused(tables):
    with pytest.raises(GeometryError, match="sweep"):
        Sweep(**tables)
