from __future__ import annotations

import json
import math

import pytest
import yaml

from medsynth.core.errors import RecipeError
from medsynth.dataset.reading import apply_overrides, built_in_recipes, parse_assignments, parse_shard, read_recipe
from medsynth.dataset.recipe import load_recipe
from medsynth.dataset.schema import build_schema, published_schema

CT = {"modality": "ct"}


def with_part(recipe, path, value):
    return apply_overrides(recipe, {path: value})


def message(recipe, **overrides):
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, overrides=overrides)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(("path", "value", "parts"), [
    ("phantm", {"body": "two_balls"}, ["unknown key phantm", "'phantom'"]),
    ("phantom.bodi", "x", ["unknown key phantom.bodi", "'body'"]),
    ("phantom.body", "two_bals", ["phantom.body", "'two_bals'", "did you mean 'two_balls'"]),
    ("phantom.range", "chest", ["phantom.range", "'chest'", "all"]),
    ("phantom", None, ["phantom", "mapping"]),
    ("phantom.spec", {"radius": 9.0}, ["unknown key phantom.spec.radius", "did you mean 'radius_mm'"]),
    ("phantom.spec", {"radius_mm": "wide"}, ["phantom.spec.radius_mm", "'wide'"]),
    ("subject.age", 40, ["unknown key subject.age", "'age_years'"]),
    ("subject.sex", "man", ["subject.sex", "'female' or 'male'", "'man'"]),
    ("subject.age_years", -4, ["subject.age_years", "-4"]),
    ("subject.height_cm", math.nan, ["subject.height_cm", "finite", "nan"]),
    ("subject.height_cm", {"min": 180, "max": 170}, ["subject.height_cm", "min must be <= max"]),
    ("subject.weight_kg", "heavy", ["subject.weight_kg", "'heavy'"]),
    ("subject", {"height_cm": 150, "weight_kg": 200, "bmi": 20}, ["subject"]),
    ("acquisitions.ct.kvp", 0, ["acquisitions.ct.kvp", "0"]),
    ("acquisitions.ct.kvpp", 100, ["unknown key acquisitions.ct.kvpp", "'kvp'"]),
    ("acquisitions.ct.kvp", math.inf, ["acquisitions.ct.kvp", "finite"]),
    ("acquisitions.ct.modality", "ctt", ["acquisitions.ct.modality", "'ctt'", "did you mean 'ct'"]),
    ("acquisitions.CT", CT, ["acquisition", "'CT'"]),
    ("acquisitions.ct_labels", CT, ["'ct_labels'", "_labels"]),
    ("acquisitions", {}, ["acquisitions"]),
    ("acquisitions", None, ["acquisitions"]),
    ("lesions", [{"count": 2}], ["lesions.0.kind is missing", "lung_nodule"]),
    ("lesions", [{"kind": "lung_nodul"}], ["lesions.0.kind", "did you mean 'lung_nodule'"]),
    ("lesions", [{"kind": "lung_nodule", "diameter_mm": -3}], ["lesions.0.diameter_mm", "-3"]),
    ("lesions", [{"kind": "lung_nodule", "diameter": 3}], ["unknown key lesions.0.diameter", "'diameter_mm'"]),
    ("lesions", [{"kind": "lung_nodule", "count": {"min": 1, "max": math.nan}}], ["lesions.0.count.max", "nan"]),
    ("lesions", [{"kind": "lung_nodule", "count": 1.5}], ["lesions.0.count", "1.5"]),
    ("lesions", [{"kind": "lung_nodule", "diameter_mm": {"distribution": "log_normal", "median": -2, "sigma": 1,
                                                         "low": 2, "high": 9}}],
     ["lesions.0.diameter_mm.median", "-2"]),
    ("lesions", {"kind": "lung_nodule"}, ["lesions", "a list"]),
    ("refine", {"model": "x"}, ["refine", "model x cannot be read"]),
    ("refine", {"refiner": "diffusion"}, ["refine", "model must be given"]),
    ("refine", {"refiner": "identity", "strength": 2}, ["refine.strength", "2"]),
    ("refine", {"refiner": "identity", "acquisitions": ["mr"]}, ["refine.acquisitions", "'mr'"]),
    ("formats", ["nifty"], ["formats.nifty", "'nifti'"]),
    ("formats", [], ["formats", "at least one"]),
    ("formats", {"dicom": {"segmentation": "binaries"}}, ["formats.dicom.segmentation", "'binaries'"]),
])
def test_bad_values_are_one_line_with_path_value_and_expectation(stub_recipe, path, value, parts):
    text = message(with_part(stub_recipe, path, value))
    for part in parts:
        assert part in text


@pytest.mark.parametrize("missing", ["phantom", "acquisitions"])
def test_a_missing_part_is_named(stub_recipe, missing):
    del stub_recipe[missing]
    assert message(stub_recipe).startswith(missing)


def test_resolved_recipe_reads_back_to_the_same_recipe(stub_recipe):
    recipe = load_recipe({**stub_recipe, "subject": {"sex": "female", "age_years": 50, "bmi": {"min": 20, "max": 25}},
                          "lesions": [{"kind": "lung_nodule", "count": {"min": 1, "max": 3}}]})
    again = load_recipe(yaml.safe_load(yaml.safe_dump(recipe.resolved())))
    assert again == recipe
    assert again.fingerprint() == recipe.fingerprint()
    assert recipe.resolved()["subject"] == {"sex": "female", "age_years": 50.0, "bmi": {"min": 20.0, "max": 25.0}}


