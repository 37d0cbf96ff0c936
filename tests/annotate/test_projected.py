"""Truth in the plane of a projection: a ball's shadow against its closed form, overlaps, thin things, edges."""

import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

from medsynth.annotate.annotation import annotate, annotation_schema, document, findings
from medsynth.annotate.projected import ProjectionMasks, lesion_plane
from medsynth.core.grid import Grid
from medsynth.core.scanner import ScannerRecord
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.lesions.lung_nodule import LungNoduleOptions, insert, sample_specs
from medsynth.scene.acquired import Acquired
from medsynth.scene.projection import MASK_MM, Projection, Shadow
from medsynth.scene.rasterize import rasterize, with_lesions
from tests.lesions.lungs import lungs_scene

RADIUS, PIXEL = 8.0, 0.5
PER_MM = 10.0  # pixel value per mm of the ball
DOWN_LEFT = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))  # rows to the feet, columns to the left


def plane(shape=(1, 120, 160), centre=(0.0, 100.0, 0.0)) -> Grid:
    return Grid.centred(shape, (1.0, PIXEL, PIXEL), centre, DOWN_LEFT)


def ball(grid: Grid, centre_mm, radius=RADIUS) -> Shadow:
    """Return the shadow of a ball for rays along y."""
    off = grid.points_mm()[0] - np.asarray(centre_mm)
    chord = 2 * np.sqrt(np.maximum(radius**2 - off[..., 0] ** 2 - off[..., 2] ** 2, 0)).astype(np.float32)
    rows, columns = (np.flatnonzero(chord.any(axis=axis)) for axis in (1, 0))
    return Shadow((int(rows[0]), int(columns[0])),
                  np.ascontiguousarray(chord[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]))


@pytest.fixture(scope="module")
def shot():
    """Return scene, lesion and a projection in which it is exactly a ball, half covered by a structure."""
    scene = lungs_scene()
    options = LungNoduleOptions(types={"solid": 1}, calcifications={"none": 1}, diameter_mm=2 * RADIUS,
                                attachments={"none": 1}, lobulation={"probability": 0}, spiculation={"probability": 0})
    lesion = insert({**sample_specs(options, scene, rng=Seed(4).rng())[0], "axes": (1.0, 1.0, 1.0)}, scene, 1)
    centre = np.array(lesion.spec["centre_mm"])
    grid = plane(centre=(centre[0], 100.0, centre[2]))
    voxels = Grid.covering(centre - 20, centre + 20, (2.0, 2.0, 2.0))
    healthy = rasterize(scene, voxels)
    phantom = with_lesions(healthy, scene, [lesion])[0]
    shadow = ball(grid, centre)
    half = np.full((120, 80), 30.0, np.float32)
    structures = {lesion.host: Shadow((0, 0), np.full((120, 160), 90.0, np.float32)),
                  "rib_left_5": Shadow((0, 0), half)}
    bare = np.full((1, 120, 160), 500, np.uint16) + (3 * (np.indices((1, 120, 160)).sum(0) % 2)).astype(np.uint16)
    values = (bare + np.rint(PER_MM * shadow.full((120, 160)))[None]).astype(np.uint16)
    told = {"lesions": {"1": {"visible_fraction": 0.5, "contrast": 0.2, "cnr": 30.0}},
            "ratio": 0.48}
    projection = Projection(structures, {1: shadow}, {"apex": (3.25, 4.5), "off": (-9.0, 4.0)}, told)
    record = ScannerRecord("DX", "test", {}, (500.0, 1000.0))
    acquired = Acquired(Volume(values, grid, "P-value"), phantom, healthy, Volume(bare, grid, "P-value"), record, {},
                        projection=projection)
    return scene, lesion, acquired


