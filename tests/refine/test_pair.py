"""Anchors: what a refiner may change, whatever it says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import ndimage

from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.refine.pair import Anchors, anchored, refine_pair
from medsynth.refine.refiner import IdentityRefiner, RefineError, Truth
from tests.refine.toy import chest, noise, verdict


@dataclass(frozen=True)
class Liar(IdentityRefiner):
    """Removes every lesion it is told of, adds a bias, a slope and one spike, and some texture."""

    def residual(self, image, truth, *, strength, seed):
        told = -600.0 * (truth.lesions > 0) + 80 + np.linspace(-50, 50, 64)[None, None, :] + 0.3 * noise(8)
        told[3, 20, 30] += 900
        return (strength * told).astype(np.float32)


@pytest.fixture(scope="module")
def pair():
    return chest()


def test_strength_zero_and_identity_change_nothing(pair):
    image, twin, truth = pair
    for refiner, strength in ((Liar(), 0.0), (IdentityRefiner(), 1.0)):
        found = refine_pair(refiner, image, twin, truth, strength=strength, seed=Seed(1))
        assert np.array_equal(found.image.array, image.array)
        assert np.array_equal(found.twin.array, twin.array)


def test_anchors_hold_a_liar(pair):
    """Lesions, means and the smooth part stay; the texture comes through."""
    image, twin, truth = pair
    liar = Liar(spread={"": 6.0})
    found = refine_pair(liar, image, twin, truth, strength=1.0, seed=Seed(1), anchors=Anchors(low_frequency_mm=12))
    change = found.image.array - image.array.astype(float)
    assert np.abs(change).max() <= 5 * 6.0 + 6  # the spike and the edges of the lesions are clamped
    for label in (1, 2, 3):
        assert abs(change[truth.labels == label].mean()) < 0.6
    smooth = ndimage.gaussian_filter(change, (0, 5, 5))[:, 20:44, 20:44]
    assert np.abs(smooth).max() < 10
    assert change.std() > 3
    assert verdict(found, image, twin, truth).failed == ()


def test_a_lesion_and_its_twin_get_the_same_texture(pair):
    image, twin, truth = pair
    found = refine_pair(Liar(), image, twin, truth, strength=1.0, seed=Seed(1))
    inside = truth.lesions > 0
    before, after = (a.array.astype(int) - b.array for a, b in ((image, twin), (found.image, found.twin)))
    assert np.abs(after - before)[inside].max() <= 1


def test_without_a_twin_every_lesion_keeps_its_mean(pair):
    image, _, truth = pair
    found = refine_pair(Liar(), image, None, truth, strength=1.0, seed=Seed(1))
    for number in (1, 2, 3):
        inside = truth.lesions == number
        assert found.image.array[inside].mean() == pytest.approx(image.array[inside].mean(), abs=0.6)


def test_structure_means_stay_where_nothing_else_holds(pair):
    _, _, truth = pair
    wild = noise(4).astype(np.float32) + 100 * (truth.labels == 2)
    kept = anchored(wild, truth, IdentityRefiner(), (2.5, 2.5, 2.5), Anchors(low_frequency_mm=0))
    assert abs(kept[truth.labels == 2].mean()) < 1e-3


@pytest.mark.parametrize(("change", "told"), [
    ({"strength": float("nan")}, "strength"), ({"strength": 1.5}, "strength"), ({"modality": "DX"}, "modality"),
    ({"labels": True}, "shape of labels"), ({"nan": True}, "finite")])
def test_input_that_cannot_be_refined_is_one_line(pair, change, told):
    image, twin, truth = pair
    if "modality" in change:
        truth = Truth(truth.labels, truth.lesions, truth.names, "DX")
    if "labels" in change:
        truth = Truth(truth.labels[1:], truth.lesions, truth.names)
    if "nan" in change:
        image = Volume(np.full(image.array.shape, np.nan, np.float32), image.grid, "HU")
    with pytest.raises(RefineError, match=told):
        refine_pair(IdentityRefiner(), image, twin, truth, strength=change.get("strength", 0.5), seed=Seed(0))
