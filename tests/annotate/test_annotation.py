"""Annotations of nodules in ellipsoid lungs: truth against what was asked for, images made with known HU."""

import json

import jsonschema
import numpy as np
import pytest

from medsynth.annotate.annotation import annotate, annotation_schema, document, findings
from medsynth.annotate.masks import crop, lesion_fraction, lesion_instances
from medsynth.core.errors import RecipeError
from medsynth.core.findings import Finding
from medsynth.core.grid import Grid
from medsynth.core.scanner import ScannerRecord
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.lesions.lung_nodule import LungNoduleOptions, insert, sample_specs
from medsynth.scene.acquired import Acquired
from medsynth.scene.rasterize import rasterize, with_lesions
from tests.lesions.lungs import lungs_scene

HU = {0: -1000.0, 1: 40.0, 30: 45.0, **dict.fromkeys(range(11, 16), -850.0)}
PART_HU = {1: 40.0, 2: -600.0, 3: 500.0, 4: 40.0, 5: 40.0}


@pytest.fixture(scope="module")
def scene():
    return lungs_scene()


def ideal_image(phantom, noise_hu=0.0):
    table = np.zeros(65536)
    for s in phantom.structures:
        table[s.label] = HU[s.label] if s.label in HU else PART_HU[s.label % 20]
    table[0] = -1000
    f = phantom.fraction / 255.0
    noise = noise_hu * Seed(8).rng().standard_normal(f.shape)
    return (1 - f) * table[phantom.labels] + f * table[phantom.neighbour] + noise


def acquire(scene, lesions, spacing=(1.5, 1.0, 1.0), noise_hu=0.0):
    grid = Grid.covering((-140.0, -90.0, -118.0), (140.0, 90.0, 118.0), spacing)
    healthy = rasterize(scene, grid)
    phantom = with_lesions(healthy, scene, lesions)[0] if lesions else healthy
    scanner = ScannerRecord("CT", "test", {}, (-600.0, 1500.0))
    return Acquired(Volume(ideal_image(phantom, noise_hu), grid, "HU"), phantom, healthy,
                    Volume(ideal_image(healthy, noise_hu), grid, "HU"), scanner, {"kvp": 120})


@pytest.fixture(scope="module")
def case(scene):
    lesions, specs = [], []
    for number, (kind, calcium, size) in enumerate([("solid", "none", 12.0), ("part_solid", "none", 16.0),
                                                    ("ground_glass", "none", 11.0), ("solid", "central", 14.0)], 1):
        options = LungNoduleOptions(types={kind: 1}, calcifications={calcium: 1}, diameter_mm=size,
                                    attachments={"none": 1}, spiculation={"probability": 0.5})
        specs += sample_specs(options, scene, rng=Seed(2).child(number).rng(), taken=specs)
        lesions.append(insert(specs[-1], scene, number))
    acquired = acquire(scene, lesions, noise_hu=20.0)
    return lesions, acquired, annotate(acquired, lesions, scene)


def test_volumes_of_image_and_shape_agree_with_the_volume_asked_for(case):
    _, _, annotation = case
    for record in annotation.lesions:
        asked = np.pi / 6000 * record.spec["diameter_mm"] ** 3
        assert record.true_volume_ml == pytest.approx(asked, rel=0.05)
        assert record.volume_ml == pytest.approx(asked, rel=0.05)
        assert record.equivalent_diameter_mm == pytest.approx(record.spec["diameter_mm"], rel=0.02)


def test_parts_add_up_to_the_lesion_and_part_solid_has_both(case):
    _, _, annotation = case
    for record in annotation.lesions:
        assert sum(p.true_volume_ml for p in record.parts.values()) == pytest.approx(record.true_volume_ml, rel=1e-4)
    part_solid = annotation.lesions[1]
    assert {"solid", "ground_glass"} <= set(part_solid.parts)
    assert part_solid.parts["solid"].share == pytest.approx(part_solid.spec["solid_share"], abs=0.03)
    assert set(annotation.lesions[2].parts) == {"ground_glass"}
    assert "calcification" in annotation.lesions[3].parts


