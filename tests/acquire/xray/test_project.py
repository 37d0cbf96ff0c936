"""Rays against closed forms (ellipsoids, capsules, slabs) and another program; and the same for any threads."""

import numba
import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from medsynth.acquire.xray.geometry import Geometry
from medsynth.acquire.xray.project import (
    body_box,
    difference_lengths,
    path_lengths,
    structure_thickness,
    tube_lengths,
    tube_paths,
    volume_lengths,
)
from medsynth.core.errors import GeometryError
from medsynth.core.grid import Grid, as_direction
from medsynth.scene.phantom import Phantom
from medsynth.scene.structure import Structure
from medsynth.shapes.tubes import Tubes
from tests.acquire.xray.solids import CODE, WATER, ellipsoid, ellipsoid_chords_cm, slab, voxels

UNIT = np.zeros((65536, 1), np.float32)
UNIT[1] = 1.0
RADII = np.array([42.0, 30.0, 50.0])
VIEWS = {"pa": (0, 900, 0), "lateral": (-900, 60, 30), "oblique": (560, 700, -80), "steep": (500, 480, 560)}


def facing(source_mm, behind_mm=150.0, pixel_mm=0.8, shape=(200, 201)):
    source = np.array(source_mm, float)
    return Geometry.facing(source, -behind_mm * source / np.linalg.norm(source), (0.02, 0.1, -1), pixel_mm, shape)


@pytest.fixture(scope="module")
def turned():
    """An ellipsoid on an oblique grid of unequal voxels."""
    a, b = np.radians(20), np.radians(10)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    direction = turn @ tilt @ np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]])
    return ellipsoid(Grid.centred((80, 70, 75), (1.5, 1.4, 1.3), direction=as_direction(direction)), RADII, sub=3)


@pytest.mark.parametrize("view", VIEWS)
def test_chords_of_an_ellipsoid_match_the_closed_form(turned, view):
    geometry = facing(VIEWS[view])
    found, wanted = path_lengths(turned, geometry, UNIT)[..., 0], ellipsoid_chords_cm(geometry, RADII)
    inside = wanted > 0.5 * wanted.max()
    assert np.abs(found.sum() / wanted.sum() - 1) < 1e-3
    assert np.sqrt(np.mean((found - wanted)[inside] ** 2)) < 0.005 * wanted[inside].mean()


def test_the_error_falls_with_the_voxels():
    geometry, errors = facing(VIEWS["oblique"]), []
    wanted = ellipsoid_chords_cm(geometry, RADII)
    for mm in (4.0, 2.0):
        phantom = ellipsoid(Grid.covering(-RADII - 5, RADII + 5, (mm, mm, mm)), RADII)
        errors.append(np.sqrt(np.mean((path_lengths(phantom, geometry, UNIT, sharpen=False)[..., 0] - wanted) ** 2)))
    assert errors[1] < 0.6 * errors[0]


def test_sharpening_brings_edges_closer_to_the_truth():
    geometry = facing(VIEWS["pa"], pixel_mm=0.5)
    wanted = ellipsoid_chords_cm(geometry, RADII)
    phantom = ellipsoid(Grid.covering(-RADII - 5, RADII + 5, (2.5, 2.5, 2.5)), RADII)
    blurred, sharp = (path_lengths(phantom, geometry, UNIT, sharpen=s)[..., 0] - wanted for s in (False, True))
    assert np.std(sharp) < 0.9 * np.std(blurred)


def test_fine_pixels_show_no_voxels():
    # A ramp of partial volumes is a straight line at any pixel size: steps or plateaus would bend it.
    grid = Grid.centred((30, 10, 40), (3.0, 3.0, 3.0))
    phantom = voxels(grid, lambda p: p[..., 1] < 0.2 * p[..., 0], sub=8)
    geometry = Geometry.facing((0, 3e5, 0), (0, -100, 0), (0, 0, -1), 0.15, (5, 401))
    line = path_lengths(phantom, geometry, UNIT)[2, :, 0]
    slope = np.diff(line) / 0.15
    assert slope == pytest.approx(np.full(400, -0.02), rel=0.3)


