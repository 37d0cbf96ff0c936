"""Distances of primitives: exact ones proved by their foot points, approximate ones right at the surface."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsynth.core.errors import GeometryError
from medsynth.shapes.base import Shape
from medsynth.shapes.primitives import Capsule, Cylinder, Ellipsoid, HalfSpace, RoundBox, Sphere, rotation

TURN = rotation(20, -35, 50)
EXACT = [
    Sphere((1.0, -2.0, 3.0), 4.0),
    RoundBox((1.0, 0.5, -1.0), (5.0, 3.0, 2.0), 0.0, TURN),
    RoundBox((1.0, 0.5, -1.0), (5.0, 3.0, 2.0), 1.2, TURN),
    RoundBox((0.0, 0.0, 0.0), (2.0, 2.0, 2.0), 2.0),
    Capsule((-3.0, 0.0, 1.0), (4.0, 2.0, -1.0), 1.5, 1.5),
    Cylinder((0.5, 1.0, 0.0), 3.0, 4.0, (0.3, -0.4, 2.0)),
    HalfSpace((0.0, 1.0, 0.0), (0.2, 3.0, -0.4)),
]
OTHERS = [
    Ellipsoid((0.5, 1.0, -1.0), (6.0, 2.5, 4.0), TURN),
    Ellipsoid((0.0, 0.0, 0.0), (1.0, 12.0, 5.0)),
    Capsule((-3.0, 0.0, 1.0), (4.0, 2.0, -1.0), 2.5, 0.8),
]


def name_of(shape: Shape) -> str:
    return type(shape).__name__


def cloud(count: int = 4000, reach: float = 9.0) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(1)).uniform(-reach, reach, (count, 3))


def gradient(shape: Shape, points: np.ndarray, step: float = 1e-5) -> np.ndarray:
    ends = [(shape.distance_mm(points + e) - shape.distance_mm(points - e)) / (2 * step) for e in np.eye(3) * step]
    return np.stack(ends, axis=-1)


@pytest.mark.parametrize("shape", EXACT, ids=name_of)
def test_an_exact_distance_leads_to_the_surface_along_its_gradient(shape):
    """With the Lipschitz test below this proves it: no surface point is nearer, and one is as near."""
    assert shape.exact
    points = cloud()
    distance, slope = shape.distance_mm(points), gradient(shape, points)
    smooth = np.abs(np.linalg.norm(slope, axis=-1) - 1) < 1e-7  # elsewhere two surface points are equally near
    assert smooth.mean() > 0.95
    foot = points[smooth] - distance[smooth, None] * slope[smooth]
    assert np.abs(shape.distance_mm(foot)).max() < 1e-6


@pytest.mark.parametrize("shape", EXACT, ids=name_of)
def test_an_exact_distance_never_changes_faster_than_the_place(shape):
    a = cloud()
    b = a + np.random.Generator(np.random.PCG64(2)).normal(0, 2.0, a.shape)
    change = np.abs(shape.distance_mm(a) - shape.distance_mm(b))
    assert np.all(change <= np.linalg.norm(a - b, axis=-1) + 1e-9)


def test_signs_follow_the_definition_of_each_solid():
    p = cloud()
    box, cylinder = EXACT[1], EXACT[5]
    local = (p - box.centre_mm) @ np.asarray(TURN)
    assert np.array_equal(box.distance_mm(p) < 0, np.all(np.abs(local) < box.half_mm, axis=-1))
    axis = np.asarray(cylinder.axis) / np.linalg.norm(cylinder.axis)
    along = (p - cylinder.centre_mm) @ axis
    across = np.linalg.norm(np.cross(p - cylinder.centre_mm, axis), axis=-1)
    assert np.array_equal(cylinder.distance_mm(p) < 0, (np.abs(along) < 4.0) & (across < 3.0))
    ellipsoid = OTHERS[0]
    level = np.sum((((p - ellipsoid.centre_mm) @ np.asarray(TURN)) / ellipsoid.radii_mm) ** 2, axis=-1)
    assert np.array_equal(ellipsoid.distance_mm(p) < 0, level < 1)


@pytest.mark.parametrize("shape", OTHERS[:2], ids=name_of)
def test_the_distance_to_an_ellipsoid_is_right_to_first_order_at_its_surface(shape):
    directions = cloud(500)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    surface = directions * shape.radii_mm @ np.asarray(shape.turn).T + shape.centre_mm
    assert not shape.exact
    assert np.abs(shape.distance_mm(surface)).max() < 1e-9
    normals = directions / shape.radii_mm @ np.asarray(shape.turn).T
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    for step in (1e-4, -1e-4):
        assert shape.distance_mm(surface + step * normals) == pytest.approx(step, rel=0.01)


def test_the_distance_inside_an_ellipsoid_is_at_least_minus_the_least_radius():
    flat = Ellipsoid((0.0, 0.0, 0.0), (60.0, 60.0, 10.0))
    assert flat.distance_mm(np.zeros((1, 3))) == pytest.approx(-10.0)
    assert flat.distance_mm(cloud(2000, 60.0)).min() >= -10.0
    assert np.isfinite(flat.distance_mm(np.array([[0.0, 0.0, 1e-12], [1e-12, 0.0, 0.0]]))).all()


def test_a_tapering_capsule_has_its_radii_at_its_ends():
    shape = OTHERS[2]
    assert not shape.exact
    assert shape.distance_mm(np.array([shape.start_mm, shape.end_mm])).tolist() == [-2.5, -0.8]


@pytest.mark.parametrize("shape", EXACT[:-1] + OTHERS, ids=name_of)
def test_nothing_inside_lies_outside_of_the_box(shape):
    low, high = (np.asarray(b) for b in shape.bounds_mm())
    points = cloud(20000, 14.0)
    inside = points[shape.distance_mm(points) < 0]
    assert len(inside) > 20
    assert np.all((inside >= low) & (inside <= high))


finite = st.floats(-20, 20)
size = st.floats(0.3, 15)
angle = st.floats(-180, 180)


@given(st.tuples(finite, finite, finite), st.tuples(size, size, size), st.tuples(angle, angle, angle))
def test_the_box_of_a_turned_ellipsoid_is_the_tightest(centre, radii, angles):
    shape = Ellipsoid(centre, radii, rotation(*angles))
    for axis in range(3):
        # The point of the surface whose normal is the axis.
        normal = np.eye(3)[axis] @ np.asarray(shape.turn)
        local = np.asarray(radii) ** 2 * normal / np.linalg.norm(np.asarray(radii) * normal)
        top = np.asarray(shape.turn) @ local + centre
        assert shape.bounds_mm()[1][axis] == pytest.approx(top[axis], abs=1e-6)
        assert shape.bounds_mm()[0][axis] == pytest.approx(2 * centre[axis] - top[axis], abs=1e-6)


@given(st.tuples(angle, angle, angle))
def test_rotations_are_orthonormal_and_keep_handedness(angles):
    matrix = np.asarray(rotation(*angles))
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1.0)


def test_rotations_turn_by_the_right_hand_rule_about_x_then_y_then_z():
    assert np.asarray(rotation(z_deg=90)) @ [1, 0, 0] == pytest.approx([0, 1, 0], abs=1e-12)
    assert np.asarray(rotation(x_deg=90)) @ [0, 1, 0] == pytest.approx([0, 0, 1], abs=1e-12)
    assert np.asarray(rotation(y_deg=90)) @ [0, 0, 1] == pytest.approx([1, 0, 0], abs=1e-12)
    assert np.asarray(rotation(90, 0, 90)) @ [0, 1, 0] == pytest.approx([0, 0, 1], abs=1e-12)


def test_arrays_of_any_shape_and_single_precision_are_taken():
    points = cloud(24).reshape(2, 3, 4, 3)
    for shape in EXACT + OTHERS:
        assert shape.distance_mm(points).shape == (2, 3, 4)
        single = shape.distance_mm(points.astype(np.float32))
        assert single == pytest.approx(shape.distance_mm(points), abs=2e-5)


BAD = [
    lambda: Sphere((0, 0, 0), 0.0),
    lambda: Sphere((0, 0, 0), float("nan")),
    lambda: Ellipsoid((0, 0, 0), (1.0, -1.0, 1.0)),
    lambda: Ellipsoid((0, 0, 0), (1.0, float("inf"), 1.0)),
    lambda: RoundBox((0, 0, 0), (1.0, 1.0, 1.0), 1.1),
    lambda: RoundBox((0, 0, 0), (1.0, 1.0, 1.0), float("nan")),
    lambda: Capsule((0, 0, 0), (1, 0, 0), 1.0, 0.0),
    lambda: Cylinder((0, 0, 0), 1.0, -1.0),
]


@pytest.mark.parametrize("make", BAD)
def test_sizes_that_cannot_be_are_refused(make):
    with pytest.raises(GeometryError, match="must be"):
        make()


@pytest.mark.parametrize(
    "make", [lambda: Cylinder((0, 0, 0), 1.0, 1.0, (0.0, 0.0, 0.0)), lambda: HalfSpace((0, 0, 0), (0.0, 0.0, 0.0))]
)
def test_a_direction_of_no_length_is_refused(make):
    with pytest.raises(GeometryError, match="must be"):
        make()
