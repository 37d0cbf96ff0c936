"""Shapes against closed forms: distances, blends, noise, lattices, lofts, sweeps, contact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsynth.core.errors import GeometryError
from medsynth.shapes.blend import Difference, Intersection, Offset, Shell, Union, smooth_max, smooth_min
from medsynth.shapes.contact import compete
from medsynth.shapes.lattice import Lattice, unit_slope
from medsynth.shapes.loft import PolarLoft
from medsynth.shapes.noise import CoherentNoise
from medsynth.shapes.primitives import Capsule, Cylinder, Ellipsoid, HalfSpace, RoundBox, Sphere, rotation
from medsynth.shapes.sampled import SampledShape, sample
from medsynth.shapes.sweep import Sweep, spline_mm, sweep_distance, sweep_fields

RNG = np.random.default_rng(5)
POINTS = RNG.uniform(-30, 30, (4000, 3))

EXACT = {
    "sphere": Sphere((1, -2, 3), 9.0),
    "capsule": Capsule((-8, 2, 1), (9, -4, 6), 4.0, 4.0),
    "box": RoundBox((2, 1, -3), (9, 6, 4), 1.5, rotation(20, -30, 40)),
    "cylinder": Cylinder((1, 2, 3), 6.0, 9.0, (0.3, -0.4, 0.8660254)),
    "plane": HalfSpace((1, 2, 3), (1, 2, -2)),
}
BOUNDED = {**EXACT, "ellipsoid": Ellipsoid((1, 2, 3), (12, 5, 8), rotation(10, 50, -20)),
           "cone": Capsule((-8, 2, 1), (9, -4, 6), 5.0, 2.0)}
del BOUNDED["plane"]


@pytest.mark.parametrize("name", sorted(EXACT))
def test_exact_distances_change_by_no_more_than_the_step_and_reach_the_surface(name):
    shape = EXACT[name]
    assert shape.exact
    here = shape.distance_mm(POINTS)
    step = RNG.normal(size=POINTS.shape)
    step *= 0.7 / np.linalg.norm(step, axis=1, keepdims=True)
    assert np.all(np.abs(shape.distance_mm(POINTS + step) - here) <= 0.7 + 1e-9)
    # An exact distance takes one to the surface: walk down the gradient by it.
    outside = here > 0.5
    gradient = np.stack([(shape.distance_mm(POINTS + e) - shape.distance_mm(POINTS - e)) / 2e-4
                         for e in 1e-4 * np.eye(3)], axis=-1)
    landed = POINTS[outside] - here[outside, None] * gradient[outside]
    assert np.median(np.abs(shape.distance_mm(landed))) < 1e-5


def test_sphere_and_box_distances_are_the_closed_forms():
    assert Sphere((0, 0, 0), 5).distance_mm(np.array([[3.0, 4, 0], [0, 0, 12]])) == pytest.approx([0, 7])
    box = RoundBox((0, 0, 0), (4, 5, 6))
    assert box.distance_mm(np.array([[7.0, 9, 0], [0, 0, 0], [5.0, 0, 0]])) == pytest.approx([5, -4, 1])


@pytest.mark.parametrize("name", sorted(BOUNDED))
def test_bounds_hold_every_inside_point(name):
    shape = BOUNDED[name]
    inside = POINTS[shape.distance_mm(POINTS) < 0]
    low, high = shape.bounds_mm()
    assert len(inside) > 20
    assert np.all(inside >= np.asarray(low) - 1e-9)
    assert np.all(inside <= np.asarray(high) + 1e-9)


def test_ellipsoid_distance_is_zero_with_unit_slope_on_its_surface():
    shape = BOUNDED["ellipsoid"]
    direction = RNG.normal(size=(500, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    surface = np.asarray(shape.centre_mm) + (direction * shape.radii_mm) @ np.asarray(shape.turn).T
    normal = (direction / shape.radii_mm) @ np.asarray(shape.turn).T
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    assert np.abs(shape.distance_mm(surface)).max() < 1e-9
    slope = (shape.distance_mm(surface + 1e-4 * normal) - shape.distance_mm(surface - 1e-4 * normal)) / 2e-4
    assert slope == pytest.approx(np.ones(500), abs=1e-4)


@pytest.mark.parametrize("make", [
    lambda: Sphere((0, 0, 0), 0.0), lambda: Sphere((0, 0, 0), float("nan")), lambda: Ellipsoid((0, 0, 0), (1, -1, 1)),
    lambda: RoundBox((0, 0, 0), (1, 1, 1), 2.0), lambda: Capsule((0, 0, 0), (1, 0, 0), 1.0, 0.0),
    lambda: CoherentNoise(1, 0.0), lambda: Lattice((0, 0, 0), (0, 1, 1), 1.0),
    lambda: sample(HalfSpace((0, 0, 0), (0, 0, 1)), 1.0)])
def test_impossible_shapes_are_refused(make):
    with pytest.raises(GeometryError):
        make()


@settings(max_examples=60, deadline=None)
@given(a=st.floats(-20, 20), b=st.floats(-20, 20), width=st.floats(0.1, 10))
def test_smooth_minimum_is_symmetric_below_the_minimum_and_exact_beyond_its_width(a, b, width):
    value = float(smooth_min(np.float64(a), np.float64(b), width))
    assert value == pytest.approx(float(smooth_min(np.float64(b), np.float64(a), width)))
    assert min(a, b) - width / 4 - 1e-9 <= value <= min(a, b) + 1e-9
    if abs(a - b) >= width:
        assert value == pytest.approx(min(a, b))
    assert float(smooth_max(np.float64(-a), np.float64(-b), width)) == pytest.approx(-value)


def test_combined_shapes_have_the_sets_they_name():
    a, b = Sphere((0, 0, 0), 9.0), Sphere((7, 0, 0), 6.0)
    in_a, in_b = a.distance_mm(POINTS) < 0, b.distance_mm(POINTS) < 0
    assert np.array_equal(Union(a, b).distance_mm(POINTS) < 0, in_a | in_b)
    assert np.array_equal(Intersection(a, b).distance_mm(POINTS) < 0, in_a & in_b)
    assert np.array_equal(Difference(a, b).distance_mm(POINTS) < 0, in_a & ~in_b)
    depth = np.linalg.norm(POINTS, axis=1)
    assert np.array_equal(Shell(a, 2.0).distance_mm(POINTS) < 0, (depth < 9) & (depth > 7))
    assert np.array_equal(Offset(a, 3.0).distance_mm(POINTS) < 0, depth < 12)


def test_noise_has_zero_mean_unit_variance_and_its_wavelength():
    points = RNG.uniform(-4000, 4000, (200_000, 3))
    values = CoherentNoise(11, 20.0).at(points)
    assert abs(values.mean()) < 0.02
    assert values.std() == pytest.approx(1.0, abs=0.02)
    scaled = CoherentNoise(11, 40.0).at(2 * points[:100])
    assert scaled == pytest.approx(values[:100], abs=1e-4)
    near = CoherentNoise(11, 20.0).at(points + [20.0 / 40, 0, 0])
    assert np.corrcoef(values, near)[0, 1] > 0.97
    assert abs(np.corrcoef(values, CoherentNoise(12, 20.0).at(points))[0, 1]) < 0.02


def test_noise_on_axes_is_noise_at_the_nodes():
    lattice = Lattice((-40, -20, 10), (30, 25, 50), 2.5)
    assert lattice.noise(3, 17.0) == pytest.approx(CoherentNoise(3, 17.0).at(lattice.points_mm), abs=1e-5)


def test_sampled_shapes_agree_with_their_source_and_share_nodes():
    shape = Sphere((1.3, 0.2, -0.7), 20.0)
    field = sample(shape, 1.5)
    assert np.asarray(field.origin_mm) / 1.5 == pytest.approx(np.round(np.asarray(field.origin_mm) / 1.5))
    points = RNG.uniform(-20, 20, (4000, 3))
    points = points[np.linalg.norm(points, axis=1) > 8]  # the distance has a cusp at the middle
    assert field.distance_mm(points) == pytest.approx(shape.distance_mm(points), abs=0.12)
    far = np.array([[200.0, 0, 0]])
    assert field.distance_mm(far)[0] > 150
    assert sample(field, 9.0) is field
    with pytest.raises(GeometryError, match="finite"):
        SampledShape(np.full((3, 3, 3), np.nan, np.float32), (0, 0, 0), 1.0)


def test_a_round_loft_is_a_cylinder_and_a_loft_passes_through_its_radii():
    angles, levels = np.arange(0.0, 181, 15), np.array([-40.0, 0, 40])
    round_ = np.full((3, 13), 25.0)
    loft = PolarLoft(levels, np.zeros((3, 2)), angles, round_, round_)
    lattice = Lattice((-30, -30, -40), (30, 30, 40), 1.0)
    assert loft.distance_mm(POINTS) == pytest.approx(np.hypot(POINTS[:, 0], POINTS[:, 1]) - 25, abs=1e-3)
    assert lattice.volume_ml(lattice.sample(loft)) == pytest.approx(np.pi * 25**2 * 81 / 1000, rel=2e-3)
    left, right = RNG.uniform(20, 30, (3, 13)), RNG.uniform(20, 30, (3, 13))
    right[:, 0], right[:, -1] = left[:, 0], left[:, -1]
    uneven = PolarLoft(levels, np.array([[0.0, 3], [1, 4], [2, 5]]), angles, left, right)
    assert uneven.radius_mm(angles, 0.0) == pytest.approx(left[1], abs=0.05)
    assert uneven.radius_mm(360 - angles, 0.0) == pytest.approx(right[1], abs=0.05)
    surface = uneven.point_mm(np.arange(0, 360, 7.0), -20.0)
    assert np.abs(uneven.distance_mm(surface)).max() < 0.05
    with pytest.raises(GeometryError, match="rising levels"):
        PolarLoft(levels[::-1], np.zeros((3, 2)), angles, round_, round_)


@pytest.mark.parametrize(("exponent", "area"), [(2.0, np.pi), (4.0, 3.7081494)])
def test_a_straight_sweep_has_the_area_of_its_section(exponent, area):
    axis = np.stack([np.zeros(41), np.zeros(41), np.linspace(-40, 40, 41)], axis=1)
    sweep = Sweep(axis, np.tile([1.0, 0, 0], (41, 1)), np.full(41, 9.0), np.full(41, 5.0), exponent)
    lattice = Lattice((-12, -8, -20), (12, 8, 20), 0.5)
    field, arc = sweep_distance(sweep, lattice, 6.0)
    volume = lattice.volume_ml(field) * 1000 / (lattice.z.size * 0.5)
    assert volume == pytest.approx(area * 45, rel=0.01)
    middle = arc[:, lattice.y.size // 2, lattice.x.size // 2]
    assert middle == pytest.approx(40 + lattice.z.ravel(), abs=0.01)


def test_a_sweep_frame_is_orthonormal_and_owners_are_the_nearest():
    curve = spline_mm([[0, 0, 0], [20, 10, 5], [35, -5, 20]], 2.0)
    normal, binormal = Sweep.round(curve, 3.0).frame()
    assert np.sum(normal * binormal, axis=1) == pytest.approx(np.zeros(len(curve)), abs=1e-9)
    assert np.linalg.norm(normal, axis=1) == pytest.approx(np.ones(len(curve)))
    other = curve + [0, 30, 0]
    lattice = Lattice((-5, -15, -5), (40, 45, 25), 2.0)
    both = sweep_fields([Sweep.round(curve, 3.0), Sweep.round(other, 3.0)], lattice)
    for number, line in enumerate((curve, other)):
        inside = np.argwhere(both.values_mm < -1)
        mine = [tuple(i) for i in inside if both.owner[tuple(i)] == number]
        points = np.array([[lattice.x[0, 0, i], lattice.y[0, j, 0], lattice.z[k, 0, 0]] for k, j, i in mine])
        assert len(points) > 10
        assert np.linalg.norm(points[:, None] - line[None], axis=2).min(axis=1).max() < 3


def test_rivals_share_the_bisector_stiffness_moves_it_and_the_gap_stays():
    lattice = Lattice((-30, -20, -20), (30, 20, 20), 1.0)
    a, b = (lattice.sample(Sphere((x, 0, 0), 14.0)) for x in (-9, 9))
    settled = compete({"a": a, "b": b}, {}, 2.0)
    row = (20, 20)
    x = lattice.x.ravel()
    assert x[settled["a"][row] < 0].max() == -2
    assert x[settled["b"][row] < 0].min() == 2
    stiff = compete({"a": a, "b": b}, {"a": 6.0}, 0.0)
    assert x[stiff["a"][row] < 0].max() > 1
    assert not np.any((stiff["a"] < 0) & (stiff["b"] < 0))
    alone = compete({"a": a}, {}, 2.0)
    assert alone["a"] == pytest.approx(a)


def test_unit_slope_makes_an_implicit_function_a_distance_near_zero():
    lattice = Lattice((-20, -20, -20), (20, 20, 20), 1.0)
    stretched = 2.5 * lattice.sample(Sphere((0, 0, 0), 12.0))
    near = np.abs(lattice.sample(Sphere((0, 0, 0), 12.0))) < 2
    assert unit_slope(stretched, 1.0)[near] == pytest.approx(lattice.sample(Sphere((0, 0, 0), 12.0))[near], abs=0.1)


def test_a_lattice_measures_a_sphere():
    lattice = Lattice((-25, -25, -25), (25, 25, 25), 1.0)
    assert lattice.volume_ml(lattice.sample(Sphere((0.3, 0.1, -0.4), 20.0))) == pytest.approx(33.51, rel=2e-3)
