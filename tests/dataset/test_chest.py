"""The built-in chest recipes end to end, with coarse voxels: the real body, lesions and scanner."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

import medsynth as ms
from medsynth.annotate.annotation import annotation_schema
from medsynth.core.errors import PlacementError
from medsynth.dataset.reading import built_in_recipes
from medsynth.dataset.run import generate
from medsynth.dataset.write import lesion_truth
from medsynth.export.nifti import read_nifti
from phantoms.torso.body import TrunkBody
from tests.dataset.test_run import tree

pytestmark = pytest.mark.slow

COARSE = {"acquisitions.ct.pixel_mm": 4, "acquisitions.ct.slice_thickness_mm": 4, "acquisitions.ct.increment_mm": 4}
NODULES = {**COARSE, "lesions.0.count": 2, "lesions.0.diameter_mm": {"min": 12, "max": 20},
           "lesions.0.attachments": {"none": 1}}


@pytest.fixture(scope="module", autouse=True)
def _each_person_is_built_once():
    """A scene follows from subject and spec alone (`tests/phantoms/test_thorax_spec.py`): build each once here."""
    build, scenes = TrunkBody.build, {}

    def once(body, subject, spec):
        key = json.dumps([body.name, asdict(subject), dict(spec)], sort_keys=True)
        if key not in scenes:
            scenes[key] = build(body, subject, spec)
        return scenes[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrunkBody, "build", once)
        yield


@pytest.fixture(scope="module")
def case():
    return ms.generate_case(ms.load_recipe("chest-ct-nodules-small", overrides=NODULES), seed=2, twin=True)


def test_built_in_recipes_load():
    for name in built_in_recipes():
        assert ms.load_recipe(name).name == name


def test_image_truth_and_labels_share_one_grid(case):
    grid = case.images["ct"].grid
    for volume in (case.labels["ct"], case.lesion_labels["ct"], case.twin.images["ct"], case.twin.labels["ct"]):
        assert volume.grid == grid
    assert case.images["ct"].array.dtype == np.int16
    assert set(np.unique(case.lesion_labels["ct"].array)) == {0, 1, 2}
    assert not case.twin.lesion_labels["ct"].array.any()
    np.testing.assert_array_equal(case.labels["ct"].array, case.twin.labels["ct"].array)


def test_twin_differs_near_the_lesions_alone(case):
    differs = case.images["ct"].array != case.twin.images["ct"].array
    fraction, _ = lesion_truth(case.acquired["ct"].phantom, case.lesions)
    # One voxel more: where three structures meet, the smallest one's share goes to the others.
    reach = [1 + r for r in case.acquired["ct"].parameters["lesion_reach_kji"]]
    near = np.zeros_like(differs)
    for k, j, i in np.argwhere(fraction.array > 0):
        low = [max(0, at - r) for at, r in zip((k, j, i), reach, strict=True)]
        near[low[0]:k + reach[0] + 1, low[1]:j + reach[1] + 1, low[2]:i + reach[2] + 1] = True
    assert differs.any()
    assert not (differs & ~near).any()


def test_fractions_hold_the_volumes_that_annotations_tell(case):
    fraction, parts = lesion_truth(case.acquired["ct"].phantom, case.lesions)
    total_ml = fraction.array.sum(dtype=float) / 255 * fraction.grid.voxel_volume_mm3 / 1000
    told_ml = sum(lesion["volume_ml"] for lesion in case.annotations["lesions"])
    assert total_ml == pytest.approx(told_ml, rel=0.02)
    np.testing.assert_array_equal(parts.array // 20, case.lesion_labels["ct"].array)


def test_annotations_obey_their_schema_and_are_plain_json(case):
    jsonschema = pytest.importorskip("jsonschema")
    for one in (case, case.twin):
        document = json.loads(json.dumps(one.annotations, allow_nan=False))
        jsonschema.validate(document, annotation_schema())
    assert [lesion["id"] for lesion in case.annotations["lesions"]] == [1, 2]
    assert case.twin.annotations["lesions"] == []
    assert case.annotations["subject"]["sex"] == case.subject.sex


def test_another_dose_leaves_the_body_and_the_lesions_alone(case):
    recipe = ms.load_recipe("chest-ct-nodules-small", overrides={**NODULES, "acquisitions.ct.mas": 20})
    other = ms.generate_case(recipe, seed=2)
    assert other.annotations["specs"] == case.annotations["specs"]
    np.testing.assert_array_equal(other.labels["ct"].array, case.labels["ct"].array)
    assert (other.images["ct"].array != case.images["ct"].array).mean() > 0.3


def test_zero_nodules_work_and_a_nodule_larger_than_the_lung_is_one_line():
    recipe = ms.load_recipe("chest-ct-nodules-small", overrides={**COARSE, "lesions.0.count": 0})
    none = ms.generate_case(recipe, seed=2)
    assert none.lesions == ()
    assert none.annotations["lesions"] == []
    with pytest.raises(PlacementError, match=r"diameter_mm") as caught:
        ms.generate_case(ms.load_recipe(recipe, overrides={"lesions.0.count": 1, "lesions.0.diameter_mm": 390}), seed=2)
    assert "\n" not in str(caught.value)


def test_chest_files_are_the_same_bytes_for_one_and_two_workers(tmp_path):
    recipe = ms.load_recipe("chest-ct-nodules-small", overrides=NODULES)
    for workers, shard in ((1, (1, 2)), (2, None)):  # one worker makes the first case alone, of the person built here
        summary = generate(recipe, 2, tmp_path / str(workers), seed=2, workers=workers, shard=shard)
        assert not summary.failures
    one, two = ({name: data for name, data in tree(tmp_path / str(workers)).items() if name.startswith("case-00000")}
                for workers in (1, 2))
    assert len(one) > 4
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []
    labels = {row["label"] for row in json.loads((tmp_path / "2" / "dataset.json").read_text())["labels"]}
    image = read_nifti(tmp_path / "2" / "case-00000" / "ct_labels.nii.gz").array
    assert set(np.unique(image).tolist()) <= labels | {0}
