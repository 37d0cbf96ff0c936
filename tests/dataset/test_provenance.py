"""What a dataset says of itself: origin, card, Croissant; each compared with what the folder holds."""

from __future__ import annotations

import hashlib
import json
import subprocess
import warnings

import pytest

from medsynth.dataset.header import git_revision
from medsynth.dataset.run import generate
from tests.dataset.test_run import tree


@pytest.fixture
def data(stub_recipe, tmp_path):
    recipe = {**stub_recipe, "name": "balls", "description": "Balls", "subject": {"sex": "female"}, "design": {
        "size": 6, "splits": {"train": 0.5, "test": 0.5}, "vary": {"acquisitions.ct.kvp": {"choice": [80, 120]}},
        "latin_hypercube": True}}
    generate(recipe, 6, tmp_path / "data", seed=1)
    return tmp_path / "data"


def test_header_and_manifest_say_that_no_generative_model_was_at_work(data):
    header = json.loads((data / "dataset.json").read_text())
    rows = [json.loads(line) for line in (data / "manifest.jsonl").read_text().splitlines()]
    for told in (header, *rows):
        assert told["generation"] == 0
        assert told["made_by"] == "simulation only"


def test_every_file_has_its_hash_in_the_manifest(data):
    row = json.loads((data / "manifest.jsonl").read_text().splitlines()[0])
    files = {path.relative_to(data / "case-00000").as_posix(): path for path in (data / "case-00000").rglob("*")
             if path.is_file() and path.name != ".record.json"}
    assert row["hashes"].keys() == files.keys()
    image = hashlib.sha256(hashlib.sha256(files["ct.nii.gz"].read_bytes()).digest()).hexdigest()
    assert row["hashes"]["ct.nii.gz"] == image


def test_the_revision_of_a_checkout_is_told_as_git_tells_it(tmp_path):
    def git(*words):
        return subprocess.run(["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e@x", *words],
                              check=True, capture_output=True, text=True).stdout.strip()

    assert git_revision(tmp_path) is None
    git("init", "-q")
    assert git_revision(tmp_path) is None
    git("commit", "-q", "--allow-empty", "-m", "first")
    assert git_revision(tmp_path) == git("rev-parse", "HEAD")
    git("pack-refs", "--all")
    assert git_revision(tmp_path) == git("rev-parse", "HEAD")
    git("worktree", "add", "-q", str(tmp_path / "tree"))
    assert git_revision(tmp_path / "tree") == git("rev-parse", "HEAD")
    git("checkout", "-q", "--detach")
    assert git_revision(tmp_path) == git("rev-parse", "HEAD")


def test_the_card_counts_what_is_there(data, stub_recipe, tmp_path):
    card = (data / "README.md").read_text()
    for line in ("6 synthetic cases", "| sex | 6 female |", "| split | test | 3 |", "| split | train | 3 |",
                 "| acquisitions.ct.kvp | 80 | 3 |", "simulation only", "## Lesions\n\nNone."):
        assert line in card
    ages = [json.loads(line)["subject"]["age_years"] for line in (data / "manifest.jsonl").read_text().splitlines()]
    assert f"| age_years | {min(ages):.3g} to {max(ages):.3g}, mean {sum(ages) / 6:.3g} |" in card


def test_a_card_that_a_person_wrote_stays(stub_recipe, tmp_path):
    generate(stub_recipe, 1, tmp_path)
    (tmp_path / "README.md").write_text("# Mine\n")
    generate(stub_recipe, 2, tmp_path)
    assert (tmp_path / "README.md").read_text() == "# Mine\n"


def test_descriptions_are_the_same_however_the_cases_came(stub_recipe, tmp_path):
    generate(stub_recipe, 3, tmp_path / "once")
    for count in (1, 2, 3):
        generate(stub_recipe, count, tmp_path / "grown")
    assert tree(tmp_path / "once") == tree(tmp_path / "grown")


@pytest.mark.filterwarnings("ignore")
def test_mlcroissant_validates_the_description_and_reads_the_records(data):
    mlcroissant = pytest.importorskip("mlcroissant")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = mlcroissant.Dataset(str(data / "croissant.json"))
        records = list(dataset.records("cases"))
    assert dataset.metadata.issues.errors == set()
    rows = [json.loads(line) for line in (data / "manifest.jsonl").read_text().splitlines()]
    assert [(r["cases/id"].decode(), r["cases/split"].decode(), r["cases/age_years"]) for r in records] == [
        (row["id"], row["split"], row["subject"]["age_years"]) for row in rows]
