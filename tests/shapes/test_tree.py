from dataclasses import replace

import numpy as np
import pytest

from medsynth.core.errors import GeometryError
from medsynth.shapes.blend import Difference
from medsynth.shapes.primitives import Ellipsoid, Sphere
from medsynth.shapes.tree import TreeSpec, bundle, grow_tree
from medsynth.shapes.tree_clear import CapsuleGrid
from medsynth.shapes.tree_edit import (
    attach,
    concatenate,
    generation,
    outer,
    select,
    strahler_order,
    tip_indices,
    truncate,
    walled,
)
from medsynth.shapes.tubes import Tubes

ROOT = (-22.0, 4.0, 6.0)
INWARD = (-1.0, -0.1, 0.3)
AIRWAYS = TreeSpec(ROOT, INWARD, tips=48, tip_radius_mm=0.55, root_radius_mm=4.0, murray_exponent=2.8,
                   backbone_tips=60)
ARTERIES = TreeSpec((-22.0, -9.0, 12.0), INWARD, tips=400, tip_radius_mm=0.4, root_radius_mm=4.5)
VEINS = TreeSpec((-22.0, 8.0, -12.0), INWARD, tips=250, tip_radius_mm=0.4, root_radius_mm=4.5)


@pytest.fixture(scope="module")
def lobe():
    """A lung-like shape, not convex: the heart dents it."""
    return Difference(Ellipsoid((-75.0, 0.0, 0.0), (58.0, 80.0, 95.0)), Sphere((0.0, -35.0, -40.0), 55.0))


@pytest.fixture(scope="module")
def airways(lobe):
    return grow_tree(lobe, AIRWAYS, rng=np.random.default_rng(1))


@pytest.fixture(scope="module")
def walls(airways):
    return outer(walled(airways))


@pytest.fixture(scope="module")
def veins(lobe, walls):
    return grow_tree(lobe, VEINS, rng=np.random.default_rng(2), avoid=bundle(walls, ARTERIES))


@pytest.fixture(scope="module")
def arteries(lobe, walls, veins):
    return grow_tree(lobe, ARTERIES, rng=np.random.default_rng(3), avoid=veins, follow=walls)


@pytest.fixture(scope="module", params=["airways", "veins", "arteries"])
def grown(request):
    spec = {"airways": AIRWAYS, "veins": VEINS, "arteries": ARTERIES}[request.param]
    return request.getfixturevalue(request.param), spec


def children_of(tubes):
    lists = [[] for _ in tubes.parents]
    for child, parent in enumerate(tubes.parents):
        if parent >= 0:
            lists[parent].append(child)
    return lists


def test_every_tube_starts_where_its_parent_ends_and_there_is_one_root(grown):
    tubes, spec = grown
    assert (tubes.parents < np.arange(len(tubes.parents))).all()
    assert (tubes.parents == -1).sum() == 1
    np.testing.assert_array_equal(tubes.starts_mm[0], spec.root_mm)
    np.testing.assert_array_equal(tubes.starts_mm[1:], tubes.ends_mm[tubes.parents[1:]])
    assert tubes.lengths_mm.min() > 0


def test_murrays_law_holds_at_every_fork(grown):
    tubes, spec = grown
    g = spec.murray_exponent
    forks = [(parent, kids) for parent, kids in enumerate(children_of(tubes)) if kids]
    assert sum(len(kids) > 1 for _, kids in forks) > 40
    for parent, kids in forks:
        assert tubes.end_radii_mm[parent] ** g == pytest.approx((tubes.start_radii_mm[kids] ** g).sum(), rel=1e-9)


def test_radii_fall_all_the_way_from_the_root_radius_to_the_tip_radius(grown):
    tubes, spec = grown
    assert tubes.start_radii_mm[0] == pytest.approx(spec.root_radius_mm, rel=1e-6)
    assert (tubes.end_radii_mm <= tubes.start_radii_mm + 1e-12).all()
    assert (tubes.start_radii_mm[1:] <= tubes.end_radii_mm[tubes.parents[1:]] + 1e-12).all()
    np.testing.assert_allclose(tubes.end_radii_mm[tip_indices(tubes)], spec.tip_radius_mm, rtol=1e-6)


