"""Lofts pass through their radii; of circles they are cylinders."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.errors import GeometryError
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.loft import PolarLoft

ANGLES = np.arange(0.0, 181.0, 15.0)
LEVELS = np.array([-40.0, -18.0, 0.0, 25.0, 60.0])


def trunk(left=None, right=None, centres=None) -> PolarLoft:
    t = np.radians(ANGLES)
    grown = 1 + 0.1 * np.sin(LEVELS / 30)[:, None]
    left = (50 + 8 * np.sin(t) ** 2)[None] * grown if left is None else left
    right = (50 + 4 * np.sin(t) ** 2)[None] * grown if right is None else right
    centres = np.stack([0.02 * LEVELS, 5 + 0.05 * LEVELS], axis=1) if centres is None else centres
    return PolarLoft(LEVELS, centres, ANGLES, left, right)


def test_it_passes_through_every_radius_on_both_sides():
    loft = trunk()
    assert loft.radius_mm(ANGLES[None], LEVELS[:, None]) == pytest.approx(loft.left_mm, abs=0.01)
    assert loft.radius_mm(360 - ANGLES[None], LEVELS[:, None]) == pytest.approx(loft.right_mm, abs=0.01)


def test_its_surface_points_lie_at_distance_zero_and_know_their_angle():
    loft = trunk()
    angle, z = np.meshgrid(np.arange(0.0, 360.0, 7.0), np.linspace(-39, 59, 23))
    points = loft.point_mm(angle, z)
    assert np.abs(loft.distance_mm(points)).max() < 0.01
    assert np.cos(np.radians(loft.angle_deg(points) - angle)) == pytest.approx(1.0, abs=1e-6)
    assert np.all(loft.distance_mm(loft.point_mm(angle, z, 2.0)) > 1.5)
    assert np.all(loft.distance_mm(loft.point_mm(angle, z, -2.0)) < -1.5)


def test_angles_run_from_the_front_over_the_left_to_the_back():
    loft = trunk(np.full((5, 13), 40.0), np.full((5, 13), 40.0), np.zeros((5, 2)))
    assert loft.point_mm(0.0, 0.0) == pytest.approx([0, -40, 0], abs=1e-6)
    assert loft.point_mm(90.0, 0.0) == pytest.approx([40, 0, 0], abs=1e-6)
    assert loft.point_mm(180.0, 0.0) == pytest.approx([0, 40, 0], abs=1e-6)
    assert loft.point_mm(270.0, 0.0) == pytest.approx([-40, 0, 0], abs=1e-6)


def test_a_loft_of_circles_is_a_cylinder():
    loft = trunk(np.full((5, 13), 20.0), np.full((5, 13), 20.0), np.full((5, 2), 3.0))
    points = np.random.Generator(np.random.PCG64(1)).uniform(-35, 35, (2000, 3))
    truth = np.hypot(points[:, 0] - 3, points[:, 1] - 3) - 20
    assert loft.distance_mm(points) == pytest.approx(truth, abs=1e-3)
    lattice = Lattice((-20, -20, -30), (26, 26, 30), 1.0)
    ml = lattice.volume_ml(lattice.sample(loft))
    assert ml == pytest.approx(np.pi * 0.4 * 61, rel=0.01)


def test_a_cone_has_its_distance_over_its_slope():
    radii = np.repeat(30 + 0.5 * LEVELS[:, None], 13, axis=1)
    loft = trunk(radii, radii, np.zeros((5, 2)))
    points = np.array([[32.0, 0, 0], [0, -28.0, 0], [0, 45.0, 25.0]])
    truth = (np.hypot(points[:, 0], points[:, 1]) - 30 - 0.5 * points[:, 2]) / np.hypot(1, 0.5)
    assert loft.distance_mm(points) == pytest.approx(truth, rel=0.03)


def test_beyond_its_ends_the_last_section_continues():
    loft = trunk(centres=np.zeros((5, 2)))
    assert loft.radius_mm(33.0, 100.0) == pytest.approx(loft.radius_mm(33.0, 60.0))
    assert loft.distance_mm(np.array([[70.0, 10, 90.0]])) == pytest.approx(
        loft.distance_mm(np.array([[70.0, 10, 60.0]])), abs=1.0
    )


def test_the_box_holds_the_solid_between_its_levels():
    rough = 40 + 12 * np.random.Generator(np.random.PCG64(2)).uniform(-1, 1, (5, 13))
    loft = trunk(rough, rough[:, :], np.zeros((5, 2)))
    low, high = loft.bounds_mm()
    angle, z = np.meshgrid(np.arange(0.0, 360.0, 1.0), np.linspace(-40, 60, 101))
    points = loft.point_mm(angle, z)
    assert np.all(points >= np.asarray(low) - 1e-6)
    assert np.all(points <= np.asarray(high) + 1e-6)


def nan_at(shape, place):
    values = np.full(shape, 30.0)
    values[place] = np.nan
    return values


@pytest.mark.parametrize(
    ("left", "right", "centres"),
    [
        (np.full((5, 12), 30.0), None, None),
        (None, np.full((4, 13), 30.0), None),
        (None, None, np.zeros((5, 3))),
        (np.full((5, 13), 0.0), None, None),
        (nan_at((5, 13), (1, 2)), None, None),
        (None, nan_at((5, 13), (1, 2)), None),
        (None, None, nan_at((5, 2), (1, 1))),
    ],
)
def test_tables_that_cannot_be_are_refused(left, right, centres):
    with pytest.raises(GeometryError, match="loft"):
        trunk(left, right, centres)


def test_levels_must_rise():
    good = trunk()
    for levels in (LEVELS[::-1], np.array([0.0, 1.0, 1.0, 2.0, 3.0]), np.array([0.0, np.nan, 2.0, 3.0, 4.0])):
        with pytest.raises(GeometryError, match="rising levels"):
            PolarLoft(levels, good.centres_mm, ANGLES, good.left_mm, good.right_mm)
