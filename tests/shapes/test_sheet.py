"""Sheets against closed forms: a flat plate, a bent one, one that tapers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from medsynth.core.errors import GeometryError
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.sheet import Sheet, rope_distance, sheet_distance

LATTICE = Lattice((-30, -30, -30), (30, 30, 30), 1.0)


def _plate(half: float, tilt: float = 0.0) -> Sheet:
    u, v = np.meshgrid(np.linspace(-20, 20, 4), np.linspace(-15, 15, 3), indexing="ij")
    return Sheet(np.stack([u, v, tilt * u], axis=-1), np.full(u.shape, half))


def test_a_flat_plate_is_a_rounded_box():
    field = sheet_distance([_plate(3.0)], LATTICE, 8.0)
    x, y, z = (np.broadcast_to(axis, LATTICE.shape) for axis in (LATTICE.x, LATTICE.y, LATTICE.z))
    truth = np.sqrt(np.maximum(abs(x) - 20, 0) ** 2 + np.maximum(abs(y) - 15, 0) ** 2 + z**2) - 3.0
    np.testing.assert_allclose(field, np.minimum(truth, 8.0), atol=1e-4)


def test_a_tilted_plate_keeps_its_thickness():
    field = sheet_distance([_plate(2.5, 0.7)], LATTICE, 8.0)
    across = (LATTICE.z - 0.7 * LATTICE.x) / np.hypot(1, 0.7)
    middle = (abs(LATTICE.x) < 12) & (abs(LATTICE.y) < 10) & (abs(across) < 6)
    np.testing.assert_allclose(field[middle], (np.abs(across) - 2.5 + 0 * LATTICE.y)[middle], atol=1e-3)


def test_a_bent_sheet_follows_its_cylinder():
    angle, v = np.meshgrid(np.radians(np.linspace(-60, 60, 7)), np.linspace(-20, 20, 3), indexing="ij")
    sheet = Sheet(np.stack([20 * np.sin(angle), v, 20 * np.cos(angle) - 15], axis=-1), np.full(v.shape, 2.0))
    field = sheet_distance([sheet], LATTICE, 6.0, step_mm=3.0)
    radius = np.hypot(LATTICE.x, LATTICE.z + 15)
    near = (abs(LATTICE.y) < 15) & (abs(radius - 20) < 4) & (LATTICE.z > 0)
    np.testing.assert_allclose(field[near], (np.abs(radius - 20) - 2.0 + 0 * LATTICE.y)[near], atol=0.12)


def test_a_malformed_sheet_is_refused():
    with pytest.raises(GeometryError, match="halves"):
        Sheet(np.zeros((3, 3, 3)), np.ones((2, 3)))
    with pytest.raises(GeometryError, match="> 0 mm"):
        Sheet(np.random.default_rng(0).normal(size=(3, 3, 3)), np.zeros((3, 3)))


def test_a_rope_is_a_chain_of_capsules_that_may_taper_quickly():
    points = np.array([[-15.0, 0, 0], [0, 5, 0], [12, 5, 8]])
    field = rope_distance(points, np.full(3, 4.0), LATTICE, 8.0)
    nodes = LATTICE.points_mm.astype(float)
    truth = np.full(LATTICE.shape, np.inf)
    for a, b in pairwise(points):
        t = np.clip(((nodes - a) @ (b - a)) / np.sum((b - a) ** 2), 0, 1)
        truth = np.minimum(truth, np.linalg.norm(nodes - a - t[..., None] * (b - a), axis=-1) - 4)
    np.testing.assert_allclose(field, np.minimum(truth, 8.0), atol=1e-3)
    spike = rope_distance(points[:2], np.array([10.0, 1.0]), LATTICE, 8.0)
    assert not np.any(spike[np.linalg.norm(nodes - points[0], axis=-1) > 17] < 0)
