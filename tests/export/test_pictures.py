"""Projections as pictures: 16-bit PNG, and the preview with its outlines where the shadows are."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from medsynth.core.errors import DatasetError
from medsynth.core.findings import Finding, ShadowFinding
from medsynth.core.grid import Grid
from medsynth.core.scanner import ScannerRecord
from medsynth.core.volume import Volume
from medsynth.export.colours import lesion_colour, structure_colours
from medsynth.export.nifti import read_nifti, write_nifti
from medsynth.export.png import write_png
from medsynth.export.preview import preview
from medsynth.export.radiograph import write_radiograph

GRID = Grid.centred((1, 90, 60), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0),
                    ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0)))
RECORD = ScannerRecord("DX", "Chest", {"BodyPartExamined": "CHEST"}, (2000.0, 4000.0))
PANEL, HEAD, GAP = 630, 30, 6  # of the page


def test_sixteen_bits_survive_png_and_nifti(tmp_path):
    array = np.random.default_rng(3).integers(0, 65536, (1, 37, 53)).astype(np.uint16)
    array[0, 0, :2] = 0, 65535
    image = Volume(array, Grid((1, 37, 53), (0.7, 0.2, 0.3)), "P-value")
    write_png(image, tmp_path / "a.png")
    write_nifti(image, tmp_path / "a.nii.gz")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.mode == "I;16"
        assert picture.size == (53, 37)
        np.testing.assert_array_equal(np.asarray(picture), array[0])
    back = read_nifti(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(back.array, array)
    assert back.array.dtype == np.uint16
    assert back.grid.is_close(image.grid)


def test_png_refuses_what_it_cannot_hold(tmp_path):
    for array in (np.zeros((2, 4, 4), np.uint16), np.zeros((1, 4, 4), np.int16), np.zeros((1, 4, 4), np.float32)):
        with pytest.raises(DatasetError, match="image of a PNG file must be uint16 with one slice"):
            write_png(Volume(array, Grid(array.shape, (1.0, 1.0, 1.0)), "x"), tmp_path / "no.png")


def box(top: int, left: int, bottom: int, right: int) -> Volume:
    array = np.zeros(GRID.shape_kji, np.uint8)
    array[0, top:bottom, left:right] = 1
    return Volume(array, GRID, "label")


MASKS = {"lung_left": box(20, 30, 70, 50), "skin": box(0, 0, 90, 60), "lesion_3": box(40, 35, 46, 43)}
SHADOW = ShadowFinding(((40, 35), (46, 43)), (42.5, 38.5), 48.0, 5.0, 9.0, 6.0, ((40.0, 35.0), (45.0, 42.0)),
                       ((45.0, 35.0), (40.0, 42.0)),
                       ((39.5, 34.5), (39.5, 42.5), (45.5, 42.5), (45.5, 34.5), (39.5, 34.5)))
FINDING = Finding(3, "lung_nodule", ("27925004", "Nodule"), "lung_left", ("39607008", "Lung structure"), "left", 0.2,
                  8.0, 6.0, 7.0, (0.0, 0.0, 0.0), ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), mean_signal=2000.0, shadow=SHADOW)


def page(tmp_path, values, record=RECORD, findings=(FINDING,), masks=MASKS, keypoints=None) -> np.ndarray:
    write_radiograph(tmp_path / "preview.png", Volume(values, GRID, "P-value"), masks, keypoints or {}, record,
                     findings=findings, title="one")
    with Image.open(tmp_path / "preview.png") as picture:
        return np.asarray(picture).astype(int)


def like(picture: np.ndarray, colour) -> np.ndarray:
    return np.abs(picture - np.array(colour)).max(axis=-1) < 40


def test_outlines_and_keypoints_lie_on_their_shadows(tmp_path):
    values = np.zeros(GRID.shape_kji, np.uint16)
    drawn = page(tmp_path, values, keypoints={"apex": (20.0, 10.0)})[HEAD:HEAD + PANEL, PANEL + GAP:2 * PANEL + GAP]
    scale, left = PANEL / 90, (PANEL - PANEL * 60 / 90) / 2
    lung = structure_colours(["lung_left", "skin"])["lung_left"]
    for colour, name in ((lung, "lung_left"), (lesion_colour(3), "lesion_3")):
        rows, columns = np.nonzero(MASKS[name].array[0])
        at = np.argwhere(like(drawn, colour))
        ends = np.array([at.min(0), at.max(0)])
        wanted = np.array([[rows.min(), columns.min()], [rows.max() + 1, columns.max() + 1]]) * scale + [0, left]
        np.testing.assert_allclose(ends, wanted, atol=3)
    cross = np.argwhere(like(drawn, (80, 235, 255)))
    np.testing.assert_allclose(cross.mean(0), np.array([20.5, 10.5]) * scale + [0, left], atol=2)


def test_the_picture_is_the_one_a_viewer_shows(tmp_path):
    values = np.zeros(GRID.shape_kji, np.uint16)
    values[0, :, :30], values[0, :, 30:] = 1000, 3000
    sigmoid = replace(RECORD, attributes={**RECORD.attributes, "VOILUTFunction": "SIGMOID"})
    for record, shown in ((RECORD, (0.25, 0.75)), (sigmoid, tuple(1 / (1 + np.exp(-4 * x)) for x in (-0.25, 0.25)))):
        plain = page(tmp_path, values, record, findings=(), masks={})[HEAD:HEAD + PANEL, :PANEL, 0]
        middle = plain[300:330]
        assert middle[:, 250].mean() == pytest.approx(255 * shown[0], abs=2)
        assert middle[:, 380].mean() == pytest.approx(255 * shown[1], abs=2)


def test_a_body_without_known_organs_is_outlined_by_its_largest_shadows(tmp_path):
    values = np.zeros(GRID.shape_kji, np.uint16)
    drawn = page(tmp_path, values, findings=(), masks={"ball": box(30, 20, 60, 50), "skin": MASKS["skin"]})
    assert like(drawn, structure_colours(["ball", "skin"])["ball"]).sum() > 100


def test_the_same_radiograph_gives_the_same_bytes(tmp_path):
    values = np.arange(5400, dtype=np.uint16).reshape(GRID.shape_kji)
    sums = set()
    for _ in range(2):
        page(tmp_path, values)
        sums.add(hashlib.sha256((tmp_path / "preview.png").read_bytes()).hexdigest())
    assert len(sums) == 1


def test_zooms_of_images_without_hu_give_the_signal(tmp_path):
    grid = Grid.centred((9, 40, 40), (2.0, 2.0, 2.0))
    image = Volume(np.full(grid.shape_kji, 500, np.uint16), grid, "signal")
    with_signal = preview(image, findings=[replace(FINDING, shadow=None)], windows=[("signal", 500.0, 1000.0)])
    without = preview(image, findings=[replace(FINDING, shadow=None, mean_signal=None)],
                      windows=[("signal", 500.0, 1000.0)])
    assert np.asarray(with_signal)[200, 200].tolist() == [128, 128, 128]
    assert (np.asarray(with_signal) != np.asarray(without)).any()