def test_hu_and_contrast_are_those_the_image_was_made_with(case):
    _, _, annotation = case
    solid, _, glass, calcified = annotation.lesions
    assert solid.parts["solid"].mean_hu == pytest.approx(40, abs=4)
    assert glass.parts["ground_glass"].mean_hu == pytest.approx(-600, abs=4)
    assert calcified.parts["calcification"].mean_hu == pytest.approx(500, abs=10)
    for record in annotation.lesions:
        assert record.surroundings_mean_hu == pytest.approx(-850, abs=3)
        assert record.surroundings_sd_hu == pytest.approx(20, rel=0.1)
        assert record.contrast_hu == pytest.approx(record.mean_hu + 850, abs=3)
        assert record.twin_contrast_hu == pytest.approx(record.contrast_hu, rel=0.1)
    assert solid.cnr > glass.cnr


def test_centre_and_boxes_hold_the_lesion(case):
    lesions, acquired, annotation = case
    instances = lesion_instances(acquired.phantom, lesions)
    for record in annotation.lesions:
        at = np.argwhere(instances == record.number)
        (low, high) = record.box_kji
        whole = lesion_fraction(acquired.phantom, record.number)
        filled = np.argwhere(whole >= 0.5)
        assert (filled.min(0) == low).all()
        assert (filled.max(0) + 1 == high).all()
        assert np.linalg.norm(np.subtract(record.centre_mm, record.spec["centre_mm"])) < 0.25 * record.long_axis_mm
        np.testing.assert_allclose(acquired.image.grid.world_mm(record.centre_kji), record.centre_mm, atol=1e-6)
        assert (at.min(0) >= low).all()
        assert (np.array(record.box_mm[0]) < record.centre_mm).all()
        assert (np.array(record.box_mm[1]) > record.centre_mm).all()


def test_instances_are_the_voxels_that_a_lesion_fills_by_half_or_more(case):
    lesions, acquired, _ = case
    instances = lesion_instances(acquired.phantom, lesions)
    assert sorted(np.unique(instances)) == [0, 1, 2, 3, 4]
    for lesion in lesions:
        fraction = lesion_fraction(acquired.phantom, lesion.number)
        wrong = (instances == lesion.number) ^ (fraction > 0.5)
        assert wrong.sum() <= 0.02 * (fraction > 0.5).sum()


def test_fractions_of_the_parts_sum_to_that_of_the_lesion(case):
    _, acquired, _ = case
    whole = lesion_fraction(acquired.phantom, 2)
    parts = sum(lesion_fraction(acquired.phantom, 2, part) for part in ("solid", "ground_glass")) \
        + sum(lesion_fraction(acquired.phantom, 2, part) for part in ("spicules",)
              if any(s.name == "lesion_2_spicules" for s in acquired.phantom.structures))
    np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_unknown_lesions_and_parts_are_named_in_the_error(case):
    _, acquired, _ = case
    with pytest.raises(RecipeError, match="number must be"):
        lesion_fraction(acquired.phantom, 9)
    with pytest.raises(RecipeError, match="part must be one of"):
        lesion_fraction(acquired.phantom, 1, "oedema")


def test_recist_of_a_nodule_without_relief_is_near_its_sphere(scene):
    options = LungNoduleOptions(types={"solid": 1}, calcifications={"none": 1}, diameter_mm=15,
                                attachments={"none": 1}, lobulation={"probability": 0}, spiculation={"probability": 0})
    spec = {**sample_specs(options, scene, rng=Seed(4).rng())[0], "axes": (1.0, 1.0, 1.0)}
    lesion = insert(spec, scene, 1)
    record = annotate(acquire(scene, [lesion], (1.0, 0.8, 0.8)), [lesion], scene).lesions[0]
    assert record.long_axis_mm == pytest.approx(15, rel=0.1)
    assert record.short_axis_mm == pytest.approx(15, rel=0.1)
    assert record.short_axis_mm <= record.long_axis_mm <= record.max_diameter_mm * 1.02
    assert record.measured_on == "image"
    assert record.attributes["lung_rads"] in ("4A", "4B")
    assert record.attributes["lidc_sphericity"] == 5


