"""Where voxels are: against closed forms, and round trips over any grid."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from medsynth.core.errors import GeometryError
from medsynth.core.grid import AXIAL, Grid, Matrix3, as_direction, centred_mm, orientation

OBLIQUE = as_direction(Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix() @ np.asarray(AXIAL))


@st.composite
def directions(draw: st.DrawFn) -> Matrix3:
    angles = [draw(st.floats(-180, 180)) for _ in range(3)]
    base = orientation(draw(st.sampled_from(["SPL", "IPL", "RSP", "ALS", "LPI"])))
    return as_direction(Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.asarray(base))


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    shape = tuple(draw(st.integers(1, 40)) for _ in range(3))
    spacing = tuple(draw(st.floats(0.05, 20)) for _ in range(3))
    origin = tuple(draw(st.floats(-2000, 2000)) for _ in range(3))
    return Grid(shape, spacing, origin, draw(directions()))


@pytest.mark.parametrize(("count", "centres"), [(1, [0.0]), (2, [-1.0, 1.0]), (5, [-4.0, -2.0, 0.0, 2.0, 4.0])])
def test_centred_coordinates_are_symmetric_for_odd_and_even_counts(count: int, centres: list[float]) -> None:
    np.testing.assert_allclose(centred_mm(count, 2.0), centres)


def test_an_axial_grid_steps_up_back_and_left() -> None:
    grid = Grid((3, 4, 5), (5.0, 0.7, 0.8), (10.0, 20.0, 30.0))
    np.testing.assert_allclose(grid.world_mm((0, 0, 0)), (10, 20, 30))
    np.testing.assert_allclose(grid.world_mm((1, 0, 0)), (10, 20, 35))
    np.testing.assert_allclose(grid.world_mm((0, 1, 0)), (10, 20.7, 30))
    np.testing.assert_allclose(grid.world_mm((0, 0, 1)), (10.8, 20, 30))


def test_the_affine_maps_indices_as_world_mm_does_on_an_oblique_anisotropic_grid() -> None:
    grid = Grid((5, 6, 7), (3.0, 0.5, 1.25), (-7.0, 2.0, 9.0), OBLIQUE)
    index = np.array([1.5, 2.0, 6.25])
    np.testing.assert_allclose((grid.affine @ [*index, 1])[:3], grid.world_mm(index))
    np.testing.assert_allclose(grid.world_mm(index),
                               np.asarray(grid.origin_mm) + np.asarray(OBLIQUE) @ (index * grid.spacing_mm))


@given(grids(), st.tuples(*[st.floats(-50, 50)] * 3))
def test_index_to_world_and_back_is_the_same_index(grid: Grid, index: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(grid.index_kji(grid.world_mm(index)), index, atol=1e-6)


@given(grids())
def test_the_outer_corners_span_the_whole_field_of_view(grid: Grid) -> None:
    corners = grid.corners_mm()
    diagonal = np.linalg.norm(np.asarray(grid.shape_kji) * np.asarray(grid.spacing_mm))
    assert corners.shape == (8, 3)
    assert math.isclose(np.linalg.norm(corners[7] - corners[0]), diagonal, rel_tol=1e-9)
    np.testing.assert_allclose(corners.mean(0), grid.centre_mm, atol=1e-6)


@given(grids(), st.tuples(*[st.floats(0.05, 20)] * 3))
def test_another_spacing_keeps_the_middle_and_the_field_of_view(grid: Grid,
                                                                 spacing: tuple[float, float, float]) -> None:
    new = grid.with_spacing(spacing)
    np.testing.assert_allclose(new.centre_mm, grid.centre_mm, atol=1e-6)
    extent = np.asarray(grid.shape_kji) * grid.spacing_mm
    np.testing.assert_array_less(np.abs(np.asarray(new.shape_kji) * spacing - extent),
                                 np.maximum(np.asarray(spacing) / 2, np.asarray(spacing) - extent) + 1e-6)
    assert new.direction == grid.direction


@pytest.mark.parametrize("shape", [(4, 6, 8), (5, 7, 9)])
def test_halving_the_spacing_doubles_the_voxels_and_keeps_every_outer_corner(shape: tuple[int, int, int]) -> None:
    grid = Grid(shape, (2.0, 1.0, 0.5), (3.0, 4.0, 5.0), OBLIQUE)
    finer = grid.with_spacing((1.0, 0.5, 0.25))
    assert finer.shape_kji == tuple(2 * n for n in shape)
    np.testing.assert_allclose(finer.corners_mm(), grid.corners_mm(), atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 2, 3), (10, 11, 12)])
@pytest.mark.parametrize("direction", [AXIAL, OBLIQUE])
def test_a_centred_grid_has_its_middle_where_asked(shape: tuple[int, int, int], direction: Matrix3) -> None:
    grid = Grid.centred(shape, (3.0, 0.7, 1.1), (1.0, -2.0, 3.0), direction)
    np.testing.assert_allclose(grid.points_mm().reshape(-1, 3).mean(0), (1, -2, 3), atol=1e-9)


@given(st.tuples(*[st.floats(-300, 300)] * 3), st.tuples(*[st.floats(0.5, 200)] * 3),
       st.tuples(*[st.floats(0.4, 10)] * 3))
def test_a_covering_grid_holds_the_box_with_less_than_a_voxel_to_spare(low: tuple[float, ...], size: tuple[float, ...],
                                                                       spacing: tuple[float, float, float]) -> None:
    high = np.asarray(low) + size
    grid = Grid.covering(low, high, spacing)
    corners = grid.corners_mm()
    assert np.all(corners.min(0) <= np.asarray(low) + 1e-6)
    assert np.all(corners.max(0) >= high - 1e-6)
    assert np.all(np.ptp(corners, axis=0) < np.asarray(size) + np.asarray(spacing)[::-1] + 1e-6)


def test_a_covering_grid_of_whole_voxels_adds_none() -> None:
    assert Grid.covering((0, 0, 0), (0.7 * 3, 0.7 * 10, 2.5 * 7), (2.5, 0.7, 0.7)).shape_kji == (7, 10, 3)


def test_a_crop_keeps_its_voxels_in_place() -> None:
    grid = Grid((6, 7, 8), (3.0, 0.5, 1.25), (-7.0, 2.0, 9.0), OBLIQUE)
    part = grid.crop((1, 2, 3), (4, 4, 8))
    np.testing.assert_allclose(part.points_mm(), grid.points_mm()[1:4, 2:4, 3:8], atol=1e-9)


def test_closeness_is_measured_at_the_corners() -> None:
    grid = Grid((100, 100, 100), (1.0, 1.0, 1.0))
    turned = as_direction(Rotation.from_euler("z", 1e-4).as_matrix() @ np.asarray(AXIAL))
    assert grid.is_close(Grid((100, 100, 100), (1.0, 1.0, 1.0), (0.0, 0.0, 5e-4)))
    assert not grid.is_close(Grid((100, 100, 100), (1.0, 1.0, 1.0), direction=turned))  # 10 micrometres at the end
    assert not grid.is_close(Grid((100, 100, 101), (1.0, 1.0, 1.0)))


def test_the_orientation_letters_name_where_indices_rise() -> None:
    assert orientation("SPL") == AXIAL
    sagittal = np.asarray(orientation("RIA"))
    np.testing.assert_array_equal(sagittal, np.array([[-1, 0, 0], [0, 0, -1], [0, -1, 0]]))


@pytest.mark.parametrize(("changes", "field"), [
    ({"shape_kji": (0, 4, 4)}, "shape_kji"),
    ({"shape_kji": (4, 4)}, "shape_kji"),
    ({"shape_kji": (4, 4.5, 4)}, "shape_kji"),
    ({"shape_kji": (4, math.nan, 4)}, "shape_kji"),
    ({"shape_kji": (4, math.inf, 4)}, "shape_kji"),
    ({"spacing_mm": (1.0, 0.0, 1.0)}, "spacing_mm"),
    ({"spacing_mm": (1.0, math.nan, 1.0)}, "spacing_mm"),
    ({"origin_mm": (0.0, math.inf, 0.0)}, "origin_mm"),
    ({"direction": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 2.0))}, "direction"),
    ({"direction": ((1.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0))}, "direction"),
    ({"direction": ((math.nan,) * 3,) * 3}, "direction"),
])
def test_an_impossible_grid_is_refused_by_the_name_of_its_field(changes: dict[str, object], field: str) -> None:
    values: dict[str, object] = {"shape_kji": (4, 4, 4), "spacing_mm": (1.0, 1.0, 1.0), **changes}
    with pytest.raises(GeometryError, match=f"^{field} must be"):
        Grid(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(("low", "high", "spacing"), [
    ((0, 0, 0), (1, -1, 1), (1.0, 1.0, 1.0)),
    ((0, 0, 0), (1, math.nan, 1), (1.0, 1.0, 1.0)),
    ((0, 0, 0), (1, math.inf, 1), (1.0, 1.0, 1.0)),
    ((0, 0), (1, 1), (1.0, 1.0, 1.0)),
    ((0, 0, 0), (1, 1, 1), (1.0, 0.0, 1.0)),
])
def test_an_impossible_box_or_spacing_is_refused(low: object, high: object,
                                                  spacing: tuple[float, float, float]) -> None:
    with pytest.raises(GeometryError):
        Grid.covering(low, high, spacing)  # type: ignore[arg-type]


@pytest.mark.parametrize("letters", ["SP", "SPA", "SPLX", "XYZ", "", "SSS"])
def test_orientation_letters_that_do_not_span_space_are_refused(letters: str) -> None:
    with pytest.raises(GeometryError, match="letters must be"):
        orientation(letters)


def test_an_empty_crop_is_refused() -> None:
    with pytest.raises(GeometryError, match="high_kji must lie above low_kji"):
        Grid((4, 4, 4), (1.0, 1.0, 1.0)).crop((1, 2, 1), (3, 2, 3))
