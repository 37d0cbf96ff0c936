"""Vessels finer than a voxel keep their cross-section, chains of them count once, walls keep their thickness."""

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
from medsynth.shapes.primitives import Capsule, RoundBox, rotation
from medsynth.shapes.tubes import Tubes

OBLIQUE = as_direction(np.asarray(rotation(20, -30, 40))[:, ::-1])


def scene(*paints: Paint) -> Scene:
    parts = tuple(Structure(f"s{n}", n, f"tissue {n}", Code("1", "x")) for n in range(1, 6))
    return Scene("test", "nowhere", Subject("male", 50, 175, 78), parts, paints, {}, {}, {}, ((0, 0, 0), (1, 1, 1)), {})


def chain(points, radius_mm, wall_mm=None) -> Tubes:
    points = np.asarray(points, float)
    n = len(points) - 1
    radii = np.broadcast_to(np.asarray(radius_mm, float), (n + 1,))
    walls = None if wall_mm is None else np.full(n, wall_mm)
    return Tubes(
        points[:-1].copy(), points[1:].copy(), radii[:-1].copy(), radii[1:].copy(), np.arange(-1, n - 1), walls
    )


def painted(tubes: Tubes, grid: Grid, *layers: Layer, over=()) -> Phantom:
    return rasterize(scene(Paint(tubes, layers or (Layer(1),), over=over)), grid)


def mm3(phantom: Phantom, *labels: int) -> float:
    return float(phantom.occupancy(*labels).sum(dtype=np.float64)) * phantom.grid.voxel_volume_mm3


def capsule_mm3(radius: float, length: float) -> float:
    return np.pi * radius**2 * length + 4 / 3 * np.pi * radius**3


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.5, 0.5), (0.31, 0.0), (0.13, 0.47), (0.25, 0.9)])
def test_a_vessel_finer_than_a_voxel_keeps_its_cross_section_along_every_axis(axis, offset):
    """Diameter 0.6 mm, voxels of 1 mm: the area of every single slice across it, at any offset."""
    start, end = np.zeros(3), np.zeros(3)
    start[axis], end[axis] = -15.3, 15.3
    others = [a for a in range(3) if a != axis]
    start[others] = end[others] = offset
    phantom = painted(chain([start, end], 0.3), Grid.centred((25, 24, 25), (1.0, 1.0, 1.0)))
    areas = phantom.occupancy(1).sum(axis=tuple(a for a in range(3) if a != 2 - axis), dtype=np.float64)[1:-1]
    assert areas.mean() == pytest.approx(np.pi * 0.09, rel=0.05)
    assert areas == pytest.approx(np.pi * 0.09, rel=0.15)


@pytest.mark.parametrize("direction", [(1, 1, 1), (1, 0.3, 0), (0.2, 1, -0.4), (1, 1, 0)])
@pytest.mark.parametrize("turn", [None, OBLIQUE], ids=["axial", "oblique"])
def test_an_oblique_vessel_finer_than_a_voxel_keeps_its_volume(direction, turn):
    unit = np.asarray(direction) / np.linalg.norm(direction)
    grid = Grid.centred((41, 40, 41), (1.0, 1.0, 1.0), (0.1, 0.2, 0.3), turn or Grid((1, 1, 1), (1, 1, 1)).direction)
    phantom = painted(chain([-15 * unit, 15 * unit], 0.3), grid)
    assert mm3(phantom, 1) == pytest.approx(capsule_mm3(0.3, 30.0), rel=0.05)


@pytest.mark.parametrize("radius_mm", [0.3, 0.8, 2.0, 5.0])
@pytest.mark.parametrize("pieces", [2, 15, 90])
def test_a_chain_of_short_capsules_is_the_one_long_capsule(radius_mm, pieces):
    line = np.linspace([-14.0, -3.0, 2.0], [13.0, 4.0, -5.0], pieces + 1)
    grid = Grid.centred((33, 34, 45), (1.0, 0.8, 1.0))
    whole = painted(chain(line[[0, -1]], radius_mm), grid)
    parts = painted(chain(line, radius_mm), grid)
    assert np.abs(whole.occupancy(1) - parts.occupancy(1)).max() < 0.02
    length = float(np.linalg.norm(line[-1] - line[0]))
    assert mm3(parts, 1) == pytest.approx(capsule_mm3(radius_mm, length), rel=0.05 if radius_mm < 0.5 else 0.01)


def test_every_voxel_of_a_tapering_capsule_holds_what_fine_sub_samples_count():
    shape = Capsule((-6.0, 1.0, 0.5), (7.0, -2.0, 3.0), 3.0, 1.1)
    grid = Grid.centred((15, 14, 23), (1.0, 1.2, 0.9), direction=OBLIQUE)
    tubes = Tubes(
        np.array([shape.start_mm]), np.array([shape.end_mm]), np.array([3.0]), np.array([1.1]), np.array([-1])
    )
    n = 12
    offsets = (np.stack(np.meshgrid(*(np.arange(n),) * 3, indexing="ij"), -1).reshape(-1, 3) + 0.5) / n - 0.5
    index = np.moveaxis(np.indices(grid.shape_kji), 0, -1)
    truth = np.mean([shape.distance_mm(grid.world_mm(index + o)) < 0 for o in offsets], axis=0)
    error = painted(tubes, grid).occupancy(1) - truth
    assert np.abs(error).max() < 0.05
    assert abs(error.sum()) < 0.003 * truth.sum()