def test_fingerprint_changes_with_every_part_but_not_with_words_for_people(stub_recipe):
    base = load_recipe(stub_recipe).fingerprint()
    changes = [("subject.sex", "female"), ("acquisitions.ct.kvp", 100), ("formats", ["nifti", "dicom"]),
               ("acquisitions.second", {"modality": "stub"}), ("lesions", [{"kind": "lung_nodule"}])]
    prints = [load_recipe(with_part(stub_recipe, *change)).fingerprint() for change in changes]
    assert len({base, *prints}) == len(changes) + 1
    assert load_recipe({**stub_recipe, "name": "other", "description": "words"}).fingerprint() == base


def test_phantom_range_is_the_default_scan_range_of_acquisitions(two_balls, monkeypatch):
    monkeypatch.setattr(type(two_balls.BODY), "scan_ranges", ("all", "half"))
    recipe = {"phantom": {"body": "two_balls", "range": "half"},
              "acquisitions": {"a": CT, "b": {**CT, "scan_range": "all"}}}
    loaded = load_recipe(recipe)
    assert loaded.acquisitions["a"].scan_range == "half"
    assert loaded.acquisitions["b"].scan_range == "all"


def test_set_values_are_yaml_and_list_entries_go_by_index(stub_recipe):
    assigned = parse_assignments(["lesions.0.count=3", "acquisitions.ct.kvp=1e2", "subject.sex=female",
                                  "subject.bmi={min: 20, max: 24}"])
    recipe = load_recipe({**stub_recipe, "lesions": [{"kind": "lung_nodule"}]}, overrides=assigned)
    assert recipe.lesions[0].options.count.value == 3
    assert recipe.acquisitions["ct"].kvp == 100
    assert recipe.subject.bmi.plain == (20, 24)


@pytest.mark.parametrize(("assignment", "part"), [
    ("acquisitions.ct.kvp", "KEY.PATH=VALUE"),
    ("=3", "KEY.PATH=VALUE"),
    ("lesions.1.count=3", "lesions.1"),
    ("lesions.first.count=3", "lesions.first"),
    ("acquisitions.ct.kvp=nan", "finite"),
    ("acquisitions.ct.kvp.x=1", "acquisitions.ct.kvp is"),
    ("acquisitions.ct.kvp={", "no valid YAML"),
])
def test_a_bad_set_is_one_line(stub_recipe, assignment, part):
    recipe = {**stub_recipe, "lesions": [{"kind": "lung_nodule"}],
              "acquisitions": {"ct": {"modality": "stub", "kvp": 120}}}
    with pytest.raises(RecipeError, match=part) as caught:
        load_recipe(recipe, overrides=parse_assignments([assignment]))
    assert "\n" not in str(caught.value)


def test_overrides_do_not_change_what_they_are_given(stub_recipe):
    before = json.dumps(stub_recipe)
    load_recipe(stub_recipe, overrides={"acquisitions.ct.kvp": 80})
    assert json.dumps(stub_recipe) == before


@pytest.mark.parametrize(("text", "part"), [
    ("phantom: {body: two_balls}\nphantom: {body: x}\n", "twice"),
    ("phantom: [", "no valid YAML"),
    ("just words", "a mapping"),
    ("", "a mapping"),
])
def test_a_bad_file_is_one_line(tmp_path, text, part):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    assert part in message(path)


def test_unreadable_files_and_unknown_names_are_one_line(tmp_path):
    assert "cannot be read" in message(tmp_path / "none.yaml")
    assert "cannot be read" in message(tmp_path)
    assert "did you mean 'chest-ct'" in message("chest-tc")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in message(tmp_path / "bytes.yaml")


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3"])
def test_a_bad_shard_is_refused(text):
    with pytest.raises(RecipeError, match="--shard"):
        parse_shard(text)


def test_every_built_in_recipe_has_a_small_twin_with_coarser_voxels_and_no_scan_of_its_own():
    names = [name for name in built_in_recipes() if not name.endswith("-small")]
    assert {"chest-ct", "chest-ct-nodules", "chest-xray", "brain-mri"} <= set(names)
    voxel_keys = {"slice_thickness_mm", "slice_gap_mm", "increment_mm", "pixel_mm", "voxel_mm", "matrix"}
    # MR: a coarse matrix has fewer lines than a long echo train; sagittal partitions of 1 mm become axial ones.
    mr_keys = {"fidelity", "kspace", "echo_train", "plane"}
    for name in names:
        full, small = read_recipe(name), read_recipe(f"{name}-small")
        for recipe in (full, small):
            recipe.pop("description")
            for protocol in recipe["acquisitions"].values():
                for key in voxel_keys | (mr_keys if protocol["modality"] == "mri" else set()):
                    protocol.pop(key, None)
        scans, all_scans = small.pop("acquisitions"), full.pop("acquisitions")
        assert small == full
        assert scans.items() <= all_scans.items() if "mri" in name else scans == all_scans


def test_published_schema_is_up_to_date():
    assert published_schema() == build_schema(), "run: python -m medsynth.dataset.schema"


def test_schema_accepts_what_the_loader_accepts_and_refuses_unknown_keys():
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(published_schema())
    for name in built_in_recipes():
        assert list(validator.iter_errors(read_recipe(name))) == []
    recipe = read_recipe("chest-ct-nodules")
    assert not validator.is_valid({**recipe, "phantm": {}})
    recipe["lesions"][0]["diameter"] = 4
    assert not validator.is_valid(recipe)
