"""Fraction-weighted volumes against closed forms, on straight and oblique, odd and even grids."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from medsynth.core.errors import GeometryError
from medsynth.core.grid import Grid, as_direction
from medsynth.scene.phantom import Phantom
from medsynth.scene.rasterize import rasterize
from medsynth.scene.structure import Code, Layer, Paint, Scene, Structure
from medsynth.scene.subject import Subject
from medsynth.shapes.base import Shape
from medsynth.shapes.blend import Difference, Intersection, Union
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.primitives import Capsule, Cylinder, Ellipsoid, HalfSpace, RoundBox, Sphere, rotation
from medsynth.shapes.sampled import SampledShape, sample

TURNS = {"axial": None, "oblique": rotation(20, -30, 40)}


def structure(label: int, **more) -> Structure:
    return Structure(f"s{label}", label, f"tissue {label}", Code("1", "x"), **more)


def scene(*paints: Paint, structures: tuple[Structure, ...] | None = None, texture_seed: int = 0) -> Scene:
    return Scene(
        "test",
        "nowhere",
        Subject("male", 50, 175, 78),
        structures or tuple(structure(n) for n in range(1, 10)),
        paints,
        {},
        {},
        {},
        ((-99, -99, -99), (99, 99, 99)),
        {},
        texture_seed,
    )


def centred(shape_kji, spacing_mm, turn=None, centre_mm=(0.0, 0.0, 0.0)) -> Grid:
    direction = as_direction(np.asarray(turn)[:, ::-1]) if turn is not None else Grid((1, 1, 1), (1, 1, 1)).direction
    return Grid.centred(shape_kji, spacing_mm, centre_mm, direction)


def around(half_mm: float, spacing_mm, turn=None, centre_mm=(0.0, 0.0, 0.0)) -> Grid:
    """Return a grid that holds a ball of this radius, with a margin of two voxels."""
    return centred(tuple(int(2 * half_mm / s) + 4 for s in spacing_mm), spacing_mm, turn, centre_mm)


def ml(phantom: Phantom, *labels: int) -> float:
    return float(phantom.occupancy(*labels).sum(dtype=np.float64) * phantom.grid.voxel_volume_mm3 / 1000)


def painted(shape: Shape, grid: Grid, **more) -> Phantom:
    return rasterize(scene(Paint(shape, (Layer(1),), **more)), grid)


ELLIPSOIDS = [
    pytest.param(5.0, 0.7, 0.005),
    pytest.param(5.0, 1.0, 0.005),
    pytest.param(5.0, 2.5, 0.02),
    pytest.param(20.0, 0.7, 0.005, marks=pytest.mark.slow),
    pytest.param(20.0, 1.0, 0.005),
    pytest.param(20.0, 2.5, 0.005),
    pytest.param(60.0, 0.7, 0.005, marks=pytest.mark.slow),
    pytest.param(60.0, 1.0, 0.005, marks=pytest.mark.slow),
    pytest.param(60.0, 2.5, 0.005),
]


@pytest.mark.parametrize(("radius_mm", "voxel_mm", "tolerance"), ELLIPSOIDS)
@pytest.mark.parametrize("radii", [(1.0, 1.0, 1.0), (1.0, 1.3, 0.8)], ids=["ball", "ellipsoid"])
@pytest.mark.parametrize("place", ["node", "between"])
def test_an_ellipsoid_keeps_its_volume_at_every_voxel_size(radius_mm, voxel_mm, tolerance, radii, place):
    radii_mm = tuple(radius_mm * r for r in radii)
    centre = (0.0, 0.0, 0.0) if place == "node" else (0.31 * voxel_mm, 0.17, -0.43 * voxel_mm)
    if min(radii_mm) < 5 * voxel_mm:
        tolerance = 0.02
    shape = Ellipsoid(centre, radii_mm, rotation(25, 10, -35))
    phantom = painted(shape, around(1.35 * radius_mm, (voxel_mm,) * 3))
    assert ml(phantom, 1) == pytest.approx(4 / 3 * np.pi * np.prod(radii_mm) / 1000, rel=tolerance)


@pytest.mark.parametrize(
    ("radius_mm", "spacing_mm", "tolerance"),
    [
        (5.0, (0.9, 0.6, 0.7), 0.005),
        (20.0, (3.0, 0.8, 1.1), 0.005),
        (5.0, (2.5, 0.7, 0.7), 0.02),
        (60.0, (5.0, 1.7, 2.3), 0.005),
        (5.0, (2.3, 2.5, 2.1), 0.02),
    ],
)
@pytest.mark.parametrize("parity", [0, 1])
def test_an_ellipsoid_keeps_its_volume_on_an_oblique_anisotropic_grid(radius_mm, spacing_mm, tolerance, parity):
    grid = around(1.35 * radius_mm, spacing_mm, TURNS["oblique"], (0.2, -0.3, 0.4))
    grid = centred(tuple(n // 2 * 2 + parity for n in grid.shape_kji), spacing_mm, TURNS["oblique"], (0.2, -0.3, 0.4))
    shape = Ellipsoid((0.1, 0.2, 0.3), (radius_mm, 1.3 * radius_mm, 0.8 * radius_mm), rotation(10, 20, 30))
    if 0.8 * radius_mm < 5 * max(spacing_mm):
        tolerance = 0.02
    assert ml(painted(shape, grid), 1) == pytest.approx(4 / 3 * np.pi * 1.04 * radius_mm**3 / 1000, rel=tolerance)


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_every_voxel_of_a_ball_holds_the_fraction_that_fine_sub_samples_count(turn):
    ball, grid = Sphere((0.3, -0.4, 0.2), 9.0), around(9.0, (1.3, 0.9, 1.1), turn)
    phantom = painted(ball, grid, lattice_mm=0.75)
    n = 12
    offsets = (np.stack(np.meshgrid(*(np.arange(n),) * 3, indexing="ij"), -1).reshape(-1, 3) + 0.5) / n - 0.5
    index = np.moveaxis(np.indices(grid.shape_kji), 0, -1)
    truth = np.mean([ball.distance_mm(grid.world_mm(index + o)) < 0 for o in offsets], axis=0)
    error = phantom.occupancy(1) - truth
    assert np.abs(error).max() < 0.03
    assert abs(error.mean()) < 1e-4


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_a_tilted_plane_cuts_voxels_exactly(turn):
    solid = Intersection(RoundBox((0, 0, 0), (30.0, 30.0, 30.0)), HalfSpace((0.4, 0.1, -0.2), (0.3, -0.5, 0.81)))
    grid = centred((9, 8, 7), (1.4, 1.0, 0.8), turn)
    phantom = painted(solid, grid, lattice_mm=2.0)
    n = 20
    offsets = (np.stack(np.meshgrid(*(np.arange(n),) * 3, indexing="ij"), -1).reshape(-1, 3) + 0.5) / n - 0.5
    index = np.moveaxis(np.indices(grid.shape_kji), 0, -1)
    truth = np.mean([solid.distance_mm(grid.world_mm(index + o)) < 0 for o in offsets], axis=0)
    assert np.abs(phantom.occupancy(1) - truth).max() < 0.006  # half of 1/255, and the sub-samples' own error


@pytest.mark.parametrize("voxel_mm", [1.0, 2.0])
@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_a_thin_cortex_keeps_its_volume(voxel_mm, turn):
    radius, wall = 14.0, 0.7
    paint = Paint(Sphere((0.2, 0.3, -0.1), radius), (Layer(1), Layer(2, wall)))
    phantom = rasterize(scene(paint), around(radius, (voxel_mm,) * 3, turn))
    whole, core = (4 / 3 * np.pi * r**3 / 1000 for r in (radius, radius - wall))
    # Voxels hold two structures; where cortex, marrow and air meet in one, the least part goes to another.
    assert ml(phantom, 1, 2) == pytest.approx(whole, rel=0.02)
    assert ml(phantom, 1) == pytest.approx(whole - core, rel=0.15 if voxel_mm > 1 else 0.08)


def test_cortex_and_marrow_sum_to_the_bone_where_the_cortex_is_a_third_of_a_voxel():
    parts = (structure(1), structure(2, part_of="s1"), structure(3))
    paints = (
        Paint(RoundBox((0, 0, 0), (30, 30, 30)), (Layer(3),)),
        Paint(Sphere((0, 0, 0), 14.0), (Layer(1), Layer(2, 0.7))),
    )
    phantom = rasterize(scene(*paints, structures=parts), centred((24, 25, 24), (2.0, 2.0, 2.0)))
    assert phantom.volumes_ml()["s1"] == pytest.approx(4 / 3 * np.pi * 14**3 / 1000, rel=0.02)


def test_over_confines_a_painting_step_to_the_labels_it_names():
    inside, outside = Sphere((0, 0, 0), 12.0), Sphere((10.0, 0, 0), 8.0)
    grid = around(20.0, (1.0, 1.1, 0.9))
    before = rasterize(scene(Paint(inside, (Layer(1),))), grid)
    after = rasterize(scene(Paint(inside, (Layer(1),)), Paint(outside, (Layer(2),), over=(1,))), grid)
    # What is covered comes out of 1 alone. Voxels of 1, 2 and air keep two of them, volumes hold on the whole.
    within = before.occupancy(1) == 1
    assert np.all(after.occupancy(1, 2)[within] == 1)
    assert ml(after, 1, 2) == pytest.approx(ml(before, 1), rel=0.002)
    assert not after.occupancy(2)[before.occupancy(1) == 0].any()
    lens = 4 / 3 * np.pi * 12.0**3 / 1000 - ml(
        rasterize(scene(Paint(Difference(inside, outside), (Layer(1),), lattice_mm=0.5)), grid), 1
    )
    assert ml(after, 2) == pytest.approx(lens, rel=0.01)


def test_a_step_over_nothing_that_is_there_changes_nothing():
    grid = around(12.0, (1.0, 1.0, 1.0))
    before = rasterize(scene(Paint(Sphere((0, 0, 0), 10.0), (Layer(1),))), grid)
    after = rasterize(
        scene(Paint(Sphere((0, 0, 0), 10.0), (Layer(1),)), Paint(Sphere((3, 0, 0), 6), (Layer(2),), over=(7,))), grid
    )
    assert np.array_equal(before.labels, after.labels)
    assert np.array_equal(before.fraction, after.fraction)


def test_layers_take_the_label_of_the_owner_nearest_to_each_voxel():
    lattice = Lattice((-24, -24, -24), (24, 24, 24), 1.5)
    left, right = Sphere((10.0, 0, 0), 8.0), Sphere((-10.0, 0, 0), 6.0)
    a, b = lattice.sample(left), lattice.sample(right)
    both = lattice.shape_of(np.minimum(a, b), (b < a).astype(np.uint8))
    phantom = rasterize(scene(Paint(both, (Layer((1, 3)), Layer((2, 4), 2.0)))), around(22.0, (1.0, 0.9, 1.1)))
    for labels, radius in (((1, 2), 8.0), ((3, 4), 6.0), ((2,), 6.0), ((4,), 4.0)):
        assert ml(phantom, *labels) == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.01)
    side = phantom.grid.points_mm()[..., 0]
    assert not phantom.occupancy(1, 2)[side < -1].any()
    assert not phantom.occupancy(3, 4)[side > 1].any()


def test_nested_layers_are_the_shells_between_their_insets():
    insets = (0.0, 1.5, 5.0, 5.6)
    paint = Paint(
        Sphere((0.2, 0.1, 0.4), 20.0), tuple(Layer(n + 1, inset) for n, inset in enumerate(insets)), lattice_mm=1.0
    )
    phantom = rasterize(scene(paint), around(20.0, (1.0, 1.0, 1.0), TURNS["oblique"]))
    radii = [20.0 - inset for inset in insets] + [0.0]
    for n in range(4):
        shell = 4 / 3 * np.pi * (radii[n] ** 3 - radii[n + 1] ** 3) / 1000
        # The layer of 0.6 mm is finer than its voxels, which hold two structures at most.
        assert ml(phantom, n + 1) == pytest.approx(shell, rel=0.1 if n == 2 else 0.01)


def test_layers_listed_from_the_inside_out_are_refused():
    with pytest.raises(GeometryError, match="outside in"):
        rasterize(scene(Paint(Sphere((0, 0, 0), 9), (Layer(1, 2.0), Layer(2, 1.0)))), around(9.0, (1.0, 1.0, 1.0)))


@pytest.mark.parametrize("voxel_mm", [1.0, 2.0])
def test_two_halves_that_share_a_wall_sum_to_the_whole(voxel_mm):
    ball, wall = Sphere((0, 0, 0), 15.0), ((0.13, 0.0, 0.0), (0.9, 0.3, -0.3))
    around_it = Sphere((0, 0, 0), 20.0)
    one, other = Intersection(around_it, HalfSpace(*wall)), Difference(around_it, HalfSpace(*wall))
    grid = around(15.0, (voxel_mm,) * 3)
    phantom = rasterize(
        scene(
            Paint(ball, (Layer(3),)),
            Paint(one, (Layer(1),), lattice_mm=1.0, over=(3,)),
            Paint(other, (Layer(2),), lattice_mm=1.0, over=(3,)),
        ),
        grid,
    )
    assert ml(phantom, 1, 2, 3) == pytest.approx(4 / 3 * np.pi * 15**3 / 1000, rel=0.005)
    # Painted one after the other, both cut the wall's voxels: a film of a sixth of a voxel at most is left between.
    film = np.pi * 15**2 * voxel_mm / 6 * 2 / 1000
    assert ml(phantom, 3) < film
    assert ml(phantom, 1) == pytest.approx(ml(phantom, 2), rel=0.08)


def test_the_same_scene_has_the_same_volumes_at_one_and_two_millimetres():
    paints = (
        Paint(Ellipsoid((0, 0, 0), (40.0, 30.0, 35.0)), (Layer(1), Layer(2, 4.0))),
        Paint(Union(Sphere((10, 0, 0), 12), Capsule((0, 0, 0), (-15, 5, 8), 6, 9), 5.0), (Layer(3),)),
        Paint(Cylinder((0, -10, 0), 7.0, 15.0, (0.2, 0.1, 1.0)), (Layer(4),), lattice_mm=0.7),
    )
    low, high = (-44.0, -36.0, -40.0), (44.0, 36.0, 40.0)
    fine, coarse = (rasterize(scene(*paints), Grid.covering(low, high, (mm,) * 3)) for mm in (1.0, 2.0))
    for label in (1, 2, 3, 4):
        assert ml(coarse, label) == pytest.approx(ml(fine, label), rel=0.01)


def test_neighbour_never_holds_more_than_half_a_voxel_and_differs_from_the_label():
    paints = (Paint(Sphere((0, 0, 0), 14.0), (Layer(1), Layer(2, 1.0))), Paint(Sphere((6, 0, 0), 7.0), (Layer(3),)))
    phantom = rasterize(scene(*paints), around(16.0, (1.5, 1.0, 1.2), TURNS["oblique"]))
    assert phantom.fraction.max() <= 128
    shared = phantom.fraction > 0
    assert np.all(phantom.labels[shared] != phantom.neighbour[shared])
    assert not phantom.neighbour[~shared].any()


@pytest.mark.parametrize("voxel_mm", [0.7, 2.0, 5.0])
def test_who_owns_the_nodes_outside_a_shape_does_not_matter(voxel_mm: float):
    axis = np.arange(-20.0, 21.0)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    values = (np.minimum(np.hypot(np.hypot(x - 9, y), z), np.hypot(np.hypot(x + 9, y), z)) - 6.0).astype(np.float32)
    owner = np.where(values > 0, 2, x > 0).astype(np.uint8)  # two balls; outside stands a third name
    shape = SampledShape(values, (-20.0, -20.0, -20.0), 1.0, owner)
    grid = Grid.covering((-20.0,) * 3, (20.0,) * 3, (voxel_mm,) * 3)
    phantom = rasterize(scene(Paint(shape, (Layer((1, 2, 3)),))), grid)
    assert not np.any(phantom.labels == 3)
    assert not np.any(phantom.neighbour == 3)
    assert ml(phantom, 1) == pytest.approx(ml(phantom, 2), rel=0.01)


def test_threads_do_not_change_a_voxel():
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("numba was started with one thread")
    paints = (
        Paint(Sphere((0, 0, 0), 20.0), (Layer(1), Layer(2, 1.0))),
        Paint(Ellipsoid((6, 0, 0), (7, 9, 8)), (Layer(3),), over=(2,)),
    )
    results = []
    before = numba.get_num_threads()
    try:
        for threads in (1, 2):
            numba.set_num_threads(threads)
            results.append(rasterize(scene(*paints), around(22.0, (1.0, 1.0, 1.0))))
    finally:
        numba.set_num_threads(before)
    for name in ("labels", "neighbour", "fraction", "texture"):
        assert np.array_equal(getattr(results[0], name), getattr(results[1], name)), name


def test_axial_and_nearly_axial_grids_agree():
    """The grid that follows the lattice's axes and one turned by a hair show the same body."""
    paints = (
        Paint(
            Ellipsoid((1, 2, 3), (20.0, 14.0, 17.0), rotation(20, 30, 10)), (Layer(1), Layer(2, 1.2)), lattice_mm=1.3
        ),
        Paint(Sphere((8, 4, 0), 6.5), (Layer(3),), over=(2,)),
    )
    one, other = (
        rasterize(scene(*paints), centred((41, 38, 47), (1.0, 1.2, 0.9), turn))
        for turn in (None, rotation(1e-5, 1e-5, 1e-5))
    )
    for label in (0, 1, 2, 3):
        assert np.abs(one.occupancy(label) - other.occupancy(label)).max() < 0.04
        assert ml(one, label) == pytest.approx(ml(other, label), rel=2e-4)


