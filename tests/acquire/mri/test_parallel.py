"""Unfolding, filled lines and half-measured k-space against the fully measured image, and their noise."""

import numpy as np
import pytest
from pydantic import ValidationError

from medsynth.acquire.mri import parallel_kernels as kernels
from medsynth.acquire.mri.coils import coil_array, on_grid
from medsynth.acquire.mri.encode import plan
from medsynth.acquire.mri.noise import add_noise
from medsynth.acquire.mri.options import KspaceOptions
from medsynth.acquire.mri.partial_fourier import completed, homodyne_weights
from medsynth.acquire.mri.sense import sense
from medsynth.acquire.mri.transform import to_image, to_kspace
from medsynth.core.grid import Grid
from medsynth.core.seed import Seed
from tests.acquire.mri.objects import fraction, nrmse, options, scan

GRID = Grid.centred((8, 48, 40), (6.0, 4.0, 4.5))
SEMI = (70.0, 80.0, 20.0)
COILS = {"count": 8}
INSIDE = fraction(GRID, (58.0, 68.0, 12.0), sub=1) > 0.5


@pytest.mark.parametrize(("rings", "factors", "bar"), [(1, {"phase": 2}, 0.01), (1, {"phase": 3}, 0.03),
                                                       (2, {"phase": 2, "slice": 2}, 0.08)])
def test_sense_gives_the_image_of_all_lines(rings, factors, bar):
    coils = {"count": 12, "rings": rings}
    full = scan(GRID, options(coils=coils), SEMI, sub=1).result.magnitude
    found = scan(GRID, options(coils=coils, acceleration={"method": "sense", "regularisation": 1e-8, **factors}), SEMI,
                 sub=1)
    assert nrmse(found.result.magnitude, full) < bar
    assert found.clock.lines == 8 * 48 // (factors["phase"] * factors.get("slice", 1))


def test_sense_works_slice_by_slice_along_either_axis():
    flat = {"dimensions": 2, "thickness_mm": 5.0, "tr_s": 1.0}
    slices = [scan(GRID, options(coils=COILS, sampling={"phase_axis": "i"}, **p), SEMI, sub=1, **flat).result.magnitude
              for p in ({}, {"acceleration": {"method": "sense", "phase": 2, "regularisation": 1e-8}})]
    assert nrmse(slices[1], slices[0]) < 0.02


def test_odd_matrices_and_oversampling_unfold_as_well():
    grid = Grid.centred((9, 45, 39), (6.0, 4.0, 4.5))
    sampling = {"phase_oversampling_percent": 20, "phase_resolution_percent": 80, "slice_resolution_percent": 90}
    full, fast = (scan(grid, options(coils=COILS, sampling=sampling, **parts), SEMI, sub=2).result.magnitude
                  for parts in ({}, {"acceleration": {"method": "sense", "phase": 3, "regularisation": 1e-8}}))
    inside = fraction(grid, (50.0, 60.0, 9.0), sub=1) > 0.5
    assert fast[inside].mean() == pytest.approx(full[inside].mean(), rel=0.01)
    assert nrmse(fast[inside], full[inside]) < 0.05


def test_grappa_fills_lines_close_to_the_measured_ones():
    for dimensions, extra in ((3, {}), (2, {"thickness_mm": 5.0, "tr_s": 1.0})):
        full, fast = (scan(GRID, options(coils=COILS, **parts), SEMI, sub=2, dimensions=dimensions, **extra)
                      for parts in ({}, {"acceleration": {"method": "grappa", "phase": 2, "calibration_lines": 20}}))
        assert nrmse(fast.result.magnitude, full.result.magnitude) < 0.03
        assert fast.clock.lines < 0.75 * full.clock.lines
        zero_filled = scan(GRID, options(coils=COILS, acceleration={"method": "sense", "phase": 2}, raw=True), SEMI,
                           sub=2).result.raw["kspace"]
        assert np.count_nonzero(np.abs(zero_filled).sum(axis=(0, 1, 3))) == 24


