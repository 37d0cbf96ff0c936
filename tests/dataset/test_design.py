"""Designs: shares that are exact, draws that follow their formula, cases that do not depend on how they are asked for.

The expected numbers are counts of whole cases and closed forms of the distributions.
"""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsynth.core.errors import RecipeError
from medsynth.core.seed import Seed
from medsynth.dataset.deal import counts_of, deal, joined
from medsynth.dataset.design import case_design
from medsynth.dataset.recipe import load_recipe
from medsynth.dataset.run import generate
from medsynth.scene.population import sample_subject
from tests.dataset.test_run import tree

NODULE = {"kind": "lung_nodule"}


def recipe_with(stub_recipe, design, **changed):
    return load_recipe({**stub_recipe, **changed, "design": design})


def cases(recipe, seed=0, count=None):
    return [case_design(recipe, seed, index) for index in range(count or recipe.design.size)]


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=6), st.integers(0, 500))
def test_counts_sum_to_the_size_and_are_within_one_of_their_share(shares, size):
    counts = counts_of(shares, size)
    assert sum(counts) == size
    assert all(abs(count - share * size / sum(shares)) < 1 for count, share in zip(counts, shares, strict=True))


@given(st.integers(1, 300), st.integers(1, 5), st.integers(0, 5))
def test_dealing_is_exact_over_all_and_even_within_every_group(size, groups, seed):
    shares = [0.7, 0.15, 0.15]
    group = np.arange(size) % groups
    dealt = deal(shares, group, Seed(seed).child("splits"))
    assert Counter(dealt.tolist()) == {k: n for k, n in enumerate(counts_of(shares, size)) if n}
    for one in range(groups):
        inside = dealt[group == one]
        for number, share in enumerate(shares):
            assert abs((inside == number).sum() - share * len(inside)) <= 2


def test_dealing_depends_on_the_seed_and_not_on_the_order_of_indices():
    group = np.zeros(100, np.int64)
    first, again, other = (deal([1, 1], group, Seed(s).child("x")).tolist() for s in (1, 1, 2))
    assert first == again != other
    assert first != sorted(first)
    assert joined(np.array([0, 0, 1]), np.array([0, 1, 0])).tolist() == [0, 1, 2]


def test_a_design_that_varies_the_protocol_leaves_the_people_as_they_are(stub_recipe):
    recipe = recipe_with(stub_recipe, {"vary": {"acquisitions.ct.kvp": {"choice": [80, 100, 140]}}})
    for index, case in enumerate(cases(recipe, 7, 5)):
        assert case.subject == sample_subject(rng=Seed(7).child("case", index, "subject").rng())
        assert case.recipe.acquisitions["ct"].kvp == case.told["values"]["acquisitions.ct.kvp"]
        assert case.recipe.design is None


def test_values_follow_their_weights_and_ranges(stub_recipe):
    recipe = recipe_with(stub_recipe, {"vary": {
        "acquisitions.ct.kvp": {"choice": [80, 120], "weights": [1, 3]},
        "acquisitions.ct.noise_hu": {"log_uniform": [1, 100]}, "acquisitions.ct.slow_s": {"uniform": [0.2, 0.4]}}})
    drawn = [case.told["values"] for case in cases(recipe, count=150)]
    low = sum(values["acquisitions.ct.kvp"] == 80 for values in drawn)
    assert abs(low - 37.5) < 4 * np.sqrt(150 * 0.25 * 0.75)
    logs = np.log10([values["acquisitions.ct.noise_hu"] for values in drawn])
    assert logs.min() >= 0
    assert logs.max() <= 2
    assert abs(logs.mean() - 1) < 4 * (2 / np.sqrt(12)) / np.sqrt(150)
    assert all(0.2 <= values["acquisitions.ct.slow_s"] <= 0.4 for values in drawn)


def test_a_choice_within_an_acquisition_is_the_same_design(stub_recipe):
    inline = load_recipe({**stub_recipe, "acquisitions": {"ct": {"modality": "stub", "kvp": {"choice": [80, 100]}}}})
    assert inline.design.vary["acquisitions.ct.kvp"].choice == (80, 100)
    assert {case.recipe.acquisitions["ct"].kvp for case in cases(inline, count=20)} == {80, 100}


