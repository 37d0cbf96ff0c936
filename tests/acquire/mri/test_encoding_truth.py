"""k-space against closed forms: ellipsoids, ringing, wrap-around, shifts, energy."""

import numpy as np
import pytest

from medsynth.acquire.mri import transform
from medsynth.acquire.mri.encode import Axis, object_grid, offsets, plan, slice_weights
from medsynth.acquire.mri.options import Window
from medsynth.acquire.mri.window import window
from medsynth.core.errors import GeometryError, RecipeError
from medsynth.core.grid import Grid, as_direction
from tests.acquire.mri.objects import ellipsoid_kspace, nrmse, options, scan

SEMI, CENTRE = (18.0, 20.0, 16.0), (9.0, -9.0, 5.0)
GRIDS = {"odd": Grid.centred((15, 24, 21), (2.5, 2.0, 2.2), (11.0, -7.0, 3.0)),
         "tilted": Grid.centred((16, 20, 24), (2.5, 2.4, 2.0), (8.0, -9.0, 4.0),
                                as_direction(np.linalg.qr(np.array([[0.1, 0.2, 1], [0.1, 1, -0.3], [1, 0, 0.2]]))[0]))}


@pytest.mark.parametrize(("name", "phase_axis"), [("odd", "j"), ("tilted", "i")])
def test_kspace_of_an_ellipsoid_comes_to_its_closed_form_as_the_object_gets_finer(name, phase_axis):
    errors = []
    for finer in (1, 2, 4):
        opts = options(raw=True, sampling={"object_oversampling": finer, "phase_axis": phase_axis,
                                           "readout_oversampling": 1})
        done = scan(GRIDS[name], opts, SEMI, CENTRE, sub=4)
        errors.append(nrmse(done.result.raw["kspace"][0], ellipsoid_kspace(done.encoding, SEMI, CENTRE)))
    assert errors[0] < 0.1
    assert errors[1] < 0.012
    assert errors[2] < 0.002


def test_voxels_counted_as_boxes_soften_kspace():
    point, box = (nrmse(scan(GRIDS["odd"], options(raw=True, sampling={
        "object_oversampling": 2, "readout_oversampling": 1, "aperture_correction": correct}), SEMI,
        CENTRE).result.raw["kspace"][0], ellipsoid_kspace(plan(GRIDS["odd"], options(), dimensions=3, field_T=3.0,
                                                               bandwidth_hz_px=200.0), SEMI, CENTRE))
        for correct in (True, False))
    assert point < box / 1.5


