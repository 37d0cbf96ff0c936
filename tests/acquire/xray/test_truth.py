import numpy as np
import pytest

from medsynth.acquire.xray.keypoints import EDGE_MM
from medsynth.acquire.xray.markers import side_marker
from medsynth.acquire.xray.positioning import stand
from medsynth.acquire.xray.project import tube_lengths
from medsynth.acquire.xray.truth import Readings, projected_truth
from medsynth.acquire.xray.views import view
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.projection import MASK_MM
from medsynth.scene.rasterize import rasterize, with_lesions
from tests.acquire.xray.chest_scene import HEART, LESIONS, LUNGS, RIB, chest, nodule, tangent_columns

PIXEL = 1.0
MU_PER_MM, NOISE = 0.02, 0.01


@pytest.fixture(scope="module")
def case():
    """Two nodules on a frontal image, whose readings have their closed-form contrast and known noise."""
    scene, lesions = chest(), [nodule(1), nodule(2)]
    one = stand(scene, view("chest_pa"), {"turn_deg": 4.0}, sid_mm=1500.0, pixel_mm=PIXEL, field_mm=None)
    grid = Grid.covering(*scene.bounds_mm, (1.2, 1.2, 1.2))
    healthy = rasterize(scene, grid)
    phantom = with_lesions(healthy, scene, lesions)[0]
    clean = np.full(one.geometry.shape_ji, 40000.0, np.float32)
    depth = sum(chords(one.geometry, *LESIONS[n]) for n in LESIONS)
    ill = clean * np.exp(-MU_PER_MM * depth)
    noise = np.exp(NOISE * Seed(1).rng().standard_normal(clean.shape))
    stored, twin = (np.rint(mean * noise).astype(np.uint16) for mean in (ill, clean))
    truth = projected_truth(scene, lesions, healthy, phantom, one.geometry, one.field_ji, frontal=True,
                            readings=Readings(stored, ill, twin))
    return one, truth


def chords(geometry, centre, radius):
    rows, columns = geometry.shape_ji
    ray = geometry.rays(np.arange(rows)[:, None], np.arange(columns)[None, :])
    to = np.array(centre) - geometry.source_mm
    squared = to @ to - (ray @ to) ** 2
    return 2 * np.sqrt(np.maximum(radius**2 - squared, 0))


def test_landmarks_lie_where_similar_triangles_put_them(case):
    one, truth = case
    geometry, source = one.geometry, np.array(one.geometry.source_mm)
    for name, point in (("carina", (3.0, 20.0, 60.0)), ("T8", (0.0, 50.0, 0.0))):
        ray = np.array(point) - source
        ahead = (np.array(geometry.origin_mm) - source) @ geometry.normal
        hit = source + ray * ahead / (ray @ geometry.normal)
        row, column = truth.keypoints[name]
        assert geometry.pixels_mm(row, column) == pytest.approx(hit, abs=1e-6)
    assert "far" not in truth.keypoints  # not on the image


def test_the_cardiothoracic_ratio_is_that_of_tangent_planes(case):
    one, truth = case
    heart = tangent_columns(one.geometry, HEART, EDGE_MM)
    right, left = (tangent_columns(one.geometry, LUNGS[side], EDGE_MM) for side in ("right", "left"))
    assert truth.keypoints["heart_border_right"][1] == pytest.approx(heart[0], abs=0.6)
    assert truth.keypoints["heart_border_left"][1] == pytest.approx(heart[1], abs=0.6)
    assert truth.keypoints["chest_wall_right"][1] == pytest.approx(right[0], abs=1.0)
    expected = (heart[1] - heart[0]) / (left[1] - right[0])
    assert truth.measures["cardiothoracic_ratio"] == pytest.approx(expected, rel=0.01)


def test_shadows_are_as_thick_as_chords(case):
    one, truth = case
    for number, ball in LESIONS.items():
        closed = chords(one.geometry, *ball)
        shadow = truth.lesions[number].full(one.geometry.shape_ji)
        assert shadow.sum() == pytest.approx(closed.sum(), rel=0.02)
        # The shadow of voxels is that of linear interpolation between them: edges are as soft as a voxel.
        assert np.abs(shadow - closed).max() < 3.0
        assert np.abs((shadow - closed)[closed > 8]).max() < 1.0
    lung = truth.structures["lung_right"]
    assert truth.structures["lobe_right_upper"].thickness_mm.sum() == pytest.approx(lung.thickness_mm.sum())


def test_contrast_and_noise_of_a_nodule_are_those_of_its_chords(case):
    one, truth = case
    measured = truth.measures["lesions"]["1"]
    closed = chords(one.geometry, *LESIONS[1])
    core = closed >= closed.max() / 2
    assert measured["contrast"] == pytest.approx(MU_PER_MM * closed[core].mean(), rel=0.04)
    assert measured["noise_sd"] == pytest.approx(NOISE, rel=0.2)
    assert measured["cnr"] == pytest.approx(measured["contrast"] / measured["noise_sd"])
    assert measured["snr"] == pytest.approx(measured["cnr"] * np.sqrt(core.sum()), rel=0.05)


def test_what_lies_behind_the_rib_is_hidden(case):
    one, truth = case
    closed, bone = chords(one.geometry, *LESIONS[1]), chords(one.geometry, *RIB)
    mask = closed > MASK_MM
    expected = (mask & (bone <= 8.0)).sum() / mask.sum()
    assert 0.05 < expected < 0.95
    assert truth.measures["lesions"]["1"]["visible_fraction"] == pytest.approx(expected, abs=0.08)
    assert truth.measures["lesions"]["2"]["visible_fraction"] == 1.0


def test_borders_that_the_shutters_cut_off_are_not_measured(case):
    one, _ = case
    scene = chest()
    healthy = rasterize(scene, Grid.covering(*scene.bounds_mm, (4.0, 4.0, 4.0)))
    top, first, bottom, last = one.field_ji
    narrow = (top, first + 80, bottom, last)
    truth = projected_truth(scene, [], healthy, healthy, one.geometry, narrow, frontal=True)
    assert "cardiothoracic_ratio" not in truth.measures
    assert min(shadow.first_ji[1] for shadow in truth.structures.values()) >= first + 80 - 1


@pytest.mark.parametrize("letter", ["R", "L"])
def test_a_lead_letter_reads_the_right_way_round_within_its_box(case, letter):
    one, _ = case
    marker = side_marker(letter, one.geometry, one.field_ji, letter == "L", rng=Seed(2).rng())
    lead = tube_lengths(marker.tubes, one.geometry)
    rows, columns = np.nonzero(lead > 0)
    top, first, bottom, last = marker.box_ji
    assert top <= rows.min()
    assert rows.max() <= bottom
    assert first <= columns.min()
    assert columns.max() <= last
    assert one.field_ji[0] < top
    assert bottom < one.field_ji[2]
    middle = (first + last) / 2
    assert (middle > one.geometry.shape_ji[1] / 2) == (letter == "L")
    upper = lead[top:(top + bottom) // 2 + 1, first:last + 1]
    lower = lead[(top + bottom) // 2 + 1:bottom + 1, first:last + 1]
    if letter == "L":  # the foot, at the lower right
        assert lower[:, -3:].sum() > 3 * upper[:, -3:].sum()
        assert lead[top:bottom + 1, first:first + 5].sum() > lead[top:bottom + 1, last - 4:last + 1].sum()
    else:  # the bowl makes the upper half heavier, the stem stands at the left
        assert upper.sum() > 1.1 * lower.sum()
