"""The diffusion refiner with tiny networks: determinism, seams, resuming, files that lie."""

from __future__ import annotations

import json
import pickle  # noqa: TID251 - a bomb, to see that it does not go off

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("monai")
pytest.importorskip("safetensors")

from safetensors.torch import load_file, save_file  # noqa: E402

from medsynth.core.grid import Grid  # noqa: E402
from medsynth.core.seed import Seed  # noqa: E402
from medsynth.core.volume import Volume  # noqa: E402
from medsynth.refine.diffusion import DiffusionRefiner  # noqa: E402
from medsynth.refine.examples import Example, real_example  # noqa: E402
from medsynth.refine.flow import euler, noise_of  # noqa: E402
from medsynth.refine.network import NetworkShape, read_card, save_model  # noqa: E402
from medsynth.refine.pair import refine_pair  # noqa: E402
from medsynth.refine.refiner import RefineError, Truth  # noqa: E402
from medsynth.refine.train import Origin, TrainingOptions, train  # noqa: E402
from tests.refine.toy import SHAPE, chest, verdict  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
TINY = TrainingOptions(steps=6, batch=2, patch=32, every=3, neighbours=1, shape=NetworkShape((8, 8), 1))
ORIGIN = Origin(({"kind": "pairs", "images": 1},), 0, "CC0-1.0")


def example(seed: int = 1) -> Example:
    quick, full = chest(seed, noise_hu=1.0, blur=0.9)[0], chest(seed)[0]
    return Example(quick.array, full.array, chest(seed)[2], full.grid.spacing_mm)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return train([example()], tmp_path_factory.mktemp("model") / "tiny.safetensors", ORIGIN, TINY)


def test_a_training_that_was_interrupted_gives_the_same_weights(model, tmp_path):
    again = tmp_path / "again.safetensors"
    train([example()], again, ORIGIN, TINY, stop_after=3)
    assert not again.exists()
    assert (tmp_path / "again.png").exists()
    train([example()], again, ORIGIN, TINY)
    assert again.read_bytes() == model.read_bytes()
    assert list(tmp_path.glob("*checkpoint*")) == []


def test_a_checkpoint_of_another_training_is_not_gone_on_with(tmp_path):
    out = tmp_path / "m.safetensors"
    train([example()], out, ORIGIN, TINY, stop_after=3)
    with pytest.raises(RefineError, match="another training"):
        train([example(2)], out, ORIGIN, TINY)


def test_the_card_says_what_the_model_is(model):
    card = read_card(model)
    assert (card.generation, card.licence, card.modality) == (1, "CC0-1.0", "CT")
    assert card.noise_gain["body"] > 2  # 20 HU over 1 HU and what the blur leaves of edges
    one = example()
    assert card.spread["body"] == pytest.approx(one.residual[one.truth.labels == 1].std(), rel=1e-3)
    assert json.loads(model.with_suffix(".json").read_text())["trained_on"] == [{"kind": "pairs", "images": 1}]


def test_equal_seeds_give_equal_bytes_and_anchors_hold_an_untrained_network(model):
    image, twin, truth = chest(3)
    refiner = DiffusionRefiner.load(model, steps=2)
    one, two, other = (refine_pair(refiner, image, twin, truth, strength=0.4, seed=Seed(s)) for s in (1, 1, 2))
    assert one.image.array.tobytes() == two.image.array.tobytes() != other.image.array.tobytes()
    assert verdict(one, image, twin, truth).case["drift_voxels"] < 0.25


class Local(torch.nn.Module):
    """A flow whose velocity is a blur of its input: patches could disagree at their rims alone."""

    def forward(self, x, timesteps):
        return torch.nn.functional.avg_pool2d(x[:, :1], 5, 1, 2) + 0.1 * x[:, 1:2]


def test_patches_leave_no_seam():
    """A slice in overlapping patches against the same slice in one: the difference stays below a tenth of the noise."""
    noise = noise_of(Seed(1), 0, (150, 130))
    planes = np.random.default_rng(0).normal(size=(2, 150, 130)).astype(np.float32)
    whole, parts = (euler(Local(), planes, noise, strength=1.0, steps=4, patch=patch, overlap=24, multiple=4)
                    for patch in (256, 64))
    assert np.abs(whole - parts).max() < 0.1 * noise.std()
    assert whole.shape == noise.shape


