"""The main field against analytic dipoles, and what off-resonance does to images against its closed forms."""

import numpy as np
import pytest

from medsynth.acquire.mri.clock import Timing
from medsynth.acquire.mri.coils import FREQUENCY_HZ_PER_T
from medsynth.acquire.mri.fields import b0_map, dipole_shift_ppm, displaced, nonlinearity_mm, precessed
from medsynth.acquire.mri.options import Fields
from medsynth.acquire.mri.shim import harmonics, shimmed
from medsynth.acquire.mri.streams import bent
from medsynth.core.errors import GeometryError, RecipeError
from medsynth.core.grid import Grid, as_direction, orientation
from tests.acquire.mri.objects import fraction, nrmse, options, scan

TILTED = as_direction(np.linalg.qr(np.array([[0.2, 0.3, 1], [0.1, 1, -0.3], [1, 0, 0.2]]))[0])


@pytest.mark.parametrize("direction", [orientation("SPL"), orientation("RSA"), TILTED])
def test_the_field_around_a_sphere_is_a_dipole_and_zero_within(direction):
    grid = Grid.centred((48, 52, 56), (2.0, 2.0, 2.0), (5.0, -80.0, 20.0), direction)
    radius, delta = 16.0, 9.4
    share = fraction(grid, (radius,) * 3, (5.0, -80.0, 20.0))
    found = dipole_shift_ppm(delta * share, grid.spacing_mm, np.array([0.0, 0.0, 1.0]) @ np.asarray(direction))
    points = grid.points_mm() - (5.0, -80.0, 20.0)
    r = np.linalg.norm(points, axis=-1)
    cosine = points[..., 2] / np.maximum(r, 1e-9)
    truth = delta / 3 * (radius / np.maximum(r, 1e-9)) ** 3 * (3 * cosine**2 - 1)
    outside = (r > radius + 5) & (r < 46)
    found = found - (found[outside] - truth[outside]).mean()
    assert nrmse(found[outside], truth[outside]) < 0.02
    assert np.abs(found[r < radius - 5]).max() < 0.02 * delta


@pytest.mark.parametrize("across", [True, False])
def test_the_field_of_a_cylinder_that_leaves_the_grid_is_that_of_an_endless_one(across):
    # the cylinder's axis is x; B0 lies across it or along it
    grid = Grid.centred((56, 56, 20), (2.0, 2.0, 2.0))
    z, y = grid.points_mm()[..., 2], grid.points_mm()[..., 1]
    rho, radius, delta = np.hypot(y, z), 14.0, 1.0
    sub = [np.hypot(y + a, z + b) < radius for a in (-0.75, -0.25, 0.25, 0.75) for b in (-0.75, -0.25, 0.25, 0.75)]
    b0 = np.array([1.0, 0.0, 0.0]) if across else np.array([0.0, 0.0, 1.0])
    found = dipole_shift_ppm(np.mean(sub, axis=0).astype(np.float32), grid.spacing_mm, b0)
    inside = found[rho < radius - 4].mean() - found[(rho > 45) & (rho < 50)].mean()
    assert inside == pytest.approx(delta / 6 * ((0 if across else 3) - 1), rel=0.03)  # (3 cos^2 - 1) / 6
    if across:
        truth = delta / 2 * (radius / rho) ** 2 * (z**2 - y**2) / rho**2
        outside = (rho > radius + 4) & (rho < 45)
        assert nrmse(found[outside] - found[outside].mean(), truth[outside] - truth[outside].mean()) < 0.04


def test_padding_keeps_copies_of_the_body_away():
    grid = Grid.centred((40, 40, 40), (2.0, 2.0, 2.0))
    share = fraction(grid, (18.0,) * 3)
    points = grid.points_mm()
    r = np.linalg.norm(points, axis=-1)
    truth = (18.0 / r) ** 3 * (3 * (points[..., 2] / r) ** 2 - 1) / 3
    outside = r > 23
    errors = [nrmse(dipole_shift_ppm(share, (2.0,) * 3, np.array([1.0, 0, 0]), pad=pad)[outside], truth[outside])
              for pad in (1, 2)]
    assert errors[1] < errors[0] / 3


