"""Cases of a projection and of MR, from recipe to files: overlapping masks, what is written where, that it repeats."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image

from medsynth.annotate.annotation import annotation_schema
from medsynth.core.errors import RecipeError
from medsynth.dataset.case import generate_case
from medsynth.dataset.recipe import load_recipe
from medsynth.dataset.run import generate
from medsynth.dataset.tables import MODALITIES

RECIPE = {"phantom": {"body": "two_balls", "range": "all"}, "formats": ["nifti", "dicom", "png"],
          "acquisitions": {"front": {"modality": "flat", "thickness": True}, "ct": {"modality": "stub"}}}
STUB = Path(__file__).parent / "stub"


@pytest.fixture
def recipe(two_balls):
    return RECIPE


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A case with its twin in every format, made once."""
    out = tmp_path_factory.mktemp("projection")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUB))
        module = importlib.import_module("two_balls")
        for name in ("stub", "flat"):
            patch.setitem(MODALITIES, name, getattr(module, name.upper()))
        assert generate(RECIPE, out=out, seed=3, twin=True).failures == ()
    return out / "case-00000"


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file()}


def test_masks_overlap_and_have_the_area_of_an_ellipse(recipe):
    case = generate_case(load_recipe(recipe), seed=3)
    masks = case.masks["front"]
    radius = case.annotations["specs"]["anatomy"]["radius_mm"]
    assert set(masks) == {"body", "ball"}
    assert "front" not in case.labels
    assert "ct" not in case.masks
    for name, area in (("body", np.pi * 40 * 25), ("ball", np.pi * radius**2)):
        assert masks[name].array.shape == (1, 30, 45)
        assert masks[name].array.dtype == np.uint8
        # Where rays are shorter than the threshold is a thousandth of the area; counting 2 mm pixels is the rest.
        assert masks[name].array.sum() * 4 == pytest.approx(area, rel=0.05)
    assert (masks["ball"].array <= masks["body"].array).all()


def test_files_of_a_projection_are_masks_thickness_and_pictures(folder):
    written = files(folder)
    for where in ("", "twin/"):
        names = {name.removeprefix(where) for name in written if name.startswith(f"{where}front")}
        pairs = set() if where else {"front_for_processing.nii.gz", "front_noise_free.nii.gz",
                                     "front_for_processing.png"}
        truth = {f"front_{kind}/{name}.nii.gz" for kind in ("masks", "thickness") for name in ("body", "ball")}
        assert names == {"front.nii.gz", "front.png", "front_lesions.nii.gz", *truth, *pairs}
    dicom = {name.split("/")[1] for name in written if name.startswith("dicom/")}
    assert dicom == {"front", "front_organs", "front_for_processing", "ct", "ct_organs"}
    thickness = nib.load(folder / "front_thickness" / "body.nii.gz")
    assert thickness.get_data_dtype() == np.float32
    assert np.asarray(thickness.dataobj).max() == pytest.approx(60, rel=0.01)  # the ellipsoid's depth


def test_png_nifti_and_dicom_hold_the_same_pixels_in_the_same_order(folder):
    picture = np.asarray(Image.open(folder / "front.png"))
    assert picture.dtype == np.uint16
    nifti = np.asarray(nib.load(folder / "front.nii.gz").dataobj)
    np.testing.assert_array_equal(picture, nifti[:, :, 0].T)
    dicom = pydicom.dcmread(folder / "dicom" / "front" / "IM00001.dcm")
    np.testing.assert_array_equal(picture, dicom.pixel_array)
    raw = pydicom.dcmread(folder / "dicom" / "front_for_processing" / "IM00001.dcm")
    np.testing.assert_array_equal(raw.pixel_array, 4095 - picture)
    assert (dicom.PresentationIntentType, raw.PresentationIntentType) == ("FOR PRESENTATION", "FOR PROCESSING")