@pytest.mark.parametrize("letters", ["SPL", "IAR", "LPS", "PSL", "RSA"])
def test_every_orientation_of_the_array_shows_the_same_body(letters):
    from medsynth.core.grid import orientation

    paint = Paint(Ellipsoid((1, 2, 3), (11.0, 8.0, 6.0), rotation(20, 30, 10)), (Layer(1), Layer(2, 1.2)))
    straight = rasterize(scene(paint), centred((27, 27, 27), (1.0, 1.0, 1.0)))
    turned = rasterize(scene(paint), Grid.centred((27, 27, 27), (1.0, 1.0, 1.0), direction=orientation(letters)))
    index = np.rint(straight.grid.index_kji(turned.grid.points_mm())).astype(int)
    same = straight.occupancy(2)[index[..., 0], index[..., 1], index[..., 2]]
    assert np.abs(turned.occupancy(2) - same).max() < 0.01


def test_an_empty_scene_is_air():
    phantom = rasterize(scene(), centred((3, 4, 5), (1.0, 1.0, 1.0)))
    for array in (phantom.labels, phantom.fraction, phantom.texture):
        assert not array.any()


@pytest.mark.parametrize("centre", [(100.0, 0, 0), (0, -100.0, 0), (0, 0, 1e4)])
def test_a_shape_outside_the_grid_leaves_no_trace(centre):
    phantom = painted(Sphere(centre, 8.0), centred((9, 9, 9), (1.0, 1.0, 1.0)))
    assert not phantom.labels.any()
    assert not phantom.fraction.any()