def test_b0_is_in_hertz_and_coarse_cells_give_the_fine_field():
    fine = Grid.centred((48, 48, 48), (0.75, 0.75, 0.75))
    share = fraction(fine, (9.0,) * 3)
    body = fraction(fine, (16.0,) * 3) > 0.5
    found = b0_map(9.4 * share, body, fine, 3.0, Fields(shim_order=0))
    points = fine.points_mm()
    r = np.linalg.norm(points, axis=-1)
    truth = FREQUENCY_HZ_PER_T * 3.0 * 1e-6 * 9.4 / 3 * (9.0 / r) ** 3 * (3 * (points[..., 2] / r) ** 2 - 1)
    shell = (r > 11.5) & (r < 16)
    assert nrmse(found[shell] - found[shell].mean(), truth[shell] - truth[shell].mean()) < 0.04
    with pytest.raises(GeometryError, match=r"must have the grid's shape \(48, 48, 48\)"):
        b0_map(share[:4], body, fine, 3.0, Fields())
    with pytest.raises(RecipeError, match="field_T must be finite and > 0, got -1"):
        b0_map(share, body, fine, -1.0, Fields())


@pytest.mark.parametrize("order", [0, 1, 2])
def test_shims_take_off_fields_up_to_their_order_and_no_more(order):
    grid = Grid.centred((9, 11, 13), (5.0, 4.0, 3.0), (50.0, 20.0, -700.0))
    body = fraction(grid, (18.0, 20.0, 20.0), (50.0, 20.0, -700.0), 1) > 0.5
    points = (grid.points_mm() - grid.centre_mm) / 30
    for degree, field in enumerate(harmonics(points, 2)):
        rest = shimmed((7 * field).astype(np.float32), body, grid, order)[body]
        if (degree >= 1) + (degree >= 4) <= order:
            assert np.abs(rest).max() < 1e-3
        else:
            assert np.abs(rest).max() > 0.1
    laplace = [np.gradient(np.gradient(f, 3.0, axis=2), 3.0, axis=2) + np.gradient(np.gradient(f, 4.0, axis=1), 4.0,
               axis=1) + np.gradient(np.gradient(f, 5.0, axis=0), 5.0, axis=0) for f in harmonics(points, 2)]
    assert max(np.abs(one[2:-2, 2:-2, 2:-2]).max() for one in laplace) < 1e-12


def test_fat_moves_by_its_shift_over_the_bandwidth_of_a_pixel():
    grid = Grid.centred((8, 48, 48), (5.0, 2.0, 2.0))
    for axis, i in (("j", 2), ("i", 1)):  # the readout is the other axis
        water, fat = (scan(grid, options(sampling={"phase_axis": axis}), (16.0, 14.0, 16.0), shift_hz=shift,
                           bandwidth_hz_px=130.0).result.magnitude for shift in (0.0, -447.0))
        index = np.arange(48).reshape([-1 if a == i else 1 for a in range(3)])
        middles = [(index * image**2).sum() / (image**2).sum() for image in (water, fat)]
        assert middles[1] - middles[0] == pytest.approx(-447.0 / 130.0, abs=0.05)
        other = np.arange(48).reshape([-1 if a == 3 - i else 1 for a in range(3)])
        assert (other * fat**2).sum() / (fat**2).sum() == pytest.approx((other * water**2).sum() / (water**2).sum(),
                                                                        abs=0.02)
    stays = scan(grid, options(fields={"chemical_shift": False}), (16.0, 14.0, 16.0), shift_hz=-447.0).result
    assert nrmse(stays.magnitude, water) < 0.01


def test_fat_slices_are_shifted_by_the_bandwidth_of_the_pulse():
    grid = Grid.centred((11, 24, 24), (3.0, 3.0, 3.0))
    images = [scan(grid, options(), (18.0, 18.0, 11.0), dimensions=2, shift_hz=shift, slice_bandwidth_hz=900.0,
                   tr_s=1.0, thickness_mm=3.0).result.magnitude for shift in (0.0, -450.0)]
    middles = [(np.arange(11)[:, None, None] * image).sum() / image.sum() for image in images]
    assert middles[1] - middles[0] == pytest.approx(-0.5, abs=0.02)


@pytest.mark.parametrize("order", ["linear", "reverse"])
def test_echo_planar_lines_displace_by_field_spacing_and_lines(order):
    grid = Grid.centred((3, 64, 64), (5.0, 3.0, 3.0))
    parts = {"sampling": {"order": order}}
    scans = [scan(grid, options(**parts), (36.0, 40.0, 12.0), dimensions=2, epi_spacing_s=0.5e-3, field_hz=field,
                  bandwidth_hz_px=2000.0, slice_bandwidth_hz=1e6, timing=Timing(2.0, 0.005, 64, 0.5e-3), sub=2).result
             for field in (None, lambda p: np.full(p.shape[:-1], 100.0))]
    j = np.arange(64)[None, :, None]
    middles = [(j * s.magnitude**2).sum() / (s.magnitude**2).sum() for s in scans]
    shift = 100.0 * 0.5e-3 * 64 * (-1 if order == "reverse" else 1)
    assert middles[1] - middles[0] == pytest.approx(shift, abs=0.05)
    assert scans[1].truth["displacement_phase_mm"][1, 32, 32] == pytest.approx(shift * 3.0, rel=0.01)


