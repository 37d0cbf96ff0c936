"""Diameters against closed forms: ellipses and ellipsoids of known axes on odd, even, anisotropic, oblique grids."""

import numpy as np
import pytest

from medsynth.annotate.diameters import axis_ratio, farthest_pair, largest_diameter_mm, recist_axes
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Code, Layer, Paint, Scene, Structure
from medsynth.scene.subject import Subject
from medsynth.shapes.primitives import Ellipsoid, rotation

CODE = Code("27925004", "Nodule")


def fraction_of(shape, grid):
    scene = Scene("one", "", Subject("male", 50.0, 175.0, 75.0), (Structure("it", 1, "water", CODE),),
                  (Paint(shape, (Layer(1),)),), {}, {}, {}, ((-99.0,) * 3, (99.0,) * 3), {})
    return rasterize(scene, grid).occupancy(1)


def oblique():
    turn, _ = np.linalg.qr(Seed(3).rng().standard_normal((3, 3)))
    return tuple(tuple(row) for row in turn.tolist())


@pytest.mark.parametrize("turn_deg", [0.0, 17.0, 45.0, 68.0])
@pytest.mark.parametrize(("shape", "spacing"), [((21, 40, 41), (1.0, 0.7, 0.7)), ((13, 37, 44), (2.0, 0.8, 0.6))])
def test_recist_axes_of_an_ellipsoid_turned_in_plane_are_its_axes_within_2_percent(turn_deg, shape, spacing):
    # The thickest slice is the one through the middle: odd slice counts put a slice centre there.
    grid = Grid.centred(shape, spacing, (3.0, -2.0, 5.0))
    ellipsoid = Ellipsoid((3.0, -2.0, 5.0), (9.0, 5.5, 7.0), rotation(z_deg=turn_deg))
    axes = recist_axes(fraction_of(ellipsoid, grid), grid)
    assert axes.long_mm == pytest.approx(18.0, rel=0.02)
    assert axes.short_mm == pytest.approx(11.0, rel=0.02)
    assert axes.slice_k == shape[0] // 2


def test_recist_ends_lie_on_the_surface_and_the_axes_are_square():
    grid = Grid.centred((21, 40, 41), (1.0, 0.7, 0.7), (3.0, -2.0, 5.0))
    ellipsoid = Ellipsoid((3.0, -2.0, 5.0), (9.0, 5.5, 7.0), rotation(z_deg=30.0))
    axes = recist_axes(fraction_of(ellipsoid, grid), grid)
    ends = np.array([*axes.long_ends_mm, *axes.short_ends_mm])
    assert np.abs(ellipsoid.distance_mm(ends)).max() < 0.2
    long, short = ends[1] - ends[0], ends[3] - ends[2]
    assert abs(long @ short) / np.linalg.norm(long) / np.linalg.norm(short) < 0.01
    np.testing.assert_allclose([np.linalg.norm(long), np.linalg.norm(short)], [axes.long_mm, axes.short_mm], rtol=1e-6)


def test_axes_are_measured_in_the_slices_of_an_oblique_grid():
    grid = Grid.centred((31, 33, 36), (1.1, 0.7, 0.9), (10.0, 20.0, -30.0), oblique())
    fraction = fraction_of(Ellipsoid((10.0, 20.0, -30.0), (8.0, 8.0, 8.0)), grid)
    axes = recist_axes(fraction, grid)
    assert axes.long_mm == pytest.approx(16.0, rel=0.02)
    assert axes.short_mm == pytest.approx(16.0, rel=0.02)
    assert largest_diameter_mm(fraction, grid) == pytest.approx(16.0, rel=0.02)


def test_largest_diameter_finds_an_axis_that_no_slice_contains():
    grid = Grid.centred((41, 40, 41), (0.8, 0.8, 0.8))
    turn = rotation(y_deg=45.0)
    fraction = fraction_of(Ellipsoid((0.0, 0.0, 0.0), (13.0, 4.0, 4.0), turn), grid)
    assert largest_diameter_mm(fraction, grid) == pytest.approx(26.0, rel=0.02)
    assert recist_axes(fraction, grid).long_mm < 15.0


def test_short_axis_is_a_chord_inside_the_lesion_not_the_width_of_its_outline():
    # An L: the caliper width across its diagonal spans empty space that no chord crosses.
    plane = np.zeros((1, 30, 30))
    plane[0, 5:25, 5:9] = 1
    plane[0, 21:25, 5:25] = 1
    axes = recist_axes(plane, Grid((1, 30, 30), (1.0, 1.0, 1.0)))
    assert axes.long_mm == pytest.approx(np.hypot(19.5, 19.5), rel=0.05)
    assert axes.short_mm < 8.0


def test_only_the_largest_piece_is_measured():
    fraction = np.zeros((3, 20, 40))
    fraction[:, 5:11, 5:11] = 1
    fraction[1, 5, 38] = 1
    assert recist_axes(fraction, Grid((3, 20, 40), (1.0, 1.0, 1.0))).long_mm < 9.0


def test_a_lesion_that_fills_no_voxel_by_half_has_no_axes():
    assert recist_axes(np.full((3, 3, 3), 0.4), Grid((3, 3, 3), (1.0, 1.0, 1.0))) is None


def test_a_single_voxel_and_one_at_the_edge_can_be_measured():
    fraction = np.zeros((2, 5, 5))
    fraction[0, 0, 0] = 1
    axes = recist_axes(fraction, Grid((2, 5, 5), (1.0, 1.0, 1.0)))
    assert 0.5 < axes.short_mm <= axes.long_mm < 1.5


def test_axis_ratio_of_an_ellipsoid_is_that_of_its_axes():
    grid = Grid.centred((31, 33, 36), (1.1, 0.7, 0.9), (0.0, 0.0, 0.0), oblique())
    fraction = fraction_of(Ellipsoid((0.0, 0.0, 0.0), (10.0, 7.0, 5.0)), grid)
    assert axis_ratio(fraction, grid) == pytest.approx(0.5, rel=0.03)


def test_farthest_pair_equals_the_search_over_all_pairs():
    points = Seed(5).rng().standard_normal((200, 3))
    brute = np.linalg.norm(points[:, None] - points[None], axis=-1).max()
    assert farthest_pair(points)[0] == pytest.approx(brute)
