"""Which image belongs to which body, who makes it, and how the body lies: counting and closed forms."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise

import numpy as np
import pytest

from medsynth.core.errors import RecipeError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.dataset.pose import Pose, draw_pose
from medsynth.dataset.reuse import Reuse
from medsynth.dataset.sharding import shard_numbers

POLICIES = [Reuse(), Reuse(images=6, poses=2, bodies=3), Reuse(images=5, poses=3, bodies=1), Reuse(images=2, bodies=4)]


@pytest.mark.parametrize("reuse", POLICIES)
def test_every_body_gives_its_images_once_and_a_block_holds_whole_bodies(reuse):
    places = [reuse.place(n) for n in range(5 * reuse.block)]
    assert len({(p.body, p.image) for p in places}) == len(places)
    assert set(Counter(p.body for p in places).values()) == {reuse.images}
    assert {p.body for p in places[:reuse.block]} == set(range(reuse.bodies))
    for body in range(3):
        poses = [p.pose for p in places if p.body == body]
        assert poses == sorted(poses)  # images that share a pose follow each other: their voxels are made once
        assert set(poses) == set(range(reuse.poses))


def test_neighbouring_images_show_different_bodies():
    bodies = [Reuse(images=8, bodies=4).place(n).body for n in range(32)]
    assert all(a != b for a, b in pairwise(bodies))


@pytest.mark.parametrize("reuse", POLICIES)
@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("workers", [1, 2])
def test_ranks_and_workers_share_neither_a_number_nor_a_body(reuse, ranks, workers):
    count = 2 * workers * reuse.block  # of one rank
    shares = [list(shard_numbers(reuse.block, rank=r, ranks=ranks, worker=w, workers=workers, count=count))
              for r in range(ranks) for w in range(workers)]
    assert sorted(n for share in shares for n in share) == list(range(ranks * count))
    bodies = [{reuse.place(n).body for n in share} for share in shares]
    assert sum(len(b) for b in bodies) == len(set().union(*bodies))


def test_every_rank_gets_equally_many_when_nothing_divides():
    for rank in range(3):
        shares = [list(shard_numbers(4, rank=rank, ranks=3, worker=w, workers=2, count=7)) for w in range(2)]
        assert sum(map(len, shares)) == 7


def test_an_endless_share_goes_on():
    share = list(islice(shard_numbers(2, rank=0, ranks=2, worker=1, workers=2, count=None), 100))
    assert len(set(share)) == 100
    assert share[:3] == [8 - 4, 5, 12]


def test_a_quarter_turn_about_the_long_axis_takes_left_to_back():
    grid = Grid((2, 3, 4), (3.0, 2.0, 1.0), (7.0, -5.0, 2.0))
    turned = Pose(turn_deg=(0.0, 0.0, 90.0)).moved(grid, (0.0, 0.0, 0.0))
    for index in ((0, 0, 0), (1, 2, 3)):
        x, y, z = grid.world_mm(index)
        np.testing.assert_allclose(turned.world_mm(index), (-y, x, z), atol=1e-9)


def test_a_pose_is_rigid_and_turns_about_its_point():
    grid = Grid((5, 6, 7), (3.0, 2.0, 1.0), (7.0, -5.0, 2.0))
    pose = draw_pose(10.0, 20.0, rng=Seed(1).rng())
    moved = pose.moved(grid, grid.centre_mm)
    np.testing.assert_allclose(moved.centre_mm, grid.centre_mm + pose.shift_mm, atol=1e-9)
    before, after = (g.corners_mm() for g in (grid, moved))
    np.testing.assert_allclose(np.linalg.norm(after[:, None] - after, axis=-1),
                               np.linalg.norm(before[:, None] - before, axis=-1), atol=1e-9)
    assert max(np.abs(pose.turn_deg)) <= 10
    assert max(np.abs(pose.shift_mm)) <= 20


@pytest.mark.parametrize(("wrong", "words"), [({"images": 0}, "images"), ({"poses": 3}, "poses"),
                                              ({"turn_deg": -1.0}, "turn_deg"), ({"bodies": 1.5}, "bodies"),
                                              ({"shift_mm": float("nan")}, "shift_mm")])
def test_a_policy_that_cannot_be_is_told_in_one_line(wrong, words):
    with pytest.raises(RecipeError, match=f"^reuse.{words} must be "):
        Reuse(**wrong)