def test_without_a_root_radius_the_root_follows_from_the_number_of_tips(lobe):
    tubes = grow_tree(lobe, replace(AIRWAYS, root_radius_mm=None), rng=np.random.default_rng(5))
    n = len(tip_indices(tubes))
    assert tubes.start_radii_mm[0] == pytest.approx(0.55 * n ** (1 / 2.8), rel=1e-9)


def test_a_root_thinner_than_its_tips_allow_makes_all_branches_thinner(lobe):
    tubes = grow_tree(lobe, replace(AIRWAYS, root_radius_mm=1.0), rng=np.random.default_rng(5))
    n = len(tip_indices(tubes))
    assert tubes.start_radii_mm[0] == pytest.approx(1.0, rel=1e-9)
    np.testing.assert_allclose(tubes.end_radii_mm[tip_indices(tubes)], n ** (-1 / 2.8), rtol=1e-9)


def test_the_tree_keeps_its_margin_except_at_the_hilum(grown, lobe):
    tubes, spec = grown
    far = np.linalg.norm(tubes.ends_mm - spec.root_mm, axis=1) > 30
    assert far.mean() > 0.5
    samples = np.concatenate([tubes.starts_mm[far] * (1 - t) + tubes.ends_mm[far] * t for t in (0.5, 1.0)])
    assert lobe.distance_mm(samples).max() < -spec.margin_mm + 0.6


def test_the_tree_reaches_all_parts_of_the_shape(grown, lobe):
    tubes, spec = grown
    points = np.random.default_rng(0).uniform(*lobe.bounds_mm(), (4000, 3))
    deep = points[lobe.distance_mm(points) < -(spec.margin_mm + 5)]
    distance = CapsuleGrid.of(tubes).distance_mm(deep, 60.0)
    # A tip stands for a ball of the shape's volume; few places lie farther than twice its radius from all tubes.
    ball_mm = (0.8e6 / spec.tips / (4 / 3 * np.pi)) ** (1 / 3)
    assert np.quantile(distance, 0.95) < 2 * ball_mm


def test_the_number_of_tips_is_about_the_wanted_one(grown):
    tubes, spec = grown
    assert len(tip_indices(tubes)) == pytest.approx(spec.tips, rel=0.15)


def test_airways_go_beyond_the_sixth_generation(airways, arteries):
    assert generation(airways).max() >= 6
    assert np.median(generation(airways)[tip_indices(airways)]) >= 5
    assert strahler_order(arteries).max() >= 5


def smallest_gaps_mm(tubes, others):
    samples = np.concatenate([tubes.starts_mm * (1 - t) + tubes.ends_mm * t for t in np.linspace(0, 1, 9)])
    radii = np.concatenate([tubes.start_radii_mm * (1 - t) + tubes.end_radii_mm * t for t in np.linspace(0, 1, 9)])
    gaps = CapsuleGrid.of(others).distance_mm(samples, 10.0) - radii
    return gaps.reshape(9, -1).min(axis=0)


def test_arteries_veins_and_airways_do_not_touch(walls, veins, arteries):
    assert smallest_gaps_mm(veins, walls).min() > -0.02
    assert smallest_gaps_mm(arteries, concatenate(walls, veins)).min() > -0.02


def test_each_bronchus_has_an_artery_at_its_side(walls, arteries):
    middle = 0.5 * (walls.starts_mm + walls.ends_mm)
    far = np.linalg.norm(middle - ROOT, axis=1) > 25
    gap = CapsuleGrid.of(truncate(arteries, 0.6)).distance_mm(middle[far], 20.0) - walls.start_radii_mm[far]
    assert np.median(gap) < 1.5
    assert np.quantile(gap, 0.8) < 5


def test_large_veins_run_apart_from_the_bronchi(walls, veins, arteries):
    def share_beside_bronchi(tubes):
        large = truncate(tubes, 1.0)
        far = np.linalg.norm(large.ends_mm - ROOT, axis=1) > 25
        gaps = CapsuleGrid.of(walls).distance_mm(large.ends_mm[far], 30.0) - large.end_radii_mm[far]
        return np.mean(gaps < 1.5)

    assert share_beside_bronchi(arteries) > 0.2
    assert share_beside_bronchi(veins) < 0.35 * share_beside_bronchi(arteries)