def test_a_step_rings_by_the_overshoot_of_gibbs():
    axis = Axis(512, 512, 64, 512.0, 64 * 32)  # eight pixels per sample, so that the overshoot is not missed
    step = np.zeros(axis.cells, np.complex64)
    step[axis.cells // 4 : 3 * axis.cells // 4] = 1
    image = transform.to_pixels(transform.encoded(step, 0, axis, 0, correct=False), 0, axis)
    assert image.real.max() - 1 == pytest.approx(0.08949, abs=2e-3)  # Wilbraham's constant less one half
    assert image.real.min() == pytest.approx(-0.08949, abs=2e-3)
    smooth = transform.to_pixels(transform.encoded(step, 0, axis, 0, correct=False), 0, axis,
                                 window(Window(kind="hamming"), 64))
    assert abs(smooth.real).max() - 1 < 0.01


@pytest.mark.parametrize("kind", ["hamming", "tukey"])
@pytest.mark.parametrize("samples", [16, 17])
def test_windows_are_1_in_the_middle_and_even(kind, samples):
    weights = window(Window(kind=kind), samples)
    middle = samples // 2
    assert weights[middle] == 1
    assert np.array_equal(weights[middle + 1 :], weights[middle - 1 :: -1][: samples - middle - 1])


@pytest.mark.parametrize("cells", [12, 13])
def test_folding_is_sampling_kspace_of_the_larger_field_of_view(cells):
    rng = np.random.default_rng(1)
    wide = (rng.standard_normal(3 * cells) + 1j * rng.standard_normal(3 * cells)).astype(np.complex64)
    assert np.allclose(np.fft.fft(transform.folded(wide, 0, cells, 0)), np.fft.fft(wide)[::3], rtol=1e-5, atol=1e-5)


def test_what_lies_outside_wraps_along_phase_but_not_along_the_readout():
    grid = Grid.centred((10, 24, 24), (4.0, 2.0, 2.0))
    inside, outside = (6.0, 6.0, 12.0), 19.0  # 5 mm of the phase field's 24 mm half-width stick out on the far side
    along_phase = scan(grid, options(), inside, (0.0, outside + 4, 0.0)).result.magnitude
    along_readout = scan(grid, options(), inside, (outside + 4, 0.0, 0.0)).result.magnitude
    oversampled = scan(grid, options(sampling={"phase_oversampling_percent": 50}), inside,
                       (0.0, outside + 4, 0.0)).result.magnitude
    assert along_phase[5, :3, 11].mean() > 0.6
    assert along_readout[5, 11, :3].mean() < 0.08
    assert oversampled[5, :3, 11].mean() < 0.08


def test_the_image_lies_on_the_object_whatever_sampling_fills_in():
    grid = Grid.centred((12, 30, 26), (4.0, 2.0, 2.0))
    for sampling in ({}, {"phase_resolution_percent": 60, "slice_resolution_percent": 70,
                          "readout_resolution_percent": 55, "phase_oversampling_percent": 37,
                          "slice_oversampling_percent": 20}):
        done = scan(grid, options(sampling=sampling), (14.0, 15.0, 12.0), (3.0, -4.0, 2.0))
        image = done.result.magnitude
        weight = image**2
        middle = (grid.points_mm() * weight[..., None]).sum(axis=(0, 1, 2)) / weight.sum()
        assert middle == pytest.approx([3.0, -4.0, 2.0], abs=0.1)
        amount = done.result.image.real.sum() * np.prod(grid.spacing_mm)  # Gibbs rings sum up to nothing
        assert amount == pytest.approx(4 / 3 * np.pi * 14 * 15 * 12, rel=0.02)


def test_energy_is_kept_and_a_real_object_is_hermitian():
    done = scan(Grid.centred((11, 21, 19), (3.0, 2.0, 2.0)), options(raw=True), (8.0, 9.0, 8.0))
    k = done.result.raw["kspace"][0]
    image = done.result.image
    assert (np.abs(k) ** 2).sum() == pytest.approx((np.abs(image) ** 2).sum(), rel=1e-5)
    turn = np.ones(1)
    for axis, n in enumerate(k.shape):  # to the phase of a transform whose origin is the middle of the field of view
        shift = np.exp(2j * np.pi * transform.frequencies(n) * (n / 2 - n // 2 - 0.5) / n)
        turn = np.multiply.outer(turn, shift) if axis else shift
    k = k * turn
    assert np.abs(k - k[::-1, ::-1, ::-1].conj()).max() < 2e-6 * np.abs(k).max()


@pytest.mark.parametrize("count", [8, 9])
def test_image_and_kspace_are_each_others_inverse(count):
    rng = np.random.default_rng(2)
    image = (rng.standard_normal((3, count)) + 1j * rng.standard_normal((3, count))).astype(np.complex64)
    there = transform.to_kspace(image, 1)
    direct = np.exp(-2j * np.pi * np.outer(transform.frequencies(count), np.arange(count) - count // 2) / count)
    assert np.allclose(there, image @ direct.T / np.sqrt(count), atol=1e-5)
    assert np.allclose(transform.to_image(there, 1), image, atol=1e-6)


def test_some_lines_summed_directly_are_those_of_the_whole_transform():
    axis = Axis(20, 20, 20, 40.0, 40)
    data = np.random.default_rng(3).standard_normal((2, 31, 3)).astype(np.complex64)
    rows = np.array([0, 7, 10, 19])
    whole = transform.encoded(data, 1, axis, 4, correct=True)
    some = np.einsum("rj,kji->kri", transform.lines_basis(axis, 4, 31, rows, correct=True), data)
    assert np.allclose(some, whole[:, rows], atol=1e-4)


def test_results_do_not_depend_on_the_number_of_threads():
    import scipy.fft

    data = np.random.default_rng(4).standard_normal((7, 13, 11, 2)).astype(np.float32).view(np.complex64)[..., 0]
    for axis in range(3):
        one, two, three = (scipy.fft.fft(data, axis=axis, workers=n) for n in (1, 2, 3))
        assert one.tobytes() == two.tobytes() == three.tobytes()


def test_a_slice_profile_keeps_a_uniform_object_and_has_its_width():
    encoding = plan(Grid.centred((3, 16, 16), (6.0, 2.0, 2.0)), options(sampling={"slice_samples": 16}), dimensions=2,
                    field_T=3.0, bandwidth_hz_px=200.0, thickness_mm=4.0)
    grid = object_grid(encoding, options(sampling={"slice_samples": 16}), (-20, -20, -30), (20, 20, 30))
    weights = slice_weights(encoding, grid)
    assert weights.sum(axis=1) == pytest.approx(1, abs=1e-4)
    z = grid.world_mm([[k, 0, 0] for k in range(grid.shape_kji[0])])[:, 2]
    profile = weights[1] / weights[1].max()
    assert np.interp([-2.0, 2.0], z, profile) == pytest.approx(0.5, abs=0.01)
    assert np.interp([-4.0, 4.0], z, profile) == pytest.approx(0, abs=0.01)  # in the gap's far side
    assert (weights[1] * z).sum() == pytest.approx(0, abs=1e-4)


def test_slices_with_a_gap_miss_what_lies_between_them():
    grid = Grid.centred((4, 24, 24), (10.0, 2.0, 2.0))  # slices at -15, -5, 5, 15 mm, 4 mm thick
    hidden = scan(grid, options(), (12.0, 12.0, 1.5), (0.0, 0.0, 0.0), dimensions=2, thickness_mm=4.0, tr_s=1.0)
    seen = scan(grid, options(), (12.0, 12.0, 1.5), (0.0, 0.0, 5.0), dimensions=2, thickness_mm=4.0, tr_s=1.0,
                sub=8)
    assert hidden.result.magnitude.max() < 0.01
    # a lens of 2 c thickness in a slice of 4 mm: its middle holds 3 mm of it, the profile being flat there
    assert seen.result.magnitude[2, 11:13, 11:13].mean() == pytest.approx(0.75, abs=0.03)
    assert seen.result.magnitude[[0, 1, 3]].max() < 0.01


def test_a_grid_that_is_not_the_engines_is_refused():
    encoding = plan(Grid.centred((10, 20, 20), (2.0, 2.0, 2.0)), options(), dimensions=3, field_T=3.0,
                    bandwidth_hz_px=200.0)
    with pytest.raises(GeometryError, match=r"must be 2 mm and lie on those .* got 1.9 mm"):
        offsets(encoding, Grid.centred((10, 20, 20), (2.0, 1.9, 2.0)))
    with pytest.raises(RecipeError, match="at least 4 phase-encoded lines, got 3 from 3 pixels"):
        plan(Grid.centred((10, 3, 20), (2.0, 2.0, 2.0)), options(), dimensions=3, field_T=3.0, bandwidth_hz_px=200.0)
    with pytest.raises(RecipeError, match=r"dephasing_s must be finite and >= 0, got -0\.01"):
        plan(Grid.centred((10, 20, 20), (2.0, 2.0, 2.0)), options(), dimensions=3, field_T=3.0, bandwidth_hz_px=200.0,
             dephasing_s=-0.01)
