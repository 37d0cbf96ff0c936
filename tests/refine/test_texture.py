"""Noise power and histogram matching, against noise of known spectrum."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.refine.pair import Anchors, refine_pair
from medsynth.refine.refiner import RefineError, Truth
from medsynth.refine.texture import PATCH, TextureRefiner, radial_power, texture_statistics
from tests.refine.toy import chest, noise, volume


def test_white_noise_has_flat_power_whose_integral_is_its_variance():
    """NPS of white noise of variance s^2 is s^2 pixel^2 at every frequency."""
    patches = np.random.default_rng(0).normal(0, 3.0, (400, PATCH, PATCH)).astype(np.float32)
    _, power = radial_power(patches, 0.8)
    assert power == pytest.approx(np.full(power.size, 9 * 0.64), rel=0.05)


def water(seed: int, amount: float) -> Volume:
    """Nothing but noise about 40 HU, in air beyond the first and last rows."""
    array = 40 + amount * noise(seed)
    array[:, :4] = array[:, -4:] = -1000
    return volume(array)


def test_a_quiet_image_gets_the_noise_power_and_the_histogram_of_the_reference():
    reference = texture_statistics([(water(1, 1.0), None), (water(2, 1.0), None)])
    image = water(3, 0.2)
    labels = (image.array > -900).astype(np.uint16)
    truth = Truth(labels, np.zeros_like(labels), {1: "body"})
    found = refine_pair(TextureRefiner(reference), image, None, truth, strength=1.0, seed=Seed(5),
                        anchors=Anchors(low_frequency_mm=40))
    before, after = (np.array(texture_statistics([(one, None)]).power) for one in (image, found.image))
    off = [np.abs(one / np.array(reference.power) - 1)[1:].mean() for one in (before, after)]
    assert off[0] > 0.9
    assert off[1] < 0.15


def test_equal_seeds_give_equal_bytes_and_others_do_not():
    refiner = TextureRefiner(texture_statistics([(chest(seed=1)[1], chest(seed=1)[2])]))
    image, _, truth = chest(seed=3, noise_hu=4.0)
    one, two, three = (refiner.residual(image, truth, strength=0.7, seed=Seed(s)) for s in (1, 1, 2))
    assert one.tobytes() == two.tobytes() != three.tobytes()


def test_a_reference_that_cannot_be_used_is_one_line():
    with pytest.raises(RefineError, match="at least one image"):
        texture_statistics([])
    image, _, truth = chest()
    refiner = TextureRefiner(texture_statistics([(image, truth)]))
    fine = Volume(image.array, Grid(image.grid.shape_kji, (1.0, 1.0, 1.0)), "HU")
    with pytest.raises(RefineError, match="pixel size"):
        refiner.residual(fine, truth, strength=1.0, seed=Seed(0))
