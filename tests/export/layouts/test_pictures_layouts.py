"""COCO and YOLO: pycocotools, Pillow and closed forms say what the lists say."""

import json

import nibabel as nib
import numpy as np
import pytest
import yaml
from PIL import Image
from scipy import ndimage

from medsynth.export.layouts.masks import box_xywh, packed, polygons, run_lengths
from medsynth.export.layouts.pictures import WINDOWS

# pycocotools' own arrays; see its issue tracker.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def random_masks(count: int, shape=(19, 23)):
    rng = np.random.default_rng(3)
    for share in np.linspace(0.02, 0.98, count):
        mask = rng.random(shape) < share
        if mask.any():
            yield mask
            smooth = ndimage.gaussian_filter(rng.random(shape), 2) > 0.5
            yield smooth if smooth.any() else mask


def test_packed_run_lengths_are_read_by_pycocotools():
    from pycocotools import mask as coco

    long_runs = np.zeros((700, 900), bool)
    long_runs[600:, 800:] = True
    for mask in (*random_masks(20), long_runs, np.ones((5, 4), bool), np.eye(6, dtype=bool)):
        coded = {"size": list(mask.shape), "counts": packed(run_lengths(mask))}
        np.testing.assert_array_equal(coco.decode(coded), mask)
        assert coco.area(coded) == mask.sum()
        assert tuple(coco.toBbox(coded)) == box_xywh(mask)


def test_outlines_have_the_area_and_the_box_of_their_filled_piece():
    for mask in random_masks(20):
        pieces, count = ndimage.label(mask)
        found = polygons(mask)
        assert len(found) == count
        for number, outline in enumerate(found, start=1):
            filled = ndimage.binary_fill_holes(pieces == number)
            x, y = np.asarray(outline).reshape(-1, 2).T
            area = 0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1))
            assert area == filled.sum()  # and positive: clockwise in a picture
            assert (x.min(), y.min(), np.ptp(x), np.ptp(y)) == box_xywh(filled)


@pytest.mark.parametrize("masks", ["rle", "polygon"])
def test_pycocotools_reads_masks_boxes_and_areas_that_are_those_of_the_truth(masks, dataset, exported, capsys):
    from pycocotools.coco import COCO

    folder = exported("coco", f"masks={masks}", labels="both")
    list_ = COCO(folder / "annotations" / "instances_train.json")
    names = {row["id"]: row["name"] for row in list_.loadCats(list_.getCatIds())}
    assert names == {1: "body", 2: "ball", 3: "cyst", 4: "tumour", 5: "landmarks_pa"}
    shown = {acquisition: [row for row in list_.dataset["images"] if row["acquisition"] == acquisition]
             for acquisition in ("ct", "pa", "dwi")}
    labels, lesions = (np.asarray(nib.load(dataset / "case-00000" / f"ct_{kind}.nii.gz").dataobj).T
                       for kind in ("labels", "lesions"))
    assert [row["slice"] for row in shown["ct"]] == list(range(len(labels)))
    seen = 0
    for row in shown["ct"]:
        truth = {"body": labels == 1, "ball": labels == 2, "tumour": lesions == 1, "cyst": lesions == 2}
        annotations = {names[one["category_id"]]: one for one in list_.imgToAnns[row["id"]]}
        assert annotations.keys() == {name for name, mask in truth.items() if mask[row["slice"]].any()}
        for name, one in annotations.items():
            mask = truth[name][row["slice"]]
            seen += 1
            assert one["area"] == mask.sum()
            assert tuple(one["bbox"]) == box_xywh(mask)
            if masks == "rle" or not (ndimage.binary_fill_holes(mask) & ~mask).any():
                np.testing.assert_array_equal(list_.annToMask(one), mask)
    assert seen > 20
    assert {row["file_name"] for row in list_.dataset["images"]} <= {
        path.name for path in (folder / "images").iterdir()}