def test_a_latin_hypercube_puts_one_case_into_every_slice_of_every_axis(stub_recipe):
    size = 40
    recipe = recipe_with(stub_recipe, {"size": size, "latin_hypercube": True, "vary": {
        "acquisitions.ct.noise_hu": {"uniform": [0, 40]}, "acquisitions.ct.kvp": {"choice": [80, 120]}}},
        subject={"age_years": {"min": 20, "max": 60}})
    drawn = cases(recipe, 3)
    assert sorted(int(case.told["values"]["acquisitions.ct.noise_hu"]) for case in drawn) == list(range(size))
    assert sorted(int(case.subject.age_years - 20) for case in drawn) == list(range(size))
    assert Counter(case.told["values"]["acquisitions.ct.kvp"] for case in drawn) == {80: 20, 120: 20}
    ages = [case.subject.age_years for case in drawn]
    noise = [case.told["values"]["acquisitions.ct.noise_hu"] for case in drawn]
    assert abs(np.corrcoef(ages, noise)[0, 1]) < 0.6


def test_classes_and_quotas_are_exact_and_set_their_lesions_and_values(stub_recipe):
    recipe = recipe_with(stub_recipe, {"size": 50, "classes": {
        "healthy": {"share": 0.5, "lesions": []},
        "small": {"share": 0.2, "lesions": [0], "set": {"lesions.0.diameter_mm": {"choice": [4, 5]}}},
        "large": {"share": 0.3, "lesions": [0, 1], "set": {"lesions.0.diameter_mm": 25}}},
        "quotas": {"noisy": {"share": 0.1, "set": {"acquisitions.ct.noise_hu": 80}},
                   "extra": {"count": 7, "lesions": [2]}}}, lesions=[NODULE, NODULE, {**NODULE, "count": 3}])
    drawn = cases(recipe, 11)
    assert Counter(case.told["class"] for case in drawn) == {"healthy": 25, "small": 10, "large": 15}
    assert sum("noisy" in case.told.get("quotas", []) for case in drawn) == 5
    assert sum(2 in case.told["lesions"] for case in drawn) == 7
    for case in drawn:
        wanted = {"healthy": [], "small": [0], "large": [0, 1]}[case.told["class"]]
        assert [number for number in case.told["lesions"] if number < 2] == wanted
        assert len(case.recipe.lesions) == len(case.told["lesions"])
        if case.told["class"] == "small":
            assert case.recipe.lesions[0].options.diameter_mm.value in (4, 5)
        noisy = "noisy" in case.told.get("quotas", [])
        assert case.recipe.acquisitions["ct"].noise_hu == (80 if noisy else 20)


def test_prevalence_is_the_logistic_function_of_the_subject(stub_recipe):
    recipe = recipe_with(stub_recipe, {"prevalence": [
        {"lesion": 0, "intercept": -6, "coefficients": {"age_years": 0.1, "male": 1}}]}, lesions=[NODULE])
    drawn = cases(recipe, 5, 160)
    odds = [1 / (1 + np.exp(6 - 0.1 * case.subject.age_years - (case.subject.sex == "male"))) for case in drawn]
    seen = [0 in case.told["lesions"] for case in drawn]
    assert abs(sum(seen) - sum(odds)) < 4 * np.sqrt(sum(p * (1 - p) for p in odds))
    old = [s for s, case in zip(seen, drawn, strict=True) if case.subject.age_years > 60]
    young = [s for s, case in zip(seen, drawn, strict=True) if case.subject.age_years < 40]
    assert np.mean(old) > np.mean(young) + 0.3


