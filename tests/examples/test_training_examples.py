"""The examples about training and validation, in their small forms. They share one built chest."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from medsynth.core.grid import Grid
from medsynth.core.volume import Volume
from medsynth.dataset import items
from medsynth.dataset.case import build_anatomy

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "examples"))

import nodule_volume_bias  # noqa: E402
import rare_cases  # noqa: E402

BUILT: list = []


@pytest.fixture
def one_chest(monkeypatch):
    """Let every example ask for bodies as it does, and give all of them the first one that is built."""

    def shared(recipe, seed):
        if not BUILT:
            BUILT.append(build_anatomy(recipe, seed))
        return BUILT[0]

    monkeypatch.setattr(items, "build_anatomy", shared)
    monkeypatch.setattr(nodule_volume_bias, "build_anatomy", shared)


def ball(diameter_mm: float, spacing: tuple[float, float, float], centre_mm=(3.0, -2.0, 7.0)) -> Volume:
    """Return a ball of 40 HU in lung, partial volume by supersampling."""
    grid = Grid.centred(tuple(int(25 / mm) for mm in spacing), spacing, (3.0, -2.0, 7.0))
    fine = grid.with_spacing(tuple(mm / 3 for mm in spacing))
    inside = np.linalg.norm(fine.points_mm() - centre_mm, axis=-1) < diameter_mm / 2
    k, j, i = grid.shape_kji
    share = inside.reshape(k, 3, j, 3, i, 3).mean(axis=(1, 3, 5))
    return Volume(np.rint(-850 + 890 * share).astype(np.int16), grid, "HU")


@pytest.mark.parametrize("spacing", [(0.7, 0.7, 0.7), (1.0, 0.6, 0.6)])
def test_the_threshold_measures_a_sharp_ball_rightly(spacing):
    for diameter in (7.0, 11.0):
        centres = [(3.1, -2.2, 7.15), (3.25, -2.1, 6.9)]  # off the lattice: on it, whole shells of voxels come and go
        found = [nodule_volume_bias.half_contrast_ml(ball(diameter, spacing, c), c, diameter) for c in centres]
        assert np.mean(found) == pytest.approx(np.pi / 6 * diameter**3 / 1000, rel=0.03)


def test_wilson_intervals_are_those_of_the_formula():
    low, high = rare_cases.Rate("x", 10, 0).interval
    assert low == 0
    assert high == pytest.approx(1.96**2 / (10 + 1.96**2))
    low, high = rare_cases.Rate("x", 100, 50).interval
    assert (low + high) / 2 == pytest.approx(0.5)
    assert high - low == pytest.approx(2 * 0.0961, abs=1e-3)  # published for 50 of 100: 0.4038 to 0.5962


def test_volume_bias_grows_with_the_slice_thickness(one_chest, tmp_path):
    try:
        import matplotlib  # noqa: F401
        plot = ["--plot", str(tmp_path / "bias.png")]
    except ImportError:
        plot = []
    found = nodule_volume_bias.main(["--small", *plot])
    rows = {words: (bias, error) for words, _, bias, error, _ in nodule_volume_bias.table(found)}
    assert len(rows) == 3
    assert abs(rows["80 mAs, standard, 1 mm"][0]) < 0.1
    assert rows["80 mAs, standard, 5 mm"][1] > rows["80 mAs, standard, 1 mm"][1]  # from nodule to nodule
    assert not plot or (tmp_path / "bias.png").stat().st_size > 5000


def test_quotas_fill_every_kind_and_the_natural_sample_does_not(one_chest, capsys):
    rates = rare_cases.main(["--small"])
    assert [rate.count for rate in rates] == [3] * 7
    by_kind = {rate.kind: rate.failed for rate in rates}
    assert by_kind["solid, free in the lung"] < 3
    assert "in the natural sample" in capsys.readouterr().out


@pytest.mark.slow
def test_a_segmenter_learns_lungs_from_generated_images_alone(one_chest, tmp_path):
    pytest.importorskip("monai")
    import train_segmenter

    result = train_segmenter.main(["--small", "--out", str(tmp_path)])
    assert result["loss"]["last"] < result["loss"]["first"]
    assert result["cases"] == 1
    assert (tmp_path / "model.npz").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MONAI's readers
def test_a_segmenter_reads_the_users_folder(tmp_path):
    pytest.importorskip("monai")
    import train_segmenter

    from medsynth.export.nifti import write_nifti

    image = ball(12.0, (2.0, 1.5, 1.5))
    for name, volume in (("images", image), ("labels", Volume((image.array > -400).astype(np.uint8) * 2, image.grid,
                                                               "label"))):
        (tmp_path / name).mkdir()
        write_nifti(volume, tmp_path / name / "a.nii.gz")
    item, = train_segmenter.folder_cases(tmp_path, 3.0)
    assert item["image"].shape == item["label"].shape
    assert np.allclose(np.abs(np.diag(item["image"].affine.numpy())[:3]), 3.0)
    with pytest.raises(SystemExit, match="must hold NIfTI files"):
        train_segmenter.folder_cases(tmp_path / "images", 3.0)


def test_an_nnunet_dataset_takes_five_lines(tmp_path):
    pytest.importorskip("medsynth.export.layouts.run")
    import nnunet_dataset

    lines = (ROOT / "examples" / "nnunet_dataset.py").read_text().split('folder."""\n')[1].split("\n\n\n")[0]
    assert len([line for line in lines.splitlines() if line.strip()]) <= 5
    folder = nnunet_dataset.main(1, "qa-ct-small", tmp_path, workers=1)
    assert list(Path(folder).rglob("dataset.json"))


def test_examples_tell_how_they_are_called(capsys):
    for example in (nodule_volume_bias, rare_cases):
        with pytest.raises(SystemExit) as end:
            example.main(["--help"])
        assert end.value.code == 0
        assert "--small" in capsys.readouterr().out
