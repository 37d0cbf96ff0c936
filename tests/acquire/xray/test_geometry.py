"""Pixels and points: distances, magnification, the sense of the axes, and what cannot be imaged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsynth.acquire.xray.geometry import Geometry, check_geometry
from medsynth.core.errors import GeometryError

PA = Geometry.facing((0, 1500, 0), (0, -300, 0), (0, 0, -1), 0.5, (401, 300))


def test_magnification_is_distance_to_detector_over_distance_to_point():
    assert PA.sid_mm == pytest.approx(1800)
    assert PA.magnification((10.0, 300.0, -5.0)) == pytest.approx(1800 / 1200)
    assert PA.magnification((0.0, -300.0, 100.0)) == pytest.approx(1.0)


def test_a_point_casts_its_shadow_where_similar_triangles_say():
    # 40 mm to the patient's left and 20 mm to the head, 600 mm from the source: three times as far off the axis.
    row, column = PA.project_mm((40.0, 900.0, 20.0))
    assert row == pytest.approx(200 - 60 / 0.5)
    assert column == pytest.approx(149.5 - 120 / 0.5)  # seen from behind, the patient's left is on the left


def test_the_image_is_as_the_source_sees_it():
    anterior = Geometry.facing((0, -1500, 0), (0, 300, 0), (0, 0, -1), 1.0, (10, 10))
    assert anterior.column_step == pytest.approx((1, 0, 0))  # facing a patient, their left is on the right
    assert anterior.row_step == pytest.approx((0, 0, -1))
    assert anterior.normal == pytest.approx((0, 1, 0))


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.floats(-1, 1)] * 3), st.tuples(*[st.floats(-100, 100)] * 3), st.integers(1, 40),
       st.integers(1, 41))
def test_projection_and_rays_agree_for_any_direction(direction, point, rows, columns):
    direction = np.array(direction) + (0, 0, 1.7)
    direction /= np.linalg.norm(direction)
    geometry = Geometry.facing(-900 * direction, 300 * direction, (0.3, 1.0, 0.1), 0.7, (rows, columns))
    row, column = geometry.project_mm(point)
    ray = geometry.rays(row, column)
    towards = np.array(point) - geometry.source_mm
    assert np.linalg.norm(np.cross(ray, towards)) < 1e-7 * np.linalg.norm(towards)
    assert geometry.centre_mm == pytest.approx(300 * direction, abs=1e-9)


@pytest.mark.parametrize("shape", [(10, 11), (11, 10)])
def test_other_pixels_and_crops_stay_in_place(shape):
    geometry = Geometry.facing((0, 0, 1000), (0, 0, 0), (0, 1, 0), 1.0, shape)
    assert geometry.with_pixel(0.5).corners_mm() == pytest.approx(geometry.corners_mm())
    assert geometry.crop((2, 3), (4, 5)).pixels_mm(1, 1) == pytest.approx(geometry.pixels_mm(3, 4))


def test_impossible_geometries_say_what_is_wrong():
    low, high = (-100, -100, -100), (100, 100, 100)
    check_geometry(PA, low, high)
    with pytest.raises(GeometryError, match="source_mm must lie outside the body's box"):
        check_geometry(Geometry.facing((0, 50, 0), (0, -300, 0), (0, 0, -1), 0.5, (9, 9)), low, high)
    with pytest.raises(GeometryError, match=r"detector must lie behind the body, 1100.0 mm or more"):
        check_geometry(Geometry.facing((0, 1000, 0), (0, -50, 0), (0, 0, -1), 0.5, (9, 9)), low, high)
    with pytest.raises(GeometryError, match="same side of the source"):
        check_geometry(Geometry.facing((0, 1000, 0), (0, 1300, 0), (0, 0, -1), 0.5, (9, 9)), low, high)
    with pytest.raises(GeometryError, match="must meet the body's shadow, got one of rows"):
        check_geometry(Geometry.facing((900, 1000, 0), (900, -300, 0), (0, 0, -1), 0.5, (99, 99)), low, high)
    with pytest.raises(GeometryError, match="before the source"):
        PA.project_mm((0, 1600, 0))


@pytest.mark.parametrize(("changes", "words"), [
    ({"row_step": (0, 0, -2)}, "perpendicular unit vectors"), ({"pixel_mm": 0}, "pixel_mm must be finite and > 0"),
    ({"shape_ji": (0, 5)}, "two whole numbers"), ({"source_mm": (0, -300, 7)}, "off the detector's plane"),
    ({"source_mm": (0, np.nan, 7)}, "three finite numbers")])
def test_a_geometry_that_cannot_be_is_refused(changes, words):
    known = {"source_mm": (0, 1500, 0), "origin_mm": (0, -300, 0), "row_step": (0, 0, -1), "column_step": (-1, 0, 0),
             "pixel_mm": 0.5, "shape_ji": (4, 5)}
    with pytest.raises(GeometryError, match=words):
        Geometry(**{**known, **changes})
