"""Helical CT against closed-form chords through ellipsoids, and against axial images of the same slices."""

import numba
import numpy as np
import pytest
from scipy.special import j1

from medsynth.acquire.ct.physics.helix import Helix, overscan_mm, project_helix, widest_pitch
from medsynth.acquire.ct.physics.helix_recon import box_mm, ramp_response, reconstruct_helix
from medsynth.acquire.ct.physics.projector import project
from medsynth.acquire.ct.physics.reconstruct import back_projected, filtered, parallel_of, to_parallel
from medsynth.acquire.ct.physics.scanner import scanner
from medsynth.core.errors import RecipeError
from medsynth.core.grid import Grid

MU_PER_CM = 0.2
PITCHES = (0.5, 1.0, 1.4)


def kernel(f_per_mm):
    return np.exp(-2 * (np.pi * 1.7 * f_per_mm) ** 2)


def small(**changes):
    """The cone angle of the 64-row machine (40 mm at the isocentre) with few, coarse channels, rows and views."""
    return scanner("generic-64", **{"channels": 300, "channel_mm": 3.0, "rows": 16, "row_mm": 2.5, "views": 240}
                   | changes)


def sub_rays(helix, views, parts):
    """Sub-rays of each row and channel: angles of views (v,) and channels (c,), heights of rows (r,)."""
    edges, heights = helix.scanner.edges(), helix.row_heights_mm()
    for n in range(parts[0]):
        for m in range(parts[1]):
            yield (helix.angles_rad()[views], edges[:-1] + (m + 0.5) / parts[1] * np.diff(edges),
                   heights[:-1] + (n + 0.5) / parts[0] * np.diff(heights))


def chords_cm(helix, bodies, views=None, parts=(2, 1), rows=slice(None)):
    """(view, row, channel) line integrals through ellipsoids (centre, semi-axes, factor), the mean of sub-rays."""
    views = np.arange(helix.views) if views is None else views
    sid = helix.scanner.sid_mm
    total = 0
    for beta, gamma, height in sub_rays(helix, views, parts):
        theta = beta[:, None] - gamma
        slope = height[rows] / sid
        for (cx, cy, cz), (rx, ry, rz), factor in bodies:
            ux, uy = -np.sin(theta) / rx, np.cos(theta) / ry
            ox, oy = (sid * np.sin(beta)[:, None] - cx) / rx, (-sid * np.cos(beta)[:, None] - cy) / ry
            oz, uz = (helix.z_mm()[views] - cz) / rz, slope / rz
            a = (ux**2 + uy**2)[:, None, :] + (uz**2)[None, :, None]
            b = (ox * ux + oy * uy)[:, None, :] + (oz[:, None] * uz)[:, :, None]
            c = (ox**2 + oy**2 - 1 + (oz**2)[:, None])[:, None, :]
            length = 2 * np.sqrt(np.maximum(b * b - a * c, 0)) / a * np.sqrt(1 + slope**2)[None, :, None]
            total = total + 0.1 * factor * length / np.prod(parts)
    return total


def axial_cm(helix, bodies, z_mm, thickness_mm):
    """What a slice that goes on unchanged along z would give the same rays: its image is an axial one."""
    total = np.zeros((helix.views, 1, helix.scanner.channels))
    heights = z_mm + (np.arange(9) - 4) / 9 * thickness_mm
    for (cx, cy, cz), (rx, ry, rz), factor in bodies:
        for z in heights:
            root = np.sqrt(max(1 - ((z - cz) / rz) ** 2, 0))
            if root > 0:
                flat = [((cx, cy, 0.0), (rx * root, ry * root, 1e9), factor / len(heights))]
                total += chords_cm(helix, flat, parts=(1, 1), rows=slice(1))
    middle = (helix.row_heights_mm()[:-1] + helix.row_heights_mm()[1:]) / 2 / helix.scanner.sid_mm
    return total * np.sqrt((1 + middle**2) / (1 + middle[0] ** 2))[None, :, None]