def test_a_nodule_smaller_than_the_voxels_is_measured_on_its_shape(scene):
    options = LungNoduleOptions(types={"solid": 1}, diameter_mm=3, attachments={"none": 1},
                                calcifications={"none": 1}, spiculation={"probability": 0})
    lesion = insert(sample_specs(options, scene, rng=Seed(4).rng())[0], scene, 1)
    record = annotate(acquire(scene, [lesion], (8.0, 4.0, 4.0)), [lesion], scene).lesions[0]
    assert record.measured_on == "shape"
    assert record.long_axis_mm == pytest.approx(3, rel=0.4)
    assert record.true_volume_ml == pytest.approx(np.pi / 6000 * 27, rel=0.05)
    assert record.box_kji is not None


def test_a_lesion_outside_the_image_is_reported_but_is_no_finding(scene, case):
    lesions, acquired, _ = case
    spec = lesions[0].spec
    depth = acquired.image.grid.index_kji(spec["centre_mm"])[0]
    low = 0 if depth > 100 else int(depth) + 40
    box = ((low, 0, 0), (low + 20, 180, 280))
    part = Acquired(Volume(acquired.image.array[low:low + 20, :180, :280].copy(), acquired.image.grid.crop(*box), "HU"),
                    crop(acquired.phantom, *box), crop(acquired.healthy, *box), None, acquired.scanner, {})
    annotation = annotate(part, lesions[:1], scene)
    record = annotation.lesions[0]
    assert not record.in_image
    assert record.volume_ml == 0
    assert record.true_volume_ml > 0
    assert record.box_kji is None
    assert record.mean_hu is None
    assert findings(annotation) == []
    jsonschema.Draft202012Validator(annotation_schema()).validate(document({"ct": annotation}))


def test_the_document_is_json_and_obeys_the_schema(case):
    _, _, annotation = case
    content = json.loads(json.dumps(document({"ct": annotation}, specs={"lesions": []}, index=3, seed=7),
                                    allow_nan=False))
    jsonschema.Draft202012Validator.check_schema(annotation_schema())
    jsonschema.Draft202012Validator(annotation_schema()).validate(content)
    assert [lesion["id"] for lesion in content["lesions"]] == [1, 2, 3, 4]
    assert content["subject"]["sex"] == "female"
    assert content["structure_volumes_ml"]["lobe_right_upper"] > 100
    assert not any(name.startswith("lesion") for name in content["structure_volumes_ml"])
    assert content["acquisitions"]["ct"]["grid"]["spacing_mm"] == [1.5, 1.0, 1.0]


def test_the_schema_refuses_a_wrong_document(case):
    _, _, annotation = case
    content = json.loads(json.dumps(document({"ct": annotation})))
    content["lesions"][0]["attributes"]["lidc_margin"] = 9
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(annotation_schema()).validate(content)


def test_no_lesions_and_a_second_acquisition_obey_the_schema(scene):
    annotation = annotate(acquire(scene, [], (4.0, 3.0, 3.0)), [], scene)
    content = document({"ct": annotation, "ct_thick": annotation})
    jsonschema.Draft202012Validator(annotation_schema()).validate(content)
    assert content["lesions"] == []
    assert content["acquisitions"]["ct_thick"]["lesions"] == []
    assert findings(annotation) == []


def test_findings_carry_the_measurements_and_flat_attributes(case):
    _, _, annotation = case
    found = findings(annotation)
    assert [type(f) for f in found] == [Finding] * 4
    assert found[1].attributes["type"] == "part_solid"
    assert all(isinstance(v, str | int | float | bool) for f in found for v in f.attributes.values())
    assert found[0].long_axis_mm == annotation.lesions[0].long_axis_mm
    assert found[0].site == annotation.lesions[0].host
