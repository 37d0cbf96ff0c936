"""The dictionary transform: in place, reproducible, and in the form that it was given."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth.core.errors import RecipeError
from medsynth.export.nifti import ras_affine
from medsynth.insertion.insert import Insertion
from medsynth.insertion.transform import RandInsertLesiond
from tests.insertion.test_insert import SOLID, chest, lung_of


@pytest.fixture(scope="module")
def sample():
    image = chest()
    return {"image": image.array.T[None].astype(np.float32), "label": lung_of(image).array.T[None]}, \
        ras_affine(image.grid)


def transform(affine, **settings):
    how = Insertion(options={**SOLID, "diameter_mm": 12})
    return RandInsertLesiond(["lung_nodule"], affine=affine, how=how, **settings)


def test_it_inserts_with_its_probability_and_marks_what_it_did(sample):
    data, affine = sample
    made = transform(affine, prob=1.0).set_random_state(3)(data)
    changed = made["image"] != data["image"]
    assert changed.any()
    assert made["image"].shape == data["image"].shape
    assert made["lesion"].sum() * 2.0 == pytest.approx(np.pi / 6 * 12**3, rel=0.15)
    assert made["image"][made["lesion"] == 1].mean() > -300
    assert np.array_equal(data["image"], sample[0]["image"])
    never = transform(affine, prob=0.0).set_random_state(3)(data)
    assert np.array_equal(never["image"], data["image"])
    assert not never["lesion"].any()


def test_a_state_repeats_what_was_drawn(sample):
    data, affine = sample
    first, again, other = (transform(affine, prob=1.0).set_random_state(seed)(data)["image"] for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_tensors_of_monai_keep_their_place(sample):
    monai = pytest.importorskip("monai.data")
    torch = pytest.importorskip("torch")
    data, affine = sample
    given = {key: monai.MetaTensor(torch.as_tensor(values), affine=torch.as_tensor(affine))
             for key, values in data.items()}
    made = transform(None, prob=1.0).set_random_state(3)(given)
    assert torch.allclose(made["image"].affine, given["image"].affine)
    plain = transform(affine, prob=1.0).set_random_state(3)(data)
    assert np.allclose(made["image"].numpy(), plain["image"])
    assert np.array_equal(made["lesion"].numpy(), plain["lesion"])


def test_what_is_wrong_is_said(sample):
    data, affine = sample
    with pytest.raises(RecipeError, match="prob"):
        transform(affine, prob=1.5)
    with pytest.raises(RecipeError, match="lung_nodle"):
        RandInsertLesiond(["lung_nodle"])
    with pytest.raises(RecipeError, match="affine"):
        transform(None, prob=1.0)(data)
    with pytest.raises(RecipeError, match="shape"):
        transform(affine, prob=1.0)({**data, "image": data["image"][0]})