def voxels(grid, centre, semi, parts=4):
    """(j, i, k, 1) share of each voxel within an ellipsoid, by `parts`^3 samples."""
    axes = []
    for axis, n in enumerate(grid.shape_kji):
        step, first = grid.spacing_mm[axis], grid.origin_mm[2 - axis]
        samples = first + step * ((np.arange(n * parts) + 0.5) / parts - 0.5)
        axes.append((((samples - centre[2 - axis]) / semi[2 - axis]) ** 2).reshape(n, parts))
    share = np.zeros(grid.shape_kji, np.float32)
    for p in range(parts):
        for q in range(parts):
            for r in range(parts):
                share += (axes[0][:, p, None, None] + axes[1][:, q, None] + axes[2][:, r]) < 1
    return np.moveaxis(share, 0, 2)[..., None] / np.float32(parts**3)


def image_of(helix, integrals, grid, thickness_mm=5.0):
    return reconstruct_helix((MU_PER_CM * integrals).astype(np.float32), helix, grid, kernel, thickness_mm)


def half_width(z, profile):
    level = profile.max() / 2
    inside = np.flatnonzero(profile >= level)
    low, high = inside[0], inside[-1]
    first = np.interp(level, profile[low - 1:low + 1], z[low - 1:low + 1])
    return np.interp(level, profile[high + 1:high - 1:-1], z[high + 1:high - 1:-1]) - first


@pytest.fixture(scope="module")
def off_centre():
    return (30.0, -20.0, 3.0), (70.0, 60.0, 40.0)