def fork_angles_deg(tubes, reach=3):
    kids = children_of(tubes)
    angles = []
    for parent, pair in enumerate(kids):
        if len(pair) < 2 or tubes.parents[parent] < 0:
            continue
        incoming = tubes.ends_mm[parent] - tubes.starts_mm[tubes.parents[parent]]
        for child in pair:
            last = child
            for _ in range(reach - 1):
                last = kids[last][0] if len(kids[last]) == 1 else last
            outgoing = tubes.ends_mm[last] - tubes.starts_mm[child]
            cosine = incoming @ outgoing / np.linalg.norm(incoming) / np.linalg.norm(outgoing)
            angles.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    return np.array(angles)


def test_branching_angles_are_those_of_lungs(grown):
    # Pulmonary arteries 28 +- 15 deg, airways 28-43 deg by generation (Horsfield).
    angles = fork_angles_deg(grown[0])
    assert 15 < np.median(angles) < 45
    assert np.quantile(angles, 0.9) < 85


def test_vessels_bend_without_kinks(grown):
    tubes = grown[0]
    kids = np.bincount(tubes.parents[1:], minlength=len(tubes.parents))
    onward = np.flatnonzero((tubes.parents >= 0) & (kids[tubes.parents] == 1))
    along = (tubes.ends_mm - tubes.starts_mm) / tubes.lengths_mm[:, None]
    turns = np.degrees(np.arccos(np.clip((along[onward] * along[tubes.parents[onward]]).sum(axis=1), -1, 1)))
    assert np.median(turns) < 8
    assert np.quantile(turns, 0.99) < 45


def test_a_root_outside_of_the_shape_leads_into_it(lobe):
    outside = replace(VEINS, root_mm=(8.0, 10.0, 20.0), direction=(-1.0, 0.0, -0.2))
    tubes = grow_tree(lobe, outside, rng=np.random.default_rng(6))
    assert len(tip_indices(tubes)) == pytest.approx(250, rel=0.12)
    tips = tubes.ends_mm[tip_indices(tubes)]
    assert lobe.distance_mm(tips).max() < -outside.margin_mm + 0.6
    kids = np.bincount(tubes.parents[1:], minlength=len(tubes.parents))
    forks = tubes.ends_mm[kids > 1]
    assert lobe.distance_mm(forks).max() < 0


def test_dependent_vessels_are_larger(lobe):
    spec = replace(VEINS, flow_gradient_per_mm=(0.0, 0.006, 0.0))
    tubes = grow_tree(lobe, spec, rng=np.random.default_rng(4))
    tips = tip_indices(tubes)
    assert np.corrcoef(tubes.ends_mm[tips, 1], tubes.end_radii_mm[tips])[0, 1] > 0.9
    assert tubes.start_radii_mm[0] == pytest.approx(spec.root_radius_mm, rel=1e-6)


def test_one_seed_gives_one_tree_and_another_seed_another(lobe):
    one, same, other = (grow_tree(lobe, AIRWAYS, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.ends_mm, same.ends_mm)
    np.testing.assert_array_equal(one.parents, same.parents)
    assert not np.array_equal(one.ends_mm[:20], other.ends_mm[:20])


@pytest.mark.parametrize("change", [
    {"tips": 0}, {"tip_radius_mm": 0.0}, {"tip_radius_mm": float("nan")}, {"direction": (0.0, 0.0, 0.0)},
    {"root_mm": (float("nan"), 0.0, 0.0)}, {"root_radius_mm": -1.0}, {"margin_mm": -1.0}, {"murray_exponent": 0.0},
])
def test_a_spec_that_cannot_be_is_refused(change):
    with pytest.raises(GeometryError, match="must be"):
        replace(AIRWAYS, **change)


def test_a_shape_without_room_is_refused():
    with pytest.raises(GeometryError, match="room"):
        grow_tree(Sphere((0.0, 0.0, 0.0), 3.5), replace(AIRWAYS, root_mm=(0.0, 0.0, 0.0)),
                  rng=np.random.default_rng(0))


def test_following_two_trees_at_once_is_refused(lobe, airways):
    with pytest.raises(GeometryError, match="one root"):
        grow_tree(lobe, ARTERIES, rng=np.random.default_rng(0), follow=concatenate(airways, airways))


# A small tree by hand: a trunk of two pieces, two daughters, the first of which has two daughters of its own.
HAND = Tubes(np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [2, 0, 0], [3, 1, 0], [3, 1, 0]]),
             np.array([[1.0, 0, 0], [2, 0, 0], [3, 1, 0], [3, -1, 0], [4, 1, 0], [4, 2, 0]]),
             np.array([5.0, 4.5, 3, 2, 2, 1.5]), np.array([4.5, 4, 2.5, 1, 1.2, 0.8]), np.array([-1, 0, 1, 1, 2, 2]))


