"""Smooth unions, cuts, shells and offsets: limits, symmetry and bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsynth.shapes.blend import Difference, Intersection, Offset, Shell, Union, smooth_max, smooth_min
from medsynth.shapes.primitives import Ellipsoid, HalfSpace, Sphere

value = st.floats(-50, 50)
width = st.floats(0.01, 20)


@given(value, value, width)
def test_a_smooth_minimum_is_symmetric_and_at_most_the_minimum(a, b, w):
    x, y = np.array([a]), np.array([b])
    low = smooth_min(x, y, w)[0]
    assert low == smooth_min(y, x, w)[0]
    assert min(a, b) - w / 4 - 1e-9 <= low <= min(a, b)
    assert smooth_max(x, y, w)[0] == pytest.approx(-smooth_min(-x, -y, w)[0])


def test_a_smooth_minimum_is_the_minimum_away_from_where_both_are_equal():
    a, b = np.array([0.0, 3.0, -7.0, 1.0]), np.array([2.0, 1.0, -5.0, 1.0])
    assert smooth_min(a, b, 2.0).tolist() == [0.0, 1.0, -7.0, 0.5]
    assert smooth_min(a, b, 0.0).tolist() == np.minimum(a, b).tolist()


def test_a_smooth_minimum_has_no_edge():
    t = np.linspace(-3, 3, 6001)
    curve = smooth_min(t, -t, 2.0)
    slope = np.diff(curve) / np.diff(t)
    assert np.abs(np.diff(slope)).max() < 2e-3
    assert np.abs(slope).max() <= 1 + 1e-9


def test_single_precision_stays_single():
    a = np.zeros(3, np.float32)
    assert smooth_min(a, a, 1.0).dtype == np.float32
    assert smooth_max(a, a, 1.0).dtype == np.float32


A, B = Sphere((-3.0, 0, 0), 5.0), Ellipsoid((3.0, 1.0, 0), (4.0, 6.0, 3.0))
POINTS = np.random.Generator(np.random.PCG64(1)).uniform(-12, 12, (30000, 3))


def inside(shape) -> np.ndarray:
    return shape.distance_mm(POINTS) < 0


def test_sharp_blends_are_set_operations():
    a, b = inside(A), inside(B)
    assert np.array_equal(inside(Union(A, B)), a | b)
    assert np.array_equal(inside(Intersection(A, B)), a & b)
    assert np.array_equal(inside(Difference(A, B)), a & ~b)


def test_smooth_blends_hold_or_are_held_by_the_sharp_ones():
    assert np.all(inside(Union(A, B, 3.0)) >= inside(Union(A, B)))
    assert np.all(inside(Intersection(A, B, 3.0)) <= inside(Intersection(A, B)))
    assert np.all(inside(Difference(A, B, 3.0)) <= inside(Difference(A, B)))


@pytest.mark.parametrize(
    "shape",
    [Union(A, B), Union(A, B, 4.0), Union(A, A, 6.0), Intersection(A, B, 2.0), Difference(A, B, 2.0), Shell(B, 1.0),
     Offset(A, 2.0), Offset(B, -1.0)],
)  # fmt: skip
def test_boxes_hold_what_is_inside(shape):
    low, high = (np.asarray(b) for b in shape.bounds_mm())
    found = POINTS[inside(shape)]
    assert len(found) > 50
    assert np.all((found >= low) & (found <= high))


def test_an_intersection_with_an_unbounded_shape_is_bounded():
    low, high = Intersection(A, HalfSpace((0, 0, 0), (0, 0, 1))).bounds_mm()
    assert np.isfinite([low, high]).all()


def test_a_shell_lies_between_the_surface_and_its_thickness():
    shell, depth = Shell(A, 1.5), -A.distance_mm(POINTS)
    assert np.array_equal(inside(shell), (depth > 0) & (depth < 1.5))
    assert shell.exact
    assert not Shell(B, 1.5).exact


def test_an_offset_grows_and_shrinks_exactly():
    assert Offset(A, 2.0).distance_mm(POINTS) == pytest.approx(Sphere((-3.0, 0, 0), 7.0).distance_mm(POINTS))
    assert Offset(A, -2.0).distance_mm(POINTS) == pytest.approx(Sphere((-3.0, 0, 0), 3.0).distance_mm(POINTS))
    assert Offset(A, 2.0).exact
    assert not Offset(B, 2.0).exact


def test_a_sharp_union_never_tells_more_than_the_distance_from_outside():
    pair = Union(A, Sphere((4.0, 0, 0), 3.0))
    far = POINTS[pair.distance_mm(POINTS) > 0]
    nearest = np.minimum(A.distance_mm(far), Sphere((4.0, 0, 0), 3.0).distance_mm(far))
    assert np.all(pair.distance_mm(far) <= nearest + 1e-12)