def test_a_bronchus_keeps_lumen_and_wall():
    lumen, wall, length = 3.0, 0.8, 40.0
    grid = Grid.centred((14, 15, 56), (1.0, 1.0, 1.0))
    phantom = painted(chain([[-20.0, 0.1, 0.2], [20.0, 0.4, -0.1]], lumen, wall), grid, Layer(1), Layer(2))
    assert mm3(phantom, 1, 2) == pytest.approx(capsule_mm3(lumen + wall, length), rel=0.02)
    assert mm3(phantom, 2) == pytest.approx(capsule_mm3(lumen, length), rel=0.05)


def test_the_lumen_runs_through_joints_and_forks_without_a_wall_across_it():
    points = np.array([[-12.0, 0, 0], [0, 0, 0], [10.0, 6, 0], [10.0, -6, 0]])
    tubes = Tubes(
        points[[0, 1, 1]], points[[1, 2, 3]], np.full(3, 2.5), np.full(3, 2.5), np.array([-1, 0, 0]), np.full(3, 0.8)
    )
    grid = Grid.centred((13, 31, 41), (0.8, 0.8, 0.8))
    phantom = painted(tubes, grid, Layer(1), Layer(2))
    for start, end in ((points[0], points[1]), (points[1], points[2]), (points[1], points[3])):
        along = start + np.linspace(0, 1, 60)[:, None] * (end - start)
        k, j, i = np.rint(grid.index_kji(along)).astype(int).T
        assert np.all(phantom.occupancy(2)[k, j, i] == 1)


@pytest.mark.parametrize("voxel_mm", [0.7, 1.0, 2.5])
def test_vessels_keep_their_volume_at_every_voxel_size(voxel_mm):
    rng = np.random.Generator(np.random.PCG64(3))
    starts = rng.uniform(-25, 25, (40, 3)).round(3)
    starts[:, 2] = np.linspace(-30, 30, 40)  # apart from one another
    ends = starts + np.column_stack([rng.uniform(6, 20, 40), rng.uniform(-8, 8, 40), np.zeros(40)])
    radii = rng.uniform(0.25, 0.7, 40)
    tubes = Tubes(starts, ends, radii, radii, np.full(40, -1))
    truth = sum(capsule_mm3(r, length) for r, length in zip(radii, tubes.lengths_mm, strict=True))
    grid = Grid.covering((-30, -38, -34), (50, 38, 34), (voxel_mm,) * 3)
    assert mm3(painted(tubes, grid), 1) == pytest.approx(truth, rel=0.02)


def test_vessels_stay_in_the_labels_they_may_cover():
    box = RoundBox((0, 0, 0), (8.0, 8.0, 8.0))
    grid = Grid.centred((24, 25, 26), (1.0, 1.0, 1.0))
    plain = rasterize(scene(Paint(box, (Layer(3),))), grid)
    tubes = chain([[-20.0, 0.2, 0.1], [20.0, 0.1, 0.3]], 1.4)
    both = rasterize(scene(Paint(box, (Layer(3),)), Paint(tubes, (Layer(1),), over=(3,))), grid)
    assert np.abs(both.occupancy(1, 3) - plain.occupancy(3)).max() <= 1.01 / 255
    assert mm3(both, 1) == pytest.approx(np.pi * 1.4**2 * 16, rel=0.02)


def test_many_vessels_in_one_voxel_count_once():
    tubes = Tubes(
        np.zeros((50, 3)) - [6.0, 0, 0],
        np.zeros((50, 3)) + [6.0, 0, 0],
        np.full(50, 0.4),
        np.full(50, 0.4),
        np.full(50, -1),
    )
    grid = Grid.centred((9, 9, 19), (1.0, 1.0, 1.0))
    assert np.array_equal(
        painted(tubes, grid).fraction, painted(chain([[-6.0, 0, 0], [6.0, 0, 0]], 0.4), grid).fraction
    )


def test_a_capsule_of_no_length_is_a_ball_and_no_tubes_are_nothing():
    ball = Tubes(np.zeros((1, 3)), np.zeros((1, 3)), np.array([4.0]), np.array([4.0]), np.array([-1]))
    grid = Grid.centred((12, 13, 12), (1.0, 1.0, 1.0))
    assert mm3(painted(ball, grid), 1) == pytest.approx(4 / 3 * np.pi * 64, rel=0.01)
    nothing = Tubes(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    assert not painted(nothing, grid).labels.any()


def test_a_tube_beyond_the_grid_leaves_no_trace_and_one_across_its_edge_is_cut():
    grid = Grid.centred((17, 18, 19), (1.0, 1.0, 1.0))
    assert not painted(chain([[60.0, 0, 0], [70.0, 0, 0]], 2.0), grid).labels.any()
    across = painted(chain([[-40.0, 0, 0], [40.0, 0, 0]], 2.0), grid)
    assert mm3(across, 1) == pytest.approx(np.pi * 4 * 19, rel=0.01)


def test_tubes_take_at_most_a_wall_and_a_lumen():
    with pytest.raises(GeometryError, match="wall and the lumen"):
        painted(chain([[0, 0, 0], [5.0, 0, 0]], 1.0), Grid.centred((5, 5, 5), (1, 1, 1)), Layer(1), Layer(2), Layer(3))


def test_threads_do_not_change_a_vessel():
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("numba was started with one thread")
    rng = np.random.Generator(np.random.PCG64(5))
    points = rng.uniform(-30, 30, (60, 3))
    results, before = [], numba.get_num_threads()
    try:
        for threads in (1, 2):
            numba.set_num_threads(threads)
            results.append(
                painted(chain(points, 1.3, 0.5), Grid.centred((50, 51, 52), (1.0, 1.0, 1.0)), Layer(1), Layer(2))
            )
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(results[0].labels, results[1].labels)
    assert np.array_equal(results[0].fraction, results[1].fraction)
