"""The gate against refiners that lie."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.volume import Volume
from medsynth.refine.gate import Images, judge
from medsynth.refine.pair import RefinedPair
from medsynth.refine.refiner import RefineError
from tests.refine.toy import CORRUPTIONS, chest, noise, renoised, verdict, volume


@pytest.fixture(scope="module")
def pair():
    return chest()


def test_identity_scores_one_with_every_number_unchanged(pair):
    image, twin, truth = pair
    found = verdict(RefinedPair(image, twin), image, twin, truth)
    assert found.accepted
    assert found.fidelity == 1.0
    assert len(found.lesions) == 3
    for numbers in found.lesions.values():
        assert {numbers[name] for name in ("signal_ratio", "cnr_ratio", "dprime_ratio", "volume_ratio", "fidelity")
                } == {1.0}
        assert numbers["edge_voxels"] == numbers["contrast_change"] == 0.0


@pytest.mark.parametrize(("corruption", "told"), [
    ("painted out", "lesion 2: contrast"), ("blob", "blob"), ("shifted", "drift"), ("blurred", "lesion 2: signal"),
    ("grown", "lesion 2: volume")])
def test_a_refiner_that_spoils_the_truth_is_rejected(pair, corruption, told):
    found = verdict(CORRUPTIONS[corruption](*pair, 1.0), *pair)
    assert not found.accepted
    assert told in found.failed
    assert found.fidelity < 0.5


@pytest.mark.parametrize(("corruption", "amount"), [
    ("painted out", 0.3), ("blob", 0.4), ("shifted", 0.4), ("blurred", 0.8), ("grown", 0.2)])
def test_half_a_lie_under_other_noise_is_rejected_too(pair, corruption, amount):
    image, twin, truth = pair
    good = renoised(*pair, 11)
    found = verdict(CORRUPTIONS[corruption](good.image, good.twin, truth, amount), image, twin, truth)
    assert not found.accepted


@pytest.mark.parametrize("corruption", ["painted out", "blob"])
def test_without_a_twin_a_lost_or_added_lesion_is_still_found(pair, corruption):
    image, _, truth = pair
    after = RefinedPair(CORRUPTIONS[corruption](*pair, 1.0).image, None)
    found = verdict(after, image, None, truth)
    assert not found.accepted
    assert "confined" not in found.case


def test_other_noise_of_the_same_kind_is_accepted(pair):
    for seed in (1, 2):
        found = verdict(renoised(*pair, seed), *pair)
        assert found.failed == ()


def test_noise_may_grow_by_what_the_refiner_is_meant_to_add_and_no_more(pair):
    image, twin, truth = pair
    after = RefinedPair(*(volume(x.array + 2 * noise(5)) for x in (image, twin)))
    assert "lesion 1: cnr" in judge(Images(image, twin, after), truth).failed
    assert judge(Images(image, twin, after, {"": 5**0.5}), truth).accepted


def test_a_change_far_from_the_lesions_that_only_the_image_with_lesions_gets_is_a_leak(pair):
    image, twin, truth = pair
    leak = np.zeros(image.array.shape)
    leak[:, 50:60, 20:40] = 60 * np.sign(noise(3)[:, 50:60, 20:40])
    found = verdict(RefinedPair(volume(image.array + leak), twin), image, twin, truth)
    assert "confined" in found.failed


def test_the_measured_drift_is_the_shift(pair):
    for amount in (0.2, 0.6):
        found = verdict(CORRUPTIONS["shifted"](*pair, amount), *pair)
        assert found.case["drift_voxels"] == pytest.approx(amount, abs=0.12)


def test_nan_in_a_refined_image_is_one_line(pair):
    image, twin, truth = pair
    broken = image.array.astype(np.float32)
    broken[0, 0, 0] = np.nan
    with pytest.raises(RefineError, match="finite"):
        judge(Images(image, twin, RefinedPair(Volume(broken, image.grid, "HU"), twin)), truth)