def test_the_g_factor_of_sense_is_that_of_many_noisy_replicas():
    replicas, factor = 80, 3
    grid = Grid.centred((replicas, 48, 40), (0.01, 4.0, 4.5))  # slices so near that each is a replica of the others
    opts = options(coils={"count": 8, "coupling": 0.3}, acceleration={"method": "sense", "phase": factor,
                                                                      "regularisation": 0})
    encoding = plan(grid, opts, dimensions=2, field_T=3.0, bandwidth_hz_px=200.0)
    near = Grid.centred((8, 48, 40), (20.0, 4.0, 4.5))
    coils = on_grid(coil_array(opts.coils, fraction(near, (70.0, 80.0, 999.0), sub=1) > 0.5, near), grid)
    times = np.zeros((replicas, 48, 1), int)
    times[:, np.arange(48) % factor == 24 % factor] = 1
    noise = np.zeros((8, replicas, 48, 40), np.complex64)
    add_noise(noise, times, 1.0, coils.covariance, seed=Seed(1))
    k, g, sigma = sense(noise, coils, opts.acceleration, encoding)
    image = to_image(to_image(k, 1), 2)
    square = (image.real.astype(float) ** 2 + image.imag.astype(float) ** 2).sum(axis=0) / (2 * replicas)
    ratio = np.sqrt(square) / sigma[0]
    assert ratio.mean() == pytest.approx(1, abs=0.01)
    assert ratio.std() == pytest.approx(1 / np.sqrt(4 * replicas), rel=0.1)  # of an SD from 2 n numbers
    assert g.min() >= 1 - 1e-5
    assert g.max() > 1.2


def test_no_acceleration_has_no_g_and_more_of_it_costs_more():
    found = [scan(GRID, options(coils=COILS, noise={"snr_density": 40.0},
                                acceleration={"method": "sense", "phase": phase}), SEMI, sub=1).result
             for phase in (2, 4)]
    assert 1 < found[0].g_factor[INSIDE].mean() < found[1].g_factor[INSIDE].mean()
    full = scan(GRID, options(coils=COILS, noise={"snr_density": 40.0}), SEMI, sub=1).result
    assert full.g_factor is None
    expected = full.noise_sd * found[0].g_factor * np.sqrt(2)
    assert found[0].noise_sd[INSIDE] == pytest.approx(expected[INSIDE], rel=0.25)  # matched, not summed squares


def test_noise_of_unfolded_images_is_the_one_that_was_promised():
    parts = {"coils": COILS, "acceleration": {"method": "sense", "phase": 2}}
    quiet = scan(GRID, options(**parts), SEMI, sub=1).result.image
    residue = []
    for seed in range(2):
        noisy = scan(GRID, options(noise={"snr_density": 20.0}, **parts), SEMI, sub=1, seed=seed).result
        along = ((noisy.image - quiet) * quiet.conj() / np.abs(quiet)).real
        residue.append(along[INSIDE] / noisy.noise_sd[INSIDE])
    assert np.std(residue) == pytest.approx(1, abs=0.04)


def test_the_g_factor_of_grappa_is_that_of_many_noisy_replicas_of_its_kernels():
    replicas, factor, (ky, kx) = 60, 3, (2, 5)
    grid = Grid.centred((1, 48, 40), (5.0, 4.0, 4.5))
    opts = options(coils={"count": 8, "coupling": 0.3})
    near = Grid.centred((8, 48, 40), (20.0, 4.0, 4.5))
    share = fraction(near, (70.0, 80.0, 999.0), sub=2)
    coils = on_grid(coil_array(opts.coils, share > 0.5, near), grid)
    patterns = coils.planes(0, 1)[:, 0]
    k = to_kspace(to_kspace(patterns * share[:1], 1), 2).swapaxes(0, 1)[None].reshape(1, 48, 8, 40).swapaxes(1, 2)
    weights = np.empty((1, factor - 1, 8, 8 * ky * kx), np.complex64)
    kernels.fit(np.ascontiguousarray(k), 8, 40, factor, ky, kx, 1, 1e-4, weights)
    j, i = np.arange(0, 48, 4), np.arange(0, 40, 4)
    g = np.empty((1, len(j), len(i)), np.float32)
    at = np.ascontiguousarray(patterns[:, None][:, :, j][:, :, :, i])
    kernels.loss(weights, at, coils.covariance, factor, ky, kx, 48, 40, (j - 24.0), (i - 20.0), g)
    noise = np.zeros((8, replicas, 48, 40), np.complex64)
    measured = np.arange(48) % factor == 0
    times = np.zeros((replicas, 48, 1), int)
    times[:, measured] = 1
    add_noise(noise, times, 1.0, coils.covariance, seed=Seed(3))
    planes = np.ascontiguousarray(noise.swapaxes(0, 1))
    filled = planes.copy()
    kernels.fill(planes, measured, 0, factor, ky, kx, np.repeat(weights, replicas, axis=0), filled)
    image = to_image(to_image(filled, 2), 3)[:, :, j][:, :, :, i]
    combined = (image * at[:, 0].conj()).sum(axis=1)
    found = np.sqrt((np.abs(combined) ** 2).mean(axis=0) / 2)
    full = np.sqrt(np.einsum("aji,ab,bji->ji", at[:, 0].conj(), coils.covariance, at[:, 0]).real)
    ratio = found / (full * np.sqrt(factor) * g[0])
    assert ratio.mean() == pytest.approx(1, abs=0.03)  # rows at the rim have fewer neighbours than the kernel
    assert ratio.std() == pytest.approx(1 / np.sqrt(4 * replicas), abs=0.03)