def test_shadows_and_keypoints_of_a_radiograph_are_those_of_its_masks(dataset, exported, capsys):
    from pycocotools.coco import COCO

    list_ = COCO(exported("coco", labels="both") / "annotations" / "instances_train.json")
    names = {row["id"]: row for row in list_.loadCats(list_.getCatIds())}
    picture, = (row for row in list_.dataset["images"] if row["acquisition"] == "pa")
    told = json.loads((dataset / "case-00000" / "annotations.json").read_text())["acquisitions"]["pa"]
    found = {names[one["category_id"]]["name"]: one for one in list_.imgToAnns[picture["id"]]}
    for name, file in (("body", "body"), ("ball", "ball"), ("tumour", "lesion_1"), ("cyst", "lesion_2")):
        mask = np.asarray(nib.load(dataset / "case-00000" / "pa_masks" / f"{file}.nii.gz").dataobj)[..., 0].T
        np.testing.assert_array_equal(list_.annToMask(found[name]), mask)
    assert tuple(found["ball"]["bbox"]) == tuple(told["structures"]["ball"]["box_xywh"])
    points = found["landmarks_pa"]
    assert names[5]["keypoints"] == ["middle"]
    row, column = told["keypoints"]["middle"]["place_ji"]
    assert (points["keypoints"], points["num_keypoints"]) == ([column, row, 2], 1)


def test_windows_of_ct_map_their_ends_to_black_and_white(dataset, exported):
    hu = np.asarray(nib.load(dataset / "case-00000" / "ct.nii.gz").dataobj).T[6].astype(float)
    soft = np.asarray(Image.open(exported("coco", "window=soft", acquisitions="ct") / "images"
                                 / "case-00000_ct_0006.png"))
    np.testing.assert_array_equal(soft, np.rint(np.clip((hu + 160) / 400, 0, 1) * 255))
    colours = np.asarray(Image.open(exported("coco", labels="both") / "images" / "case-00000_ct_0006.png"))
    for channel, (centre, width) in enumerate(WINDOWS.values()):
        expected = np.rint(np.clip((hu - centre + width / 2) / width, 0, 1) * 255)
        assert np.abs(colours[..., channel] - expected).max() <= 1  # single precision, at a half
    mr = np.asarray(Image.open(exported("coco", labels="both") / "images" / "case-00000_t1w_0006.png"))
    assert (mr.ndim, mr.min(), mr.max()) == (2, 0, 255)


def test_every_so_manieth_slice_is_taken(exported):
    names = sorted(path.name for path in (exported("coco", "every=5", acquisitions="ct") / "images").iterdir())
    assert names[:3] == [f"case-00000_ct_{k:04d}.png" for k in (0, 5, 10)]


def test_yolo_lines_are_the_boxes_and_outlines_of_the_truth(dataset, exported):
    folder = exported("yolo", labels="both")
    lesions = np.asarray(nib.load(dataset / "case-00000" / "ct_lesions.nii.gz").dataobj).T
    _, rows, columns = lesions.shape
    for task in ("detect", "segment"):
        head = yaml.safe_load((folder / task / "data.yaml").read_text())
        assert head["names"] == {0: "body", 1: "ball", 2: "cyst", 3: "tumour"}
        assert [head[split] for split in ("train", "val", "test")] == ["images/train", "images/val", "images/test"]
        assert "path" not in head  # the root is the file's own folder then, wherever the trainer runs
        pictures = {path.stem for path in (folder / task / "images").rglob("*.png")}
        assert pictures == {path.stem for path in (folder / task / "labels").rglob("*.txt")}
    for k in range(len(lesions)):
        name, mask = f"case-00000_ct_{k:04d}", lesions[k] == 1
        lines = {task: [line.split() for line in (folder / task / "labels" / "train" / f"{name}.txt").read_text()
                        .splitlines() if line.startswith("3 ")] for task in ("detect", "segment")}
        assert len(lines["detect"]) == int(mask.any())
        if mask.any():
            x, y, w, h = (float(v) for v in lines["detect"][0][1:])
            box = ((x - w / 2) * columns, (y - h / 2) * rows, w * columns, h * rows)
            assert box == pytest.approx(box_xywh(mask), abs=1e-3)
            xs, ys = np.array(lines["segment"][0][1:], float).reshape(-1, 2).T * np.array([[columns], [rows]])
            assert 0.5 * (xs @ np.roll(ys, -1) - ys @ np.roll(xs, -1)) == pytest.approx(mask.sum(), abs=1e-3)
    empty = folder / "detect" / "labels" / "train" / "case-00000_ct_0000.txt"
    assert empty.exists()