@pytest.mark.parametrize("pixel_mm", [0.15, 1.2, 7.0])
def test_pixels_of_any_size_hold_the_same_volume(turned, pixel_mm):
    count = int(150 / pixel_mm) // 2 * 2 + 1
    geometry = Geometry.facing((0, 0, 40000), (0, 0, -200), (0, 1, 0), pixel_mm, (count, count))
    found = path_lengths(turned, geometry, UNIT)[..., 0]
    volume_ml = found.sum(dtype=float) * (pixel_mm / 10) ** 2 / float(geometry.magnification((0, 0, 0))) ** 2
    assert volume_ml == pytest.approx(turned.volumes_ml()["water"], rel=2e-3)


def test_line_integrals_match_simpleitk_along_the_same_rays():
    rng = np.random.default_rng(5)
    values = ndimage.gaussian_filter(rng.random((40, 44, 48)), 2.0).astype(np.float32)
    values[[0, -1]] = values[:, [0, -1]] = values[:, :, [0, -1]] = 0
    grid = Grid.centred(values.shape, (2.0, 1.5, 1.8), (5.0, -3.0, 2.0))
    geometry = facing((650, 600, 100), pixel_mm=3.0, shape=(31, 30))
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.8, 1.5, 2.0))
    image.SetOrigin(grid.origin_mm)
    found = volume_lengths(values, grid, geometry, lattice_voxels=0.0)
    step, errors, wanted = 0.5, [], []
    low, high = grid.world_mm((0, 0, 0)), grid.world_mm(np.subtract(values.shape, 1))
    for row in range(2, 31, 7):
        for column in range(1, 30, 7):
            points = np.array(geometry.source_mm) + np.arange(750.0, 1050.0, step)[:, None] * geometry.rays(row, column)
            inside = points[((points >= low) & (points <= high)).all(axis=1)]
            wanted.append(0.1 * step * sum(image.EvaluateAtPhysicalPoint(p.tolist(), sitk.sitkLinear) for p in inside))
            errors.append(found[row, column] - wanted[-1])
    assert np.sqrt(np.mean(np.square(errors))) < 0.005 * np.mean(wanted)


def test_a_landmark_lies_where_its_voxels_are_imaged():
    for centre in ((20.0, 5.0, -15.0), (-17.3, 12.1, 8.4)):
        grid = Grid.covering(np.floor(np.subtract(centre, 6)), np.ceil(np.add(centre, 6)), (1.0, 1.0, 1.0))
        phantom = ellipsoid(grid, (3.0, 3.0, 3.0), centre)
        geometry = facing((250, 800, 90), pixel_mm=0.4, shape=(301, 300))
        shadow = path_lengths(phantom, geometry, UNIT)[..., 0]
        found = ndimage.center_of_mass(shadow)
        assert np.linalg.norm(np.subtract(found, geometry.project_mm(centre))) * 0.4 < 0.1


def test_a_finer_patch_takes_the_place_of_coarse_voxels_without_a_seam():
    coarse = ellipsoid(Grid.covering((-50, -40, -60), (50, 40, 60), (4.0, 4.0, 4.0)), RADII, sub=3)
    fine = ellipsoid(Grid.covering((-50, -40, -60), (50, 40, 60), (2.0, 2.0, 2.0)), RADII, sub=2)
    patch = ellipsoid(Grid.covering((10, -40, -20), (48, 40, 20), (2.0, 2.0, 2.0)), RADII, sub=2)
    geometry = Geometry.facing((0, 1000, 0), (0, -100, 0), (0, 0, -1), 0.5, (200, 240))
    kwargs = {"sharpen": False}
    got, want = (path_lengths(p, geometry, UNIT, **k, **kwargs)[..., 0]
                 for p, k in ((coarse, {"patches": [patch]}), (fine, {})))
    row, column = (np.rint(v).astype(int) for v in geometry.project_mm([(40, 0, -14), (16, 0, 14)]))
    area = slice(row.min(), row.max()), slice(column.min(), column.max())
    outside = path_lengths(coarse, geometry, UNIT, **kwargs)[..., 0]
    assert np.std((got - want)[area]) < 0.35 * np.std((outside - want)[area])
    assert np.array_equal(got[:45], outside[:45])
    # Along a line across the patch's side within the body, nothing jumps.
    side = int(np.rint(geometry.project_mm((10, 0, 0))[1]))
    assert np.abs(np.diff(got[100, side - 12:side + 12], 2)).max() < 0.02