def test_the_euler_steps_find_the_target_of_a_known_flow():
    """Where all data are one image a, the velocity is (x - a) / t, and any number of steps ends at a."""
    target = np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8)

    class Known(torch.nn.Module):
        def forward(self, x, timesteps):
            return (x[:, :1] - x[:, 1:2]) / (timesteps[:, None, None, None] / 1000)

    for steps in (1, 5):
        found = euler(Known(), target[None], noise_of(Seed(3), 0, (8, 8)), strength=1.0, steps=steps, patch=8,
                      overlap=0, multiple=1)
        assert found == pytest.approx(target, abs=1e-4)


def test_files_that_are_no_model_are_one_line_and_nothing_in_them_runs(model, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    bad = tmp_path / "bad.safetensors"
    for content in (pickle.dumps(Bomb()), b"", b"\xff" * 64, (100).to_bytes(8, "little") + b"{" * 100):
        bad.write_bytes(content)
        with pytest.raises(RefineError, match="safetensors file that medsynth refine train wrote"):
            DiffusionRefiner.load(bad)
    torch.save({"weights": Bomb()}, bad)
    with pytest.raises(RefineError, match="pickles"):
        DiffusionRefiner.load(bad)
    assert not (tmp_path / "executed").exists()
    bad.write_bytes(model.read_bytes()[:-100])
    with pytest.raises(RefineError, match="does not hold the weights"):
        DiffusionRefiner.load(bad)
    with pytest.raises(RefineError, match="cannot be read"):
        DiffusionRefiner.load(tmp_path / "absent.safetensors")


def test_weights_and_cards_that_do_not_fit_are_one_line(model, tmp_path):
    card, weights = read_card(model), load_file(model)
    path = tmp_path / "m.safetensors"
    for change, told in (({"format": 99}, "another version"), ({"shape": {"channels": [7], "blocks": 1}}, "network"),
                         ({"shape": {"channels": [16, 16], "blocks": 1}}, "does not hold the weights"),
                         ({"generation": "one"}, "no usable card"), ({"planes": {}}, "no usable card")):
        save_file(weights, path, metadata={"medsynth": json.dumps({**card.as_json(), **change})})
        with pytest.raises(RefineError, match=told):
            DiffusionRefiner.load(path)
    broken = {name: torch.full_like(value, float("nan")) for name, value in weights.items()}
    save_model(path, broken, card)
    with pytest.raises(RefineError, match="not finite"):
        DiffusionRefiner.load(path)


def test_images_that_the_model_was_not_made_for_are_one_line(model):
    image, _, truth = chest()
    refiner = DiffusionRefiner.load(model)
    fine = Volume(image.array, Grid(SHAPE, (1.0, 1.0, 1.0)), "HU")
    strange = Truth(truth.labels, truth.lesions, {**truth.names, 2: "spleen"})
    cases = [(image, Truth(truth.labels, truth.lesions, truth.names, "MR"), "modality"), (fine, truth, "voxel size"),
             (image, strange, "does not know spleen"),
             (Volume((image.array / 50 + 3000).astype(np.int16), image.grid, "HU"), truth, "another contrast")]
    for one, what, told in cases:
        with pytest.raises(RefineError, match=told):
            refiner.residual(one, what, strength=0.5, seed=Seed(0))


def test_training_data_that_cannot_be_used_are_one_line(tmp_path):
    one = example()
    nan = one.full.astype(np.float32)
    nan[0, 0, 0] = np.nan
    cases = [(list, "at least one pair"), (lambda: [Example(one.quick, nan, one.truth, one.spacing_mm)], "NaN"),
             (lambda: [Example(one.full, one.full, one.truth, one.spacing_mm)], "something to learn"),
             (lambda: [Example(one.quick[1:], one.full, one.truth, one.spacing_mm)], "shape of the quick")]
    for make, told in cases:
        with pytest.raises(RefineError, match=told):
            train(make(), tmp_path / "m.safetensors", ORIGIN, TINY)


def test_a_real_image_becomes_a_pair_that_differs_in_texture_alone():
    image, _, truth = chest()
    pair = real_example(image.array, truth, image.grid.spacing_mm)
    body = truth.labels == 1
    assert abs(pair.residual[body].mean()) < 5
    assert pair.residual[body].std() > 10