def test_paths_through_an_ellipsoid_are_its_chords_and_get_nearer_with_smaller_voxels(off_centre):
    helix = Helix.covering(small(), 1.0, (-5, 5))
    views = slice(helix.views // 2 - 60, helix.views // 2 + 60, 1)
    truth = chords_cm(helix, [(*off_centre, 1.0)], np.arange(helix.views)[views], parts=(3, 3))
    errors = []
    for voxel_mm in (4.0, 2.0):
        n = int(240 / voxel_mm)
        grid = Grid.centred((int(120 / voxel_mm), n, n), (voxel_mm,) * 3)
        paths = project_helix(voxels(grid, *off_centre), grid, helix, views)[..., 0]
        assert paths.sum() == pytest.approx(truth.sum(), rel=2e-3)
        errors.append(np.sqrt(np.mean((paths - truth) ** 2)))
    assert errors[1] < 0.05
    assert errors[1] < 0.45 * errors[0]


@pytest.mark.parametrize("shape", [(11, 60, 61), (20, 61, 60)])
def test_a_body_without_ends_gives_its_chord_in_plane_times_the_slant_and_a_short_one_less(shape):
    helix = Helix(small(), 1.0, -10.0, 120)
    grid = Grid.centred(shape, (2.0, 4.0, 4.0))
    column = voxels(grid, (0, 0, 0), (100.0, 80.0, 1e9), parts=3)
    paths = project_helix(column, grid, helix)[..., 0]
    flat = chords_cm(helix, [((0, 0, 0), (100.0, 80.0, 1e9), 1.0)])
    middle = slice(110, 190)
    np.testing.assert_allclose(paths[..., middle], flat[..., middle], rtol=0.05)
    assert paths[..., middle].mean() == pytest.approx(flat[..., middle].mean(), rel=1e-3)
    short = project_helix(column, grid, helix, beyond="air")[..., 0]
    assert np.all(short <= paths + 1e-4)
    assert short[0, 0, 150] == 0  # the lowest row of the lowest view passes below


def test_what_goes_on_along_z_is_projected_and_reconstructed_as_the_axial_tier_does():
    machine = small()
    helix = Helix.covering(machine, 1.0, (-2, 2))
    box = Grid.centred((1, 110, 110), (3.0, 2.0, 2.0))
    slab = voxels(box, (20, -10, 0), (80.0, 60.0, 1e9)) + voxels(box, (50, 10, 0), (12.0, 12.0, 1e9))
    paths = project_helix(slab, box, helix)[..., 0]
    axial = project(slab[:, :, 0], 2.0, (-110.0, -110.0), machine)[..., 0]
    slant = np.sqrt(1 + ((np.arange(16) - 7.5) * 2.5 / machine.sid_mm) ** 2)
    turn = paths[:machine.views] / slant[:, None]
    np.testing.assert_allclose(turn, np.broadcast_to(axial[:, None], turn.shape), atol=0.002 * axial.max())
    grid = Grid.centred((1, 90, 90), (5.0, 2.4, 2.4))
    rays = parallel_of(machine)
    sorted_lines = to_parallel((MU_PER_CM * axial).astype(np.float32), machine)
    image = back_projected(filtered(sorted_lines, rays.step_mm, kernel)[:, :, None], rays, 90, 2.4)[..., 0]
    error = image_of(helix, paths, grid)[0] - image
    assert np.sqrt(np.mean(error**2)) < 0.004 * MU_PER_CM
    assert abs(error.mean()) < 2e-4 * MU_PER_CM


def test_in_plane_sharpness_is_the_kernel_times_channel_and_interpolation():
    helix = Helix.covering(small(rows=4, row_mm=10.0, views=180), 1.0, (-2, 2))
    turns = np.exp(1j * (np.arange(9) * 0.7 + 0.1)) * (16 + np.arange(9) % 3)  # phases against the channels differ
    radius, pixel, step = 0.5, 0.5, helix.scanner.pitch_mm
    measured = {}
    for x, y in zip(turns.real, turns.imag, strict=True):
        rod = chords_cm(helix, [((x, y, 0.0), (radius, radius, 1e9), 1.0)], parts=(1, 6))
        grid = Grid.centred((1, 49, 49), (5.0, pixel, pixel), (x, y, 0.0))
        image = image_of(helix, rod, grid, 10.0)[0] * pixel**2 / (MU_PER_CM * np.pi * radius**2)
        place = (np.arange(49) - 24) * pixel
        for f in (0.05, 0.1, 0.2):
            for a in np.arange(6) * np.pi / 6:
                wave = np.cos(2 * np.pi * f * (np.cos(a) * place + np.sin(a) * place[:, None]))
                measured.setdefault(f, []).append((image * wave).sum())
    for f, found in measured.items():
        disc = 2 * j1(2 * np.pi * f * radius) / (2 * np.pi * f * radius)
        known = kernel(f) * np.sinc(step * f) * np.sinc(step / 2 * f) ** 2 * disc
        assert np.mean(found) == pytest.approx(known, rel=0.03)


def test_rows_average_over_their_height():
    # one slice of 1 mm, seen by rows 2.5 mm high at the isocentre: 0.4 of its length, shared where a border cuts it
    helix = Helix(small(), 1.0, 0.0, 12)
    grid = Grid.centred((1, 3, 3), (1.0, 3.0, 3.0), (0.0, 0.0, 0.0))
    block = project_helix(np.ones((3, 3, 1, 1), np.float32), grid, helix, beyond="air")[..., 0]
    at_axis = block.max(axis=2)
    assert at_axis.sum(axis=1) == pytest.approx(at_axis[0].sum(), rel=0.06)  # whatever row it lies in
    assert at_axis[0].sum() == pytest.approx(0.9 * 0.4, rel=0.02)
    assert at_axis[0, 7] == pytest.approx(at_axis[0, 8], rel=1e-4)  # the border of the middle rows halves it


def test_bases_are_apart_and_a_function_or_batches_of_views_give_the_same(off_centre):
    helix = Helix.covering(small(rows=8), 1.2, (-4, 4))
    grid = Grid.centred((30, 40, 40), (3.0, 5.0, 5.0))
    share = voxels(grid, *off_centre, parts=2)
    maps = np.concatenate([share, -0.25 * share], axis=3)
    calls = []
    paths = project_helix(maps, grid, helix, progress=lambda done, total: calls.append((done, total)))
    assert paths.shape == (helix.views, 8, 300, 2)
    assert paths.dtype == np.float32
    np.testing.assert_allclose(paths[..., 1], -0.25 * paths[..., 0], atol=1e-4)
    assert calls[-1] == (helix.views, helix.views)
    part = project_helix(lambda first, last: maps[:, :, first:last], grid, helix, slice(100, 150))
    np.testing.assert_allclose(part, paths[100:150], atol=2e-4)  # running sums start elsewhere
    assert not project_helix(np.zeros_like(maps), grid, helix, slice(0, 3)).any()


@pytest.mark.parametrize("pitch", PITCHES)
def test_a_water_cylinder_reconstructs_to_its_attenuation_and_flat(pitch):
    helix = Helix.covering(small(views=180), pitch, (-4, 4))
    box = Grid.centred((20, 120, 120), (3.0, 2.0, 2.0))
    column = voxels(box, (0, 0, 0), (80.0, 80.0, 1e9))
    grid = Grid.centred((3, 100, 100), (3.0, 2.4, 2.4))
    image = image_of(helix, project_helix(column, box, helix)[..., 0], grid)
    place = (np.arange(100) - 49.5) * 2.4
    radius = np.hypot(place, place[:, None])
    assert image[:, radius < 68].mean() == pytest.approx(MU_PER_CM, rel=2e-3)
    for ring in ((0, 20), (20, 40), (40, 55), (55, 68)):
        mean = image[:, (radius >= ring[0]) & (radius < ring[1])].mean()
        assert mean == pytest.approx(MU_PER_CM, rel=5e-3)
    assert image[:, radius < 68].std() < 0.005 * MU_PER_CM
    assert abs(image[:, (radius > 92) & (radius < 115)].mean()) < 0.003 * MU_PER_CM


def test_rays_of_a_wide_cone_count_for_their_way_in_plane():
    helix = Helix.covering(small(views=120, channels=150, channel_mm=6.0, row_mm=12.0), 0.5, (-2, 2))
    column = chords_cm(helix, [((0, 0, 0), (80.0, 80.0, 1e9), 1.0)], parts=(3, 3))
    image = image_of(helix, column, Grid.centred((1, 20, 20), (12.0, 4.0, 4.0)), 12.0)
    assert image.mean() == pytest.approx(MU_PER_CM, rel=1e-3)  # the slant would add 0.35 %


STACK = [((0, 0, 0), (140, 110, 60), 1.0), ((90, 0, 0), (20, 20, 20), -0.5), ((-60, 30, -8), (25, 25, 25), 0.3)]


@pytest.mark.parametrize(("pitch", "rms_hu", "worst_hu"), [(0.5, 3.2, 24.0), (1.0, 5.4, 32.0), (1.4, 4.0, 28.0)])
def test_helical_slices_of_a_z_curved_stack_agree_with_axial_ones(pitch, rms_hu, worst_hu):
    helix = Helix.covering(small(views=180, channels=225, channel_mm=4.0), pitch, (-2, 17))
    measured = chords_cm(helix, STACK)
    for z in (0.0, 15.0):
        grid = Grid.centred((1, 100, 100), (5.0, 3.0, 3.0), (0.0, 0.0, z))
        helical = image_of(helix, measured, grid)
        axial = image_of(helix, axial_cm(helix, STACK, z, 5.0), grid)
        error = 1000 * (helical - axial) / MU_PER_CM
        assert np.sqrt(np.mean(error**2)) < rms_hu
        assert np.abs(error).max() < worst_hu
        assert abs(error.mean()) < 1.5


@pytest.mark.parametrize("pitch", PITCHES)
def test_no_windmill_around_the_pole_of_a_sphere_and_no_stairs_on_its_surface(pitch):
    helix = Helix.covering(small(), pitch, (18, 32))
    centre, radius = (60.0, 0.0, 0.0), 40.0
    measured = chords_cm(helix, [(centre, (radius,) * 3, 1.0)])
    grid = Grid.centred((15, 48, 48), (1.0, 3.0, 3.0), (60.0, 0.0, 25.0))
    image = 1000 * image_of(helix, measured, grid, 3.0) / MU_PER_CM
    away = np.hypot(*np.meshgrid(grid.world_mm([[0, 0, i] for i in range(48)])[:, 0] - 60, (np.arange(48) - 23.5) * 3))
    z = grid.origin_mm[2] + np.arange(15)
    assert np.abs(image[:, away > 52]).max() < 25  # streaks of a windmill, in HU of a 1000 HU step
    area = image[:, away < 52].sum(axis=1) / 1000 * 9.0
    truth = np.pi * (radius**2 - z**2 - 3.0**2 / 12)
    stairs = area - truth
    assert np.abs(stairs / truth).max() < 0.004
    assert np.std(np.diff(stairs, 2)) < 0.0004 * truth.mean()


@pytest.mark.parametrize("pitch", PITCHES)
def test_the_slice_profile_is_as_wide_as_asked_on_and_off_the_axis(pitch):
    helix = Helix.covering(small(views=180, channels=225, channel_mm=4.0), pitch, (-9, 9))
    for x, thicknesses in ((0.0, (5.0,)), (80.0, (3.0, 8.0))):  # a thin disc
        measured = chords_cm(helix, [((x, 0.0, 0.3), (30.0, 30.0, 0.4), 1.0)], parts=(5, 1))
        for thickness in thicknesses:
            grid = Grid.centred((81, 3, 3), (0.2, 3.0, 3.0), (x, 0.0, 0.0))
            profile = image_of(helix, measured, grid, thickness).mean(axis=(1, 2))
            z = grid.origin_mm[2] + np.arange(81) * 0.2
            assert half_width(z, profile) == pytest.approx(thickness, rel=0.12 if thickness < 5 else 0.04)
            assert profile.sum() * 0.2 == pytest.approx(MU_PER_CM * 0.8, rel=0.03)
            assert (z * profile).sum() / profile.sum() == pytest.approx(0.3, abs=0.1)


@pytest.mark.parametrize("direction", [1, -1])
def test_a_bead_lies_where_it_is_whatever_the_direction_start_angle_and_isocentre(direction):
    helix = Helix.covering(small(), 0.9, (-12, 12), direction=direction, first_rad=1.0, isocentre_mm=(10.0, -15.0))
    assert helix.z_mm()[-1] * direction > 12
    bead = np.array([50.0, 30.0, 4.0])
    box = Grid.centred((40, 24, 24), (0.5, 0.5, 0.5), tuple(bead))
    paths = project_helix(voxels(box, bead, (4.0, 4.0, 4.0)), box, helix, beyond="air")[..., 0]
    grid = Grid.centred((13, 24, 25), (1.5, 1.5, 1.5), (49.0, 31.0, 4.0))
    image = image_of(helix, paths, grid, 3.0)
    weight = np.where(image > 0.1 * image.max(), image, 0)
    index = np.stack(np.meshgrid(*map(np.arange, image.shape), indexing="ij"), axis=-1)
    centroid = grid.world_mm((weight[..., None] * index).sum(axis=(0, 1, 2)) / weight.sum())
    assert centroid == pytest.approx(bead, abs=0.1)
    assert image.sum() * 1.5**3 == pytest.approx(MU_PER_CM * 4 / 3 * np.pi * 4**3, rel=0.05)


def test_images_do_not_depend_on_the_number_of_threads_or_of_slices_asked_for(off_centre):
    helix = Helix.covering(small(rows=8, views=120), 1.0, (-6, 6))
    grid = Grid.centred((20, 40, 40), (3.0, 5.0, 5.0))
    share = voxels(grid, *off_centre, parts=2)
    slices = Grid.centred((5, 36, 36), (2.0, 5.0, 5.0))
    before, images = numba.get_num_threads(), []
    try:
        for threads in {1, numba.config.NUMBA_NUM_THREADS}:
            numba.set_num_threads(threads)
            images.append(image_of(helix, project_helix(share, grid, helix)[..., 0], slices))
    finally:
        numba.set_num_threads(before)
    assert all(np.array_equal(images[0], image) for image in images)
    one = Grid((1, 36, 36), slices.spacing_mm, tuple(slices.world_mm((3, 0, 0))))
    alone = image_of(helix, project_helix(share, grid, helix)[..., 0], one)
    np.testing.assert_allclose(alone[0], images[0][3], atol=1e-5)


def test_the_widest_pitch_is_where_the_rows_of_opposite_rays_just_meet():
    machine = small()
    assert widest_pitch(machine, 0.0) == pytest.approx(2.0)
    for radius in (100.0, 240.0):
        gamma = np.arcsin(radius / machine.sid_mm)
        feed = widest_pitch(machine, radius) * 40.0
        # the widest gap between the middles of a ray's rows and its opposite's, against the two half heights there
        gap = feed * (0.5 + gamma / np.pi)
        assert gap == pytest.approx(20.0 * 2 * machine.sid_mm * np.cos(gamma) / machine.sid_mm)
    assert overscan_mm(machine, 1.0) > 20.0


def test_the_ramp_follows_the_frequency_and_takes_away_the_mean():
    t = (np.arange(200) - 99.5) * 1.5
    ramp = ramp_response(t, np.ones_like)
    f = np.arange(len(ramp)) / (2 * (len(ramp) - 1)) / 1.5
    assert ramp[4:] == pytest.approx(f[4:], rel=0.01)
    assert 0 < ramp[0] < f[1]


@pytest.mark.parametrize(("thickness_mm", "box"), [(5.0, 5.0), (2.5, 2.5), (1.25, 0.125)])
def test_a_box_over_z_makes_the_thickness(thickness_mm, box):
    assert box_mm(thickness_mm, 1.25) == pytest.approx(box)
    u = np.linspace(-6, 6, 2401)
    triangle = np.clip(1 - np.abs(u) / 1.25, 0, None)
    wide = np.convolve(triangle, np.abs(u) <= box / 2, mode="same")
    assert half_width(u, wide) == pytest.approx(thickness_mm, rel=0.03)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Helix.covering(small(), 1.0, (5, 5)), "z_range_mm must be finite and its end above its start"),
    (lambda: Helix.covering(small(), 2.5, (0, 5)), "pitch must be > 0 and <= 2.00"),
    (lambda: Helix(small(), 0.0, 0.0, 10), "pitch must be > 0"),
    (lambda: Helix(small(), 1.0, 0.0, 0), "views must be >= 1"),
    (lambda: Helix(small(rows=1), 1.0, 0.0, 9), "2 rows"),
    (lambda: Helix(small(views=241), 1.0, 0.0, 9), "even number of views"),
    (lambda: Helix(scanner("parallel"), 1.0, 0.0, 9), "a fan"),
])
def test_an_impossible_helix_is_one_clear_error(make, message):
    with pytest.raises(RecipeError, match=message):
        make()


