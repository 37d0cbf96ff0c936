"""What is measured of an image before a lesion goes in, against noise and blur of known size."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medsynth.core.seed import Seed
from medsynth.insertion.texture import measure_noise, sharpness_px


def noisy(shape, sd, blur, *, slices=0.0, seed=1):
    white = Seed(seed).rng().standard_normal(shape)
    shaped = ndimage.gaussian_filter(white, (slices, blur, blur), mode="wrap")
    return sd * shaped / shaped.std()


@pytest.mark.parametrize(("blur", "slices"), [(0.0, 0.0), (0.8, 0.0), (1.2, 0.7)])
def test_noise_on_an_even_ground_has_the_spread_it_was_made_with(blur, slices):
    image = 50 + noisy((12, 101, 96), 17.0, blur, slices=slices)
    found = measure_noise(image, np.ones(image.shape, bool))
    # What is slower than a patch is lost with the patch's plane: more of it where the noise is blurred.
    assert found.sd == pytest.approx(17.0, rel=0.05 if blur == 0 else 0.12)
    fresh = found.draw((12, 100, 90), rng=Seed(2).rng())
    assert fresh.std() == pytest.approx(found.sd, rel=0.04)


def test_structure_is_not_taken_for_noise():
    image = noisy((10, 120, 120), 10.0, 0.7)
    y, x = np.indices((120, 120))
    image += np.where((y // 40 + x // 40) % 2, 300.0, 0.0) + 150 * np.exp(-((y - 60) ** 2 + (x - 20) ** 2) / 40)
    assert measure_noise(image, np.ones(image.shape, bool)).sd == pytest.approx(10.0, rel=0.12)


def test_new_noise_is_as_grainy_as_the_old_and_as_alike_between_slices():
    image = noisy((16, 128, 128), 20.0, 1.1, slices=0.6)
    fresh = measure_noise(image, np.ones(image.shape, bool)).draw((16, 128, 128), rng=Seed(5).rng())

    def alike(noise, shift):
        return float(np.mean(noise * np.roll(noise, shift, axis=(0, 1, 2)[:len(shift)])) / np.mean(noise**2))

    for shift in ((0, 0, 1), (0, 1, 0), (0, 0, 2)):
        assert alike(fresh, shift) == pytest.approx(alike(image, shift), abs=0.12), shift
    assert alike(fresh[:, :, :], (1, 0, 0)) == pytest.approx(alike(image, (1, 0, 0)), abs=0.12)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.6])
def test_the_blur_of_an_edge_is_found(sigma):
    image = np.zeros((3, 80, 80))
    y, x = np.indices((80, 80))
    image[:, (y - 40) ** 2 + (x - 41) ** 2 < 25**2] = 1000.0
    image = ndimage.gaussian_filter(ndimage.gaussian_filter(image, (0, 0.29, 0.29)), (0, sigma, sigma))
    assert sharpness_px(image) == pytest.approx(sigma, rel=0.15)
