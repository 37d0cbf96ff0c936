"""What a CT protocol accepts."""

import pytest
from pydantic import ValidationError

from medsynth.acquire.ct.protocol import CtProtocol


@pytest.mark.parametrize("values", [
    {"kvp": 0}, {"kvp": 160}, {"kvp": float("nan")}, {"mas": 0}, {"mas": -5}, {"mas": float("inf")},
    {"slice_thickness_mm": 0}, {"pixel_mm": 0}, {"matrix": 0}, {"fov_mm": -1}, {"kernel": "bone"}, {"phase": "venous"},
    {"modality": "mr"}, {"fidelity": "full"}, {"scan_range": ""}, {"kvP": 120}])
def test_impossible_settings_are_refused(values):
    with pytest.raises(ValidationError) as error:
        CtProtocol(**values)
    assert next(iter(values)) in str(error.value)


def test_gaps_between_slices_are_refused():
    with pytest.raises(ValidationError, match="increment_mm must be <= slice_thickness_mm"):
        CtProtocol(slice_thickness_mm=1.0, increment_mm=1.25)


def test_pixel_field_of_view_and_matrix_together_are_refused():
    with pytest.raises(ValidationError, match="at most two"):
        CtProtocol(pixel_mm=0.7, fov_mm=350, matrix=512)


@pytest.mark.parametrize(("values", "expected"), [
    ({}, (512, 400 / 512)), ({"matrix": 160}, (160, 2.5)),
    ({"fov_mm": 256}, (512, 0.5)), ({"pixel_mm": 2.5}, (160, 2.5)),
    ({"pixel_mm": 3.0}, (134, 3.0)), ({"pixel_mm": 0.7, "matrix": 512}, (512, 0.7)),
    ({"pixel_mm": 0.7, "fov_mm": 350}, (500, 0.7)), ({"fov_mm": 350, "matrix": 500}, (500, 0.7))])
def test_pixels_follow_from_what_is_given(values, expected):
    count, pixel_mm = CtProtocol(**values).in_plane(400.0)
    assert count == expected[0]
    assert pixel_mm == pytest.approx(expected[1])


def test_a_protocol_is_frozen():
    with pytest.raises(ValidationError):
        CtProtocol().kvp = 100  # type: ignore[misc]
