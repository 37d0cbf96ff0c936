"""Random streams: keyed by name, independent, and equal everywhere."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsynth.core.errors import RecipeError
from medsynth.core.seed import Seed

names = st.lists(st.text(st.characters(codec="utf-8"), max_size=6), max_size=5)


def test_the_stream_of_a_path_never_changes_between_versions() -> None:
    """A dataset is rebuilt from its seed years later: these numbers are a promise."""
    seed = Seed(7).child("case", 3).child("ct", "noise")
    assert seed.integer() == 8195685265270517522
    assert seed.rng().integers(0, 1000, 4).tolist() == [952, 952, 972, 644]


def test_two_generators_of_one_seed_give_the_same_numbers() -> None:
    seed = Seed(1, ("a",))
    assert np.array_equal(seed.rng().normal(size=10), seed.rng().normal(size=10))


def test_drawing_from_one_stream_moves_no_other() -> None:
    case = Seed(1).child("case", 0)
    before = case.child("ct", "noise").rng().normal(size=5)
    case.child("lesions").rng().normal(size=1000)
    case.child("lesions", "nodule", 4).rng()
    assert np.array_equal(before, case.child("ct", "noise").rng().normal(size=5))


@given(names, names)
def test_different_paths_have_different_streams(one: list[str], other: list[str]) -> None:
    same = Seed(5).child(*one).digest() == Seed(5).child(*other).digest()
    assert same == (one == other)


@pytest.mark.parametrize(("one", "other"), [
    (("ab", "c"), ("a", "bc")),
    (("a/b",), ("a", "b")),
    (("1:a",), ("a",)),
    (("a", ""), ("a",)),
    (("a", ""), ("", "a")),
])
def test_names_cannot_run_into_each_other(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert Seed(5, one).digest() != Seed(5, other).digest()


def test_the_value_cannot_run_into_the_path() -> None:
    assert Seed(12).child("3").digest() != Seed(1).child("23").digest()
    assert Seed(-1).digest() != Seed(1).digest()


def test_streams_of_neighbouring_cases_are_uncorrelated() -> None:
    draws = np.array([Seed(0).child("case", n).rng().normal(size=4000) for n in range(40)])
    correlation = np.corrcoef(draws)[np.triu_indices(40, 1)]
    assert np.abs(correlation).max() < 5 / np.sqrt(4000)
    assert abs(correlation.std() - 1 / np.sqrt(4000)) < 0.002


def test_the_first_draw_over_many_cases_is_uniform() -> None:
    first = np.sort([Seed(9).child("case", n).rng().random() for n in range(2000)])
    distance = np.abs(first - (np.arange(2000) + 0.5) / 2000).max()  # Kolmogorov-Smirnov
    assert distance < 1.63 / np.sqrt(2000)  # 1 % level


def test_another_process_with_another_hash_seed_gives_the_same_stream() -> None:
    code = "from medsynth.core.seed import Seed; print(Seed(7).child('case', 3).rng().random())"
    answers = {
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": salt}, capture_output=True, text=True,
                       check=True).stdout for salt in ("1", "2")
    }
    assert answers == {f"{Seed(7).child('case', 3).rng().random()}\n"}


@given(st.integers(1, 256))
def test_an_integer_has_at_most_the_bits_asked_for(bits: int) -> None:
    assert 0 <= Seed(3, ("x",)).integer(bits) < 2**bits


def test_numbers_and_their_text_name_the_same_stream() -> None:
    assert Seed(np.int64(7)).child(3) == Seed(7).child("3")


@pytest.mark.parametrize("value", [1.5, "7", None, True, float("nan")])
def test_a_seed_that_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(RecipeError, match="seed must be a whole number"):
        Seed(value)  # type: ignore[arg-type]
