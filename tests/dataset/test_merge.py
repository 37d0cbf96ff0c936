from __future__ import annotations

import json
import shutil

import pytest
from typer.testing import CliRunner

from medsynth.cli import app
from medsynth.core.errors import DatasetError
from medsynth.dataset.merge import merge
from medsynth.dataset.run import generate
from medsynth.dataset.validate import validate
from tests.dataset.test_run import tree, with_ct


@pytest.fixture
def shards(stub_recipe, tmp_path):
    """Three shards of five cases, each in a folder of its own."""
    for number in (1, 2, 3):
        generate(stub_recipe, 5, tmp_path / f"part{number}", seed=6, shard=(number, 3))
    return [tmp_path / f"part{number}" for number in (1, 2, 3)]


def test_shards_from_different_folders_make_the_whole_dataset_by_links(stub_recipe, shards, tmp_path):
    generate(stub_recipe, 5, tmp_path / "whole", seed=6)
    before = [tree(shard) for shard in shards]
    done = CliRunner().invoke(app, ["merge", *map(str, shards), "-o", str(tmp_path / "merged")])
    assert done.exit_code == 0, done.output
    assert tree(tmp_path / "merged") == tree(tmp_path / "whole")
    assert [tree(shard) for shard in shards] == before
    assert (tmp_path / "merged" / "case-00001" / "ct.nii.gz").samefile(shards[1] / "case-00001" / "ct.nii.gz")
    assert validate(tmp_path / "merged").problems == ()


def test_a_merge_goes_on_where_it_stopped_and_generate_goes_on_from_it(stub_recipe, shards, tmp_path):
    merged = tmp_path / "merged"
    assert merge(shards[:2], merged).added == 4
    again = merge(shards, merged)
    assert (again.added, again.kept) == (1, 4)
    assert generate(stub_recipe, 6, merged, seed=6).kept == 5


def test_failures_come_along_unless_another_shard_made_the_case(stub_recipe, tmp_path):
    generate(with_ct(stub_recipe, fails="fault", failing_index=1), 4, tmp_path / "a", shard=(1, 2))
    generate(with_ct(stub_recipe, fails="fault", failing_index=1), 4, tmp_path / "b", shard=(2, 2))
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "m")
    rows = [json.loads(line) for line in (tmp_path / "m" / "failures.jsonl").read_text().splitlines()]
    assert [row["index"] for row in rows] == [1]


def test_another_dataset_is_refused_and_nothing_is_written(stub_recipe, shards, tmp_path):
    generate(with_ct(stub_recipe, kvp=90), 1, tmp_path / "other", seed=6)
    with pytest.raises(DatasetError, match=r"no part of the dataset .*kvp"):
        merge([*shards, tmp_path / "other"], tmp_path / "merged")
    with pytest.raises(DatasetError, match=r"dataset.json cannot be read"):
        merge([*shards, tmp_path / "nowhere"], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_two_different_cases_of_one_number_are_one_clear_error(shards, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(shards[0], copy)
    record = copy / "case-00003" / ".record.json"
    record.write_text(record.read_text().replace('"hashes"', '"hashes" '))
    with pytest.raises(DatasetError, match="case-00003 differs between"):
        merge([*shards, copy], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
