import numpy as np
import pytest

from medsynth.acquire.xray.acquire import acquire_xray, beam_grid, image_grid
from medsynth.acquire.xray.positioning import axes, stand_free
from medsynth.acquire.xray.protocol import FreeGeometry, XrayProtocol
from medsynth.acquire.xray.views import view
from medsynth.core.seed import Seed
from medsynth.export.dicom.identity import study_info
from medsynth.export.dicom.image import image_datasets
from tests.acquire.xray.chest_scene import LESIONS, chest, nodule

SEED = Seed(11).child("pa")
PROTOCOL = XrayProtocol(view="chest_pa", pixel_mm=1.5, voxel_mm=(2.5, 5.0), pairs={
    "looks": ["bone"], "targets": ["for_processing", "noise_free", "scatter_free", "bone_suppressed"]})


@pytest.fixture(scope="module")
def shot():
    return acquire_xray(chest(), [nodule(1), nodule(2)], PROTOCOL, seed=SEED, twin=True)


def field_of(acquired):
    top, left, bottom, right = acquired.parameters["field_ji"]
    return slice(int(top) + 3, int(bottom) - 2), slice(int(left) + 3, int(right) - 2)


def at(acquired, point_mm):
    """The mean P-value about the shadow of a point."""
    j, i = (round(v) for v in acquired.image.grid.index_kji(hit(acquired, point_mm))[1:])
    return float(acquired.image.array[0, j - 1:j + 2, i - 1:i + 2].mean())


def hit(acquired, point_mm):
    """Where the ray through a point meets the image's plane, with nothing but the grid and the source."""
    grid, source = acquired.image.grid, np.array(acquired.parameters["geometry"]["source_mm"])
    normal = np.array(grid.direction)[:, 0]
    ray = np.array(point_mm) - source
    return source + ray * ((np.array(grid.origin_mm) - source) @ normal) / (ray @ normal)


def test_lungs_are_dark_bone_is_bright_and_shutters_are_black(shot):
    heart, lung = at(shot, (12.0, -30.0, -10.0)), at(shot, (-90.0, 5.0, 20.0))
    belly, rib = at(shot, (0.0, 0.0, -70.0)), at(shot, (-65.0, 80.0, 20.0))
    assert lung < heart < 4095
    assert lung < 0.6 * belly
    assert rib > lung + 250
    assert shot.image.array[0, 0].max() == 0
    assert shot.image.array.dtype == np.uint16
    assert shot.image.array.max() <= 4095


def test_keypoints_and_the_images_grid_agree(shot):
    row, column = shot.projection.keypoints["carina"]
    assert shot.image.grid.index_kji(hit(shot, (3.0, 20.0, 60.0)))[1:] == pytest.approx((row, column), abs=1e-3)


def test_the_lesions_shadow_is_where_twin_and_image_differ(shot):
    """The raw exposure of both has the same noise, so that the shadow alone differs."""
    twin = acquire_xray(chest(), [], PROTOCOL, seed=SEED)
    raw, bare = (one.pairs["for_processing"][0].array[0].astype(int) for one in (shot, twin))
    shadows = sum(shot.projection.lesions[n].full(raw.shape) for n in LESIONS)
    middle = shadows > 8
    scale = np.median(bare[field_of(shot)] / np.maximum(raw[field_of(shot)], 1))  # automatic exposure sees the lesions
    ratio = np.log(np.maximum(bare, 1) / np.maximum(raw, 1) / scale)
    assert ratio[middle].mean() > 0.08
    assert np.abs(ratio[field_of(shot)][shadows[field_of(shot)] == 0].mean()) < 0.01
    assert shot.twin is not None
    near = np.zeros(raw.shape, bool)
    for n in LESIONS:
        shadow = shot.projection.lesions[n]
        (row, column), (rows, columns) = shadow.first_ji, shadow.thickness_mm.shape
        near[max(0, row - 40):row + rows + 40, max(0, column - 40):column + columns + 40] = True
    changed = np.abs(shot.twin.array[0].astype(int) - shot.image.array[0].astype(int))
    assert changed[middle].mean() > 60
    assert changed[~near & (shot.image.array[0] > 0)].mean() < 4


def test_contrast_of_a_lesion_is_its_chord_times_what_it_weakens_more(shot):
    """Between 0 and 30 % scatter (12:1 grid behind lung), and soft tissue in place of lung: 0.16 to 0.2 per cm."""
    measured = shot.projection.measures["lesions"]["2"]
    core = 2 * 6.0 * 0.85  # mean chord where it is at least half of the greatest, in mm
    primary = (0.19 - 0.05) * core / 10
    assert 0.45 * primary < measured["contrast"] < 1.05 * primary
    assert measured["noise_sd"] > 0
    assert measured["visible_fraction"] == 1.0


