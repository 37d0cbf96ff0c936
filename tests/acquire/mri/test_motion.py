"""Motion: exact shifts, rigid turns that know no header, coils that stay where they are."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from medsynth.acquire.mri.clock import Timing, make_clock
from medsynth.acquire.mri.coils import coil_array
from medsynth.acquire.mri.component import Component
from medsynth.acquire.mri.encode import object_grid, offsets, plan
from medsynth.acquire.mri.engine import acquire_kspace
from medsynth.acquire.mri.kspace import measure, measurement
from medsynth.acquire.mri.motion import MotionPlan, Pose, breath_field_mm, centre_of, grouped, moved, plan_motion
from medsynth.acquire.mri.options import Coils, Motion, Pulsation, Respiration
from medsynth.acquire.mri.streams import Stream
from medsynth.acquire.mri.trajectory import breath_path, pulse_factors, rigid_path
from medsynth.acquire.mri.transform import frequencies
from medsynth.core.grid import Grid, as_direction
from medsynth.core.seed import Seed
from tests.acquire.mri.objects import fraction, nrmse, options, scan

TILTED = as_direction(np.linalg.qr(np.array([[0.2, 0.3, 1], [0.1, 1, -0.3], [1, 0, 0.2]]))[0])


def setting(grid, opts, semi, dimensions=3):
    encoding = plan(grid, opts, dimensions=dimensions, field_T=3.0, bandwidth_hz_px=200.0)
    centre = grid.centre_mm
    where = object_grid(encoding, opts, centre - np.asarray(semi) - 12, centre + np.asarray(semi) + 12)
    clock = make_clock(encoding, Timing(0.01), opts)
    share = fraction(where, semi, tuple(centre), 3)
    return encoding, where, clock, share


def test_a_shift_is_a_phase_ramp_on_the_lines_it_concerns():
    grid = Grid.centred((10, 24, 20), (3.0, 2.0, 2.0), (7.0, -3.0, 40.0))
    opts = options()
    encoding, where, clock, share = setting(grid, opts, (10.0, 12.0, 9.0))
    shift = np.array([1.3, -2.6, 0.7])
    index = (np.arange(clock.lines)[None, :] >= clock.lines // 2).astype(int)
    moves = MotionPlan((Pose(np.eye(3), np.zeros(3)), Pose(np.eye(3), shift)), index, grid.centre_mm)
    stream = Stream(share.astype(np.complex64), np.ones((1, clock.lines), np.complex64))
    still, late = (measure([stream], measurement(encoding, clock, opts, where, coil_array(Coils(), share > 0.5, where),
                                                 one))[0]
                   for one in (MotionPlan(moves.poses[:1], index * 0, grid.centre_mm), moves))
    ramp = np.ones(1)
    for n, mm, d in zip(still.shape, (3.0, 2.0, 2.0), (0.7, -2.6, 1.3), strict=True):
        ramp = np.multiply.outer(ramp, np.exp(-2j * np.pi * frequencies(n) * d / (n * mm)))
    half = still.shape[1] // 2
    assert np.array_equal(late[:, :half], still[:, :half])
    assert late[:, half:] == pytest.approx((still * ramp[0])[:, half:], abs=3e-6 * float(np.abs(still).max()))


@pytest.mark.parametrize("direction", [TILTED, None])
def test_a_turned_ellipsoid_is_the_ellipsoid_turned(direction):
    grid = Grid((30, 44, 36), (2.2, 1.5, 1.8), (250.0, -60.0, 33.0), *([direction] if direction else []))
    centre = grid.centre_mm
    rotation = Rotation.from_rotvec([0.2, -0.3, 0.4]).as_matrix()
    pose = Pose(rotation, np.array([2.0, -3.0, 1.0]))
    still = MotionPlan((pose,), np.zeros((1, 1), int), centre)
    semi = np.array([14.0, 20.0, 10.0])
    found = moved(fraction(grid, semi, tuple(centre)).astype(np.complex64), still, pose, grid).real
    points = (grid.points_mm() - centre - pose.shift_mm) @ rotation  # rows are R^T x
    truth = 1 / (1 + np.exp(((points / semi) ** 2).sum(axis=-1) * 12 - 12))  # a soft edge of about a voxel
    assert found.sum() == pytest.approx(4 / 3 * np.pi * semi.prod() / grid.voxel_volume_mm3, rel=5e-3)
    weight = found / found.sum()
    middle = (grid.points_mm() * weight[..., None]).sum(axis=(0, 1, 2))
    assert middle == pytest.approx(centre + pose.shift_mm, abs=0.02)
    apart = grid.points_mm() - middle
    spread = np.einsum("kji,kjia,kjib->ab", weight, apart, apart)
    assert spread == pytest.approx(rotation @ np.diag(semi**2 / 5) @ rotation.T, abs=0.8)
    assert nrmse(found, truth) < 0.15


def test_a_whole_turn_gives_the_object_back_and_opposite_turns_cancel():
    grid = Grid.centred((24, 40, 32), (2.0, 1.5, 1.7))
    image = fraction(grid, (14.0, 18.0, 12.0)).astype(np.complex64) * (1 + 0.5j)

    def turn(one, angle):
        pose = Pose(Rotation.from_rotvec([angle * 0.6, 0, angle * 0.8]).as_matrix(), np.zeros(3))
        return moved(one, MotionPlan((pose,), np.zeros((1, 1), int), grid.centre_mm), pose, grid)

    assert nrmse(turn(image, 2 * np.pi), image) < 1e-3
    assert nrmse(turn(turn(image, 0.3), -0.3), image) < 0.06


def test_motion_does_not_know_where_the_scanners_origin_is():
    images = []
    for origin in ((0.0, 0.0, 0.0), (100.0, -250.0, 700.0)):
        grid = Grid.centred((10, 28, 24), (3.0, 2.0, 2.0), origin)
        opts = options(motion={"pattern": "random", "rotation_deg": 8, "translation_mm": 3, "poses": 4})
        images.append(scan(grid, opts, (16.0, 18.0, 11.0), origin).result.image)
    assert nrmse(images[1], images[0]) < 1e-3  # float32 positions of a far origin


def test_rotation_is_rigid_in_a_volume_of_three_different_sides():
    grid = Grid.centred((32, 128, 64), (1.0, 1.0, 1.0))
    pose = Pose(Rotation.from_rotvec([0, 0, np.pi / 6]).as_matrix(), np.zeros(3))
    found = moved(fraction(grid, (10.0,) * 3, sub=2).astype(np.complex64),
                  MotionPlan((pose,), np.zeros((1, 1), int), grid.centre_mm), pose, grid).real
    spread = [np.sqrt((grid.points_mm()[..., a] ** 2 * found).sum() / found.sum()) for a in range(3)]
    assert spread == pytest.approx([10 / np.sqrt(5)] * 3, rel=4e-3)


def test_coils_stay_in_the_laboratory_when_the_patient_moves():
    grid = Grid.centred((8, 30, 30), (5.0, 3.0, 3.0))
    opts = options(coils={"count": 4}, raw=True)
    encoding, where, clock, share = setting(grid, opts, (24.0, 24.0, 14.0))
    body = share > 0.5
    array = coil_array(opts.coils, body, where)
    pose = Pose(np.eye(3), np.array([0.0, 6.0, 0.0]))  # two whole cells
    moves = MotionPlan((pose,), np.zeros((1, clock.lines), int), grid.centre_mm)
    ones = np.ones((1, clock.lines), np.complex64)
    found = measure([Stream(share.astype(np.complex64), ones)],
                    measurement(encoding, clock, opts, where, array, moves))
    rest = MotionPlan((Pose(np.eye(3), np.zeros(3)),), moves.index, grid.centre_mm)
    truth = measure([Stream(np.roll(share, 2, axis=1).astype(np.complex64), ones)],
                    measurement(encoding, clock, opts, where, array, rest))
    assert nrmse(found, truth) < 1e-3
    with_coils = measure([Stream(share.astype(np.complex64), ones)],
                         measurement(encoding, clock, opts, where, array, rest))
    assert nrmse(np.abs(np.fft.fftn(np.fft.ifftshift(with_coils, axes=(1, 2, 3)), axes=(1, 2, 3))),
                 np.abs(np.fft.fftn(np.fft.ifftshift(found, axes=(1, 2, 3)), axes=(1, 2, 3)))) > 0.1


def test_the_image_is_where_the_labels_are_and_ghosts_keep_the_energy():
    grid = Grid.centred((8, 48, 40), (4.0, 2.5, 2.5))
    opts = options(motion={"pattern": "drift", "rotation_deg": 0, "translation_mm": 12, "poses": 16})
    done = scan(grid, opts, (22.0, 26.0, 12.0), sub=2)
    still = scan(grid, options(), (22.0, 26.0, 12.0), sub=2)
    points = grid.points_mm()
    middles = [(points * (s.result.magnitude**4)[..., None]).sum(axis=(0, 1, 2)) / (s.result.magnitude**4).sum()
               for s in (done, still)]
    assert middles[0] == pytest.approx(middles[1], abs=1.0)  # a shift of 12 mm over the scan
    assert (np.abs(done.result.image) ** 2).sum() == pytest.approx((np.abs(still.result.image) ** 2).sum(), rel=0.01)
    assert nrmse(done.result.magnitude, still.result.magnitude) > 0.05
    log = done.result.log["motion"]
    assert log["poses"][0]["shift_mm"] == [0, 0, 0]
    assert sum(pose["share"] for pose in log["poses"]) == pytest.approx(1, abs=1e-3)
    moved_mm = np.array([pose["shift_mm"] for pose in log["poses"]])
    assert np.linalg.norm(moved_mm[:, None] - moved_mm[None], axis=-1).max() == pytest.approx(12, rel=0.1)


@pytest.mark.parametrize("pattern", ["drift", "nod", "sudden", "return", "random"])
def test_paths_reach_what_was_asked_for_and_no_more(pattern):
    options_ = Motion(pattern=pattern, rotation_deg=6.0, translation_mm=4.0, events=4)
    turn, shift = rigid_path(options_, 100.0, seed=Seed(4))(np.linspace(0, 100, 4001))
    assert np.rad2deg(np.linalg.norm(turn, axis=1)).max() == pytest.approx(6.0, rel=1e-3)
    far = np.linalg.norm(shift, axis=1).max()
    assert far == pytest.approx(0.0 if pattern == "nod" else 4.0, rel=1e-3)
    if pattern in ("nod", "return"):
        assert turn[-1] == pytest.approx(0)
    if pattern == "nod":
        assert not turn[:, 1:].any()


def test_positions_are_few_and_the_reference_comes_first():
    values = np.random.default_rng(0).uniform(-5, 5, (500, 3))
    group, means = grouped(values, 8, 37)
    assert group[37] == 0
    assert len(means) == 8
    for number in range(8):
        assert values[group == number].mean(axis=0) == pytest.approx(means[number])
    assert len(grouped(np.zeros((10, 3)), 8, 0)[1]) == 1


def test_breath_rests_at_expiration_and_its_ghosts_lie_at_its_frequency():
    depth = breath_path(Respiration(period_s=4.0, irregularity=0.0), 400.0, seed=Seed(2))(np.linspace(0, 400, 20001))
    assert depth.max() == pytest.approx(1, abs=1e-3)
    assert depth.min() == pytest.approx(0, abs=1e-4)
    assert depth.mean() == pytest.approx(5 / 16, abs=2e-3)  # of sin^6
    # 64 rows of 0.5 s at 4 s a breath: the pattern repeats every 8 rows, so that ghosts lie 64 / 8 pixels apart
    grid = Grid.centred((3, 64, 32), (5.0, 4.0, 4.0))
    motion = {"respiration": {"anterior_posterior_mm": 6, "period_s": 4, "irregularity": 0, "elastic": False},
              "poses": 8}
    done = scan(grid, options(motion=motion), (30.0, 24.0, 20.0), dimensions=2, tr_s=0.5, slice_bandwidth_hz=1e6)
    line = done.result.magnitude[1, :, 15:17].mean(axis=1)
    far = [line[32 + side * (24 + k)] for side in (-1, 1) for k in range(-3, 4)]
    assert max(far) > 0.03
    still = scan(grid, options(), (30.0, 24.0, 20.0), dimensions=2, tr_s=0.5).result.magnitude
    quiet = still[1, :, 15:17].mean(axis=1)
    assert max(quiet[32 + side * (24 + k)] for side in (-1, 1) for k in range(-3, 4)) < 0.03


def test_the_front_moves_and_the_back_lies_still():
    grid = Grid.centred((16, 40, 40), (10.0, 6.0, 6.0))
    body = fraction(grid, (90.0, 100.0, 1000.0), sub=1) > 0.5
    field = breath_field_mm(Respiration(superior_inferior_mm=15, anterior_posterior_mm=8), body, grid)
    y = grid.points_mm()[..., 1]
    assert field[1][body & (y < -85)].mean() == pytest.approx(-8, abs=1.2)  # forwards is -y
    assert np.abs(field[1][body & (y > 20)]).max() < 0.3
    middle = body & (np.abs(y) < 12) & (np.abs(grid.points_mm()[..., 0]) < 30)
    assert field[0][middle].mean() == pytest.approx(-15, abs=2.5)  # down is -z
    assert np.abs(field[0][body & (y > 85)]).max() < 2.5
    assert not field[2].any()


def test_pulsating_blood_leaves_ghosts_only_along_phase_and_keeps_its_mean():
    times = np.linspace(0, 60, 3000)
    factor = pulse_factors(Pulsation(severity=0.8), times, 60.0, seed=Seed(1))
    assert factor.mean() == pytest.approx(1, abs=1e-5)
    assert np.abs(factor).max() > 1.5 * np.abs(factor).min()
    grid = Grid.centred((3, 64, 48), (5.0, 3.0, 3.0))
    opts = options(motion={"pulsation": {"severity": 0.8}})
    encoding, where, clock, share = setting(grid, opts, (60.0, 70.0, 12.0), 2)
    vessel = fraction(where, (6.0, 6.0, 30.0)) * (share > 0)
    part = Component(share.astype(np.complex64), np.ones(clock.lines, np.complex64))
    slow = make_clock(encoding, Timing(0.37), opts)
    images = [acquire_kspace([part], encoding, slow, opts, grid=where, body=share > 0.5, arteries=a, seed=Seed(2)).image
              for a in (None, vessel)]
    ghost = np.abs(images[1] - images[0])[1]
    assert ghost[:, 22:26].mean() > 20 * ghost[:, :12].mean()
    assert ghost[[*range(12), *range(52, 64)], 23:25].max() > 0.02


def test_a_still_patient_has_one_pose():
    grid = Grid.centred((8, 20, 20), (4.0, 4.0, 4.0), (3.0, 2.0, 1.0))
    opts = options()
    encoding, where, clock, share = setting(grid, opts, (20.0, 20.0, 10.0))
    still = plan_motion(Motion(), clock, 10, share > 0.5, where, seed=Seed(1))
    assert len(still.poses) == 1
    assert still.centre_mm == pytest.approx([3, 2, 1], abs=0.01)
    assert centre_of(np.zeros_like(share, bool), where) == pytest.approx(where.centre_mm)
    assert offsets(encoding, where)[0] <= 0
