"""Resampling and reorienting: SimpleITK is the judge."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from medsynth.core.errors import GeometryError
from medsynth.core.grid import AXIAL, Grid, Matrix3, as_direction, orientation
from medsynth.core.volume import Volume, reorient, resample

OBLIQUE = as_direction(Rotation.from_euler("xyz", [15, -25, 40], degrees=True).as_matrix() @ np.asarray(AXIAL))
INTERPOLATORS = {0: sitk.sitkNearestNeighbor, 1: sitk.sitkLinear, 3: sitk.sitkBSpline}
SOURCES = [
    Grid((9, 14, 11), (2.5, 0.7, 1.1), (-3.0, 4.0, 10.0)),
    Grid((8, 13, 10), (1.7, 0.9, 1.3), (5.0, -4.0, 2.0), OBLIQUE),
    Grid((7, 9, 12), (1.0, 2.0, 0.6), (0.0, 0.0, 0.0), orientation("RIA")),
]


def as_sitk(volume: Volume) -> sitk.Image:
    image = sitk.GetImageFromArray(volume.array)
    direct(image, volume.grid)
    return image


def direct(image: sitk.Image, grid: Grid) -> None:
    """Give the image the grid's place; SimpleITK orders its axes i, j, k."""
    image.SetSpacing(grid.spacing_mm[::-1])
    image.SetOrigin(grid.origin_mm)
    image.SetDirection(np.asarray(grid.direction)[:, ::-1].ravel().tolist())


def values(grid: Grid, dtype: str = "float64") -> Volume:
    noise = np.random.default_rng(3).normal(size=grid.shape_kji) * 300
    return Volume(noise.astype(dtype), grid, "HU")


def targets(source: Grid) -> list[Grid]:
    """Grids that are finer, coarser, turned, shifted, and larger than the source, so that edges and outside count."""
    turned = as_direction(Rotation.from_euler("zyx", [70, 10, -30], degrees=True).as_matrix() @ np.asarray(AXIAL))
    middle = tuple((source.centre_mm + np.array([0.31, -0.17, 0.23])).tolist())
    return [
        Grid.centred((22, 12, 16), (0.9, 1.3, 0.8), middle, source.direction),
        Grid.centred((15, 21, 18), (1.9, 1.1, 1.2), middle, turned),
        Grid.centred((6, 5, 9), (3.1, 2.3, 2.9), middle, source.direction),
    ]