def test_a_squeezed_image_gets_brighter_by_as_much():
    grid = Grid.centred((3, 64, 64), (5.0, 3.0, 3.0))
    slope = -2.0  # Hz per mm along the phase axis, so that places move together by a factor 1 + slope x 0.5 ms x 192 mm
    squeezed = scan(grid, options(), (50.0, 60.0, 30.0), dimensions=2, epi_spacing_s=0.5e-3, bandwidth_hz_px=2000.0,
                    timing=Timing(2.0, 0.005, 64, 0.5e-3), field_hz=lambda p: slope * p[..., 1], sub=2,
                    slice_bandwidth_hz=1e6).result.magnitude
    factor = 1 + slope * 0.5e-3 * 192
    assert squeezed[1, 29:35, 25:39].mean() == pytest.approx(1 / factor, rel=0.02)
    profile = squeezed[1, :, 31:33].mean(axis=1)
    width = np.interp(0.5 / factor, profile[55:31:-1], np.arange(55, 31, -1)) - 31.5
    assert width * 3.0 == pytest.approx(60.0 * factor, abs=1.0)


def test_displacement_by_a_whole_cell_moves_and_by_a_part_keeps_the_sum():
    image = np.zeros((2, 5, 40), np.complex64)
    image[:, 2, 12:20] = 1 + 2j
    whole = displaced(image, 2, 0.01, None, 300.0)
    assert whole[:, 2, 15:23] == pytest.approx(image[:, 2, 12:20], abs=1e-5)
    part = displaced(image, 2, 0.01, np.full(image.shape, 37.0, np.float32), 0.0)
    assert part.sum() == pytest.approx(image.sum(), rel=1e-5)
    assert np.abs(displaced(image, 1, 0.01, None, 100.0)[:, 3] - image[:, 2]).max() < 1e-5


def test_a_gradient_across_a_voxel_dephases_as_a_sinc_and_slices_lose_signal():
    field = np.broadcast_to(30.0 * np.arange(12, dtype=np.float32)[:, None, None], (12, 6, 6)).copy()
    image = np.ones((12, 6, 6), np.complex64)
    out = precessed(image, field, 0.0, 0.01)
    assert np.abs(out) == pytest.approx(np.sinc(0.3), abs=1e-5)
    assert np.angle(out[3]) == pytest.approx(np.angle(np.exp(-2j * np.pi * 90 * 0.01)), abs=1e-4)
    grid = Grid.centred((5, 20, 20), (4.0, 3.0, 3.0))
    slope = 20.0  # Hz per mm through the slice; a slice is 4 mm thick, TE 10 ms
    flat, sloped = (scan(grid, options(sampling={"slice_samples": 8}), (22.0, 22.0, 30.0), dimensions=2,
                         dephasing_s=0.01, tr_s=1.0, field_hz=f, slice_bandwidth_hz=1e6).result.magnitude
                    for f in (None, lambda p: slope * p[..., 2]))
    # the profile's transform at 0.2 cycles per mm: that of a 4 mm box times its soft edge's gaussian
    edge = np.exp(-((np.pi * slope * 0.01 * 0.18 * 4 / 1.812) ** 2))
    assert sloped[2, 8:12, 8:12].mean() / flat[2, 8:12, 8:12].mean() == pytest.approx(
        np.sinc(slope * 0.01 * 4) * edge, abs=0.01)


def test_gradients_are_harmonic_and_bend_images_by_what_they_say():
    points = np.random.default_rng(1).uniform(-180, 180, (20, 3))
    step = 0.5
    for axis in range(3):
        value = nonlinearity_mm(points, 1.0)[:, axis]
        around = sum(nonlinearity_mm(points + side * step * np.eye(3)[a], 1.0)[:, axis] for a in range(3)
                     for side in (-1, 1))
        assert np.abs(around - 6 * value).max() < 1e-9
    assert np.abs(nonlinearity_mm(np.array([[0.0, 0.0, 200.0]]), 1.0)).max() == pytest.approx(4.0)
    grid = Grid.centred((30, 16, 16), (8.0, 8.0, 8.0))
    image = fraction(grid, (30.0,) * 3, (0.0, 0.0, 70.0)).astype(np.complex64)
    out = bent(image, grid, np.zeros(3), 20.0)
    expected = 70 + nonlinearity_mm(np.array([[0.0, 0.0, 70.0]]), 20.0)[0, 2]
    z = grid.points_mm()[..., 2]
    assert (z * out.real).sum() / out.real.sum() == pytest.approx(expected, abs=1.0)
    assert out.real.sum() == pytest.approx(image.real.sum(), rel=0.02)  # signal is kept, volume is not