def test_a_shape_cut_by_the_edge_of_the_grid_is_what_a_larger_grid_shows_there():
    shape, large = Ellipsoid((7, -6, 5), (9.0, 8.0, 7.0)), centred((31, 33, 35), (1.0, 1.0, 1.0))
    small = large.crop((9, 9, 9), (22, 20, 21))
    assert np.array_equal(painted(shape, small).fraction, painted(shape, large).fraction[9:22, 9:20, 9:21])


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_a_grid_of_one_voxel_holds_the_volume_inside_it(turn):
    inside = painted(Sphere((0, 0, 0), 50.0), centred((1, 1, 1), (2.0, 3.0, 4.0), turn))
    assert inside.labels.item() == 1
    assert inside.fraction.item() == 0
    half = painted(
        Intersection(Sphere((0, 0, 0), 50.0), HalfSpace((0, 0, 0), (0, 0, 1))), centred((1, 1, 1), (2.0, 3.0, 4.0))
    )
    assert half.occupancy(1).item() == pytest.approx(0.5, abs=0.005)


def test_a_lattice_coarser_than_the_shape_says_never_loses_far_parts():
    """Two balls far apart in one field: the culling must find both, whatever lies between."""
    two = Union(Sphere((-40, 0, 0), 9.0), Sphere((40, 0, 0), 9.0))
    assert ml(painted(two, centred((24, 24, 110), (1.0, 1.0, 1.0)), lattice_mm=1.0), 1) == pytest.approx(
        2 * 4 / 3 * np.pi * 9**3 / 1000, rel=0.005
    )


def test_a_clipped_distance_paints_as_the_full_one_does():
    """Builders cap distances away from a surface (see `sweep_fields`): that must not change what is painted."""
    full = sample(Sphere((0.4, 0.2, 0), 12.0), 1.0, 12.0)
    capped = SampledShape(np.clip(full.values_mm, -4, 4), full.origin_mm, full.step_mm)
    grid = around(12.0, (1.0, 0.8, 1.2))
    a, b = painted(full, grid), painted(capped, grid)
    assert np.array_equal(a.labels, b.labels)
    assert np.abs(a.fraction.astype(int) - b.fraction).max() <= 1