@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize("source", SOURCES, ids=["axial", "oblique", "sagittal"])
@pytest.mark.parametrize("which", [0, 1, 2], ids=["finer", "turned", "coarser"])
def test_resampling_agrees_with_simpleitk_up_to_and_beyond_the_edge(source: Grid, which: int, order: int) -> None:
    volume, target = values(source), targets(source)[which]
    reference = sitk.Image(target.shape_kji[::-1], sitk.sitkFloat64)
    direct(reference, target)
    theirs = sitk.GetArrayFromImage(sitk.Resample(as_sitk(volume), reference, sitk.Transform(),
                                                  INTERPOLATORS[order], -1024.0, sitk.sitkFloat64))
    ours = resample(volume, target, order=order, outside=-1024.0)
    assert ours.grid == target
    assert (theirs == -1024).any() or which == 2
    assert (theirs != -1024).sum() > 10
    np.testing.assert_allclose(ours.array, theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("dtype", ["int16", "uint8"])
def test_integers_are_the_nearest_to_what_simpleitk_computes_in_float(dtype: str) -> None:
    source = SOURCES[1]
    volume = Volume(np.random.default_rng(4).integers(0, 200, source.shape_kji).astype(dtype), source, "HU")
    target = targets(source)[1]
    reference = sitk.Image(target.shape_kji[::-1], sitk.sitkFloat64)
    direct(reference, target)
    theirs = sitk.GetArrayFromImage(sitk.Resample(as_sitk(volume), reference, sitk.Transform(), sitk.sitkLinear, 7.0,
                                                  sitk.sitkFloat64))
    ours = resample(volume, target, order=1, outside=7.0).array
    assert ours.dtype == dtype
    assert np.abs(ours - theirs).max() <= 0.5 + 1e-6


def test_a_cubic_overshoot_stays_within_the_integer_type() -> None:
    grid = Grid((9, 9, 9), (1.0, 1.0, 1.0))
    step = np.zeros(grid.shape_kji, np.uint8)
    step[4:] = 255
    finer = resample(Volume(step, grid, "label"), grid.with_spacing((0.3, 1.0, 1.0)), order=3).array
    assert finer[0].max() < 30
    assert finer[-1].min() > 225
    assert np.all(np.diff(finer[12:15, 4, 4].astype(int)) >= 0)


def test_resampling_onto_its_own_grid_changes_nothing() -> None:
    for source in SOURCES:
        volume = values(source, "float32")
        for order in (0, 1, 3):
            np.testing.assert_allclose(resample(volume, source, order=order).array, volume.array, atol=1e-3)


def test_linear_resampling_reproduces_a_linear_field_inside() -> None:
    source = SOURCES[1]
    slope = np.array([3.0, -2.0, 5.0])
    volume = Volume(source.points_mm() @ slope, source, "mm")
    target = Grid.centred((5, 4, 6), (1.3, 0.8, 0.7), tuple(source.centre_mm.tolist()))
    np.testing.assert_allclose(resample(volume, target).array, target.points_mm() @ slope, atol=1e-9)


def test_a_half_voxel_rim_belongs_to_the_image_and_what_lies_beyond_does_not() -> None:
    grid = Grid((1, 1, 4), (1.0, 1.0, 1.0))
    volume = Volume(np.array([[[10.0, 20.0, 30.0, 40.0]]]), grid, "HU")
    at = Grid((1, 1, 3), (1.0, 1.0, 2.25), (-0.6, 0.0, 0.0))  # x = -0.6, 1.65, 3.9
    np.testing.assert_allclose(resample(volume, at, outside=-1.0).array.ravel(), (-1, 26.5, -1))
    rim = Grid((1, 1, 2), (1.0, 1.0, 3.9), (-0.45, 0.0, 0.0))  # x = -0.45, 3.45
    np.testing.assert_allclose(resample(volume, rim, outside=-1.0).array.ravel(), (10, 40))


def test_masks_stay_masks() -> None:
    grid = Grid((4, 4, 4), (1.0, 1.0, 1.0))
    mask = Volume(np.arange(64).reshape(4, 4, 4) % 3 == 0, grid, "label")
    again = resample(mask, grid, order=0)
    assert again.array.dtype == np.bool_
    np.testing.assert_array_equal(again.array, mask.array)


@pytest.mark.parametrize("letters", ["SPL", "IAR", "RSP", "PIL"])
@pytest.mark.parametrize("source", SOURCES, ids=["axial", "oblique", "sagittal"])
def test_reorienting_agrees_with_simpleitk(source: Grid, letters: str) -> None:
    volume = values(source)
    # SimpleITK names axes in the order i, j, k.
    theirs = sitk.DICOMOrient(as_sitk(volume), letters[::-1])
    ours = reorient(volume, letters)
    np.testing.assert_array_equal(ours.array, sitk.GetArrayFromImage(theirs))
    np.testing.assert_allclose(ours.grid.origin_mm, theirs.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(ours.grid.spacing_mm, theirs.GetSpacing()[::-1], atol=1e-9)
    np.testing.assert_allclose(np.asarray(ours.grid.direction)[:, ::-1].ravel(), theirs.GetDirection(), atol=1e-6)
    assert ours.array.flags.c_contiguous


@pytest.mark.parametrize("direction", [AXIAL, OBLIQUE])
def test_reorienting_moves_no_voxel_in_the_world(direction: Matrix3) -> None:
    grid = Grid((3, 5, 4), (3.0, 0.5, 1.25), (-7.0, 2.0, 9.0), direction)
    volume = Volume(grid.points_mm()[..., 2].copy(), grid, "mm")
    turned = reorient(volume, "RIA")
    np.testing.assert_allclose(turned.array, turned.grid.points_mm()[..., 2], atol=1e-9)
    np.testing.assert_array_equal(reorient(turned, "SPL").array, reorient(volume, "SPL").array)


@pytest.mark.parametrize("seed", range(12))
def test_any_turn_has_a_closest_orientation_and_simpleitk_finds_the_same(seed: int) -> None:
    turn = as_direction(Rotation.random(random_state=seed).as_matrix() @ np.asarray(AXIAL))
    volume = values(Grid((2, 3, 4), (1.0, 2.0, 3.0), (0.0, 0.0, 0.0), turn))
    theirs = sitk.GetArrayFromImage(sitk.DICOMOrient(as_sitk(volume), "LPS"))
    np.testing.assert_array_equal(reorient(volume, "SPL").array, theirs)


def test_an_array_of_another_shape_than_its_grid_is_refused() -> None:
    with pytest.raises(GeometryError, match=r"array.shape must be the grid's shape \(2, 3, 4\), got \(4, 3, 2\)"):
        Volume(np.zeros((4, 3, 2)), Grid((2, 3, 4), (1.0, 1.0, 1.0)), "HU")


def test_an_unknown_order_is_refused() -> None:
    grid = Grid((2, 2, 2), (1.0, 1.0, 1.0))
    with pytest.raises(GeometryError, match="order must be 0, 1 or 3, got 2"):
        resample(values(grid), grid, order=2)  # type: ignore[arg-type]
