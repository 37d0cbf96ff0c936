"""Fronts through a medium, levels square to gravity, quantiles, maps known by where points come from."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.lesions.distributions import Quantiles
from medsynth.lesions.levels import level_at
from medsynth.lesions.spreading import front, shortest_ways
from medsynth.shapes.lattice_warp import Backwards, lattice_warp
from medsynth.shapes.primitives import Sphere


def test_a_front_in_an_even_medium_is_nearly_a_ball_of_the_volume_asked_for():
    grid = Grid((41, 41, 41), (1.0, 1.0, 1.0), (-20.0, -20.0, -20.0))
    source = np.zeros(grid.shape_kji, bool)
    source[20, 20, 20] = True
    ways = shortest_ways(np.ones(grid.shape_kji, bool), np.ones(grid.shape_kji), source, 1.0)
    assert ways[20, 20, 30] == pytest.approx(10.0)
    assert ways[30, 30, 30] == pytest.approx(10 * 3**0.5)
    shape = front(ways, np.ones(grid.shape_kji), 4000.0, grid)
    assert (np.clip(0.5 - shape.values_mm, 0, 1)).sum() == pytest.approx(4000.0, rel=0.01)
    with pytest.raises(PlacementError, match="do not fit"):
        front(ways, np.ones(grid.shape_kji), 80000.0, grid)


def test_ways_go_round_walls_and_are_longer_where_it_is_slow():
    open_ = np.ones((1, 9, 9), bool)
    open_[0, :8, 4] = False  # a wall with a gap at its end
    source = np.zeros(open_.shape, bool)
    source[0, 0, 0] = True
    slow = np.ones(open_.shape)
    ways = shortest_ways(open_, slow, source, 2.0)
    assert ways[0, 0, 8] == pytest.approx(2 * (4 * 2**0.5 * 2 + 8), rel=0.01)  # down, through, up; 45 degrees at best
    assert np.isinf(ways[0, 0, 4])
    assert shortest_ways(open_, 3 * slow, source, 2.0)[0, 0, 8] == pytest.approx(3 * ways[0, 0, 8])


@pytest.mark.parametrize(("share", "height"), [(0.5, 0.0), (0.15625, 5.0), (0.84375, -5.0)])
def test_a_level_in_a_sphere_lies_where_its_cap_has_the_share(share, height):
    # cap of height h = r / 2: pi h^2 (3 r - h) / 3 = 5/32 of the sphere
    assert level_at(Sphere((0.0, 0.0, 0.0), 10.0), (0.0, 1.0, 0.0), share) == pytest.approx(height, abs=0.08)
    assert level_at(Sphere((0.0, 0.0, 7.0), 10.0), (0.0, 0.0, -1.0), share) == pytest.approx(height - 7, abs=0.08)


def test_quantiles_are_met_and_must_rise_from_none_to_all():
    one = Quantiles(at=(0, 0.25, 0.75, 1), values=(1, 2, 8, 64), scale="log")
    rng = Seed(1).rng()
    drawn = np.array([one.sample(rng=rng) for _ in range(4000)])
    assert np.quantile(drawn, (0.25, 0.5, 0.75)) == pytest.approx((2, 4, 8), rel=0.08)
    assert one.range == (1, 64)
    for at, values in (((0, 0.5), (1, 2)), ((0, 0.7, 0.3, 1), (1, 2, 3, 4)), ((0, 1), (2, 1))):
        with pytest.raises(ValidationError, match="must"):
            Quantiles(at=at, values=values)


def test_a_map_known_by_where_points_come_from_is_the_inverse_of_the_other_way_round():
    def back(points):
        bump = np.exp(-np.square(points).sum(axis=-1, keepdims=True) / 200)
        return np.concatenate([-2.0 * bump, 0 * bump, 0 * bump], axis=-1)

    warp = Backwards(lattice_warp(back, ((-40.0, -40.0, -40.0), (40.0, 40.0, 40.0)), 2.0))
    points = Seed(2).rng().uniform(-15, 15, (200, 3))
    there = points + warp.displacement_mm(points)
    assert np.abs(there + warp.inverse_displacement_mm(there) - points).max() < 5e-3
    assert warp.displacement_mm(np.zeros((1, 3)))[0, 0] > 1.5
    assert warp.bounds_mm == warp.warp.bounds_mm
