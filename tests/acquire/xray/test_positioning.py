from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from medsynth.acquire.xray.detector import detectors
from medsynth.acquire.xray.looks import LOOKS, looks
from medsynth.acquire.xray.plates import side_of, stand_plates
from medsynth.acquire.xray.positioning import axes, draw_errors, stand, stand_free
from medsynth.acquire.xray.protocol import FreeGeometry, XrayProtocol
from medsynth.acquire.xray.source import Technique
from medsynth.acquire.xray.views import VIEWS, view, views
from medsynth.core.errors import GeometryError, MedsynthError, RecipeError
from medsynth.core.seed import Seed
from medsynth.scene.structure import Posture
from medsynth.shapes.primitives import Ellipsoid
from tests.acquire.xray.chest_scene import HALF, LUNGS, chest

CHEST = ["chest_pa", "chest_ap", "chest_ap_supine", "chest_lateral"]


@dataclass(frozen=True)
class Still:
    """A map that moves nothing."""

    reach_mm: float = 0.0

    def displacement_mm(self, points_mm):
        return np.zeros_like(points_mm)

    inverse_displacement_mm = displacement_mm


def stood(name, errors=None, **changes):
    one = view(name)
    given = {"sid_mm": one.sid_mm, "pixel_mm": 1.0, "field_mm": None, **changes}
    return stand(chest(), one, errors or {}, **given)


@pytest.mark.parametrize("name", [name for name in VIEWS if name != "free"])
def test_every_view_can_be_exposed_with_its_own_technique(name):
    one = view(name)
    technique = Technique(one.kvp, tube=one.tube, focus=one.focal_mm, grid=one.grid, dose_ugy=one.dose_uGy)
    assert technique.focal_mm == one.focal_mm
    assert one.detector in detectors()
    assert one.dose_uGy < detectors()[one.detector].saturation_ugy / 4
    assert abs(np.linalg.det([one.towards, one.down, one.right])) == pytest.approx(1.0, abs=1e-6)


def test_tables_hold_what_their_types_name():
    assert set(views()) == set(VIEWS) - {"free"}
    assert set(looks()) == set(LOOKS)


def test_the_patients_right_is_on_the_viewers_left_from_both_sides():
    for name in ("chest_pa", "chest_ap"):
        geometry = stood(name).geometry
        right, left = (geometry.project_mm(np.array(LUNGS[side][0]))[1] for side in ("right", "left"))
        assert right < left
    front, back = (stood("chest_lateral").geometry.project_mm(np.array([0.0, y, 0.0]))[1] for y in (-90.0, 90.0))
    assert front < back


def test_the_heart_is_larger_from_the_front_than_from_the_back():
    heart = np.array([10.0, -40.0, 0.0])
    assert stood("chest_ap").geometry.magnification(heart) > 1.1 > stood("chest_pa").geometry.magnification(heart)


def test_distances_are_those_that_were_asked_for():
    one = stood("chest_pa", sid_mm=1500.0)
    assert one.geometry.sid_mm == pytest.approx(1500.0)
    source = np.array(one.geometry.source_mm)
    assert source[1] == pytest.approx(-HALF[1] - 35.0 + 1500.0)  # 35 mm from the front of the body to the detector
    assert one.skin_mm == pytest.approx(source[1] - HALF[1])


@pytest.mark.parametrize("name", CHEST)
def test_the_field_holds_both_lungs_and_stays_within_the_cut_ends_of_the_body(name):
    one = stood(name, draw_errors(view(name).errors, 1.5, rng=Seed(3).rng()))
    geometry, (top, first, bottom, last) = one.geometry, one.field_ji
    for z, edge, ahead in ((HALF[2], top, -1), (-HALF[2], bottom, 1)):
        corners = np.array([[x, y, z] for x in (-HALF[0], HALF[0]) for y in (-HALF[1], HALF[1])])
        rows, _ = geometry.project_mm(corners)
        assert (ahead * rows > ahead * (edge + 0.5 * ahead)).all()
    for centre, radius in LUNGS.values():
        columns = geometry.project_mm(np.array(centre) + radius * np.outer([-1, 1], geometry.column_step))[1]
        assert first < columns.min()
        assert columns.max() < last


def test_a_given_field_has_the_given_size():
    one = stood("chest_pa", field_mm=(180.0, 220.0), pixel_mm=0.4)
    top, first, bottom, last = one.field_ji
    assert ((bottom - top + 1) * 0.4, (last - first + 1) * 0.4) == pytest.approx((180.0, 220.0))


def test_a_turned_body_is_a_camera_turned_the_other_way():
    errors = {"turn_deg": 7.0, "tilt_deg": -4.0, "lean_deg": 3.0}
    plain = np.array(axes(view("chest_pa"), {}))
    body = Rotation.from_rotvec(np.radians(7.0) * np.array([0, 0, 1.0]))
    turned = np.array(axes(view("chest_pa"), {"turn_deg": 7.0}))
    points = np.array([[10.0, 20.0, 30.0], [-5.0, 8.0, -60.0]])
    assert points @ turned.T == pytest.approx(body.apply(points) @ plain.T)
    every = np.array(axes(view("chest_pa"), errors))
    assert every @ every.T == pytest.approx(np.eye(3))
    lean = np.array(axes(view("chest_pa"), {"lean_deg": 3.0}))
    assert lean[0] == pytest.approx(plain[0])
    assert np.degrees(np.arccos(lean[1] @ plain[1])) == pytest.approx(3.0)