def test_pairs_are_of_the_same_exposure(shot):
    names = {"look_bone", "for_processing", "noise_free", "scatter_free", "bone_suppressed"}
    assert set(shot.pairs) == names
    image = shot.image.array[0].astype(float)
    inside = field_of(shot)
    clean = shot.pairs["noise_free"][0].array[0].astype(float)
    assert np.corrcoef(image[inside].ravel(), clean[inside].ravel())[0, 1] > 0.98
    rib = shot.projection.structures["rib_right_5"].full(image.shape) > 12
    lifted = shot.pairs["bone_suppressed"][0].array[0].astype(float)
    assert (image - lifted)[rib].mean() > 150
    assert np.abs((image - lifted)[inside][~rib[inside]]).mean() < 40
    for volume, record in shot.pairs.values():
        assert volume.grid == shot.image.grid
        assert record.modality == "DX"
    assert shot.pairs["for_processing"][1].attributes["PresentationIntentType"] == "FOR PROCESSING"


def test_every_image_becomes_a_dicom_object(shot):
    study = study_info(chest().subject, SEED.child("dicom"))
    for volume, record in ((shot.image, shot.scanner), *shot.pairs.values()):
        (dataset,) = image_datasets(volume, record, study, series="pa", series_number=1)
        assert dataset.ViewPosition == "PA"
        assert list(dataset.PatientOrientation) == ["L", "F"]
        assert dataset.DistanceSourceToDetector == pytest.approx(1800)
        assert dataset.CollimatorLeftVerticalEdge > 1
        assert 100 * 0.3 < dataset.ExposureIndex < 100 * 12


def test_same_seed_same_image_and_errors_on_their_own_stream(shot):
    again = acquire_xray(chest(), [nodule(1), nodule(2)], PROTOCOL, seed=SEED, twin=True)
    assert (again.image.array == shot.image.array).all()
    still = PROTOCOL.model_copy(update={"positioning": PROTOCOL.positioning.model_copy(update={"severity": 0.0})})
    upright = acquire_xray(chest(), [], still, seed=SEED)
    assert set(upright.parameters["positioning_errors"].values()) == {0.0}
    assert upright.parameters["marker"]["letter"] == shot.parameters["marker"]["letter"] == "L"


def test_the_beams_voxels_hold_the_beam_and_are_fine_across_it():
    scene = chest()
    for turn in (0.0, 40.0):
        free = FreeGeometry(aim="T8", turn_deg=turn, sid_mm=1000.0, source_to_aim_mm=800.0, field_mm=(150.0, 150.0))
        geometry = stand_free(scene, free, pixel_mm=1.0).geometry
        grid = beam_grid(scene, geometry, (2.0, 4.0))
        along = np.abs(np.array(grid.direction).T @ geometry.normal)
        assert grid.spacing_mm[int(np.argmax(along))] == 4.0
        assert sorted(grid.spacing_mm) == [2.0, 2.0, 4.0]
        source, corners = np.array(geometry.source_mm), geometry.corners_mm()
        low, high = np.array(scene.bounds_mm)
        for share in np.linspace(0.55, 0.95, 60):
            points = source + share * (corners - source)
            points = points[((points > low) & (points < high)).all(axis=1)]
            index = grid.index_kji(points)
            assert (index >= -0.5).all()
            assert (index <= np.array(grid.shape_kji) - 0.5).all()


def test_nothing_hangs_into_the_beam_beyond_the_plates():
    scene = chest()
    geometry = stand_free(scene, FreeGeometry(aim="T8", turn_deg=45.0, sid_mm=1000.0, source_to_aim_mm=700.0),
                          pixel_mm=1.0).geometry
    grid = beam_grid(scene, geometry, (2.0, 1.0), (660.0, 720.0))
    depth = (grid.corners_mm() - np.array(geometry.source_mm)) @ geometry.normal
    assert (depth.min(), depth.max()) == pytest.approx((660.0, 720.0), abs=0.6)


def test_the_image_lies_in_the_detectors_plane():
    one = stand_free(chest(), FreeGeometry(aim="T8", turn_deg=20.0, tilt_deg=10.0), pixel_mm=2.0)
    grid = image_grid(one.geometry)
    assert grid.world_mm((0, 5, 9)) == pytest.approx(one.geometry.pixels_mm(5, 9))
    # LPS axes of rows and columns give the slices' direction that DICOM expects.
    assert np.linalg.det(np.array(grid.direction)[:, ::-1]) == pytest.approx(1.0)
    assert axes(view("chest_ap"), {})[0] == pytest.approx([0, 1, 0])
