"""Data sets for PyTorch: forms of the items, who makes which, affines against NIfTI readers, Lightning."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from medsynth.core.errors import RecipeError
from medsynth.dataset.case import generate_case
from medsynth.dataset.recipe import load_recipe
from medsynth.dataset.reuse import Reuse
from medsynth.export.nifti import write_nifti

torch = pytest.importorskip("torch")

from medsynth.dataset import torch as synth  # noqa: E402
from medsynth.dataset.torch import BodyBatches, SynthDataset, SynthStream, data_loader  # noqa: E402

FLAT = {"phantom": {"body": "two_balls"}, "acquisitions": {"pa": {"modality": "flat"}}}
ECHOES = {"phantom": {"body": "two_balls"},
          "acquisitions": {"first": {"modality": "echo"}, "second": {"modality": "echo"}}}


def test_the_package_and_its_items_stay_free_of_torch():
    code = ("import sys, medsynth, medsynth.cli, medsynth.dataset.items, medsynth.dataset.classes; "
            "sys.exit('torch' in sys.modules or 'monai' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_item_is_channel_first_and_holds_the_case(stub_recipe):
    item = SynthDataset(stub_recipe, 7, 4, meta=False)[2]
    case = generate_case(load_recipe(stub_recipe), 7, 2)
    assert item["image"].dtype == torch.float32
    np.testing.assert_array_equal(item["image"][0], case.images["ct"].array)
    np.testing.assert_array_equal(item["label"][0], case.labels["ct"].array)
    assert item["number"] == 2
    assert "lesion" not in item  # the recipe has none


def test_the_affine_takes_indices_to_ras(stub_recipe):
    item = SynthDataset(stub_recipe, 7, 4, meta=False)[0]
    grid = generate_case(load_recipe(stub_recipe), 7, 0).images["ct"].grid
    for index in ((0, 0, 0), (3, 5, 7)):
        x, y, z = grid.world_mm(index)
        np.testing.assert_allclose(item["affine"].numpy() @ [*index, 1], [-x, -y, z, 1])


def test_turned_to_ras_an_item_is_what_a_nifti_reader_gives(stub_recipe, tmp_path):
    case = generate_case(load_recipe(stub_recipe), 7, 1)
    write_nifti(case.images["ct"], tmp_path / "ct.nii.gz")
    read = nib.as_closest_canonical(nib.load(tmp_path / "ct.nii.gz"))
    item = SynthDataset(stub_recipe, 7, 4, orientation="RAS", meta=False)[1]
    np.testing.assert_array_equal(item["image"][0], np.asarray(read.dataobj))
    np.testing.assert_allclose(item["affine"], read.affine, atol=1e-4)


def test_with_monai_items_are_metatensors_that_collate(stub_recipe):
    monai = pytest.importorskip("monai")
    data = SynthDataset(stub_recipe, 7, 4)
    item = data[0]
    assert isinstance(item["image"], monai.data.MetaTensor)
    assert item["label"].meta["sex"] in ("female", "male")
    np.testing.assert_allclose(item["image"].affine, SynthDataset(stub_recipe, 7, 4, meta=False)[0]["affine"])
    for collate in (torch.utils.data.default_collate, monai.data.list_data_collate):
        batch = collate([data[0], data[1]])
        assert batch["image"].shape == (2, *item["image"].shape)
        assert batch["number"].tolist() == [0, 1]


def test_classes_are_numbered_in_their_order(stub_recipe):
    item = SynthDataset(stub_recipe, 7, 4, classes={"ball": "bal*", "body": ["body"]}, meta=False)[0]
    case = generate_case(load_recipe(stub_recipe), 7, 0)
    body, ball = 1, 2  # the stub's labels
    np.testing.assert_array_equal(item["label"][0] == 1, case.labels["ct"].array == ball)
    np.testing.assert_array_equal(item["label"][0] == 2, case.labels["ct"].array == body)
    with pytest.raises(RecipeError, match=r"classes.a must be .* got 'baal'; did you mean ball"):
        SynthDataset(stub_recipe, 7, 4, classes={"a": "baal"})


def test_a_projection_has_a_plane_per_class_since_structures_overlap(two_balls):
    item = SynthDataset(FLAT, 7, 4, classes={"body": "body", "ball": "ball"}, meta=False)[0]
    assert item["image"].ndim == 3
    assert item["label"].shape == (2, *item["image"].shape[1:])
    assert bool((item["label"][0] >= item["label"][1]).all())  # the ball lies in the body
    assert item["label"][1].any()
    grid = generate_case(load_recipe(FLAT), 7, 0).images["pa"].grid
    x, y, z = grid.world_mm((0, 4, 9))
    np.testing.assert_allclose(item["affine"].numpy() @ [4, 9, 0, 1], [-x, -y, z, 1])
    assert "label" not in SynthDataset(FLAT, 7, 4, meta=False)[0]


def test_acquisitions_on_one_grid_are_channels(two_balls):
    item = SynthDataset(ECHOES, 7, 4, acquisition=["first", "second"], meta=False)[0]
    assert item["image"].shape[0] == 2
    assert item["label"].shape[0] == 1


def test_resampling_makes_new_images_in_every_epoch_and_otherwise_none(stub_recipe):
    fresh, fixed = (SynthDataset(stub_recipe, 7, 6, meta=False, resample=r, reuse=Reuse(images=4, bodies=1))
                    for r in (True, False))
    numbers = []
    for epoch in range(3):
        fresh.set_epoch(epoch)
        fixed.set_epoch(epoch)
        numbers += [fresh[i]["number"] for i in range(6)]
        assert [fixed[i]["number"] for i in range(6)] == list(range(6))
    assert len(set(numbers)) == 18
    bodies = [{fresh.maker.reuse.place(n).body for n in numbers[e:e + 6]} for e in (0, 6, 12)]
    assert not bodies[0] & bodies[1]
    with pytest.raises(IndexError):
        fresh[6]


@pytest.mark.parametrize("reuse", [Reuse(), Reuse(images=3, bodies=2)])
def test_two_ranks_with_two_workers_each_make_exactly_what_was_promised(stub_recipe, monkeypatch, reuse):
    def shares(length, epoch):
        found = []
        for rank in range(2):
            stream = SynthStream(stub_recipe, 7, length, rank=rank, ranks=2, reuse=reuse)
            stream.set_epoch(epoch)
            own = []
            for worker in range(2):
                monkeypatch.setattr(synth, "get_worker_info", lambda w=worker: SimpleNamespace(id=w, num_workers=2))
                own.append(list(stream.numbers()))
            assert sum(map(len, own)) == len(stream) == length // 2
            found += own
        return found

    whole = 4 * reuse.block
    first, second = shares(whole, 0), shares(whole, 1)
    assert sorted(n for share in first for n in share) == list(range(whole))
    assert not {n for s in first for n in s} & {n for s in second for n in s}
    bodies = [{reuse.place(n).body for n in share} for share in first]
    assert sum(map(len, bodies)) == len(set().union(*bodies))
    odd = [n for share in shares(whole + 1, 0) for n in share]
    assert len(odd) == len(set(odd)) == whole


def test_workers_get_the_rank_that_torch_distributed_tells_the_main_process(stub_recipe, monkeypatch):
    stream = SynthStream(stub_recipe, 7, 8)
    assert stream.rank == (0, 1)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    state = stream.__getstate__()  # of the copy that a spawned worker gets
    monkeypatch.undo()
    copy = object.__new__(SynthStream)
    copy.__dict__.update(state)
    assert copy.rank == (1, 2)
    assert list(copy.numbers()) == [1, 3, 5, 7]


def test_an_endless_stream_has_no_length_and_never_repeats_itself(stub_recipe):
    stream = SynthStream(stub_recipe, 7)
    with pytest.raises(TypeError, match="endless"):
        len(stream)
    first = {n for n, _ in zip(stream.numbers(), range(50), strict=False)}
    stream.set_epoch(1)
    assert not first & {n for n, _ in zip(stream.numbers(), range(50), strict=False)}


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_batches_by_body_hold_every_index_once_and_each_body_stays_in_one_worker(stub_recipe, workers):
    data = SynthDataset(stub_recipe, 7, 47, reuse=Reuse(images=4, bodies=2))
    batches = list(BodyBatches(data, 3, workers))
    assert sorted(i for batch in batches for i in batch) == list(range(47))
    place, rounds = data.maker.reuse.place, max(workers, 1)
    full = len(batches) // rounds * rounds - 2 * rounds  # the ends of workers' shares may come in another's turn
    owners = {}
    for turn, batch in enumerate(batches[:full]):
        for index in batch:
            assert owners.setdefault(place(index).body, turn % rounds) == turn % rounds


def test_spawned_lasting_workers_make_each_image_once_and_see_the_epoch_change(stub_recipe, monkeypatch):
    monkeypatch.setenv("TWO_BALLS_STUB", "1")
    tag = importlib.import_module("worker_tag").tag
    stream = SynthStream(stub_recipe, 7, 16, reuse=Reuse(images=2, bodies=2), transform=tag)
    loader = data_loader(stream, 2, workers=2)
    seen = []
    for epoch in range(2):
        stream.set_epoch(epoch)
        batches = list(loader)
        numbers = [n for batch in batches for n in batch["number"].tolist()]
        assert {w for batch in batches for w in batch["worker"].tolist()} == {0, 1}
        assert sorted(numbers) == list(range(16 * epoch, 16 * (epoch + 1)))
        seen += numbers
    assert len(set(seen)) == 32


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Lightning's own
def test_lightning_trains_on_a_new_set_of_images_in_every_epoch(stub_recipe):
    lightning = pytest.importorskip("lightning.pytorch")

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer, self.seen = torch.nn.Linear(1, 1), []

        def on_train_epoch_start(self):
            self.trainer.train_dataloader.dataset.set_epoch(self.current_epoch)

        def training_step(self, batch, index):
            self.seen += batch["number"].tolist()
            return self.layer(batch["image"].mean(dim=(1, 2, 3, 4))[:, None] / 1000).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 1e-3)

    model = Model()
    trainer = lightning.Trainer(max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False,
                                enable_progress_bar=False, enable_model_summary=False)
    trainer.fit(model, data_loader(SynthStream(stub_recipe, 7, 6, meta=False), 2))
    assert model.seen == list(range(12))