def test_annotations_of_a_projection_obey_the_schema_and_tell_boxes_and_places(folder):
    told = json.loads((folder / "annotations.json").read_text())
    jsonschema.Draft202012Validator(annotation_schema()).validate(told)
    front = told["acquisitions"]["front"]
    assert front["modality"] == "DX"
    assert front["quantity"] == "P-value"
    mask = np.asarray(nib.load(folder / "front_masks" / "ball.nii.gz").dataobj)[:, :, 0].T > 0
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    ball = front["structures"]["ball"]
    assert ball["box_ji"] == [[rows[0], columns[0]], [rows[-1] + 1, columns[-1] + 1]]
    assert ball["box_xywh"] == [columns[0], rows[0], len(columns), len(rows)]
    assert ball["area_px"] == mask.sum()
    assert front["keypoints"] == {"middle": {"place_ji": [14.5, 22.0], "in_image": True}}
    assert front["measures"]["ball_share"] == pytest.approx(told["specs"]["anatomy"]["radius_mm"] / 40)
    assert "structures" not in told["acquisitions"]["ct"]


def test_a_projection_repeats_byte_for_byte(recipe, folder, tmp_path):
    generate(recipe, 2, tmp_path / "again", seed=3, twin=True)
    assert files(folder) == files(tmp_path / "again" / "case-00000")


def test_the_study_of_two_modalities_is_consistent(folder):
    paths = sorted((folder / "dicom").rglob("*.dcm")) + sorted((folder / "twin" / "dicom").rglob("*.dcm"))
    tool = Path(sys.executable).parent / "dcentvfy"
    done = subprocess.run([tool, *paths], capture_output=True, text=True, check=False)
    assert [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")] == []
    assert len({pydicom.dcmread(path).StudyInstanceUID for path in paths}) == 1
    assert len({pydicom.dcmread(path).SOPInstanceUID for path in paths}) == len(paths)


def test_pictures_of_cross_sections_and_names_of_other_files_are_refused(recipe):
    flat = recipe["acquisitions"]["front"]
    with pytest.raises(RecipeError, match="png is for projections alone"):
        load_recipe({**recipe, "acquisitions": {"ct": {"modality": "stub"}}})
    with pytest.raises(RecipeError, match="png is for projections alone"):
        generate({**recipe, "acquisitions": {"ct": {"modality": "stub"}}, "formats": ["nifti"]}, formats="png")
    for name in ("preview", "annotations", "a_thickness"):
        with pytest.raises(RecipeError, match="the name of an acquisition"):
            load_recipe({**recipe, "acquisitions": {name: flat}})


def test_echoes_of_mr_are_series_with_sidecars_and_maps_are_nifti_alone(two_balls, tmp_path):
    recipe = {"phantom": {"body": "two_balls", "range": "all"}, "formats": ["nifti", "dicom"],
              "acquisitions": {"me": {"modality": "echo"}}}
    assert generate(recipe, out=tmp_path / "data", seed=3).failures == ()
    folder = tmp_path / "data" / "case-00000"
    times = [json.loads((folder / f"{name}.json").read_text())["EchoTime"] for name in ("me", "me_echo_2")]
    assert times == [0.01, 0.05]
    assert json.loads((folder / "me_map_t2.json").read_text())["Units"] == "ms"
    assert (folder / "me_map_t2.nii.gz").exists()
    assert {path.name for path in (folder / "dicom").iterdir()} == {"me", "me_organs", "me_echo_2"}
    first, second = (pydicom.dcmread(folder / "dicom" / name / "IM00005.dcm") for name in ("me", "me_echo_2"))
    assert (first.EchoTime, second.EchoTime) == (10.0, 50.0)
    assert first.ImagePositionPatient == second.ImagePositionPatient
    assert first.FrameOfReferenceUID == second.FrameOfReferenceUID
    assert first.SeriesInstanceUID != second.SeriesInstanceUID
    told = json.loads((folder / "annotations.json").read_text())
    jsonschema.Draft202012Validator(annotation_schema()).validate(told)
    assert told["acquisitions"]["me"]["quantity"] == "signal"
    assert set(told["structure_volumes_ml"]) == {"body", "ball"}
