"""Lesions over several visits: sizes by their course, the same numbers, and what RECIST calls it."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.errors import PlacementError, RecipeError
from medsynth.core.seed import Seed
from medsynth.dataset.course import CoursePart, diameter_factor, lesions_on, recist, response_truth
from medsynth.dataset.recipe import load_recipe
from medsynth.lesions.lung_nodule import sample_specs
from medsynth.lesions.lung_nodule_options import LungNoduleOptions
from medsynth.scene.extent import lesion_bounds_mm
from tests.lesions.lungs import lungs_scene

ROUND = {"types": {"solid": 1}, "calcifications": {"none": 1}, "spiculation": {"probability": 0},
         "lobulation": {"probability": 0}, "attachments": {"none": 1}}


def test_a_volume_doubles_in_its_doubling_time():
    course = CoursePart(doubling_days={"min": 120, "max": 120})
    for day, volume in ((0, 1.0), (120, 2.0), (240, 4.0)):
        assert diameter_factor(course, day, 240, seed=Seed(1)) ** 3 == pytest.approx(volume)
    shrinking = CoursePart(doubling_days={"min": -60, "max": -60})
    assert diameter_factor(shrinking, 60, 60, seed=Seed(1)) ** 3 == pytest.approx(0.5)


@pytest.mark.parametrize(("response", "category"), [("complete", "CR"), ("partial", "PR"), ("stable", "SD"),
                                                    ("progressive", "PD")])
def test_a_response_that_is_asked_for_is_what_recist_says_of_it(response, category):
    for number in range(40):
        factor = diameter_factor(CoursePart(response=response), 90, 90, seed=Seed(number))
        told = recist({"first": 42.0, "later": 42.0 * factor}, "first", new={})
        assert told["later"]["category"] == category


def test_recist_follows_the_nadir_the_five_millimetres_and_new_lesions():
    sums = {"a": 50.0, "b": 30.0, "c": 37.0, "d": 30.0}
    told = recist(sums, "a", new={"d": True})
    assert [told[name]["category"] for name in "abcd"] == ["baseline", "PR", "PD", "PD"]
    assert recist({"a": 12.0, "b": 15.0}, "a", new={})["b"]["category"] == "SD"  # + 25 % but 3 mm alone
    assert recist({"a": 50.0, "b": 0.0}, "a", new={})["b"]["category"] == "CR"


def test_targets_are_the_largest_and_at_most_two_of_an_organ():
    def seen(number, size, organ):
        return {"id": number, "diameters_mm": {"long_axis": size}, "host": {"name": organ}}

    first = [seen(1, 30, "liver"), seen(2, 20, "liver"), seen(3, 15, "liver"), seen(4, 12, "spleen"),
             seen(5, 9, "spleen")]
    told = response_truth({"first": first, "later": [seen(1, 15, "liver"), seen(2, 10, "liver"), seen(4, 12, "s")]})
    assert told["targets"] == [1, 2, 4]
    assert told["visits"]["first"]["sum_mm"] == 62
    assert told["visits"]["later"] == {"sum_mm": 37, "category": "PR"}


def test_a_lesion_keeps_its_number_and_place_grows_and_may_come_later():
    scene = lungs_scene()
    specs = sample_specs(LungNoduleOptions(count=3, diameter_mm=8, **ROUND), scene, rng=Seed(3).rng())
    courses = [CoursePart(doubling_days={"min": 50, "max": 50}), CoursePart(appears_day=40), None]

    def on(day):
        return {one.number: one for one in lesions_on(specs, courses, scene, day, 100, seed=Seed(1))}

    first, later = on(0), on(100)
    assert sorted(first) == [1, 3]
    assert sorted(later) == [1, 2, 3]
    widths = [np.ptp(np.asarray(lesion_bounds_mm(visit[1])), axis=0).mean() for visit in (first, later)]
    assert widths[1] / widths[0] == pytest.approx(4 ** (1 / 3), rel=0.06)
    assert first[1].spec["centre_mm"] == later[1].spec["centre_mm"]
    assert first[3].spec == later[3].spec
    with pytest.raises(PlacementError, match="day 3000"):
        on(3000)


def test_a_recipe_says_what_is_wrong_with_its_visits():
    base = {"phantom": {"body": "thorax"}, "lesions": [{"kind": "lung_nodule"}],
            "acquisitions": {"first": {"modality": "ct"}, "later": {"modality": "ct"}}}
    good = load_recipe({**base, "visits": {"later": 90},
                        "lesions": [{"kind": "lung_nodule", "course": {"doubling_days": 150}}]})
    assert good.lesions[0].course.doubling_days.min == 150
    assert load_recipe(good.resolved()).fingerprint() == good.fingerprint()
    for change, match in (({"visits": {"last": 90}}, "visits.last"),
                          ({"lesions": [{"kind": "lung_nodule", "course": {"doubling_days": 9}}]}, "visits"),
                          ({"visits": {"later": 9}, "lesions": [{"kind": "lung_nodule", "course": {"doubling_days": 9,
                            "response": "partial"}}]}, "at most one")):
        with pytest.raises(RecipeError, match=match):
            load_recipe({**base, **change})