def test_errors_grow_with_severity_and_vanish_without():
    one = view("chest_ap_supine").errors
    full, half, none = (draw_errors(one, severity, rng=Seed(5).rng()) for severity in (1.0, 0.5, 0.0))
    assert list(none.values()) == [0.0] * len(none)
    assert np.array(list(half.values())) == pytest.approx(0.5 * np.array(list(full.values())))
    many = np.array([list(draw_errors(one, 1.0, rng=Seed(n).rng()).values()) for n in range(400)])
    assert many[:, 0].std() == pytest.approx(one.turn_deg, rel=0.12)
    assert np.abs(many[:, 0]).max() <= 2.5 * one.turn_deg


def test_a_free_view_looks_where_it_is_told():
    free = FreeGeometry(aim="carina", turn_deg=30.0, tilt_deg=15.0, sid_mm=1000.0, source_to_aim_mm=750.0,
                        field_mm=(200.0, 300.0))
    one = stand_free(chest(), free, pixel_mm=2.0)
    geometry = one.geometry
    assert geometry.project_mm(np.array([3.0, 20.0, 60.0])) == pytest.approx((49.5, 74.5))
    assert geometry.size_mm == (200.0, 300.0)
    assert geometry.normal == pytest.approx([np.sin(np.pi / 6) * np.cos(np.pi / 12),
                                             np.cos(np.pi / 6) * np.cos(np.pi / 12), np.sin(np.pi / 12)])
    higher = geometry.project_mm(np.array([3.0, 20.0, 80.0]))[0]
    assert higher < 49.5  # the head is up


def test_free_views_from_front_and_side_are_those_of_the_presets():
    for turn, name in ((0.0, "chest_ap"), (90.0, "chest_lateral")):
        free = FreeGeometry(aim=(0.0, 0.0, 0.0), turn_deg=turn, sid_mm=1800.0, source_to_aim_mm=1500.0)
        geometry = stand_free(chest(), free, pixel_mm=5.0).geometry
        towards, down, _ = axes(view(name), {})
        assert geometry.normal == pytest.approx(towards, abs=1e-12)
        assert geometry.row_step == pytest.approx(down, abs=1e-12)


def test_a_body_of_one_side_is_told_from_one_of_both():
    scene = chest()
    assert side_of(scene) == ""
    assert side_of(replace(scene, structures=scene.structures[:2])) == "right"


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", ["mammo_cc", "mammo_mlo"])
def test_the_beam_of_a_mammogram_runs_down_the_chest_wall(name, side):
    sign = 1.0 if side == "left" else -1.0
    axis = (0.0, 0.0, -1.0) if name == "mammo_cc" else (sign * np.sqrt(0.5), 0.0, -np.sqrt(0.5))
    posture = Posture("test", Still(), ((-60.0, -90.0, -25.0), (60.0, 15.0, 25.0)), axis, (-25.0, 25.0),
                      (0.0, -1.0, 0.0), -10.0)
    breast = replace(chest(), fields={"breast": Ellipsoid((0.0, -10.0, 0.0), (55.0, 75.0, 25.0))})
    one = stand_plates(breast, posture, view(name), {}, side=side, sid_mm=650.0, pixel_mm=0.5, field_mm=None)
    geometry = one.geometry
    rows, columns = geometry.shape_ji
    edge = -0.5 if side == "left" else columns - 0.5
    wall = geometry.rays(np.arange(rows), np.full(rows, edge))
    assert wall[:, 1] == pytest.approx(0.0, abs=1e-9)  # no ray of the edge runs into the chest or out of it
    assert geometry.source_mm[1] == pytest.approx(10.0)
    nipple = geometry.project_mm(np.array([0.0, -85.0, 0.0]))
    assert 0 < nipple[1] < columns
    assert (nipple[1] > columns / 2) == (side == "left")
    assert nipple[0] == pytest.approx((rows - 1) / 2, abs=1.0)
    outer = np.array([sign * 50.0, -40.0, 20.0])  # lateral and up: the axilla is at the top of the image
    assert geometry.project_mm(outer)[0] < nipple[0] - 40
    assert geometry.size_mm in [(240.0, 180.0), (300.0, 240.0)]
    assert geometry.sid_mm - geometry.sid_mm / geometry.magnification(25.0 * np.array(axis)) == pytest.approx(12.0)


@pytest.mark.parametrize(("make", "words"), [
    (lambda: stood("chest_pa", sid_mm=230.0), "sid_mm must be > 235"),
    (lambda: stood("pelvis_ap"), "body 'balls' has no pelvis_bones"),
    (lambda: stood("knee_ap"), "landmark of body 'balls' must be one of"),
    (lambda: stand_free(chest(), FreeGeometry(aim="T8", source_to_aim_mm=120.0), pixel_mm=1.0), "source_mm"),
    (lambda: XrayProtocol(view="free"), "free must be given"),
    (lambda: XrayProtocol(mas=2.0, dose_uGy=3.0), "at most one"),
    (lambda: XrayProtocol(pairs={"looks": ["standard"]}), "other looks"),
])
def test_what_cannot_be_is_said_in_one_line(make, words):
    with pytest.raises((MedsynthError, ValueError), match=words) as caught:
        make()
    assert isinstance(caught.value, RecipeError | GeometryError | ValueError)
