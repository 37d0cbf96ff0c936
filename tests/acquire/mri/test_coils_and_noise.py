"""Coil patterns against the law of Biot and Savart, noise against its closed-form statistics."""

import numpy as np
import pytest
from scipy.special import gammaln, hyp1f1

from medsynth.acquire.mri.coils import b1_map, coil_array, loop_field, loops_around, noise_covariance, receive_pattern
from medsynth.acquire.mri.combine import adaptive, whitened
from medsynth.acquire.mri.encode import plan
from medsynth.acquire.mri.noise import add_noise, lower_root, noise_sd, white_noise
from medsynth.acquire.mri.options import Coils, Noise
from medsynth.core.errors import GeometryError, RecipeError
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from tests.acquire.mri.objects import fraction, options, scan

GRID = Grid.centred((20, 36, 30), (8.0, 6.0, 7.0), (30.0, -40.0, 12.0))
BODY = fraction(GRID, (80.0, 95.0, 70.0), (30.0, -40.0, 12.0), 1) > 0.5
RNG = np.random.default_rng(5)


def test_the_field_of_a_loop_is_that_of_its_current_elements():
    centre, normal, radius = np.array([3.0, -5.0, 8.0]), np.array([0.6, 0.0, 0.8]), 40.0
    points = centre + RNG.uniform(-70, 70, (40, 3))
    points = points[np.abs(np.linalg.norm(points - centre, axis=1) - radius) > 6]
    across = np.array([0.8, 0.0, -0.6]), np.array([0.0, 1.0, 0.0])  # across[0] x across[1] is the normal
    angles = (np.arange(20000) + 0.5) * 2 * np.pi / 20000
    on = centre + radius * (np.cos(angles)[:, None] * across[0] + np.sin(angles)[:, None] * across[1])
    step = radius * (-np.sin(angles)[:, None] * across[0] + np.cos(angles)[:, None] * across[1]) * 2 * np.pi / 20000
    apart = points[:, None] - on
    direct = (np.cross(step, apart) / np.linalg.norm(apart, axis=-1, keepdims=True) ** 3).sum(axis=1) / 2
    assert loop_field(points, centre, normal, radius) == pytest.approx(direct, rel=1e-4, abs=1e-6)


def test_on_the_axis_of_a_loop_the_field_falls_as_the_textbook_says():
    z = np.array([0.0, 10.0, 50.0])
    field = loop_field(np.stack([0 * z, 0 * z, z], axis=1), np.zeros(3), np.array([0.0, 0.0, 1.0]), 30.0)
    # mu0 I a^2 / (2 (a^2 + z^2)^1.5) in units of mu0 I / (2 pi)
    assert field[:, 2] == pytest.approx(np.pi * 30.0**2 / (30.0**2 + z**2) ** 1.5, rel=1e-9)
    assert field[:, :2] == pytest.approx(0)


@pytest.mark.parametrize("count", [5, 8])
def test_patterns_on_the_grid_are_those_of_the_loops_up_to_one_scale(count):
    array = coil_array(Coils(count=count), BODY, GRID)
    loops = loops_around(BODY, GRID, Coils(count=count))
    direct = np.stack([receive_pattern(GRID.points_mm()[BODY], loops, coil) for coil in range(count)])
    found = np.stack([array.map(coil)[BODY] for coil in range(count)])
    scale = (np.abs(found) ** 2).sum() / (found.conj() * direct).sum()
    assert abs(scale.imag) < 1e-4 * abs(scale)
    assert np.abs(found - scale * direct).max() < 0.01 * np.abs(found).max()
    assert np.sqrt((np.abs(found) ** 2).sum(axis=0)).mean() == pytest.approx(1, abs=0.05)
    loudest = np.abs(found).argmax(axis=0)
    assert set(loudest) == set(range(count))  # each loop hears some place best