def test_thickness_counts_partial_volume_and_parts_of_groups(turned):
    geometry = facing(VIEWS["pa"], pixel_mm=0.4, shape=(400, 401))
    shadows = structure_thickness(turned, geometry, {"water": (1,), "nothing": (7,), "both": (1, 7)})
    assert set(shadows) == {"water", "both"}
    full = shadows["water"].full(geometry.shape_ji)
    wanted = 10 * ellipsoid_chords_cm(geometry, RADII)
    inside = wanted > 20
    assert np.abs(full - wanted)[inside].mean() < 0.005 * wanted[inside].mean()
    assert np.array_equal(shadows["both"].thickness_mm, shadows["water"].thickness_mm)
    assert shadows["water"].thickness_mm.size < 0.8 * full.size


def test_the_thicknesses_of_all_structures_sum_to_the_body():
    pair = (WATER, Structure("core", 2, "water", CODE))
    body = ellipsoid(Grid.centred((56, 40, 50), (2.0, 2.0, 2.0)), RADII, structures=pair)
    core = ellipsoid(body.grid, RADII / 2, label=2)
    inside = core.labels == 2
    labels, neighbour = np.where(inside, 2, body.labels), np.where(inside, 1, body.neighbour)
    edge = (core.fraction > 0) | inside
    both = Phantom(body.grid, labels.astype(np.uint16), np.where(edge & ~inside, 2, neighbour).astype(np.uint16),
                   np.where(edge, core.fraction, body.fraction).astype(np.uint8), body.texture, pair)
    geometry = facing(VIEWS["oblique"])
    parts = structure_thickness(both, geometry, {"water": (1,), "core": (2,), "all": (1, 2)})
    sums = parts["water"].full(geometry.shape_ji) + parts["core"].full(geometry.shape_ji)
    assert np.abs(sums - parts["all"].full(geometry.shape_ji)).max() < 0.1


def test_the_difference_of_two_phantoms_is_where_they_differ(turned):
    other = Phantom(turned.grid, turned.labels.copy(), turned.neighbour, turned.fraction, turned.texture,
                    turned.structures)
    other.labels[38:42, 33:37, 50:54] = 0
    geometry = facing(VIEWS["pa"])
    first, change = difference_lengths(turned, other, geometry, UNIT)
    full = np.zeros((*geometry.shape_ji, 1), np.float32)
    full[first[0]:first[0] + change.shape[0], first[1]:first[1] + change.shape[1]] = change
    wanted = path_lengths(other, geometry, UNIT) - path_lengths(turned, geometry, UNIT)
    assert np.abs(full - wanted).max() < 1e-4
    assert change.size < 0.2 * full.size
    assert difference_lengths(turned, turned, geometry, UNIT)[1].size == 0


def one_tube(start, end, radii, walls=None):
    return Tubes(np.atleast_2d(np.array(start, float)), np.atleast_2d(np.array(end, float)),
                 np.atleast_1d(np.array(radii[0], float)), np.atleast_1d(np.array(radii[1], float)),
                 np.full(len(np.atleast_2d(start)), -1), walls)


def test_the_chord_of_a_wire_is_that_of_a_cylinder():
    geometry = Geometry.facing((0, 1e6, 0), (0, -50, 0), (0, 0, -1), 0.02, (5, 201))
    length = tube_lengths(one_tube((0, 0, -40), (0, 0, 40), (1.0, 1.0)), geometry)[2]
    x = (np.arange(201) - 100) * 0.02
    wanted = 0.2 * np.sqrt(np.maximum(1 - x**2, 0))
    assert length[np.abs(x) < 0.95] == pytest.approx(wanted[np.abs(x) < 0.95], abs=2e-4)
    assert not length[np.abs(x) > 1.03].any()