def test_calibration_lines_that_are_measured_keep_noise_below_the_promise():
    parts = {"coils": COILS, "acceleration": {"method": "grappa", "phase": 2, "calibration_lines": 24}}
    quiet = scan(GRID, options(**parts), SEMI, sub=1).result.image
    noisy = scan(GRID, options(noise={"snr_density": 50.0}, **parts), SEMI, sub=1).result
    along = ((noisy.image - quiet) * quiet.conj() / np.abs(quiet)).real
    assert 0.8 < np.std(along[INSIDE] / noisy.noise_sd[INSIDE]) < 1


@pytest.mark.parametrize("method", ["homodyne", "pocs"])
@pytest.mark.parametrize("count", [48, 47])
def test_a_real_object_with_a_smooth_phase_survives_partial_fourier(method, count):
    grid = Grid.centred((6, count, 40), (6.0, 4.0, 4.5))
    share = fraction(grid, (70.0, 80.0, 14.0), sub=2)
    points = grid.points_mm()
    image = (share * np.exp(1j * (0.4 + 0.006 * points[..., 1] + 0.00005 * points[..., 0] ** 2))).astype(np.complex64)
    k = image
    for axis in range(3):
        k = to_kspace(k, axis)
    measured = round(count * 0.75)
    k[:, : count - measured] = 0
    found = completed(k, 1, measured, method)
    blurred = k
    for axis in range(3):
        found, blurred = to_image(found, axis), to_image(blurred, axis)
    # homodyne turns the edges of its phase estimate into errors that the iterations of POCS take off
    assert nrmse(np.abs(found), share) < (0.4 if method == "pocs" else 0.65) * nrmse(np.abs(blurred), share)


def test_homodyne_rows_and_their_mirrors_weigh_two_together():
    for count, measured in ((16, 10), (17, 11)):
        weights = homodyne_weights(count, measured)
        middle = count // 2
        for q in range(1, (count + 1) // 2):
            assert weights[middle + q] + weights[middle - q] == pytest.approx(2)
        assert not weights[: count - measured].any()


@pytest.mark.parametrize(("partial", "rise"), [({"phase": 0.75}, np.sqrt(0.75)),
                                               ({"phase": 0.75, "method": "homodyne"}, None)])
def test_noise_of_partial_fourier_is_the_one_that_was_promised(partial, rise):
    grid = Grid.centred((6, 48, 40), (6.0, 4.0, 4.5))
    inside = fraction(grid, (60.0, 70.0, 8.0), sub=1) > 0.5
    quiet = scan(grid, options(partial_fourier=partial), SEMI, sub=1).result.image
    residue, noisy = [], None
    for seed in range(4):
        noisy = scan(grid, options(noise={"snr_density": 20.0}, partial_fourier=partial), SEMI, sub=1, seed=seed).result
        residue.append((((noisy.image - quiet) * quiet.conj() / np.abs(quiet)).real / noisy.noise_sd)[inside])
    assert np.std(residue) == pytest.approx(1, abs=0.04)
    full = scan(grid, options(noise={"snr_density": 20.0}), SEMI, sub=1).result
    ratio = noisy.noise_sd.mean() / full.noise_sd.mean()
    assert ratio == pytest.approx(rise, rel=1e-5) if rise else ratio > 1


@pytest.mark.parametrize(("parts", "words"), [
    ({"coils": {"count": 2}, "acceleration": {"method": "sense", "phase": 3}}, r"= 3\) must be <= coils.count, got 2"),
    ({"acceleration": {"method": "sense", "phase": 5}}, "less than or equal to 4"),
    ({"acceleration": {"method": "sense", "phase": 3, "slice": 2}}, "phase x slice must be <= 4, got 3 x 2"),
    ({"coils": COILS, "acceleration": {"method": "grappa", "phase": 4, "calibration_lines": 12}},
     r"calibration_lines must be >= 14 .* got 12"),
    ({"coils": COILS, "acceleration": {"phase": 2}}, "must be 'sense' or 'grappa' .* of 2, got 'none'"),
    ({"coils": {"count": 4, "rings": 2}}, "3 coils per ring, got 4 coils in 2 rings"),
    ({"coils": {"cuont": 4}}, "Extra inputs are not permitted"),
])
def test_accelerations_that_cannot_be_name_both_values(parts, words):
    with pytest.raises(ValidationError, match=words):
        KspaceOptions.model_validate(parts)