def test_loops_lie_outside_the_body_in_their_rings_and_do_not_care_where_the_patient_lies():
    loops = loops_around(BODY, GRID, Coils(count=12, rings=2))
    assert np.all(np.hypot((loops.centres_mm[:, 0] - 30) / 80, (loops.centres_mm[:, 1] + 40) / 95) > 1.15)
    assert len(np.unique(loops.centres_mm[:, 2].round(3))) == 2
    moved = Grid(GRID.shape_kji, GRID.spacing_mm, tuple(np.add(GRID.origin_mm, (100, -300, 55)).tolist()))
    here, there = (coil_array(Coils(count=6), BODY, grid).map(2) for grid in (GRID, moved))
    assert np.abs(here - there).max() < 1e-5


def test_transmit_brightens_the_middle_of_a_head_and_shades_a_body_more_at_higher_fields():
    heads = [b1_map(BODY, GRID, field) for field in (1.5, 3.0)]
    assert all(head[BODY].mean() == pytest.approx(1, abs=1e-5) for head in heads)
    assert heads[1][10, 18, 15] > 1.1  # 1.1 to 1.3 at the centre of a head at 3 T
    assert heads[1][BODY].std() > 2 * heads[0][BODY].std()
    big = Grid.centred((10, 40, 60), (20.0, 7.0, 7.0))
    abdomen = fraction(big, (180.0, 115.0, 300.0), sub=1) > 0.5
    spread = b1_map(abdomen, big, 3.0)[abdomen]
    assert 0.1 < spread.std() < 0.4


def test_noise_has_the_covariance_of_the_coils_and_a_stream_for_each_plane():
    matrix = noise_covariance(Coils(count=6, rings=2, coupling=0.4))
    root = lower_root(matrix)
    assert root @ root.conj().T == pytest.approx(matrix, abs=1e-12)
    k = np.zeros((6, 3, 40, 200), np.complex64)
    times = np.ones((3, 40, 1), int)
    times[:, 7] = 0
    times[:, 8] = 4
    add_noise(k, times, 2.0, matrix, seed=Seed(3))
    assert not k[:, :, 7].any()
    flat = np.delete(k, (7, 8), axis=2).reshape(6, -1)
    assert flat @ flat.conj().T / flat.shape[1] / 8 == pytest.approx(matrix, abs=0.02)
    assert flat.real.std() == pytest.approx(2.0, rel=0.02)
    assert k[:, :, 8].real.std() == pytest.approx(1.0, rel=0.06)
    assert np.array_equal(white_noise(Seed(3), 1, 2, (40, 200)), white_noise(Seed(3), 1, 2, (40, 200)))
    fewer = np.zeros((6, 2, 40, 200), np.complex64)
    add_noise(fewer, times[:2], 2.0, matrix, seed=Seed(3))
    assert np.array_equal(fewer, k[:, :2])
    with pytest.raises(RecipeError, match="must be positive definite, got -1 left for coil 0"):
        lower_root(-np.eye(2))


def test_white_coils_are_white():
    matrix = noise_covariance(Coils(count=4, coupling=0.5))
    images = np.stack([white_noise(Seed(1), c, 0, (40000,)) for c in range(4)])
    coloured = (lower_root(matrix) @ images).astype(np.complex64)
    assert whitened(coloured, matrix) == pytest.approx(images, abs=1e-4)


@pytest.mark.parametrize("amplitude", [0.0, 1.0, 5.0])
def test_magnitudes_of_one_coil_are_rician(amplitude):
    noise = np.stack([white_noise(Seed(9), 0, k, (100, 1000)) for k in range(4)])
    found = np.abs(amplitude + noise).mean(dtype=float)
    # sqrt(pi / 2) L_1/2(-A^2 / 2) = sqrt(pi / 2) 1F1(-1/2; 1; -A^2 / 2)
    assert found == pytest.approx(np.sqrt(np.pi / 2) * hyp1f1(-0.5, 1, -(amplitude**2) / 2), rel=2e-3)