@pytest.mark.parametrize(("start", "end", "radii"), [
    ((-4, 3, -5), (6, -7, 8), (0.4, 0.4)), ((0, -10, 0), (0.5, 12, 0.5), (1.5, 0.3)),
    ((3, 0, 2), (3, 0, 2), (2.0, 2.0)), ((-8, 0, 0), (8, 1, 0), (0.2, 1.7))])
def test_rays_collect_the_volume_of_a_capsule(start, end, radii):
    geometry = Geometry.facing((20, 50000, 0), (0, -50, 0), (0, 0, -1), 0.1, (300, 301))
    length = tube_lengths(one_tube(start, end, radii), geometry)
    volume = length.sum(dtype=float) * 10 * 0.01 / float(geometry.magnification((0, 0, 0))) ** 2
    height, (a, b) = np.linalg.norm(np.subtract(end, start)), radii
    cone = np.pi * height / 3 * (a * a + a * b + b * b)
    assert volume == pytest.approx(cone + 2 / 3 * np.pi * (a**3 + b**3), rel=0.01)


def test_tubes_that_overlap_count_once_and_lumens_not_at_all():
    geometry = Geometry.facing((0, 1000, 0), (0, -50, 0), (0, 0, -1), 0.1, (201, 200))
    whole = tube_lengths(one_tube((0, 0, -6), (0, 0, 6), (1.5, 1.5)), geometry)
    pieces = one_tube([(0, 0, -6), (0, 0, -2), (0, 0, -1)], [(0, 0, 0), (0, 0, 3), (0, 0, 6)],
                      (np.full(3, 1.5), np.full(3, 1.5)))
    assert tube_lengths(pieces, geometry) == pytest.approx(whole, abs=1e-6)
    hollow = tube_lengths(one_tube((0, 0, -6), (0, 0, 6), (1.0, 1.0), np.array([0.5])), geometry)
    lumen = tube_lengths(one_tube((0, 0, -6), (0, 0, 6), (1.0, 1.0)), geometry)
    assert hollow == pytest.approx(whole - lumen, abs=1e-5)


def test_a_tube_displaces_what_the_body_holds_there():
    body = slab((60, 60, 60), (3.0, 3.0, 3.0))
    geometry = Geometry.facing((0, 900, 0), (0, -100, 0), (0, 0, -1), 0.5, (100, 101))
    inside, outside = (tube_paths(one_tube((-9, y, 0), (9, y, 4), (2.0, 1.0)), geometry, body, UNIT) for y in (0, 60))
    assert inside[1][..., 0] == pytest.approx(inside[0], abs=1e-6)
    assert outside[0].max() > 0.2
    assert not outside[1].any()


def test_results_do_not_depend_on_threads(turned):
    geometry = facing(VIEWS["oblique"], pixel_mm=0.3, shape=(300, 301))
    tubes = one_tube([(0, 0, -6), (0, 9, 2)], [(0, 20, 0), (5, 0, 30)], (np.full(2, 1.5), np.full(2, 0.5)))
    before, found = numba.get_num_threads(), []
    for threads in (1, numba.config.NUMBA_NUM_THREADS):
        numba.set_num_threads(threads)
        found.append((path_lengths(turned, geometry, UNIT), tube_lengths(tubes, geometry),
                      structure_thickness(turned, geometry, {"water": (1,)})["water"].thickness_mm))
    numba.set_num_threads(before)
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


def test_an_empty_phantom_is_refused():
    blank = slab((10, 10, 10))
    with pytest.raises(GeometryError, match="nothing but background"):
        body_box(Phantom(blank.grid, blank.neighbour, blank.neighbour, blank.fraction, blank.texture, ()))
