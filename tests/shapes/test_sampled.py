"""Sampled shapes against their sources, and lattices of the body."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.errors import GeometryError
from medsynth.shapes.lattice import Lattice, unit_slope
from medsynth.shapes.noise import CoherentNoise
from medsynth.shapes.primitives import Ellipsoid, HalfSpace, RoundBox, Sphere
from medsynth.shapes.sampled import SampledShape, sample

BALL = Sphere((1.3, -2.1, 0.4), 9.0)


def cloud(reach: float, count: int = 3000) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(1)).uniform(-reach, reach, (count, 3))


@pytest.mark.parametrize("step", [0.7, 1.5, 3.0])
def test_nodes_lie_on_whole_multiples_of_the_step_wherever_the_shape_is(step):
    sampled = sample(Ellipsoid((11.3, -7.7, 100.1), (9.0, 5.0, 6.0)), step)
    assert np.asarray(sampled.origin_mm) / step == pytest.approx(
        np.rint(np.asarray(sampled.origin_mm) / step), abs=1e-9
    )


def test_values_at_the_nodes_are_the_distance_of_the_source():
    sampled = sample(BALL, 1.5)
    k, j, i = np.indices(sampled.values_mm.shape)
    nodes = np.stack([i, j, k], axis=-1) * 1.5 + sampled.origin_mm
    assert sampled.values_mm == pytest.approx(BALL.distance_mm(nodes), abs=1e-5)
    assert sampled.distance_mm(nodes) == pytest.approx(BALL.distance_mm(nodes), abs=1e-4)


def test_between_the_nodes_the_error_falls_with_the_square_of_the_step():
    points = cloud(8.0)
    points = points[BALL.distance_mm(points) > -5]  # the middle of a ball is not smooth
    coarse, fine = (
        np.abs(sample(BALL, step).distance_mm(points) - BALL.distance_mm(points)).max() for step in (2.0, 1.0)
    )
    assert coarse < 2.0**2 / 8 * 2 / 4  # h^2 / 8 times the curvature, at least 4 mm from the middle
    assert fine < 0.35 * coarse


def test_beyond_the_lattice_the_distance_grows_with_the_distance_to_it():
    sampled, far = sample(BALL, 1.5), cloud(200.0)
    error = sampled.distance_mm(far) - BALL.distance_mm(far)
    assert np.all(sampled.distance_mm(far)[BALL.distance_mm(far) > 6] > 0)
    assert np.all(np.abs(error) < 20.0)
    away = np.array([[1.3 + d, -2.1, 0.4] for d in (20.0, 40.0, 80.0)])
    assert np.diff(sampled.distance_mm(away)) == pytest.approx([20.0, 40.0], abs=0.01)


def test_the_box_holds_every_node_that_is_inside():
    sampled = sample(BALL, 1.5)
    low, high = (np.asarray(b) for b in sampled.bounds_mm())
    points = cloud(14.0, 20000)
    inside = points[sampled.distance_mm(points) < 0]
    assert np.all((inside >= low) & (inside <= high))
    assert np.all(high - low <= 2 * 9.0 + 2 * 1.5 + 1e-9)


def test_a_field_without_an_inside_has_a_small_box():
    low, high = SampledShape(np.ones((5, 6, 7), np.float32), (0.0, 0.0, 0.0), 2.0).bounds_mm()
    assert np.all(np.asarray(high) - low <= 2.0)


def test_a_sampled_shape_is_not_sampled_again():
    sampled = sample(BALL, 1.5)
    assert sample(sampled, 3.0) is sampled


def test_an_unbounded_shape_is_refused():
    with pytest.raises(GeometryError, match="unbounded HalfSpace"):
        sample(HalfSpace((0, 0, 0), (0, 0, 1)), 1.0)


@pytest.mark.parametrize("step", [0.0, -1.0, float("nan")])
def test_a_step_that_cannot_be_is_refused(step):
    with pytest.raises(GeometryError, match="step"):
        sample(BALL, step)
    with pytest.raises(GeometryError, match="step"):
        Lattice((0, 0, 0), (5, 5, 5), step)
    with pytest.raises(GeometryError, match="step"):
        SampledShape(np.ones((3, 3, 3), np.float32), (0.0, 0.0, 0.0), step)


@pytest.mark.parametrize("values", [np.ones((3, 3)), np.ones((1, 3, 3)), np.full((3, 3, 3), np.nan)])
def test_values_that_cannot_be_are_refused(values):
    with pytest.raises(GeometryError, match="values_mm"):
        SampledShape(values.astype(np.float32), (0.0, 0.0, 0.0), 1.0)


@pytest.mark.parametrize("low", [(0, 0, 5), (0, 0, float("nan")), (0, 9, 0)])
def test_a_lattice_needs_low_below_high(low):
    with pytest.raises(GeometryError, match="low < high"):
        Lattice(low, (5, 5, 5), 1.0)


LATTICE = Lattice((-21.3, -17.0, -15.2), (22.0, 19.9, 16.1), 1.7)


def test_a_lattice_covers_its_box_on_whole_multiples_of_its_step():
    for axis, nodes in enumerate((LATTICE.x.ravel(), LATTICE.y.ravel(), LATTICE.z.ravel())):
        assert nodes / 1.7 == pytest.approx(np.rint(nodes / 1.7), abs=1e-4)
        assert LATTICE.low_mm[axis] - 1.7 < nodes[0] <= LATTICE.low_mm[axis]
        assert LATTICE.high_mm[axis] <= nodes[-1] < LATTICE.high_mm[axis] + 1.7
    assert LATTICE.points_mm.shape == (*LATTICE.shape, 3)
    assert LATTICE.points_mm[0, 0, 0] == pytest.approx(LATTICE.origin_mm)


@pytest.mark.parametrize("radius", [5.0, 9.0, 12.0])
def test_a_lattice_measures_the_volume_of_a_ball(radius):
    field = LATTICE.sample(Sphere((0.3, 0.4, -0.6), radius))
    assert LATTICE.volume_ml(field) == pytest.approx(
        4 / 3 * np.pi * radius**3 / 1000, rel=0.01 if radius > 5 * 1.7 else 0.03
    )


def test_a_lattice_and_sample_agree():
    field = LATTICE.shape_of(LATTICE.sample(BALL))
    points = cloud(10.0)
    assert field.distance_mm(points) == pytest.approx(sample(BALL, 1.7).distance_mm(points), abs=1e-3)


def test_a_lattice_spreads_what_depends_on_one_axis():
    slab = LATTICE.shape_of(np.abs(LATTICE.z) - 4.0)
    assert slab.values_mm.shape == LATTICE.shape
    assert slab.distance_mm(np.array([[3.0, 4.0, 0.0]])) == pytest.approx(-4.0, abs=0.2)


def test_the_noise_of_a_lattice_is_that_of_its_places():
    assert LATTICE.noise(3, 12.0) == pytest.approx(CoherentNoise(3, 12.0).at(LATTICE.points_mm), abs=2e-3)


def test_unit_slope_turns_an_implicit_function_into_a_distance_near_its_surface():
    level = (LATTICE.sample(RoundBox((0, 0, 0), (8.0, 9.0, 10.0), 4.0)) * 1.8).astype(np.float64)
    distance = unit_slope(level, 1.7)
    near = np.abs(level) < 1.0
    assert distance[near] == pytest.approx(level[near] / 1.8, abs=0.15)
