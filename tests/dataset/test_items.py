"""Item n is a function of recipe, seed and n alone; the cache builds each body once; poses leave the body in place."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.acquire.ct.couch import with_couch
from medsynth.core.errors import PlacementError, RecipeError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.dataset import items
from medsynth.dataset.case import generate_case
from medsynth.dataset.items import ItemMaker
from medsynth.dataset.recipe import load_recipe
from medsynth.dataset.reuse import Reuse
from medsynth.scene.body import load_body
from medsynth.scene.presample import SampledPaints
from medsynth.scene.rasterize import rasterize
from medsynth.scene.subject import Subject

CUBE = {"phantom": {"body": "qa-orientation"}, "acquisitions": {
    "ct": {"modality": "ct", "scan_range": "all", "slice_thickness_mm": 4, "pixel_mm": 4, "table": False}}}


def bytes_of(item, name="ct"):
    return item.acquired[name].image.array.tobytes()


def test_an_item_does_not_depend_on_what_was_made_before(stub_recipe):
    reuse = Reuse(images=4, poses=2, turn_deg=5.0, shift_mm=5.0, bodies=2)
    forwards = ItemMaker(load_recipe(stub_recipe), 5, reuse=reuse)
    wanted = [bytes_of(forwards(n)) for n in range(10)]
    assert len(set(wanted)) == 10
    backwards = ItemMaker(load_recipe(stub_recipe), 5, reuse=reuse)
    assert [bytes_of(backwards(n)) for n in reversed(range(10))] == wanted[::-1]
    assert bytes_of(ItemMaker(load_recipe(stub_recipe), 6, reuse=reuse)(3)) != wanted[3]


def test_without_reuse_item_n_is_case_n_of_the_data_set(stub_recipe):
    recipe = load_recipe(stub_recipe)
    for n in (0, 3):
        assert bytes_of(ItemMaker(recipe, 7)(n)) == generate_case(recipe, 7, n).images["ct"].array.tobytes()


def test_each_body_is_built_once_and_no_more_are_held_than_are_open(stub_recipe, monkeypatch):
    built = []

    def counted(recipe, seed):
        built.append(seed.path)
        return whole(recipe, seed)

    whole = items.build_anatomy
    monkeypatch.setattr(items, "build_anatomy", counted)
    maker = ItemMaker(load_recipe(stub_recipe), 1, reuse=Reuse(images=6, bodies=2))
    for n in range(36):
        maker(n)
        assert len(maker._bodies) <= 2
    assert len(built) == len(set(built)) == 6


def test_drawn_settings_keep_their_ranges_and_move_nothing_else(stub_recipe):
    vary = {"ct.kvp": (80.0, 120.0), "ct.noise_hu": [0.0, 10.0]}
    recipe = load_recipe(stub_recipe)
    protocols = [ItemMaker(recipe, 1, vary=vary)(n).acquired["ct"].parameters for n in range(20)]
    kvps = [p["kvp"] for p in protocols]
    assert 80 <= min(kvps) < 90 < 110 < max(kvps) <= 120
    assert {p["noise_hu"] for p in protocols} == {0.0, 10.0}
    # Another setting has another stream: what was drawn without it stays.
    alone = [ItemMaker(recipe, 1, vary={"ct.kvp": (80.0, 120.0)})(n).acquired["ct"].parameters["kvp"] for n in range(5)]
    assert alone == kvps[:5]


@pytest.mark.parametrize(("vary", "words"), [
    ({"mr.kvp": (80.0, 120.0)}, "'mr.kvp'"), ({"ct.kpv": (80.0, 120.0)}, "did you mean 'kvp'"),
    ({"ct.kvp": (120.0, 80.0)}, "low, high"), ({"ct.kvp": (-5.0, 80.0)}, "ct.kvp.*greater than 0")])
def test_a_setting_that_cannot_be_drawn_is_told_in_one_line(stub_recipe, vary, words):
    with pytest.raises(RecipeError, match=words):
        ItemMaker(load_recipe(stub_recipe), 1, vary=vary)


def test_lesions_that_find_no_place_are_drawn_again(stub_recipe, monkeypatch):
    tried = []

    def difficult(options, scene, *, rng):
        tried.append(rng.uniform())
        if len(tried) < 3:
            raise PlacementError("no place")
        return []

    monkeypatch.setattr(items, "sample_lesions", difficult)
    ItemMaker(load_recipe(stub_recipe), 1)(0)
    assert len(set(tried)) == 3


def test_a_pose_moves_the_grid_and_leaves_the_body_where_it_is():
    recipe = load_recipe(CUBE)
    straight = ItemMaker(recipe, 1)(0).acquired["ct"].phantom
    askew = ItemMaker(recipe, 1, reuse=Reuse(turn_deg=8.0, shift_mm=10.0))(0).acquired["ct"].phantom
    assert not np.allclose(askew.grid.direction, straight.grid.direction)
    labels = {s.name: s.label for s in straight.structures}

    def middle(phantom, name):
        share = phantom.occupancy(labels[name])
        return (phantom.grid.points_mm() * share[..., None]).sum(axis=(0, 1, 2)) / share.sum()

    for name in ("letter_l", "letter_a", "letter_s", "orientation_ball"):
        np.testing.assert_allclose(middle(askew, name), middle(straight, name), atol=0.6)


def test_sampled_shapes_paint_the_same_bits_on_every_grid():
    body, someone = load_body("qa-resolution"), Subject("male", 50.0, 175.0, 75.0)
    bare = body.build(someone, body.sample_spec(someone, rng=Seed(1).rng()))
    scene, sampled = with_couch(bare), SampledPaints(bare)
    low, high = scene.bounds_mm
    for spacing in ((7.0, 3.0, 3.0), (5.0, 4.1, 2.3)):
        grid = Grid.covering(low, high, spacing)
        one, two = rasterize(scene, grid), rasterize(sampled.of(scene), grid)
        assert sampled.of(scene).paints[-1] is scene.paints[-1]  # the table is not of this body
        for name in ("labels", "neighbour", "fraction", "texture"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