def test_the_shadow_of_a_ball_has_its_closed_form(shot):
    scene, lesion, acquired = shot
    record = annotate(acquired, [lesion], scene).lesions[0]
    shadow = record.shadow
    edge = np.sqrt(RADIUS**2 - MASK_MM**2 / 4)  # where a ray's chord is the threshold
    assert shadow.area_mm2 == pytest.approx(np.pi * edge**2, rel=0.01)
    assert shadow.area_px * PIXEL**2 == pytest.approx(shadow.area_mm2)
    assert shadow.long_axis_mm == pytest.approx(2 * edge, abs=PIXEL)  # a border between two pixels lies anywhere there
    assert shadow.short_axis_mm == pytest.approx(2 * edge, abs=PIXEL)
    assert shadow.thickness_mm == pytest.approx(2 * RADIUS, rel=0.005)
    assert shadow.centre_ji == pytest.approx((59.5, 79.5), abs=0.01)
    assert shadow.box_ji == ((44, 64), (76, 96))
    ends = np.array([shadow.long_axis_ends_ji, shadow.short_axis_ends_ji])
    np.testing.assert_allclose(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1) * PIXEL,
                               [shadow.long_axis_mm, shadow.short_axis_mm], rtol=1e-6)
    outline = np.array(shadow.outline_ji)
    np.testing.assert_allclose(np.linalg.norm(outline - shadow.centre_ji, axis=1) * PIXEL, edge, atol=PIXEL / 2)
    assert (outline[0] == outline[-1]).all()
    # Volume and diameters are those of the body itself, not of its shadow.
    assert record.measured_on == "shape"
    assert record.true_volume_ml == pytest.approx(4 / 3000 * np.pi * RADIUS**3, rel=0.05)
    assert record.centre_kji is None
    assert record.box_kji is None


def test_intensity_under_the_shadow_is_in_units_of_the_image(shot):
    scene, lesion, acquired = shot
    annotation = annotate(acquired, [lesion], scene)
    record = annotation.lesions[0]
    assert (record.mean_hu, record.contrast_hu, record.twin_contrast_hu) == (None, None, None)
    mean_chord = 4 / 3 * RADIUS  # of a ball, for rays that are spread evenly
    assert record.signal.twin_contrast == pytest.approx(PER_MM * mean_chord, rel=0.01)
    assert record.signal.contrast == pytest.approx(PER_MM * mean_chord, rel=0.01)
    assert record.signal.around_sd == pytest.approx(1.5, rel=0.01)
    found = findings(annotation)[0]
    assert found.mean_hu is None
    assert found.mean_signal == record.signal.mean
    assert found.shadow is record.shadow
    assert "lung_rads" not in found.attributes  # a category of CT


def test_overlaps_name_what_covers_the_lesion_and_how_much(shot):
    scene, lesion, acquired = shot
    shadow = annotate(acquired, [lesion], scene).lesions[0].shadow
    assert shadow.overlaps == {lesion.host: 1.0, "rib_left_5": pytest.approx(0.5, abs=0.01)}
    assert shadow.readings == {"visible_fraction": 0.5, "contrast": 0.2, "cnr": 30.0}


def test_the_document_obeys_the_schema_and_holds_no_hu(shot):
    scene, lesion, acquired = shot
    annotation = annotate(acquired, [lesion], scene)
    content = json.loads(json.dumps(document({"pa": annotation}), allow_nan=False))
    jsonschema.Draft202012Validator(annotation_schema()).validate(content)
    record = content["lesions"][0]
    assert "intensity_hu" not in record
    assert record["in_image"]
    assert record["shadow"]["box_xywh"] == [64, 44, 32, 32]
    assert "mean_hu" not in record["parts"]["solid"]
    pa = content["acquisitions"]["pa"]
    assert pa["measures"] == {"ratio": 0.48}
    assert pa["keypoints"] == {"apex": {"place_ji": [3.25, 4.5], "in_image": True},
                               "off": {"place_ji": [-9.0, 4.0], "in_image": False}}
    assert pa["structures"]["rib_left_5"]["box_xywh"] == [0, 0, 80, 120]
    broken = json.loads(json.dumps(content))
    broken["lesions"][0]["intensity_hu"] = broken["lesions"][0]["intensity"]
    with pytest.raises(jsonschema.ValidationError):  # one of them, never both
        jsonschema.Draft202012Validator(annotation_schema()).validate(broken)