def test_strata_hold_every_combination_as_often_and_splits_are_even_within_them(stub_recipe):
    recipe = recipe_with(stub_recipe, {"size": 60, "strata": {"sex": ["female", "male"], "age_years": [20, 40, 60, 80]},
                                       "splits": {"train": 0.7, "validation": 0.1, "test": 0.2}})
    drawn = cases(recipe, 2)
    cells = Counter((case.subject.sex, int((case.subject.age_years - 20) // 20)) for case in drawn)
    assert set(cells.values()) == {10}
    assert len(cells) == 6
    assert Counter(case.told["split"] for case in drawn) == {"train": 42, "validation": 6, "test": 12}
    for sex in ("female", "male"):
        assert sum(case.told["split"] == "test" for case in drawn if case.subject.sex == sex) in (5, 6, 7)


def test_what_is_held_out_is_in_its_split_alone(stub_recipe):
    recipe = recipe_with(stub_recipe, {
        "size": 40, "splits": {"train": 0.75, "test": 0.25},
        "vary": {"acquisitions.ct.kvp": {"choice": [80, 100, 120]}, "acquisitions.ct.noise_hu": {"uniform": [10, 50]}},
        "held_out": [{"split": "test", "path": "acquisitions.ct.kvp", "values": [120]},
                     {"split": "test", "path": "acquisitions.ct.noise_hu", "min": 40},
                     {"split": "test", "path": "subject.age_years", "min": 70}]})
    for case in cases(recipe, 9):
        test = case.told["split"] == "test"
        assert (case.told["values"]["acquisitions.ct.kvp"] == 120) == test
        assert (case.told["values"]["acquisitions.ct.noise_hu"] >= 40) == test
        assert (case.subject.age_years >= 70) == test


def test_correlated_values_have_the_correlation_of_their_scores(stub_recipe):
    recipe = recipe_with(stub_recipe, {
        "vary": {"acquisitions.ct.noise_hu": {"uniform": [0, 1]}},
        "correlations": [["subject.age_years", "acquisitions.ct.noise_hu", 0.8]]})
    drawn = cases(recipe, 1, 150)
    pairs = np.array([[case.subject.age_years, case.told["values"]["acquisitions.ct.noise_hu"]] for case in drawn])
    # Of uniform margins the correlation is 6/pi asin(rho/2).
    assert np.corrcoef(pairs.T)[0, 1] == pytest.approx(6 / np.pi * np.arcsin(0.4), abs=0.13)


def test_shards_and_the_whole_make_the_same_files_and_the_manifest_tells_the_split(stub_recipe, tmp_path):
    recipe = {**stub_recipe, "design": {
        "size": 6, "splits": {"train": 0.5, "test": 0.5}, "latin_hypercube": True,
        "vary": {"acquisitions.ct.kvp": {"choice": [80, 120]}},
        "quotas": {"noisy": {"count": 2, "set": {"acquisitions.ct.noise_hu": 60}}}}}
    generate(recipe, 6, tmp_path / "whole", seed=4)
    for number in (2, 1):
        generate(recipe, 6, tmp_path / "parts", seed=4, shard=(number, 2))
    assert tree(tmp_path / "whole") == tree(tmp_path / "parts")
    rows = [json.loads(line) for line in (tmp_path / "whole" / "manifest.jsonl").read_text().splitlines()]
    assert Counter(row["split"] for row in rows) == {"train": 3, "test": 3}
    assert sum(row["design"].get("quotas") == ["noisy"] for row in rows) == 2
    told = json.loads((tmp_path / "whole" / "case-00000" / "annotations.json").read_text())
    assert told["specs"]["design"] == rows[0]["design"]
    with pytest.raises(RecipeError, match="count must be <= 6"):
        generate(recipe, 7, tmp_path / "more", seed=4)


def test_a_recipe_without_a_design_resolves_as_ever(stub_recipe):
    assert "design" not in load_recipe(stub_recipe).resolved()
    design = {"size": 4, "vary": {"acquisitions.ct.kvp": {"choice": [80, 100]}}}
    recipe = recipe_with(stub_recipe, design)
    assert load_recipe(recipe.resolved()).fingerprint() == recipe.fingerprint()
    assert recipe.fingerprint() != load_recipe(stub_recipe).fingerprint()


@pytest.mark.parametrize(("design", "part"), [
    ({"vary": {"acquisitions.ct.kvpp": {"choice": [1]}}}, "did you mean 'kvp'"),
    ({"vary": {"acquisitions.ct.kvp": {"uniform": [-5, 100]}}}, "acquisitions.ct.kvp must be > 0"),
    ({"vary": {"acquisitions.ct.kvp": {"uniform": [100, 5]}}}, "low, high"),
    ({"vary": {"acquisitions.ct.kvp": {"choices": [100]}}}, "did you mean 'choice'"),
    ({"quotas": {"a": {"share": 0.1}}}, "size is missing"),
    ({"classes": {"a": {"share": 0.4}}}, "sum to 1"),
    ({"splits": {"train": 0.9, "test": 0.2}}, "sum to 1"),
    ({"prevalence": [{"lesion": 0, "intercept": 0}]}, "an entry of the 0 in lesions"),
    ({"splits": {"a": 1}, "held_out": [{"split": "b", "path": "subject.age_years", "min": 3}]}, "one of the splits"),
    ({"splits": {"a": 0.5, "b": 0.5}, "held_out": [{"split": "b", "path": "subject.age_years", "min": 30, "max": 50}]},
     "at one end"),
    ({"correlations": [["subject.age_years", "nonsense", 0.5]]}, "one of"),
    ({"sizes": 3}, "did you mean 'size'"),
])
def test_a_design_that_cannot_be_is_one_line_before_anything_runs(stub_recipe, design, part):
    with pytest.raises(RecipeError, match=part) as caught:
        recipe_with(stub_recipe, design)
    assert "design" in str(caught.value)
    assert "\n" not in str(caught.value)
