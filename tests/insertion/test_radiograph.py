"""A lesion in a radiograph: thickness, contrast, and the derived object."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.errors import PlacementError, RecipeError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.insertion.insert import Insertion
from medsynth.insertion.radiograph import insert_shadow
from medsynth.tissues.attenuation import linear_attenuation
from medsynth.tissues.table import tissue

BALL = {"types": {"solid": 1}, "calcifications": {"none": 1}, "spiculation": {"probability": 0}, "diameter_mm": 24,
        "lobulation": {"probability": 0}, "attachments": {"none": 1}}


def film(seed=1):
    x = np.indices((200, 240))[1]
    values = 900 + 4.0 * x + 5 * Seed(seed).rng().standard_normal((200, 240))
    return Volume(values[None].astype(np.float32), Grid((1, 200, 240), (0.5, 0.5, 0.5), (0.0, 0.0, 0.0)), "P-value")


def test_a_ball_throws_the_shadow_of_a_ball():
    image = film()
    made = insert_shadow(image, "lung_nodule", how=Insertion(at_mm=(60.0, 50.0, 0.0), options=BALL), seed=Seed(1))
    assert made.thickness_mm.sum() * 0.25 == pytest.approx(np.pi / 6 * 24**3, rel=0.05)
    assert made.thickness_mm.max() == pytest.approx(24, rel=0.25)
    share = made.thickness_mm[0]
    centre = np.average(np.argwhere(share > 0), axis=0, weights=share[share > 0]) * 0.5
    assert centre == pytest.approx((50.0, 60.0), abs=1.5)
    change = made.image.array - image.array
    # 100 mm of water are the range of the film; the nodule stands for soft tissue less the lung it displaces.
    low, high = np.quantile(image.array, (0.05, 0.95))
    soft, lung, water = (float(linear_attenuation(tissue(n), np.array([60.0]))[0]) for n in
                         ("nodule_solid", "lung_tissue", "water"))
    per_mm = (soft - 0.25 * lung) / water * (high - low) / 100
    inside = made.thickness_mm > 15
    assert (change[inside] / made.thickness_mm[inside]).mean() == pytest.approx(per_mm, rel=0.06)
    assert not change[made.thickness_mm == 0].any()


def test_a_contrast_that_is_asked_for_is_given():
    made = insert_shadow(film(), "lung_nodule", how=Insertion(at_mm=(60.0, 50.0, 0.0), options=BALL, contrast=150.0),
                         seed=Seed(1))
    assert np.abs(made.image.array - film().array).max() == pytest.approx(150, abs=1)
    assert made.contrast == pytest.approx(150, abs=1)


def test_a_mask_is_hit_and_an_empty_one_refused():
    image = film()
    mask = np.zeros(image.array.shape, np.uint8)
    mask[0, 100:160, 30:90] = 1
    made = insert_shadow(image, "lung_nodule", how=Insertion(options={**BALL, "diameter_mm": 10}),
                         mask=Volume(mask, image.grid, "label"), seed=Seed(7))
    assert mask[0][made.thickness_mm[0] > 5].all()
    with pytest.raises(PlacementError, match="empty"):
        insert_shadow(image, "lung_nodule", how=Insertion(options=BALL), mask=Volume(mask * 0, image.grid, "label"),
                      seed=Seed(7))
    with pytest.raises(PlacementError, match="--at"):
        insert_shadow(image, "lung_nodule", how=Insertion(at_mm=(900.0, 0.0, 0.0)), seed=Seed(7))
    deep = Volume(np.zeros((2, 9, 9), np.float32), Grid.centred((2, 9, 9), (1.0, 1.0, 1.0)), "P-value")
    with pytest.raises(RecipeError, match="slices"):
        insert_shadow(deep, "lung_nodule", how=Insertion(at_mm=(0.0, 0.0, 0.0)), seed=Seed(7))