def test_generations_count_forks_and_not_pieces():
    assert generation(HAND).tolist() == [0, 0, 1, 1, 2, 2]


def test_strahler_order_rises_only_where_equal_orders_meet():
    assert strahler_order(HAND).tolist() == [2, 2, 2, 1, 1, 1]


def test_cutting_thin_tubes_takes_what_hangs_on_them():
    assert truncate(HAND, 1.1).ends_mm.tolist() == HAND.ends_mm[[0, 1, 2, 4]].tolist()
    assert truncate(HAND, 1.1).parents.tolist() == [-1, 0, 1, 2]
    keep = np.ones(6, bool)
    keep[2] = False
    assert select(HAND, keep).parents.tolist() == [-1, 0, 1]


def test_joining_renumbers_the_parents():
    both = concatenate(HAND, HAND)
    assert both.parents.tolist() == [-1, 0, 1, 1, 2, 2, -1, 6, 7, 7, 8, 8]


def test_walls_go_along_when_trees_are_cut_and_joined():
    lumens = walled(HAND, fraction=0.2, offset_mm=0.1)
    np.testing.assert_allclose(lumens.walls_mm[:2], [0.2 * 4.75 + 0.1, 0.2 * 4.25 + 0.1])
    both = concatenate(HAND, truncate(lumens, 1.1))
    np.testing.assert_allclose(both.walls_mm, [*np.zeros(6), *lumens.walls_mm[[0, 1, 2, 4]]])
    np.testing.assert_allclose(outer(lumens).start_radii_mm - HAND.start_radii_mm, lumens.walls_mm)
    assert outer(lumens).walls_mm is None
    assert concatenate(HAND, HAND).walls_mm is None


def test_trees_keep_clear_of_walls_and_not_only_of_lumens(lobe, airways):
    thick = walled(airways, fraction=0.0, offset_mm=2.0)
    tubes = grow_tree(lobe, VEINS, rng=np.random.default_rng(2), avoid=thick)
    assert smallest_gaps_mm(tubes, outer(thick)).min() > -0.02


def test_a_branch_hangs_on_the_trunks_tube_that_ends_at_its_start():
    branch = Tubes(np.array([[3.0, -1.0, 0.2]]), np.array([[5.0, -2.0, 0.0]]), np.ones(1), np.ones(1), np.array([-1]))
    whole = attach(HAND, branch)
    assert whole.parents[-1] == 3
    assert generation(whole)[-1] == 1
    with pytest.raises(GeometryError, match=r"0\.1 mm"):
        attach(HAND, branch, tolerance_mm=0.1)


def test_children_before_their_parents_are_refused():
    turned = Tubes(HAND.starts_mm, HAND.ends_mm, HAND.start_radii_mm, HAND.end_radii_mm, np.array([1, -1, 1, 1, 2, 2]))
    with pytest.raises(GeometryError, match="parent before child"):
        generation(turned)


def test_the_cells_find_the_same_distance_as_asking_every_tube():
    rng = np.random.default_rng(6)
    n = 300
    starts = rng.uniform(-40, 40, (n, 3))
    ends = starts + rng.normal(0, 6, (n, 3))
    tubes = Tubes(starts, ends, rng.uniform(0.2, 9, n), rng.uniform(0.2, 4, n), np.full(n, -1))
    points = rng.uniform(-60, 60, (500, 3))
    t = np.clip(np.einsum("pnk,nk->pn", points[:, None] - starts, ends - starts)
                / np.square(ends - starts).sum(axis=1), 0, 1)
    axis = starts + t[..., None] * (ends - starts)
    radius = tubes.start_radii_mm + t * (tubes.end_radii_mm - tubes.start_radii_mm)
    wanted = (np.linalg.norm(points[:, None] - axis, axis=2) - radius).min(axis=1)
    for reach in (1.0, 12.0):
        np.testing.assert_allclose(CapsuleGrid.of(tubes).distance_mm(points, reach), np.minimum(wanted, reach),
                                   atol=1e-9)