def test_what_cannot_be_projected_or_reconstructed_is_one_clear_error():
    helix = Helix.covering(small(views=60), 1.4, (0, 10))
    readings = np.zeros((helix.views, 16, 300), np.float32)
    wide = Grid.centred((1, 100, 100), (5.0, 5.0, 5.0), (0, 0, 5))
    with pytest.raises(RecipeError, match=r"pitch must be <= 1\.3\d for a field of 4"):
        reconstruct_helix(readings, helix, wide, kernel, 5.0)
    grid = Grid.centred((1, 100, 100), (5.0, 3.0, 3.0), (0, 0, 5))
    with pytest.raises(RecipeError, match="line_integrals must be of shape"):
        reconstruct_helix(readings[1:], helix, grid, kernel, 5.0)
    with pytest.raises(RecipeError, match=r"thickness_mm must be >= 2\.5"):
        reconstruct_helix(readings, helix, grid, kernel, 1.0)
    far = Grid.centred((1, 10, 10), (5.0, 3.0, 3.0), (0, 0, 100))
    with pytest.raises(RecipeError, match="grid must lie within the scan from z"):
        reconstruct_helix(readings, helix, far, kernel, 5.0)
    maps = np.zeros((100, 100, 1, 1), np.float32)
    huge = Grid.centred((1, 100, 100), (5.0, 10.0, 10.0))
    with pytest.raises(RecipeError, match="grid must lie within the source's circle"):
        project_helix(maps, huge, helix)
    with pytest.raises(RecipeError, match="views must be a slice"):
        project_helix(maps, grid, helix, slice(5, 5))
    with pytest.raises(RecipeError, match="maps must be"):
        project_helix(maps[:, :50], grid, helix, slice(0, 1))