@pytest.mark.parametrize(("coils", "amplitude"), [(4, 0.0), (8, 0.0), (8, 5.0), (8, 20.0)])
def test_sums_of_squares_are_noncentral_chi(coils, amplitude):
    noise = np.stack([white_noise(Seed(2), c, 0, (200, 500)) for c in range(coils)])
    noise[0] += np.float32(amplitude)
    found = np.sqrt((np.abs(noise) ** 2).sum(axis=0)).mean(dtype=float)
    # sqrt(2) G(n + 1/2) / G(n) 1F1(-1/2; n; -A^2 / 2)
    mean = np.sqrt(2) * np.exp(gammaln(coils + 0.5) - gammaln(coils)) * hyp1f1(-0.5, coils, -(amplitude**2) / 2)
    assert found == pytest.approx(mean, rel=2e-3)


def test_noise_of_the_image_is_the_one_that_was_promised_at_every_matrix():
    for shape in ((12, 32, 30), (12, 64, 30), (6, 32, 60)):
        grid = Grid.centred(shape, (72.0 / shape[0], 64.0 / shape[1], 60.0 / shape[2]))
        done = scan(grid, options(noise={"snr_density": 2.0}), (9.0, 8.0, 7.0), value=0.0)
        sd = done.result.noise_sd.mean()
        assert done.result.image.real.std() == pytest.approx(sd, rel=0.02)
        assert done.result.image.imag.std() == pytest.approx(sd, rel=0.02)
        assert sd == pytest.approx(noise_sd(Noise(snr_density=2.0), done.encoding), rel=1e-5)


def test_snr_grows_with_voxel_field_and_listening_time():
    def sd(shape=(12, 32, 32), bandwidth=200.0, field=3.0):
        grid = Grid.centred(shape, (60 / shape[0], 64 / shape[1], 64 / shape[2]))
        return noise_sd(Noise(snr_density=40.0), plan(grid, options(), dimensions=3, field_T=field,
                                                      bandwidth_hz_px=bandwidth))

    assert sd(bandwidth=800.0) == pytest.approx(2 * sd(), rel=1e-9)
    assert sd(field=1.5) == pytest.approx(2 * sd(), rel=1e-9)
    # twice the lines of half the width: half the volume, twice the time
    assert sd(shape=(12, 64, 32)) == pytest.approx(np.sqrt(2) * sd(), rel=1e-9)
    assert sd() == pytest.approx(1 / (40 * 20 * np.sqrt(12 * 32 / 200)), rel=1e-9)


@pytest.mark.parametrize("combination", ["sos", "adaptive"])
def test_averages_windows_and_correlated_coils_are_in_the_promised_noise(combination):
    grid = Grid.centred((8, 40, 36), (4.0, 3.0, 3.0))
    parts = {"coils": {"count": 6, "coupling": 0.4, "combination": combination}, "window": {"kind": "hamming"},
             "sampling": {"averages": 2, "phase_oversampling_percent": 30, "phase_resolution_percent": 80}}
    inside = fraction(grid, (36.0, 44.0, 10.0), sub=1) > 0.5
    quiet = scan(grid, options(**parts), (45.0, 55.0, 14.0), sub=1).result.image
    residue, promised = [], None
    for seed in range(6):
        noisy = scan(grid, options(noise={"snr_density": 20.0}, **parts), (45.0, 55.0, 14.0), sub=1, seed=seed).result
        along = (noisy.image - quiet) * quiet.conj() / np.abs(quiet)
        residue.append(along.real[inside] / noisy.noise_sd[inside])
        promised = noisy.noise_sd
    assert promised is not None
    assert np.std(residue) == pytest.approx(1, abs=0.05)


def test_adaptive_combination_finds_the_coils_pattern():
    array = coil_array(Coils(count=6), BODY, GRID)
    patterns = np.stack([array.map(coil) for coil in range(6)])
    combined = adaptive(patterns, np.eye(6, dtype=complex))
    assert np.abs(combined)[BODY] == pytest.approx(np.sqrt((np.abs(patterns) ** 2).sum(axis=0))[BODY], rel=0.02)


def test_a_body_that_is_not_there_is_told():
    with pytest.raises(GeometryError, match="the body must fill some voxels"):
        coil_array(Coils(count=4), np.zeros(GRID.shape_kji, bool), GRID)