def test_a_lesion_without_a_shadow_in_the_image_is_told_but_is_no_finding(shot):
    scene, lesion, acquired = shot
    elsewhere = replace(acquired, projection=replace(acquired.projection, lesions={}))
    annotation = annotate(elsewhere, [lesion], scene)
    assert annotation.lesions[0].true_volume_ml > 0
    assert not annotation.lesions[0].in_image
    assert findings(annotation) == []
    content = document({"pa": annotation})
    assert content["lesions"][0]["shadow"] is None
    jsonschema.Draft202012Validator(annotation_schema()).validate(content)


def test_a_shadow_at_the_edge_is_measured_as_far_as_it_is_in_the_image(shot):
    scene, lesion, acquired = shot
    whole = acquired.projection.lesions[1]
    half = Shadow((60, whole.first_ji[1]), whole.thickness_mm[60 - whole.first_ji[0]:])
    low = Grid((1, 60, 160), (1.0, PIXEL, PIXEL), tuple(acquired.image.grid.world_mm((0, 60, 0))), DOWN_LEFT)
    part = replace(acquired, image=Volume(acquired.image.array[:, 60:].copy(), low, "P-value"), twin=None,
                   projection=replace(acquired.projection, structures={},
                                      lesions={1: replace(half, first_ji=(0, half.first_ji[1]))}))
    shadow = annotate(part, [lesion], scene).lesions[0].shadow
    edge = np.sqrt(RADIUS**2 - MASK_MM**2 / 4)
    assert shadow.box_ji == ((0, 64), (16, 96))
    assert shadow.area_mm2 == pytest.approx(np.pi * edge**2 / 2, rel=0.02)


def test_where_lesions_overlap_the_thickest_has_the_pixel_and_masks_keep_both():
    grid = plane()
    big, small = ball(grid, (0.0, 0.0, 0.0), 10.0), ball(grid, (8.0, 0.0, 0.0), 4.0)
    projection = Projection({}, {2: big, 5: small})
    numbers, masks = lesion_plane(projection, grid).array[0], ProjectionMasks(projection, grid)
    in_big, in_small = (masks[f"lesion_{n}"].array[0] > 0 for n in (2, 5))
    assert (in_big & in_small).any()
    np.testing.assert_array_equal(numbers > 0, in_big | in_small)
    both = in_big & in_small
    thicker = big.full((120, 160)) >= small.full((120, 160))  # of equal ones the lower number
    np.testing.assert_array_equal(numbers[both], np.where(thicker, 2, 5)[both])


def test_masks_take_rays_from_a_third_of_a_millimetre_and_thin_things_by_half():
    grid = plane((1, 4, 5))
    row = np.array([[0.0, 0.29, 0.31, 2.0, 0.0]], np.float32)
    masks = ProjectionMasks(Projection({"organ": Shadow((1, 0), row), "thin": Shadow((2, 0), row / 10),
                                        "nothing": Shadow((3, 0), row * 0)}), grid)
    assert list(masks) == ["organ", "thin"]
    assert masks["organ"].array[0, 1].tolist() == [0, 0, 1, 1, 0]
    assert masks["thin"].array[0, 2].tolist() == [0, 0, 0, 1, 0]
    assert masks["thin"].array.sum() == 1
    np.testing.assert_allclose(masks.thickness("thin").array[0, 2], row[0] / 10)
    assert masks.thickness("thin").array.dtype == np.float32


def test_a_lesion_is_found_where_the_posture_of_the_view_has_moved_it(shot):
    scene, lesion, acquired = shot
    still = annotate(acquired, [lesion], scene).lesions[0]
    away = replace(acquired.phantom.grid, origin_mm=(900.0, 0.0, 0.0))  # the same voxels elsewhere in the world
    phantom, healthy = (replace(one, grid=away) for one in (acquired.phantom, acquired.healthy))
    moved = replace(acquired, phantom=phantom, healthy=healthy)
    record = annotate(moved, [lesion], scene).lesions[0]
    assert record.volume_ml == still.volume_ml == pytest.approx(4 / 3000 * np.pi * RADIUS**3, rel=0.05)
    assert record.parts["solid"].volume_ml == still.parts["solid"].volume_ml
    assert record.shadow == still.shadow
