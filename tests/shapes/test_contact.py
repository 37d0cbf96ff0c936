"""Organs that compete for space share their walls."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.shapes.contact import compete
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.primitives import Sphere

LATTICE = Lattice((-25, -25, -25), (25, 25, 25), 1.0)
A, B = LATTICE.sample(Sphere((-8.0, 0, 0), 12.0)), LATTICE.sample(Sphere((8.0, 0, 0), 12.0))
C = LATTICE.sample(Sphere((0.0, 14.0, 0), 10.0))
X = np.broadcast_to(LATTICE.x, LATTICE.shape)


def test_two_equal_balls_that_overlap_share_the_plane_between_them():
    settled = compete({"a": A, "b": B}, {}, 0.0)
    assert np.array_equal(settled["a"] < 0, (A < 0) & (X < 0))
    assert np.array_equal(settled["b"] < 0, (B < 0) & (X > 0))


def test_no_node_belongs_to_two_and_none_that_was_inside_is_lost_but_the_wall():
    settled = compete({"a": A, "b": B, "c": C}, {}, 0.0)
    count = sum((field < -1e-4).astype(int) for field in settled.values())
    assert count.max() == 1
    closed = sum((field <= 1e-4).astype(int) for field in settled.values())
    assert np.array_equal(closed > 0, np.minimum(np.minimum(A, B), C) <= 1e-4)


def test_each_keeps_what_lies_nearer_to_it_than_to_any_rival():
    settled = compete({"a": A, "b": B, "c": C}, {}, 0.0)
    assert np.array_equal(settled["c"] < -1e-4, (C < -1e-4) & (np.minimum(A, B) - 2e-4 > C))


def test_a_gap_is_left_free_between_them():
    settled = compete({"a": A, "b": B}, {}, 3.0)
    line = (LATTICE.y == 0) & (LATTICE.z == 0)
    free = X[line & (settled["a"] > 0) & (settled["b"] > 0) & (np.abs(X) < 8)]
    assert free.min() == -1
    assert free.max() == 1
    wall = settled["a"][line & (X == 0)]
    assert wall == pytest.approx([1.5], abs=1e-4)


def test_an_uneven_gap_is_taken_node_by_node():
    gap = np.where(np.broadcast_to(LATTICE.y, LATTICE.shape) > 0, 4.0, 0.0).astype(np.float32)
    settled = compete({"a": A, "b": B}, {}, gap)
    assert np.array_equal(settled["a"][gap == 0], compete({"a": A, "b": B}, {}, 0.0)["a"][gap == 0])
    assert np.array_equal(settled["a"][gap == 4], compete({"a": A, "b": B}, {}, 4.0)["a"][gap == 4])


def test_a_stiffer_body_moves_the_wall_towards_its_neighbour_by_half_the_difference():
    settled = compete({"a": A, "b": B}, {"a": 4.0}, 0.0)
    row = settled["a"][25, 25]
    x = LATTICE.x.ravel()
    wall = np.interp(0.0, row[(x > -5) & (x < 4)], x[(x > -5) & (x < 4)])
    assert wall == pytest.approx(2.0, abs=0.1)


def test_nobody_grows():
    settled = compete({"a": A, "b": B}, {"a": 6.0}, 1.0)
    assert np.all(settled["a"] >= A - 1e-5)
    assert np.all(settled["b"] >= B - 1e-5)


def test_a_body_alone_stays_as_it_is():
    assert compete({"a": A}, {}, 2.0)["a"] == pytest.approx(A)


def test_order_does_not_matter():
    one = compete({"a": A, "b": B, "c": C}, {"b": 1.0}, 0.5)
    other = compete({"c": C, "b": B, "a": A}, {"b": 1.0}, 0.5)
    for name, field in one.items():
        assert np.array_equal(field, other[name])


def test_the_fields_given_are_not_changed():
    kept = A.copy()
    compete({"a": A, "b": B}, {"a": 2.0}, 1.0)
    assert np.array_equal(A, kept)
